//! A form that no other site can send in its visitor's name.
//!
//! tower-http's [CSRF layer][csrf] is outside the session, so that a forged request is refused
//! before it costs a call to DynamoDB. `docs/csrf.md` says what the layer is for and what
//! it leaves to do.
//!
//! To run it with a DynamoDB that is already running:
//!
//! ```sh
//! SESSION_DYNAMODB_ENDPOINT=http://localhost:8000 AWS_REGION=us-east-1 \
//! AWS_ACCESS_KEY_ID=dummy AWS_SECRET_ACCESS_KEY=dummy cargo lambda watch -p csrf
//! curl -c jar -b jar http://localhost:9000/
//! curl -c jar -b jar http://localhost:9000/give -d coins=3 -H 'sec-fetch-site: same-origin'
//! curl -i -b jar http://localhost:9000/give -d coins=3 -H 'sec-fetch-site: cross-site'
//! ```
//!
//! `tests/it/csrf.rs` sends it what browsers send.
//!
//! [csrf]: https://docs.rs/tower-http/0.7/tower_http/csrf/index.html

mod coins;

use lambda_http::tracing::subscriber;
use lambda_http::{Error, run};
use lambda_sessions::SessionLayer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // The level is fixed and not read from a variable. At TRACE, the runtime logs whole events with
    // their cookies, and the SDK logs DynamoDB's responses.
    subscriber::fmt()
        .with_env_filter("warn,csrf=info")
        .without_time()
        .init();
    let sessions = SessionLayer::from_env().await?;
    run(coins::service(sessions)).await
}
