//! The example `authorizer`, with the events of API Gateway. Each costs one read.

#[path = "../examples/http_api.rs"]
mod http_api;
#[path = "../examples/rest_api.rs"]
mod rest_api;

use lambda_http::request::LambdaRequest;
use lambda_http::{Error, Request};
use lambda_runtime::{Context, LambdaEvent};
use lambda_sessions::{ErrorKind, Session};
use serde_json::{Value, json};

use crate::support::{Action, Browser, Sessions, Setup, days, logout};

const NONE: [&str; 0] = [];

/// The account of a user, as the login of an application stores it.
async fn log_in(_: Request, session: Session) -> Result<String, Error> {
    session.log_in("17")?;
    session.insert("account", "17")?;
    Ok(String::new())
}

/// Returns a browser whose user has logged in, and its `Cookie` header.
async fn logged_in(setup: &Setup) -> (Browser, String) {
    let mut ada = Browser::new();
    assert_eq!(ada.visit(&setup.sessions, log_in).await.status, 200);
    setup.proxy.calls();
    let cookie = format!("__Host-sid={}", ada.cookie().unwrap());
    (ada, cookie)
}

fn event(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn http_event(cookies: &[&str]) -> Value {
    let mut event = event(include_str!("../events/authorizer_http_api.json"));
    event["cookies"] = json!(cookies);
    event
}

/// Returns the event of a REST API, or of a WebSocket's `$connect`, with these `Cookie` lines.
fn policy_event(text: &str, lines: &[&str]) -> Value {
    let mut event = event(text);
    if !lines.is_empty() {
        event["headers"]["Cookie"] = json!(lines.last());
        event["multiValueHeaders"]["Cookie"] = json!(lines);
    }
    event
}

fn rest_event(lines: &[&str]) -> Value {
    policy_event(include_str!("../events/authorizer_rest_api.json"), lines)
}

fn lambda_event<T: serde::de::DeserializeOwned>(event: Value) -> LambdaEvent<T> {
    LambdaEvent::new(serde_json::from_value(event).unwrap(), Context::default())
}

async fn http_answer(sessions: &Sessions, event: Value) -> Result<Value, Error> {
    let answer = http_api::authorize(sessions, lambda_event(event)).await?;
    Ok(serde_json::to_value(answer)?)
}

async fn rest_answer(sessions: &Sessions, event: Value) -> Result<Value, Error> {
    let answer = rest_api::authorize(sessions, lambda_event(event)).await?;
    Ok(serde_json::to_value(answer)?)
}

#[tokio::test]
async fn authorizer_of_an_http_api_answers_simply() {
    let setup = Setup::with_users().await;
    let (ada, cookie) = logged_in(&setup).await;
    let event = http_event(&["theme=dark", &cookie]);
    let answer = http_answer(&setup.sessions, event).await.unwrap();
    assert_eq!(setup.proxy.calls(), ["GetItem"]);
    let fingerprint = answer["context"]["session"].as_str().unwrap().to_owned();
    let expected = json!({
        "isAuthorized": true,
        "context": { "account": "17", "session": fingerprint },
    });
    assert_eq!(answer, expected);
    assert!(!answer.to_string().contains(ada.id().unwrap()));
    let stored = setup.table.item().await;
    assert!(stored["id"].as_s().unwrap().starts_with(&fingerprint));
}

#[tokio::test]
async fn authorizer_of_a_rest_api_returns_a_policy() {
    let setup = Setup::with_users().await;
    let (ada, cookie) = logged_in(&setup).await;
    let arn = "arn:aws:execute-api:us-east-1:123456789012:s4x3opwd6i/prod/GET/orders";
    // All of several lines count, although `headers` has the last one only.
    for lines in [&[cookie.as_str()][..], &[&cookie, "theme=dark"]] {
        let answer = rest_answer(&setup.sessions, rest_event(lines))
            .await
            .unwrap();
        assert_eq!(setup.proxy.calls(), ["GetItem"]);
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{ "Action": ["execute-api:Invoke"], "Effect": "Allow", "Resource": [arn] }],
        });
        assert_eq!(answer["policyDocument"], policy);
        assert_eq!(answer["context"], json!({ "account": "17" }));
        assert!(!answer.to_string().contains(ada.id().unwrap()));
    }
    let text = include_str!("../events/authorizer_websocket.json");
    let event = policy_event(text, &[&cookie]);
    let answer = rest_answer(&setup.sessions, event).await.unwrap();
    let statement = &answer["policyDocument"]["Statement"][0];
    assert_eq!(statement["Effect"], "Allow");
    assert!(
        statement["Resource"][0]
            .as_str()
            .unwrap()
            .ends_with("/prod/$connect")
    );
}

#[tokio::test]
async fn authorizer_refuses_without_a_login() {
    let setup = Setup::with_users().await;
    let (mut ada, cookie) = logged_in(&setup).await;
    let guest = setup.guest(crate::support::count).await;
    let guest = format!("__Host-sid={}", guest.cookie().unwrap());
    let forged = format!("__Host-sid={}", "A".repeat(43));
    let refused = async |cookies: &[&str], what: &str| {
        let answer = http_answer(&setup.sessions, http_event(cookies))
            .await
            .unwrap();
        assert_eq!(
            answer,
            json!({ "isAuthorized": false, "context": {} }),
            "{what}"
        );
        let answer = rest_answer(&setup.sessions, rest_event(cookies))
            .await
            .unwrap();
        let effect = &answer["policyDocument"]["Statement"][0]["Effect"];
        assert_eq!(
            (effect, &answer["context"]),
            (&json!("Deny"), &json!({})),
            "{what}"
        );
    };
    refused(&[], "no cookie").await;
    refused(&["theme=dark"], "another cookie").await;
    refused(&[&cookie, &forged], "two ids").await;
    assert_eq!(setup.proxy.calls(), NONE);
    refused(&[&forged], "an unknown id").await;
    refused(&[&guest], "a session without a login").await;
    assert_eq!(setup.proxy.calls(), ["GetItem"; 4]);
    ada.visit(&setup.sessions, logout).await;
    refused(&[&cookie], "a logout").await;
    let (_, revoked) = logged_in(&setup).await;
    setup.sessions.revoke_user("17").await.unwrap();
    refused(&[&revoked], "a revocation").await;
    let (_, expired) = logged_in(&setup).await;
    setup.clock.advance(days(14));
    refused(&[&expired], "an expiry").await;
}

/// An event without headers is not authorized, or fails. It never passes.
#[tokio::test]
async fn authorizer_event_without_headers_is_refused() {
    let setup = Setup::new().await;
    let without = |mut event: Value, names: &[&str]| {
        for name in names {
            event.as_object_mut().unwrap().remove(*name);
        }
        event
    };
    let http = without(http_event(&[]), &["headers", "cookies"]);
    let answer = http_answer(&setup.sessions, http).await.unwrap();
    assert_eq!(answer["isAuthorized"], json!(false));
    for names in [
        &["headers"][..],
        &["multiValueHeaders"],
        &["headers", "multiValueHeaders"],
    ] {
        let rest = without(rest_event(&[]), names);
        let answer = rest_answer(&setup.sessions, rest).await.unwrap();
        assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Deny");
    }
    let mut null = rest_event(&[]);
    (null["headers"], null["multiValueHeaders"]) = (Value::Null, Value::Null);
    let answer = rest_answer(&setup.sessions, null).await.unwrap();
    assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Deny");
    assert_eq!(setup.proxy.calls(), NONE);

    // These do not parse: the function fails, and API Gateway responds with 500.
    use aws_lambda_events::apigw::ApiGatewayV2CustomAuthorizerV2Request as HttpEvent;
    for name in ["headers", "cookies"] {
        let mut event = http_event(&[]);
        event[name] = Value::Null;
        assert!(
            serde_json::from_value::<HttpEvent>(event).is_err(),
            "{name}"
        );
    }
    let without_arn = without(rest_event(&[]), &["methodArn"]);
    assert!(rest_answer(&setup.sessions, without_arn).await.is_err());
}

/// An outage is not a logout: the function fails, and API Gateway responds with 500.
#[tokio::test]
async fn authorizer_fails_if_the_store_fails() {
    let setup = Setup::with_users().await;
    let (_, cookie) = logged_in(&setup).await;
    setup
        .proxy
        .script(|_, _| Action::error(500, "InternalServerError"));
    let sessions = setup.hasty();
    let http = http_answer(&sessions, http_event(&[&cookie])).await;
    let rest = rest_answer(&sessions, rest_event(&[&cookie])).await;
    for failed in [http, rest] {
        let error = failed.unwrap_err();
        let error = error.downcast_ref::<lambda_sessions::Error>().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
}

/// `lambda_http` is the wrong entry: it does not parse the event of an HTTP API's authorizer, and takes
/// that of a REST API for a request.
#[test]
fn authorizer_event_is_no_request() {
    let mut http = http_event(&[]);
    http["identitySource"] = json!(["__Host-sid=x"]);
    assert!(serde_json::from_value::<LambdaRequest>(http).is_err());
    assert!(serde_json::from_value::<LambdaRequest>(rest_event(&[])).is_ok());
}
