//! A login with axum: pages, forms, and messages that are shown once after a redirect.
//!
//! The same program runs on Lambda and as an ordinary server. On Lambda, also under
//! `cargo lambda watch`, it serves the events of the function. Elsewhere it listens on
//! `http://localhost:3000`, or on the port in the variable `PORT`.
//!
//! To run it with its own DynamoDB in memory, use `cargo xtask demo --example axum_example`.
//!
//! To run it as a server, with a DynamoDB that is already running and has the tables `sessions`
//! and `sessions-users`:
//!
//! ```sh
//! SESSION_DYNAMODB_ENDPOINT=http://localhost:8000 AWS_REGION=us-east-1 \
//! AWS_ACCESS_KEY_ID=dummy AWS_SECRET_ACCESS_KEY=dummy cargo run -p axum_example
//! ```

mod pages;

use axum::Router;
use axum::routing::{get, post};
use lambda_http::tracing::subscriber;
use lambda_sessions::layer::run_concurrent;
use lambda_sessions::{SessionLayer, SessionStore};
use tokio::net::TcpListener;
use tower_http::csrf::CsrfLayer;
use tower_http::trace::TraceLayer;

/// The port of the server, if no variable says another one.
const PORT: u16 = 3000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    // The level is fixed and not read from a variable. At TRACE, the runtime logs whole events with
    // their cookies, and the SDK logs whole responses.
    subscriber::fmt()
        .with_env_filter("warn,tower_http=info")
        .without_time()
        .init();
    let app = app(SessionLayer::from_env().await?);
    if variable("AWS_LAMBDA_RUNTIME_API").is_some() {
        return run_concurrent(app).await;
    }
    let port = variable("PORT").map_or(Ok(PORT), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    axum::serve(listener, app).await?;
    Ok(())
}

/// Returns the application with its layers. The last one is the outermost.
fn app<S: SessionStore + Clone>(sessions: SessionLayer<S>) -> Router {
    Router::new()
        .route("/", get(pages::home))
        .route("/private", get(pages::private))
        .route("/login", post(pages::login))
        .route("/logout", post(pages::logout))
        .layer(sessions)
        .layer(CsrfLayer::new())
        .layer(TraceLayer::new_for_http())
}

/// Reads a variable of the environment. The settings of the sessions are read by the library.
#[allow(clippy::disallowed_methods)] // the rule is for the library
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
