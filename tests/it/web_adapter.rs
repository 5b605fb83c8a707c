//! The example `web_adapter`: a plain HTTP server whose requests have the header of the Lambda Web
//! Adapter, or one that a client has forged.

#[path = "../examples/web_adapter.rs"]
mod app;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::routing::get;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use lambda_http::Context;
use lambda_sessions::{Error, ErrorKind, Session};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::support::{Action, COOKIE, Setup, count};

const HEADER: &str = "x-amzn-lambda-context";

/// A timeout so long that only the deadline can end an operation.
const AN_HOUR: Duration = Duration::from_secs(60 * 60);

/// Returns a setup whose store waits for an hour.
async fn patient() -> Setup {
    let mut setup = Setup::new().await;
    let store = setup.table.store_at(&setup.proxy.endpoint);
    setup.use_store(store.attempt_timeout(AN_HOUR).operation_timeout(AN_HOUR));
    setup
}

/// Serves an application on a port of its own, and returns its address.
async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

/// Sends a request with this cookie and these lines of the adapter's header.
async fn visit(url: &str, cookie: Option<&str>, lines: &[&str]) -> (u16, String, Option<String>) {
    let mut request = Request::get(url);
    if let Some(cookie) = cookie {
        request = request.header("cookie", format!("{COOKIE}={cookie}"));
    }
    for line in lines {
        request = request.header(HEADER, *line);
    }
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = tokio::time::timeout(Duration::from_secs(60), client.request(request));
    let response = response.await.expect("it responds").unwrap();
    let cookie = response.headers().get("set-cookie").map(|cookie| {
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        pair.split_once('=').unwrap().1.to_owned()
    });
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap(), cookie)
}

/// Returns the adapter's header for an invocation that ends so many milliseconds from now.
fn ends_in(milliseconds: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_millis()).unwrap();
    let mut context = Context::default();
    context.deadline = u64::try_from(now + milliseconds).unwrap();
    serde_json::to_string(&context).unwrap()
}

#[tokio::test]
async fn web_adapter_example_serves_sessions() {
    let setup = Setup::new().await;
    let url = serve(app::app(setup.sessions.clone())).await;
    let context = ends_in(10_000);
    let (status, body, cookie) = visit(&url, None, &[&context]).await;
    assert_eq!((status, body.as_str()), (200, "visit 1\n"));
    assert_eq!(setup.proxy.calls(), ["PutItem"]);
    let (_, body, _) = visit(&url, cookie.as_deref(), &[&context]).await;
    assert_eq!(body, "visit 2\n");
    assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem"]);
    // Without the adapter, nothing changes.
    let (_, body, _) = visit(&url, cookie.as_deref(), &[]).await;
    assert_eq!(body, "visit 3\n");
    setup.proxy.calls();
    let (status, body, _) = visit(&format!("{url}/ready"), cookie.as_deref(), &[]).await;
    assert_eq!((status, body.as_str()), (200, "ready"));
    assert_eq!(setup.proxy.calls(), [""; 0]);
}

/// The response leaves before the invocation ends.
#[tokio::test]
async fn web_adapter_deadline_ends_a_hanging_call() {
    let setup = patient().await;
    let url = serve(app::app(setup.sessions.clone())).await;
    for (hanging, kind) in [
        ("GetItem", ErrorKind::Timeout),
        ("UpdateItem", ErrorKind::OutcomeUnknown),
    ] {
        let ada = setup.guest(count).await;
        setup
            .proxy
            .script(move |operation, _| match operation == hanging {
                true => Action::Hang,
                false => Action::Forward,
            });
        let (status, _, _) = visit(&url, ada.cookie(), &[&ends_in(2_000)]).await;
        assert_eq!(status, 503, "{hanging}");
        assert_eq!(setup.kinds(), [kind], "{hanging}");
        setup.proxy.script(|_, _| Action::Forward);
    }
}

/// Works for longer than a forged deadline allows, and then changes its session.
async fn slow(session: Session) -> Result<String, Error> {
    tokio::time::sleep(Duration::from_millis(700)).await;
    Ok(session.increment("visits", 1)?.to_string())
}

/// Without the adapter a client can send any header. Its write still happens.
#[tokio::test]
async fn web_adapter_forged_deadline_loses_no_write() {
    let setup = patient().await;
    let sessions = setup.sessions.clone().web_adapter(true);
    let url = serve(Router::new().route("/", get(slow)).layer(sessions)).await;
    let (_, _, cookie) = visit(&url, None, &[]).await;
    let huge = "9".repeat(4_000);
    let (past, over, soon) = (ends_in(-5_000), ends_in(0), ends_in(10_000));
    let mut visits = 1;
    for lines in [
        vec!["not JSON"],
        vec![""],
        vec!["{\"deadline\":0}"],
        vec!["{\"deadline\":-1}"],
        vec!["{\"deadline\":18446744073709551615}"],
        vec!["{\"deadline\":1e400}"],
        vec![&*huge],
        vec![&*past],
        vec![&*over],
        vec![&*past, &*soon],
    ] {
        let (status, body, _) = visit(&url, cookie.as_deref(), &lines).await;
        visits += 1;
        assert_eq!((status, body), (200, visits.to_string()), "{lines:.60?}");
    }
    // These are plausible, and are over when the handler has returned.
    for milliseconds in [250, 500, 800] {
        let context = ends_in(milliseconds);
        let (status, body, _) = visit(&url, cookie.as_deref(), &[&context]).await;
        visits += 1;
        assert_eq!((status, body), (200, visits.to_string()), "{milliseconds}");
    }
    let item = setup.table.item().await;
    let stored = &item["data"].as_m().unwrap()["visits"];
    assert_eq!(stored.as_n().unwrap(), &visits.to_string());
}

/// A forged header does not end a revocation, which a handler calls itself.
#[tokio::test]
async fn web_adapter_forged_deadline_revokes_all() {
    let setup = Setup::with_users().await;
    let sessions = setup.sessions.clone().web_adapter(true);
    let ada = crate::support::logged_in(&setup.sessions).await;
    let revoking = sessions.clone();
    let revoke = async move || {
        tokio::time::sleep(Duration::from_millis(700)).await;
        revoking.revoke_user("ada").await
    };
    let url = serve(Router::new().route("/", get(revoke)).layer(sessions)).await;
    let (status, _, _) = visit(&url, None, &[&ends_in(500)]).await;
    assert_eq!(status, 200);
    let seen = crate::support::name_seen(&setup.sessions, &ada).await;
    assert_eq!(seen, "nobody");
}

/// A forged header is no limit in a wrapped handler either.
#[tokio::test]
async fn web_adapter_forged_deadline_is_no_limit() {
    let setup = Setup::with_users().await;
    let sessions = setup.sessions.clone().web_adapter(true);
    let ada = crate::support::logged_in(&setup.sessions).await;
    let revoking = &sessions;
    let handler = |_: lambda_http::Request, session: Session| async move {
        tokio::time::sleep(Duration::from_millis(700)).await;
        revoking.revoke_user("ada").await?;
        session.increment("visits", 1)?;
        Ok::<_, lambda_http::Error>("")
    };
    let request = Request::get("/").header(HEADER, ends_in(500));
    let request = request.body(lambda_http::Body::Empty).unwrap();
    let response = sessions.wrap(handler).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let seen = crate::support::name_seen(&setup.sessions, &ada).await;
    assert_eq!(seen, "nobody");
}

/// A forged header leaves a second to each operation of a long call, and not to all together.
#[tokio::test]
async fn web_adapter_forged_deadline_updates_all() {
    let setup = Setup::with_users().await;
    let sessions = setup.sessions.clone().web_adapter(true);
    let mut browsers = Vec::new();
    for _ in 0..3 {
        browsers.push(crate::support::logged_in(&setup.sessions).await);
    }
    let updating = &sessions;
    let handler = |_: lambda_http::Request, _: Session| async move {
        let rename = |session: &Session| {
            std::thread::sleep(Duration::from_millis(600));
            session.insert("name", "grace")
        };
        let changed = updating.update_user("ada", rename).await?;
        Ok::<_, lambda_http::Error>(changed.to_string())
    };
    let request = Request::get("/").header(HEADER, ends_in(500));
    let request = request.body(lambda_http::Body::Empty).unwrap();
    let response = sessions.wrap(handler).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    for browser in &browsers {
        let seen = crate::support::name_seen(&setup.sessions, browser).await;
        assert_eq!(seen, "grace");
    }
}
