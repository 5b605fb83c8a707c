//! The records that were read or written last, without their data.
//!
//! 1. tower-sessions has no place for the version and the fence of a record, by which a save is
//!    retried safely. So they are remembered here from the load to the save.
//! 2. A record that was forgotten is read again. A record that another request has written since
//!    costs a save another attempt. Nothing else depends on what is remembered.
//! 3. The number of records is limited. They are kept by their storage keys, and ids are not kept.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lambda_sessions::store::{Data, Record, StorageKey};

/// The number of records of a generation. On Lambda, few requests run at a time.
const GENERATION: usize = 512;

/// The records of the last 512 to 1,024 sessions, shared by the clones of a store.
#[derive(Clone, Default)]
pub(crate) struct ReadRecords(Arc<Mutex<Generations>>);

#[derive(Default)]
struct Generations {
    young: HashMap<StorageKey, Arc<Record>>,
    old: HashMap<StorageKey, Arc<Record>>,
}

impl ReadRecords {
    /// Keeps a record without its data.
    pub(crate) fn put(&self, key: StorageKey, record: Record) {
        let record = Arc::new(record.with_data(Data::new()));
        let mut kept = self.lock();
        kept.old.remove(&key);
        if kept.young.len() == GENERATION && !kept.young.contains_key(&key) {
            kept.old = mem::take(&mut kept.young);
        }
        kept.young.insert(key, record);
    }

    /// Removes a record and returns it.
    pub(crate) fn take(&self, key: &StorageKey) -> Option<Arc<Record>> {
        let mut kept = self.lock();
        kept.young.remove(key).or_else(|| kept.old.remove(key))
    }

    /// Locks the records. No panic can leave them half changed, so a poisoned lock is still valid.
    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambda_sessions::store::{Entry, Timestamp};

    fn key(n: usize) -> StorageKey {
        StorageKey::derived("tests", &n.to_le_bytes())
    }

    fn record(version: u64) -> Record {
        let data = Data::from_iter([("user", Entry::from_json("1"))]);
        let at = Timestamp::from_epoch_seconds(1);
        Record::new(data, at, at).at_version(version)
    }

    #[test]
    fn records_are_kept_without_data_until_taken() {
        let records = ReadRecords::default();
        records.put(key(1), record(1));
        records.clone().put(key(1), record(2));
        let taken = records.take(&key(1)).unwrap();
        assert_eq!((taken.version(), taken.data().len()), (2, 0));
        assert!(records.take(&key(1)).is_none());
    }

    #[test]
    fn records_are_limited_to_the_latest() {
        let records = ReadRecords::default();
        for n in 0..3 * GENERATION {
            records.put(key(n), record(1));
        }
        let kept = (0..3 * GENERATION).map(|n| records.take(&key(n)).is_some());
        let kept: Vec<bool> = kept.collect();
        assert!(kept[2 * GENERATION..].iter().all(|is_there| *is_there));
        assert!(kept[..GENERATION].iter().all(|is_there| !is_there));
    }

    #[test]
    fn newer_record_replaces_an_old_one() {
        let records = ReadRecords::default();
        for n in 0..=GENERATION {
            records.put(key(n), record(1));
        }
        records.put(key(0), record(2));
        assert_eq!(records.take(&key(0)).unwrap().version(), 2);
        assert!(records.take(&key(0)).is_none());
    }
}
