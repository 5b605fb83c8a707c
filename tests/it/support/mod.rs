//! The shared parts of the tests. These are a real DynamoDB emulator of their own and a proxy that
//! counts calls and can answer them itself. There are also a client that keeps cookies and a clock
//! that tests set.
#![allow(dead_code, unused_imports, unreachable_pub)] // each test file uses a part of it
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // as in any test

mod bench;
mod dice;
mod dynamodb;
mod events;
mod function;
mod proxy;
mod visitor;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use bench::{Bench, assert_refused, count, logout, peek, plain_login, watched, who};
pub use dice::{Dice, seeds};
pub use dynamodb::{Item, Table, config};
pub use events::{SHAPES, Shape};
pub use function::{FUNCTION, Function, Outcome, role, this_program};
pub use proxy::{Answer, Copies, Proxy, Seen};
pub use visitor::{Reply, Visitor};
pub use wire::{Fate, Wire};

/// A clock that stands still until it is moved. It begins in 2033, which no store's own clock
/// treats as past.
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

pub const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

pub const fn days(n: u64) -> Duration {
    Duration::from_secs(n * 24 * 60 * 60)
}
