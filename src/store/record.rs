//! The record that a store holds for one session.
//!
//! 1. [`Data`] has one entry per key, which is the JSON text of the value. It is parsed only when
//!    it is read, and it is returned exactly as it was stored.
//! 2. Data that DynamoDB holds and this library cannot read is kept unchanged: an entry in its
//!    native form, and an attribute in `Record::native`. Both are copied with the record.
//! 3. A cycled id leaves a [`Redirect`] or a [`Tombstone`]: one leads to the session, the other does
//!    not.
//! 4. `Debug` shows sizes and times, never keys or values.

use std::fmt;
#[cfg(feature = "dynamodb")]
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::expiry::lifetimes::Lifetimes;
use crate::id::StorageKey;
use crate::store::data::Data;
#[cfg(feature = "dynamodb")]
use crate::store::native::NativeParts;
use crate::store::session_info::SessionInfo;
use crate::store::user::Binding;

/// A session as a store keeps it.
///
/// `Serialize` and `Deserialize` provide a form for stores that keep bytes. It contains everything
/// except the attributes of a DynamoDB item that this library does not know.
#[derive(Clone, Serialize, Deserialize)]
pub struct Record {
    data: Data,
    created: Timestamp,
    ttl: Timestamp,
    version: u64,
    modified: Timestamp,
    /// The time at which the id was issued, if it is not the time at which the session began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issued: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    binding: Option<Binding>,
    #[serde(default, skip_serializing_if = "Lifetimes::is_empty")]
    lifetimes: Lifetimes,
    /// The parts that only DynamoDB's store understands.
    #[cfg(feature = "dynamodb")]
    #[serde(skip)]
    native: Option<Arc<NativeParts>>,
}

impl Record {
    /// Creates a record that was never written, at version 0.
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
            lifetimes: Lifetimes::default(),
            #[cfg(feature = "dynamodb")]
            native: None,
        }
    }

    /// Sets the version.
    #[must_use]
    pub fn at_version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    /// Sets the expiry.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Timestamp) -> Self {
        self.ttl = ttl;
        self
    }

    /// Replaces the data.
    #[must_use]
    pub fn with_data(mut self, data: Data) -> Self {
        self.data = data;
        self
    }

    /// Changes the data without a copy of it.
    pub(crate) fn map_data(mut self, f: impl FnOnce(Data) -> Data) -> Self {
        self.data = f(self.data);
        self
    }

    /// Sets the time of the last write or touch.
    #[must_use]
    pub fn modified_at(mut self, modified: Timestamp) -> Self {
        self.modified = modified;
        self
    }

    /// Binds the record to a user, or to none.
    #[must_use]
    pub fn bound_to(mut self, binding: Option<Binding>) -> Self {
        self.binding = binding;
        self
    }

    /// Sets the label.
    ///
    /// A record that is not bound to a user has no label and stays unchanged.
    #[must_use]
    pub fn labelled(mut self, label: &str) -> Self {
        self.binding = self.binding.map(|binding| binding.labelled(label));
        self
    }

    /// Sets the time at which the id was issued.
    #[must_use]
    pub fn issued_at(mut self, issued: Timestamp) -> Self {
        self.issued = Some(issued);
        self
    }

    /// Sets the lifetimes of this session, where they differ from those of the layer.
    #[must_use]
    pub fn with_lifetimes(mut self, lifetimes: Lifetimes) -> Self {
        self.lifetimes = lifetimes;
        self
    }

    /// Attaches the parts that only DynamoDB's store understands.
    #[cfg(feature = "dynamodb")]
    pub(crate) fn with_native(mut self, native: NativeParts) -> Self {
        self.native = Some(native.into());
        self
    }

    /// Returns the data, one entry per key.
    #[must_use]
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Returns the time at which the session began.
    ///
    /// The lifetime counts from this time, also after the id was cycled.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// Returns the expiry: the record is dead from this time on.
    #[must_use]
    pub fn ttl(&self) -> Timestamp {
        self.ttl
    }

    /// Returns the number of writes. A touch does not count.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the time of the last write or touch.
    #[must_use]
    pub fn modified(&self) -> Timestamp {
        self.modified
    }

    /// Returns the binding, if the session is bound to a user.
    #[must_use]
    pub fn binding(&self) -> Option<&Binding> {
        self.binding.as_ref()
    }

    /// Returns the information about the session for its user, or `None` if it is not bound to a
    /// user. A store that lists it adds the key: [`SessionInfo::stored_at`].
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

    /// Returns the time at which the id was issued, if it is stored and is not the time at which
    /// the session began.
    ///
    /// It is used to [cycle the id automatically](crate::SessionLayer::cycle_id_after).
    #[must_use]
    pub fn issued(&self) -> Option<Timestamp> {
        self.issued
    }

    /// Returns the lifetimes of this session, where they differ from those of the layer.
    #[must_use]
    pub fn lifetimes(&self) -> Lifetimes {
        self.lifetimes
    }

    /// Returns the parts that only DynamoDB's store understands, if it has read any.
    #[cfg(feature = "dynamodb")]
    pub(crate) fn native(&self) -> Option<&NativeParts> {
        self.native.as_deref()
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

/// The item that is left at the key of an id that was cycled automatically.
///
/// During the grace period, requests with the old id are served the session under the next key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    ttl: Timestamp,
    since: Timestamp,
    next: StorageKey,
}

impl Redirect {
    /// Creates a redirect to `next` for an id that was cycled at `since`.
    #[must_use]
    pub const fn new(since: Timestamp, ttl: Timestamp, next: StorageKey) -> Self {
        Self { ttl, since, next }
    }

    /// Returns the expiry: the redirect counts as absent from this time on.
    #[must_use]
    pub fn ttl(&self) -> Timestamp {
        self.ttl
    }

    /// Returns the time at which the id was cycled.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Returns the key of the session.
    #[must_use]
    pub fn next(&self) -> &StorageKey {
        &self.next
    }
}

/// The item that marks an id as dead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    ttl: Timestamp,
    since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    successor: Option<StorageKey>,
}

impl Tombstone {
    /// Creates a tombstone for an id that was invalidated at `since`.
    #[must_use]
    pub const fn new(since: Timestamp, ttl: Timestamp) -> Self {
        Self {
            ttl,
            since,
            successor: None,
        }
    }

    /// Sets the key of the session that continues under another id. Only a revocation follows it.
    #[must_use]
    pub fn succeeded_by(mut self, successor: StorageKey) -> Self {
        self.successor = Some(successor);
        self
    }

    /// Returns the expiry: the tombstone counts as absent from this time on.
    #[must_use]
    pub fn ttl(&self) -> Timestamp {
        self.ttl
    }

    /// Returns the time at which the id was invalidated.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Returns the successor, which only a revocation follows.
    #[must_use]
    pub fn successor(&self) -> Option<&StorageKey> {
        self.successor.as_ref()
    }
}

/// The item that is left at the old key when an id is cycled.
#[allow(clippy::exhaustive_enums)] // an id that was cycled leads to its session, or does not
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeftBehind {
    /// The id was cycled automatically.
    Redirect(Redirect),
    /// The id was cycled by the application.
    Tombstone(Tombstone),
}

impl LeftBehind {
    /// Returns the expiry: the item counts as absent from this time on.
    #[must_use]
    pub fn ttl(&self) -> Timestamp {
        match self {
            Self::Redirect(redirect) => redirect.ttl(),
            Self::Tombstone(tombstone) => tombstone.ttl(),
        }
    }

    /// Returns the time at which the id was cycled.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        match self {
            Self::Redirect(redirect) => redirect.since(),
            Self::Tombstone(tombstone) => tombstone.since(),
        }
    }
}

/// The content that a store found at a key.
#[allow(clippy::exhaustive_enums)] // the answers of every store, now and later
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<T = Record> {
    /// A live session.
    Live(T),
    /// A redirect, left by an id that was cycled automatically: during the grace period, the
    /// session is found under this key.
    Redirect(StorageKey),
    /// A tombstone of an id that was invalidated at this time. A request that was already running
    /// at that time writes nothing.
    Tombstone(Timestamp),
    /// No item, an expired item, or an item that is not a session of this library.
    Absent,
}

impl<T> Found<T> {
    /// Converts the content of [`Live`](Self::Live).
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Found<U> {
        match self {
            Self::Live(live) => Found::Live(f(live)),
            Self::Redirect(next) => Found::Redirect(next),
            Self::Tombstone(since) => Found::Tombstone(since),
            Self::Absent => Found::Absent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::data::Entry;

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
