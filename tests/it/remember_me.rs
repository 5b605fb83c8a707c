//! The example `login`: a user who asks to be remembered stays logged in, and a page that polls keeps
//! nobody logged in.

#[path = "../examples/pages.rs"]
mod pages;

use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Service};
use serde_json::{Value, json};

use crate::support::{Browser, Reply, Sessions, Setup, days, minutes};

const ADA: &str = "logged in as alice\n";
const NOBODY: &str = "not logged in\n";

/// Sends a request to the example, with a form or without one.
async fn send(sessions: &Sessions, browser: &mut Browser, path: &str, form: Option<&str>) -> Reply {
    let mut event = browser.event(path);
    if let Some(form) = form {
        event["requestContext"]["http"]["method"] = json!("POST");
        event["headers"]["content-type"] = json!("application/x-www-form-urlencoded");
        event["body"] = json!(form);
        event["isBase64Encoded"] = json!(false);
    }
    let request: LambdaRequest = serde_json::from_value(event).unwrap();
    let mut adapter = Adapter::from(sessions.wrap(pages::route));
    let sent = adapter.call(LambdaEvent::new(request, Context::default()));
    let response: Value = serde_json::to_value(sent.await.unwrap()).unwrap();
    browser.take(&response)
}

async fn log_in(sessions: &Sessions, browser: &mut Browser, remember: bool) -> Reply {
    let form = match remember {
        true => "user=alice&password=wonderland&remember=on",
        false => "user=alice&password=wonderland",
    };
    let reply = send(sessions, browser, "/login", Some(form)).await;
    assert_eq!((reply.status, &*reply.body), (200, "welcome, alice\n"));
    reply
}

/// Returns what the example says.
async fn get(sessions: &Sessions, browser: &mut Browser, path: &str) -> String {
    send(sessions, browser, path, None).await.body
}

#[tokio::test]
async fn remember_me_keeps_the_login_for_weeks() {
    let setup = Setup::with_users().await;
    let sessions = pages::timeouts(setup.sessions.clone());
    let (mut home, mut office) = (Browser::new(), Browser::new());
    let reply = log_in(&sessions, &mut home, true).await;
    assert!(reply.cookies[0].ends_with("; Path=/; Max-Age=2592000"));
    let reply = log_in(&sessions, &mut office, false).await;
    assert!(
        reply.cookies[0].ends_with("; Path=/"),
        "it ends with the browser"
    );

    setup.clock.advance(minutes(29));
    assert_eq!(get(&sessions, &mut office, "/").await, ADA);
    setup.clock.advance(minutes(30));
    assert_eq!(get(&sessions, &mut office, "/").await, NOBODY);
    // Weeks without a visit, and another function that has its own layer.
    let elsewhere = pages::timeouts(setup.elsewhere());
    for _ in 0..3 {
        setup.clock.advance(days(29));
        assert_eq!(get(&elsewhere, &mut home, "/").await, ADA);
    }
    setup.clock.advance(days(3));
    assert_eq!(get(&sessions, &mut home, "/").await, NOBODY, "90 days");
}

/// The next login decides anew, also in a session that was remembered.
#[tokio::test]
async fn remember_me_is_decided_by_each_login() {
    let setup = Setup::with_users().await;
    let sessions = pages::timeouts(setup.sessions.clone());
    let mut ada = Browser::new();
    log_in(&sessions, &mut ada, true).await;
    let reply = log_in(&sessions, &mut ada, false).await;
    assert!(!reply.cookies[0].contains("Max-Age"));
    setup.clock.advance(minutes(30));
    assert_eq!(get(&sessions, &mut ada, "/").await, NOBODY);
    log_in(&sessions, &mut ada, false).await;
    let reply = log_in(&sessions, &mut ada, true).await;
    assert!(reply.cookies[0].contains("Max-Age=2592000"));
    let reply = send(&sessions, &mut ada, "/logout", Some("")).await;
    assert!(reply.cookies[0].contains("Max-Age=0"));
    assert!(
        setup
            .table
            .rows()
            .await
            .iter()
            .all(|row| !row.contains_key("data"))
    );
}

#[tokio::test]
async fn remember_me_polls_keep_nobody_logged_in() {
    let setup = Setup::with_users().await;
    let sessions = pages::timeouts(setup.sessions.clone());
    let mut ada = Browser::new();
    log_in(&sessions, &mut ada, false).await;
    setup.proxy.calls();
    for _ in 0..29 {
        setup.clock.advance(minutes(1));
        let reply = send(&sessions, &mut ada, "/status", None).await;
        assert_eq!((&*reply.body, reply.cookies.len()), (ADA, 0));
        assert_eq!(setup.proxy.calls(), ["GetItem"]);
    }
    setup.clock.advance(minutes(1));
    assert_eq!(get(&sessions, &mut ada, "/status").await, NOBODY);
}
