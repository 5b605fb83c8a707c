//! The example `csrf`: forms of its own pages pass, and forged ones cost nothing and change nothing.

#![allow(clippy::unwrap_used)]

#[path = "examples/coins.rs"]
mod coins;
mod support;

use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Error, IntoResponse, Request, Service};
use serde_json::json;
use support::{Bench, Reply, Visitor, count};
use tower::Layer as _;
use tower_http::csrf::CsrfLayer;

/// As in the event that the visitors send.
const HOST: &str = "r3pmxmplak.execute-api.us-east-2.amazonaws.com";

/// What browsers say of a form that another site has sent: those of today, one from before 2023, and
/// one whose page is in a sandbox.
const FORGED: [(&str, &str); 5] = [
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-site", "same-site"),
    ("origin", "https://elsewhere.example"),
    ("origin", "https://us-east-2.amazonaws.com"),
    ("origin", "null"),
];

async fn send<T>(
    visitor: &mut Visitor,
    service: T,
    method: &str,
    path: &str,
    header: (&str, &str),
) -> Reply
where
    T: Service<Request, Error = Error>,
    T::Response: IntoResponse,
    T::Future: Send,
{
    let mut event = visitor.event(path);
    event["requestContext"]["http"]["method"] = json!(method);
    event["headers"][header.0] = json!(header.1);
    event["headers"]["content-type"] = json!("application/x-www-form-urlencoded");
    event["body"] = json!("coins=3");
    let request: LambdaRequest = serde_json::from_value(event).unwrap();
    let event = LambdaEvent::new(request, Context::default());
    let response = Adapter::from(service).call(event).await.unwrap();
    visitor.take(&serde_json::to_value(response).unwrap())
}

async fn get(bench: &Bench, visitor: &mut Visitor, header: (&str, &str)) -> Reply {
    let service = coins::service(bench.sessions.clone());
    send(visitor, service, "GET", "/", header).await
}

async fn post(bench: &Bench, visitor: &mut Visitor, header: (&str, &str)) -> Reply {
    let service = coins::service(bench.sessions.clone());
    send(visitor, service, "POST", "/give", header).await
}

async fn given(bench: &Bench, visitor: &mut Visitor) -> String {
    let page = get(bench, visitor, ("sec-fetch-site", "none")).await.body;
    let (_, rest) = page.split_once("coins given: ").unwrap();
    rest.split('<').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_form_of_our_own_page_passes() {
    let bench = Bench::new().await;
    let mut visitor = Visitor::new();
    let own = format!("https://{HOST}");
    // The second is of a browser that knows no `Sec-Fetch-Site`, the last of a program that is none.
    for (n, header) in [
        ("sec-fetch-site", "same-origin"),
        ("origin", &own),
        ("x-nothing", "said"),
    ]
    .into_iter()
    .enumerate()
    {
        let reply = post(&bench, &mut visitor, header).await;
        assert_eq!(reply.status, 303, "{header:?}: {}", reply.body);
        assert_eq!(reply.header("location"), Some("/"));
        let so_far = (3 * (n + 1)).to_string();
        assert_eq!(given(&bench, &mut visitor).await, so_far, "{header:?}");
    }
}

#[tokio::test]
async fn a_forged_form_is_refused_changes_nothing_and_costs_no_call() {
    let bench = Bench::new().await;
    let mut visitor = Visitor::new();
    post(&bench, &mut visitor, ("sec-fetch-site", "same-origin")).await;
    assert!(visitor.cookie().is_some());
    let before = bench.table.item().await;
    bench.proxy.calls();
    for header in FORGED {
        // The second has no session yet, and must not be given one.
        for mut victim in [visitor.clone(), Visitor::new()] {
            let reply = post(&bench, &mut victim, header).await;
            support::assert_refused(&reply, 403, header.1);
            assert_eq!(bench.proxy.calls(), [""; 0], "{header:?}");
        }
    }
    assert_eq!(bench.table.item().await, before);
    assert_eq!(given(&bench, &mut visitor).await, "3");
}

/// So a `GET` must change nothing.
#[tokio::test]
async fn a_get_passes_wherever_it_comes_from() {
    let bench = Bench::new().await;
    let mut visitor = Visitor::new();
    post(&bench, &mut visitor, ("sec-fetch-site", "same-origin")).await;
    bench.proxy.calls();
    for header in FORGED {
        let reply = get(&bench, &mut visitor, header).await;
        assert_eq!(reply.status, 200, "{header:?}");
        assert_eq!(bench.proxy.calls(), ["GetItem"], "{header:?}");
    }
}

/// Which reads before its handler runs, so that there it matters which of the two is outside.
#[tokio::test]
async fn a_wrapped_handler_behind_the_layer_is_not_read_for_either() {
    let bench = Bench::new().await;
    let mut visitor = bench.guest(count).await;
    for header in FORGED {
        let service = CsrfLayer::new().layer(bench.sessions.wrap(count));
        let reply = send(&mut visitor, service, "POST", "/", header).await;
        support::assert_refused(&reply, 403, header.1);
        assert_eq!(bench.proxy.calls(), [""; 0], "{header:?}");
    }
    let service = CsrfLayer::new().layer(bench.sessions.wrap(count));
    let own = ("sec-fetch-site", "same-origin");
    let reply = send(&mut visitor, service, "POST", "/", own).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "2"));
}

#[test]
fn the_page_quotes_the_example() {
    let page = include_str!("../docs/csrf.md");
    let (_, quoted) = page.split_once("```rust\n").unwrap();
    let (quoted, _) = quoted.split_once("```").unwrap();
    assert!(include_str!("examples/coins.rs").contains(quoted));
}
