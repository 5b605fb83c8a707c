//! The user of a session, and the other sessions of that user.

use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::session::handle::Session;
use crate::session::state::State;
#[cfg(doc)]
use crate::store::session_info::SessionInfo;
use crate::store::session_info::UserSessions;
use crate::store::user::{self, Binding, Pseudonym, Revoked};

impl Session {
    /// Binds the session to a user and cycles its id, as [`cycle_id`](Self::cycle_id) does.
    ///
    /// Call it at every login. Afterwards, the user's sessions can be [listed](Self::user_sessions)
    /// and revoked, from here or from [outside a request](crate::SessionLayer::revoke_user).
    ///
    /// | The session was | It is now | The client gets |
    /// |---|---|---|
    /// | not bound | bound to the user, with its data | a new id |
    /// | bound to the same user | bound to the user, with its data | a new id |
    /// | bound to another user | a new, empty session of the user | a new id; the previous session is deleted |
    /// | any of these, and another login cycled its id concurrently | a new session of the user, with the values that this request inserts | a new id |
    ///
    /// If the session was bound to another user, changes that this request made before the call are
    /// discarded.
    ///
    /// `user` is an identifier of the user that never changes, such as the primary key of their
    /// account. Stores see only a hash of it
    /// ([`user_hash_key`](crate::SessionLayer::user_hash_key)).
    ///
    /// The binding is separate from the values that [`insert`](Self::insert) stores. A handler that
    /// needs to know the user needs a value of its own, inserted after this call.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// fn logged_in(session: &Session, account: &str, device: &str) -> Result<(), Error> {
    ///     session.log_in(account)?;
    ///     session.set_label(device)?;
    ///     session.insert("account", account)
    /// }
    /// # logged_in(&Session::detached(()), "17", "Firefox on Linux").unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if `user` is empty, and changes
    /// nothing.
    pub fn log_in(&self, user: &str) -> Result<(), Error> {
        let pseudonym = self.backend().pseudonym(user);
        // The discarded changes are dropped while the session is unlocked.
        self.try_change(|state| Ok(state.log_in(pseudonym?)))
            .map(drop)
    }

    /// Returns whether the session is bound to this user, or will be when it is written.
    ///
    /// It is `true` from [`log_in`](Self::log_in) until [`destroy`](Self::destroy) or the login of
    /// another user, and in later requests with the session. It is `false` for an empty `user`.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// fn logged_in(session: &Session, account: &str) -> Result<(), Error> {
    ///     session.log_in(account)
    /// }
    ///
    /// let session = Session::detached(());
    /// logged_in(&session, "17")?;
    /// assert!(session.is_logged_in_as("17"));
    /// assert!(!session.is_logged_in_as("18"));
    /// # Ok::<_, Error>(())
    /// ```
    #[must_use]
    pub fn is_logged_in_as(&self, user: &str) -> bool {
        let user = self.backend().pseudonym(user).ok();
        self.with(|state| user.is_some() && state.user() == user.as_ref())
    }

    /// Returns the [handle](SessionInfo::handle) of the login, or `None` if the session is not bound
    /// to a user.
    ///
    /// It stays the same when the id is cycled, and it gives no access. A login of this request has a
    /// handle once it is written, after a [`save`](Self::save) for example.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// /// Returns whether the session's login is still in the list of its user's sessions.
    /// async fn is_listed(session: &Session) -> Result<bool, Error> {
    ///     let handle = session.handle();
    ///     let sessions = session.user_sessions().await?;
    ///     Ok(sessions.iter().any(|info| Some(info.handle()) == handle.as_deref()))
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() { assert!(!is_listed(&Session::detached(())).await.unwrap()); }
    /// ```
    #[must_use]
    pub fn handle(&self) -> Option<String> {
        self.whose().1
    }

    /// Sets the label of this login in [`user_sessions`](Self::user_sessions), such as a device or
    /// an address.
    ///
    /// The label is stored unencrypted with a session that is [bound to a user](Self::log_in). It
    /// is shown only in a list of the user's sessions. A label longer than 512 bytes is truncated.
    /// A session that is not bound to a user has no label.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// fn logged_in(session: &Session, account: &str) -> Result<(), Error> {
    ///     session.log_in(account)?;
    ///     session.set_label("Firefox on Linux")
    /// }
    /// # logged_in(&Session::detached(()), "17").unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Fails only with the [errors of every change](Self#errors).
    pub fn set_label(&self, label: &str) -> Result<(), Error> {
        self.try_change(|state| {
            state.set_label(label);
            Ok(())
        })
    }

    /// Lists the live sessions of the user that this session is [bound](Self::log_in) to, the most
    /// recently seen first.
    ///
    /// It is for a page such as "your devices". The list is empty if the session is not bound to a
    /// user. A session that this request has just bound is listed only after it is stored.
    ///
    /// It costs one strongly consistent `Query` and one `BatchGetItem` per 100 sessions. It lists
    /// at most 1,000 sessions: [`has_more`](UserSessions::has_more) returns whether there may be
    /// more.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// async fn devices(session: &Session) -> Result<Vec<String>, Error> {
    ///     let sessions = session.user_sessions().await?;
    ///     let labels = sessions.iter().map(|info| info.label().unwrap_or("unknown").to_owned());
    ///     Ok(labels.collect())
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() { assert!(devices(&Session::detached(())).await.unwrap().is_empty()); }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of a read: [`Unavailable`](ErrorKind::Unavailable),
    /// [`Throttled`](ErrorKind::Throttled), [`Timeout`](ErrorKind::Timeout) and
    /// [`Misconfigured`](ErrorKind::Misconfigured).
    pub async fn user_sessions(&self) -> Result<UserSessions, Error> {
        let (Some(user), handle) = self.whose() else {
            return Ok(UserSessions::default());
        };
        let sessions = self.backend().user_sessions(self, &user).await?;
        Ok(sessions.in_order(handle.as_deref()))
    }

    /// Ends all other sessions of the user that this session is [bound](Self::log_in) to.
    ///
    /// It is for "log out everywhere else", and should follow a change of password. It takes effect
    /// immediately, not at the end of the request, and also if the request fails later. If the
    /// session is not bound to a user, it ends nothing.
    ///
    /// It covers every other session whose login was acknowledged before the call began. No read
    /// that begins after the call has returned finds such a session, also if another request cycles
    /// its id concurrently.
    ///
    /// It costs one `Query`, two deletes for each session, and one more `Query` that confirms that
    /// none is left.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// async fn password_changed(session: &Session) -> Result<(), Error> {
    ///     session.cycle_id()?;
    ///     session.revoke_others().await
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() { password_changed(&Session::detached(())).await.unwrap(); }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of a write. Some of the sessions may have ended then, and the call can
    /// be repeated.
    pub async fn revoke_others(&self) -> Result<(), Error> {
        self.check_open()?;
        let (Some(user), handle) = self.whose() else {
            return Ok(());
        };
        // A session that is not stored as bound is not in the list, so all may be revoked.
        let which = handle.as_deref().map_or(Revoked::All, Revoked::AllBut);
        self.backend().revoke(self, &user, which).await
    }

    /// Ends the session with this [handle](SessionInfo::handle) if it belongs to the user that this
    /// session is [bound](Self::log_in) to.
    ///
    /// If the handle is that of this session, the call is a [logout](Self::destroy).
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// async fn sign_out_device(session: &Session, handle: &str) -> Result<(), Error> {
    ///     session.revoke(handle).await
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() { sign_out_device(&Session::detached(()), "x").await.unwrap(); }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`revoke_others`](Self::revoke_others).
    pub async fn revoke(&self, handle: &str) -> Result<(), Error> {
        self.check_open()?;
        match self.whose() {
            (_, Some(own)) if own == handle => self.destroy(),
            (Some(user), _) => {
                let which = Revoked::Only(handle);
                self.backend().revoke(self, &user, which).await
            }
            (None, _) => Ok(()),
        }
    }

    /// Returns whether a user has logged in or a new id was requested, and neither has been written.
    pub(crate) fn asks_for_a_new_id(&self) -> bool {
        self.with(|state| state.requested.cycles_id || state.requested.user.is_some())
    }

    /// Returns the user that the session is or will be bound to, and the handle of the stored
    /// login.
    fn whose(&self) -> (Option<Pseudonym>, Option<String>) {
        self.with(|state| {
            let user = state.user().cloned();
            // A handle of another user's login does not belong to this user.
            let own = state
                .bound()
                .filter(|bound| Some(bound.user()) == user.as_ref());
            let own = own.map(Binding::handle).map(str::to_owned);
            (user, own)
        })
    }
}

impl State {
    fn set_label(&mut self, label: &str) {
        self.requested.label = Some(user::label(label));
    }

    /// Returns the label if it differs from the stored one of the user's session.
    pub(super) fn new_label(&self) -> Option<&str> {
        let bound = self.bound()?;
        let label = self.requested.label.as_deref();
        label.filter(|label| bound.label() != Some(label))
    }
}
