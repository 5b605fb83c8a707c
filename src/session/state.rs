//! What a session knows, and what becomes of it.

use std::borrow::Cow;
use std::mem;

use serde::de::DeserializeOwned;

use crate::changes::{Changes, Due, Origin, Outcome, Wish, decide};
use crate::error::Error;
use crate::expiry::{Expiry, Timestamp};
use crate::id::StorageKey;
use crate::key;
use crate::record::{Data, Entry, Found, Record};
use crate::session::value::parse;
use crate::session::{Home, Scope, State, Token};
use crate::user::{Binding, Wanted};

impl State {
    /// What was read; nothing at all after a logout; `None` if nobody looked.
    pub(super) fn base_and_changes(&mut self) -> (Option<&Data>, &mut Changes) {
        static EMPTY: Data = Data::new();
        let base = match (self.destroy, self.origin) {
            (true, _) => Some(&EMPTY),
            (false, Origin::Unread) => None,
            (false, _) => Some(self.record.data()),
        };
        (base, &mut self.changes)
    }

    pub(super) fn base_or_empty(&self) -> &Data {
        static EMPTY: Data = Data::new();
        if self.destroy {
            &EMPTY
        } else {
            self.record.data()
        }
    }

    pub(super) fn current(&self, key: &str) -> Result<Option<Cow<'_, Entry>>, Error> {
        self.changes.current(self.base_or_empty(), key)
    }

    pub(super) fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let Some(entry) = self.current(key::checked(key)?)? else {
            return Ok(None);
        };
        parse(&entry).map(Some)
    }

    pub(super) fn add(&mut self, key: &str, by: i64) -> Result<Option<i64>, Error> {
        let key = key::checked(key)?;
        let (base, changes) = self.base_and_changes();
        changes.add(base, key, by)
    }

    pub(super) fn decide(
        &self,
        scope: Scope,
        now: Timestamp,
        rules: &Expiry,
    ) -> Result<Outcome, Error> {
        if let (Scope::Save | Scope::Commit, Some(invalid)) = (scope, &self.invalid) {
            return Err(invalid.clone());
        }
        let live = self.origin.is_live();
        let (created, ttl) = (self.record.created(), self.record.ttl());
        // A user's session ends with its binding, so that nobody has to look for it any longer.
        let end = self.record.binding().map(Binding::ends);
        let due = match scope {
            Scope::Save | Scope::Commit if live => Due {
                touch: rules
                    .touch_due(created, ttl, now)
                    .map(|new| end.map_or(new, |end| new.min(end)))
                    .filter(|new| *new > ttl),
                // An id that a handler could have shown is not replaced under its feet.
                renewal: scope == Scope::Commit
                    && rules.renewal_due(self.record.issued().unwrap_or(created), now),
            },
            Scope::Save | Scope::Commit | Scope::OnlyDestroy => Due::default(),
        };
        // Who becomes a user's gets a new id, and is stored even if it holds nothing else.
        let bind = self.wanted().is_some();
        let wish = match scope {
            Scope::Commit => Wish {
                destroy: self.destroy,
                renew: self.renew || bind,
                change: !self.changes.is_empty() || bind,
            },
            Scope::Save => Wish {
                destroy: self.destroy,
                renew: (self.renew || bind) && !live,
                change: !self.changes.is_empty() || (bind && !live),
            },
            Scope::OnlyDestroy if self.destroy => Wish {
                destroy: true,
                renew: false,
                change: false,
            },
            Scope::OnlyDestroy => return Ok(Outcome::Keep),
        };
        Ok(match decide(self.origin, wish, due)? {
            // A touch can wait for the end.
            Outcome::Touch(_) if scope == Scope::Save => Outcome::Keep,
            outcome => outcome,
        })
    }

    /// Whom it is to be bound to, if it is not already, or not under that label.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        let bound = self.record.binding().filter(|_| !self.destroy);
        let user = self.user.as_ref().or(bound.map(Binding::user))?;
        let same = bound.filter(|bound| bound.user() == user);
        let label = match (&self.label, same) {
            (Some(label), _) => Some(label.as_str()),
            (None, Some(same)) => same.label(),
            (None, None) => None,
        };
        if same.is_some_and(|same| same.label() == label) {
            return None;
        }
        Some(Wanted {
            user: user.clone(),
            label: label.map(str::to_owned),
            handle: same.map(|same| same.handle().to_owned()),
        })
    }

    /// Where it is stored, or was.
    pub(super) fn home(&self) -> Option<Home> {
        let moved_to = self.moved_to.clone();
        let id = self.id.clone()?;
        Some(Home { id, moved_to })
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
        let after = self.changes.apply(self.base_or_empty())?;
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
            Found::Live(record) if moved_to.is_some() => (Origin::Moved, record),
            Found::Live(record) => (Origin::Live, record),
            // It leads on for longer than anybody follows.
            Found::Renewed | Found::Moved(_) => (Origin::Renewed, fresh),
            Found::Absent => (Origin::Absent, fresh),
        };
        self.origin = origin;
        self.moved_to = moved_to;
        self.is_new = !origin.is_live();
        if !self.destroy {
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
