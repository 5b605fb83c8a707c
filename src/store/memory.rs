//! A store in the memory of one process, for tests and experiments.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::StorageKey;
use crate::store::record::{Found, Record, Stored, Tombstone};
use crate::store::session_store::{Cycle, Replacement, RequestTime, SessionStore, Update};
use crate::store::user::{Pseudonym, Revoked, UserSessions};

/// A store in memory, with the same semantics as [`DynamoDbStore`](crate::DynamoDbStore).
///
/// Clones share their sessions. It is for tests: on Lambda, every execution environment would have
/// separate sessions.
///
/// ```
/// use lambda_sessions::{MemoryStore, SessionLayer};
///
/// let sessions = SessionLayer::new(MemoryStore::new());
/// # let _ = sessions;
/// ```
#[derive(Clone, Default)]
pub struct MemoryStore {
    slots: Arc<Mutex<HashMap<StorageKey, Stored>>>,
}

impl MemoryStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of sessions, including expired ones that have not been removed yet.
    ///
    /// ```
    /// use lambda_sessions::MemoryStore;
    ///
    /// assert_eq!(MemoryStore::new().len(), 0);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        let live = |slot: &&Stored| matches!(slot, Stored::Live(_));
        self.slots().values().filter(live).count()
    }

    /// Returns whether the store holds no sessions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Changes a live record in place, or moves it to another key and leaves a stub.
    ///
    /// The change may run functions of the application. It therefore runs while the map is
    /// unlocked, and again if another request has changed the record first.
    fn change(
        &self,
        key: &StorageKey,
        at: RequestTime,
        change: impl Fn(&Record) -> Result<Record, Error>,
        to: impl FnOnce(&Record) -> Option<(StorageKey, Record, Tombstone)>,
    ) -> Result<Found, Error> {
        loop {
            let before = match Stored::found(self.slots().get(key), at.now()) {
                Found::Live(record) => record.clone(),
                other => return Ok(other.map(Clone::clone)),
            };
            let after = change(&before)?;
            let mut slots = self.slots();
            let is_there = match Stored::found(slots.get(key), at.now()) {
                Found::Live(record) => {
                    (record.version(), record.ttl()) == (before.version(), before.ttl())
                }
                Found::Redirect(_) | Found::Tombstone(_) | Found::Absent => false,
            };
            if !is_there {
                continue;
            }
            match to(&after) {
                Some((key_after, record, stub)) => {
                    slots.insert(key_after, Stored::Live(record));
                    slots.insert(key.clone(), Stored::Tombstone(stub));
                }
                None => {
                    slots.insert(key.clone(), Stored::Live(after.clone()));
                }
            }
            return Ok(Found::Live(after));
        }
    }

    /// Locks the map. Each operation is atomic because it holds one lock. No panic can occur
    /// between two changes of the map, so a poisoned lock is still valid.
    fn slots(&self) -> MutexGuard<'_, HashMap<StorageKey, Stored>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryStore({} sessions)", self.len())
    }
}

impl SessionStore for MemoryStore {
    async fn load(&self, key: &StorageKey, at: RequestTime) -> Result<Found, Error> {
        Ok(Stored::found(self.slots().get(key), at.now()).map(Clone::clone))
    }

    async fn create(
        &self,
        key: &StorageKey,
        record: &Record,
        at: RequestTime,
    ) -> Result<(), Error> {
        let mut slots = self.slots();
        sweep(&mut slots, at.now());
        put_new(&mut slots, key, record)
    }

    async fn update(&self, key: &StorageKey, update: Update) -> Result<Found, Error> {
        self.change(key, update.at, |record| update.apply(record), |_| None)
    }

    async fn touch(
        &self,
        key: &StorageKey,
        ttl: Timestamp,
        at: RequestTime,
    ) -> Result<bool, Error> {
        let mut slots = self.slots();
        let record = match Stored::found(slots.get(key), at.now()) {
            Found::Live(record) if record.ttl() < ttl => {
                record.clone().with_ttl(ttl).modified_at(at.now())
            }
            Found::Live(record) => return Ok(record.ttl() == ttl),
            Found::Redirect(_) | Found::Tombstone(_) | Found::Absent => return Ok(false),
        };
        slots.insert(key.clone(), Stored::Live(record));
        Ok(true)
    }

    async fn cycle(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        cycle: Cycle,
    ) -> Result<Found, Error> {
        let moved = |record: &Record| Some((to.clone(), record.clone(), cycle.stub(to)));
        self.change(from, cycle.at, |record| cycle.apply(record), moved)
    }

    async fn replace(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        replacement: Replacement,
    ) -> Result<Found<()>, Error> {
        let mut slots = self.slots();
        let found = Stored::found(slots.get(from), replacement.at.now()).map(drop);
        if let Found::Live(()) | Found::Absent = found {
            put_new(&mut slots, to, &replacement.record)?;
            slots.remove(from);
        }
        Ok(found)
    }

    async fn delete(&self, key: &StorageKey, at: RequestTime) -> Result<Found<()>, Error> {
        let mut slots = self.slots();
        let found = Stored::found(slots.get(key), at.now()).map(drop);
        if let Found::Live(()) | Found::Absent = found {
            slots.remove(key);
        }
        Ok(found)
    }

    fn keeps_users(&self) -> bool {
        true
    }

    /// Scans all sessions, and is therefore only suitable for tests with few of them.
    async fn user_sessions(
        &self,
        user: &Pseudonym,
        at: RequestTime,
    ) -> Result<UserSessions, Error> {
        let slots = self.slots();
        let live = slots
            .values()
            .filter_map(|slot| match Stored::found(Some(slot), at.now()) {
                Found::Live(record) => Some(record),
                Found::Redirect(_) | Found::Tombstone(_) | Found::Absent => None,
            });
        let sessions = live
            .filter(|record| is_of(record, user, Revoked::All))
            .filter_map(Record::info);
        Ok(UserSessions::new(sessions.collect()))
    }

    async fn revoke(
        &self,
        user: &Pseudonym,
        which: Revoked<'_>,
        _: RequestTime,
    ) -> Result<(), Error> {
        self.slots().retain(|_, slot| match slot {
            Stored::Live(record) => !is_of(record, user, which),
            Stored::Tombstone(_) => true,
        });
        Ok(())
    }
}

fn is_of(record: &Record, user: &Pseudonym, which: Revoked<'_>) -> bool {
    record
        .binding()
        .is_some_and(|binding| binding.user() == user && which.includes(binding.handle()))
}

fn put_new(
    slots: &mut HashMap<StorageKey, Stored>,
    key: &StorageKey,
    record: &Record,
) -> Result<(), Error> {
    if slots.contains_key(key) {
        let reason = "the key of a new session is already in use";
        return Err(Error::new(ErrorKind::Conflict, reason));
    }
    slots.insert(key.clone(), Stored::Live(record.clone().at_version(1)));
    Ok(())
}

/// Removes the expired sessions whenever the map would otherwise have to grow.
fn sweep(slots: &mut HashMap<StorageKey, Stored>, now: Timestamp) {
    if slots.len() == slots.capacity() {
        slots.retain(|_, slot| !matches!(Stored::found(Some(slot), now), Found::Absent));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SessionId;
    use crate::store::data::Data;

    #[tokio::test]
    async fn it_counts_its_sessions_and_lets_go_of_what_has_expired() {
        let at = Timestamp::from_epoch_seconds;
        let store = MemoryStore::new();
        assert_eq!((store.len(), store.is_empty()), (0, true));
        let mut begun = 0;
        for now in [1_000, 2_000] {
            let record = Record::new(Data::new(), at(now), at(now + 500));
            for _ in 0..1_000 {
                let id = SessionId::generate().unwrap();
                let moment = RequestTime::at(at(now));
                store
                    .create(id.storage_key(), &record, moment)
                    .await
                    .unwrap();
                begun += 1;
                if now == 1_000 {
                    assert_eq!((store.len(), store.is_empty()), (begun, false));
                }
            }
        }
        // The first thousand made room for some of the second, and none of these went.
        assert!((1_000..2_000).contains(&store.len()), "{store:?}");
    }
}
