//! The handler of `wrap` has two arguments.

use lambda_http::{Error, Request};
use lambda_sessions::{MemoryStore, SessionLayer};

async fn hello(_request: Request) -> Result<String, Error> {
    Ok("hello".to_owned())
}

fn main() {
    let _ = SessionLayer::new(MemoryStore::new()).wrap(hello);
}
