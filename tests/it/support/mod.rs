//! The shared parts of the tests. These are a real DynamoDB emulator of their own and a proxy that
//! counts calls and can respond itself. There are also a client that keeps cookies and a clock
//! that tests set.
#![allow(dead_code, unused_imports, unreachable_pub)] // each test file uses a part of it
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // as in any test

mod browser;
mod dynamodb;
mod events;
mod function;
mod handlers;
mod log;
mod proxy;
mod random;
mod schema;
mod scoped_browser;
mod setup;
mod users;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_sessions::SigningKey;

pub use browser::{Browser, COOKIE, Reply};
pub use dynamodb::{Item, Table, config, number, store, stored_value, text};
pub use events::{SHAPES, Shape};
pub use function::{FUNCTION, Function, Outcome, TRACE, role, this_program};
pub use handlers::{
    begin, count, count_write_only, cycle, logged_in, login, logout, logout_write_only, name_seen,
    peek, plain_login, revoke_others, who,
};
pub use log::Log;
pub use proxy::{Action, Copies, Proxy, Seen};
pub use random::{Random, seeds};
pub use schema::Schema;
pub use scoped_browser::ScopedBrowser;
pub use setup::{Sessions, Setup, assert_refused, direct_sessions, watched};
pub use users::copy_session;
pub use wire::{Fate, Wire};

/// A clock that stands still until it is advanced. It begins in 2033, so no store treats its times
/// as past.
#[derive(Clone)]
pub struct Clock(Arc<AtomicU64>);

impl Clock {
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(2_000_000_000)))
    }

    pub fn seconds(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub fn advance(&self, duration: Duration) {
        self.0.fetch_add(duration.as_secs(), Ordering::SeqCst);
    }

    /// Returns a function for `SessionLayer::clock`.
    pub fn reader(&self) -> impl Fn() -> SystemTime + Send + Sync + 'static {
        let clock = self.clone();
        move || UNIX_EPOCH + Duration::from_secs(clock.seconds())
    }
}

/// Returns a signing key that consists of this byte.
pub fn signing_key(byte: u8) -> SigningKey {
    SigningKey::new([byte; 32]).unwrap()
}

pub const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

pub const fn days(n: u64) -> Duration {
    Duration::from_secs(n * 24 * 60 * 60)
}
