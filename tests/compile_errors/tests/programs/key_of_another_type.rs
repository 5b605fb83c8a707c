//! A typed key is the key of its own type.

use lambda_sessions::{Error, Key, Session};

const CART: Key<Vec<u32>> = Key::new("cart");

fn add(session: &Session) -> Result<(), Error> {
    session.insert(CART, "17")
}

fn main() {
    let _ = add(&Session::detached(()));
}
