//! A store in the memory of one process, for tests and experiments.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::id::StorageKey;
use crate::store::arguments::RequestTime;
use crate::store::item::{Item, Write};
use crate::store::stored::Stored;
use crate::store::versioned::VersionedStore;

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
    items: Arc<Mutex<HashMap<StorageKey, Item>>>,
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
        let is_session = |item: &&Item| matches!(item.value(), Stored::Live(_));
        self.items().values().filter(is_session).count()
    }

    /// Returns whether the store holds no sessions.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Locks the map. No panic can occur between two changes of it, so a poisoned lock is still
    /// valid.
    fn items(&self) -> MutexGuard<'_, HashMap<StorageKey, Item>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryStore({} sessions)", self.len())
    }
}

impl VersionedStore for MemoryStore {
    async fn get(&self, key: &StorageKey, _: RequestTime) -> Result<Option<Item>, Error> {
        Ok(self.items().get(key).cloned())
    }

    async fn commit(&self, writes: Vec<Write>, at: RequestTime) -> Result<bool, Error> {
        let mut items = self.items();
        if !writes
            .iter()
            .all(|write| write.accepts(items.get(write.key())))
        {
            return Ok(false);
        }
        // Expired items are removed whenever the map would otherwise have to grow.
        if items.len() == items.capacity() {
            items.retain(|_, item| item.expires() > at.now());
        }
        for (key, item) in writes.into_iter().map(Write::into_parts) {
            match item {
                Some(item) => items.insert(key, item),
                None => items.remove(&key),
            };
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::SessionId;
    use crate::store::data::Data;
    use crate::store::record::Record;
    use crate::store::session_store::SessionStore as _;

    #[tokio::test]
    async fn memory_store_drops_expired_sessions() {
        let at = Timestamp::from_epoch_seconds;
        let store = MemoryStore::new();
        assert_eq!((store.len(), store.is_empty()), (0, true));
        let mut begun = 0;
        for now in [1_000, 2_000] {
            let record = Record::new(Data::new(), at(now), at(now + 500));
            for _ in 0..1_000 {
                let id = SessionId::generate().unwrap();
                let at = RequestTime::at(at(now));
                store.create(id.storage_key(), &record, at).await.unwrap();
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
