//! The example `websocket`, with the events of API Gateway.

#[path = "../examples/connections.rs"]
mod connections;
#[path = "../examples/socket.rs"]
mod socket;
#[path = "../examples/tickets.rs"]
mod tickets;

use lambda_http::http::Method;
use lambda_http::{Error, Request, Service as _};
use lambda_runtime::{Context, LambdaEvent};
use lambda_sessions::{DynamoDbStore, Session};
use serde_json::{Value, json};

use self::connections::Connections;
use self::socket::Socket;
use crate::support::{Action, Browser, Setup, Table, count, cycle, logout};

const OWN: &str = "https://www.example.com";
/// The time of the events, in seconds.
const NOW: u64 = 1_795_611_892;

async fn log_in(_: Request, session: Session) -> Result<String, Error> {
    session.log_in("17")?;
    session.insert("account", "17")?;
    Ok(String::new())
}

/// An application with a WebSocket: a table of sessions, and one of connections.
struct Application {
    setup: Setup,
    connections: Table,
    socket: Socket<DynamoDbStore>,
}

impl Application {
    async fn new() -> Self {
        let (setup, connections) = (Setup::with_users().await, Table::new().await);
        let client = connections.client.clone();
        let socket = Socket {
            sessions: setup.sessions.clone(),
            connections: Connections::new(client, connections.name.clone()),
            origin: OWN.to_owned(),
        };
        Self {
            setup,
            connections,
            socket,
        }
    }

    async fn logged_in(&self) -> Browser {
        let mut ada = Browser::new();
        assert_eq!(ada.visit(&self.setup.sessions, log_in).await.status, 200);
        self.setup.proxy.calls();
        ada
    }

    async fn send(&self, event: Value) -> Result<(u64, String), Error> {
        let event = serde_json::from_value(event).unwrap();
        let event = LambdaEvent::new(event, Context::default());
        let response = self.socket.handle(event).await?;
        let response = serde_json::to_value(response).unwrap();
        let body = response["body"].as_str().unwrap_or_default().to_owned();
        Ok((response["statusCode"].as_u64().unwrap(), body))
    }

    async fn status(&self, event: Value) -> u64 {
        self.send(event).await.unwrap().0
    }

    async fn say(&self, text: &str) -> (u64, String) {
        self.send(message(text)).await.unwrap()
    }

    /// Fetches a ticket from the application, as a page of it does.
    async fn ticket(&self, browser: &mut Browser, now: u64) -> (u64, String) {
        let connections = self.socket.connections.clone();
        let handler = move |mut request: Request, session: Session| {
            let connections = connections.clone();
            *request.method_mut() = Method::POST;
            async move { tickets::issue(&connections, &request, session, now).await }
        };
        let reply = browser.visit(&self.setup.sessions, handler).await;
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        (reply.status, reply.body)
    }
}

fn event(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Returns the event of a connection with these headers, as a browser opens it.
fn connect(headers: &[(&str, &str)]) -> Value {
    let mut event = event(include_str!("../events/websocket_connect.json"));
    for (name, value) in headers {
        event["headers"][*name] = json!(value);
        event["multiValueHeaders"][*name] = json!([value]);
    }
    event
}

fn connect_as(browser: &Browser) -> Value {
    let cookie = format!("theme=dark; __Host-sid={}", browser.cookie().unwrap());
    connect(&[("Cookie", &cookie)])
}

/// Returns the event of a connection to another domain, where the browser sends no cookie.
fn connect_with(ticket: &str) -> Value {
    let mut event = connect(&[("Host", "abcdef123.execute-api.eu-west-1.amazonaws.com")]);
    event["queryStringParameters"] = json!({ "ticket": ticket });
    event["multiValueQueryStringParameters"] = json!({ "ticket": [ticket] });
    event
}

fn message(text: &str) -> Value {
    let mut event = event(include_str!("../events/websocket_message.json"));
    event["body"] = json!(text);
    event
}

fn disconnect() -> Value {
    event(include_str!("../events/websocket_disconnect.json"))
}

#[tokio::test]
async fn websocket_knows_whose_connection_it_is() {
    let application = Application::new().await;
    assert_eq!(application.say("hello").await.0, 401, "not connected");
    let ada = application.logged_in().await;
    assert_eq!(application.status(connect_as(&ada)).await, 200);
    let calls = application.setup.proxy.calls();
    assert_eq!(calls, ["GetItem", "Query", "BatchGetItem"], "it only reads");

    // The connection is bound to the login, and the item holds no id.
    let item = application.connections.item().await;
    assert_eq!(item["account"].as_s().unwrap(), "17");
    let ttl: u64 = item["ttl"].as_n().unwrap().parse().unwrap();
    assert_eq!(ttl, NOW + 2 * 60 * 60);
    assert!(!format!("{item:?}").contains(ada.id().unwrap()));

    assert_eq!(
        application.say("hello").await,
        (200, "17 said hello".to_owned())
    );
    assert_eq!(application.setup.proxy.calls(), ["Query", "BatchGetItem"]);
    assert_eq!(application.status(disconnect()).await, 200);
    assert!(application.connections.items().await.is_empty());
    assert_eq!(application.say("hello").await.0, 401);
    assert_eq!(application.status(disconnect()).await, 200, "twice");
}

#[tokio::test]
async fn websocket_refuses_other_origins() {
    let application = Application::new().await;
    let ada = application.logged_in().await;
    let cookie = format!("__Host-sid={}", ada.cookie().unwrap());
    for origin in [
        "https://elsewhere.example",
        "http://www.example.com",
        "https://www.example.com.elsewhere.example",
        "https://ws.example.com",
        "null",
        "",
    ] {
        let event = connect(&[("Cookie", &cookie), ("Origin", origin)]);
        assert_eq!(application.status(event).await, 403, "{origin}");
    }
    let mut event = connect(&[("Cookie", &cookie)]);
    event["multiValueHeaders"]["Origin"] = json!([OWN, "https://elsewhere.example"]);
    assert_eq!(application.status(event).await, 403, "two origins");
    let mut event = connect(&[("Cookie", &cookie)]);
    for headers in ["headers", "multiValueHeaders"] {
        event[headers].as_object_mut().unwrap().remove("Origin");
    }
    assert_eq!(application.status(event).await, 403, "no origin");
    let mut event = connect(&[]);
    for headers in ["headers", "multiValueHeaders"] {
        event.as_object_mut().unwrap().remove(headers);
    }
    assert_eq!(application.status(event).await, 403, "no headers");
    assert_eq!(
        application.setup.proxy.calls(),
        [""; 0],
        "they cost no call"
    );
    assert!(application.connections.items().await.is_empty());
}

#[tokio::test]
async fn websocket_refuses_without_a_login() {
    let application = Application::new().await;
    assert_eq!(application.status(connect(&[])).await, 401);
    let guest = application.setup.guest(count).await;
    assert_eq!(application.status(connect_as(&guest)).await, 401);
    let mut ada = application.logged_in().await;
    let before = ada.clone();
    ada.visit(&application.setup.sessions, logout).await;
    assert_eq!(application.status(connect_as(&before)).await, 401);
    assert!(application.connections.items().await.is_empty());
    let mut unknown = disconnect();
    unknown["requestContext"]["eventType"] = json!("OTHER");
    assert_eq!(application.status(unknown).await, 400);
}

#[tokio::test]
async fn websocket_ends_with_the_login() {
    let application = Application::new().await;
    let sessions = &application.setup.sessions;
    let mut ada = application.logged_in().await;
    assert_eq!(application.status(connect_as(&ada)).await, 200);
    // A new id is the same login.
    ada.visit(sessions, cycle).await;
    assert_eq!(application.say("hello").await.0, 200);
    ada.visit(sessions, logout).await;
    assert_eq!(application.say("hello").await.0, 401);
    assert!(application.connections.items().await.is_empty());

    let ada = application.logged_in().await;
    assert_eq!(application.status(connect_as(&ada)).await, 200);
    sessions.revoke_user("17").await.unwrap();
    // Another login of the same user does not keep it.
    application.logged_in().await;
    assert_eq!(application.say("hello").await.0, 401);
}

#[tokio::test]
async fn websocket_outage_is_no_refusal() {
    let application = Application::new().await;
    let ada = application.logged_in().await;
    assert_eq!(application.status(connect_as(&ada)).await, 200);
    application
        .setup
        .proxy
        .script(|_, _| Action::error(500, "InternalServerError"));
    assert!(application.send(message("hello")).await.is_err());
    assert!(application.send(connect_as(&ada)).await.is_err());
    application.setup.proxy.script(|_, _| Action::Forward);
    assert_eq!(application.say("hello").await.0, 200, "the binding is left");
}

#[tokio::test]
async fn ticket_opens_one_connection() {
    let application = Application::new().await;
    let mut ada = application.logged_in().await;
    let (status, ticket) = application.ticket(&mut ada, NOW).await;
    assert_eq!((status, ticket.len()), (200, 43));
    let stored = format!("{:?}", application.connections.items().await);
    assert!(!stored.contains(&ticket), "the table has its hash");

    assert_eq!(application.status(connect_with("nosuchticket")).await, 401);
    assert_eq!(application.status(connect_with("")).await, 401);
    let mut elsewhere = connect_with(&ticket);
    elsewhere["multiValueHeaders"]["Origin"] = json!(["https://elsewhere.example"]);
    assert_eq!(application.status(elsewhere).await, 403);
    assert_eq!(application.status(connect_with(&ticket)).await, 200);
    assert_eq!(
        application.say("hello").await,
        (200, "17 said hello".to_owned())
    );
    assert_eq!(
        application.status(connect_with(&ticket)).await,
        401,
        "again"
    );

    let mut guest = application.setup.guest(count).await;
    let (status, _) = application.ticket(&mut guest, NOW).await;
    assert_eq!(status, 401, "no login, no ticket");
}

#[tokio::test]
async fn ticket_redeemed_at_once_opens_one() {
    let application = Application::new().await;
    let mut ada = application.logged_in().await;
    for _ in 0..5 {
        let (_, ticket) = application.ticket(&mut ada, NOW).await;
        let redeem = || application.status(connect_with(&ticket));
        let statuses = tokio::join!(redeem(), redeem(), redeem(), redeem());
        let mut statuses = [statuses.0, statuses.1, statuses.2, statuses.3];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401, 401, 401]);
    }
}

#[tokio::test]
async fn ticket_expires_and_ends_with_the_login() {
    let application = Application::new().await;
    let mut ada = application.logged_in().await;
    for (age, status) in [(29, 200), (30, 401), (3_600, 401)] {
        let (_, ticket) = application.ticket(&mut ada, NOW - age).await;
        assert_eq!(
            application.status(connect_with(&ticket)).await,
            status,
            "{age}"
        );
    }
    let (_, ticket) = application.ticket(&mut ada, NOW).await;
    ada.visit(&application.setup.sessions, logout).await;
    assert_eq!(application.status(connect_with(&ticket)).await, 401);
}

/// The function that issues tickets runs under `lambda_http`.
#[tokio::test]
async fn ticket_handler_runs_as_a_service() {
    let application = Application::new().await;
    let connections = application.socket.connections.clone();
    let sessions = &application.setup.sessions;
    let mut service = sessions.wrap(move |request: Request, session| {
        let connections = connections.clone();
        async move { tickets::issue(&connections, &request, session, tickets::now()).await }
    });
    for (method, status) in [(Method::POST, 401), (Method::GET, 405)] {
        let mut request = Request::default();
        *request.method_mut() = method;
        let response = service.call(request).await.unwrap();
        assert_eq!(response.status(), status);
    }
}
