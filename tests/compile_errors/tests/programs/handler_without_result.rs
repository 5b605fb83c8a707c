//! The handler of `wrap` returns a `Result`.

use lambda_http::Request;
use lambda_sessions::{MemoryStore, Session, SessionLayer};

async fn hello(_request: Request, _session: Session) -> String {
    "hello".to_owned()
}

fn main() {
    let _ = SessionLayer::new(MemoryStore::new()).wrap(hello);
}
