//! The life of a session: its id, its times, and its end.

use std::time::SystemTime;

use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::id::SessionId;
use crate::session::handle::Session;

impl Session {
    /// Gives the session a new id at the end of the request and invalidates the old id at once.
    ///
    /// The data stays. Call it at every change of privilege: it is the defence against [session
    /// fixation][owasp]. [`log_in`](Self::log_in) implies it.
    ///
    /// A concurrent request that had read the session before and changes it afterwards gets a 409.
    /// A later request with the old id reads an empty session and may begin a new one. Nothing that
    /// this request writes is ever visible under the old id, not even after a [`save`](Self::save).
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// fn become_admin(session: &Session) -> Result<(), Error> {
    ///     session.cycle_id()?;
    ///     session.insert("role", "admin")
    /// }
    /// # become_admin(&Session::detached(())).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Fails only with the [errors of every change](Self#errors).
    ///
    /// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#renew-the-session-id-after-any-privilege-level-change
    pub fn cycle_id(&self) -> Result<(), Error> {
        self.try_change(|state| {
            state.cycle_id();
            Ok(())
        })
    }

    /// Logs out: deletes the record and the cookie at the end of the request.
    ///
    /// After the call, the session is empty. A value that is inserted later begins a new session
    /// with a new id.
    ///
    /// The logout is written even if the handler then returns `Err` or a 5xx response. After a
    /// panic, or if the request is dropped, nothing is written.
    ///
    /// If the client sent two different ids, neither was accepted, and the sessions of both are
    /// deleted.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// let session = Session::detached([("user", "ada")]);
    /// session.destroy()?;
    /// assert!(session.is_empty());
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails only with the [errors of every change](Self#errors).
    pub fn destroy(&self) -> Result<(), Error> {
        // The discarded changes are dropped while the session is unlocked.
        self.try_change(|state| Ok(state.destroy())).map(drop)
    }

    /// Returns whether this request has logged out with [`destroy`](Self::destroy).
    ///
    /// It stays `true` after a later change or login has begun a new session, and after a
    /// [`save`](Self::save). It is for tests of handlers, with [`detached`](Self::detached).
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// fn log_out(session: &Session) -> Result<(), Error> {
    ///     session.destroy()
    /// }
    ///
    /// let session = Session::detached([("cart", 3)]);
    /// log_out(&session)?;
    /// assert!(session.was_destroyed());
    /// # Ok::<_, Error>(())
    /// ```
    #[must_use]
    pub fn was_destroyed(&self) -> bool {
        self.with(|state| state.history.destroyed)
    }

    /// Returns whether this request has given the session a new id, with
    /// [`cycle_id`](Self::cycle_id) or [`log_in`](Self::log_in).
    ///
    /// It is `true` before and after the new id is written. A later [`destroy`](Self::destroy) sets
    /// it back to `false`, because that session has ended. Automatic cycling does not count. It is
    /// for tests of handlers, with [`detached`](Self::detached).
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// fn become_admin(session: &Session) -> Result<(), Error> {
    ///     session.cycle_id()?;
    ///     session.insert("role", "admin")
    /// }
    ///
    /// let session = Session::detached(());
    /// become_admin(&session)?;
    /// assert!(session.was_id_cycled());
    /// # Ok::<_, Error>(())
    /// ```
    #[must_use]
    pub fn was_id_cycled(&self) -> bool {
        self.with(|state| state.history.cycled_id)
    }

    /// Writes the changes now and not at the end of the request.
    ///
    /// It is for a side effect that must happen only if the session is stored. After it,
    /// [`get`](Self::get) returns the committed values.
    ///
    /// A pending [`cycle_id`](Self::cycle_id) or [`log_in`](Self::log_in) is performed: from here
    /// on, [`id`](Self::id) returns the new id, and the old one is invalid. The client gets the new
    /// id with the response. If the handler then returns `Err`, or the end of the request fails,
    /// the client has to begin a new session.
    ///
    /// A save waits for the one before it. Drop the future of a save that you no longer await. A
    /// future that is kept but not polled blocks later saves until the invocation's deadline.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// async fn order(session: &Session) -> Result<(), Error> {
    ///     let cart: Option<Vec<u32>> = session.take_once("cart")?;
    ///     session.save().await?; // only one request gets past this line
    ///     // charge for `cart` here
    ///     # let _ = cart;
    ///     Ok(())
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() { order(&Session::detached(())).await.unwrap(); }
    /// ```
    ///
    /// # Errors
    ///
    /// With these errors, nothing was written, and the changes stay pending:
    ///
    /// - [`Unavailable`](ErrorKind::Unavailable), [`Throttled`](ErrorKind::Throttled),
    ///   [`Misconfigured`](ErrorKind::Misconfigured), [`Conflict`](ErrorKind::Conflict),
    ///   [`TooLarge`](ErrorKind::TooLarge), [`Gone`](ErrorKind::Gone) and
    ///   [`Corrupt`](ErrorKind::Corrupt).
    /// - [`Timeout`](ErrorKind::Timeout): the invocation has no time left.
    /// - [`Deserialize`](ErrorKind::Deserialize): an increment met a value of another type.
    /// - [`Serialize`](ErrorKind::Serialize): the sum of an increment does not fit in an `i64`.
    ///
    /// With [`OutcomeUnknown`](ErrorKind::OutcomeUnknown), the changes may have been written, and
    /// every later change and save fails with the same error.
    pub async fn save(&self) -> Result<(), Error> {
        self.check_open()?;
        self.backend().save(self).await
    }

    /// Returns the id under which the session is stored.
    ///
    /// It returns `None` while the session is not stored.
    ///
    /// ```
    /// use lambda_sessions::Session;
    ///
    /// fn log(session: &Session) {
    ///     if let Some(id) = session.id() {
    ///         println!("session {}", id.fingerprint()); // never log the id itself
    ///     }
    /// }
    /// # log(&Session::detached(()));
    /// ```
    #[must_use]
    pub fn id(&self) -> Option<SessionId> {
        self.with(|state| state.id.clone().filter(|_| state.origin.is_live()))
    }

    /// Returns whether this request began the session.
    ///
    /// A session is new if no live record came with the request.
    ///
    /// ```
    /// use lambda_sessions::Session;
    ///
    /// assert!(Session::detached(()).is_new());
    /// ```
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.with(|state| state.is_new)
    }

    /// Returns the time at which the session began, in whole seconds.
    ///
    /// Its [lifetime](crate::SessionLayer::lifetime) counts from this time.
    ///
    /// ```
    /// use lambda_sessions::Session;
    ///
    /// let session = Session::detached([("cart", 3)]);
    /// assert!(session.created() < session.expires());
    /// ```
    #[must_use]
    pub fn created(&self) -> SystemTime {
        self.with(|state| state.record.created().into())
    }

    /// Returns the time at which the session expires if it is not used again, in whole seconds.
    ///
    /// ```
    /// use lambda_sessions::Session;
    /// use std::time::{Duration, SystemTime};
    ///
    /// fn ends_soon(session: &Session) -> bool {
    ///     session.expires() < SystemTime::now() + Duration::from_secs(60)
    /// }
    /// # assert!(!ends_soon(&Session::detached([("cart", 3)])));
    /// ```
    #[must_use]
    pub fn expires(&self) -> SystemTime {
        self.with(|state| state.record.ttl().into())
    }
}
