//! The expiry of sessions, through the layer of tower-sessions.

use time::OffsetDateTime;

use super::http::{app, layer, routes, set_cookie, visitor};
use super::tower_sessions::SessionManagerLayer;
use crate::harness::{Setup, visit};
use crate::support::{Browser, number, stored_value};

/// Returns the expiry of the only record.
async fn ttl(setup: &Setup) -> i64 {
    let item = setup.table.item().await;
    item["ttl"].as_n().unwrap().parse().unwrap()
}

#[tokio::test]
async fn expiry_ends_the_session_at_its_second() {
    let setup = Setup::new().await;
    let app = app(&setup.store);
    let mut browser = visitor(&setup, &app).await;
    setup.advance(3_500);
    assert_eq!(visit(&mut browser, &app, "GET /peek").await.body, "Some(1)");
    setup.advance(100);
    assert_eq!(visit(&mut browser, &app, "GET /peek").await.body, "None");
    // DynamoDB has not deleted the item yet, and nothing writes to it.
    assert_eq!(setup.table.items().await.len(), 1);
    setup.proxy.calls();
    visit(&mut browser, &app, "GET /cycle").await;
    assert_eq!(
        stored_value(&setup.table.items().await, "visits"),
        number(1)
    );
}

#[tokio::test]
async fn changed_expiry_is_stored() {
    let setup = Setup::new().await;
    let app = app(&setup.store);
    let mut browser = visitor(&setup, &app).await;
    let reply = visit(&mut browser, &app, "GET /tomorrow").await;
    let line = set_cookie(&reply).to_owned();
    assert!(
        line.contains("Max-Age=86399") || line.contains("Max-Age=86400"),
        "{line}"
    );
    let ttl = ttl(&setup).await;
    let expected = OffsetDateTime::now_utc().unix_timestamp() + 86_400;
    assert!((expected - 60..=expected).contains(&ttl), "{ttl}");
    setup.advance(86_000);
    assert_eq!(visit(&mut browser, &app, "GET /peek").await.body, "Some(1)");
}

#[tokio::test]
async fn later_save_shortens_the_expiry() {
    let setup = Setup::new().await;
    let app = app(&setup.store);
    let mut browser = visitor(&setup, &app).await;
    visit(&mut browser, &app, "GET /tomorrow").await;
    let tomorrow = ttl(&setup).await;
    visit(&mut browser, &app, "GET /count").await;
    assert!(ttl(&setup).await < tomorrow - 80_000);
}

#[tokio::test]
async fn expiry_in_the_past_deletes_the_record() {
    let setup = Setup::new().await;
    let app = app(&setup.store);
    let mut browser = visitor(&setup, &app).await;
    visit(&mut browser, &app, "GET /yesterday").await;
    assert_eq!(setup.proxy.calls(), ["GetItem", "DeleteItem"]);
    assert!(setup.table.items().await.is_empty());
}

#[tokio::test]
async fn session_of_the_browser_lives_two_weeks() {
    let setup = Setup::new().await;
    let app = routes().layer(SessionManagerLayer::new(setup.store.clone()));
    let mut browser = Browser::new();
    let reply = visit(&mut browser, &app, "GET /count").await;
    assert!(!set_cookie(&reply).contains("Max-Age"));
    setup.advance(14 * 86_400 - 100);
    assert_eq!(visit(&mut browser, &app, "GET /peek").await.body, "Some(1)");
    setup.advance(100);
    assert_eq!(visit(&mut browser, &app, "GET /peek").await.body, "None");
}

#[tokio::test]
async fn always_save_extends_the_expiry() {
    let setup = Setup::new().await;
    let app = routes().layer(layer(setup.store.clone()).with_always_save(true));
    let mut browser = visitor(&setup, &app).await;
    let mut item = setup.table.item().await;
    let soon = OffsetDateTime::now_utc().unix_timestamp() + 60;
    item.insert("ttl".to_owned(), number(soon));
    setup.table.put(item).await;
    visit(&mut browser, &app, "GET /peek").await;
    assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem"]);
    let ttl = ttl(&setup).await;
    assert!(ttl > soon + 3_000, "{ttl}");
}
