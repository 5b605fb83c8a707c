//! Versioned stores with a flaw each.

use std::collections::HashMap;
use std::sync::Mutex;

use lambda_sessions::store::{
    Item, Lifetimes, RequestTime, StorageKey, Stored, Tombstone, VersionedStore, Write,
};
use lambda_sessions::{Error, ErrorKind};

/// Defines the flaws and the list of all of them.
macro_rules! flaws {
    ($($name:ident,)*) => {
        /// The ways in which a versioned store can go wrong.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) enum Flaw {
            /// The store is correct.
            #[default]
            None,
            $($name,)*
        }

        pub(crate) const FLAWS: &[Flaw] = &[$(Flaw::$name,)*];
    };
}

flaws! {
    ExpectsNothing,
    ExpectsOnlyRevisions,
    ExpectsOnlyAbsence,
    ChecksTheFirstOnly,
    WritesAsItChecks,
    WritesTheFirstOnly,
    ChecksAndThenWrites,
    KeepsTheDeleted,
    DeletesUnchecked,
    FailsOnConflict,
    NewRevisionsOfItsOwn,
    HidesTheExpired,
    FoldsCase,
    CutsLongKeys,
    ForgetsSuccessors,
    ForgetsTheLabel,
    ForgetsLifetimes,
    ReadsAReplica,
}

/// A versioned store with a flaw.
#[derive(Default)]
pub(crate) struct Flawed {
    flaw: Flaw,
    items: Mutex<HashMap<String, Item>>,
    replica: Mutex<HashMap<String, Item>>,
}

impl Flawed {
    pub(crate) fn with(flaw: Flaw) -> Self {
        Self {
            flaw,
            ..Self::default()
        }
    }

    fn name(&self, key: &StorageKey) -> String {
        match self.flaw {
            Flaw::FoldsCase => key.as_str().to_lowercase(),
            Flaw::CutsLongKeys => key.as_str().chars().take(42).collect(),
            _ => key.as_str().to_owned(),
        }
    }

    fn accepts(&self, write: &Write) -> bool {
        let items = self.items.lock().unwrap();
        let there = items.get(&self.name(write.key()));
        let is_about_absence = write.expected().is_none();
        match self.flaw {
            Flaw::ExpectsNothing => true,
            Flaw::ExpectsOnlyRevisions if is_about_absence => true,
            Flaw::ExpectsOnlyAbsence if !is_about_absence => there.is_some(),
            Flaw::DeletesUnchecked if write.item().is_none() => true,
            _ => write.accepts(there),
        }
    }

    fn write(&self, write: Write) {
        let mut items = self.items.lock().unwrap();
        let (key, item) = write.into_parts();
        let name = self.name(&key);
        let Some(item) = item else {
            if self.flaw != Flaw::KeepsTheDeleted {
                items.remove(&name);
            }
            return;
        };
        let value = item.value().clone();
        let item = match (self.flaw, value) {
            (Flaw::NewRevisionsOfItsOwn, value) => Item::new(value).unwrap(),
            (Flaw::ForgetsSuccessors, Stored::Tombstone(tombstone)) => {
                let without = Tombstone::new(tombstone.since(), tombstone.ttl());
                same_revision(&item, Stored::Tombstone(without))
            }
            (Flaw::ForgetsTheLabel, Stored::Live(record)) => {
                same_revision(&item, Stored::Live(record.labelled("")))
            }
            (Flaw::ForgetsLifetimes, Stored::Live(record)) => {
                let without = record.with_lifetimes(Lifetimes::default());
                same_revision(&item, Stored::Live(without))
            }
            _ => item,
        };
        let previous = items.insert(name.clone(), item.clone());
        let seen = previous.unwrap_or(item);
        self.replica.lock().unwrap().insert(name, seen);
    }
}

/// Returns an item with this value and the revision of another one.
fn same_revision(item: &Item, value: Stored) -> Item {
    let json = |item: &Item| -> serde_json::Value {
        serde_json::from_slice(&item.to_json().unwrap()).unwrap()
    };
    let mut changed = json(&Item::new(value).unwrap());
    changed["revision"] = json(item)["revision"].clone();
    serde_json::from_value(changed).unwrap()
}

impl VersionedStore for Flawed {
    async fn get(&self, key: &StorageKey, at: RequestTime) -> Result<Option<Item>, Error> {
        let items = match self.flaw {
            Flaw::ReadsAReplica => &self.replica,
            _ => &self.items,
        };
        let item = items.lock().unwrap().get(&self.name(key)).cloned();
        let is_hidden =
            |item: &Item| self.flaw == Flaw::HidesTheExpired && item.expires() <= at.now();
        Ok(item.filter(|item| !is_hidden(item)))
    }

    async fn commit(&self, writes: Vec<Write>, _: RequestTime) -> Result<bool, Error> {
        let count = match self.flaw {
            Flaw::ChecksTheFirstOnly => 1,
            _ => writes.len(),
        };
        if self.flaw == Flaw::WritesAsItChecks {
            for write in writes {
                if !self.accepts(&write) {
                    return Ok(false);
                }
                self.write(write);
            }
            return Ok(true);
        }
        if !writes.iter().take(count).all(|write| self.accepts(write)) {
            return match self.flaw {
                Flaw::FailsOnConflict => Err(Error::new(ErrorKind::Conflict, "a conflict")),
                _ => Ok(false),
            };
        }
        if self.flaw == Flaw::ChecksAndThenWrites {
            tokio::task::yield_now().await;
        }
        let written = match self.flaw {
            Flaw::WritesTheFirstOnly => 1,
            _ => writes.len(),
        };
        writes
            .into_iter()
            .take(written)
            .for_each(|write| self.write(write));
        Ok(true)
    }
}
