//! A value is serialized.

use lambda_sessions::{Error, Session};

struct Cart {
    articles: Vec<u32>,
}

fn save(session: &Session, cart: Cart) -> Result<(), Error> {
    session.insert("cart", cart)
}

fn main() {
    let cart = Cart { articles: vec![17] };
    let _ = (save(&Session::detached(()), cart), Cart { articles: vec![] }.articles);
}
