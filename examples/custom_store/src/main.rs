//! A custom store: [`file_store`] keeps each item in a JSON file. It implements `VersionedStore`, from
//! which the library makes a session store. It needs no AWS at all, and passes the library's
//! conformance suites (`cargo test -p custom_store`).
//!
//! ```sh
//! SESSION_DIRECTORY=target/sessions cargo lambda watch -p custom_store
//! curl -c jar -b jar http://localhost:9000/
//! ```

mod file_store;

use std::path::PathBuf;

use lambda_http::tracing::subscriber;
use lambda_http::{Error, Request, run};
use lambda_sessions::{Session, SessionLayer};

use crate::file_store::FileStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // The level is fixed and not read from a variable. At TRACE, the runtime logs whole events with
    // their cookies.
    subscriber::fmt()
        .with_env_filter("warn")
        .without_time()
        .init();
    let store = FileStore::new(directory())?;
    run(SessionLayer::new(store).wrap(hello)).await
}

#[allow(clippy::disallowed_methods)] // the rule is for the library only
fn directory() -> PathBuf {
    std::env::var_os("SESSION_DIRECTORY").map_or_else(
        || std::env::temp_dir().join("lambda-sessions"),
        PathBuf::from,
    )
}

async fn hello(_request: Request, session: Session) -> Result<String, Error> {
    let visits = session.increment("visits", 1)?;
    Ok(format!("visit {visits}\n"))
}
