//! Authorizers that let a request pass if its session is logged in: one for HTTP APIs, and one for
//! REST APIs.
//!
//! The application behind the API stores the account under `account` when its user logs in, as
//! `examples/login` does with its user. `docs/authorizers.md` says what to configure in API Gateway,
//! and what goes wrong otherwise.
//!
//! The function's `Handler` setting decides which one it is: `http_api` or `rest_api`.
//! `tests/it/authorizers.rs` sends it the events of API Gateway.

mod http_api;
mod rest_api;

use lambda_runtime::tracing::subscriber;
use lambda_runtime::{Error, run, service_fn};
use lambda_sessions::SessionLayer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // The level is fixed and not read from a variable. At TRACE, the runtime logs whole events with
    // their cookies, and the SDK logs DynamoDB's responses.
    subscriber::fmt()
        .with_env_filter("warn,authorizer=info")
        .without_time()
        .init();
    let sessions = SessionLayer::from_env().await?;
    match handler().as_str() {
        "rest_api" => run(service_fn(|event| rest_api::authorize(&sessions, event))).await,
        _ => run(service_fn(|event| http_api::authorize(&sessions, event))).await,
    }
}

#[allow(clippy::disallowed_methods)] // the rule is for the library only
fn handler() -> String {
    std::env::var("_HANDLER").unwrap_or_default()
}
