//! The trait of a session store, and the arguments of its methods.
//!
//! 1. A store sees storage keys, never ids, and it never sees a [`Session`](crate::Session).
//! 2. The [`RequestTime`] is an argument, because a store has no clock of its own. A record that has
//!    expired at that moment is absent, whether it was deleted or not.
//! 3. Every write except a create requires a live record. The check and the write are one atomic
//!    step, so a session that was logged out cannot come back.
//! 4. Every method returns what it [`Found`]. A write took effect if it found
//!    [`Live`](Found::Live), unless the method states otherwise.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::expiry::{GRACE_SECONDS, TOMBSTONE_SECONDS};
use crate::id::StorageKey;
use crate::store::changes::change_set::Changes;
use crate::store::record::{Found, Record, Tombstone};
use crate::store::user::{Binding, Pseudonym, Revoked, UserSessions};

/// A store of sessions.
///
/// Write the methods as `async fn`; the futures must be `Send`. Run the public suite
/// `lambda_sessions::store::conformance` (feature `conformance`) against your store. It tests each
/// sentence below.
///
/// The effect of the methods on a record is implemented once, as pure functions: [`Stored::found`],
/// [`Update::apply`] and [`Cycle::apply`]. Some stores can read, change and write one key in a transaction of their own: Redis with `WATCH`, SQL, or a file under a lock. They need little more than these functions: see `examples/custom_store`.
///
/// [`Stored::found`]: crate::store::Stored::found
///
/// A key holds a record, a stub, or nothing. A stub is left at an id that was cycled. It is a
/// redirect ([`Found::Redirect`]) during the grace period of an automatically cycled id, and a
/// tombstone ([`Found::Tombstone`]) otherwise.
///
/// Every method takes effect in one atomic step or not at all. If the response to a write was lost,
/// return [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) and never success.
///
/// All methods fail with [`Unavailable`](crate::ErrorKind::Unavailable),
/// [`Throttled`](crate::ErrorKind::Throttled) and
/// [`Misconfigured`](crate::ErrorKind::Misconfigured). Reads fail with
/// [`Timeout`](crate::ErrorKind::Timeout), and writes with
/// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown). All methods fail with
/// [`Corrupt`](crate::ErrorKind::Corrupt) if the record has a newer format, and do not change it.
pub trait SessionStore: Send + Sync + 'static {
    /// Reads a record.
    ///
    /// An absent, expired or malformed record gives [`Found::Absent`]. A stub gives
    /// [`Found::Redirect`] if it is a redirect, and [`Found::Tombstone`] otherwise, here and in all
    /// methods below. A record with one malformed entry is live, and the entry is kept.
    fn load(
        &self,
        key: &StorageKey,
        at: RequestTime,
    ) -> impl Future<Output = Result<Found, Error>> + Send;

    /// Stores a record that begins now, at version 1, under a key that holds nothing.
    ///
    /// Fails with [`Conflict`](crate::ErrorKind::Conflict) if the key holds anything, expired or
    /// not. This does not happen in practice, because keys are hashes of 256 random bits. The same
    /// create succeeds if it is sent again after its response was lost. Fails with
    /// [`TooLarge`](crate::ErrorKind::TooLarge).
    fn create(
        &self,
        key: &StorageKey,
        record: &Record,
        at: RequestTime,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Changes some keys of a live record, raises its version by one, and returns the record after
    /// the change.
    ///
    /// Changes of other keys by concurrent requests are kept, and all increments add up, without
    /// conflicts. A [function](crate::store::Change::Apply) is applied to the value as it is when it is
    /// written. If another request changes that key first, the function is applied again until the
    /// [deadline](RequestTime::deadline). Then the update fails with
    /// [`Conflict`](crate::ErrorKind::Conflict).
    ///
    /// An absent, expired or malformed record gives [`Found::Absent`], and nothing is written. A
    /// stub gives [`Found::Redirect`] or [`Found::Tombstone`], and nothing is written.
    ///
    /// Fails with [`Deserialize`](crate::ErrorKind::Deserialize) if an increment meets a value that
    /// is not an integer. Fails with [`Serialize`](crate::ErrorKind::Serialize) if its sum does not
    /// fit in an `i64`. Fails with [`TooLarge`](crate::ErrorKind::TooLarge). In these cases,
    /// nothing was written.
    fn update(
        &self,
        key: &StorageKey,
        update: Update,
    ) -> impl Future<Output = Result<Found, Error>> + Send;

    /// Extends the expiry of a live record to `ttl`, if that is later, and changes nothing else.
    ///
    /// The version stays the same. Returns whether the record now expires at `ttl`. Returns `false`
    /// if the record is absent, expired or malformed, is a stub, or already expires later.
    fn touch(
        &self,
        key: &StorageKey,
        ttl: Timestamp,
        at: RequestTime,
    ) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Moves a live record to another key, applies changes on the way, and leaves a stub.
    ///
    /// The stub lives for 120 seconds, or for 60 seconds if it is a [redirect](Cycle::redirects).
    /// If another request has written since the record was read, its changes are copied too.
    ///
    /// An absent, expired or malformed record gives [`Found::Absent`], and nothing is written. A
    /// stub gives [`Found::Redirect`] or [`Found::Tombstone`], and nothing is written. Fails with the
    /// errors of [`update`](Self::update).
    fn cycle(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        cycle: Cycle,
    ) -> impl Future<Output = Result<Found, Error>> + Send;

    /// Deletes a record and stores another one under another key, as [`create`](Self::create) does.
    ///
    /// Returns what it found. A store that lists a user's sessions removes the old session from the
    /// list of a user: the one that it was [read](Replacement::read) to be bound to.
    ///
    /// If the old record is absent or expired, the result is [`Found::Absent`] or [`Found::Live`],
    /// and the new record is stored. The same holds if it is malformed, and the malformed item
    /// stays. If the old key holds a stub, nothing is written.
    fn replace(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        replacement: Replacement,
    ) -> impl Future<Output = Result<Found<()>, Error>> + Send;

    /// Deletes a record, whether it is bound to a user or not.
    ///
    /// An absent or malformed record gives [`Found::Absent`], and a malformed one stays. An expired
    /// record gives [`Found::Absent`] or [`Found::Live`], and is deleted. A stub gives
    /// [`Found::Redirect`] or [`Found::Tombstone`], and stays, because the session continues under
    /// another id.
    fn delete(
        &self,
        key: &StorageKey,
        at: RequestTime,
    ) -> impl Future<Output = Result<Found<()>, Error>> + Send;

    /// Returns whether the store supports users, so that records may be [bound](Record::binding) to
    /// one.
    ///
    /// The default is `false`. A session that is to be bound is not written then.
    fn keeps_users(&self) -> bool {
        false
    }

    /// Lists the live sessions of a user, in any order.
    ///
    /// Every session that was written before the call began is listed. A store may limit the number
    /// of listed sessions, and then marks the list with [`and_more`](UserSessions::and_more).
    ///
    /// The default fails with [`Misconfigured`](crate::ErrorKind::Misconfigured).
    fn user_sessions(
        &self,
        user: &Pseudonym,
        at: RequestTime,
    ) -> impl Future<Output = Result<UserSessions, Error>> + Send {
        let _ = (user, at);
        async { Err(no_users()) }
    }

    /// Deletes sessions of a user.
    ///
    /// A session that was written before the call began is dead when the call has returned. This
    /// also holds if its id is cycled concurrently, under any key. After a failure, some sessions
    /// may still be live, and the call can be repeated.
    ///
    /// The default fails with [`Misconfigured`](crate::ErrorKind::Misconfigured).
    fn revoke(
        &self,
        user: &Pseudonym,
        which: Revoked<'_>,
        at: RequestTime,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = (user, which, at);
        async { Err(no_users()) }
    }
}

/// Returns the error of a store that does not support users.
pub(crate) fn no_users() -> Error {
    let reason = "the session store does not support users";
    Error::new(ErrorKind::Misconfigured, reason)
}

/// The time at which a store operation takes place, and its deadline.
#[derive(Clone, Copy, Debug)]
pub struct RequestTime {
    now: Timestamp,
    deadline: Option<Instant>,
}

impl RequestTime {
    /// Creates a moment without a deadline, which leaves the limit for retries to the store.
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
    /// An operation without a response at that time counts as unanswered.
    #[must_use]
    pub const fn deadline(self) -> Option<Instant> {
        self.deadline
    }
}

/// The arguments of [`SessionStore::update`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Update {
    /// The changes by key.
    pub changes: Arc<Changes>,
    /// The new expiry. `None` keeps the old one.
    pub ttl: Option<Timestamp>,
    /// The new label. `None` keeps the old one. A record that is not bound to a user has no label.
    pub label: Option<String>,
    /// The record as it was read, or `None` if it was not read. The stored record may be newer.
    pub read: Option<Arc<Record>>,
    /// If true, the update fails with [`Conflict`](crate::ErrorKind::Conflict) if another request
    /// has written since the read.
    pub require_unchanged: bool,
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
            read: None,
            require_unchanged: false,
            at,
        }
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
            .with_ttl(self.ttl.unwrap_or(record.ttl()))
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
    /// If true, the id is cycled automatically, and the stub redirects to the new key during the
    /// grace period.
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

    /// Returns the stub to leave at the old key.
    #[must_use]
    pub fn stub(&self, to: &StorageKey) -> Tombstone {
        let now = self.at.now();
        let after = |seconds| Tombstone::new(now, now.plus(Duration::from_secs(seconds)));
        let stub = match self.redirects {
            true => after(GRACE_SECONDS).redirecting_to(to.clone()),
            false => after(TOMBSTONE_SECONDS),
        };
        match (self.read.binding(), &self.binding) {
            (Some(before), Some(after)) if before.user() == after.user() => {
                stub.succeeded_by(to.clone())
            }
            _ => stub,
        }
    }
}
