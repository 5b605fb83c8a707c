//! What a session knows, and what becomes of it.

use std::borrow::Cow;
use std::mem;

use crate::changes::{Changes, IdChange, Intent, Maintenance, Origin, Outcome, decide};
use crate::error::{Error, ErrorKind};
use crate::expiry::{Expiry, Timestamp};
use crate::id::StorageKey;
use crate::key;
use crate::record::{Data, Entry, Found, Record};
use crate::session::{Ended, Location, MOST_FAILURES, Scope, State, Token};
use crate::user::{Binding, Login, Pseudonym};

impl State {
    /// What was read; nothing at all after a logout; `None` if nobody looked.
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

    /// The entry of a key, to be parsed where no lock is held.
    pub(super) fn entry(&self, key: &str) -> Result<Option<Entry>, Error> {
        let entry = self.current(key::checked(key)?)?;
        Ok(entry.map(Cow::into_owned))
    }

    pub(super) fn add(&mut self, key: &str, by: i64) -> Result<Option<i64>, Error> {
        let key = key::checked(key)?;
        let (base, changes) = self.base_and_changes();
        changes.add(base, key, by)
    }

    /// What is stored is to end, and what was changed goes; it is returned to be dropped.
    pub(super) fn end(&mut self, how: Ended) -> Changes {
        self.renew = false;
        self.user = None;
        if how == Ended::ByLogout {
            self.label = None;
        }
        self.ended = self.ended.max(how);
        // What was to be taken once is taken once, whatever follows.
        self.changes.keep_guards()
    }

    /// A user has logged in. Nothing of another user's is left to them; what goes is returned to be
    /// dropped.
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

    /// How it is bound to a user, unless that ends with this request.
    pub(super) fn bound(&self) -> Option<&Binding> {
        let bound = self.record.binding();
        bound.filter(|_| self.ended == Ended::No)
    }

    /// Remembers an error that a handler is given.
    pub(super) fn note(&mut self, error: &Error) {
        if self.failures.len() >= MOST_FAILURES {
            self.failures.retain(|failure| failure.upgrade().is_some());
        }
        if self.failures.len() >= MOST_FAILURES {
            self.failures.remove(0);
        }
        self.failures.push(error.downgrade());
    }

    /// Refuses every change from here on.
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
            // A touch can wait for the end, and an id that a handler could have shown is not
            // replaced under its feet.
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

    /// What is due by itself.
    fn due(&self, now: Timestamp, rules: &Expiry, reissue: bool) -> Maintenance {
        let (created, ttl) = (self.record.created(), self.record.ttl());
        // A user's session ends with its binding, so that nobody has to look for it any longer.
        let end = self.record.binding().map(Binding::ends);
        let touch = rules.touch_due(created, ttl, now).or_else(|| {
            // The client is to get its cookie again, so it must be known that the id is alive.
            let fresh = rules.ttl(created, now);
            (reissue && self.origin == Origin::Live).then_some(fresh.max(ttl))
        });
        let touch = touch.map(|new| end.map_or(new, |end| new.min(end)));
        Maintenance {
            touch: touch.filter(|new| reissue || *new > ttl),
            renewal: rules.renewal_due(self.record.issued().unwrap_or(created), now),
        }
    }

    fn intent(&self) -> Intent {
        let bound = self.bound().map(Binding::user);
        let binds = self.user.is_some();
        // Of a session that is nobody's, only a login has a reason to ask for a new id.
        let is_login = binds || (self.renew && bound.is_none());
        // Whatever came in between, another user's data is never handed on.
        let is_anothers = bound.is_some() && self.user.is_some() && bound != self.user.as_ref();
        let changes = match self.ended {
            // A logout that nothing follows begins no session, whatever was taken before it.
            Ended::ByLogout => !self.changes.only_guard(),
            Ended::No | Ended::ByLogin => !self.changes.is_empty(),
        };
        // Where the id is dead, there is no session of another user left to end.
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

    /// The login that the handler asked for.
    pub(super) fn login(&self) -> Option<Login> {
        let user = self.user.clone()?;
        let label = self.label.clone();
        Some(Login { user, label })
    }

    /// The label, if it is another one than that of the user's session.
    pub(super) fn new_label(&self) -> Option<&str> {
        let bound = self.bound()?;
        let label = self.label.as_deref();
        label.filter(|label| bound.label() != Some(label))
    }

    /// Where it is stored, or was.
    pub(super) fn location(&self) -> Option<Location> {
        let moved_to = self.moved_to.clone();
        let id = self.id.clone()?;
        Some(Location { id, moved_to })
    }

    /// Hands over what was read and what was changed. Nothing can be added to it any more.
    pub(super) fn give_up(&mut self) -> (Record, Changes) {
        let nothing = Record::new(Data::new(), self.record.created(), self.record.ttl());
        (
            mem::replace(&mut self.record, nothing),
            mem::take(&mut self.changes),
        )
    }

    /// The same, but shows what is being written as if it were: what is changed meanwhile is a
    /// change of that.
    pub(super) fn look_ahead(&mut self) -> Result<(Record, Changes), Error> {
        let after = match self.ended {
            Ended::No => self.changes.apply(self.record.data())?,
            // What was taken once was taken from the session that ends.
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
            // The id is known to be dead, so there is nothing to write to, nor to delete. (One that
            // is moved here leads on for longer than anybody follows.)
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

    /// What a later write has to tell goes over what an earlier one had.
    pub(super) fn tell(&mut self, token: Token) {
        if token != Token::Keep {
            self.token = token;
        }
    }
}
