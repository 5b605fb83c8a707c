//! The handle to one session, the state that its clones share, and the I/O behind it.
//!
//! The lock is held within one method and never across an await. No code of the application runs or
//! is dropped under it.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;

use crate::clock::Timestamp;
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::expiry::Expiry;
use crate::id::{SessionId, StorageKey};
use crate::session::location::LookedUp;
use crate::session::state::{End, Load, Phase, State};
use crate::session::value::parse;
use crate::store::data::{Data, Entry};
use crate::store::record::{Found, Record};
use crate::store::session_info::UserSessions;
use crate::store::user::{Pseudonym, Revoked};
use crate::wire::hints::Hints;
use crate::wire::received::{Ids, Received, Reply};

/// The session of one request.
///
/// It is cheap to clone, and every clone is the same session. It is the second argument of a
/// [wrapped](crate::SessionLayer::wrap) handler, and
/// [`request.session().await?`](crate::SessionExt::session) returns it. Only that load has to be
/// awaited. The changes are written once, after the handler has returned.
///
/// ```
/// use lambda_sessions::{Error, Session};
///
/// fn rename(session: &Session, name: &str) -> Result<Option<String>, Error> {
///     let before = session.get("name")?;
///     session.insert("name", name)?;
///     session.increment("renamed", 1)?;
///     Ok(before)
/// }
///
/// # fn main() -> Result<(), Error> {
/// let session = Session::detached([("name", "ada")]);
/// assert_eq!(rename(&session, "grace")?.as_deref(), Some("ada"));
/// assert_eq!(session.keys(), ["name", "renamed"]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Every method that takes a key fails with [`InvalidKey`](ErrorKind::InvalidKey) if the key is
/// empty or longer than 65,535 bytes. Every method that changes something fails with
/// [`Misconfigured`](ErrorKind::Misconfigured) once the request's outcome is decided, for example
/// if a clone is used after the response. A method that fails changes nothing.
#[derive(Clone)]
pub struct Session(Arc<Shared>);

struct Shared {
    /// The id that the client sent, if it sent one.
    received: Option<SessionId>,
    /// True if the client sent anything where the id belongs.
    received_anything: bool,
    /// True if the client must get the id that it sent again.
    reissue: bool,
    /// The hints that came with the id.
    hints: Hints,
    /// The ids of a request that sent several, of which none was accepted.
    others: Vec<SessionId>,
    /// The places of the response that carry the id.
    reply: Reply,
    /// The lock that is held while the record is loaded, so that it is loaded once. It holds what was
    /// found for a handler that has not asked yet.
    loading: tokio::sync::Mutex<Option<LookedUp>>,
    /// The lock of writing. A save waits for the one before it, because it changes what that leaves.
    writing: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    backend: Arc<dyn Backend>,
}

/// The I/O of a session. It hides the type of the store, and its futures are boxed for that reason.
pub(crate) trait Backend: Send + Sync {
    fn load<'a>(&'a self, session: &'a Session) -> Boxed<'a>;
    fn save<'a>(&'a self, session: &'a Session) -> Boxed<'a>;

    /// Returns the rules of expiry of the layer.
    fn expiry(&self) -> &Expiry;

    /// Returns the name by which the store knows a user.
    fn pseudonym(&self, user: &str) -> Result<Pseudonym, Error>;

    fn user_sessions<'a>(
        &'a self,
        session: &'a Session,
        user: &'a Pseudonym,
    ) -> Boxed<'a, UserSessions>;

    fn revoke<'a>(
        &'a self,
        session: &'a Session,
        user: &'a Pseudonym,
        which: Revoked<'a>,
    ) -> Boxed<'a>;
}

pub(crate) type Boxed<'a, T = ()> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// The interface to the service.
impl Session {
    pub(crate) fn new(received: Received, backend: Arc<dyn Backend>) -> Self {
        let Received { ids, hints, reply } = received;
        let received_anything = ids != Ids::Nothing;
        let reissue = matches!(ids, Ids::Reissue(_));
        let (received, others) = match ids {
            Ids::One(id) | Ids::Reissue(id) => (Some(id), Vec::new()),
            Ids::Nothing | Ids::Unusable => (None, Vec::new()),
            Ids::Several(ids) => (None, ids),
        };
        Self(Arc::new(Shared {
            received_anything,
            reissue,
            hints,
            others,
            reply,
            loading: tokio::sync::Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            state: Mutex::new(State::new(received.clone())),
            backend,
            received,
        }))
    }

    /// Returns the id that the client sent, if it sent one.
    pub(crate) fn received(&self) -> Option<&SessionId> {
        self.0.received.as_ref()
    }

    /// Returns the hints that came with the id.
    pub(crate) fn hints(&self) -> Hints {
        self.0.hints
    }

    /// Returns whether the client sent anything where the id belongs.
    pub(crate) fn received_anything(&self) -> bool {
        self.0.received_anything
    }

    /// Returns whether the client must get the id that it sent again.
    pub(super) fn reissues(&self) -> bool {
        self.0.reissue
    }

    /// Returns the ids of a request that sent several, of which none was accepted.
    pub(super) fn others(&self) -> &[SessionId] {
        &self.0.others
    }

    /// Returns the places of the response that carry the id.
    pub(crate) fn reply(&self) -> Reply {
        self.0.reply
    }

    pub(super) fn backend(&self) -> &dyn Backend {
        &*self.0.backend
    }

    /// Loads the session through the backend, for callers that do not know the store.
    pub(crate) async fn load(&self) -> Result<(), Error> {
        if !self.was_read() {
            // Changes made after the response has left would be lost.
            self.check_open()?;
        }
        self.0.backend.load(self).await
    }

    /// Locks loading. Only the holder of the guard loads.
    pub(crate) async fn loading(&self) -> tokio::sync::MutexGuard<'_, Option<LookedUp>> {
        self.0.loading.lock().await
    }

    /// Locks writing. Only the holder of the guard writes.
    pub(crate) async fn writing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.writing.lock().await
    }

    /// Locks writing, if nobody is writing.
    pub(crate) fn try_writing(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        self.0.writing.try_lock().ok()
    }

    /// Returns whether the stored record was read.
    pub(crate) fn was_read(&self) -> bool {
        self.with(|state| matches!(state.load, Load::Done))
    }

    /// Returns whether the last load failed.
    pub(crate) fn was_not_loaded(&self) -> bool {
        self.with(|state| matches!(state.load, Load::Failed(_)))
    }

    /// Returns whether the session was read, changed, or failed to load. If not, it is settled.
    pub(crate) fn is_to_be_settled(&self) -> bool {
        self.with(|state| {
            let used = matches!(state.load, Load::Done)
                || state.requested.end != End::No
                || !state.changes.is_empty()
                || state.has_failed();
            if !used {
                state.phase.settle();
            }
            used
        })
    }

    /// Returns whether a logout and later changes were requested, and neither has been written.
    pub(crate) fn begins_anew_after_a_logout(&self) -> bool {
        self.with(|state| {
            let begins = !state.changes.is_empty() || state.requested.user.is_some();
            state.requested.end == End::ByLogout && begins
        })
    }

    /// Refuses every later change and drops the changes that were not written. A function among
    /// them may hold this session.
    pub(crate) fn close(&self) {
        let changes = self.with(|state| {
            state.phase.settle();
            mem::take(&mut state.changes)
        });
        drop(changes);
    }

    /// Adopts the record that the store found.
    pub(crate) fn loaded(
        &self,
        found: Found,
        moved_to: Option<StorageKey>,
        now: Timestamp,
        rules: &Expiry,
    ) {
        let nothing = Record::new(Data::new(), now, rules.ttl(now, now));
        let mut exceeds_maximum = false;
        let (found, record) = match found {
            Found::Live(record) => {
                let ttl = rules.capped_ttl(record.lifetimes(), record.ttl(), record.modified());
                exceeds_maximum = ttl < record.ttl();
                (Found::Live(()), record.with_ttl(ttl))
            }
            Found::Redirect(next) => (Found::Redirect(next), nothing),
            Found::Tombstone(since) => (Found::Tombstone(since), nothing),
            Found::Absent => (Found::Absent, nothing),
        };
        self.rebase(record, |state, record| {
            state.exceeds_maximum = exceeds_maximum;
            state.loaded(found, record, moved_to);
        });
    }

    /// Remembers that the client's hint is outdated, and that a load at this time finds the record
    /// alive.
    pub(crate) fn hint_is_outdated(&self, now: Timestamp) {
        self.with(|state| state.hint_outdated = Some(now));
    }

    /// Remembers an error that is returned to a handler.
    pub(crate) fn failed(&self, error: &Error) {
        self.with(|state| state.note(error));
    }

    /// Remembers that the session could not be loaded.
    pub(crate) fn not_loaded(&self, error: &Error) {
        self.with(|state| {
            state.note(error);
            state.load = Load::Failed(error.distinct());
        });
    }

    /// Returns the last error that was returned to a handler and is still held. After the handler
    /// has returned, only its result can hold it.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.with(|state| state.failure())
    }

    /// Returns the error of an ambiguous write, if there was one.
    pub(crate) fn unknown_outcome(&self) -> Option<Error> {
        self.with(|state| match &state.phase {
            Phase::Ambiguous(error) => Some(error.distinct()),
            Phase::Open | Phase::Settled => None,
        })
    }
}

/// Access to the state, for the other methods of a session.
impl Session {
    pub(super) fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        Self::run(self.lock(), f)
    }

    /// Runs `f` under the lock, and then drops what it replaced.
    pub(super) fn run<R>(mut state: MutexGuard<'_, State>, f: impl FnOnce(&mut State) -> R) -> R {
        let result = f(&mut state);
        // The application's functions, and what they hold, are dropped while the session is
        // unlocked.
        let replaced = state.changes.take_replaced();
        drop(state);
        drop(replaced);
        result
    }

    /// Locks the state. A poisoned lock means that a panic occurred while it was held. Every change
    /// of the state is made completely or not at all, so the state is still valid.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the state, and remembers the error that the handler gets.
    pub(super) fn try_with<R>(
        &self,
        f: impl FnOnce(&mut State) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.with(|state| {
            let result = f(state);
            if let Err(error) = &result {
                state.note(error);
            }
            result
        })
    }

    /// Changes the state, unless changes are refused.
    pub(super) fn try_change<R>(
        &self,
        f: impl FnOnce(&mut State) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.try_with(|state| match state.phase.refusal() {
            Some(refused) => Err(refused),
            None => f(state),
        })
    }

    /// Fails if changes are refused.
    pub(super) fn check_open(&self) -> Result<(), Error> {
        self.try_change(|_| Ok(()))
    }

    /// Parses an entry. This runs the application's code, so the session must not be locked.
    pub(super) fn parsed<T: DeserializeOwned>(
        &self,
        entry: Option<&Entry>,
    ) -> Result<Option<T>, Error> {
        self.noted(entry.map(parse).transpose())
    }

    /// Remembers the error of a result that the handler gets.
    pub(super) fn noted<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.inspect_err(|error| self.failed(error))
    }
}

/// Shows neither the id nor the values.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|state| {
            f.debug_struct("Session")
                .field("id", &state.id)
                .field("record", &state.record)
                .field("changes", &state.changes)
                .finish_non_exhaustive()
        })
    }
}
