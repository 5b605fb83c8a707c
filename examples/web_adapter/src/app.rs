//! The application, which does not know whether it runs on Lambda.

use axum::Router;
use axum::routing::get;
use lambda_sessions::{Error, Session, SessionLayer};

/// Returns the application with these sessions.
pub(crate) fn app(sessions: SessionLayer) -> Router {
    Router::new()
        .route("/", get(visits))
        .layer(sessions.web_adapter(true)) // the adapter's header has the deadline
        .route("/ready", get(|| async { "ready" })) // outside of the layer
}

async fn visits(session: Session) -> Result<String, Error> {
    let visits = session.increment("visits", 1)?;
    Ok(format!("visit {visits}\n"))
}
