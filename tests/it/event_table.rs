//! The table of events in docs/events.md. Each cell is measured through the real adapters of
//! `lambda_http`, and by the part of a response that AWS documents for each front door.

use futures_util::StreamExt as _;
use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Body, Error, Request, Response, Service as _, StreamAdapter};
use lambda_sessions::{Session, SessionLayer};
use serde_json::{Value, json};

use crate::support::{
    COOKIE, Function, Log, Outcome, SHAPES, ScopedBrowser, Sessions, Setup, Shape, Table, count,
    who,
};

/// The table's columns that name a shape, and the shape.
const ROWS: [(&str, Shape); 8] = [
    ("REST API | `apigw_rest`", Shape::RestApi),
    ("HTTP API, payload 2.0 | `apigw_http`", Shape::HttpApi),
    (
        "HTTP API, payload 1.0 | `apigw_rest`",
        Shape::HttpApiPayload1,
    ),
    ("Function URL | `apigw_http`", Shape::FunctionUrl),
    (
        "ALB with multi-value headers | `alb`",
        Shape::LoadBalancerMultiValue,
    ),
    (
        "ALB without multi-value headers | `alb`",
        Shape::LoadBalancer,
    ),
    (
        "VPC Lattice, event version 2.0 | `vpc_lattice`",
        Shape::VpcLattice,
    ),
    (
        "REST API, one line of cookies | `apigw_rest`",
        Shape::RestApiOneLine,
    ),
];

/// Returns the invocation of a request in this shape.
fn request(shape: Shape, lines: &[&str]) -> LambdaEvent<LambdaRequest> {
    let mut event: LambdaRequest = serde_json::from_value(shape.event(lines)).unwrap();
    lambda_sessions::layer::repair_event(&mut event);
    LambdaEvent::new(event, Context::default())
}

/// Sets two cookies of its own, and changes the session.
async fn set_two(_: Request, session: Session) -> Result<Response<Body>, Error> {
    session.increment("visits", 1)?;
    let response = Response::builder()
        .header("set-cookie", "theme=dark; Path=/")
        .header("set-cookie", "lang=en; Path=/");
    Ok(response.body(Body::from("hello"))?)
}

/// Returns `all`, `one` or `none`, for the cookies that arrive at the handler.
async fn cookies_in(sessions: &Sessions, shape: Shape) -> &'static str {
    let ada = ScopedBrowser::logged_in(sessions).await;
    let own = format!("{COOKIE}={}", ada.jar[0].value);
    let mut seen = 0;
    for lines in [["theme=dark", &own], [&own, "theme=dark"]] {
        let reply = shape.visit(sessions, &lines, who).await;
        seen += usize::from(reply.body == "ada");
    }
    ["none", "one", "all"][seen]
}

/// Returns whether the session's cookie reaches the client, and how many of the handler's two.
fn cookies_out(sent: &[String]) -> (&'static str, &'static str) {
    let is_ours = |cookie: &&String| cookie.starts_with(COOKIE);
    let ours = sent.iter().filter(is_ours).count();
    let ours = ["no", "yes"].get(ours).expect("it is sent once");
    let theirs = sent.iter().filter(|cookie| !is_ours(cookie)).count();
    (ours, ["none", "one", "all"][theirs])
}

#[tokio::test]
async fn event_table_holds_for_each_shape() {
    let setup = Setup::new().await;
    let page = include_str!("../../docs/events.md");
    for (names, shape) in ROWS {
        let cookies_in = cookies_in(&setup.sessions, shape).await;
        let mut adapter = Adapter::from(setup.sessions.wrap(set_two));
        let response = adapter.call(request(shape, &[])).await.unwrap();
        let response = serde_json::to_value(response).unwrap();
        let (ours, theirs) = cookies_out(&shape.cookies_sent(&response));
        assert_eq!(ours, "yes", "{shape:?}: no shape loses the session");
        let streaming = match shape {
            Shape::RestApi | Shape::RestApiOneLine | Shape::FunctionUrl => "yes",
            _ => "no",
        };
        let row = format!("| {names} | {cookies_in} | {ours} | {theirs} | {streaming} |");
        assert!(page.contains(&row), "docs/events.md lacks this row:\n{row}");
    }
    let rows = page.lines().filter(|line| line.contains("` | all | "));
    assert_eq!(rows.count(), ROWS.len(), "the table has rows of no shape");
    assert!(
        SHAPES
            .iter()
            .all(|shape| ROWS.iter().any(|(_, row)| row == shape))
    );
}

/// The log names the setting that cures the loss, for the shapes that lose cookies.
#[tokio::test]
async fn event_that_loses_cookies_is_logged() {
    let setup = Setup::new().await;
    let log = Log::capture();
    for (_, shape) in ROWS {
        let mut adapter = Adapter::from(setup.sessions.wrap(set_two));
        adapter.call(request(shape, &[])).await.unwrap();
        let text = log.take();
        let cure = match shape {
            Shape::LoadBalancer => "lambda.multi_value_headers.enabled",
            Shape::VpcLattice => "VPC Lattice has no setting for it",
            _ => "",
        };
        assert_eq!(text.is_empty(), cure.is_empty(), "{shape:?}: {text}");
        assert!(text.contains(cure), "{shape:?}: {text}");
        // The session's cookie alone is no loss.
        let mut adapter = Adapter::from(setup.sessions.wrap(count));
        adapter.call(request(shape, &[])).await.unwrap();
        assert_eq!(log.take(), "", "{shape:?}");
    }
}

/// A streamed response has all cookies in its prelude, which precedes the body. The session is
/// committed before that.
#[tokio::test]
async fn event_streamed_has_all_cookies() {
    let setup = Setup::new().await;
    for (_, shape) in ROWS {
        let mut adapter = StreamAdapter::from(setup.sessions.wrap(set_two));
        let mut response = adapter.call(request(shape, &[])).await.unwrap();
        assert_eq!(setup.proxy.calls(), ["PutItem"], "{shape:?}");
        let prelude = &response.metadata_prelude;
        assert_eq!(cookies_out(&prelude.cookies), ("yes", "all"), "{shape:?}");
        assert_eq!(prelude.headers["cache-control"], "no-store", "{shape:?}");
        let chunk = response.stream.next().await.unwrap().unwrap();
        assert_eq!(&chunk[..], b"hello", "{shape:?}");
    }
}

/// Runs as the function, in the processes that are started for it.
#[tokio::test]
async fn function() {
    let Some(role) = crate::support::role() else {
        return;
    };
    let sessions = SessionLayer::from_env().await.unwrap();
    let ended = match role.as_str() {
        "buffered" => lambda_sessions::run(sessions.wrap(count)).await,
        _ => lambda_sessions::layer::run_with_streaming_response(sessions.wrap(count)).await,
    };
    ended.unwrap();
}

/// A streamed response is a prelude, eight zero bytes and the body, which only a front door that
/// asks for a stream can read. The others expect one JSON text.
#[tokio::test]
async fn event_streamed_is_no_buffered_response() {
    let table = Table::new().await;
    for (role, is_json) in [("buffered", true), ("streamed", false)] {
        let function = Function::start(module_path!(), role, &table, &table.endpoint).await;
        for (_, shape) in ROWS {
            let Outcome::Response(response) = function.invoke(shape.event(&[])).await else {
                panic!("{role} {shape:?}: it failed");
            };
            let parsed = serde_json::from_slice::<Value>(&response);
            assert_eq!(parsed.is_ok(), is_json, "{role} {shape:?}");
        }
    }
}

/// An event that is no HTTP request reaches no handler and no session. Lambda gets a typed error,
/// and the next request is served.
#[tokio::test]
async fn event_of_unknown_shape_is_an_error() {
    let table = Table::new().await;
    let function = Function::start(module_path!(), "buffered", &table, &table.endpoint).await;
    let unknown = [
        include_str!("../events/sqs.json"),
        include_str!("../events/eventbridge_schedule.json"),
        include_str!("../events/authorizer_http_v2.json"),
        include_str!("../events/vpc_lattice_v1.json"),
        "{}",
        "[]",
        "null",
        "7",
        "\"text\"",
    ];
    for event in unknown {
        let event: Value = serde_json::from_str(event).unwrap();
        let Outcome::Error(error) = function.invoke(event.clone()).await else {
            panic!("it was served: {event}");
        };
        let message = error["errorMessage"].as_str().unwrap();
        assert!(message.contains("doesn't match any of those"), "{error}");
        assert!(!error["errorType"].as_str().unwrap().is_empty(), "{error}");
        assert!(table.items().await.is_empty(), "{event}");
    }
    let Outcome::Response(_) = function.invoke(Shape::HttpApi.event(&[])).await else {
        panic!("the next request failed");
    };
    assert_eq!(table.items().await.len(), 1);
}

/// Header lines that are no strings, and missing parts, are no request either.
#[tokio::test]
async fn event_that_is_damaged_is_an_error() {
    for (_, shape) in ROWS {
        for (path, value) in [
            ("/headers", json!({ "a b": "c" })),
            ("/headers", json!([1, 2])),
            ("/requestContext", json!(7)),
            ("/requestContext", Value::Null),
        ] {
            let mut event = shape.event(&[]);
            if event.pointer(path).is_none() {
                event[path.trim_start_matches('/')] = Value::Null;
            }
            *event.pointer_mut(path).unwrap() = value.clone();
            let parsed = serde_json::from_value::<LambdaRequest>(event);
            assert!(parsed.is_err(), "{shape:?} {path}: {value}");
        }
    }
}
