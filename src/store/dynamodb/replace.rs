//! Replaces a record by another one under another key: one transaction that deletes and puts.
//!
//! An old record with a fence is not deleted but becomes a tombstone, as at a [logout](super::delete).

use crate::error::Error;
use crate::id::StorageKey;
use crate::store::arguments::Replacement;
use crate::store::dynamodb::condition::{absent, fenced_still};
use crate::store::dynamodb::create::create;
use crate::store::dynamodb::delete::tombstone;
use crate::store::dynamodb::errors::{key_is_taken, race_lost};
use crate::store::dynamodb::item::{self, found, is_fenced, is_written_by};
use crate::store::dynamodb::table::Table;
use crate::store::dynamodb::transaction::{self, Transacted, transact};
use crate::store::dynamodb::user_rows;
use crate::store::dynamodb::write_id::write_id;
use crate::store::record::{Found, Record};

/// Replaces a record, as [`SessionStore::replace`](crate::SessionStore::replace) requires.
pub(super) async fn replace(
    table: &Table,
    from: &StorageKey,
    to: &StorageKey,
    replacement: Replacement,
) -> Result<Found<()>, Error> {
    let at = replacement.at;
    let mut budget = table.budget(at);
    let record = replacement.record.at_version(1);
    let write = write_id()?;
    let item = item::write(to, &record, at.now(), &write)?;
    let mut end = transaction::delete(table, from)?;
    let mut rows = Vec::new();
    if let Some(binding) = record.binding() {
        let until = binding.ends();
        rows.push(user_rows::put(table, to, binding, at.now(), until)?);
    }
    if let Some(binding) = replacement.read.as_deref().and_then(Record::binding) {
        let user = binding.user();
        rows.push(user_rows::delete_in_transaction(table, user, from)?);
    }
    loop {
        let mut writes = vec![transaction::put(table, item.clone(), absent())?, end];
        writes.extend(rows.iter().cloned());
        let there = match transact(table, &writes, &mut budget).await? {
            Transacted::Written => return Ok(Found::Live(())),
            Transacted::Refused([Some(there), _]) => {
                let is_ours = there.is_some_and(|item| is_written_by(&item, &write));
                return is_ours.then_some(Found::Live(())).ok_or_else(key_is_taken);
            }
            Transacted::Refused([None, there]) => there.flatten(),
        };
        let has_fence = there.as_ref().is_some_and(is_fenced);
        match found(there, at.now())?.map(drop) {
            Found::Live(()) | Found::Absent => {}
            retired => return Ok(retired),
        }
        end = match has_fence {
            true => transaction::put(table, tombstone(from, at), fenced_still())?,
            // The item does not belong to this library, so it stays.
            false => return create(table, to, &record, at).await.map(Found::Live),
        };
        if !budget.after_a_race().await {
            return Err(race_lost());
        }
    }
}
