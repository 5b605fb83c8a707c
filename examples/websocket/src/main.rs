//! A WebSocket API whose connections belong to sessions.
//!
//! `$connect` is the only event with headers. It finds the session, and stores with the connection who
//! it belongs to. The later events have only the id of the connection. If the WebSocket lives on another
//! domain than the application, the browser sends no cookie there, and the application issues a ticket.
//!
//! | File | Job |
//! |---|---|
//! | `socket` | the three events of a connection |
//! | `tickets` | the page of the application that issues a ticket |
//! | `connections` | the table of connections and tickets |
//!
//! The function's `Handler` setting decides which one it is: `socket` or `tickets`. The table of
//! `CONNECTIONS_TABLE` has the partition key `id`, a string, and TTL on `ttl`. `docs/websockets.md` has
//! the rest, and `tests/it/websockets.rs` sends the events of API Gateway.

mod connections;
mod socket;
mod tickets;

use std::sync::Arc;

use aws_config::BehaviorVersion;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use lambda_runtime::tracing::subscriber;
use lambda_runtime::{Error, run, service_fn};
use lambda_sessions::{DynamoDbStore, SessionLayer};

use crate::connections::Connections;
use crate::socket::Socket;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // The level is fixed and not read from a variable. At TRACE, the runtime logs whole events with
    // their cookies, and the SDK logs DynamoDB's responses.
    subscriber::fmt()
        .with_env_filter("warn,websocket=info")
        .without_time()
        .init();
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    let config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http.build_https())
        .load()
        .await;
    let store = DynamoDbStore::from_config(&config, variable("SESSION_DYNAMODB_TABLE")?)?;
    let sessions = SessionLayer::new(store).build()?;
    let client = aws_sdk_dynamodb::Client::new(&config);
    let connections = Connections::new(client, variable("CONNECTIONS_TABLE")?);
    match variable("_HANDLER")?.as_str() {
        "tickets" => {
            let connections = Arc::new(connections);
            let handler = sessions.wrap(move |request, session| {
                let connections = Arc::clone(&connections);
                async move { tickets::issue(&connections, &request, session, tickets::now()).await }
            });
            lambda_sessions::run(handler).await
        }
        _ => {
            let socket = Socket {
                sessions,
                connections,
                origin: variable("ORIGIN")?,
            };
            run(service_fn(|event| socket.handle(event))).await
        }
    }
}

#[allow(clippy::disallowed_methods)] // the rule is for the library only
fn variable(name: &str) -> Result<String, Error> {
    std::env::var(name).map_err(|_| format!("the variable {name} is not set").into())
}
