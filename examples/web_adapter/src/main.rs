//! A plain HTTP server with sessions, which runs on Lambda behind the Lambda Web Adapter, and
//! unchanged elsewhere.
//!
//! With a DynamoDB that has the table `sessions`:
//!
//! ```sh
//! SESSION_DYNAMODB_ENDPOINT=http://localhost:8000 AWS_REGION=us-east-1 \
//! AWS_ACCESS_KEY_ID=dummy AWS_SECRET_ACCESS_KEY=dummy cargo run -p web_adapter
//! curl -c jar -b jar http://localhost:8080/
//! ```
//!
//! On Lambda, the adapter is a layer or a part of the image: see docs/deploy.md.

mod app;

use lambda_sessions::SessionLayer;
use tokio::net::TcpListener;

/// The port that the adapter uses unless `AWS_LWA_PORT` names another.
const PORT: u16 = 8080;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sessions = SessionLayer::from_env().await?;
    let listener = TcpListener::bind(("127.0.0.1", PORT)).await?;
    axum::serve(listener, app::app(sessions)).await?;
    Ok(())
}
