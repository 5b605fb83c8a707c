//! Loads a record: one read, or one update that also extends the expiry.
//!
//! An eventually consistent read may return a record without the changes of the last second, or miss
//! a session that was started, cycled or touched in it. It is made only if the client knows a version:
//! an older record is read again with strong consistency, so that the client sees its own changes.
//! So is a record that was not found, so that no user appears logged out by mistake.

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
    if table.eventually_consistent
        && let Some(known) = load.version
    {
        match look(table, key, at.now(), false, &mut budget).await? {
            Found::Live(record) if record.version() < known => {}
            Found::Absent => {}
            found => return Ok(found),
        }
    }
    look(table, key, at.now(), true, &mut budget).await
}
