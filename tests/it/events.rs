//! The events of API Gateway, load balancers and function URLs: every cookie line is read.

use lambda_http::Request;
use lambda_http::request::LambdaRequest;
use lambda_sessions::SessionLayer;
use serde_json::{Value, json};

use crate::support::{COOKIE, Function, Outcome, SHAPES, ScopedBrowser, Setup, Shape, Table, who};

/// Runs as the function, in the processes that are started for it.
#[tokio::test]
async fn function() {
    let Some(role) = crate::support::role() else {
        return;
    };
    let sessions = SessionLayer::from_env().await.unwrap();
    let ended = match role.as_str() {
        "run" => lambda_sessions::run(sessions.wrap(who)).await,
        "run_with_streaming_response" => {
            lambda_sessions::layer::run_with_streaming_response(sessions.wrap(who)).await
        }
        other => panic!("there is no role {other}"),
    };
    ended.unwrap();
}

#[tokio::test]
async fn event_cookie_lines_all_count() {
    let setup = Setup::new().await;
    let (ada, grace) = (
        ScopedBrowser::logged_in(&setup.sessions).await,
        ScopedBrowser::logged_in(&setup.sessions).await,
    );
    let [own, other] = [&ada, &grace].map(|who| format!("{COOKIE}={}", who.jar[0].value));
    for shape in SHAPES {
        for lines in [
            vec!["theme=dark", &own],
            vec![&own, "theme=dark"],
            vec!["theme=dark", &own, "lang=en"],
            vec![&own, &own],
        ] {
            let reply = shape.visit(&setup.sessions, &lines, who).await;
            assert_eq!(reply.body, "ada", "{shape:?} {lines:?}");
        }
        for lines in [[&*own, &*other], [&*other, &*own]] {
            let reply = shape.visit(&setup.sessions, &lines, who).await;
            assert_eq!(reply.body, "nobody", "{shape:?}: two are seen");
        }
    }
}

/// Without `lambda_sessions::run`, only one line is read. A failure of this test means that
/// `lambda_http` was fixed.
#[test]
fn event_in_lambda_http_alone_keeps_one_line() {
    let request: LambdaRequest =
        serde_json::from_value(Shape::RestApi.event(&["a=1", "b=2"])).unwrap();
    let request = Request::from(request);
    let lines: Vec<_> = request.headers().get_all("cookie").iter().collect();
    assert_eq!(lines, ["b=2"]);
}

#[test]
fn event_that_is_repaired_keeps_the_rest() {
    for shape in SHAPES {
        let mut event = shape.event(&["a=1", "b=2"]);
        if shape.has_lines() {
            event["multiValueHeaders"]["x-list"] = json!(["1", "2"]);
        }
        // This is a custom domain, which the request's context does not contain.
        if shape == Shape::RestApi {
            event["headers"]["Host"] = json!("www.example.com");
            event["multiValueHeaders"]["Host"] = json!(["www.example.com"]);
        }
        let parse = |event: &Value| serde_json::from_value::<LambdaRequest>(event.clone()).unwrap();
        let plain = Request::from(parse(&event));
        let mut repaired = parse(&event);
        lambda_sessions::layer::repair_event(&mut repaired);
        let repaired = Request::from(repaired);
        assert_eq!(repaired.uri(), plain.uri(), "{shape:?}");
        for name in plain.headers().keys() {
            let lines = repaired.headers().get_all(name).iter().count();
            let several = shape.has_lines() && ["cookie", "x-list"].contains(&name.as_str());
            assert_eq!(lines, 1 + usize::from(several), "{shape:?} {name}");
        }
    }
}

#[tokio::test]
async fn event_with_a_bad_cookie_drops_it_alone() {
    let setup = Setup::new().await;
    let ada = ScopedBrowser::logged_in(&setup.sessions).await;
    let own = format!("{COOKIE}={}", ada.jar[0].value);
    for bad in ["bad=\u{1}", "bad=\u{7f}", "bad=\r\nx: y", "\0"] {
        for lines in [[&*own, bad], [bad, &*own]] {
            let reply = Shape::HttpApi.visit(&setup.sessions, &lines, who).await;
            assert_eq!(reply.body, "ada", "{bad:?}");
        }
        // The other events have it in a header, and `lambda_http` rejects the whole event.
        for shape in SHAPES.into_iter().filter(|shape| *shape != Shape::HttpApi) {
            let event = shape.event(&[&own, bad]);
            let parsed = serde_json::from_value::<LambdaRequest>(event);
            assert!(parsed.is_err(), "{shape:?} {bad:?}");
        }
    }
}

#[tokio::test]
async fn event_cookie_lines_all_reach_run() {
    let table = Table::new().await;
    let sessions = SessionLayer::new(table.store());
    let ada = ScopedBrowser::logged_in(&sessions).await;
    let own = format!("{COOKIE}={}", ada.jar[0].value);
    for role in ["run", "run_with_streaming_response"] {
        let function = Function::start(module_path!(), role, &table, &table.endpoint).await;
        for shape in [Shape::RestApi, Shape::LoadBalancerMultiValue] {
            let event = shape.event(&[&own, "theme=dark"]);
            let Outcome::Response(response) = function.invoke(event).await else {
                panic!("{role} {shape:?}: it failed");
            };
            let response = String::from_utf8_lossy(&response);
            assert!(response.contains("ada"), "{role} {shape:?}: {response}");
        }
    }
}
