//! The id in a header, instead of a cookie and beside one.

use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Service as _};
use serde_json::json;

use crate::support::{Browser, SHAPES, Setup, count, direct_sessions, logout, peek};

#[tokio::test]
async fn id_header_only_replaces_the_cookie() {
    let (sessions, table, _) = direct_sessions().await;
    let sessions = sessions.id_header_only("X-SessionId");
    let mut ada = Browser::new();
    let reply = ada.visit(&sessions, count).await;
    let id = reply.header("x-sessionid").unwrap().to_owned();
    assert!(reply.cookies.is_empty());
    assert_eq!(reply.header("vary"), Some("x-sessionid"));
    ada.set_header("x-sessionid", &id);
    assert_eq!(ada.visit(&sessions, count).await.body, "2");

    // A cookie is not accepted.
    let mut by_cookie = Browser::with_cookie("__Host-sid", &id);
    assert_eq!(by_cookie.visit(&sessions, peek).await.body, "None");
    let reply = ada.visit(&sessions, logout).await;
    assert_eq!(reply.header("x-sessionid"), Some(""));
    assert_eq!(
        table
            .items()
            .await
            .iter()
            .filter(|i| i["id"].as_s().unwrap() != "")
            .count(),
        0
    );
}

#[tokio::test]
async fn bearer_token_carries_the_id() {
    let setup = Setup::new().await;
    let sessions = setup.sessions.clone().id_header_only("Authorization");
    let mut browser = Browser::new();
    let reply = browser.visit(&sessions, count).await;
    let id = reply.header("x-sessionid").unwrap().to_owned();
    assert_eq!(id.len(), 43);
    assert!(reply.cookies.is_empty());
    assert_eq!(reply.header("authorization"), None);
    assert_eq!(reply.header("vary"), Some("authorization"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));

    for (value, visits) in [
        (format!("Bearer {id}"), "Some(1)"),
        (format!("bearer {id}"), "Some(1)"),
        (format!("Basic {id}"), "None"),
        (id.clone(), "None"),
        ("Bearer x.y.z".to_owned(), "None"),
    ] {
        browser.set_header("authorization", &value);
        let reply = browser.visit(&sessions, peek).await;
        assert_eq!(
            (reply.body.as_str(), reply.status),
            (visits, 200),
            "{value}"
        );
        assert_eq!(reply.header("vary"), Some("authorization"));
    }
    let mut by_name = Browser::new();
    by_name.set_header("x-sessionid", &id);
    assert_eq!(by_name.visit(&sessions, peek).await.body, "None");

    browser.set_header("authorization", &format!("Bearer {id}"));
    let reply = browser.visit(&sessions, logout).await;
    assert_eq!(reply.header("x-sessionid"), Some(""));
    assert!(setup.table.items().await.is_empty());
}

#[tokio::test]
async fn bearer_token_is_read_in_every_event() {
    let setup = Setup::new().await;
    let sessions = setup.sessions.clone().id_header_only("authorization");
    let reply = Browser::new().visit(&sessions, count).await;
    let token = format!("Bearer {}", reply.header("x-sessionid").unwrap());
    for shape in SHAPES {
        let mut event = shape.event(&[]);
        if event["headers"].is_object() {
            event["headers"]["Authorization"] = json!(token);
        }
        if event["multiValueHeaders"].is_object() {
            event["multiValueHeaders"]["Authorization"] = json!([token]);
        }
        let request: LambdaRequest = serde_json::from_value(event).unwrap();
        let mut adapter = Adapter::from(sessions.wrap(peek));
        let event = LambdaEvent::new(request, Context::default());
        let response = serde_json::to_value(adapter.call(event).await.unwrap()).unwrap();
        assert_eq!(response["body"], "Some(1)", "{shape:?}");
    }
}
