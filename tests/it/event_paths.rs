//! The path that a handler sees, and the path of the cookie, behind stages, custom domains and
//! base-path mappings. docs/events.md has the same rows.

use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Error, Request, RequestExt as _, Service as _};
use lambda_sessions::{Session, SessionLayer};
use serde_json::Value;

use crate::support::{Browser, Function, Outcome, Setup, Table};

/// A way to the function: its name in the table, the event, and what the client and the handler see.
struct Way {
    name: &'static str,
    event: &'static str,
    /// The path in the client's address bar.
    client: &'static str,
    /// The path of `request.uri()`.
    uri: &'static str,
    /// The path of `request.raw_http_path()`, and of the URI if the stage is ignored.
    raw: &'static str,
}

const WAYS: [Way; 6] = [
    Way {
        name: "REST API, stage `prod`",
        event: include_str!("../events/rest_v1_stage.json"),
        client: "/prod/cart",
        uri: "/prod/cart",
        raw: "/cart",
    },
    Way {
        name: "REST API, custom domain",
        event: include_str!("../events/rest_v1_custom_domain.json"),
        client: "/cart",
        uri: "/prod/cart",
        raw: "/cart",
    },
    Way {
        name: "REST API, base path `shop`",
        event: include_str!("../events/rest_v1_base_path.json"),
        client: "/shop/cart",
        uri: "/prod/shop/cart",
        raw: "/shop/cart",
    },
    Way {
        name: "HTTP API, stage `$default`",
        event: include_str!("../events/http_v2_default_stage.json"),
        client: "/cart",
        uri: "/cart",
        raw: "/cart",
    },
    Way {
        name: "HTTP API, stage `prod`",
        event: include_str!("../events/http_v2_stage.json"),
        client: "/prod/cart",
        uri: "/prod/cart",
        raw: "/prod/cart",
    },
    Way {
        name: "HTTP API, API mapping `shop` to stage `prod`",
        event: include_str!("../events/http_v2_api_mapping.json"),
        client: "/shop/cart",
        uri: "/prod/cart",
        raw: "/prod/cart",
    },
];

/// Returns the paths that a handler sees, and starts a session.
async fn paths(request: Request, session: Session) -> Result<String, Error> {
    session.insert("seen", true)?;
    Ok(format!(
        "{} {}",
        request.uri().path(),
        request.raw_http_path()
    ))
}

/// Applies the rule by which browsers send a cookie (RFC 6265, 5.1.4).
fn is_sent(path: &str, cookie_path: &str) -> bool {
    path.strip_prefix(cookie_path)
        .is_some_and(|rest| rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/'))
}

/// Returns the response and the path of the cookie.
async fn visit(sessions: &crate::support::Sessions, event: &str) -> (String, String) {
    let event: LambdaRequest = serde_json::from_str(event).unwrap();
    let mut adapter = Adapter::from(sessions.wrap(paths));
    let response = adapter
        .call(LambdaEvent::new(event, Context::default()))
        .await
        .unwrap();
    let reply = Browser::new().take(&serde_json::to_value(response).unwrap());
    let path = reply.cookies[0]
        .split("; ")
        .find_map(|part| part.strip_prefix("Path="));
    (reply.body, path.unwrap().to_owned())
}

#[tokio::test]
async fn event_path_is_seen_as_documented() {
    let setup = Setup::new().await;
    let page = include_str!("../../docs/events.md");
    for Way {
        name,
        event,
        client,
        uri,
        raw,
    } in WAYS
    {
        let (body, path) = visit(&setup.sessions, event).await;
        assert_eq!(body, format!("{uri} {raw}"), "{name}");
        assert_eq!(path, "/", "{name}");
        assert!(is_sent(client, &path), "{name}");
        let row = format!("| {name} | `{client}` | `{uri}` | `{raw}` |");
        assert!(page.contains(&row), "docs/events.md lacks this row:\n{row}");
    }
}

/// A cookie's path is that of the client's address, and one path does not fit all ways.
#[tokio::test]
async fn cookie_path_is_that_of_the_client() {
    let setup = Setup::new().await;
    for cookie_path in ["/prod", "/shop"] {
        let sessions = setup.sessions.clone().cookie_path(cookie_path);
        for Way {
            name,
            event,
            client,
            ..
        } in WAYS
        {
            let (_, path) = visit(&sessions, event).await;
            assert_eq!(path, cookie_path, "{name}");
            let fits = client.starts_with(&format!("{cookie_path}/"));
            assert_eq!(is_sent(client, &path), fits, "{name} {cookie_path}");
        }
    }
}

/// Runs as the function, in the process that is started for it.
#[tokio::test]
async fn function() {
    if crate::support::role().is_none() {
        return;
    }
    let sessions = SessionLayer::from_env().await.unwrap();
    lambda_sessions::run(sessions.wrap(paths)).await.unwrap();
}

#[tokio::test]
async fn event_path_can_be_without_its_stage() {
    let table = Table::new().await;
    let ignoring = [("AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH", "1")];
    let endpoint = &table.endpoint;
    let function = Function::start_with(module_path!(), "paths", &table, endpoint, &ignoring).await;
    for Way {
        name, event, raw, ..
    } in WAYS
    {
        let event: Value = serde_json::from_str(event).unwrap();
        let Outcome::Response(response) = function.invoke(event).await else {
            panic!("{name}: it failed");
        };
        let response: Value = serde_json::from_slice(&response).unwrap();
        assert_eq!(response["body"], format!("{raw} {raw}"), "{name}");
    }
}
