//! Loads a record: one read, or one update that also extends the expiry.
//!
//! An eventually consistent read may miss a session that was started, cycled or touched a moment
//! ago. A record that it does not find is read again with strong consistency, so that no user
//! appears logged out by mistake.

use crate::error::Error;
use crate::id::StorageKey;
use crate::store::arguments::Load;
use crate::store::dynamodb::get::look;
use crate::store::dynamodb::table::Table;
use crate::store::dynamodb::touch::touch_and_read;
use crate::store::record::Found;

/// Reads a record, as [`SessionStore::load_with`](crate::SessionStore::load_with) requires.
pub(super) async fn load(table: &Table, key: &StorageKey, load: Load) -> Result<Found, Error> {
    let at = load.at;
    let mut budget = table.budget(at);
    if let Some(touch) = &load.touch {
        return match touch_and_read(table, key, touch, at, &mut budget).await? {
            Some(found) => Ok(found),
            // An older copy would not show a touch whose response was lost.
            None => look(table, key, at.now(), true, &mut budget).await,
        };
    }
    let consistent = table.consistent_read;
    match look(table, key, at.now(), consistent, &mut budget).await? {
        Found::Absent if !consistent => look(table, key, at.now(), true, &mut budget).await,
        found => Ok(found),
    }
}
