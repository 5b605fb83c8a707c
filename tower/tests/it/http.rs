//! Sessions as a browser meets them, through the layer of tower-sessions.
//!
//! Each test counts the calls of DynamoDB, because they are what a request costs.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use lambda_sessions_tower::TowerStore;
use lambda_sessions_tower::lambda_sessions::{DynamoDbStore, MemoryStore};
use time::{Duration, OffsetDateTime};

use super::tower_sessions::{Expiry, Session, SessionManagerLayer, SessionStore};
use crate::harness::{COOKIE, Setup, cookie, visit};
use crate::support::{Browser, Reply, number, stored_value, text};

/// Counts the visits.
async fn count(session: Session) -> String {
    let visits: i64 = session.get("visits").await.unwrap().unwrap_or_default();
    session.insert("visits", visits + 1).await.unwrap();
    (visits + 1).to_string()
}

/// Reads the number of visits.
async fn peek(session: Session) -> String {
    format!("{:?}", session.get::<i64>("visits").await.unwrap())
}

async fn remove(session: Session) -> String {
    format!("{:?}", session.remove::<i64>("visits").await.unwrap())
}

async fn clear(session: Session) {
    session.clear().await;
}

async fn cycle(session: Session) {
    session.cycle_id().await.unwrap();
}

async fn flush(session: Session) {
    session.flush().await.unwrap();
}

async fn fail(session: Session) -> StatusCode {
    session.insert("visits", 100).await.unwrap();
    StatusCode::INTERNAL_SERVER_ERROR
}

async fn tomorrow(session: Session) {
    let tomorrow = OffsetDateTime::now_utc() + Duration::days(1);
    session.set_expiry(Some(Expiry::AtDateTime(tomorrow)));
}

async fn yesterday(session: Session) {
    let yesterday = OffsetDateTime::now_utc() - Duration::days(1);
    session.set_expiry(Some(Expiry::AtDateTime(yesterday)));
}

pub(super) fn routes() -> Router {
    Router::new()
        .route("/", get(async |_: Session| "untouched"))
        .route("/count", get(count))
        .route("/peek", get(peek))
        .route("/remove", get(remove))
        .route("/clear", get(clear))
        .route("/cycle", get(cycle))
        .route("/flush", get(flush))
        .route("/fail", get(fail))
        .route("/tomorrow", get(tomorrow))
        .route("/yesterday", get(yesterday))
}

pub(super) fn layer<S: SessionStore>(store: S) -> SessionManagerLayer<S> {
    SessionManagerLayer::new(store).with_expiry(Expiry::OnInactivity(Duration::hours(1)))
}

pub(super) fn app(store: &TowerStore<DynamoDbStore>) -> Router {
    routes().layer(layer(store.clone()))
}

/// Returns a browser that has a session in which `visits` is 1.
pub(super) async fn visitor(setup: &Setup, app: &Router) -> Browser {
    let mut browser = Browser::new();
    assert_eq!(visit(&mut browser, app, "GET /count").await.body, "1");
    setup.proxy.calls();
    browser
}

/// Returns the only `Set-Cookie` line.
pub(super) fn set_cookie(reply: &Reply) -> &str {
    assert_eq!(reply.cookies.len(), 1, "{:?}", reply.cookies);
    &reply.cookies[0]
}

#[tokio::test]
async fn untouched_session_costs_nothing() {
    let setup = Setup::new().await;
    let app = app(&setup.store);
    let mut browser = Browser::new();
    let reply = visit(&mut browser, &app, "GET /").await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("untouched", 0));
    assert_eq!(visit(&mut browser, &app, "GET /peek").await.body, "None");
    assert!(setup.proxy.calls().is_empty());

    let mut browser = visitor(&setup, &app).await;
    visit(&mut browser, &app, "GET /").await;
    assert!(setup.proxy.calls().is_empty());
}

#[tokio::test]
async fn new_session_is_one_readable_item() {
    let setup = Setup::new().await;
    let app = app(&setup.store);
    let mut browser = Browser::new();
    let before = OffsetDateTime::now_utc().unix_timestamp();
    let reply = visit(&mut browser, &app, "GET /count").await;
    assert_eq!(setup.proxy.calls(), ["PutItem"]);
    let line = set_cookie(&reply);
    for attribute in [
        "HttpOnly",
        "SameSite=Strict",
        "Secure",
        "Path=/",
        "Max-Age=3600",
    ] {
        assert!(line.contains(attribute), "{line}");
    }
    let item = setup.table.item().await;
    assert_eq!(
        stored_value(std::slice::from_ref(&item), "visits"),
        number(1)
    );
    let ttl: i64 = item["ttl"].as_n().unwrap().parse().unwrap();
    assert!((before + 3_600..before + 3_660).contains(&ttl), "{ttl}");
    // The table holds neither the cookie's value nor the bytes that it spells.
    let key = item["id"].as_s().unwrap();
    assert_eq!(key.len(), 43);
    assert!(!format!("{item:?}").contains(cookie(&browser).unwrap()));
}

#[tokio::test]
async fn session_is_kept_and_changed() {
    let setup = Setup::new().await;
    let app = app(&setup.store);
    let mut browser = visitor(&setup, &app).await;
    let id = cookie(&browser).unwrap().to_owned();
    for visits in 2..5 {
        let reply = visit(&mut browser, &app, "GET /count").await;
        assert_eq!(reply.body, visits.to_string());
        assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem"]);
    }
    assert_eq!(cookie(&browser), Some(id.as_str()));
    let reply = visit(&mut browser, &app, "GET /peek").await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("Some(4)", 0));
    assert_eq!(setup.proxy.calls(), ["GetItem"]);
    assert_eq!(
        stored_value(&[setup.table.item().await], "visits"),
        number(4)
    );
}

#[tokio::test]
async fn unknown_id_is_not_adopted() {
    let setup = Setup::new().await;
    let app = app(&setup.store);
    let planted = "AAAAAAAAAAAAAAAAAAAAAA";
    for path in ["GET /count", "GET /clear", "GET /tomorrow"] {
        let mut browser = Browser::with_cookie(COOKIE, planted);
        let reply = visit(&mut browser, &app, path).await;
        assert_eq!(reply.status, 200);
        let mut other = Browser::with_cookie(COOKIE, planted);
        let seen = visit(&mut other, &app, "GET /peek").await;
        assert_eq!(seen.body, "None", "{path}");
    }
    // Two of the requests have begun sessions of their own. To clear an unknown one stores nothing.
    assert_eq!(setup.table.items().await.len(), 2);
}

#[tokio::test]
async fn malformed_cookie_is_no_session() {
    let setup = Setup::new().await;
    let app = app(&setup.store);
    for value in [
        "malformed",
        "",
        "AAAAAAAAAAAAAAAAAAAAAAA",
        "!!!!!!!!!!!!!!!!!!!!!!",
    ] {
        let mut browser = Browser::with_cookie(COOKIE, value);
        let reply = visit(&mut browser, &app, "GET /count").await;
        assert_eq!(reply.body, "1", "{value}");
        assert_eq!(setup.proxy.calls(), ["PutItem"]);
        assert_ne!(cookie(&browser), Some(value));
    }
}

#[tokio::test]
async fn removed_value_is_gone_and_session_stays() {
    let setup = Setup::new().await;
    let app = app(&setup.store);
    let mut browser = visitor(&setup, &app).await;
    assert_eq!(
        visit(&mut browser, &app, "GET /remove").await.body,
        "Some(1)"
    );
    assert_eq!(visit(&mut browser, &app, "GET /peek").await.body, "None");
    assert!(cookie(&browser).is_some());
    let item = setup.table.item().await;
    assert!(item["data"].as_m().unwrap().is_empty());
}

#[tokio::test]
async fn cleared_session_stays_without_values() {
    let setup = Setup::new().await;
    let app = app(&setup.store);
    let mut browser = visitor(&setup, &app).await;
    visit(&mut browser, &app, "GET /clear").await;
    // tower-sessions clears without a load. The record that the first request wrote is remembered.
    assert_eq!(setup.proxy.calls(), ["UpdateItem"]);
    assert!(setup.table.item().await["data"].as_m().unwrap().is_empty());
    assert_eq!(visit(&mut browser, &app, "GET /peek").await.body, "None");
}

#[tokio::test]
async fn cycled_id_moves_the_values() {
    let setup = Setup::new().await;
    let app = app(&setup.store);
    let mut browser = visitor(&setup, &app).await;
    let mut thief = browser.clone();
    visit(&mut browser, &app, "GET /cycle").await;
    assert_eq!(setup.proxy.calls(), ["GetItem", "DeleteItem", "PutItem"]);
    assert_ne!(cookie(&browser), cookie(&thief));
    assert_eq!(visit(&mut browser, &app, "GET /peek").await.body, "Some(1)");
    assert_eq!(visit(&mut thief, &app, "GET /peek").await.body, "None");
    assert_eq!(setup.table.items().await.len(), 1);
}

#[tokio::test]
async fn flush_deletes_the_record_and_the_cookie() {
    let setup = Setup::new().await;
    let domain = |domain: &'static str| layer(setup.store.clone()).with_domain(domain);
    let apps = [
        (app(&setup.store), ""),
        (routes().layer(domain("example.com")), "Domain=example.com"),
    ];
    for (app, attribute) in apps {
        let mut browser = visitor(&setup, &app).await;
        let mut thief = browser.clone();
        let reply = visit(&mut browser, &app, "GET /flush").await;
        assert_eq!(setup.proxy.calls(), ["DeleteItem"]);
        let line = set_cookie(&reply);
        assert!(
            line.starts_with("id=;") && line.contains("Max-Age=0"),
            "{line}"
        );
        assert!(
            line.contains(attribute) && line.contains("Path=/"),
            "{line}"
        );
        assert_eq!(cookie(&browser), None);
        assert!(setup.table.items().await.is_empty());
        assert_eq!(visit(&mut thief, &app, "GET /peek").await.body, "None");
    }
}

#[tokio::test]
async fn failed_handler_saves_nothing() {
    let setup = Setup::new().await;
    let app = app(&setup.store);
    let mut browser = visitor(&setup, &app).await;
    let reply = visit(&mut browser, &app, "GET /fail").await;
    assert_eq!(reply.status, 500);
    assert_eq!(setup.proxy.calls(), ["GetItem"]);
    assert_eq!(visit(&mut browser, &app, "GET /peek").await.body, "Some(1)");
}

#[tokio::test]
async fn item_of_another_program_is_left_alone() {
    let setup = Setup::new().await;
    let app = app(&setup.store);
    let mut browser = visitor(&setup, &app).await;
    // flask-dynamodb-sessions writes `data` as a text.
    let mut item = setup.table.item().await;
    item.insert("data".to_owned(), text("{\"visits\": 7}"));
    setup.table.put(item.clone()).await;
    for path in ["GET /peek", "GET /count", "GET /clear", "GET /flush"] {
        let mut browser = browser.clone();
        let reply = visit(&mut browser, &app, path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert!(setup.table.items().await.contains(&item), "{path}");
    }
    assert_eq!(visit(&mut browser, &app, "GET /count").await.body, "1");
}

#[tokio::test]
async fn memory_store_behaves_the_same() {
    let memory = MemoryStore::new();
    let app = routes().layer(layer(TowerStore::new(memory.clone())));
    let mut browser = Browser::new();
    for (path, body, sessions) in [
        ("GET /peek", "None", 0),
        ("GET /count", "1", 1),
        ("GET /count", "2", 1),
        ("GET /cycle", "", 1),
        ("GET /peek", "Some(2)", 1),
        ("GET /clear", "", 1),
        ("GET /peek", "None", 1),
        ("GET /flush", "", 0),
        ("GET /peek", "None", 0),
    ] {
        assert_eq!(visit(&mut browser, &app, path).await.body, body, "{path}");
        assert_eq!(memory.len(), sessions, "{path}");
    }
}
