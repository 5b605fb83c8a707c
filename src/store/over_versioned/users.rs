//! The index of a user's sessions: how it changes with them, and how they are listed and revoked.
//!
//! 1. A cycled id replaces its entry in the commit that moves the session. The index has then
//!    another revision, so a revocation that has read the previous one is refused and starts again.
//! 2. A revocation deletes a session and its entry in one commit. It therefore comes before or after
//!    a cycle. If it comes before, the cycle finds no session. If it comes after, it finds the entry
//!    of the new key.
//! 3. A revocation ends the logins that are in the index when it begins. Cycling the id keeps the
//!    handle of a login, so it ends, however many logins follow.

use std::collections::{BTreeMap, HashSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::error::{Error, ErrorKind};
use crate::id::StorageKey;
use crate::store::arguments::RequestTime;
use crate::store::item::{Item, Revision, Write};
use crate::store::over_versioned::attempt::{Attempts, commit, delete, find, put, session};
use crate::store::record::{Found, Record};
use crate::store::session_info::UserSessions;
use crate::store::stored::{Stored, UserIndex};
use crate::store::user::{Binding, Pseudonym, Revoked};
use crate::store::versioned::VersionedStore;

/// The number of sessions that a list reads concurrently.
const MOST_READ_AT_ONCE: usize = 16;

/// The number of times that a list is read, while ids of its sessions are cycled.
const MOST_PASSES: usize = 16;

/// Returns the writes of the indexes in which a session ends under one key or begins under another.
pub(super) async fn moved(
    store: &impl VersionedStore,
    from: Option<(&StorageKey, &Record)>,
    to: Option<(&StorageKey, &Record)>,
    at: RequestTime,
) -> Result<Vec<Write>, Error> {
    let (from, to) = (from.and_then(bound), to.and_then(bound));
    let mut users: Vec<&Pseudonym> = Vec::new();
    for (_, binding) in from.into_iter().chain(to) {
        if !users.contains(&binding.user()) {
            users.push(binding.user());
        }
    }
    let mut writes = Vec::new();
    for user in users {
        let key = UserIndex::key(user);
        let there = store.get(&key, at).await?;
        let before = index(there.as_ref())?;
        let mut after = before.clone();
        if let Some((key, _)) = from {
            after.remove(key);
        }
        if let Some((key, binding)) = to
            && binding.user() == user
        {
            after.insert(key, binding);
        }
        if after != before {
            after.prune(at.now());
            writes.push(write(&key, there.as_ref().map(Item::revision), after)?);
        }
    }
    Ok(writes)
}

/// Lists the live sessions of a user.
pub(super) async fn list(
    store: &impl VersionedStore,
    user: &Pseudonym,
    at: RequestTime,
) -> Result<UserSessions, Error> {
    let key = UserIndex::key(user);
    let mut live = BTreeMap::new();
    let mut previous: Option<Revision> = None;
    for _ in 0..MOST_PASSES {
        let there = store.get(&key, at).await?;
        let revision = there.as_ref().map(Item::revision);
        // A session that was not found has ended, unless the index has changed since.
        if previous.is_some() && previous.as_ref() == revision {
            return Ok(UserSessions::new(live.into_values().collect()));
        }
        let keys = index(there.as_ref())?.keys();
        let listed = keys.len();
        let reads = keys.into_iter();
        let reads = reads.map(|key| async move {
            let item = store.get(&key, at).await?;
            Ok::<_, Error>((key, item))
        });
        let items: Vec<(StorageKey, Option<Item>)> = stream::iter(reads)
            .buffered(MOST_READ_AT_ONCE)
            .try_collect()
            .await?;
        let infos: Vec<_> = items
            .into_iter()
            .filter_map(|(key, item)| match find(item.as_ref(), at) {
                Found::Live((record, _)) => Some(record.info()?.stored_at(key)),
                Found::Redirect(_) | Found::Tombstone(_) | Found::Absent => None,
            })
            .collect();
        let is_complete = infos.len() == listed;
        live.extend(
            infos
                .into_iter()
                .map(|info| (info.handle().to_owned(), info)),
        );
        if is_complete {
            return Ok(UserSessions::new(live.into_values().collect()));
        }
        previous = revision.cloned();
    }
    Ok(UserSessions::new(live.into_values().collect()).and_more())
}

/// Deletes sessions of a user, one commit for each.
pub(super) async fn revoke(
    store: &impl VersionedStore,
    user: &Pseudonym,
    which: Revoked<'_>,
    at: RequestTime,
) -> Result<(), Error> {
    let key = UserIndex::key(user);
    let mut attempts = Attempts::until(at);
    let mut there = store.get(&key, at).await?;
    let handles: HashSet<String> = index(there.as_ref())?
        .handles()
        .filter(|handle| which.includes(handle))
        .map(str::to_owned)
        .collect();
    loop {
        let mut after = index(there.as_ref())?;
        let Some(ended) = after.take_one(&handles) else {
            return Ok(());
        };
        // An expired session is deleted too: another clock may see it as live.
        let item = store.get(&ended, at).await?;
        let deletion = session(item.as_ref()).map(|(_, revision)| delete(&ended, revision));
        let revision = there.as_ref().map(Item::revision);
        let without = write(&key, revision, after)?;
        let remaining = without.item().cloned();
        let writes = deletion.into_iter().chain([without]).collect();
        there = if commit(store, writes, at).await? {
            remaining
        } else {
            attempts.lost()?;
            store.get(&key, at).await?
        };
    }
}

/// Returns the user to whose index a session belongs.
fn bound<'a>((key, record): (&'a StorageKey, &'a Record)) -> Option<(&'a StorageKey, &'a Binding)> {
    Some((key, record.binding()?))
}

/// Returns the index that an item holds. Without an item, it is empty.
///
/// # Errors
///
/// Fails with [`Corrupt`](ErrorKind::Corrupt) if the item is something else.
fn index(there: Option<&Item>) -> Result<UserIndex, Error> {
    match there.map(Item::value) {
        None => Ok(UserIndex::default()),
        Some(Stored::Index(index)) => Ok(index.clone()),
        Some(Stored::Live(_) | Stored::Redirect(_) | Stored::Tombstone(_)) => {
            let reason = "the key of a user's sessions holds another item";
            Err(Error::new(ErrorKind::Corrupt, reason))
        }
    }
}

/// Returns the write of an index, which is deleted with its last entry.
fn write(key: &StorageKey, expected: Option<&Revision>, index: UserIndex) -> Result<Write, Error> {
    if index.is_empty() {
        return Ok(Write::new(key.clone(), expected.cloned(), None));
    }
    put(key, expected, Stored::Index(index))
}
