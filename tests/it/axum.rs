//! Behind axum's `Router`: the extractors, errors as responses, cookie lines and bodies.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use lambda_sessions::{
    DynamoDbStore, Error, ErrorKind, MemoryStore, Session, SessionExt as _, SessionLayer,
    WriteOnlySession,
};
use tower::{ServiceBuilder, ServiceExt as _};
use tower_http::compression::CompressionLayer;
use tower_http::trace::TraceLayer;

use crate::support::{Action, Proxy, Table};

async fn count(session: Session) -> Result<String, Error> {
    Ok(session.increment("visits", 1)?.to_string())
}

async fn hit(session: WriteOnlySession) -> Result<(), Error> {
    session.increment("visits", 1)
}

async fn optional(session: Option<Session>) -> Result<String, Error> {
    let visits = session.map(|session| session.increment("visits", 1));
    Ok(format!("{:?}", visits.transpose()?))
}

async fn leave(session: Session) -> Result<(), Error> {
    session.destroy()
}

async fn untouched() -> &'static str {
    "static"
}

async fn mistyped(session: Session) -> Result<String, Error> {
    session.insert("user", "ada")?;
    session.get::<Vec<u8>>("user")?;
    Ok(String::new())
}

async fn by_request(request: axum::extract::Request) -> Result<String, Error> {
    Ok(format!(
        "{:?}",
        request.session().await?.get::<i64>("visits")?
    ))
}

fn app(sessions: SessionLayer<DynamoDbStore>) -> Router {
    Router::new()
        .route("/count", get(count))
        .route("/hit", get(hit))
        .route("/optional", get(optional))
        .route("/leave", get(leave))
        .route("/static", get(untouched))
        .route("/mistyped", get(mistyped))
        .route("/request", get(by_request))
        .layer(sessions)
}

async fn visit(app: &Router, path: &str, cookie: Option<&str>) -> (Response<()>, String) {
    let mut request = Request::get(path);
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    let request = request.body(Body::empty()).unwrap();
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        Response::from_parts(parts, ()),
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

fn cookie(response: &Response<()>) -> String {
    let header = response.headers()["set-cookie"].to_str().unwrap();
    header.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn axum_extractor_loads_and_layer_commits() {
    let table = Table::new().await;
    let proxy = Proxy::start(&table.endpoint).await;
    let app = app(SessionLayer::new(table.store_at(&proxy.endpoint)));
    let (first, body) = visit(&app, "/count", None).await;
    assert_eq!((first.status(), body.as_str()), (StatusCode::OK, "1"));
    let cookie = cookie(&first);
    assert_eq!(proxy.calls(), ["PutItem"]);

    let (_, body) = visit(&app, "/count", Some(&cookie)).await;
    assert_eq!(
        (body.as_str(), proxy.calls()),
        ("2", vec!["GetItem".to_owned(), "UpdateItem".to_owned()])
    );
    visit(&app, "/hit", Some(&cookie)).await;
    assert_eq!(proxy.calls(), ["UpdateItem"]);
    let (response, body) = visit(&app, "/static", Some(&cookie)).await;
    assert_eq!((body.as_str(), proxy.calls().len()), ("static", 0));
    assert!(!response.headers().contains_key("vary"));
    let (response, body) = visit(&app, "/request", Some(&cookie)).await;
    assert_eq!(body, "Some(3)");
    assert_eq!(response.headers()["vary"], "Cookie");
}

#[tokio::test]
async fn axum_error_is_a_response_and_commits_nothing() {
    let table = Table::new().await;
    let proxy = Proxy::start(&table.endpoint).await;
    let store = table.store_at(&proxy.endpoint);
    let (response, body) = visit(&app(SessionLayer::new(store.clone())), "/mistyped", None).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(
        !response.headers().contains_key("set-cookie") && !body.contains("ada"),
        "{body}"
    );
    assert_eq!(table.items().await.len(), 0);

    let custom = SessionLayer::new(store).on_error(|error| {
        let response = Response::builder().status(418);
        response.body(format!("{:?}", error.kind())).unwrap()
    });
    let app = app(custom);
    let (response, body) = visit(&app, "/mistyped", None).await;
    assert_eq!(
        (response.status().as_u16(), body.as_str()),
        (418, "Deserialize")
    );
    // The extractor's rejection is replaced too.
    proxy.script(|_, _| Action::error(500, "InternalServerError"));
    let known = format!("__Host-sid={}", "A".repeat(43));
    let (response, body) = visit(&app, "/count", Some(&known)).await;
    assert_eq!(
        (response.status().as_u16(), body.as_str()),
        (418, "Unavailable")
    );
}

#[tokio::test]
async fn axum_optional_session_is_one_that_exists() {
    let table = Table::new().await;
    let proxy = Proxy::start(&table.endpoint).await;
    let app = app(SessionLayer::new(table.store_at(&proxy.endpoint)));
    let unknown = format!("__Host-sid={}", "A".repeat(43));
    for (cookie, calls) in [(None, 0), (Some("__Host-sid=1"), 0), (Some(&*unknown), 1)] {
        let (response, body) = visit(&app, "/optional", cookie).await;
        assert_eq!(
            (body.as_str(), proxy.calls().len()),
            ("None", calls),
            "{cookie:?}"
        );
        let removes = response.headers().get("set-cookie");
        let removes = removes.map(|it| it.to_str().unwrap().contains("Max-Age=0"));
        assert_ne!(removes, Some(false), "{cookie:?}: no session has begun");
    }
    assert_eq!(table.items().await.len(), 0);

    let cookie = cookie(&visit(&app, "/count", None).await.0);
    assert_eq!(visit(&app, "/optional", Some(&cookie)).await.1, "Some(2)");
    // A failed load is an error, and not a visitor without a session.
    proxy.script(|_, _| Action::error(400, "AccessDeniedException"));
    let (response, _) = visit(&app, "/optional", Some(&cookie)).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    proxy.script(|_, _| Action::Forward);
    visit(&app, "/leave", Some(&cookie)).await;
    assert_eq!(visit(&app, "/optional", Some(&cookie)).await.1, "None");
}

#[tokio::test]
async fn axum_extractor_without_a_layer_fails() {
    let app = Router::new()
        .route("/count", get(count))
        .route("/optional", get(optional));
    for path in ["/count", "/optional"] {
        let (response, _) = visit(&app, path, None).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            response.extensions().get::<Error>().map(Error::kind),
            Some(ErrorKind::Misconfigured)
        );
    }
}

/// One router has the layer on a route, on nested routes and on all others. The same layer twice
/// is one session.
#[tokio::test]
async fn axum_layer_applies_to_routes_and_nests() {
    let store = MemoryStore::new();
    let shop = SessionLayer::new(store.clone()).audience("shop");
    let staff = SessionLayer::new(store.clone()).audience("staff");
    let staff = staff.cookie_name("__Host-staff");
    let twice = ServiceBuilder::new()
        .layer(shop.clone())
        .layer(shop.clone());
    let office = Router::new().route("/orders", get(count)).layer(staff);
    let app = Router::new()
        .route("/", get(count))
        .route("/static", get(untouched))
        .route_layer(shop)
        .route("/basket", get(count).layer(twice))
        .nest("/office", office);
    for (path, name) in [
        ("/", "__Host-sid"),
        ("/basket", "__Host-sid"),
        ("/office/orders", "__Host-staff"),
    ] {
        let (first, body) = visit(&app, path, None).await;
        assert_eq!(body, "1", "{path}");
        assert_eq!(first.headers().get_all("set-cookie").iter().count(), 1);
        let cookie = cookie(&first);
        assert!(cookie.starts_with(&format!("{name}=")), "{path}: {cookie}");
        assert_eq!(visit(&app, path, Some(&cookie)).await.1, "2", "{path}");
    }
    for (path, status) in [("/static", 200), ("/elsewhere", 404)] {
        let (response, _) = visit(&app, path, None).await;
        assert_eq!(response.status(), status);
        assert!(!response.headers().contains_key("set-cookie"));
    }
    assert_eq!(store.len(), 3);
}

/// HTTP/2 may split cookies over several header lines. Two different ids are rejected.
#[tokio::test]
async fn axum_cookie_lines_are_one_header() {
    let app = Router::new()
        .route("/", get(count))
        .layer(SessionLayer::new(MemoryStore::new()));
    let (first, _) = visit(&app, "/", None).await;
    let cookie = cookie(&first);
    let visit = async |lines: &[&str]| {
        let mut request = Request::get("/");
        for line in lines {
            request = request.header("cookie", *line);
        }
        let request = request.body(Body::empty()).unwrap();
        let body = app.clone().oneshot(request).await.unwrap().into_body();
        String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
    };
    let other = format!("__Host-sid={}", "A".repeat(43));
    assert_eq!(visit(&["theme=dark", &cookie]).await, "2");
    assert_eq!(visit(&[&cookie, &cookie]).await, "3", "the same twice");
    assert_eq!(
        visit(&[&cookie, &other]).await,
        "1",
        "two that differ are both refused"
    );
    assert_eq!(visit(&[&other, &cookie]).await, "1");
}

/// The session layer may be outside or inside of layers that change the body.
#[tokio::test]
async fn axum_bodies_pass_in_any_order() {
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
