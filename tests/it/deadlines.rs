//! The deadline of the invocation: the response is sent in time, whatever the store does.

use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_http::{Body, Context, Error, Request, RequestExt as _, Response, service_fn};
use lambda_sessions::{ErrorKind, Session, SessionExt as _};
use tower::{Layer as _, ServiceExt as _};

use crate::support::{Action, Setup, count};

/// A timeout so long that only the deadline can end an operation.
const AN_HOUR: Duration = Duration::from_secs(60 * 60);

/// A time that is long enough for a slow machine, and much shorter than the timeouts.
const A_MINUTE: Duration = Duration::from_secs(60);

async fn setup() -> Setup {
    let mut setup = Setup::new().await;
    let store = setup.table.store_at(&setup.proxy.endpoint);
    setup.use_store(store.attempt_timeout(AN_HOUR).operation_timeout(AN_HOUR));
    setup
}

/// The two ways to get a session.
#[derive(Clone, Copy, Debug)]
enum Way {
    Wrapped,
    Layered,
}

/// Performs the named step in a handler.
async fn act(what: &str, session: Session) -> Result<String, Error> {
    match what {
        "cycle" => session.cycle_id()?,
        "replace" => {
            session.destroy()?;
            session.insert("visits", 1)?;
        }
        "destroy" => session.destroy()?,
        "dawdle" => {
            tokio::time::sleep(Duration::from_millis(900)).await;
            session.increment("visits", 1)?;
        }
        _ => drop(session.increment("visits", 1)?),
    }
    Ok(String::new())
}

/// Sends a request with this deadline, in milliseconds since 1970, and returns the status.
async fn visit(
    setup: &Setup,
    cookie: Option<&str>,
    deadline: u64,
    way: Way,
    what: &'static str,
) -> u16 {
    let mut context = Context::default();
    context.deadline = deadline;
    let mut request = http::Request::get("/");
    if let Some(id) = cookie {
        request = request.header("cookie", format!("__Host-sid={id}"));
    }
    let request: Request = request.body(Body::Empty).unwrap();
    let request = request.with_lambda_context(context);
    let response = async {
        match way {
            Way::Wrapped => {
                let handler = move |_: Request, session: Session| act(what, session);
                let response = setup.sessions.wrap(handler).oneshot(request).await;
                response.map(|response| response.status())
            }
            Way::Layered => {
                let inner = service_fn(move |request: Request| async move {
                    let session = request.session().await?;
                    let body = act(what, session).await?;
                    Ok::<_, Error>(Response::new(Body::from(body)))
                });
                let response = setup.sessions.layer(inner).oneshot(request).await;
                response.map(|response| response.status())
            }
        }
    };
    let response = tokio::time::timeout(A_MINUTE, response).await;
    let response = response.unwrap_or_else(|_| panic!("{what}, {way:?}: no response"));
    response.unwrap().as_u16()
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap();
    since.as_millis().try_into().unwrap()
}

fn in_(left: Duration) -> u64 {
    milliseconds(SystemTime::now() + left)
}

const WAYS: [Way; 2] = [Way::Wrapped, Way::Layered];

#[tokio::test]
async fn deadline_ends_the_wait_for_a_hanging_store() {
    let setup = setup().await;
    for way in WAYS {
        for (what, hanging) in [
            ("count", "GetItem"),
            ("count", "UpdateItem"),
            ("cycle", "TransactWriteItems"),
            ("replace", "TransactWriteItems"),
            ("destroy", "DeleteItem"),
        ] {
            setup.proxy.script(|_, _| Action::Forward);
            let ada = setup.guest(count).await;
            setup
                .proxy
                .script(move |operation, _| match operation == hanging {
                    true => Action::Hang,
                    false => Action::Forward,
                });
            let deadline = in_(Duration::from_secs(2));
            let status = visit(&setup, ada.cookie(), deadline, way, what).await;
            assert_eq!(status, 503, "{way:?}: {hanging} hangs");
        }
        setup.proxy.script(|_, _| Action::Hang);
        let status = visit(&setup, None, in_(Duration::from_secs(1)), way, "count").await;
        assert_eq!(status, 503, "{way:?}: PutItem hangs");
        setup.proxy.script(|_, _| Action::Forward);
    }
}

/// A write that is throttled until the deadline has not happened, and its outcome is known.
#[tokio::test]
async fn deadline_after_refusals_is_throttled() {
    let setup = setup().await;
    let ada = setup.guest(count).await;
    for (what, cookie) in [
        ("create", None),
        ("count", ada.cookie()),
        ("cycle", ada.cookie()),
        ("replace", ada.cookie()),
        ("destroy", ada.cookie()),
    ] {
        setup.proxy.script(|operation, _| match operation {
            "GetItem" => Action::Forward,
            _ => Action::error(400, "ThrottlingException"),
        });
        let deadline = in_(Duration::from_millis(1_500));
        let status = visit(&setup, cookie, deadline, Way::Wrapped, what).await;
        assert_eq!(status, 503, "{what}");
        assert_eq!(setup.kinds(), [ErrorKind::Throttled], "{what}");
        setup.proxy.script(|_, _| Action::Forward);
    }
}

#[tokio::test]
async fn deadline_that_passed_sends_nothing() {
    let setup = setup().await;
    let ada = setup.guest(count).await;
    for way in WAYS {
        // The time reserved for the response begins while the handler runs.
        let deadline = in_(Duration::from_secs(1));
        let status = visit(&setup, ada.cookie(), deadline, way, "dawdle").await;
        assert_eq!(status, 503, "{way:?}: no time left");
        assert_eq!(setup.proxy.calls(), ["GetItem"], "{way:?}");
        assert_eq!(setup.kinds(), [ErrorKind::Timeout], "{way:?}");
    }
}

/// `cargo lambda watch`, contexts made by hand and test harnesses send such deadlines.
#[tokio::test]
async fn deadline_in_the_past_is_ignored() {
    let setup = setup().await;
    let ada = setup.guest(count).await;
    for way in WAYS {
        let ago = |seconds| milliseconds(SystemTime::now() - Duration::from_secs(seconds));
        let soon = in_(Duration::from_millis(100));
        let by_hand = [0, 600_000, u64::MAX, in_(A_MINUTE)];
        for deadline in [ago(0), ago(5), ago(3_600), soon]
            .into_iter()
            .chain(by_hand)
        {
            let status = visit(&setup, ada.cookie(), deadline, way, "count").await;
            assert_eq!(status, 200, "{way:?}: {deadline}");
        }
    }
}

/// A call of the layer's methods in a handler ends at the deadline of the handler's request.
#[tokio::test]
async fn deadline_ends_revoke_user() {
    let setup = setup().await;
    setup.proxy.script(|operation, _| match operation {
        "Query" => Action::Hang,
        _ => Action::Forward,
    });
    for way in WAYS {
        for what in ["revoke_user", "user_sessions", "update_user"] {
            let (sessions, told) = (setup.sessions.clone(), &Mutex::new(None));
            let asks = async || {
                let error = match what {
                    "revoke_user" => sessions.revoke_user("ada").await.unwrap_err(),
                    "update_user" => {
                        let updated = sessions.update_user("ada", |session| session.clear());
                        updated.await.unwrap_err().into()
                    }
                    _ => sessions.user_sessions("ada").await.map(drop).unwrap_err(),
                };
                *told.lock().unwrap() = Some(error.kind());
                Ok::<_, Error>(Response::new(Body::Empty))
            };
            let asks = &asks;
            let mut context = Context::default();
            context.deadline = in_(Duration::from_secs(1));
            let request = Request::new(Body::Empty).with_lambda_context(context);
            let response = async {
                match way {
                    Way::Wrapped => {
                        let handler = move |_: Request, _: Session| asks();
                        let response = setup.sessions.wrap(handler).oneshot(request).await;
                        response.map(|response| response.status())
                    }
                    Way::Layered => {
                        let inner = service_fn(move |_: Request| asks());
                        let response = setup.sessions.layer(inner).oneshot(request).await;
                        response.map(|response| response.status())
                    }
                }
            };
            let response = tokio::time::timeout(A_MINUTE, response).await;
            assert_eq!(response.expect("it ends").unwrap(), 200, "{way:?} {what}");
            let kind = told.lock().unwrap().take().unwrap();
            assert_eq!(kind, ErrorKind::Timeout, "{way:?} {what}");
        }
    }
}

/// A save that is no longer polled delays other saves of its session, but only until the deadline.
#[tokio::test]
async fn deadline_ends_the_wait_for_another_save() {
    let setup = setup().await;
    let ada = setup.guest(count).await;
    setup.proxy.script(|operation, _| match operation {
        "UpdateItem" => Action::Hang,
        _ => Action::Forward,
    });
    let handler = |_: Request, session: Session| async move {
        session.increment("visits", 1)?;
        let first = session.save();
        tokio::pin!(first);
        tokio::select! {
            _ = &mut first => panic!("it hangs"),
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
        let second = session.save().await;
        assert_eq!(second.unwrap_err().kind(), ErrorKind::Timeout);
        Ok::<_, Error>("")
    };
    let mut context = Context::default();
    context.deadline = in_(Duration::from_secs(1));
    let request = http::Request::get("/");
    let request = request.header("cookie", format!("__Host-sid={}", ada.cookie().unwrap()));
    let request: Request = request.body(Body::Empty).unwrap();
    let visited = setup
        .sessions
        .wrap(handler)
        .oneshot(request.with_lambda_context(context));
    let response = tokio::time::timeout(A_MINUTE, visited).await;
    let response = response.expect("it responds").unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(setup.kinds(), [ErrorKind::OutcomeUnknown], "of the first");
}
