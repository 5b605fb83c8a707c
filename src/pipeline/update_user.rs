//! Changes the sessions of a user from outside their requests.
//!
//! 1. Each session is loaded, changed by the application's function, and written like the
//!    [`save`](crate::session::Session::save) of a request: key by key, and only if it is alive. That
//!    write makes no touch and cycles no id.
//! 2. The id of such a session is not known here, and only its client may get a new one. The session is
//!    treated as one that was found by a redirect.
//! 3. A session may be cycled or logged out before its write. The write then finds nothing. The sessions
//!    are listed again, and a login that is still there is changed under its new key.
//! 4. Only the logins of the first list count. A login keeps its handle for as long as it lasts.
//! 5. The function runs for one session at a time, and no lock is held.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::join_all;

use crate::error::{Error, ErrorKind};
use crate::id::StorageKey;
use crate::pipeline::committed::is_outage;
use crate::pipeline::core::Pipeline;
use crate::pipeline::deadline::{Call, within};
use crate::pipeline::handler_outcome::HandlerOutcome;
use crate::pipeline::redirects::follow_redirects;
use crate::pipeline::serve::CloseOnDrop;
use crate::pipeline::users::all_user_sessions;
use crate::session::deadline::Deadline;
use crate::session::decision::Scope;
use crate::session::handle::Session;
use crate::session::location::Location;
use crate::session::update_error::UpdateUserError;
use crate::store::arguments::{Load, RequestTime};
use crate::store::record::Found;
use crate::store::session_info::{SessionInfo, UserSessions};
use crate::store::session_store::SessionStore;
use crate::store::user::{Binding, Pseudonym};
use crate::wire::received::Ids;

/// The number of sessions that are loaded or written concurrently.
const MOST_AT_ONCE: usize = 8;
/// The number of times that a session may be moved or written by other requests first.
const MAX_PASSES: usize = 16;

/// The result for one session.
enum Change {
    Changed,
    /// The function changed nothing, or the session has ended.
    Unchanged,
    /// The session was not found under its key, or another request has written it first.
    Overtaken,
    Failed(Error),
}

/// The results so far.
#[derive(Default)]
struct Results {
    changed: usize,
    not_changed: usize,
    first: Option<Error>,
}

impl Results {
    fn fail(&mut self, count: usize, error: Error) {
        self.not_changed += count;
        self.first.get_or_insert(error);
    }

    fn into_result(self) -> Result<usize, UpdateUserError> {
        match self.first {
            None => Ok(self.changed),
            Some(first) => Err(UpdateUserError::new(self.changed, self.not_changed, first)),
        }
    }
}

impl<S: SessionStore> Pipeline<S> {
    /// Changes the live sessions of a user with this function, and returns the number of sessions that
    /// it changed.
    pub(crate) async fn update_user(
        self: &Arc<Self>,
        user: &Pseudonym,
        mut change: impl FnMut(&Session) -> Result<(), Error>,
        deadline: Option<Deadline>,
    ) -> Result<usize, UpdateUserError> {
        let mut results = Results::default();
        let mut listed = match self.list(user, deadline).await {
            Ok(listed) => listed,
            Err(error) => return Err(UpdateUserError::new(0, 0, error)),
        };
        if listed.has_more() {
            let reason = "the list of the user's sessions is incomplete";
            results.fail(0, Error::new(ErrorKind::Conflict, reason));
        }
        for _ in 0..MAX_PASSES {
            let mut left = listed.len();
            let mut overtaken = HashSet::new();
            for some in listed.chunks(MOST_AT_ONCE) {
                let changes = self.update_some(user, some, &mut change, deadline).await;
                left -= some.len();
                let mut outages = Vec::new();
                for (info, change) in some.iter().zip(changes) {
                    match change {
                        Change::Changed => results.changed += 1,
                        Change::Unchanged => {}
                        Change::Overtaken => {
                            overtaken.insert(info.handle().to_owned());
                        }
                        Change::Failed(error) => {
                            if is_outage(&error) || error.kind() == ErrorKind::OutcomeUnknown {
                                outages.push(error.clone());
                            }
                            results.fail(1, error);
                        }
                    }
                }
                // A store that cannot be reached is not called for each of the others.
                if outages.len() == some.len()
                    && let Some(error) = outages.pop()
                {
                    results.fail(left + overtaken.len(), error);
                    return results.into_result();
                }
            }
            if overtaken.is_empty() {
                return results.into_result();
            }
            let again = match self.list(user, deadline).await {
                Ok(again) => again.into_iter(),
                Err(error) => {
                    results.fail(overtaken.len(), error);
                    return results.into_result();
                }
            };
            // A login that is not listed any more has ended.
            let moved = again.filter(|info| overtaken.contains(info.handle()));
            listed = UserSessions::new(moved.collect());
        }
        let reason = "other requests kept changing the session first";
        results.fail(listed.len(), Error::new(ErrorKind::Conflict, reason));
        results.into_result()
    }

    async fn list(
        &self,
        user: &Pseudonym,
        deadline: Option<Deadline>,
    ) -> Result<UserSessions, Error> {
        let at = RequestTime::at(self.settings.now()).until(deadline.map(Deadline::of_operation));
        all_user_sessions(&self.store, user, at).await
    }

    /// Changes these sessions.
    async fn update_some(
        self: &Arc<Self>,
        user: &Pseudonym,
        infos: &[SessionInfo],
        change: &mut impl FnMut(&Session) -> Result<(), Error>,
        deadline: Option<Deadline>,
    ) -> Vec<Change> {
        let loads = infos.iter().map(|info| self.found(user, info, deadline));
        let loaded = join_all(loads).await;
        let mut results = Vec::new();
        for found in loaded {
            results.push(found.map(|session| {
                let result = change(&session.0);
                (session, result)
            }));
        }
        join_all(results.into_iter().map(async |result| match result {
            Ok((session, result)) => self.written(&session.0, result).await,
            Err(change) => change,
        }))
        .await
    }

    /// Loads a listed session, or returns the result for it if it is not there any more.
    async fn found(
        self: &Arc<Self>,
        user: &Pseudonym,
        info: &SessionInfo,
        deadline: Option<Deadline>,
    ) -> Result<CloseOnDrop, Change> {
        let Some(key) = info.storage_key() else {
            let reason = "the store lists sessions without their keys: see SessionInfo::stored_at";
            let error = Error::new(ErrorKind::Misconfigured, reason);
            return Err(Change::Failed(error));
        };
        let at = RequestTime::at(self.settings.now()).until(deadline.map(Deadline::of_operation));
        let loaded = self.load_at(key.clone(), at).await;
        let (found, key) = loaded.map_err(Change::Failed)?;
        let is_same =
            |binding: &Binding| binding.user() == user && binding.handle() == info.handle();
        match found {
            Found::Live(record) if record.binding().is_some_and(is_same) => {
                // A shorter lifetime of this layer may have ended it.
                let Found::Live(record) = self.still_alive(Found::Live(record), at) else {
                    return Err(Change::Unchanged);
                };
                let session = Session::new(Ids::Nothing.into(), Arc::<Self>::clone(self));
                session.begin(at.now(), deadline);
                let rules = &self.settings.expiry;
                session.loaded(Found::Live(record), key, at.now(), rules);
                Ok(CloseOnDrop(session))
            }
            Found::Live(_) | Found::Redirect(_) | Found::Tombstone(_) | Found::Absent => {
                Err(Change::Overtaken)
            }
        }
    }

    /// Loads the latest record of a key, and returns the key at which it was found.
    async fn load_at(
        &self,
        key: StorageKey,
        at: RequestTime,
    ) -> Result<(Found, Option<StorageKey>), Error> {
        let load = pin!(follow_redirects(Location::at(key), |key| async move {
            self.store.load_with(&key, Load::new(at)).await
        }));
        let (found, location) = within(at.deadline(), Call::Read, load).await?;
        let (_, key) = location.into_parts();
        Ok((found, key))
    }

    /// Writes what the function has changed, after this result of it.
    async fn written(&self, session: &Session, result: Result<(), Error>) -> Change {
        let refused = match result {
            Err(error) => Some(error),
            Ok(()) if session.asks_for_a_new_id() || session.begins_anew_after_a_logout() => {
                let reason = "the id of another client's session cannot be changed: \
                              do not log in, cycle the id or begin a session in `update_user`";
                Some(Error::new(ErrorKind::Misconfigured, reason))
            }
            Ok(()) => None,
        };
        if let Some(error) = refused {
            // As for a handler that fails, a logout is written, and nothing else.
            let outcome = HandlerOutcome::Failed(Some(error.clone()));
            return match self.commit(session, outcome).await {
                Ok(_) => Change::Failed(error),
                Err(error) => Change::Failed(error),
            };
        }
        let now = self.settings.now();
        if session.settle_if_kept(Scope::Save, now, &self.settings.expiry) {
            return Change::Unchanged;
        }
        match self.write(session, Scope::Save).await {
            Ok(_) => Change::Changed,
            Err(error) => match error.kind() {
                ErrorKind::Gone | ErrorKind::Conflict => Change::Overtaken,
                _ => Change::Failed(error),
            },
        }
    }
}
