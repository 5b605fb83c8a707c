//! The suites that every store passes (feature `conformance`).
//!
//! Run them against your store, in a test of your own. [`run_versioned`] is for a
//! [`VersionedStore`], and [`run`] is for every [`SessionStore`]:
//!
//! ```
//! use lambda_sessions::MemoryStore;
//! use lambda_sessions::store::conformance;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! conformance::run_versioned(&MemoryStore::new()).await;
//! conformance::run(&MemoryStore::new()).await;
//! # }
//! ```
//!
//! They check each sentence of the two traits, except for failures that a suite cannot cause: a lost
//! response, an overload, and an item of a newer format.
//!
//! The suites use random keys and a time of their own, so they can run against a store that is in
//! use. They leave a few hundred items there, which expire in 2033. Some others expired in 1970, so that
//! a database may delete them at once.

mod create;
mod cycle;
mod delete;
mod lifetimes;
mod load;
mod races;
mod replace;
mod support;
mod touch;
mod update;
mod users;
mod values;
mod versioned;

use crate::store::session_store::SessionStore;
use crate::store::versioned::VersionedStore;

/// Checks every sentence of [`SessionStore`].
///
/// # Panics
///
/// Panics at the first sentence that the store breaks.
pub async fn run<S: SessionStore>(store: &S) {
    load::run(store).await;
    values::run(store).await;
    create::run(store).await;
    update::run(store).await;
    touch::run(store).await;
    lifetimes::run(store).await;
    cycle::run(store).await;
    replace::run(store).await;
    delete::run(store).await;
    races::run(store).await;
    users::run(store).await;
}

/// Checks every sentence of [`VersionedStore`].
///
/// # Panics
///
/// Panics at the first sentence that the store breaks.
pub async fn run_versioned<S: VersionedStore>(store: &S) {
    versioned::run(store).await;
}
