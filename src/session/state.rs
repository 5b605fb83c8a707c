//! The state of a session, and how requests to change it affect that state.

use std::borrow::Cow;
use std::mem;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::expiry::Expiry;
use crate::id::StorageKey;
use crate::key;
use crate::session::decision::{IdChange, Intent, Maintenance, Origin, Outcome, decide};
use crate::session::{Ended, Location, MOST_FAILURES, Scope, State, Token};
use crate::store::changes::Changes;
use crate::store::data::{Data, Entry};
use crate::store::record::{Found, Record};
use crate::store::user::{Binding, Login, Pseudonym};

impl State {
    /// Returns the data that was read and the changes to it. The data is empty after a logout, and
    /// `None` if the session was not read.
    pub(super) fn base_and_changes(&mut self) -> (Option<&Data>, &mut Changes) {
        static EMPTY: Data = Data::new();
        let base = match (self.ended, self.origin) {
            (Ended::ByLogin | Ended::ByLogout, _) => Some(&EMPTY),
            (Ended::No, Origin::Unread) => None,
            (Ended::No, _) => Some(self.record.data()),
        };
        (base, &mut self.changes)
    }

    pub(super) fn base_or_empty(&self) -> &Data {
        static EMPTY: Data = Data::new();
        match self.ended {
            Ended::No => self.record.data(),
            Ended::ByLogin | Ended::ByLogout => &EMPTY,
        }
    }

    pub(super) fn current(&self, key: &str) -> Result<Option<Cow<'_, Entry>>, Error> {
        self.changes.current(self.base_or_empty(), key)
    }

    /// Returns the entry of a key, to be parsed while no lock is held.
    pub(super) fn entry(&self, key: &str) -> Result<Option<Entry>, Error> {
        let entry = self.current(key::checked(key)?)?;
        Ok(entry.map(Cow::into_owned))
    }

    pub(super) fn add(&mut self, key: &str, by: i64) -> Result<Option<i64>, Error> {
        let key = key::checked(key)?;
        let (base, changes) = self.base_and_changes();
        changes.add(base, key, by)
    }

    /// Marks the stored session as ending and discards the changes. They are returned so that they
    /// are dropped outside the lock.
    pub(super) fn end(&mut self, how: Ended) -> Changes {
        self.renew = false;
        self.user = None;
        if how == Ended::ByLogout {
            self.label = None;
        }
        self.ended = self.ended.max(how);
        // A value that only one request may take stays taken, whatever follows.
        self.changes.keep_guards()
    }

    /// Logs in a user, and leaves no data of another user to them. The discarded changes are
    /// returned so that they are dropped outside the lock.
    pub(super) fn log_in(&mut self, user: Pseudonym) -> Changes {
        let former = self.user.as_ref().or(self.user_on_the_way.as_ref());
        let former = former.or(self.bound().map(Binding::user));
        let dropped = match former.is_some_and(|former| *former != user) {
            true => self.end(Ended::ByLogin),
            false => Changes::default(),
        };
        self.user = Some(user);
        dropped
    }

    /// Returns the binding to a user, unless the binding ends with this request.
    pub(super) fn bound(&self) -> Option<&Binding> {
        let bound = self.record.binding();
        bound.filter(|_| self.ended == Ended::No)
    }

    /// Remembers an error that was returned to the handler.
    pub(super) fn note(&mut self, error: &Error) {
        if self.failures.len() >= MOST_FAILURES {
            self.failures.retain(|failure| failure.upgrade().is_some());
        }
        if self.failures.len() >= MOST_FAILURES {
            self.failures.remove(0);
        }
        self.failures.push(error.downgrade());
    }

    /// Refuses every later change.
    pub(super) fn seal(&mut self) {
        let reason = "the session was used after its request's outcome was decided";
        self.seal
            .get_or_insert_with(|| Error::new(ErrorKind::Misconfigured, reason));
    }

    pub(super) fn decide(
        &self,
        scope: Scope,
        now: Timestamp,
        rules: &Expiry,
        reissue: bool,
    ) -> Result<Outcome, Error> {
        let due = match scope {
            Scope::Commit if self.origin.is_live() => self.due(now, rules, reissue),
            // A touch can wait for the end of the request. An id that a handler may have shown is
            // not cycled before the handler has returned.
            Scope::Commit | Scope::Save | Scope::OnlyDestroy => Maintenance::default(),
        };
        let intent = match scope {
            Scope::Save | Scope::Commit => self.intent(),
            Scope::OnlyDestroy if self.ended == Ended::ByLogout => Intent {
                end: true,
                id: IdChange::No,
                change: false,
            },
            Scope::OnlyDestroy => return Ok(Outcome::Keep),
        };
        decide(self.origin, intent, due)
    }

    /// Returns the automatic maintenance that is due.
    fn due(&self, now: Timestamp, rules: &Expiry, reissue: bool) -> Maintenance {
        let (created, ttl) = (self.record.created(), self.record.ttl());
        // The session of a user ends with its binding, so that nobody has to look for it later.
        let end = self.record.binding().map(Binding::ends);
        let touch = rules.touch_due(created, ttl, now).or_else(|| {
            // The client is to get its cookie again, so this request must learn that the id is
            // alive.
            let fresh = rules.ttl(created, now);
            (reissue && self.origin == Origin::Live).then_some(fresh.max(ttl))
        });
        let touch = touch.map(|new| end.map_or(new, |end| new.min(end)));
        Maintenance {
            touch: touch.filter(|new| reissue || *new > ttl),
            renewal: rules.cycle_due(self.record.issued().unwrap_or(created), now),
        }
    }

    fn intent(&self) -> Intent {
        let bound = self.bound().map(Binding::user);
        let binds = self.user.is_some();
        // If the session is bound to no user, only a login has a reason to ask for a new id.
        let is_login = binds || (self.renew && bound.is_none());
        // Whatever happened since the read, another user's data is never handed on.
        let is_anothers = bound.is_some() && self.user.is_some() && bound != self.user.as_ref();
        let changes = match self.ended {
            // A logout without later changes begins no session, whatever was taken before it.
            Ended::ByLogout => !self.changes.only_guard(),
            Ended::No | Ended::ByLogin => !self.changes.is_empty(),
        };
        // If the id is dead, there is no session of another user left to end.
        let is_dead = self.origin == Origin::Late && self.ended == Ended::ByLogin;
        Intent {
            end: (self.ended != Ended::No && !is_dead) || is_anothers,
            id: match (is_login, self.renew) {
                (true, _) => IdChange::LogIn,
                (false, true) => IdChange::Cycle,
                (false, false) => IdChange::No,
            },
            change: binds || changes || self.new_label().is_some(),
        }
    }

    /// Returns the login that the handler asked for.
    pub(super) fn login(&self) -> Option<Login> {
        let user = self.user.clone()?;
        let label = self.label.clone();
        Some(Login { user, label })
    }

    /// Returns the label if it differs from the stored one of the user's session.
    pub(super) fn new_label(&self) -> Option<&str> {
        let bound = self.bound()?;
        let label = self.label.as_deref();
        label.filter(|label| bound.label() != Some(label))
    }

    /// Returns where the session is stored, or was stored.
    pub(super) fn location(&self) -> Option<Location> {
        let moved_to = self.moved_to.clone();
        let id = self.id.clone()?;
        Some(Location { id, moved_to })
    }

    /// Hands over the record and the changes. Nothing can be added to them afterwards.
    pub(super) fn give_up(&mut self) -> (Record, Changes) {
        let nothing = Record::new(Data::new(), self.record.created(), self.record.ttl());
        (
            mem::replace(&mut self.record, nothing),
            mem::take(&mut self.changes),
        )
    }

    /// Hands over the record and the changes, and shows the data that is being written as if it
    /// were stored. Later changes apply to that data.
    pub(super) fn look_ahead(&mut self) -> Result<(Record, Changes), Error> {
        let after = match self.ended {
            Ended::No => self.changes.apply(self.record.data())?,
            // The values were taken from the session that ends.
            Ended::ByLogin | Ended::ByLogout => self.changes.without_guards().apply(&Data::new())?,
        };
        let record = self.record.clone();
        self.record = record.clone().with_data(after);
        Ok((record, mem::take(&mut self.changes)))
    }

    pub(super) fn take_in(
        &mut self,
        found: Found,
        moved_to: Option<StorageKey>,
        now: Timestamp,
        rules: &Expiry,
    ) {
        let fresh = Record::new(Data::new(), now, rules.ttl(now, now));
        let (origin, record) = match found {
            Found::Live(record) if moved_to.is_some() => (Origin::Redirected, record),
            Found::Live(record) => (Origin::Live, record),
            // The id is known to be dead, so there is nothing to write to and nothing to delete. A
            // redirect that arrives here belongs to a chain that is longer than any request follows.
            Found::Tombstone(since) => {
                self.id = None;
                let late = self.began < since;
                (if late { Origin::Late } else { Origin::Absent }, fresh)
            }
            Found::Redirect(_) => {
                self.id = None;
                (Origin::Absent, fresh)
            }
            Found::Absent => (Origin::Absent, fresh),
        };
        self.origin = origin;
        self.moved_to = moved_to.filter(|_| origin.is_live());
        self.is_new = !origin.is_live();
        if self.ended == Ended::No {
            self.changes.settle_on(record.data());
        }
        self.record = record;
    }

    /// Merges what a later write tells the client. It takes precedence over an earlier write.
    pub(super) fn tell(&mut self, token: Token) {
        if token != Token::Keep {
            self.token = token;
        }
    }
}
