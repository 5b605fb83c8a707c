//! The sessions of a user, from outside a request.

use crate::error::Error;
use crate::layer::session_layer::SessionLayer;
use crate::pipeline::deadline;
use crate::pipeline::users;
use crate::session::deadline::Deadline;
#[cfg(doc)]
use crate::session::handle::Session;
use crate::store::arguments::RequestTime;
use crate::store::session_info::UserSessions;
use crate::store::session_store::SessionStore;
use crate::store::user::Revoked;

impl<S: SessionStore> SessionLayer<S> {
    /// Lists the live sessions that are [bound](Session::log_in) to a user, the most recently seen
    /// first.
    ///
    /// It is for an administrator's page or a job.
    ///
    /// ```
    /// # use lambda_sessions::{Error, MemoryStore, SessionLayer};
    /// # async fn f(sessions: SessionLayer<MemoryStore>, account: &str) -> Result<(), Error> {
    /// for info in sessions.user_sessions(account).await?.iter() {
    ///     println!("{}", info.label().unwrap_or("unknown device"));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`Session::user_sessions`], and with
    /// [`Misconfigured`](crate::ErrorKind::Misconfigured) if the user's id is empty.
    pub async fn user_sessions(&self, user: &str) -> Result<UserSessions, Error> {
        let user = self.settings.pseudonym(user)?;
        let sessions = users::user_sessions(&self.store, &user, self.request_time()).await?;
        Ok(sessions.in_order(None))
    }

    /// Ends all sessions that are [bound](Session::log_in) to a user ([ASVS 7.4][asvs]).
    ///
    /// Call it after a password was reset, an account was closed or a device was stolen.
    ///
    /// It covers every session whose login was acknowledged before the call began. No read that
    /// begins after the call has returned finds such a session. This holds on every instance,
    /// whatever its clock says, and also if a request cycles the id concurrently. A login that is
    /// in progress may survive.
    ///
    /// ```
    /// # use lambda_sessions::{Error, MemoryStore, SessionLayer};
    /// # async fn f(sessions: SessionLayer<MemoryStore>, account: &str) -> Result<(), Error> {
    /// sessions.revoke_user(account).await?;
    /// assert!(sessions.user_sessions(account).await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`Session::revoke_others`], and with
    /// [`Misconfigured`](crate::ErrorKind::Misconfigured) if the user's id is empty.
    ///
    /// [asvs]: https://github.com/OWASP/ASVS/blob/master/5.0/en/0x16-V7-Session-Management.md
    pub async fn revoke_user(&self, user: &str) -> Result<(), Error> {
        let user = self.settings.pseudonym(user)?;
        users::revoke(&self.store, &user, Revoked::All, self.request_time()).await
    }

    /// Reads the clock, and returns the time together with the deadline of the request whose
    /// handler calls this, if there is one.
    pub(super) fn request_time(&self) -> RequestTime {
        RequestTime::at(self.settings.now()).until(deadline::current().map(Deadline::of_operation))
    }
}
