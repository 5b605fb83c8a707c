//! The tests with tower-sessions 0.15.

use ::tower_sessions;

#[path = "expiry.rs"]
mod expiry;
#[path = "faults.rs"]
mod faults;
#[path = "http.rs"]
mod http;
#[path = "store.rs"]
mod store;
