//! The example `csrf`: forms of its own pages pass. Forged ones change nothing and cost no call.

#[path = "../examples/coins.rs"]
mod coins;

use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Error, IntoResponse, Request, Service};
use serde_json::json;
use tower::Layer as _;
use tower_http::csrf::CsrfLayer;

use crate::support::{Browser, Reply, Setup, count};

/// The host in the events of `Browser`.
const HOST: &str = "r3pmxmplak.execute-api.us-east-2.amazonaws.com";

/// The headers of browsers with a form of another site: current browsers, older ones, and a page in
/// a sandbox.
const FORGED: [(&str, &str); 5] = [
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-site", "same-site"),
    ("origin", "https://elsewhere.example"),
    ("origin", "https://us-east-2.amazonaws.com"),
    ("origin", "null"),
];

async fn send<T>(
    browser: &mut Browser,
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
    let mut event = browser.event(path);
    event["requestContext"]["http"]["method"] = json!(method);
    event["headers"][header.0] = json!(header.1);
    event["headers"]["content-type"] = json!("application/x-www-form-urlencoded");
    event["body"] = json!("coins=3");
    let request: LambdaRequest = serde_json::from_value(event).unwrap();
    let event = LambdaEvent::new(request, Context::default());
    let response = Adapter::from(service).call(event).await.unwrap();
    browser.take(&serde_json::to_value(response).unwrap())
}

async fn get(setup: &Setup, browser: &mut Browser, header: (&str, &str)) -> Reply {
    let service = coins::service(setup.sessions.clone());
    send(browser, service, "GET", "/", header).await
}

async fn post(setup: &Setup, browser: &mut Browser, header: (&str, &str)) -> Reply {
    let service = coins::service(setup.sessions.clone());
    send(browser, service, "POST", "/give", header).await
}

async fn given(setup: &Setup, browser: &mut Browser) -> String {
    let page = get(setup, browser, ("sec-fetch-site", "none")).await.body;
    let (_, rest) = page.split_once("coins given: ").unwrap();
    rest.split('<').next().unwrap().to_owned()
}

#[tokio::test]
async fn csrf_form_of_our_own_page_passes() {
    let setup = Setup::new().await;
    let mut browser = Browser::new();
    let own = format!("https://{HOST}");
    // The second is a browser without `Sec-Fetch-Site`, and the last is not a browser.
    for (n, header) in [
        ("sec-fetch-site", "same-origin"),
        ("origin", &own),
        ("x-nothing", "said"),
    ]
    .into_iter()
    .enumerate()
    {
        let reply = post(&setup, &mut browser, header).await;
        assert_eq!(reply.status, 303, "{header:?}: {}", reply.body);
        assert_eq!(reply.header("location"), Some("/"));
        let so_far = (3 * (n + 1)).to_string();
        assert_eq!(given(&setup, &mut browser).await, so_far, "{header:?}");
    }
}

/// An app sends its id in the header. It is not a browser, so its requests pass the layer, and a
/// cookie beside the header does not help a forged one.
#[tokio::test]
async fn csrf_request_of_an_app_passes() {
    let mut setup = Setup::new().await;
    setup.sessions = setup.sessions.clone().id_header("x-sessionid");
    let mut app = Browser::new();
    let reply = post(&setup, &mut app, ("x-nothing", "said")).await;
    app.jar.clear();
    app.set_header("x-sessionid", reply.header("x-sessionid").unwrap());
    let reply = post(&setup, &mut app, ("x-nothing", "said")).await;
    assert_eq!((reply.status, reply.cookies.len()), (303, 0));
    assert_eq!(given(&setup, &mut app).await, "6");
    setup.proxy.calls();
    for header in FORGED {
        let mut victim = Browser::new();
        post(&setup, &mut victim, ("sec-fetch-site", "same-origin")).await;
        setup.proxy.calls();
        let reply = post(&setup, &mut victim, header).await;
        crate::support::assert_refused(&reply, 403, header.1);
        assert_eq!(setup.proxy.calls(), [""; 0], "{header:?}");
    }
}

#[tokio::test]
async fn csrf_forged_form_costs_no_call() {
    let setup = Setup::new().await;
    let mut browser = Browser::new();
    post(&setup, &mut browser, ("sec-fetch-site", "same-origin")).await;
    assert!(browser.cookie().is_some());
    let before = setup.table.item().await;
    setup.proxy.calls();
    for header in FORGED {
        // The second has no session yet, and must not get one.
        for mut victim in [browser.clone(), Browser::new()] {
            let reply = post(&setup, &mut victim, header).await;
            crate::support::assert_refused(&reply, 403, header.1);
            assert_eq!(setup.proxy.calls(), [""; 0], "{header:?}");
        }
    }
    assert_eq!(setup.table.item().await, before);
    assert_eq!(given(&setup, &mut browser).await, "3");
}

/// A `GET` passes, so it must change nothing.
#[tokio::test]
async fn csrf_get_from_anywhere_passes() {
    let setup = Setup::new().await;
    let mut browser = Browser::new();
    post(&setup, &mut browser, ("sec-fetch-site", "same-origin")).await;
    setup.proxy.calls();
    for header in FORGED {
        let reply = get(&setup, &mut browser, header).await;
        assert_eq!(reply.status, 200, "{header:?}");
        assert_eq!(setup.proxy.calls(), ["GetItem"], "{header:?}");
    }
}

/// A wrapped handler reads its session before it runs, so the layer must be outside of it.
#[tokio::test]
async fn csrf_forged_form_reads_no_wrapped_session() {
    let setup = Setup::new().await;
    let mut browser = setup.guest(count).await;
    for header in FORGED {
        let service = CsrfLayer::new().layer(setup.sessions.wrap(count));
        let reply = send(&mut browser, service, "POST", "/", header).await;
        crate::support::assert_refused(&reply, 403, header.1);
        assert_eq!(setup.proxy.calls(), [""; 0], "{header:?}");
    }
    let service = CsrfLayer::new().layer(setup.sessions.wrap(count));
    let own = ("sec-fetch-site", "same-origin");
    let reply = send(&mut browser, service, "POST", "/", own).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "2"));
}

#[test]
fn csrf_page_quotes_the_example() {
    let page = include_str!("../../docs/csrf.md");
    let (_, quoted) = page.split_once("```rust\n").unwrap();
    let (quoted, _) = quoted.split_once("```").unwrap();
    assert!(include_str!("../examples/coins.rs").contains(quoted));
}
