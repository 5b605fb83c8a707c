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
use crate::id::{SessionId, StorageKey};
use crate::session::decision::{Origin, Outcome};
use crate::session::{Ended, Scope, Session, Token};
use crate::store::changes::Changes;
use crate::store::data::Data;
use crate::store::record::Record;
use crate::store::user::{Login, Pseudonym};

impl Session {
    /// Decides what is to be written, and takes it out of the session. After a commit no further
    /// change is accepted. During a save, later changes apply to the data that is being written.
    pub(crate) fn take_pending(
        &self,
        scope: Scope,
        now: Timestamp,
        rules: &Expiry,
    ) -> Result<Pending<'_>, Error> {
        self.with_foreseen(|state| {
            // While this save waited, another one may have failed, or the request may have been
            // settled.
            if let Some(sealed) = &state.seal
                && (scope == Scope::Save || sealed.kind() == ErrorKind::OutcomeUnknown)
            {
                return Err(sealed.distinct());
            }
            if scope != Scope::Save {
                state.seal();
            }
            let outcome = state.decide(scope, now, rules, self.0.reissue)?;
            // After a failed load, nothing may be saved over the real data. A logout may.
            if let Some(error) = &state.not_loaded
                && outcome.writes_data()
                && outcome != Outcome::Destroy
            {
                return Err(error.distinct());
            }
            let login = state.login();
            let new_label = state.new_label().map(str::to_owned);
            let (record, changes) = match (scope, outcome.writes_data()) {
                (_, false) | (Scope::OnlyDestroy, _) => (state.record.clone(), Changes::default()),
                (Scope::Commit, true) => state.give_up(),
                (Scope::Save, true) => state.look_ahead()?,
            };
            let pending = Pending {
                session: self,
                outcome,
                origin: state.origin,
                location: state.location(),
                record: Arc::new(record),
                changes: Arc::new(changes),
                require_unchanged: state.require_unchanged,
                began: state.began,
                login,
                new_label,
                ended: state.ended,
                renew: state.renew,
                user: state.user.clone(),
                label: state.label.clone(),
                settled: false,
            };
            if outcome.writes_data() {
                state.ended = Ended::No;
                state.renew = false;
                state.user_on_the_way = state.user.take();
                state.label = None;
            }
            Ok(pending)
        })
    }
}

/// The place where a session is stored.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    /// The id that the client has.
    pub(crate) id: SessionId,
    /// The key of the record if it is not the id's own key. The id was cycled automatically, and
    /// this request used the previous one.
    pub(crate) moved_to: Option<StorageKey>,
}

impl Location {
    pub(crate) fn of(id: SessionId) -> Self {
        Self { id, moved_to: None }
    }

    pub(crate) fn key(&self) -> &StorageKey {
        self.moved_to.as_ref().unwrap_or(self.id.storage_key())
    }
}

/// Changes on their way to the store. If this is dropped before it is settled, for example because
/// the future of a save is cancelled, the write is ambiguous. The session is then sealed.
#[derive(Debug)]
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
    /// The time when the request began.
    pub(crate) began: Timestamp,
    /// The user who has logged in.
    pub(crate) login: Option<Login>,
    /// The new label of a session that stays bound to its user.
    pub(crate) new_label: Option<String>,
    ended: Ended,
    renew: bool,
    user: Option<Pseudonym>,
    label: Option<String>,
    settled: bool,
}

impl Pending<'_> {
    /// Returns whether a user has logged in or the handler asked for a new id.
    pub(crate) fn asks_for_a_new_id(&self) -> bool {
        self.login.is_some() || self.renew
    }

    /// Returns whether another user's session ends with this login.
    pub(crate) fn ends_by_login(&self) -> bool {
        self.ended == Ended::ByLogin
    }

    /// Returns the ids of a request that presented several, none of which was accepted.
    pub(crate) fn others(&self) -> &[SessionId] {
        &self.session.0.others
    }

    /// Settles a successful write: `record` is now stored at `location`.
    pub(crate) fn stored(mut self, location: Location, record: Record, token: Token) {
        self.settled = true;
        self.session.with(|state| {
            state.origin = match location.moved_to {
                Some(_) => Origin::Redirected,
                None => Origin::Live,
            };
            state.id = Some(location.id);
            state.moved_to = location.moved_to;
            // This request created the record, whatever it had found before.
            state.is_new |= record.version() == 1;
            state.user_on_the_way = None;
            // A new session does not build on previous data.
            if state.ended == Ended::No {
                state.changes.settle_on(record.data());
            }
            state.record = record;
            state.tell(token);
        });
    }

    /// Settles a commit that wrote only the expiry, or nothing.
    pub(crate) fn kept(mut self, ttl: Option<Timestamp>) {
        self.settled = true;
        self.session.with(|state| {
            if let Some(ttl) = ttl {
                state.record = state.record.clone().with_ttl(ttl);
                // A client that used a cycled id does not get a new cookie.
                if state.origin == Origin::Live {
                    state.tell(Token::Issue);
                }
            }
        });
    }

    /// Settles a deletion: nothing is stored any more. Changes made during the write begin a new
    /// session.
    pub(crate) fn destroyed(mut self, now: Timestamp, rules: &Expiry, token: Token) {
        self.settled = true;
        self.session.with(|state| {
            state.origin = Origin::Absent;
            state.id = None;
            state.moved_to = None;
            state.user_on_the_way = None;
            state.record = Record::new(Data::new(), now, rules.ttl(now, now));
            state.is_new = true;
            state.tell(token);
        });
    }

    /// Settles a write that failed or is ambiguous, and returns the error.
    pub(crate) fn failed(mut self, error: Error) -> Error {
        self.settled = true;
        self.undo(error)
    }

    fn undo(&mut self, error: Error) -> Error {
        let record = Record::clone(&self.record);
        let sent = Arc::unwrap_or_clone(mem::take(&mut self.changes));
        let (ended, renew) = (self.ended, self.renew);
        let wrote = self.outcome.writes_data();
        let (user, label) = (self.user.take(), self.label.take());
        self.session.with(|state| {
            state.note(&error);
            state.user_on_the_way = None;
            if error.kind() == ErrorKind::OutcomeUnknown {
                state.seal = Some(error.distinct());
            }
            if wrote {
                state.record = record;
                state.renew |= renew;
                let base = match ended {
                    Ended::No => state.record.data(),
                    // A new session does not build on previous data.
                    Ended::ByLogin | Ended::ByLogout => &Data::new(),
                };
                // Changes made during the write apply to the data that was sent, unless they
                // destroyed the session.
                if state.ended == Ended::No {
                    state.ended = ended;
                    state.user = state.user.take().or(user);
                    state.label = state.label.take().or(label);
                    let later = mem::take(&mut state.changes);
                    state.changes = sent.followed_by(later, base);
                } else {
                    // A failed logout remains a logout, even if a user has logged in since.
                    state.ended = state.ended.max(ended);
                    state.changes.discard(sent, base);
                }
            }
        });
        error
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if !self.settled && self.outcome != Outcome::Keep {
            let reason = "the write was cancelled while it was under way";
            self.undo(Error::new(ErrorKind::OutcomeUnknown, reason));
        }
    }
}
