//! A key is a string or a typed key.

use lambda_sessions::{Error, Session};

fn add(session: &Session) -> Result<(), Error> {
    session.insert(17, "a lamp")
}

fn main() {
    let _ = add(&Session::detached(()));
}
