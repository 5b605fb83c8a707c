//! Whose a session is, and the other sessions of that user.

use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::session::Session;
#[cfg(doc)]
use crate::user::SessionInfo;
use crate::user::{self, Pseudonym, Revoked, UserSessions};

impl Session {
    /// Makes the session a user's, under a new id, as by [`cycle_id`](Self::cycle_id): call it at the login.
    /// From then on the user's sessions can be [listed](Self::user_sessions) and revoked, from here
    /// or from [outside a request](crate::SessionLayer::revoke_user).
    ///
    /// | The session was | It is | And the client has |
    /// |---|---|---|
    /// | nobody's | the user's, with its data | a new id |
    /// | the same user's | the user's, with its data | a new id |
    /// | another user's | a new one of the user's, empty | a new id; the former session is deleted |
    /// | any of these, but given a new id by another login meanwhile | a new one of the user's, with what this request puts | a new id |
    ///
    /// What this request did to another user's session before the call is dropped with it.
    ///
    /// `user` is whatever names the user for good, such as the primary key of their account. Stores
    /// see a hash of it ([`user_hash_key`](crate::SessionLayer::user_hash_key)).
    ///
    /// It stands beside what [`insert`](Self::insert) puts under any key: handlers that ask who
    /// the user is want a value of their own, put after this call.
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
    /// [`Misconfigured`](ErrorKind::Misconfigured) for an empty `user`; nothing changes then. The
    /// same, at the end of the request, where the store has no place for users.
    pub fn log_in(&self, user: &str) -> Result<(), Error> {
        let pseudonym = self.0.backend.pseudonym(user);
        self.try_change(|state| Ok(state.log_in(pseudonym?)))
            .map(drop)
    }

    /// Sets what [`user_sessions`](Self::user_sessions) calls this login: a device, an address. It is
    /// kept with a session that is a [user's](Self::log_in), in clear, and shown to nobody but
    /// who lists the user's sessions. What is longer than 512 bytes is cut. A session that is nobody's
    /// has no label.
    ///
    /// # Errors
    ///
    /// Only those of every change, [above](Self#errors).
    pub fn set_label(&self, label: &str) -> Result<(), Error> {
        self.try_change(|state| {
            state.label = Some(user::label(label));
            Ok(())
        })
    }

    /// The live sessions of the user that this one is [bound](Self::log_in) to, the last seen
    /// first: "your devices". None if it is bound to nobody. One that this request has just bound
    /// is not among them until it is stored.
    ///
    /// One strongly consistent `Query` and one `BatchGetItem` per 100 sessions, and no more than
    /// 1,000 of them: [`has_more`](UserSessions::has_more) tells whether there are.
    ///
    /// # Errors
    ///
    /// Those of a read: [`Unavailable`](ErrorKind::Unavailable), [`Throttled`](ErrorKind::Throttled),
    /// [`Timeout`](ErrorKind::Timeout), [`Misconfigured`](ErrorKind::Misconfigured) (also where the
    /// store has no place for users).
    pub async fn user_sessions(&self) -> Result<UserSessions, Error> {
        let (Some(user), handle) = self.whose() else {
            return Ok(UserSessions::default());
        };
        let sessions = self.0.backend.user_sessions(self, &user).await?;
        Ok(sessions.in_order(handle.as_deref()))
    }

    /// Ends all other sessions of the user that this one is [bound](Self::log_in) to: "log out
    /// everywhere else", and what should follow a change of password. It happens now, not at the end
    /// of the request, and whatever becomes of that. It ends nothing if the session is bound to
    /// nobody.
    ///
    /// Every other session whose login was acknowledged before this began is dead for every read
    /// that begins after it has returned, also if another request renews it meanwhile.
    ///
    /// One `Query`, two deletes for each session, and one more `Query`, which finds no more of them.
    ///
    /// # Errors
    ///
    /// Those of a write. Some may be ended then, and it can be done again.
    pub async fn revoke_others(&self) -> Result<(), Error> {
        self.try_change(|_| Ok(()))?;
        let (Some(user), handle) = self.whose() else {
            return Ok(());
        };
        // One that is not bound yet is not among them.
        let which = handle.as_deref().map_or(Revoked::All, Revoked::AllBut);
        self.0.backend.revoke(self, &user, which).await
    }

    /// Ends the session with this [handle](SessionInfo::handle), if it is one of the user that this
    /// one is [bound](Self::log_in) to. Its own handle is a [logout](Self::destroy).
    ///
    /// # Errors
    ///
    /// As of [`revoke_others`](Self::revoke_others).
    pub async fn revoke(&self, handle: &str) -> Result<(), Error> {
        self.try_change(|_| Ok(()))?;
        match self.whose() {
            (_, Some(own)) if own == handle => self.destroy(),
            (Some(user), _) => {
                let which = Revoked::Only(handle);
                self.0.backend.revoke(self, &user, which).await
            }
            (None, _) => Ok(()),
        }
    }

    /// The user that it is bound to, or is to be, and the handle of the login that is stored.
    fn whose(&self) -> (Option<Pseudonym>, Option<String>) {
        self.with(|state| {
            let bound = state.bound();
            let stored = bound.map(|binding| binding.user().clone());
            let user = state.user.clone().or(stored);
            // That of another user is none of this one's.
            let own = bound.filter(|bound| Some(bound.user()) == user.as_ref());
            (user, own.map(|bound| bound.handle().to_owned()))
        })
    }
}
