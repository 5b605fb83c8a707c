//! The steps of one attempt at an operation: what was read, what is written, and the commit.

use std::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::id::StorageKey;
use crate::store::arguments::RequestTime;
use crate::store::item::{Item, Revision, Write};
use crate::store::record::{Found, Record};
use crate::store::stored::Stored;
use crate::store::versioned::VersionedStore;

/// The number of attempts at an operation without a deadline. An attempt fails only if another one
/// has succeeded, so it takes this many concurrent writers of one session to reach it.
pub(super) const MOST_ATTEMPTS: u32 = 256;

/// The attempts at one operation.
pub(super) struct Attempts {
    deadline: Option<Instant>,
    failed: u32,
}

impl Attempts {
    pub(super) fn until(at: RequestTime) -> Self {
        Self {
            deadline: at.deadline(),
            failed: 0,
        }
    }

    /// Counts an attempt that was refused because another request has committed first.
    ///
    /// # Errors
    ///
    /// Fails with [`Conflict`](ErrorKind::Conflict) if there is no time for another attempt.
    pub(super) fn lost(&mut self) -> Result<(), Error> {
        self.failed += 1;
        let is_over = match self.deadline {
            Some(deadline) => deadline <= Instant::now(),
            None => self.failed >= MOST_ATTEMPTS,
        };
        if is_over {
            let reason = "other requests wrote the session first, until there was no time left";
            return Err(Error::new(ErrorKind::Conflict, reason));
        }
        Ok(())
    }
}

/// Commits, and finds out what happened if the response was lost.
///
/// # Errors
///
/// Fails with [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) if that cannot be determined. An item that
/// is still unchanged proves nothing, because the commit may yet arrive.
pub(super) async fn commit(
    store: &impl VersionedStore,
    writes: Vec<Write>,
    at: RequestTime,
) -> Result<bool, Error> {
    let Some(first) = writes.first() else {
        return Ok(true);
    };
    let key = first.key().clone();
    let revision = first.item().map(|item| item.revision().clone());
    let lost = match store.commit(writes, at).await {
        Err(error) if error.kind() == ErrorKind::OutcomeUnknown => error,
        known => return known,
    };
    match store.get(&key, at).await {
        // A deletion has no revision. If the item is gone, the deletion has its effect, even if
        // another request made it.
        Ok(there) if there.as_ref().map(Item::revision) == revision.as_ref() => Ok(true),
        _ => Err(lost),
    }
}

/// Checks that the key of a new session is still free after its commit was refused.
///
/// # Errors
///
/// Fails with [`Conflict`](ErrorKind::Conflict) if it is not, because no further attempt can succeed.
pub(super) async fn check_free(
    store: &impl VersionedStore,
    key: &StorageKey,
    at: RequestTime,
) -> Result<(), Error> {
    if store.get(key, at).await?.is_some() {
        let reason = "the key of a new session is already in use";
        return Err(Error::new(ErrorKind::Conflict, reason));
    }
    Ok(())
}

/// Returns what an item is at the given time. A live session comes with its revision.
pub(super) fn find(there: Option<&Item>, at: RequestTime) -> Found<(&Record, Option<&Revision>)> {
    let revision = there.map(Item::revision);
    Stored::found(there.map(Item::value), at.now()).map(|record| (record, revision))
}

/// Returns the session that an item holds, whether it has expired or not.
pub(super) fn session(there: Option<&Item>) -> Option<(&Record, &Revision)> {
    let item = there?;
    match item.value() {
        Stored::Live(record) => Some((record, item.revision())),
        Stored::Redirect(_) | Stored::Tombstone(_) | Stored::Index(_) => None,
    }
}

pub(super) fn put(
    key: &StorageKey,
    expected: Option<&Revision>,
    value: Stored,
) -> Result<Write, Error> {
    let item = Item::new(value)?;
    Ok(Write::new(key.clone(), expected.cloned(), Some(item)))
}

/// Returns the write of a session that begins, at version 1.
pub(super) fn put_new(key: &StorageKey, record: &Record, at: RequestTime) -> Result<Write, Error> {
    let record = record.clone().at_version(1).modified_at(at.now());
    put(key, None, Stored::Live(record))
}

pub(super) fn delete(key: &StorageKey, expected: &Revision) -> Write {
    Write::new(key.clone(), Some(expected.clone()), None)
}
