//! The content of one storage key: a session, a redirect, a tombstone, or the index of a user.
//!
//! The index lists the sessions of one user, and is written in one step with them. It lies under a
//! key of its own, which no session can have.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::StorageKey;
use crate::store::record::{Found, LeftBehind, Record, Redirect, Tombstone};
use crate::store::user::{Binding, Pseudonym};

/// The beginning of an index's key. The key of a session is base64url, which has no dot.
const INDEX_PREFIX: &str = "user.";

/// The time for which an entry stays after its binding has ended. An instance whose clock is ahead
/// must not remove the entry of a session that other instances still serve.
const WRONG_CLOCKS: Duration = Duration::from_secs(24 * 60 * 60);

/// The content of a storage key, in a [`VersionedStore`](crate::store::VersionedStore) or in any
/// other store that keeps whole records.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// A session.
    Live(Record),
    /// A redirect, left by an id that was cycled automatically.
    Redirect(Redirect),
    /// A tombstone, which marks an id as dead.
    Tombstone(Tombstone),
    /// The index of a user, which lists their sessions.
    Index(UserIndex),
}

impl Stored {
    /// Returns the content of a key at the given time. An expired item is absent, whether it was
    /// deleted or not.
    #[must_use]
    pub fn found(there: Option<&Self>, now: Timestamp) -> Found<&Record> {
        match there {
            Some(Self::Live(record)) if record.ttl() > now => Found::Live(record),
            Some(Self::Redirect(redirect)) if redirect.ttl() > now => {
                Found::Redirect(redirect.next().clone())
            }
            Some(Self::Tombstone(tombstone)) if tombstone.ttl() > now => {
                Found::Tombstone(tombstone.since())
            }
            _ => Found::Absent,
        }
    }

    /// Returns the time from which on the content counts as absent.
    ///
    /// An index expires with the last of its sessions.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        match self {
            Self::Live(record) => record.ttl(),
            Self::Redirect(redirect) => redirect.ttl(),
            Self::Tombstone(tombstone) => tombstone.ttl(),
            Self::Index(index) => index.expires(),
        }
    }
}

impl From<LeftBehind> for Stored {
    fn from(left: LeftBehind) -> Self {
        match left {
            LeftBehind::Redirect(redirect) => Self::Redirect(redirect),
            LeftBehind::Tombstone(tombstone) => Self::Tombstone(tombstone),
        }
    }
}

/// The sessions of one user, by their storage keys.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserIndex {
    entries: Vec<IndexEntry>,
}

/// One session of a user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct IndexEntry {
    key: StorageKey,
    handle: String,
    /// The end of the binding, after which the session cannot be live.
    ends: Timestamp,
}

impl UserIndex {
    /// Returns the key of a user's index.
    pub(crate) fn key(user: &Pseudonym) -> StorageKey {
        StorageKey::stored(format!("{INDEX_PREFIX}{}", user.as_str()))
    }

    /// Adds a session.
    pub(crate) fn insert(&mut self, key: &StorageKey, binding: &Binding) {
        self.entries.push(IndexEntry {
            key: key.clone(),
            handle: binding.handle().to_owned(),
            ends: binding.ends(),
        });
    }

    /// Removes a session.
    pub(crate) fn remove(&mut self, key: &StorageKey) {
        self.entries.retain(|entry| entry.key != *key);
    }

    /// Removes the sessions that have ended, so that the index does not grow without limit.
    pub(crate) fn prune(&mut self, now: Timestamp) {
        self.entries
            .retain(|entry| entry.ends.plus(WRONG_CLOCKS) > now);
    }

    /// Removes a session of one of these logins, and returns its key.
    pub(crate) fn take_one(&mut self, handles: &HashSet<String>) -> Option<StorageKey> {
        let is_one = |entry: &IndexEntry| handles.contains(&entry.handle);
        let position = self.entries.iter().position(is_one)?;
        Some(self.entries.remove(position).key)
    }

    pub(crate) fn handles(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.handle.as_str())
    }

    pub(crate) fn keys(&self) -> Vec<StorageKey> {
        self.entries.iter().map(|entry| entry.key.clone()).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn expires(&self) -> Timestamp {
        let ends = self.entries.iter().map(|entry| entry.ends);
        ends.max().unwrap_or(Timestamp::from_epoch_seconds(0))
    }
}

impl fmt::Debug for UserIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserIndex({} sessions)", self.entries.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SessionId;
    use crate::store::data::Data;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_epoch_seconds(seconds)
    }

    fn binding(handle: &str, ends: u64) -> Binding {
        let user = Pseudonym::stored("secret-user");
        Binding::new(user, handle.to_owned(), None, at(ends))
    }

    #[test]
    fn stored_item_is_absent_once_expired() {
        let key = StorageKey::stored("next");
        let live = Stored::Live(Record::new(Data::new(), at(0), at(10)));
        let redirect = Stored::Redirect(Redirect::new(at(5), at(10), key.clone()));
        let tombstone = Tombstone::new(at(5), at(10)).succeeded_by(key.clone());
        let tombstone = Stored::Tombstone(tombstone);
        for (stored, found) in [
            (live, Found::Live(())),
            (redirect, Found::Redirect(key)),
            (tombstone, Found::Tombstone(at(5))),
        ] {
            assert_eq!(Stored::found(Some(&stored), at(9)).map(drop), found);
            let late = Stored::found(Some(&stored), at(10));
            assert_eq!(late.map(drop), Found::Absent);
            assert_eq!(stored.expires(), at(10));
        }
        assert_eq!(Stored::found(None, at(0)).map(drop), Found::Absent);
    }

    #[test]
    fn index_is_no_session() {
        let mut index = UserIndex::default();
        index.insert(&StorageKey::stored("a"), &binding("a", 10));
        let stored = Stored::Index(index);
        let found = Stored::found(Some(&stored), at(0));
        assert_eq!(found.map(drop), Found::Absent);
        let key = UserIndex::key(&Pseudonym::stored("user"));
        assert!(SessionId::parse(key.as_str().as_bytes()).is_none());
        assert!(key.as_str().contains('.'), "a session's key has no dot");
    }

    #[test]
    fn index_expires_with_its_last_session() {
        let mut index = UserIndex::default();
        for (key, ends) in [("a", 10), ("b", 30), ("c", 20)] {
            index.insert(&StorageKey::stored(key), &binding(key, ends));
        }
        assert_eq!(index.expires(), at(30));
        let day = 24 * 60 * 60;
        index.prune(at(day + 9));
        assert_eq!(index.keys().len(), 3, "clocks may be wrong by a day");
        index.prune(at(day + 20));
        assert_eq!(index.keys(), [StorageKey::stored("b")]);
        index.remove(&StorageKey::stored("b"));
        assert!(index.is_empty());
    }

    #[test]
    fn index_debug_hides_its_content() {
        let mut index = UserIndex::default();
        index.insert(&StorageKey::stored("secret"), &binding("secret", 10));
        let shown = format!("{index:?} {:?}", Stored::Index(index.clone()));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
