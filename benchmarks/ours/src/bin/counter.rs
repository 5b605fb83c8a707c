//! The README's first program, for its size.

use lambda_http::{Error, Request, run};
use lambda_sessions::{Session, SessionLayer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let sessions = SessionLayer::from_env().await?; // one client per cold start
    run(sessions.wrap(hello)).await
}

async fn hello(_request: Request, session: Session) -> Result<String, Error> {
    let visits = session.increment("visits", 1)?;
    Ok(format!("visit {visits}\n"))
}
