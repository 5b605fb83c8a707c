//! Changes on their way to the store.
//!
//! 1. What is to be written is taken out of the session, and put back if it was not written.
//! 2. During a save the session shows what is being written as if it were. What is changed
//!    meanwhile is a change of that, and goes on top.
//! 3. A write that is dropped half-way may have happened: nobody knows, and the session says so.

use std::mem;

use crate::changes::{Changes, Origin, Outcome};
use crate::error::{Error, ErrorKind};
use crate::expiry::{Expiry, Timestamp};
use crate::id::{SessionId, StorageKey};
use crate::record::{Data, Record};
use crate::session::{Ended, Scope, Session, Token};
use crate::user::{Login, Pseudonym};

impl Session {
    /// Decides what is to be written, and takes it out to be written. After a commit nothing else
    /// can be asked for; during a save, what is changed meanwhile goes on top.
    pub(crate) fn take_pending(
        &self,
        scope: Scope,
        now: Timestamp,
        rules: &Expiry,
    ) -> Result<Pending<'_>, Error> {
        self.with_foreseen(|state| {
            // Another save may have failed, or the request been settled, while this one waited.
            if let Some(sealed) = &state.seal
                && (scope == Scope::Save || sealed.kind() == ErrorKind::OutcomeUnknown)
            {
                return Err(sealed.distinct());
            }
            if scope != Scope::Save {
                state.seal();
            }
            let outcome = state.decide(scope, now, rules, self.0.reissue)?;
            // An outage must not let anything be saved over the real data; a logout may.
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
                record,
                changes,
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

/// Where a session is stored.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    /// The id that its client has.
    pub(crate) id: SessionId,
    /// The key, where that is not the id's: it was renewed on schedule, and this request came by
    /// the id before.
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

/// Changes on their way to the store. If this is dropped before it is settled, as when the future
/// of a save is cancelled, nobody knows whether they were written, and the session is sealed.
#[derive(Debug)]
pub(crate) struct Pending<'a> {
    session: &'a Session,
    pub(crate) outcome: Outcome,
    pub(crate) origin: Origin,
    /// Under which it is stored.
    pub(crate) location: Option<Location>,
    /// What was read.
    pub(crate) record: Record,
    pub(crate) changes: Changes,
    pub(crate) require_unchanged: bool,
    /// When the request began.
    pub(crate) began: Timestamp,
    /// The user who has logged in.
    pub(crate) login: Option<Login>,
    /// The label of a session that stays its user's.
    pub(crate) new_label: Option<String>,
    ended: Ended,
    renew: bool,
    user: Option<Pseudonym>,
    label: Option<String>,
    settled: bool,
}

impl Pending<'_> {
    /// Whether a user has logged in, or the handler asked for a new id.
    pub(crate) fn asks_for_a_new_id(&self) -> bool {
        self.login.is_some() || self.renew
    }

    /// Whether another user's session ends with this login.
    pub(crate) fn ends_by_login(&self) -> bool {
        self.ended == Ended::ByLogin
    }

    /// The ids of an ambiguous request, of which none was accepted.
    pub(crate) fn others(&self) -> &[SessionId] {
        &self.session.0.others
    }

    /// It was written: `record` is stored now, there.
    pub(crate) fn stored(mut self, location: Location, record: Record, token: Token) {
        self.settled = true;
        self.session.with(|state| {
            state.origin = match location.moved_to {
                Some(_) => Origin::Redirected,
                None => Origin::Live,
            };
            state.id = Some(location.id);
            state.moved_to = location.moved_to;
            // This request began it, whatever it had found.
            state.is_new |= record.version() == 1;
            state.user_on_the_way = None;
            // What begins a new session stands on nothing.
            if state.ended == Ended::No {
                state.changes.settle_on(record.data());
            }
            state.record = record;
            state.tell(token);
        });
    }

    /// Nothing was written but the expiry, or not even that.
    pub(crate) fn kept(mut self, ttl: Option<Timestamp>) {
        self.settled = true;
        self.session.with(|state| {
            if let Some(ttl) = ttl {
                state.record = state.record.clone().with_ttl(ttl);
                // A client that came by an id that was renewed is not given it again.
                if state.origin == Origin::Live {
                    state.tell(Token::Issue);
                }
            }
        });
    }

    /// Nothing is stored any more. What came meanwhile begins a new session.
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

    /// It was not written, or nobody knows; gives the error back.
    pub(crate) fn failed(mut self, error: Error) -> Error {
        self.settled = true;
        self.undo(error)
    }

    fn undo(&mut self, error: Error) -> Error {
        let record = self.record.clone();
        let sent = mem::take(&mut self.changes);
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
                    // What begins a new session stands on nothing.
                    Ended::ByLogin | Ended::ByLogout => &Data::new(),
                };
                // What came meanwhile stands on what was sent, unless it destroyed that.
                if state.ended == Ended::No {
                    state.ended = ended;
                    state.user = state.user.take().or(user);
                    state.label = state.label.take().or(label);
                    let later = mem::take(&mut state.changes);
                    state.changes = sent.followed_by(later, base);
                } else {
                    // A logout that failed is one still, whoever has logged in meanwhile.
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
