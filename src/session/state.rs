//! The state of a session during one request.

use std::borrow::Cow;
use std::mem;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, WeakError};
use crate::expiry::lifetimes::SetLifetimes;
use crate::id::{SessionId, StorageKey};
use crate::key;
use crate::session::deadline::Deadline;
use crate::session::decision::Origin;
use crate::session::location::Location;
use crate::store::changes::change_set::Changes;
use crate::store::data::{Data, Entry};
use crate::store::record::{Found, Record};
use crate::store::user::{Binding, Pseudonym};
#[cfg(feature = "flask")]
use crate::wire::foreign::Foreign;

/// The maximum number of errors that one request remembers.
const MAX_FAILURES: usize = 16;

static EMPTY: Data = Data::new();

pub(super) struct State {
    pub(super) origin: Origin,
    /// The id under which the session is stored, if `origin` says that it is stored.
    pub(super) id: Option<SessionId>,
    /// The key under which the session is stored, if that is not the id's own.
    pub(super) moved_to: Option<StorageKey>,
    /// The stored record, or an empty one that begins now if none is stored or none was read.
    pub(super) record: Record,
    pub(super) changes: Changes,
    pub(super) requested: Requested,
    pub(super) require_unchanged: bool,
    /// True if this request must not extend the expiry.
    pub(super) skips_touch: bool,
    /// True if the client is to get its id without the hint of a touch.
    pub(super) drops_hint: bool,
    /// True if the load has extended the expiry.
    pub(super) touched_by_load: bool,
    /// True if the stored expiry is later than the layer's maxima allow.
    pub(super) exceeds_maximum: bool,
    /// The user whose login is being written.
    pub(super) login_under_way: Option<Pseudonym>,
    pub(super) history: History,
    /// The time at which the request began.
    pub(super) began: Timestamp,
    /// The time after which the store is not called any more.
    pub(super) deadline: Option<Deadline>,
    /// True if this request began the session.
    pub(super) is_new: bool,
    pub(super) token: Token,
    /// The time of the last call that found the record alive, if the client's hints are outdated: the
    /// client is to get its id again, with new hints.
    pub(super) hint_outdated: Option<Timestamp>,
    pub(super) load: Load,
    pub(super) phase: Phase,
    /// The predecessor's session that the client has.
    #[cfg(feature = "flask")]
    pub(super) foreign: Option<Foreign>,
    /// The errors that were returned to a handler, or the most recent of them.
    failures: Vec<WeakError>,
}

/// The requests of the handler, except for its changes of values. A write takes them.
#[derive(Clone, Default)]
pub(super) struct Requested {
    pub(super) end: End,
    pub(super) cycles_id: bool,
    /// The user who has logged in.
    pub(super) user: Option<Pseudonym>,
    pub(super) label: Option<String>,
    pub(super) lifetimes: SetLifetimes,
}

/// States if the stored session ends with this request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    #[default]
    No,
    /// Another user has logged in. If the handler fails, the stored session does not end.
    ByLogin,
    /// The session was logged out. It ends even if the handler fails.
    ByLogout,
}

/// The calls of the handler, whether they were written or not.
#[derive(Clone, Copy, Default)]
pub(super) struct History {
    pub(super) destroyed: bool,
    /// True if the id is to be cycled, or was cycled, since the last logout.
    pub(super) cycled_id: bool,
}

/// The progress of loading the stored record.
pub(super) enum Load {
    NotYet,
    /// The last load failed. The session is not written until a load succeeds.
    Failed(Error),
    Done,
}

/// The phase of the request, which decides whether a change is accepted.
pub(super) enum Phase {
    Open,
    /// The outcome of the request is decided.
    Settled,
    /// A write was sent, and it is not known whether it happened.
    Ambiguous(Error),
}

/// The instruction to the client about its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// No instruction: the client's id is correct.
    Keep,
    /// The client gets the id under which the session is stored now, with its expiry.
    Issue,
    /// The client removes its id.
    Remove,
}

impl Phase {
    /// Returns the error of a change, unless changes are accepted. It is a new one each time.
    pub(super) fn refusal(&self) -> Option<Error> {
        match self {
            Self::Open => None,
            Self::Settled => {
                let reason = "the session was used after its request's outcome was decided";
                Some(Error::new(ErrorKind::Misconfigured, reason))
            }
            Self::Ambiguous(error) => Some(error.distinct()),
        }
    }

    /// Refuses every later change.
    pub(super) fn settle(&mut self) {
        if matches!(self, Self::Open) {
            *self = Self::Settled;
        }
    }
}

impl State {
    /// Creates the state of a request that sent this id.
    pub(super) fn new(id: Option<SessionId>) -> Self {
        let epoch = Timestamp::from_epoch_seconds(0);
        Self {
            // Without an id, no record can be found.
            origin: match id {
                Some(_) => Origin::Unread,
                None => Origin::Absent,
            },
            id,
            moved_to: None,
            record: Record::new(Data::new(), epoch, epoch),
            changes: Changes::default(),
            requested: Requested::default(),
            require_unchanged: false,
            skips_touch: false,
            drops_hint: false,
            touched_by_load: false,
            exceeds_maximum: false,
            login_under_way: None,
            history: History::default(),
            began: epoch,
            deadline: None,
            is_new: true,
            token: Token::Keep,
            hint_outdated: None,
            load: Load::NotYet,
            phase: Phase::Open,
            #[cfg(feature = "flask")]
            foreign: None,
            failures: Vec::new(),
        }
    }

    /// Returns the data that was read and the changes to it. The data is empty after a logout, and
    /// `None` if the session was not read.
    pub(super) fn base_and_changes(&mut self) -> (Option<&Data>, &mut Changes) {
        let base = match (self.requested.end, self.origin) {
            (End::ByLogin | End::ByLogout, _) => Some(&EMPTY),
            (End::No, Origin::Unread) => None,
            (End::No, _) => Some(self.record.data()),
        };
        (base, &mut self.changes)
    }

    /// Returns the data that the changes apply to.
    pub(super) fn base(&self) -> &Data {
        match self.requested.end {
            End::No => self.record.data(),
            End::ByLogin | End::ByLogout => &EMPTY,
        }
    }

    pub(super) fn current(&self, key: &str) -> Result<Option<Cow<'_, Entry>>, Error> {
        self.changes.current(self.base(), key)
    }

    /// Returns the entry of a key, to be parsed while no lock is held.
    pub(super) fn entry(&self, key: &str) -> Result<Option<Entry>, Error> {
        let entry = self.current(key::checked(key)?)?;
        Ok(entry.map(Cow::into_owned))
    }

    /// Returns all values that the session shows.
    pub(super) fn shown(&self) -> Result<Data, Error> {
        let keys = self.changes.keys(self.base()).into_iter();
        let entries = keys.filter_map(|key| match self.current(&key) {
            Ok(entry) => entry.map(|entry| Ok((key, entry.into_owned()))),
            Err(error) => Some(Err(error)),
        });
        entries.collect()
    }

    pub(super) fn set(&mut self, key: &str, entry: Entry) -> Result<(), Error> {
        let key = key::checked(key)?;
        let (base, changes) = self.base_and_changes();
        changes.set(base, key, entry);
        Ok(())
    }

    pub(super) fn remove(&mut self, key: &str) -> Result<(), Error> {
        let key = key::checked(key)?;
        let (base, changes) = self.base_and_changes();
        changes.remove(base, key);
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        let base = match self.requested.end {
            End::No => self.record.data(),
            End::ByLogin | End::ByLogout => &EMPTY,
        };
        self.changes.clear(base);
    }

    pub(super) fn add(&mut self, key: &str, by: i64) -> Result<Option<i64>, Error> {
        let key = key::checked(key)?;
        let (base, changes) = self.base_and_changes();
        changes.add(base, key, by)
    }

    /// Logs out, and discards the changes. They are returned so that they are dropped outside the
    /// lock.
    pub(super) fn destroy(&mut self) -> Changes {
        self.history.destroyed = true;
        self.requested.label = None;
        self.requested.lifetimes = SetLifetimes::default();
        self.end(End::ByLogout)
    }

    /// Marks the stored session as ending and discards the changes.
    fn end(&mut self, how: End) -> Changes {
        self.history.cycled_id = false;
        self.requested.cycles_id = false;
        self.requested.user = None;
        self.requested.end = self.requested.end.max(how);
        // A value that only one request may take stays taken, whatever follows.
        self.changes.keep_guards()
    }

    pub(super) fn cycle_id(&mut self) {
        self.history.cycled_id = true;
        self.requested.cycles_id = true;
    }

    /// Logs in a user, and leaves no data of another user to them. The discarded changes are
    /// returned so that they are dropped outside the lock.
    pub(super) fn log_in(&mut self, user: Pseudonym) -> Changes {
        let dropped = match self.user().is_some_and(|previous| *previous != user) {
            true => self.end(End::ByLogin),
            false => Changes::default(),
        };
        self.history.cycled_id = true;
        self.requested.user = Some(user);
        dropped
    }

    /// Returns the user that the session is bound to, or will be when it is written.
    pub(super) fn user(&self) -> Option<&Pseudonym> {
        let under_way = self.login_under_way.as_ref();
        let under_way = under_way.filter(|_| self.requested.end == End::No);
        let bound = self.bound().map(Binding::user);
        self.requested.user.as_ref().or(under_way).or(bound)
    }

    /// Returns the binding to a user, unless the binding ends with this request.
    pub(super) fn bound(&self) -> Option<&Binding> {
        let bound = self.record.binding();
        bound.filter(|_| self.requested.end == End::No)
    }

    /// Returns where the session is stored, or was stored.
    pub(super) fn location(&self) -> Option<Location> {
        Location::new(self.id.clone(), self.moved_to.clone())
    }

    /// Adopts the record that the store found, or an empty one. The changes are already rebased on
    /// it.
    pub(super) fn loaded(
        &mut self,
        found: Found<()>,
        record: Record,
        moved_to: Option<StorageKey>,
    ) {
        let origin = match found {
            Found::Live(()) if moved_to.is_some() => Origin::Redirected,
            Found::Live(()) => Origin::Live,
            // The id is known to be dead, so there is nothing to write to and nothing to delete. A
            // redirect that arrives here belongs to a chain that is longer than any request follows.
            Found::Tombstone(since) => {
                self.id = None;
                let is_late = self.began < since;
                if is_late {
                    Origin::Late
                } else {
                    Origin::Absent
                }
            }
            Found::Redirect(_) => {
                self.id = None;
                Origin::Absent
            }
            Found::Absent => Origin::Absent,
        };
        self.load = Load::Done;
        self.origin = origin;
        self.moved_to = moved_to.filter(|_| origin.is_live());
        self.is_new = !origin.is_live();
        self.record = record;
    }

    /// Hands over the record and the changes. Nothing can be added to them afterwards.
    pub(super) fn give_up(&mut self) -> (Record, Changes) {
        let nothing = self.without_values();
        (
            mem::replace(&mut self.record, nothing),
            mem::take(&mut self.changes),
        )
    }

    /// Returns the record without its values, for a write that sends none.
    pub(super) fn without_values(&self) -> Record {
        Record::new(Data::new(), self.record.created(), self.record.ttl())
            .at_version(self.record.version())
            .with_lifetimes(self.record.lifetimes())
            .bound_to(self.record.binding().cloned())
    }

    /// Hands over the record and the changes, and shows the data that is being written as if it
    /// were stored. Later changes apply to that data.
    pub(super) fn look_ahead(&mut self) -> Result<(Record, Changes), Error> {
        let after = match self.requested.end {
            End::No => self.changes.apply(self.record.data())?,
            // The values were taken from the session that ends.
            End::ByLogin | End::ByLogout => self.changes.without_guards().apply(&EMPTY)?,
        };
        let record = self.record.clone();
        let lifetimes = self.new_lifetimes().or(record.lifetimes());
        self.record = record.clone().with_data(after).with_lifetimes(lifetimes);
        Ok((record, mem::take(&mut self.changes)))
    }

    /// Merges what a later write tells the client. It takes precedence over an earlier write.
    pub(super) fn tell(&mut self, token: Token) {
        if token != Token::Keep {
            self.token = token;
        }
    }

    /// Remembers an error that was returned to the handler.
    pub(super) fn note(&mut self, error: &Error) {
        if self.failures.len() >= MAX_FAILURES {
            self.failures.retain(|failure| failure.upgrade().is_some());
        }
        if self.failures.len() >= MAX_FAILURES {
            self.failures.remove(0);
        }
        self.failures.push(error.downgrade());
    }

    /// Returns whether an error was returned to the handler.
    pub(super) fn has_failed(&self) -> bool {
        !self.failures.is_empty()
    }

    /// Returns the last error that was returned to the handler and is still held.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failures.iter().rev().find_map(WeakError::upgrade)
    }
}
