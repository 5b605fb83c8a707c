//! Revokes sessions of a user: every one that was bound to the user when the call began.
//!
//! 1. A `Query` is not a snapshot and may see half of a transaction. But the row that was there
//!    when it began is there all the time: cycling the id keeps the old row.
//! 2. From that row, a revocation follows the session, one delete after the other. Each delete
//!    comes before or after a cycle. If it comes before, the cycle finds no record. If it comes
//!    after, the delete finds the redirect or tombstone, which names the successor.
//! 3. The revocation repeats until a pass over all the rows finds none, in case that deleting took
//!    longer than a redirect or tombstone lives. Nothing depends on a clock: expired rows and
//!    records are deleted too.
//! 4. Rows are read and deleted a page at a time, so a user may have any number of them. What a
//!    revocation has deleted stays deleted when its time runs out. The next revocation continues
//!    there.

use std::collections::HashSet;

use futures_util::{TryStreamExt as _, stream};

use crate::error::{Error, ErrorKind};
use crate::id::StorageKey;
use crate::store::arguments::RequestTime;
use crate::store::dynamodb::attribute::Item;
use crate::store::dynamodb::delete::{Removed, remove};
use crate::store::dynamodb::item::{HANDLE, read_ever, successor};
use crate::store::dynamodb::table::Table;
use crate::store::dynamodb::user_rows::{self, MAX_CONCURRENT_DELETES, PAGE, query};
use crate::store::dynamodb::users_schema::SESSION;
use crate::store::user::{Pseudonym, Revoked};

/// The number of times that the id of a session may be cycled while it is revoked.
const MAX_CYCLES: usize = 64;
/// The number of times that a user may have new sessions right after all were revoked.
const MAX_PASSES: usize = 16;

/// Deletes sessions of a user, as [`SessionStore::revoke`](crate::SessionStore::revoke) requires.
pub(super) async fn revoke(
    table: &Table,
    user: &Pseudonym,
    which: Revoked<'_>,
    at: RequestTime,
) -> Result<(), Error> {
    for _ in 0..MAX_PASSES {
        let (mut from, mut found) = (None, false);
        loop {
            let page = query(table, user, PAGE, from, &mut table.budget(at)).await?;
            let keys: HashSet<StorageKey> = page
                .rows
                .iter()
                .filter(|row| which.includes(&HANDLE.read(row).unwrap_or_default()))
                .filter_map(|row| SESSION.read(row))
                .collect();
            found |= !keys.is_empty();
            stream::iter(keys.iter().map(Ok))
                .try_for_each_concurrent(MAX_CONCURRENT_DELETES, |key| {
                    delete_with_successors(table, user, key, &keys, at)
                })
                .await?;
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        if !found {
            return Ok(());
        }
    }
    Err(too_fast())
}

/// Deletes a session and its successors, up to one that another delete starts from.
async fn delete_with_successors(
    table: &Table,
    user: &Pseudonym,
    first: &StorageKey,
    others: &HashSet<StorageKey>,
    at: RequestTime,
) -> Result<(), Error> {
    let mut key = first.clone();
    for _ in 0..MAX_CYCLES {
        let removed = remove(table, &key, at, &mut table.budget(at)).await?;
        user_rows::delete(table, user, &key, &mut table.budget(at)).await?;
        let next = match removed {
            Removed::Not(Some(item)) => successor_of(item)?,
            Removed::Not(None) | Removed::Gone(_) => None,
        };
        match next {
            Some(next) if !others.contains(&next) => key = next,
            _ => return Ok(()),
        }
    }
    Err(too_fast())
}

/// Returns the successor that an item names, if it names one.
///
/// A record of a newer format is still alive, and must not be reported as deleted.
fn successor_of(item: Item) -> Result<Option<StorageKey>, Error> {
    match successor(&item) {
        Some(successor) => Ok(Some(successor)),
        None => read_ever(item).map(|_| None),
    }
}

fn too_fast() -> Error {
    let reason = "sessions were started or their ids cycled faster than they could be revoked";
    Error::new(ErrorKind::Conflict, reason)
}
