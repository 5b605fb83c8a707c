//! Where sessions are kept: the trait, and what its methods are given.
//!
//! 1. A store sees storage keys, never ids, and it never sees a [`Session`](crate::Session).
//! 2. The [`Moment`] is an argument: a store has no clock of its own. What has expired by then is
//!    absent, whether it was deleted or not.
//! 3. Every write but a create depends on the record being there and alive, checked in the same
//!    atomic step as the write. That is what keeps a session that was logged out from coming back.
//! 4. Every method answers what it [`Found`]: a write took effect where it found
//!    [`Live`](Found::Live), unless it says otherwise.

pub(crate) mod dynamodb;
pub(crate) mod memory;

#[cfg(feature = "conformance")]
pub mod conformance;

use std::future::Future;
use std::time::{Duration, Instant};

use crate::changes::Changes;
use crate::error::{Error, ErrorKind};
use crate::expiry::{GRACE_SECONDS, STUB_SECONDS, Timestamp};
use crate::id::StorageKey;
use crate::record::{Found, Record, Stub};
use crate::user::{Binding, Pseudonym, Revoked, UserSessions};

/// A place to keep sessions.
///
/// Write the methods as `async fn`; the futures must be `Send`. Run the public suite
/// `lambda_sessions::conformance` (feature `conformance`) over your store: it checks each sentence
/// below.
///
/// What the methods do to a record is written once, as pure functions: [`Stored::found`],
/// [`Update::apply`] and [`Renewal::apply`]. A store that can read, change and write one key in a
/// transaction of its own (Redis with `WATCH`, SQL, a file under a lock) is little more than those:
/// `examples/custom_store` is one.
///
/// [`Stored::found`]: crate::Stored::found
///
/// Whatever a method does, it does in one atomic step, or not at all. If a write's answer is lost,
/// say [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown), never success.
///
/// All methods fail with [`Unavailable`](crate::ErrorKind::Unavailable),
/// [`Throttled`](crate::ErrorKind::Throttled), [`Timeout`](crate::ErrorKind::Timeout) (reads),
/// [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown) (writes),
/// [`Misconfigured`](crate::ErrorKind::Misconfigured), and with
/// [`Corrupt`](crate::ErrorKind::Corrupt) for a record of a newer format, which they leave alone.
pub trait SessionStore: Send + Sync + 'static {
    /// Reads a record.
    ///
    /// Absent, expired, malformed: [`Found::Absent`]. A stub: [`Found::Renewed`], or
    /// [`Found::Moved`] if it leads on, here and in all methods below. A record with one malformed
    /// entry is live, and the entry is kept.
    fn load(
        &self,
        key: &StorageKey,
        at: Moment,
    ) -> impl Future<Output = Result<Found, Error>> + Send;

    /// Puts a record that begins now, at version 1, where nothing is.
    ///
    /// Fails with [`Conflict`](crate::ErrorKind::Conflict) if anything is there, expired or not:
    /// keys are hashes of 256 random bits, so nothing ever is. The same create, sent again after
    /// its answer was lost, succeeds. [`TooLarge`](crate::ErrorKind::TooLarge).
    fn create(
        &self,
        key: &StorageKey,
        record: &Record,
        at: Moment,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Changes some keys of a live record, raises its version by one, and gives it as it is now.
    ///
    /// Other requests' changes of other keys survive, and increments add up, however many run at
    /// once: there is no conflict. A [function](crate::Change::Apply) is applied to the value as it
    /// is when it is written; if another request changes that key in between, again, until
    /// its [deadline](Moment::deadline), and then it is a
    /// [`Conflict`](crate::ErrorKind::Conflict). Absent, expired, malformed: [`Found::Absent`],
    /// nothing written.
    /// A stub: [`Found::Renewed`], nothing written.
    ///
    /// Fails with [`Deserialize`](crate::ErrorKind::Deserialize) if an increment meets what is no
    /// integer, [`Serialize`](crate::ErrorKind::Serialize) if its sum is no `i64`,
    /// [`TooLarge`](crate::ErrorKind::TooLarge); nothing was written.
    fn update(
        &self,
        key: &StorageKey,
        update: Update<'_>,
    ) -> impl Future<Output = Result<Found, Error>> + Send;

    /// Moves the expiry of a live record to `ttl`, if that is later, and nothing else: the version
    /// stays. Gives whether it expires at `ttl` now. Absent, expired, malformed, a stub, or touched
    /// further already: `false`.
    fn touch(
        &self,
        key: &StorageKey,
        ttl: Timestamp,
        at: Moment,
    ) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Moves a live record to another key, changed on the way, and leaves a stub that lives for 120
    /// seconds, or for 60 if it [leads on](Renewal::leads_on). If somebody wrote since it was read,
    /// what they wrote is copied too.
    ///
    /// Absent, expired, malformed: [`Found::Absent`], nothing written. A stub:
    /// [`Found::Renewed`], nothing written. Fails as [`update`](Self::update) does.
    fn renew(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        renewal: Renewal<'_>,
    ) -> impl Future<Output = Result<Found, Error>> + Send;

    /// Deletes a record and puts another at another key, as [`create`](Self::create) does. Gives
    /// what it found. A store that lists a user's sessions takes the old one off the list of the user
    /// that it was [read](Replacement::read) to be bound to.
    ///
    /// Absent, expired: either, and the other is put. Malformed: the same, and it stays. A stub:
    /// nothing is written.
    fn replace(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        replacement: Replacement<'_>,
    ) -> impl Future<Output = Result<Found<()>, Error>> + Send;

    /// Deletes a record, of a user or not. Absent, malformed: [`Found::Absent`], and a malformed one stays. Expired:
    /// either, and it goes. A stub: [`Found::Renewed`], and it stays, for the session goes on.
    fn delete(
        &self,
        key: &StorageKey,
        at: Moment,
    ) -> impl Future<Output = Result<Found<()>, Error>> + Send;

    /// Whether it can tell a user's sessions, so that records may be [bound](Record::binding) to
    /// one. Default: `false`; a session that is to be bound is not written then.
    fn keeps_users(&self) -> bool {
        false
    }

    /// The live sessions of a user, in no order; what is written by the time this begins is among
    /// them. A store may limit how many it lists, and then says that
    /// [there are more](UserSessions::and_more).
    ///
    /// The default fails with [`Misconfigured`](crate::ErrorKind::Misconfigured).
    fn user_sessions(
        &self,
        user: &Pseudonym,
        at: Moment,
    ) -> impl Future<Output = Result<UserSessions, Error>> + Send {
        let _ = (user, at);
        async { Err(no_users()) }
    }

    /// Deletes sessions of a user. One that was written by the time this begins is dead when it
    /// has returned, also if it is renewed meanwhile, under whatever key. After a failure some may
    /// live; it can be done again.
    ///
    /// The default fails with [`Misconfigured`](crate::ErrorKind::Misconfigured).
    fn revoke(
        &self,
        user: &Pseudonym,
        which: Revoked<'_>,
        at: Moment,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        let _ = (user, which, at);
        async { Err(no_users()) }
    }
}

/// The error of a store that does not know users.
pub(crate) fn no_users() -> Error {
    let reason = "the session store cannot tell a user's sessions";
    Error::new(ErrorKind::Misconfigured, reason)
}

/// When something is done to a record, and how long there is time for it.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    now: Timestamp,
    deadline: Option<Instant>,
}

impl Moment {
    /// That time, and no deadline: how long to try is left to the store.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self {
            now,
            deadline: None,
        }
    }

    /// The same with a deadline, if there is one.
    #[must_use]
    pub const fn until(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    /// The time, by the layer's clock.
    #[must_use]
    pub const fn now(self) -> Timestamp {
        self.now
    }

    /// When to stop trying. What is begun must have an answer by then, or it has none.
    #[must_use]
    pub const fn deadline(self) -> Option<Instant> {
        self.deadline
    }
}

/// What [`SessionStore::update`] writes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Update<'a> {
    /// The keys that change.
    pub changes: &'a Changes,
    /// The new expiry; `None` leaves it.
    pub ttl: Option<Timestamp>,
    /// The new label; `None` leaves it. A record that is nobody's has none.
    pub label: Option<&'a str>,
    /// What was read before, if anything was. What is stored may be newer.
    pub read: Option<&'a Record>,
    /// Whether it fails with [`Conflict`](crate::ErrorKind::Conflict) if somebody wrote since that
    /// read.
    pub require_unchanged: bool,
    /// The moment.
    pub at: Moment,
}

impl<'a> Update<'a> {
    /// An update of a record that was not read, and whose expiry stays.
    #[must_use]
    pub const fn new(changes: &'a Changes, at: Moment) -> Self {
        Self {
            changes,
            ttl: None,
            label: None,
            read: None,
            require_unchanged: false,
            at,
        }
    }

    /// The record as it is afterwards.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if it had to be unchanged and is not. As of
    /// [`Changes::apply`].
    pub fn apply(&self, record: &Record) -> Result<Record, Error> {
        let read = self.read.filter(|_| self.require_unchanged);
        if read.is_some_and(|read| read.version() != record.version()) {
            let reason = "another request wrote the session in between";
            return Err(Error::new(ErrorKind::Conflict, reason));
        }
        let data = self.changes.apply(record.data())?;
        let labelled = match self.label {
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
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Replacement<'a> {
    /// The record that goes, as it was read, or `None` if it was not. The stored one may be newer.
    pub read: Option<&'a Record>,
    /// The record that takes its place.
    pub record: &'a Record,
    /// The moment.
    pub at: Moment,
}

impl<'a> Replacement<'a> {
    /// A replacement of a record that was not read.
    #[must_use]
    pub const fn new(record: &'a Record, at: Moment) -> Self {
        Self {
            read: None,
            record,
            at,
        }
    }
}

/// What [`SessionStore::renew`] writes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Renewal<'a> {
    /// What was read before. What is stored may be newer.
    pub read: &'a Record,
    /// The keys that change on the way.
    pub changes: &'a Changes,
    /// The expiry under the new key.
    pub ttl: Timestamp,
    /// Whose it is under the new key, whoever's it was.
    pub binding: Option<&'a Binding>,
    /// Whether it is renewed on schedule, so that the stub leads to it for a while.
    pub leads_on: bool,
    /// Whether the record says from now on when its id was given out.
    pub dated: bool,
    /// Whether it fails with [`Conflict`](crate::ErrorKind::Conflict) if somebody wrote since that
    /// read.
    pub require_unchanged: bool,
    /// The moment.
    pub at: Moment,
}

impl<'a> Renewal<'a> {
    /// A renewal of this record.
    #[must_use]
    pub fn new(read: &'a Record, changes: &'a Changes, ttl: Timestamp, at: Moment) -> Self {
        Self {
            read,
            changes,
            ttl,
            binding: read.binding(),
            leads_on: false,
            dated: false,
            require_unchanged: false,
            at,
        }
    }

    /// The record that goes to the new key.
    ///
    /// # Errors
    ///
    /// As of [`Update::apply`].
    pub fn apply(&self, record: &Record) -> Result<Record, Error> {
        let update = Update {
            ttl: Some(self.ttl),
            read: Some(self.read),
            require_unchanged: self.require_unchanged,
            ..Update::new(self.changes, self.at)
        };
        let record = update.apply(record)?.bound_to(self.binding.cloned());
        Ok(match self.dated {
            true => record.issued_at(self.at.now()),
            false => record,
        })
    }

    /// What is left at the old key.
    #[must_use]
    pub fn stub(&self, to: &StorageKey) -> Stub {
        let now = self.at.now();
        let after = |seconds| Stub::new(now, now.plus(Duration::from_secs(seconds)));
        let stub = match self.leads_on {
            true => after(GRACE_SECONDS).leading_to(to.clone()),
            false => after(STUB_SECONDS),
        };
        match (self.read.binding(), self.binding) {
            (Some(before), Some(after)) if before.user() == after.user() => {
                stub.inherited_by(to.clone())
            }
            _ => stub,
        }
    }
}
