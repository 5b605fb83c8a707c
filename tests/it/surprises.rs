//! What surprises nobody: nested layers, handles that are kept, errors that are not the session's, the
//! size of sessions, bodies of every type, and one table that two applications share.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{Bench, Table, Visitor, assert_refused, count, logout, minutes, peek};
use lambda_http::{Body, Error, IntoResponse, Request, Response, service_fn};
use lambda_sessions::{
    DynamoDbStore, ErrorKind, MemoryStore, Session, SessionExt as _, SessionLayer,
};
use tower::{Layer as _, ServiceBuilder, ServiceExt as _};
use tower_http::compression::CompressionLayer;
use tower_http::trace::TraceLayer;

// ---- layers

#[tokio::test]
async fn nested_layers_have_a_session_each() {
    let visitors = SessionLayer::new(MemoryStore::new());
    let admins = SessionLayer::new(MemoryStore::new()).cookie_name("__Host-admin");
    let outer = visitors.clone();
    let handler = move |request: Request| {
        let outer = outer.clone();
        async move {
            let own = request.session().await?;
            own.increment("admins", 1)?;
            let visits = request.session_from(&outer).await?.increment("visits", 1)?;
            Ok::<_, Error>(Response::new(Body::from(format!(
                "{} {visits}",
                own.keys().join(" ")
            ))))
        }
    };
    let mut ada = Visitor::new();
    for n in 1..=2 {
        let inner = admins.layer(service_fn(handler.clone()));
        let reply = ada.send(visitors.layer(inner)).await.unwrap();
        assert_eq!(reply.body, format!("admins {n}"));
        assert_eq!(reply.cookies.len(), if n == 1 { 2 } else { 0 });
    }
    let names: Vec<&str> = ada.jar.keys().map(String::as_str).collect();
    assert_eq!(names, ["__Host-admin", "__Host-sid"]);
    assert_eq!((visitors.store().len(), admins.store().len()), (1, 1));
}

/// A handler that is wrapped inside another layer, too.
#[tokio::test]
async fn wrapped_handler_in_a_layer_has_its_own() {
    let (outer, inner) = (MemoryStore::new(), MemoryStore::new());
    let outer = SessionLayer::new(outer).cookie_name("outer");
    let inner = SessionLayer::new(inner);
    let mut ada = Visitor::new();
    let reply = ada.send(outer.layer(inner.wrap(count))).await.unwrap();
    assert_eq!(reply.body, "1");
    assert_eq!((outer.store().len(), inner.store().len()), (0, 1));
}

#[tokio::test]
async fn same_layer_twice_is_one_session() {
    let sessions = SessionLayer::new(MemoryStore::new());
    let mut ada = Visitor::new();
    for expected in ["1", "2"] {
        let service = sessions.clone().layer(sessions.layer(sessions.wrap(count)));
        let reply = ada.send(service).await.unwrap();
        assert_eq!(reply.body, expected);
        assert!(reply.cookies.len() <= 1, "{:?}", reply.cookies);
    }
    assert_eq!(sessions.store().len(), 1);
}

#[tokio::test]
async fn layer_that_was_not_applied_is_misconfigured() {
    let sessions = SessionLayer::new(MemoryStore::new());
    let other = sessions.clone().cookie_name("other");
    let handler = |request: Request| {
        let other = other.clone();
        async move {
            let error = request.session_from(&other).await.unwrap_err();
            Ok::<_, Error>(Response::new(Body::from(error.to_string())))
        }
    };
    let service = sessions.layer(service_fn(handler));
    let reply = Visitor::new().send(service).await.unwrap();
    assert!(reply.body.starts_with("misconfigured"), "{}", reply.body);
}

// ---- handles that are kept

/// The first use of a session may come after the response has left.
#[tokio::test]
async fn handle_first_used_after_the_response_fails() {
    let bench = Bench::new().await;
    let ada = bench.guest(count).await;
    let kept = Arc::new(Mutex::new(None));
    let keep = |request: Request| {
        let kept = Arc::clone(&kept);
        async move {
            *kept.lock().unwrap() = Some(request);
            Ok::<_, Error>("")
        }
    };
    ada.clone().visit_layered(&bench.sessions, keep).await;
    let request = kept.lock().unwrap().take().unwrap();
    let unread = request.write_only_session().unwrap();
    let error = unread.increment("visits", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    let error = request.session().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert_eq!(bench.proxy.calls(), [""; 0]);
}

#[tokio::test]
async fn handle_of_a_dropped_request_fails() {
    let bench = Bench::new().await;
    let ada = bench.guest(count).await;
    let kept: Arc<Mutex<Option<Session>>> = Arc::default();
    let waits = &tokio::sync::Notify::new();
    let keep = |_: Request, session: Session| {
        let kept = Arc::clone(&kept);
        async move {
            *kept.lock().unwrap() = Some(session);
            waits.notify_one();
            std::future::pending::<Result<String, Error>>().await
        }
    };
    let mut visitor = ada.clone();
    tokio::select! {
        _ = visitor.visit(&bench.sessions, keep) => panic!("it has no end"),
        () = waits.notified() => {}
    }
    let session = kept.lock().unwrap().take().unwrap();
    let error = session.increment("visits", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
}

/// A clone that was kept past its response ends no session of the user.
#[tokio::test]
async fn handle_kept_after_the_response_revokes_nobody() {
    let bench = Bench::with_users().await;
    let login = |_: Request, session: Session| async move {
        session.log_in("ada")?;
        Ok::<_, Error>(String::new())
    };
    bench.guest(login).await;
    let mut ada = bench.guest(login).await;
    let kept: Arc<Mutex<Option<Session>>> = Arc::default();
    let keep = |_: Request, session: Session| {
        let kept = Arc::clone(&kept);
        async move {
            *kept.lock().unwrap() = Some(session);
            Ok::<_, Error>(String::new())
        }
    };
    ada.visit(&bench.sessions, keep).await;
    let session = kept.lock().unwrap().take().unwrap();
    let listed = bench.sessions.user_sessions("ada").await.unwrap();
    let handles: Vec<_> = listed.iter().map(|one| one.handle().to_owned()).collect();
    bench.proxy.calls();
    let error = session.revoke_others().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    for handle in handles {
        let error = session.revoke(&handle).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
    }
    assert_eq!(bench.proxy.calls(), [""; 0]);
    let listed = bench.sessions.user_sessions("ada").await.unwrap();
    assert_eq!(listed.len(), 2);
}

/// A function of an update may hold a clone of its own session. It is let go of at the end, however
/// the request ends.
#[tokio::test]
async fn update_that_holds_its_session_is_freed() {
    for end in ["200", "500", "Err", "a save that fails", "dropped"] {
        let bench = Bench::new().await;
        let probe = Arc::new(());
        let seen = Arc::downgrade(&probe);
        let probe = Mutex::new(Some(probe));
        let waits = &tokio::sync::Notify::new();
        let handler = |_: Request, session: Session| {
            let (probe, own) = (probe.lock().unwrap().take(), session.clone());
            async move {
                session.update("n", move |n: &mut usize| {
                    let _held = &probe;
                    *n += own.keys().len() + 1;
                })?;
                let status = match end {
                    "200" => 200,
                    "500" => 500,
                    "Err" => return Err("failed".into()),
                    "dropped" => {
                        waits.notify_one();
                        std::future::pending().await
                    }
                    _ => {
                        session.insert("a", "x".repeat(70_000))?;
                        session.save().await?;
                        200
                    }
                };
                let response = Response::builder().status(status);
                Ok::<_, Error>(response.body(String::new())?)
            }
        };
        let mut visitor = Visitor::new();
        tokio::select! {
            _ = visitor.try_visit(&bench.sessions, handler) => {}
            () = waits.notified() => {}
        }
        assert!(seen.upgrade().is_none(), "{end}");
    }
}

/// Uses its session when it is dropped.
struct UsesSession(Session);

impl Drop for UsesSession {
    fn drop(&mut self) {
        let _ = self.0.keys();
    }
}

/// Runs this on a thread of its own, since a lock that is taken twice waits for ever.
fn assert_ends(what: &str, run: impl FnOnce() + Send + 'static) {
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        run();
        let _ = ended.send(());
    });
    let end = end.recv_timeout(Duration::from_secs(5));
    assert!(end.is_ok(), "{what}");
}

/// A function of an update may hold values whose destructors use the session.
#[test]
fn update_is_dropped_without_the_lock() {
    type Step = fn(&Session) -> Result<(), lambda_sessions::Error>;
    let steps: [(&str, Step); 7] = [
        ("insert", |session| session.insert("n", 7)),
        ("insert of what is stored", |session| session.insert("n", 1)),
        ("remove", |session| session.remove("n")),
        ("take", |session| session.take::<i64>("n").map(drop)),
        ("take_once", |session| {
            session.take_once::<i64>("n").map(drop)
        }),
        ("clear", Session::clear),
        ("destroy", Session::destroy),
    ];
    for (what, step) in steps {
        for adds in [1, 0] {
            assert_ends(what, move || {
                let session = Session::detached([("n", 1)]);
                let held = UsesSession(session.clone());
                let update = move |n: &mut i64| {
                    let _held = &held;
                    *n += adds;
                };
                session.update("n", update).unwrap();
                step(&session).unwrap();
            });
        }
    }
}

// ---- errors

#[derive(Debug)]
enum AppError {
    #[allow(dead_code)] // that it is held is what counts
    Session(lambda_sessions::Error),
    Other,
}

impl From<lambda_sessions::Error> for AppError {
    fn from(error: lambda_sessions::Error) -> Self {
        Self::Session(error)
    }
}

#[tokio::test]
async fn unrelated_error_is_the_handlers_answer() {
    let bench = Bench::new().await;
    let mut ada = bench.guest(count).await;
    let handler = |_: Request, session: Session| async move {
        // It deals with this one.
        let text: Option<String> = session.get("visits").unwrap_or_default();
        assert_eq!(text, None);
        Err::<String, Error>("the payment was declined".into())
    };
    let error = ada.try_visit(&bench.sessions, handler).await.unwrap_err();
    assert_eq!(error.to_string(), "the payment was declined");
    assert!(bench.errors().is_empty());
}

/// Whatever type the handler's error has.
#[tokio::test]
async fn session_error_in_any_type_is_answered() {
    let bench = Bench::new().await;
    let ada = bench.guest(count).await;
    let cookie = format!("__Host-sid={}", ada.cookie().unwrap());
    let visit = async |handler: fn(&Session) -> Result<String, AppError>| {
        let wrapped = move |_: Request, session: Session| async move { handler(&session) };
        let request = http::Request::get("/").header("cookie", &cookie);
        let request: Request = request.body(Body::Empty).unwrap();
        bench.sessions.wrap(wrapped).oneshot(request).await
    };
    let answered = visit(|session| Ok(session.get::<String>("visits")?.unwrap_or_default())).await;
    assert_eq!(answered.unwrap().status(), 503);
    assert_eq!(bench.kinds(), [ErrorKind::Deserialize]);
    // The first of two is what it returns.
    let answered = visit(|session| {
        let first = session.get::<String>("visits").unwrap_err();
        let _ = session.insert("", 1);
        Err(first.into())
    });
    assert_eq!(answered.await.unwrap().status(), 503);
    assert_eq!(bench.kinds(), [ErrorKind::Deserialize]);
    let answered = visit(|session| {
        drop(session.get::<String>("visits"));
        Err(AppError::Other)
    });
    assert!(matches!(answered.await, Err(AppError::Other)));
    assert!(bench.errors().is_empty());
}

/// Errors that the handler has dealt with do not push out the one that it returns.
#[tokio::test]
async fn session_error_is_answered_after_many_others() {
    let bench = Bench::new().await;
    let mut ada = bench.guest(count).await;
    let handler = |_: Request, session: Session| async move {
        let first = session.get::<String>("visits");
        for _ in 0..100 {
            session.insert("", 1).unwrap_err();
        }
        first?;
        Ok::<_, Error>(String::new())
    };
    assert_refused(&ada.visit(&bench.sessions, handler).await, 503, "the first");
    assert_eq!(bench.kinds(), [ErrorKind::Deserialize]);
}

/// A logout that failed is logged, and the handler's error is not lost for it.
#[tokio::test]
async fn failed_logout_does_not_hide_the_handlers_error() {
    use crate::support::Answer;
    let bench = Bench::new().await;
    let mut ada = bench.guest(count).await;
    bench.proxy.answer(|operation, _| match operation {
        "DeleteItem" => Answer::error(400, "AccessDeniedException"),
        _ => Answer::Forward,
    });
    let handler = |_: Request, session: Session| async move {
        session.destroy()?;
        Err::<String, Error>("the page is broken".into())
    };
    let error = ada.try_visit(&bench.sessions, handler).await.unwrap_err();
    assert_eq!(error.to_string(), "the page is broken");
}

/// A session that failed and was then dealt with is saved, like any other.
#[tokio::test]
async fn error_that_was_dealt_with_stops_no_save() {
    let bench = Bench::new().await;
    let mut ada = bench.guest(count).await;
    let handler = |_: Request, session: Session| async move {
        let prefs: Option<Vec<u8>> = session.get_or_reset("visits")?;
        assert_eq!(prefs, None);
        session.insert("visits", [1])?;
        Ok::<_, Error>(String::new())
    };
    assert_eq!(ada.visit(&bench.sessions, handler).await.status, 200);
    let item = bench.table.item().await;
    assert_eq!(
        item["data"].as_m().unwrap()["visits"].as_s().unwrap(),
        "[1]"
    );
}

// ---- sizes

fn put(key: &'static str, bytes: usize) -> impl Fn(Request, Session) -> Put + Clone + Send {
    move |_, session| {
        let put = session
            .insert(key, "x".repeat(bytes))
            .map(|()| String::new());
        std::future::ready(put.map_err(Error::from))
    }
}

type Put = std::future::Ready<Result<String, Error>>;

/// Two requests that grow a session at once may take it over its limit.
#[tokio::test]
async fn session_over_its_limit_is_not_bricked() {
    let bench = Bench::with_users().await;
    let sessions = bench.sessions.clone();
    let mut ada = bench.guest(count).await;
    let (other, elsewhere) = (&ada.clone(), &bench.elsewhere());
    let both = |request: Request, session: Session| async move {
        other.clone().visit(elsewhere, put("a", 40_000)).await;
        put("b", 40_000)(request, session).await
    };
    assert_eq!(ada.visit(&sessions, both).await.status, 200);

    assert_eq!(ada.visit(&sessions, count).await.body, "2", "an increment");
    assert_refused(&ada.visit(&sessions, put("c", 10)).await, 503, "growth");
    assert_eq!(bench.kinds(), [ErrorKind::TooLarge]);
    assert_eq!(ada.visit(&sessions, put("a", 39_999)).await.status, 200);
    let login = |_: Request, session: Session| async move {
        session.log_in("ada")?;
        session.insert("name", "ada")?;
        Ok::<_, Error>(String::new())
    };
    let reply = ada.visit(&sessions, login).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1), "a login");
    let rotating = sessions.clone().cycle_id_after(minutes(15));
    bench.clock.advance(minutes(61));
    let reply = ada.visit(&rotating, count).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1), "a rotation");
    bench.clock.advance(minutes(61));
    let reply = ada.visit(&sessions, peek).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1), "a touch");
    assert_eq!(ada.visit(&sessions, logout).await.status, 200, "a logout");
}

/// A user can log in if earlier pages have filled the session, but logins do not grow it for ever.
#[tokio::test]
async fn login_grows_a_session_to_twice_its_limit() {
    let bench = Bench::with_users().await;
    let sessions = bench.sessions.clone().max_size(1_000);
    let mut ada = bench.guest(count).await;
    assert_eq!(ada.visit(&sessions, put("a", 900)).await.status, 200);
    let login = |key: &'static str, bytes: usize| {
        move |request: Request, session: Session| async move {
            session.cycle_id()?;
            session.log_in("ada")?;
            put(key, bytes)(request, session).await
        }
    };
    let reply = ada.visit(&sessions, login("b", 1_000)).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1), "a login");
    assert_refused(&ada.visit(&sessions, put("c", 10)).await, 503, "growth");
    let reply = ada.visit(&sessions, login("c", 100)).await;
    assert_refused(&reply, 503, "a login beyond twice the limit");
    assert_eq!(bench.kinds(), [ErrorKind::TooLarge; 2]);
    let reply = ada.visit(&sessions, login("c", 10)).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1), "a login");
    let size = |_: Request, session: Session| async move {
        let mut size = 0;
        for key in ["a", "b", "c"] {
            size += session.get::<String>(key)?.unwrap_or_default().len();
        }
        Ok::<_, Error>(size.to_string())
    };
    assert_eq!(ada.visit(&sessions, size).await.body, "1910");
}

/// A scheduled id change that fails leaves the touch, and the changes, that it was to take along.
#[tokio::test]
async fn failed_rotation_falls_back() {
    let bench = Bench::with_users().await;
    let rotating = bench.sessions.clone().cycle_id_after(minutes(15));
    let login = |_: Request, session: Session| async move {
        session.log_in("ada")?;
        Ok::<_, Error>(String::new())
    };
    let mut ada = Visitor::new();
    ada.visit(&bench.sessions, login).await;
    let users = bench.table.client.delete_table();
    users.table_name(bench.table.users()).send().await.unwrap();
    bench.clock.advance(minutes(61));
    let before = bench.table.item().await;
    let reply = ada.visit(&rotating, peek).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    let touched = bench.table.item().await;
    assert_eq!(touched["id"], before["id"]);
    assert_ne!(touched["ttl"], before["ttl"]);
    let reply = ada.visit(&rotating, count).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "1"));
    assert_eq!(ada.visit(&rotating, peek).await.body, "Some(1)");
}

/// Of a write without a read its own size is known before, and the session's after.
#[tokio::test]
async fn write_only_save_is_checked_by_its_own_size() {
    let bench = Bench::new().await;
    let mut ada = bench.guest(count).await;
    let put = |key: &'static str, bytes: usize| {
        move |request: Request| async move {
            request
                .write_only_session()?
                .insert(key, "x".repeat(bytes))?;
            Ok::<_, Error>("")
        }
    };
    let reply = ada.visit_layered(&bench.sessions, put("a", 70_000)).await;
    assert_refused(&reply, 503, "more than a session may have");
    assert_eq!(bench.kinds(), [ErrorKind::TooLarge]);
    assert_eq!(bench.proxy.calls(), [""; 0]);
    for key in ["a", "b"] {
        let reply = ada.visit_layered(&bench.sessions, put(key, 40_000)).await;
        assert_eq!(reply.status, 200, "{key}");
    }
    // From here on nothing that reads makes it grow.
    let grow = self::put("c", 10);
    assert_refused(&ada.visit(&bench.sessions, grow).await, 503, "growth");
}

// ---- bodies

/// A session layer outside and inside of layers that change the body, in front of `lambda_http`.
#[tokio::test]
async fn any_body_passes_in_any_order() {
    let sessions = SessionLayer::new(MemoryStore::new());
    async fn handle(request: Request) -> Result<Response<Body>, Error> {
        let visits = request.session().await?.increment("visits", 1)?;
        Ok(Response::new(Body::from(format!("{visits}"))))
    }
    let outside = ServiceBuilder::new()
        .layer(sessions.clone())
        .layer(TraceLayer::new_for_http())
        .layer(CompressionLayer::new())
        .service_fn(handle);
    let inside = ServiceBuilder::new()
        .layer(CompressionLayer::new())
        .layer(TraceLayer::new_for_http())
        .layer(sessions)
        .service_fn(handle);
    let mut ada = Visitor::new();
    assert_eq!(ada.send(outside).await.unwrap().body, "1");
    assert_eq!(ada.send(inside).await.unwrap().body, "2");
}

/// And with axum.
#[tokio::test]
async fn any_body_passes_in_any_order_in_axum() {
    use axum::Router;
    use axum::routing::get;
    let sessions = SessionLayer::new(MemoryStore::new());
    let handle = |session: Session| async move {
        let visits = session.increment("visits", 1)?;
        Ok::<_, lambda_sessions::Error>(visits.to_string())
    };
    let route = Router::new().route("/", get(handle));
    let outside = ServiceBuilder::new()
        .layer(sessions.clone())
        .layer(TraceLayer::new_for_http())
        .layer(CompressionLayer::new());
    let inside = ServiceBuilder::new()
        .layer(CompressionLayer::new())
        .layer(TraceLayer::new_for_http())
        .layer(sessions.clone());
    for router in [route.clone().layer(outside), route.layer(inside)] {
        let request = http::Request::get("/").body(axum::body::Body::empty());
        let response = router.oneshot(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.headers().contains_key("set-cookie"));
    }
    assert_eq!(sessions.store().len(), 2);
}

/// The text of a failure is a body like any other.
#[tokio::test]
async fn failure_has_a_body_of_its_own() {
    let sessions = SessionLayer::new(Table::named_only().await.store());
    let service = ServiceBuilder::new()
        .layer(sessions)
        .layer(CompressionLayer::new())
        .service_fn(|request: Request| async move {
            request.session().await?.insert("a", 1)?;
            Ok::<_, Error>(Response::new(Body::Empty))
        });
    let response = service.oneshot(Request::new(Body::Empty)).await.unwrap();
    assert_eq!(response.status(), 503);
    let body = response.into_response().await.into_body();
    let text = "The session is not available at the moment. Please try again.\n";
    assert_eq!(body, Body::Text(text.to_owned()));
}

/// A future that has no more to say must not be waited for.
#[tokio::test]
async fn future_polled_after_it_was_ready_panics() {
    use futures_util::FutureExt as _;
    use std::panic::AssertUnwindSafe;
    use tower::Service as _;
    let sessions = SessionLayer::new(MemoryStore::new());
    for uses_it in [false, true] {
        let mut service = sessions.layer(service_fn(move |request: Request| async move {
            if uses_it {
                request.session().await?.insert("a", 1)?;
            }
            Ok::<_, Error>(Response::new(Body::Empty))
        }));
        let mut future = Box::pin(service.call(Request::new(Body::Empty)));
        assert_eq!((&mut future).await.unwrap().status(), 200);
        let again = AssertUnwindSafe(&mut future).catch_unwind().now_or_never();
        assert!(again.expect("it does not wait").is_err());
    }
}

// ---- one table, two applications

fn audience(bench: &Bench, name: &str) -> SessionLayer<DynamoDbStore> {
    bench.sessions.clone().audience(name)
}

#[tokio::test]
async fn audiences_do_not_share_sessions() {
    let bench = Bench::with_users().await;
    let (shop, blog) = (audience(&bench, "shop"), audience(&bench, "blog"));
    let login = |_: Request, session: Session| async move {
        session.log_in("ada")?;
        session.increment("visits", 1)?;
        Ok::<_, Error>(String::new())
    };
    let mut ada = Visitor::new();
    ada.visit(&shop, login).await;
    assert_eq!(ada.clone().visit(&shop, peek).await.body, "Some(1)");
    for other in [&blog, &bench.sessions] {
        assert_eq!(ada.clone().visit(other, peek).await.body, "None");
        let unread = |request: Request| async move {
            request.write_only_session()?.increment("visits", 1)?;
            Ok::<_, Error>("")
        };
        let reply = ada.clone().visit_layered(other, unread).await;
        assert_eq!(reply.cookies.len(), 1, "it begins one of its own");
        ada.clone().visit(other, logout).await;
        other.revoke_user("ada").await.unwrap();
        assert!(other.user_sessions("ada").await.unwrap().is_empty());
    }
    assert_eq!(ada.clone().visit(&shop, peek).await.body, "Some(1)");
    assert_eq!(shop.user_sessions("ada").await.unwrap().len(), 1);
    shop.revoke_user("ada").await.unwrap();
    assert_eq!(ada.visit(&shop, peek).await.body, "None");
}
