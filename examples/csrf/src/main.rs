//! A form that no other site can send in its visitor's name: tower-http's [CSRF layer][csrf] outside
//! the session, so that a forged request is refused before it costs a call to DynamoDB. What it is
//! for, and what it leaves to do, is in `docs/csrf.md`.
//!
//! With a DynamoDB that runs already:
//!
//! ```sh
//! SESSION_DYNAMODB_ENDPOINT=http://localhost:8000 AWS_REGION=us-east-1 \
//! AWS_ACCESS_KEY_ID=dummy AWS_SECRET_ACCESS_KEY=dummy cargo lambda watch -p csrf
//! curl -c jar -b jar http://localhost:9000/
//! curl -c jar -b jar http://localhost:9000/give -d coins=3 -H 'sec-fetch-site: same-origin'
//! curl -i -b jar http://localhost:9000/give -d coins=3 -H 'sec-fetch-site: cross-site'
//! ```
//!
//! `tests/csrf.rs` sends it what browsers send.
//!
//! [csrf]: https://docs.rs/tower-http/0.7/tower_http/csrf/index.html

mod coins;

use lambda_http::tracing::subscriber;
use lambda_http::{Error, run};
use lambda_sessions::SessionLayer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // Fixed, and not by a variable: at TRACE the runtime logs whole events, cookies included, and
    // the SDK what DynamoDB answers.
    subscriber::fmt()
        .with_env_filter("warn,csrf=info")
        .without_time()
        .init();
    let sessions = SessionLayer::from_env().await?;
    run(coins::service(sessions)).await
}
