//! Loads a record: one read.
//!
//! An eventually consistent read may miss a session that was started, cycled or touched a moment
//! ago. A record that it does not find is read again with strong consistency, so that no user
//! appears logged out by mistake.

use crate::error::Error;
use crate::id::StorageKey;
use crate::store::arguments::RequestTime;
use crate::store::dynamodb::get::look;
use crate::store::dynamodb::table::Table;
use crate::store::record::Found;

/// Reads a record, as [`SessionStore::load`](crate::SessionStore::load) requires.
pub(super) async fn load(table: &Table, key: &StorageKey, at: RequestTime) -> Result<Found, Error> {
    let mut budget = table.budget(at);
    let consistent = table.consistent_read;
    match look(table, key, at.now(), consistent, &mut budget).await? {
        Found::Absent if !consistent => look(table, key, at.now(), true, &mut budget).await,
        found => Ok(found),
    }
}
