//! What a store holds of a session.
//!
//! 1. [`Data`] has one entry per key, each the JSON text of its value: it is parsed when it is
//!    asked for and not before, and comes back exactly as it was put.
//! 2. What a store finds and cannot read stays as it is: an entry as an opaque one, an attribute
//!    in [`Record::carried`]. Both are copied when a record is, so that nothing is lost.
//! 3. `Debug` tells sizes and times, never keys or values.

mod data;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::expiry::Timestamp;
use crate::id::StorageKey;
use crate::user::{Binding, SessionInfo};

pub use crate::record::data::{Data, Entry, Opaque};

/// A session as a store keeps it.
///
/// `Serialize` and `Deserialize` give a form for stores that keep bytes; it holds everything but
/// what only the store that made it can read.
#[derive(Clone, Serialize, Deserialize)]
pub struct Record {
    data: Data,
    created: Timestamp,
    ttl: Timestamp,
    version: u64,
    modified: Timestamp,
    /// When its id was given out, if that is not when it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issued: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    binding: Option<Binding>,
    #[serde(skip)]
    carried: Option<Opaque>,
}

impl Record {
    /// A record that was never written: version 0.
    #[must_use]
    pub fn new(data: Data, created: Timestamp, ttl: Timestamp) -> Self {
        Self {
            data,
            created,
            ttl,
            version: 0,
            modified: created,
            issued: None,
            binding: None,
            carried: None,
        }
    }

    /// The same at that version.
    #[must_use]
    pub fn at_version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    /// The same, dead from that moment.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Timestamp) -> Self {
        self.ttl = ttl;
        self
    }

    /// The same with other data.
    #[must_use]
    pub fn with_data(mut self, data: Data) -> Self {
        self.data = data;
        self
    }

    /// The same, last written or touched then.
    #[must_use]
    pub fn modified_at(mut self, modified: Timestamp) -> Self {
        self.modified = modified;
        self
    }

    /// The same, of that user or of none.
    #[must_use]
    pub fn bound_to(mut self, binding: Option<Binding>) -> Self {
        self.binding = binding;
        self
    }

    /// Returns the same, with another label. A record that is nobody's has none.
    #[must_use]
    pub fn labelled(mut self, label: &str) -> Self {
        self.binding = self.binding.map(|binding| binding.labelled(label));
        self
    }

    /// The same, whose id was given out then.
    #[must_use]
    pub fn issued_at(mut self, issued: Timestamp) -> Self {
        self.issued = Some(issued);
        self
    }

    /// The same, carrying what only its store understands to where the record is written again.
    #[must_use]
    pub fn carrying(mut self, what: Opaque) -> Self {
        self.carried = Some(what);
        self
    }

    /// One entry per key.
    #[must_use]
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// When the session began. Its lifetime counts from here, renewals included.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// From when on it is dead.
    #[must_use]
    pub fn ttl(&self) -> Timestamp {
        self.ttl
    }

    /// How often it was written; a touch does not count.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// When it was last written or touched.
    #[must_use]
    pub fn modified(&self) -> Timestamp {
        self.modified
    }

    /// Whose it is, if it is a user's.
    #[must_use]
    pub fn binding(&self) -> Option<&Binding> {
        self.binding.as_ref()
    }

    /// What there is to tell its user of it. `None` if it is nobody's.
    #[must_use]
    pub fn info(&self) -> Option<SessionInfo> {
        let binding = self.binding()?;
        Some(SessionInfo::new(
            binding,
            self.created,
            self.modified,
            self.ttl,
        ))
    }

    /// When its id was given out, if that is not when it began, and is kept: for the
    /// [scheduled renewal](crate::SessionLayer::cycle_id_after).
    #[must_use]
    pub fn issued(&self) -> Option<Timestamp> {
        self.issued
    }

    /// What the store that read it asked to be carried along.
    #[must_use]
    pub fn carried(&self) -> Option<&Opaque> {
        self.carried.as_ref()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("data", &self.data)
            .field("created", &self.created)
            .field("ttl", &self.ttl)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// What stands at a storage key, for stores that read, change and write a whole record under a
/// lock or a transaction of their own. [`MemoryStore`](crate::MemoryStore) is written with it.
#[non_exhaustive]
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Stored {
    /// A session.
    Live(Record),
    /// What a renewal leaves: the session goes on under another id.
    Renewed(Stub),
}

/// What is left of a record at the key from which it was renewed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stub {
    ttl: Timestamp,
    /// When the id died.
    #[serde(default = "Timestamp::latest")]
    since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<StorageKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    heir: Option<StorageKey>,
}

impl Stub {
    /// Returns one that leads nowhere, of an id that died at `since`.
    #[must_use]
    pub fn new(since: Timestamp, ttl: Timestamp) -> Self {
        Self {
            ttl,
            since,
            next: None,
            heir: None,
        }
    }

    /// One that leads there.
    #[must_use]
    pub fn leading_to(mut self, next: StorageKey) -> Self {
        self.next = Some(next);
        self
    }

    /// One of a session that went there, and does not lead there: only a revocation follows.
    #[must_use]
    pub fn inherited_by(mut self, heir: StorageKey) -> Self {
        self.heir = Some(heir);
        self
    }

    /// From when on it is as good as absent.
    #[must_use]
    pub fn ttl(&self) -> Timestamp {
        self.ttl
    }

    /// Returns when the id died.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Where the session goes on for who still comes by this key.
    #[must_use]
    pub fn next(&self) -> Option<&StorageKey> {
        self.next.as_ref()
    }

    /// Where the session went, for who revokes it.
    #[must_use]
    pub fn heir(&self) -> Option<&StorageKey> {
        self.heir.as_ref().or(self.next())
    }
}

impl Stored {
    /// What it is at that moment: an expired one is absent, whether it was deleted or not.
    #[must_use]
    pub fn found(slot: Option<&Self>, now: Timestamp) -> Found<&Record> {
        match slot {
            Some(Self::Live(record)) if record.ttl > now => Found::Live(record),
            Some(Self::Renewed(stub)) if stub.ttl > now => match stub.next() {
                Some(next) => Found::Moved(next.clone()),
                None => Found::Renewed(stub.since),
            },
            _ => Found::Absent,
        }
    }
}

/// What a store found where it looked.
#[allow(clippy::exhaustive_enums)] // the answers of every store, now and later
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<T = Record> {
    /// A session that lives.
    Live(T),
    /// The stub of one that was renewed on schedule: for a while it goes on under this key for it
    /// too.
    Moved(StorageKey),
    /// The stub of one that was renewed at that time: its id is dead. A request that was running by
    /// then writes nothing.
    Renewed(Timestamp),
    /// Nothing, or what has expired, or an item that is not a session of ours.
    Absent,
}

impl<T> Found<T> {
    /// The same with another content.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Found<U> {
        match self {
            Self::Live(live) => Found::Live(f(live)),
            Self::Moved(next) => Found::Moved(next),
            Self::Renewed(since) => Found::Renewed(since),
            Self::Absent => Found::Absent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_expired_is_absent() {
        let at = Timestamp::from_epoch_seconds;
        let live = Stored::Live(Record::new(Data::new(), at(0), at(10)));
        assert!(matches!(Stored::found(Some(&live), at(9)), Found::Live(_)));
        assert_eq!(Stored::found(Some(&live), at(10)).map(drop), Found::Absent);
        let stub = Stored::Renewed(Stub::new(at(5), at(10)));
        let renewed = Stored::found(Some(&stub), at(9)).map(drop);
        assert_eq!(renewed, Found::Renewed(at(5)));
        assert_eq!(Stored::found(Some(&stub), at(10)).map(drop), Found::Absent);
        assert_eq!(Stored::found(None, at(0)).map(drop), Found::Absent);
    }

    #[test]
    fn debug_tells_neither_keys_nor_values() {
        let data: Data = [("secret-key", Entry::from_json("\"secret\""))]
            .into_iter()
            .collect();
        let record = Record::new(
            data,
            Timestamp::from_epoch_seconds(1),
            Timestamp::from_epoch_seconds(2),
        );
        let shown = format!("{record:?} {:?}", record.data().get("secret-key"));
        assert!(!shown.contains("secret"), "{shown}");
        assert!(shown.contains("1 entries, 18 bytes"), "{shown}");
    }
}
