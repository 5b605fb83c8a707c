//! The arguments of a store's methods, and what they do to a record.
//!
//! They own what they hold, so a store can move them into a task or send them again. Their effect on a
//! record is a pure function, so that all stores agree.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::expiry::lifetimes::Lifetimes;
use crate::expiry::{GRACE_SECONDS, TOMBSTONE_SECONDS, reconciled};
use crate::id::StorageKey;
use crate::store::changes::change_set::Changes;
use crate::store::record::{LeftBehind, Record, Redirect, Tombstone};
#[cfg(doc)]
use crate::store::session_store::SessionStore;
use crate::store::user::Binding;

/// The time at which a store operation takes place, and its deadline.
#[derive(Clone, Copy, Debug)]
pub struct RequestTime {
    now: Timestamp,
    deadline: Option<Instant>,
}

impl RequestTime {
    /// Creates a time without a deadline, which leaves the limit for retries to the store.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self {
            now,
            deadline: None,
        }
    }

    /// Sets the deadline, or removes it.
    #[must_use]
    pub const fn until(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    /// Returns the time, by the layer's clock.
    #[must_use]
    pub const fn now(self) -> Timestamp {
        self.now
    }

    /// Returns the time at which to stop retrying.
    ///
    /// A call without a response at that time has failed for its caller.
    #[must_use]
    pub const fn deadline(self) -> Option<Instant> {
        self.deadline
    }
}

/// The arguments of [`SessionStore::load_with`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Load {
    /// The touch to make in the same step, if it applies to the record.
    pub touch: Option<Touch>,
    /// The version that the client knows of, if it has said so. It is a hint, which may be wrong.
    pub version: Option<u64>,
    /// The time and the deadline.
    pub at: RequestTime,
}

impl Load {
    /// Creates the arguments of a load that changes nothing.
    #[must_use]
    pub const fn new(at: RequestTime) -> Self {
        Self {
            touch: None,
            version: None,
            at,
        }
    }
}

/// A touch that is made before the record is known, and the records that it applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Touch {
    /// The new expiry.
    pub ttl: Timestamp,
    /// The latest expiry that is extended. A record that expires later was touched recently.
    pub latest_ttl: Timestamp,
    /// The earliest start of a session that is extended. The lifetime of an earlier one ends before
    /// the new expiry.
    pub earliest_created: Timestamp,
}

impl Touch {
    /// Creates a touch of the records that began and expire within these limits.
    #[must_use]
    pub const fn new(ttl: Timestamp, latest_ttl: Timestamp, earliest_created: Timestamp) -> Self {
        Self {
            ttl,
            latest_ttl,
            earliest_created,
        }
    }

    /// Returns whether the touch applies to a live record.
    ///
    /// It does not apply to a record whose binding to a user ends before the new expiry, or whose expiry
    /// follows [lifetimes of its own](Lifetimes::limits_expiry).
    #[must_use]
    pub fn applies(&self, record: &Record) -> bool {
        record.ttl() <= self.latest_ttl
            && record.created() >= self.earliest_created
            && record
                .binding()
                .is_none_or(|bound| bound.ends() >= self.ttl)
            && !record.lifetimes().limits_expiry()
    }

    /// Returns the record after the touch, or `None` if the touch does not apply to it.
    #[must_use]
    pub fn apply(&self, record: &Record, now: Timestamp) -> Option<Record> {
        let touched = || record.clone().with_ttl(self.ttl).modified_at(now);
        self.applies(record).then(touched)
    }
}

/// The arguments of [`SessionStore::update`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Update {
    /// The changes by key.
    pub changes: Arc<Changes>,
    /// The new expiry. `None` keeps the old one. If another request has changed the lifetimes since the
    /// read, [`expiry_in`](Self::expiry_in) returns the expiry to store.
    pub ttl: Option<Timestamp>,
    /// The new label. `None` keeps the old one. A record that is not bound to a user has no label.
    pub label: Option<String>,
    /// The lifetimes to set. A field that is `None` keeps the old one.
    pub lifetimes: Lifetimes,
    /// The record as it was read, or `None` if it was not read. The stored record may be newer.
    pub read: Option<Arc<Record>>,
    /// If true, the update fails with [`Conflict`](crate::ErrorKind::Conflict) if another request
    /// has written since the read.
    pub require_unchanged: bool,
    /// If true, the caller uses nothing of the returned record but its version, and that only if
    /// [`reads_may_be_stale`](crate::SessionStore::reads_may_be_stale). A store that was given the
    /// record as it was [read](Self::read) need not return the rest.
    pub discards_values: bool,
    /// The time and the deadline.
    pub at: RequestTime,
}

impl Update {
    /// Creates an update of a record that was not read, which keeps the expiry.
    #[must_use]
    pub fn new(changes: impl Into<Arc<Changes>>, at: RequestTime) -> Self {
        Self {
            changes: changes.into(),
            ttl: None,
            label: None,
            lifetimes: Lifetimes::default(),
            read: None,
            require_unchanged: false,
            discards_values: false,
            at,
        }
    }

    /// Returns the expiry of this record after the update.
    #[must_use]
    pub fn expiry_in(&self, record: &Record) -> Timestamp {
        let read = self.read.as_ref().map(|read| read.lifetimes());
        let stored = (record.lifetimes(), record.ttl());
        self.ttl.map_or(record.ttl(), |ttl| {
            reconciled(ttl, self.lifetimes, read, stored, self.at.now())
        })
    }

    /// Returns the record after the update.
    ///
    /// # Errors
    ///
    /// Fails with [`Conflict`](crate::ErrorKind::Conflict) if the record was required to be
    /// unchanged and has changed. Fails with the errors of [`Changes::apply`].
    pub fn apply(&self, record: &Record) -> Result<Record, Error> {
        let read = self.read.as_ref().filter(|_| self.require_unchanged);
        if read.is_some_and(|read| read.version() != record.version()) {
            let reason = "another request wrote the session first";
            return Err(Error::new(ErrorKind::Conflict, reason));
        }
        let data = self.changes.apply(record.data())?;
        let labelled = match &self.label {
            Some(label) => record.clone().labelled(label),
            None => record.clone(),
        };
        Ok(labelled
            .with_data(data)
            .with_ttl(self.expiry_in(record))
            .with_lifetimes(self.lifetimes.or(record.lifetimes()))
            .modified_at(self.at.now())
            .at_version(record.version().saturating_add(1)))
    }
}

/// The arguments of [`SessionStore::replace`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Replacement {
    /// The deleted record as it was read, or `None` if it was not read. The stored record may be
    /// newer.
    pub read: Option<Arc<Record>>,
    /// The record that replaces it.
    pub record: Record,
    /// The time and the deadline.
    pub at: RequestTime,
}

impl Replacement {
    /// Creates a replacement of a record that was not read.
    #[must_use]
    pub const fn new(record: Record, at: RequestTime) -> Self {
        Self {
            read: None,
            record,
            at,
        }
    }
}

/// The arguments of [`SessionStore::cycle`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Cycle {
    /// The record as it was read. The stored record may be newer.
    pub read: Arc<Record>,
    /// The changes to apply on the way.
    pub changes: Arc<Changes>,
    /// The expiry under the new key.
    pub ttl: Timestamp,
    /// The binding under the new key, whatever the previous one was.
    pub binding: Option<Binding>,
    /// The lifetimes to set. A field that is `None` keeps the old one.
    pub lifetimes: Lifetimes,
    /// If true, the id is cycled automatically, and the item left behind redirects to the new key
    /// during the grace period.
    pub redirects: bool,
    /// If true, the record stores the time at which its id was issued from now on.
    pub records_issue: bool,
    /// If true, the call fails with [`Conflict`](crate::ErrorKind::Conflict) if another request has
    /// written since the read.
    pub require_unchanged: bool,
    /// The time and the deadline.
    pub at: RequestTime,
}

impl Cycle {
    /// Creates the arguments for moving this record to a new key.
    #[must_use]
    pub fn new(
        read: impl Into<Arc<Record>>,
        changes: impl Into<Arc<Changes>>,
        ttl: Timestamp,
        at: RequestTime,
    ) -> Self {
        let read = read.into();
        Self {
            binding: read.binding().cloned(),
            read,
            changes: changes.into(),
            ttl,
            lifetimes: Lifetimes::default(),
            redirects: false,
            records_issue: false,
            require_unchanged: false,
            at,
        }
    }

    /// Returns the record to store under the new key.
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`Update::apply`].
    pub fn apply(&self, record: &Record) -> Result<Record, Error> {
        let update = Update {
            ttl: Some(self.ttl),
            lifetimes: self.lifetimes,
            read: Some(Arc::clone(&self.read)),
            require_unchanged: self.require_unchanged,
            ..Update::new(Arc::clone(&self.changes), self.at)
        };
        let record = update.apply(record)?.bound_to(self.binding.clone());
        Ok(match self.records_issue {
            true => record.issued_at(self.at.now()),
            false => record,
        })
    }

    /// Returns the item to leave at the old key: a redirect or a tombstone that names `to`.
    ///
    /// A tombstone names it as the successor only if the same user is bound to both.
    #[must_use]
    pub fn left_behind(&self, to: &StorageKey) -> LeftBehind {
        let now = self.at.now();
        let after = |seconds| now.plus(Duration::from_secs(seconds));
        if self.redirects {
            return LeftBehind::Redirect(Redirect::new(now, after(GRACE_SECONDS), to.clone()));
        }
        let tombstone = Tombstone::new(now, after(TOMBSTONE_SECONDS));
        LeftBehind::Tombstone(match (self.read.binding(), &self.binding) {
            (Some(before), Some(after)) if before.user() == after.user() => {
                tombstone.succeeded_by(to.clone())
            }
            _ => tombstone,
        })
    }
}
