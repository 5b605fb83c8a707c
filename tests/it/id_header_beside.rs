//! The id in a header beside the cookie: one function serves browsers and apps.

use http::{HeaderName, HeaderValue, Method};
use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Service as _};
use serde_json::json;
use tower::Layer as _;
use tower_http::cors::CorsLayer;

use crate::support::{
    Browser, COOKIE, Log, Reply, SHAPES, Sessions, Setup, count, cycle, login, logout, minutes,
    peek, plain_login, signing_key, who,
};

const HEADER: &str = "x-sessionid";

/// Returns sessions with both carriers.
fn both(setup: &Setup) -> Sessions {
    setup.sessions.clone().id_header("X-SessionId")
}

/// Returns an app that keeps the header of a reply, and no cookie.
fn app(reply: &Reply) -> Browser {
    let mut app = Browser::new();
    app.set_header(HEADER, reply.header(HEADER).expect("an id for the app"));
    app
}

/// Returns a browser, which sends `Sec-Fetch-Site` in each request.
fn browser() -> Browser {
    let mut browser = Browser::new();
    browser.set_header("sec-fetch-site", "same-origin");
    browser
}

#[tokio::test]
async fn id_header_serves_browsers_and_apps() {
    let setup = Setup::new().await;
    let sessions = both(&setup);
    // A browser never sees the header.
    let mut ada = browser();
    for (n, handler) in ["count", "login", "count", "cycle", "logout"]
        .iter()
        .enumerate()
    {
        let reply = match *handler {
            "login" => ada.visit(&sessions, plain_login).await,
            "cycle" => ada.visit(&sessions, cycle).await,
            "logout" => ada.visit(&sessions, logout).await,
            _ => ada.visit(&sessions, count).await,
        };
        assert_eq!(reply.header(HEADER), None, "{n} {handler}");
        assert_eq!(reply.cookies.len(), usize::from(n != 2), "{n} {handler}");
        assert_eq!(reply.header("vary"), Some("Cookie, x-sessionid"));
    }
    assert!(ada.jar.is_empty());
    // An app gets both once, because it may keep either, and then the header alone.
    let first = Browser::new().visit(&sessions, count).await;
    assert_eq!(first.cookies.len(), 1);
    let mut grace = app(&first);
    assert_eq!(grace.visit(&sessions, count).await.body, "2");
    let reply = grace.visit(&sessions, cycle).await;
    assert_eq!(
        (reply.cookies.len(), reply.header(HEADER).map(str::len)),
        (0, Some(43))
    );
    let mut grace = app(&reply);
    let reply = grace.visit(&sessions, count).await;
    assert_eq!((reply.body.as_str(), reply.header(HEADER)), ("3", None));
    let reply = grace.visit(&sessions, logout).await;
    assert_eq!((reply.cookies.len(), reply.header(HEADER)), (0, Some("")));
    assert_eq!(grace.visit(&sessions, peek).await.body, "None");
}

/// The touch and the new id of a client that sends both go to both, so that they stay one.
#[tokio::test]
async fn id_header_and_cookie_with_one_id_stay_one() {
    let setup = Setup::new().await;
    let sessions = both(&setup);
    let mut ada = Browser::new();
    let reply = ada.visit(&sessions, count).await;
    ada.set_header(HEADER, reply.header(HEADER).unwrap());
    for step in ["touch", "cycle", "touch"] {
        setup.clock.advance(minutes(61));
        let reply = match step {
            "cycle" => ada.visit(&sessions, cycle).await,
            _ => ada.visit(&sessions, peek).await,
        };
        assert_eq!(reply.cookies.len(), 1, "{step}");
        assert_eq!(reply.header(HEADER), ada.id(), "{step}");
        let id = ada.id().unwrap().to_owned();
        ada.set_header(HEADER, &id);
    }
    assert_eq!(ada.visit(&sessions, count).await.body, "2");
    let last = ada.id().unwrap().to_owned();
    let reply = ada.visit(&sessions, logout).await;
    assert_eq!((reply.cookies.len(), reply.header(HEADER)), (1, Some("")));
    assert!(ada.jar.is_empty());
    assert_eq!(
        Browser::with_cookie(COOKIE, &last)
            .visit(&sessions, peek)
            .await
            .body,
        "None"
    );
}

#[tokio::test]
async fn id_header_unlike_the_cookie_is_refused() {
    let setup = Setup::new().await;
    let sessions = both(&setup);
    let (mut ada, grace) = (setup.guest(count).await, setup.guest(count).await);
    let own = ada.jar.clone();
    for header in [grace.id().unwrap(), "garbage", "x.y.z"] {
        ada.jar = own.clone();
        ada.set_header(HEADER, header);
        setup.proxy.calls();
        let log = Log::capture();
        let reply = ada.visit(&sessions, peek).await;
        assert!(log.take().contains("neither was accepted"), "{header}");
        assert_eq!(
            (reply.body.as_str(), reply.cookies.len()),
            ("None", 0),
            "{header}"
        );
        assert_eq!(
            setup.proxy.calls(),
            [""; 0],
            "{header}: neither is looked up"
        );
        // A login gives the client one id again, in both.
        let reply = ada.visit(&sessions, plain_login).await;
        assert_eq!(reply.header(HEADER), ada.id(), "{header}");
        let id = ada.id().unwrap().to_owned();
        ada.set_header(HEADER, &id);
        assert_eq!(ada.visit(&sessions, who).await.body, "ada", "{header}");
    }
}

/// As with two cookies: a client may end any session whose id it sends.
#[tokio::test]
async fn id_header_unlike_the_cookie_ends_both() {
    let setup = Setup::new().await;
    let sessions = both(&setup);
    let (mut ada, grace) = (setup.guest(count).await, setup.guest(count).await);
    ada.set_header(HEADER, grace.id().unwrap());
    let reply = ada.visit(&sessions, logout).await;
    assert_eq!((reply.status, reply.header(HEADER)), (200, Some("")));
    assert!(ada.jar.is_empty() && setup.table.items().await.is_empty());
}

/// A script that adds a header to a request does not learn the id of the `HttpOnly` cookie.
#[tokio::test]
async fn id_header_never_shows_the_cookie() {
    let setup = Setup::with_users().await;
    for sessions in [both(&setup), both(&setup).signing_keys([signing_key(1)])] {
        let mut ada = browser();
        ada.visit(&sessions, login).await;
        for (header, value) in [
            (HEADER, "garbage"),
            (HEADER, ""),
            ("authorization", "Bearer garbage"),
            ("sec-fetch-site", "cross-site"),
        ] {
            let mut script = ada.clone();
            script.set_header(header, value);
            setup.clock.advance(minutes(61));
            for reply in [
                script.clone().visit(&sessions, peek).await,
                script.clone().visit(&sessions, cycle).await,
            ] {
                let shown = reply.header(HEADER).unwrap_or_default();
                let (id, _) = shown.split_once('.').unwrap_or((shown, ""));
                assert_ne!(Some(id), ada.id(), "{header}: {value}");
                let as_ada = Browser::with_cookie(COOKIE, shown)
                    .visit(&sessions, who)
                    .await;
                assert_eq!(as_ada.body, "nobody", "{header}: {value}");
            }
        }
    }
}

/// Each front door delivers the header and the cookie, and each pair of them.
#[tokio::test]
async fn id_header_and_cookie_reach_every_event() {
    let setup = Setup::new().await;
    let sessions = setup.sessions.clone().id_header("Authorization");
    let (ada, grace) = (setup.guest(count).await, setup.guest(count).await);
    let cookie = |of: &Browser| format!("{COOKIE}={}", of.cookie().unwrap());
    let bearer = |of: &Browser| Some(format!("Bearer {}", of.id().unwrap()));
    for shape in SHAPES {
        for (lines, token, visits) in [
            (vec![], None, "None"),
            (vec![cookie(&ada)], None, "Some(1)"),
            (vec![], bearer(&ada), "Some(1)"),
            (vec![cookie(&ada)], bearer(&ada), "Some(1)"),
            (vec![cookie(&ada)], bearer(&grace), "None"),
            (vec![cookie(&ada)], Some("Basic YTpi".to_owned()), "Some(1)"),
        ] {
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            let mut event = shape.event(&lines);
            if let Some(token) = &token {
                if event["headers"].is_object() {
                    event["headers"]["authorization"] = json!(token);
                }
                if event["multiValueHeaders"].is_object() {
                    event["multiValueHeaders"]["authorization"] = json!([token]);
                }
            }
            let request: LambdaRequest = serde_json::from_value(event).unwrap();
            let mut adapter = Adapter::from(sessions.wrap(peek));
            let event = LambdaEvent::new(request, Context::default());
            let response = serde_json::to_value(adapter.call(event).await.unwrap()).unwrap();
            assert_eq!(response["body"], visits, "{shape:?} {lines:?} {token:?}");
        }
    }
}

/// A script of another origin can read the header if the CORS layer exposes it. A preflight request
/// passes no session.
#[tokio::test]
async fn id_header_is_exposed_by_cors() {
    let setup = Setup::new().await;
    let name = HeaderName::from_static(HEADER);
    let cors = CorsLayer::new()
        .allow_origin(HeaderValue::from_static("https://app.example"))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([name.clone()])
        .expose_headers([name]);
    let sessions = setup.sessions.clone().id_header_only("X-SessionId");
    let service = || cors.layer(sessions.wrap(count));
    let mut app = Browser::new();
    app.set_header("sec-fetch-site", "cross-site");
    app.set_header("origin", "https://app.example");
    let reply = app.send(service()).await.unwrap();
    assert_eq!(reply.header("access-control-expose-headers"), Some(HEADER));
    assert_eq!(
        reply.header("access-control-allow-origin"),
        Some("https://app.example")
    );
    assert!(app.jar.is_empty());
    app.set_header(HEADER, reply.header(HEADER).unwrap());
    assert_eq!(app.send(service()).await.unwrap().body, "2");

    setup.proxy.calls();
    let mut event = Browser::new().event("/");
    event["requestContext"]["http"]["method"] = json!("OPTIONS");
    event["headers"]["origin"] = json!("https://app.example");
    event["headers"]["access-control-request-method"] = json!("POST");
    event["headers"]["access-control-request-headers"] = json!(HEADER);
    let request: LambdaRequest = serde_json::from_value(event).unwrap();
    let event = LambdaEvent::new(request, Context::default());
    let response = Adapter::from(service()).call(event).await.unwrap();
    let preflight = Browser::new().take(&serde_json::to_value(response).unwrap());
    assert_eq!(
        preflight.header("access-control-allow-headers"),
        Some(HEADER)
    );
    assert_eq!((preflight.cookies.len(), setup.proxy.calls().len()), (0, 0));
}
