//! A layer needs a store.

use lambda_sessions::SessionLayer;

fn main() {
    let _ = SessionLayer::new("sessions");
}
