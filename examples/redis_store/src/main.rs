//! Sessions in Redis or Valkey: [`redis_store`] implements `VersionedStore`, from which the library
//! makes a session store. It passes the library's conformance suites on a real server
//! (`cargo test -p redis_store`, which needs `redis-server` or `valkey-server` on the `PATH`).
//!
//! ```sh
//! REDIS_URL=redis://localhost:6379 cargo lambda watch -p redis_store
//! curl -c jar -b jar http://localhost:9000/
//! ```

mod redis_store;

use lambda_http::tracing::subscriber;
use lambda_http::{Error, Request, run};
use lambda_sessions::{Session, SessionLayer};

use crate::redis_store::RedisStore;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // The level is fixed and not read from a variable. At TRACE, the runtime logs whole events with
    // their cookies.
    subscriber::fmt()
        .with_env_filter("warn")
        .without_time()
        .init();
    let store = RedisStore::connect(&url()).await?;
    run(SessionLayer::new(store).wrap(hello)).await
}

#[allow(clippy::disallowed_methods)] // the rule is for the library only
fn url() -> String {
    std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://localhost:6379".to_owned())
}

async fn hello(_request: Request, session: Session) -> Result<String, Error> {
    let visits = session.increment("visits", 1)?;
    Ok(format!("visit {visits}\n"))
}
