//! axum-login on Lambda, with its sessions in DynamoDB.
//!
//! To run it with a DynamoDB that is already running and has the table `sessions`:
//!
//! ```sh
//! SESSION_DYNAMODB_ENDPOINT=http://localhost:8000 AWS_REGION=us-east-1 \
//! AWS_ACCESS_KEY_ID=dummy AWS_SECRET_ACCESS_KEY=dummy cargo lambda watch -p axum_login_example
//! curl -c jar -b jar http://localhost:9000/login -d name=alice -d password=wonderland
//! curl -c jar -b jar http://localhost:9000/account
//! curl -c jar -b jar http://localhost:9000/logout -X POST
//! ```

mod app;

use axum_login::tower_sessions::cookie::SameSite;
use axum_login::tower_sessions::{Expiry, SessionManagerLayer};
use lambda_http::tracing::subscriber;
use lambda_http::{Error, run};
use lambda_sessions_tower::TowerStore;
use time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // The level is fixed and not read from a variable. At TRACE, the runtime logs whole events with
    // their cookies, and the SDK logs whole responses.
    subscriber::fmt()
        .with_env_filter("warn,axum_login_example=info")
        .without_time()
        .init();
    let store = TowerStore::from_env().await?; // one client per cold start
    let sessions = SessionManagerLayer::new(store)
        .with_same_site(SameSite::Lax) // a link from another site arrives logged in
        .with_expiry(Expiry::OnInactivity(Duration::days(14)));
    run(app::app(sessions)).await
}
