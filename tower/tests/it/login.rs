//! axum-login on the store, with the application of `examples/axum_login`.

#[path = "../../../examples/axum_login/src/app.rs"]
mod app;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use lambda_sessions_tower::TowerStore;
use lambda_sessions_tower::lambda_sessions::SessionStore;
use serde_json::json;
use time::{Duration, OffsetDateTime};
use tower::ServiceExt as _;
use tower_sessions_0_14::session::{Id, Record};
use tower_sessions_0_14::{Expiry, SessionManagerLayer, SessionStore as _};

use crate::harness::{COOKIE, Setup, cookie, send, visit};
use crate::support::{Action, Browser, Reply};

fn application<S: SessionStore + Clone>(store: &TowerStore<S>) -> Router {
    let sessions = SessionManagerLayer::new(store.clone());
    app::app(sessions.with_expiry(Expiry::OnInactivity(Duration::hours(1))))
}

async fn log_in(browser: &mut Browser, app: &Router, password: &str) -> Reply {
    let form = format!("name=alice&password={password}");
    send(browser, app, "POST /login", &form).await
}

/// Returns a browser that is logged in.
async fn alice(setup: &Setup, app: &Router) -> Browser {
    let mut browser = Browser::new();
    let reply = log_in(&mut browser, app, "wonderland").await;
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (200, "welcome, alice\n")
    );
    setup.proxy.calls();
    browser
}

/// Returns a browser with a session from before the login, in which a cart is stored.
async fn shopper(setup: &Setup) -> (Browser, Id) {
    let mut record = Record {
        id: Id::default(),
        data: [("cart".to_owned(), json!([17]))].into(),
        expiry_date: OffsetDateTime::now_utc() + Duration::hours(1),
    };
    setup.store.create(&mut record).await.unwrap();
    setup.proxy.calls();
    let id = record.id;
    (Browser::with_cookie(COOKIE, &id.to_string()), id)
}

fn id(browser: &Browser) -> Id {
    cookie(browser).unwrap().parse().unwrap()
}

#[tokio::test]
async fn page_requires_a_login() {
    let setup = Setup::new().await;
    let app = application(&setup.store);
    let mut browser = Browser::new();
    let reply = visit(&mut browser, &app, "GET /").await;
    assert_eq!(reply.body, "not logged in\n");
    assert_eq!(visit(&mut browser, &app, "GET /account").await.status, 401);
    let reply = log_in(&mut browser, &app, "wrong").await;
    assert_eq!((reply.status, reply.cookies.len()), (401, 0));
    assert_eq!(visit(&mut browser, &app, "GET /account").await.status, 401);
    assert!(setup.proxy.calls().is_empty());
    assert!(setup.table.items().await.is_empty());
}

#[tokio::test]
async fn login_opens_the_page() {
    let setup = Setup::new().await;
    let app = application(&setup.store);
    let mut browser = Browser::new();
    log_in(&mut browser, &app, "wonderland").await;
    // axum-login cycles the id first, and tower-sessions then deletes an id that was never stored.
    assert_eq!(setup.proxy.calls(), ["DeleteItem", "PutItem"]);
    for visits in 1..3 {
        let reply = visit(&mut browser, &app, "GET /account").await;
        assert_eq!(reply.body, format!("alice, visit {visits}\n"));
        assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem"]);
    }
    let reply = visit(&mut browser, &app, "GET /").await;
    assert_eq!(reply.body, "logged in as alice\n");
    assert_eq!(setup.proxy.calls(), ["GetItem"]);
}

#[tokio::test]
async fn login_cycles_the_id_and_keeps_the_values() {
    let setup = Setup::new().await;
    let app = application(&setup.store);
    let (mut browser, planted) = shopper(&setup).await;
    let mut attacker = browser.clone();
    log_in(&mut browser, &app, "wonderland").await;
    assert_eq!(setup.proxy.calls(), ["GetItem", "DeleteItem", "PutItem"]);
    assert_ne!(id(&browser), planted);
    assert_eq!(visit(&mut attacker, &app, "GET /account").await.status, 401);
    assert_eq!(visit(&mut browser, &app, "GET /account").await.status, 200);
    let record = setup.store.load(&id(&browser)).await.unwrap().unwrap();
    assert_eq!(record.data["cart"], json!([17]));
    assert_eq!(setup.table.items().await.len(), 1);
}

#[tokio::test]
async fn logout_ends_the_session_everywhere() {
    let setup = Setup::new().await;
    let app = application(&setup.store);
    let mut browser = alice(&setup, &app).await;
    let mut copy = browser.clone();
    let reply = visit(&mut browser, &app, "POST /logout").await;
    assert_eq!((reply.status, cookie(&browser)), (200, None));
    assert_eq!(setup.proxy.calls(), ["GetItem", "DeleteItem"]);
    for browser in [&mut browser, &mut copy] {
        assert_eq!(visit(browser, &app, "GET /account").await.status, 401);
    }
    assert!(setup.table.items().await.is_empty());
}

#[tokio::test]
async fn logout_wins_against_a_slow_request() {
    let setup = Setup::new().await;
    let app = application(&setup.store);
    let mut browser = alice(&setup, &app).await;
    let elsewhere = application(&setup.elsewhere());
    let line = format!("{COOKIE}={}", cookie(&browser).unwrap());
    // The logout happens between the read and the write of the page.
    setup.proxy.script(move |operation, _| match operation {
        "UpdateItem" => {
            let (app, line) = (elsewhere.clone(), line.clone());
            Action::Forward.after(move || {
                let request = Request::post("/logout").header("cookie", &line);
                let request = request.body(Body::empty()).unwrap();
                let response = app.clone().oneshot(request);
                async move { assert_eq!(response.await.unwrap().status(), 200) }
            })
        }
        _ => Action::Forward,
    });
    assert_eq!(visit(&mut browser, &app, "GET /account").await.status, 200);
    assert!(setup.table.items().await.is_empty());
    assert_eq!(visit(&mut browser, &app, "GET /account").await.status, 401);
}

#[tokio::test]
async fn login_lost_responses_are_sent_again() {
    let setup = Setup::new().await;
    let app = application(&setup.store);
    let (mut browser, _) = shopper(&setup).await;
    setup.proxy.script(|_, calls| match calls {
        0 => Action::lost(),
        _ => Action::Forward,
    });
    let reply = log_in(&mut browser, &app, "wonderland").await;
    assert_eq!(reply.status, 200);
    assert_eq!(visit(&mut browser, &app, "GET /account").await.status, 200);
    assert_eq!(setup.table.items().await.len(), 1);
}

/// The trait has no atomic cycle: the old record is gone before the new one is there.
/// `Session::log_in` of `lambda_sessions` does both in one transaction.
#[tokio::test]
async fn login_failed_create_loses_the_session() {
    let setup = Setup::new().await;
    let app = application(&setup.hasty());
    let (mut browser, planted) = shopper(&setup).await;
    setup.proxy.script(|operation, _| match operation {
        "PutItem" => Action::error(500, "InternalServerError"),
        _ => Action::Forward,
    });
    assert_eq!(log_in(&mut browser, &app, "wonderland").await.status, 500);
    assert!(setup.store.load(&planted).await.unwrap().is_none());
}

#[tokio::test]
async fn outage_is_not_a_logout() {
    let setup = Setup::new().await;
    let app = application(&setup.hasty());
    let mut browser = alice(&setup, &app).await;
    setup
        .proxy
        .script(|_, _| Action::error(500, "InternalServerError"));
    let reply = visit(&mut browser, &app, "GET /account").await;
    assert_eq!((reply.status, reply.cookies.len()), (500, 0));
    setup.proxy.script(|_, _| Action::Forward);
    assert_eq!(visit(&mut browser, &app, "GET /account").await.status, 200);
}
