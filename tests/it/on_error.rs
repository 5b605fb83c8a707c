//! The application's response to a failure of its session, with and without the request.

use std::sync::{Arc, Mutex};

use crate::support::{Action, Proxy, Shape, Table};
use ::axum::Router;
use ::axum::routing::get;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body_util::BodyExt as _;
use lambda_http::{Body, Error, Service as _, service_fn};
use lambda_sessions::{DynamoDbStore, MemoryStore, Session, SessionExt as _, SessionLayer};
use tower::{Layer as _, ServiceExt as _};

/// A cookie whose session cannot be loaded from [`outage`].
fn cookie() -> String {
    format!("__Host-sid={}", "A".repeat(43))
}

/// Returns a layer whose table fails every call, or every write only.
async fn outage(reads_fail: bool) -> (Table, Proxy, SessionLayer<DynamoDbStore>) {
    let table = Table::new().await;
    let proxy = Proxy::start(&table.endpoint).await;
    proxy.script(move |operation, _| match operation {
        "GetItem" if !reads_fail => Action::Forward,
        _ => Action::error(500, "InternalServerError"),
    });
    let store = table.store_at(&proxy.endpoint);
    let store = store.operation_timeout(std::time::Duration::from_millis(100));
    (table, proxy, SessionLayer::new(store))
}

type Head = (Method, Uri, Version, HeaderMap);
type Heads = Arc<Mutex<Vec<Head>>>;

/// Returns a function for `on_error_with_request` and the heads that it has seen.
fn recorder() -> (
    Heads,
    impl Fn(&lambda_sessions::Error, &Request<()>) -> Response<String> + Send + Sync + 'static,
) {
    let seen = Heads::default();
    let writer = Arc::clone(&seen);
    let respond = move |error: &lambda_sessions::Error, request: &Request<()>| {
        assert!(request.extensions().is_empty());
        writer.lock().unwrap().push((
            request.method().clone(),
            request.uri().clone(),
            request.version(),
            request.headers().clone(),
        ));
        let response = Response::builder().status(418);
        let response = match request.headers().get("origin") {
            Some(origin) => response.header("access-control-allow-origin", origin),
            None => response,
        };
        response.body(format!("{:?}", error.kind())).unwrap()
    };
    (seen, respond)
}

/// A request as a handler behind an HTTP API gets it.
fn request(cookie: Option<&str>) -> lambda_http::Request {
    let text = Shape::HttpApi.event(&cookie.into_iter().collect::<Vec<_>>());
    let event: lambda_http::request::LambdaRequest = serde_json::from_value(text).unwrap();
    let mut request = lambda_http::Request::from(event);
    let origin = "https://shop.example.com".parse().unwrap();
    request.headers_mut().insert("origin", origin);
    request
}

fn assert_seen(seen: &Heads, of: &lambda_http::Request) {
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    let [(method, uri, version, headers)] = &seen[..] else {
        panic!("it is called once: {seen:?}");
    };
    assert_eq!(method, of.method());
    assert_eq!(uri, of.uri());
    assert_eq!(*version, of.version());
    assert_eq!(headers, of.headers());
}

fn assert_made<B>(response: &Response<B>) {
    assert_eq!(response.status(), 418);
    let headers = response.headers();
    assert_eq!(
        headers["access-control-allow-origin"],
        "https://shop.example.com"
    );
    // axum adds the length of a body.
    let added = headers.len() - usize::from(headers.contains_key("content-length"));
    assert_eq!(added, 1, "nothing is added: {headers:?}");
}

async fn visit(_: lambda_http::Request, session: Session) -> Result<String, Error> {
    session.insert("k", 1)?;
    Ok(String::new())
}

async fn visit_by_request(request: lambda_http::Request) -> Result<Response<Body>, Error> {
    request.session().await?.insert("k", 1)?;
    let response = Response::builder().header("set-cookie", "theirs=1");
    Ok(response.body(Body::Empty)?)
}

#[tokio::test]
async fn on_error_sees_request_of_failed_load() {
    let (_table, _proxy, sessions) = outage(true).await;
    let (seen, respond) = recorder();
    let sessions = sessions.on_error_with_request(respond);
    let cookie = cookie();

    let wrapped = sessions.wrap(|_, _: Session| async {
        panic!("the handler must not run");
        #[allow(unreachable_code)]
        Ok::<_, Error>("")
    });
    let response = wrapped.oneshot(request(Some(&cookie))).await.unwrap();
    assert_made(&response);
    assert_eq!(response.body(), &Body::from("Unavailable"));
    assert_seen(&seen, &request(Some(&cookie)));

    let layered = sessions.layer(service_fn(visit_by_request));
    let response = layered.oneshot(request(Some(&cookie))).await.unwrap();
    assert_made(&response);
    assert_seen(&seen, &request(Some(&cookie)));
}

#[tokio::test]
async fn on_error_sees_request_of_failed_commit() {
    let (_table, _proxy, sessions) = outage(false).await;
    let (seen, respond) = recorder();
    let sessions = sessions.on_error_with_request(respond);

    let response = sessions.wrap(visit).oneshot(request(None)).await.unwrap();
    assert_made(&response);
    assert_seen(&seen, &request(None));

    let layered = sessions.layer(service_fn(visit_by_request));
    let response = layered.oneshot(request(None)).await.unwrap();
    assert_made(&response);
    assert_seen(&seen, &request(None));
}

/// The handler's own error stays the response, and a session's error does not.
#[tokio::test]
async fn on_error_sees_request_of_session_errors_only() {
    let (seen, respond) = recorder();
    let sessions = SessionLayer::new(MemoryStore::new()).on_error_with_request(respond);
    let mut mistyped = sessions.wrap(|_, session: Session| async move {
        session.insert("k", "text")?;
        session.get::<u8>("k")?;
        Ok::<_, Error>("")
    });
    let response = mistyped.call(request(None)).await.unwrap();
    assert_made(&response);
    assert_eq!(response.body(), &Body::from("Deserialize"));
    assert_seen(&seen, &request(None));

    let mut failing = sessions.wrap(|_, _: Session| async { Err::<&str, Error>("own".into()) });
    let error = failing.call(request(None)).await.unwrap_err();
    assert_eq!(error.to_string(), "own");
    let mut succeeding = sessions.wrap(visit);
    assert_eq!(succeeding.call(request(None)).await.unwrap().status(), 200);
    assert!(seen.lock().unwrap().is_empty());
}

/// The handler may change the request that it has got; the head is the one that was sent.
#[tokio::test]
async fn on_error_sees_request_before_the_handler() {
    let (seen, respond) = recorder();
    let sessions = SessionLayer::new(MemoryStore::new()).on_error_with_request(respond);
    let inner = tower::service_fn(|mut request: lambda_http::Request| async move {
        request.headers_mut().clear();
        *request.method_mut() = Method::DELETE;
        let session = request.session().await?;
        session.insert("", 1)?;
        Ok::<_, Error>(Response::new(Body::Empty))
    });
    let response = sessions.layer(inner).oneshot(request(None)).await.unwrap();
    assert_made(&response);
    assert_seen(&seen, &request(None));
}

#[tokio::test]
async fn on_error_later_call_replaces_the_earlier() {
    let plain = |error: &lambda_sessions::Error| {
        let response = Response::builder().status(499);
        response.body(error.kind().to_string()).unwrap()
    };
    let status = async |sessions: SessionLayer<MemoryStore>| {
        let mut wrapped = sessions.wrap(|_, session: Session| async move {
            session.insert("", 1)?;
            Ok::<_, Error>("")
        });
        wrapped.call(request(None)).await.unwrap().status().as_u16()
    };
    let sessions = || SessionLayer::new(MemoryStore::new());
    let (seen, respond) = recorder();
    let both = sessions().on_error(plain).on_error_with_request(respond);
    assert_eq!(status(both).await, 418);
    assert_eq!(seen.lock().unwrap().len(), 1);
    let (seen, respond) = recorder();
    let both = sessions().on_error_with_request(respond).on_error(plain);
    assert_eq!(status(both).await, 499);
    assert!(seen.lock().unwrap().is_empty());
}

/// A layer that is applied twice has one session and makes one response.
#[tokio::test]
async fn on_error_of_nested_layers_is_called_once() {
    let (_table, _proxy, failing) = outage(true).await;
    let (seen, respond) = recorder();
    let failing = failing.on_error_with_request(respond);
    let twice = failing.layer(failing.layer(service_fn(visit_by_request)));
    let response = twice.oneshot(request(Some(&cookie()))).await.unwrap();
    assert_made(&response);
    assert_seen(&seen, &request(Some(&cookie())));

    let inside = failing.layer(failing.wrap(visit));
    let response = inside.oneshot(request(Some(&cookie()))).await.unwrap();
    assert_made(&response);
    assert_eq!(seen.lock().unwrap().len(), 1, "the wrapped handler's load");
}

async fn count(session: Session) -> Result<String, lambda_sessions::Error> {
    Ok(session.increment("visits", 1)?.to_string())
}

async fn mistyped(session: Session) -> Result<String, lambda_sessions::Error> {
    session.insert("k", "text")?;
    session.get::<u8>("k")?;
    Ok(String::new())
}

#[tokio::test]
async fn on_error_sees_request_of_axum_rejection() {
    let (_table, _proxy, sessions) = outage(true).await;
    let (seen, respond) = recorder();
    let app = Router::new()
        .route("/count", get(count).post(count))
        .route("/mistyped", get(mistyped))
        .layer(sessions.on_error_with_request(respond));
    let visit = async |method: Method, uri: &str, cookie: Option<&str>| {
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .header("origin", "https://shop.example.com")
            .header("accept", "application/json");
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        let request = request.body(axum::body::Body::from("body")).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        assert_made(&response);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let (method, uri, _, headers) = seen.lock().unwrap().pop().unwrap();
        assert_eq!(headers["accept"], "application/json");
        assert!(seen.lock().unwrap().is_empty(), "it is called once");
        let body = String::from_utf8(body.to_vec()).unwrap();
        format!("{method} {uri} {body}")
    };
    // A failed load, which is the extractor's rejection.
    assert_eq!(
        visit(Method::POST, "/count?a=1", Some(&cookie())).await,
        "POST /count?a=1 Unavailable"
    );
    // An error that the handler returns.
    assert_eq!(
        visit(Method::GET, "/mistyped", None).await,
        "GET /mistyped Deserialize"
    );
    // A failed commit, whose outcome a 500 leaves open.
    assert_eq!(
        visit(Method::GET, "/count", None).await,
        "GET /count OutcomeUnknown"
    );
}
