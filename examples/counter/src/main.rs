//! The smallest function with a session: it counts the visits of each client.
//!
//! To run it with its own DynamoDB in memory, use `cargo xtask demo`.
//!
//! To run it with a DynamoDB that is already running:
//!
//! ```sh
//! SESSION_DYNAMODB_ENDPOINT=http://localhost:8000 AWS_REGION=us-east-1 \
//! AWS_ACCESS_KEY_ID=dummy AWS_SECRET_ACCESS_KEY=dummy cargo lambda watch -p counter
//! curl -c jar -b jar http://localhost:9000/
//! ```

use lambda_http::{Error, Request};
use lambda_sessions::{Session, SessionLayer, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let sessions = SessionLayer::from_env().await?; // one client per cold start
    run(sessions.wrap(hello)).await
}

async fn hello(_request: Request, session: Session) -> Result<String, Error> {
    let visits = session.increment("visits", 1)?;
    Ok(format!("visit {visits}\n"))
}
