//! The trait of a store that compares revisions: all that a session store has to be able to do.
//!
//! A store keeps [`Item`]s and compares their [revisions](Item::revision). It knows nothing about
//! sessions, expiry or users, so there is nothing in which two stores can differ.

use std::future::Future;

use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::id::StorageKey;
use crate::store::arguments::RequestTime;
use crate::store::item::{Item, Write};

/// A store that can read an item, and can write several items in one atomic step if none of them
/// has changed.
///
/// This is the trait to implement for a store of your own. Redis (with a Lua script), SQL (in a
/// transaction) and a directory (under a lock) can do it. Every versioned store is a
/// [`SessionStore`](crate::SessionStore). That implementation is part of this crate, so sessions
/// behave the same in all of them.
///
/// Write the methods as `async fn`; the futures must be `Send`. Run the suites
/// `lambda_sessions::store::conformance::run_versioned` and `run` (feature `conformance`) against
/// your store.
///
/// # Consistency
///
/// - [`get`](Self::get) returns the latest item: a read that begins after a commit has returned
///   finds what that commit wrote. A replica that lags behind must not be read.
/// - [`commit`](Self::commit) is atomic. No reader finds a part of it, also if the process crashes.
/// - Commits on the same keys exclude each other. Of several commits that expect the same revision
///   of a key, at most one succeeds.
///
/// # Expiry
///
/// A store may delete an item at any time after [`Item::expires`], also at once, or never. For a
/// database with a TTL, `item.expires().epoch_seconds()` is the time in seconds since the epoch. Each
/// write sets it anew. The library judges whether an item has expired, so a store returns expired
/// items that are still there. A deleted item is no item, for `get` and for `commit` alike.
///
/// # Keys and size
///
/// Keys consist of ASCII letters, digits, `-`, `_` and `.`, and have at most 64 characters. Case is
/// significant. A record has at most [`max_size`](crate::SessionLayer::max_size) bytes of data. The
/// index of a user has about 120 bytes for each session.
///
/// # Errors
///
/// Nothing was written after these errors:
///
/// | Kind | Cause |
/// |---|---|
/// | [`Unavailable`](ErrorKind::Unavailable) | The store could not be reached, or failed. |
/// | [`Throttled`](ErrorKind::Throttled) | The store rejected the call because of its load. |
/// | [`Misconfigured`](ErrorKind::Misconfigured) | The configuration of the store is wrong. |
/// | [`Corrupt`](ErrorKind::Corrupt) | An item could not be [parsed](Item::from_json). It stays as it is. |
/// | [`Timeout`](ErrorKind::Timeout) | The store did not respond to a `get` in time. |
/// | [`TooLarge`](ErrorKind::TooLarge) | An item of a commit is too large for the store. |
///
/// If the response to a commit was lost, it fails with
/// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown). An error that the database returns is
/// [`Unavailable`](ErrorKind::Unavailable) only if it certainly came before the first write.
///
/// Create errors with `Error::with_source(ErrorKind::Unavailable, "the database failed", cause)`, or
/// with `Error::new` if there is no cause. The message and the cause are logged, so they must not
/// contain keys or values.
///
/// # Example
///
/// This store keeps each item as a row of text, as a database would. Its lock takes the place of the
/// database's transaction.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
///
/// use lambda_sessions::Error;
/// use lambda_sessions::store::{Item, RequestTime, Revision, StorageKey, VersionedStore, Write};
///
/// #[derive(Default)]
/// struct Table {
///     rows: Mutex<HashMap<String, Row>>,
/// }
///
/// struct Row {
///     revision: String,
///     json: Vec<u8>,
/// }
///
/// impl VersionedStore for Table {
///     async fn get(&self, key: &StorageKey, _: RequestTime) -> Result<Option<Item>, Error> {
///         let rows = self.rows.lock().unwrap();
///         let row = rows.get(key.as_str());
///         row.map(|row| Item::from_json(&row.json)).transpose()
///     }
///
///     async fn commit(&self, writes: Vec<Write>, _: RequestTime) -> Result<bool, Error> {
///         let mut rows = self.rows.lock().unwrap();
///         for write in &writes {
///             let there = rows.get(write.key().as_str()).map(|row| row.revision.as_str());
///             if there != write.expected().map(Revision::as_str) {
///                 return Ok(false);
///             }
///         }
///         for write in &writes {
///             let key = write.key().as_str();
///             match write.item() {
///                 Some(item) => {
///                     let revision = item.revision().as_str().to_owned();
///                     let json = item.to_json()?;
///                     rows.insert(key.to_owned(), Row { revision, json });
///                 }
///                 None => drop(rows.remove(key)),
///             }
///         }
///         Ok(true)
///     }
/// }
/// #
/// # use lambda_sessions::store::conformance;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # conformance::run_versioned(&Table::default()).await;
/// # conformance::run(&Table::default()).await;
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store of sessions",
    label = "this is not a store",
    note = "implement `VersionedStore`: it has two methods; or use `DynamoDbStore` or `MemoryStore`"
)]
pub trait VersionedStore: Send + Sync + 'static {
    /// Returns the item at a key, whether it has expired or not, or `None` if the key is empty.
    ///
    /// `at` may have a [deadline](RequestTime::deadline). The library stops waiting then, so a store
    /// that does not retry can ignore it. A store that retries stops at the deadline. The future may
    /// be dropped at any await.
    fn get(
        &self,
        key: &StorageKey,
        at: RequestTime,
    ) -> impl Future<Output = Result<Option<Item>, Error>> + Send;

    /// Applies all writes in one atomic step, or none of them.
    ///
    /// Returns `true` if everything was written. Returns `false`, and writes nothing, if one of the
    /// keys does not hold what its write [expects](Write::expected). `writes` is not empty and has at
    /// most four writes, each of another key. A commit need not parse what a key holds: `false` is right
    /// for a corrupt item, and the next `get` reports it.
    ///
    /// `false` is a promise that this commit wrote nothing. If the response to a commit was lost,
    /// fail with [`OutcomeUnknown`](ErrorKind::OutcomeUnknown), also if the commit was sent again and
    /// the second attempt was refused. It may have been refused because of the first one. The library
    /// then reads the item again and recognizes its own revision.
    fn commit(
        &self,
        writes: Vec<Write>,
        at: RequestTime,
    ) -> impl Future<Output = Result<bool, Error>> + Send;
}
