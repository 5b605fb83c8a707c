//! Changes of a user's sessions, from outside their requests.

use std::sync::Arc;

use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::layer::session_layer::SessionLayer;
use crate::pipeline::core::Pipeline;
use crate::pipeline::deadline;
use crate::session::handle::Session;
use crate::session::update_error::UpdateUserError;
use crate::store::session_store::SessionStore;

impl<S: SessionStore + Clone> SessionLayer<S> {
    /// Changes every live session that is [bound](Session::log_in) to a user, and returns the number
    /// of sessions that were changed.
    ///
    /// It is for a role that was taken away, a new name, or another value that the application keeps in
    /// sessions. To end the sessions, use [`revoke_user`](Self::revoke_user).
    ///
    /// `change` gets each session and has the methods of a handler. It is not called while the session
    /// is locked. Its changes are written as those of a request are:
    ///
    /// - Concurrent requests of the user lose nothing: changes are written key by key.
    /// - A session that is logged out or revoked meanwhile is left alone. A session whose id is cycled
    ///   is changed under its new id.
    /// - A write that is sent several times counts once.
    /// - The expiry is not extended. An action of somebody else does not keep a session alive.
    /// - No client gets a cookie or a new id. [`Session::id`] returns `None`.
    ///
    /// It covers every session whose login was acknowledged before the call began. Change the account in
    /// your database first, so that a login in progress reads the new value. A request that is already
    /// running sees the old values until its end.
    ///
    /// `change` may run several times for a session that other requests move or change. A value that it
    /// does not change is not written. [`destroy`](Session::destroy) ends the session. Logging in and
    /// cycling the id are errors, because the client would lose its session.
    ///
    /// It costs the calls of [`user_sessions`](Self::user_sessions), and one read and one write for each
    /// session. Eight sessions are changed at a time. In a list of sessions, each has been
    /// [seen](crate::session::SessionInfo::last_seen) at the time of its last write, also by this one.
    ///
    /// ```
    /// # use lambda_sessions::{MemoryStore, SessionLayer};
    /// use lambda_sessions::layer::UpdateUserError;
    ///
    /// # type Sessions = SessionLayer<MemoryStore>;
    /// async fn demote(sessions: &Sessions, account: &str) -> Result<(), UpdateUserError> {
    ///     let changed = sessions.update_user(account, |session| session.remove("role")).await?;
    ///     println!("{changed} sessions had the role");
    ///     Ok(())
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() { demote(&Sessions::new(MemoryStore::new()), "17").await.unwrap(); }
    /// ```
    ///
    /// # Errors
    ///
    /// The error states how many sessions were changed, and how many were not. It has the kind of the
    /// first failure. The other sessions are changed, unless the store could not be reached. The call
    /// can be repeated.
    ///
    /// - An error that `change` returns. Nothing of that session is written, except a logout.
    /// - The errors of [`Session::save`], except for [`Gone`](ErrorKind::Gone).
    /// - [`Conflict`](ErrorKind::Conflict) if other requests kept changing a session first, or if the
    ///   store could list only some of the sessions.
    /// - [`Misconfigured`](ErrorKind::Misconfigured) if the user's id is empty, or `change` has logged
    ///   in, cycled the id, or begun another session.
    pub async fn update_user(
        &self,
        user: &str,
        change: impl FnMut(&Session) -> Result<(), Error>,
    ) -> Result<usize, UpdateUserError> {
        let failed = |error| UpdateUserError::new(0, 0, error);
        let user = self.settings.pseudonym(user).map_err(failed)?;
        let settings = self.settings.clone();
        let pipeline = Pipeline::new(self.id().clone(), self.store.clone(), settings);
        let pipeline = Arc::new(pipeline.map_err(failed)?);
        let updated = pipeline.update_user(&user, change, deadline::current());
        updated.await
    }
}
