//! Changes on their way to the store.
//!
//! 1. Changes are taken out of the session to be written, and put back if they were not written.
//! 2. During a save, the session shows the data that is being written as if it were stored. Later
//!    changes apply to that data.
//! 3. A write that is dropped before its end is ambiguous, and the session returns errors from then
//!    on.

use std::mem;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::expiry::Expiry;
use crate::expiry::lifetimes::{Lifetimes, SetLifetimes};
use crate::id::SessionId;
use crate::session::decision::{Origin, Outcome, Scope};
use crate::session::handle::Session;
use crate::session::location::Location;
use crate::session::state::{End, Load, Phase, Requested, State, Token};
use crate::store::changes::change_set::Changes;
use crate::store::data::Data;
use crate::store::record::Record;
use crate::store::user::Login;
#[cfg(feature = "flask")]
use crate::wire::foreign::ForeignId;

impl Session {
    /// Decides what is to be written, and takes it out of the session. After a commit no further
    /// change is accepted. During a save, later changes apply to the data that is being written.
    pub(crate) fn take_pending(
        &self,
        scope: Scope,
        now: Timestamp,
        rules: &Expiry,
    ) -> Result<Pending<'_>, Error> {
        self.with(|state| {
            state.check_writable(scope)?;
            if scope != Scope::Save {
                state.phase.settle();
            }
            let outcome = state.decide(scope, now, rules, self.reissues())?;
            // After a failed load, nothing may be saved over the real data. A logout may.
            if let Load::Failed(error) = &state.load
                && outcome.writes_data()
                && outcome != Outcome::Destroy
            {
                return Err(error.distinct());
            }
            let login = state.login();
            let new_label = state.new_label().map(str::to_owned);
            let lifetimes = match outcome.writes_data() {
                true => state.new_lifetimes(),
                false => Lifetimes::default(),
            };
            let set_lifetimes = state.requested.lifetimes;
            let (record, changes) = match (scope, outcome.writes_data()) {
                (_, false) => (state.without_values(), Changes::default()),
                (Scope::OnlyDestroy, true) => (state.record.clone(), Changes::default()),
                (Scope::Commit, true) => state.give_up(),
                (Scope::Save, true) => state.look_ahead()?,
            };
            let requested = match outcome.writes_data() {
                true => mem::take(&mut state.requested),
                false => state.requested.clone(),
            };
            if outcome.writes_data() {
                state.login_under_way.clone_from(&requested.user);
            }
            Ok(Pending {
                session: self,
                outcome,
                origin: state.origin,
                location: state.location(),
                record: Arc::new(record),
                changes: Arc::new(changes),
                require_unchanged: state.require_unchanged,
                is_last: scope != Scope::Save,
                began: state.began,
                login,
                new_label,
                lifetimes,
                set_lifetimes,
                skips_touch: state.skips_touch,
                scope,
                hint_outdated: scope == Scope::Commit && state.hint_outdated.is_some(),
                requested,
                is_settled: false,
            })
        })
    }
}

impl Session {
    /// Settles the session and returns `true`, if nothing is to be written and no save is under way.
    pub(crate) fn settle_if_kept(&self, scope: Scope, now: Timestamp, rules: &Expiry) -> bool {
        let Some(_one_at_a_time) = self.try_writing() else {
            return false;
        };
        self.with(|state| {
            let is_kept = state.check_writable(scope).is_ok()
                && state
                    .decide(scope, now, rules, self.reissues())
                    .is_ok_and(|outcome| outcome == Outcome::Keep);
            if is_kept {
                state.phase.settle();
            }
            is_kept
        })
    }
}

impl State {
    /// Fails if this scope must not be written. While a save waited, another one may have become
    /// ambiguous, or the request may have been settled.
    fn check_writable(&self, scope: Scope) -> Result<(), Error> {
        match (&self.phase, scope) {
            (Phase::Open, _) | (Phase::Settled, Scope::Commit | Scope::OnlyDestroy) => Ok(()),
            (Phase::Settled, Scope::Save) | (Phase::Ambiguous(_), _) => {
                self.phase.refusal().map_or(Ok(()), Err)
            }
        }
    }

    /// Puts back what was not written, before the changes that were made during the write.
    fn put_back(&mut self, record: Record, sent: Changes, requested: Requested) {
        self.record = record;
        self.requested.cycles_id |= requested.cycles_id;
        let nothing = Data::new();
        let base = match requested.end {
            End::No => self.record.data(),
            // A new session does not build on previous data.
            End::ByLogin | End::ByLogout => &nothing,
        };
        // Changes made during the write apply to the data that was sent, unless they destroyed the
        // session.
        if self.requested.end == End::No {
            self.requested.end = requested.end;
            self.requested.user = self.requested.user.take().or(requested.user);
            self.requested.label = self.requested.label.take().or(requested.label);
            self.requested.lifetimes = self.requested.lifetimes.or(requested.lifetimes);
            let later = mem::take(&mut self.changes);
            self.changes = sent.followed_by(later, base);
        } else {
            // After a login of another user, what was set for the session still holds.
            if self.requested.end == End::ByLogin {
                self.requested.lifetimes = self.requested.lifetimes.or(requested.lifetimes);
            }
            // A failed logout remains a logout, even if a user has logged in since.
            self.requested.end = self.requested.end.max(requested.end);
            self.changes.discard(sent, base);
        }
    }
}

/// Changes on their way to the store. If this is dropped before it is settled, for example because
/// the future of a save is cancelled, the write is ambiguous. The session then refuses every later
/// change.
pub(crate) struct Pending<'a> {
    session: &'a Session,
    pub(crate) outcome: Outcome,
    pub(crate) origin: Origin,
    /// The place where the session is stored.
    pub(crate) location: Option<Location>,
    /// The record that was read.
    pub(crate) record: Arc<Record>,
    pub(crate) changes: Arc<Changes>,
    pub(crate) require_unchanged: bool,
    /// True if the request ends with this write.
    pub(crate) is_last: bool,
    /// The time when the request began.
    pub(crate) began: Timestamp,
    /// The user who has logged in.
    pub(crate) login: Option<Login>,
    /// The new label of a session that stays bound to its user.
    pub(crate) new_label: Option<String>,
    /// The new lifetimes of a session that continues.
    pub(crate) lifetimes: Lifetimes,
    set_lifetimes: SetLifetimes,
    /// True if this request must not extend the expiry.
    pub(crate) skips_touch: bool,
    /// True if the client is to get its id again with new hints, if this write finds it alive.
    pub(crate) hint_outdated: bool,
    scope: Scope,
    requested: Requested,
    is_settled: bool,
}

impl Pending<'_> {
    /// Returns whether a user has logged in or the handler asked for a new id.
    pub(crate) fn asks_for_a_new_id(&self) -> bool {
        self.login.is_some() || self.requested.cycles_id
    }

    /// Returns whether another user's session ends with this login.
    pub(crate) fn ends_by_login(&self) -> bool {
        self.requested.end == End::ByLogin
    }

    /// Returns the lifetimes of a session that begins at this time.
    pub(crate) fn lifetimes_since(&self, created: Timestamp) -> Lifetimes {
        self.set_lifetimes.since(created)
    }

    /// Returns the ids of a request that sent several, none of which was accepted.
    pub(crate) fn others(&self) -> &[SessionId] {
        self.session.others()
    }

    /// Returns the id of a predecessor that the client has sent.
    #[cfg(feature = "flask")]
    pub(crate) fn foreign(&self) -> Option<ForeignId> {
        self.session.foreign()
    }

    /// Remembers that this write, which has found the record alive, raises its version above the
    /// client's hint. Returns whether the response is to have the new hint because of this write.
    pub(crate) fn outdates_the_hint(&self, now: Timestamp) -> bool {
        self.session.hint_is_outdated(now);
        self.scope == Scope::Commit
    }

    /// Settles a successful write: `record` is now stored at `location`.
    pub(crate) fn stored(mut self, location: Location, record: Record, token: Token) {
        self.session.rebase(record, |state, record| {
            state.origin = match location.is_own() {
                true => Origin::Live,
                false => Origin::Redirected,
            };
            (state.id, state.moved_to) = location.into_parts();
            // This request created the record, whatever it had found before.
            state.is_new |= record.version() == 1;
            state.login_under_way = None;
            state.record = record;
            state.exceeds_maximum = false;
            state.tell(token);
            if token == Token::Issue {
                state.hint_outdated = None;
            }
        });
        self.is_settled = true;
    }

    /// Settles a successful change of keys, of which the store has returned the version and no
    /// values. The session shows the values that it read, with its changes.
    pub(crate) fn changed(mut self, location: Location, record: Record, token: Token) {
        let (version, ttl) = (record.version(), record.ttl());
        let before = Arc::unwrap_or_clone(mem::replace(&mut self.record, Arc::new(record)));
        let lifetimes = self.lifetimes.or(before.lifetimes());
        let after = before
            .map_data(|data| self.changes.apply_written(data))
            .with_lifetimes(lifetimes)
            .at_version(version)
            .with_ttl(ttl);
        self.stored(location, after, token);
    }

    /// Settles a commit that wrote only the expiry, or nothing.
    pub(crate) fn kept(mut self, ttl: Option<Timestamp>) {
        self.is_settled = true;
        self.session.with(|state| {
            if let Some(ttl) = ttl {
                let without_values = state.without_values();
                state.record = mem::replace(&mut state.record, without_values).with_ttl(ttl);
            }
            let found_alive = ttl.is_some() || self.outcome == Outcome::Reissue;
            // A client that used a cycled id does not get a new cookie.
            if found_alive && state.origin == Origin::Live {
                state.tell(Token::Issue);
            }
        });
    }

    /// Settles a deletion: nothing is stored any more. Changes made during the write begin a new
    /// session.
    pub(crate) fn destroyed(mut self, now: Timestamp, rules: &Expiry, token: Token) {
        let nothing = Record::new(Data::new(), now, rules.ttl(now, now));
        self.session.rebase(nothing, |state, nothing| {
            state.origin = Origin::Absent;
            state.id = None;
            state.moved_to = None;
            state.login_under_way = None;
            state.record = nothing;
            state.is_new = true;
            state.tell(token);
        });
        self.is_settled = true;
    }

    /// Settles a write that failed or is ambiguous, and returns the error.
    pub(crate) fn failed(mut self, error: Error) -> Error {
        self.undo(error)
    }

    fn undo(&mut self, error: Error) -> Error {
        self.is_settled = true;
        let record = Record::clone(&self.record);
        let sent = Arc::unwrap_or_clone(mem::take(&mut self.changes));
        let requested = mem::take(&mut self.requested);
        self.session.with(|state| {
            state.note(&error);
            state.login_under_way = None;
            if error.kind() == ErrorKind::OutcomeUnknown {
                state.phase = Phase::Ambiguous(error.distinct());
            }
            if self.outcome.writes_data() {
                state.put_back(record, sent, requested);
            }
        });
        error
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let writes = !matches!(self.outcome, Outcome::Keep | Outcome::Reissue);
        if !self.is_settled && writes {
            let reason = "the write was cancelled while it was under way";
            self.undo(Error::new(ErrorKind::OutcomeUnknown, reason));
        }
    }
}
