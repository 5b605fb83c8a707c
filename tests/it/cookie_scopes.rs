//! The scope of the cookie, chosen by each request out of those that were validated at start.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::{Adapter, Body, Error, Request, RequestExt as _, Response, Service as _};
use lambda_sessions::layer::{CookieScope, RequestHead};
use lambda_sessions::{ErrorKind, Session, SessionExt as _};
use serde_json::json;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::support::{Browser, Log, Reply, SHAPES, Sessions, Setup, Shape, count, logout, peek};

/// Returns the scope of the domains that are ours.
fn by_host(request: &RequestHead<'_>) -> Option<&'static str> {
    match request.host().as_deref() {
        Some("shop.example" | "www.shop.example") => Some("shop"),
        Some("192.168.1.10") => Some("lan"),
        Some("mistake.example") => Some("mistake"),
        _ => None,
    }
}

fn scopes() -> [CookieScope; 2] {
    [
        CookieScope::new("shop")
            .cookie_name("__Secure-sid")
            .domain("shop.example"),
        CookieScope::new("lan").secure(false),
    ]
}

/// Sends a request to this host with these cookies, as each front door delivers it.
async fn visit<F, R>(
    shape: Shape,
    sessions: &Sessions,
    host: &str,
    lines: &[&str],
    handler: impl Fn(Request, Session) -> F + Clone + Send,
) -> Reply
where
    F: Future<Output = Result<R, Error>> + Send,
    R: lambda_http::IntoResponse,
{
    let mut event = shape.event(lines);
    for (name, value) in [
        ("headers", json!(host)),
        ("multiValueHeaders", json!([host])),
    ] {
        if let Some(headers) = event[name].as_object_mut() {
            headers.retain(|name, _| !name.eq_ignore_ascii_case("host"));
            headers.insert("host".to_owned(), value);
        }
    }
    let mut request: LambdaRequest = serde_json::from_value(event).unwrap();
    lambda_sessions::layer::repair_event(&mut request);
    let mut adapter = Adapter::from(sessions.wrap(handler));
    let event = LambdaEvent::new(request, Context::default());
    let response = adapter.call(event).await.unwrap();
    Browser::new().take(&serde_json::to_value(response).unwrap())
}

#[tokio::test]
async fn scope_is_chosen_by_each_request() {
    let setup = Setup::new().await;
    let sessions = setup.sessions.clone().cookie_scopes(scopes(), by_host);
    for shape in SHAPES
        .into_iter()
        .filter(|shape| *shape != Shape::LoadBalancer)
    {
        for (host, name, attributes) in [
            (
                "www.shop.example",
                "__Secure-sid",
                "Secure; Path=/; Domain=shop.example;",
            ),
            (
                "SHOP.example:443",
                "__Secure-sid",
                "Secure; Path=/; Domain=shop.example;",
            ),
            (
                "192.168.1.10:8080",
                "sid",
                "HttpOnly; SameSite=Lax; Path=/;",
            ),
            // No text of a request becomes part of a cookie.
            ("evil.example", "__Host-sid", "Secure; Path=/;"),
            ("shop.example.evil.example", "__Host-sid", "Secure; Path=/;"),
            ("mistake.example", "__Host-sid", "Secure; Path=/;"),
        ] {
            let what = format!("{shape:?} {host}");
            let reply = visit(shape, &sessions, host, &[], count).await;
            let cookie = reply.cookies[0].clone();
            assert!(cookie.starts_with(&format!("{name}=")), "{what}: {cookie}");
            assert!(cookie.contains(attributes), "{what}: {cookie}");
            assert!(!cookie.contains("evil"), "{what}: {cookie}");
            // The session continues in that scope, and its logout removes that cookie.
            let pair = cookie.split(';').next().unwrap();
            let reply = visit(shape, &sessions, host, &[pair], count).await;
            assert_eq!(
                (reply.body.as_str(), reply.cookies.len()),
                ("2", 0),
                "{what}"
            );
            let reply = visit(shape, &sessions, host, &[pair], logout).await;
            let removal = &reply.cookies[0];
            assert!(
                removal.starts_with(&format!("{name}=;")),
                "{what}: {removal}"
            );
            assert!(removal.contains("Max-Age=0"), "{what}: {removal}");
            let domain = cookie.contains("Domain=shop.example");
            assert_eq!(removal.contains("Domain=shop.example"), domain, "{what}");
            assert_eq!(
                removal.contains("Secure"),
                cookie.contains("; Secure"),
                "{what}"
            );
        }
    }
    assert!(setup.table.items().await.is_empty());
}

/// A client may cause it, so it is logged once, and no more.
#[tokio::test]
async fn scope_that_is_unknown_is_logged_once() {
    let setup = Setup::new().await;
    let by_client = |request: &RequestHead<'_>| request.host();
    let sessions = setup.sessions.clone().cookie_scopes(scopes(), by_client);
    let log = Log::capture();
    let mut text = String::new();
    for host in ["evil.example", "more.example", "shop"] {
        visit(Shape::HttpApi, &sessions, host, &[], count).await;
        text += &log.take();
    }
    assert!(text.matches("WARN").count() <= 1, "{text}");
    assert!(!text.contains("evil.example"), "{text}");
}

/// A cookie counts in its own scope alone, so one that a host of another domain can plant does not
/// reach the default one.
#[tokio::test]
async fn scope_does_not_read_other_cookies() {
    let setup = Setup::new().await;
    let sessions = setup.sessions.clone().cookie_scopes(scopes(), by_host);
    let reply = visit(Shape::HttpApi, &sessions, "192.168.1.10", &[], count).await;
    let pair = reply.cookies[0].split(';').next().unwrap();
    setup.proxy.calls();
    for (host, body) in [("other.example", "None"), ("www.shop.example", "None")] {
        let reply = visit(Shape::HttpApi, &sessions, host, &[pair], peek).await;
        assert_eq!(reply.body, body, "{host}");
    }
    assert_eq!(setup.proxy.calls(), [""; 0]);
}

/// The context of the request is API Gateway's own, and no client can change it.
#[tokio::test]
async fn scope_may_depend_on_the_context() {
    let setup = Setup::new().await;
    let by_domain = |request: &RequestHead<'_>| match request.extensions.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.domain_name.clone(),
        _ => None,
    };
    let domain = "r3pmxmplak.execute-api.us-east-2.amazonaws.com";
    let scope = CookieScope::new(domain).cookie_name("__Host-api");
    let sessions = setup.sessions.clone().cookie_scopes([scope], by_domain);
    let reply = visit(Shape::HttpApi, &sessions, "www.shop.example", &[], count).await;
    assert!(reply.cookies[0].starts_with("__Host-api="), "{reply:?}");
    let reply = visit(Shape::RestApi, &sessions, "www.shop.example", &[], count).await;
    assert!(reply.cookies[0].starts_with("__Host-sid="), "{reply:?}");
}

/// The function is the application's code: it runs once for each request, also if layers are
/// nested, and may use sessions itself.
#[tokio::test]
async fn scope_function_runs_once_under_no_lock() {
    let setup = Setup::new().await;
    let calls = Arc::new(AtomicUsize::new(0));
    let (seen, inner) = (Arc::clone(&calls), setup.elsewhere());
    let choose = move |request: &RequestHead<'_>| {
        seen.fetch_add(1, Ordering::SeqCst);
        // The function uses another layer itself.
        let _service = inner.wrap(count);
        by_host(request)
    };
    let sessions = setup.sessions.clone().cookie_scopes(scopes(), choose);
    let handler = service_fn(|request: Request| async move {
        let session = request.session().await?;
        session.increment("visits", 1)?;
        session.save().await?;
        session.cycle_id()?;
        Ok::<_, Error>(Response::new(Body::Empty))
    });
    let service = sessions.layer(sessions.layer(handler));
    let request = http::Request::get("/").header("host", "192.168.1.10");
    let response = service
        .oneshot(request.body(Body::Empty).unwrap())
        .await
        .unwrap();
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("sid="), "{cookie}");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn scope_that_is_invalid_is_an_error_at_start() {
    let sessions = || lambda_sessions::SessionLayer::new(lambda_sessions::MemoryStore::new());
    let none = |_: &RequestHead<'_>| None::<&str>;
    for scope in [
        CookieScope::new("s").domain("shop.example/x"),
        CookieScope::new("s")
            .cookie_name("__Host-sid")
            .domain("shop.example"),
        CookieScope::new("s")
            .cookie_name("__Secure-sid")
            .secure(false),
    ] {
        let error = sessions().cookie_scopes([scope], none).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(
            error.to_string().contains("invalid cookie scope `s`"),
            "{error}"
        );
    }
    assert!(sessions().cookie_scopes([], none).build().is_ok());
}
