//! The tests with tower-sessions 0.14.

use tower_sessions_0_14 as tower_sessions;

#[path = "expiry.rs"]
mod expiry;
#[path = "faults.rs"]
mod faults;
#[path = "http.rs"]
mod http;
#[path = "store.rs"]
mod store;
