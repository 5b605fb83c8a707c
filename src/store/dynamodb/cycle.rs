//! Moves a record to another key: one transaction that puts the record there and leaves a redirect
//! or a tombstone at the old key.
//!
//! If another request has written since the record was read, its changes are copied too, and the
//! transaction is made again.

use aws_sdk_dynamodb::types::TransactWriteItem;

use crate::error::Error;
use crate::id::StorageKey;
use crate::store::arguments::Cycle;
use crate::store::dynamodb::attribute::Item;
use crate::store::dynamodb::condition::{absent, unchanged};
use crate::store::dynamodb::errors::{key_is_taken, never_succeeds, race_lost};
use crate::store::dynamodb::item::{
    self, TTL, found, is_unchanged, is_written_by, left_by, read_back,
};
use crate::store::dynamodb::table::Table;
use crate::store::dynamodb::transaction::{self, Transacted, transact};
use crate::store::dynamodb::user_rows;
use crate::store::dynamodb::write_id::write_id;
use crate::store::record::{Found, Record};

/// Moves a record, as [`SessionStore::cycle`](crate::SessionStore::cycle) requires.
pub(super) async fn cycle(
    table: &Table,
    from: &StorageKey,
    to: &StorageKey,
    cycle: Cycle,
) -> Result<Found, Error> {
    let now = cycle.at.now();
    let mut budget = table.budget(cycle.at);
    let mut base = Record::clone(&cycle.read);
    let left = left_by(&cycle, from, to);
    // Only this request knows the new key: an item there with this write id is its own.
    let write = write_id()?;
    loop {
        let record = cycle.apply(&base)?;
        let item = item::write(to, &record, now, &write)?;
        let mut writes = vec![
            transaction::put(table, item, absent())?,
            transaction::put(table, left.clone(), unchanged(base.version(), now))?,
        ];
        writes.extend(rows(table, from, to, &cycle, &left)?);
        let there = match transact(table, &writes, &mut budget).await? {
            Transacted::Written => return Ok(Found::Live(record)),
            Transacted::Refused([Some(there), _]) => match there {
                Some(item) if is_written_by(&item, &write) => return read_back(item, now),
                _ => return Err(key_is_taken()),
            },
            Transacted::Refused([None, there]) => there.flatten(),
        };
        let newer = match found(there, now)? {
            Found::Live(newer) => newer,
            other => return Ok(other),
        };
        if is_unchanged(&base, &newer) {
            return Err(never_succeeds());
        }
        base = newer;
        if cycle.require_unchanged || !budget.after_a_race().await {
            return Err(race_lost());
        }
    }
}

/// Returns the rows that cycling the id writes. The new key's row lives as long as the session may,
/// and the old key's row as long as the redirect or tombstone.
fn rows(
    table: &Table,
    from: &StorageKey,
    to: &StorageKey,
    cycle: &Cycle,
    left: &Item,
) -> Result<Vec<TransactWriteItem>, Error> {
    let now = cycle.at.now();
    let mut rows = Vec::new();
    if let Some(binding) = &cycle.binding {
        rows.push(user_rows::put(table, to, binding, now, binding.ends())?);
    }
    if let Some(binding) = cycle.read.binding() {
        let until = TTL.read(left).unwrap_or(now);
        rows.push(user_rows::put(table, from, binding, now, until)?);
    }
    Ok(rows)
}
