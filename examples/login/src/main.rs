//! A login, a logout and a list of "your devices".
//!
//! The login cycles the id, so that an id that was planted before is worthless. After the logout
//! there is no record and no cookie. The list shows the user's sessions, and the user can end all
//! others.
//!
//! A user who asks to be remembered stays logged in for 30 days without a visit, and in the browser
//! after it was closed. Everyone else is logged out after 30 minutes. A page may poll `/status`, which
//! does not keep its user logged in.
//!
//! To run it with its own DynamoDB in memory, use `cargo xtask demo --example login`.
//!
//! To run it with a DynamoDB that is already running and has the tables `sessions` and
//! `sessions-users`:
//!
//! ```sh
//! SESSION_DYNAMODB_ENDPOINT=http://localhost:8000 AWS_REGION=us-east-1 \
//! AWS_ACCESS_KEY_ID=dummy AWS_SECRET_ACCESS_KEY=dummy cargo lambda watch -p login
//! curl -c jar -b jar http://localhost:9000/
//! curl -c jar -b jar http://localhost:9000/login -d user=alice -d password=wonderland -d remember=on
//! curl -c jar -b jar http://localhost:9000/devices
//! curl -c jar -b jar http://localhost:9000/logout-elsewhere -X POST
//! curl -c jar -b jar http://localhost:9000/logout -X POST
//! ```
//!
//! `tests/it/remember_me.rs` sends it what browsers send.

mod pages;

use lambda_http::tracing::subscriber;
use lambda_http::{Error, run};
use lambda_sessions::SessionLayer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // The level is fixed and not read from a variable. At TRACE, the runtime logs whole events with
    // their cookies, and the SDK logs whole responses.
    subscriber::fmt()
        .with_env_filter("warn,login=info")
        .without_time()
        .init();
    let sessions = pages::timeouts(SessionLayer::from_env().await?);
    run(sessions.wrap(pages::route)).await
}
