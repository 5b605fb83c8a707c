//! The move from tower-sessions to `lambda-sessions`, as the README shows it.

use std::error::Error;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use lambda_sessions_tower::TowerStore;
use lambda_sessions_tower::lambda_sessions::{DynamoDbStore, Session, SessionLayer};
use tower_sessions::SessionManagerLayer;

use crate::harness::{Setup, cookie, visit};
use crate::support::{Action, Browser};

async fn take_over(
    old: tower_sessions::Session,
    new: Session,
    request: Request,
    next: Next,
) -> Result<Response, StatusCode> {
    if old.id().is_some() {
        let copied = copy(&old, &new).await;
        copied.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    }
    Ok(next.run(request).await)
}

async fn copy(
    old: &tower_sessions::Session,
    new: &Session,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    if !new.is_empty() {
        old.flush().await?;
    } else if let Some(user) = old.get::<String>("user").await? {
        new.log_in(&user)?;
        new.insert("user", user)?;
    }
    Ok(())
}

async fn who(session: Session) -> String {
    let user = session.get::<String>("user").unwrap();
    user.unwrap_or_else(|| "nobody".to_owned())
}

async fn logout(session: Session) {
    session.destroy().unwrap();
}

fn before(store: TowerStore<DynamoDbStore>) -> Router {
    let login = async |session: tower_sessions::Session| {
        session.insert("user", "ada").await.unwrap();
    };
    let routes = Router::new().route("/login", get(login));
    routes.layer(SessionManagerLayer::new(store))
}

fn after(store: DynamoDbStore) -> Router {
    let old = SessionManagerLayer::new(TowerStore::new(store.clone()));
    Router::new()
        .route("/", get(who))
        .route("/logout", get(logout))
        .layer(from_fn(take_over))
        .layer(old)
        .layer(SessionLayer::new(store))
}

/// Returns a browser that logged in before the move.
async fn ada(setup: &Setup) -> Browser {
    setup.table.create_users().await;
    let mut browser = Browser::new();
    visit(&mut browser, &before(setup.store.clone()), "GET /login").await;
    assert!(cookie(&browser).is_some());
    browser
}

#[tokio::test]
async fn move_keeps_the_user_logged_in() {
    let setup = Setup::new().await;
    let mut browser = ada(&setup).await;
    let app = after(setup.table.store());
    assert_eq!(visit(&mut browser, &app, "GET /").await.body, "ada");
    assert_eq!(
        setup.table.items().await.len(),
        2,
        "the old session is still there"
    );
    assert_eq!(visit(&mut browser, &app, "GET /").await.body, "ada");
    assert_eq!(
        (setup.table.items().await.len(), cookie(&browser)),
        (1, None)
    );
    visit(&mut browser, &app, "GET /logout").await;
    assert_eq!(visit(&mut browser, &app, "GET /").await.body, "nobody");
    assert!(setup.table.items().await.is_empty());
}

#[tokio::test]
async fn move_that_fails_loses_nothing() {
    let setup = Setup::new().await;
    let mut browser = ada(&setup).await;
    let store = setup.table.store_at(&setup.proxy.endpoint);
    let app = after(store.operation_timeout(std::time::Duration::from_millis(1_500)));
    setup.proxy.script(|operation, _| match operation {
        "TransactWriteItems" => Action::error(500, "InternalServerError"),
        _ => Action::Forward,
    });
    assert_eq!(visit(&mut browser, &app, "GET /").await.status, 503);
    setup.proxy.script(|_, _| Action::Forward);
    for _ in 0..2 {
        assert_eq!(visit(&mut browser, &app, "GET /").await.body, "ada");
    }
}
