//! A session outside a request: it is read, and nothing changes it.

use std::time::SystemTime;

use serde::de::DeserializeOwned;

use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::id::SessionId;
use crate::key::AsKey;
use crate::session::handle::Session;
#[cfg(doc)]
use crate::store::session_info::SessionInfo;

/// A session that was read outside a request, from
/// [`authenticate`](crate::SessionLayer::authenticate).
///
/// It shows the session as it was when it was read. It has no methods that change the session, and
/// reading it does not extend the expiry.
///
/// ```
/// use lambda_sessions::{Error, Key};
/// use lambda_sessions::session::ReadOnlySession;
///
/// const ROLE: Key<String> = Key::new("role");
///
/// fn is_admin(session: &ReadOnlySession) -> Result<bool, Error> {
///     Ok(session.get(ROLE)?.as_deref() == Some("admin"))
/// }
/// # let _ = is_admin;
/// ```
#[derive(Clone, Debug)]
pub struct ReadOnlySession(pub(crate) Session);

impl ReadOnlySession {
    /// Returns the value stored under `key`, as a `T`.
    ///
    /// It returns `None` if the key is absent.
    ///
    /// ```
    /// use lambda_sessions::Error;
    /// use lambda_sessions::session::ReadOnlySession;
    ///
    /// fn account(session: &ReadOnlySession) -> Result<Option<u64>, Error> {
    ///     session.get("account")
    /// }
    /// # let _ = account;
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Deserialize`](ErrorKind::Deserialize) if the value has another type. Fails with
    /// [`InvalidKey`](ErrorKind::InvalidKey).
    pub fn get<T: DeserializeOwned>(&self, key: impl AsKey<T>) -> Result<Option<T>, Error> {
        self.0.get(key)
    }

    /// Returns whether a value is stored under `key`.
    ///
    /// ```
    /// use lambda_sessions::session::ReadOnlySession;
    ///
    /// fn has_cart(session: &ReadOnlySession) -> bool {
    ///     session.contains("cart")
    /// }
    /// # let _ = has_cart;
    /// ```
    #[must_use]
    pub fn contains(&self, key: impl AsRef<str>) -> bool {
        self.0.contains(key)
    }

    /// Returns the keys of all values, sorted.
    ///
    /// ```
    /// use lambda_sessions::session::ReadOnlySession;
    ///
    /// fn has_values(session: &ReadOnlySession) -> bool {
    ///     !session.keys().is_empty()
    /// }
    /// # let _ = has_values;
    /// ```
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.0.keys()
    }

    /// Returns whether the session is [bound](Session::log_in) to this user.
    ///
    /// It is `false` for an empty `user`. The session does not hold the id of its user, so an
    /// application that needs the id reads a value that its login has inserted.
    ///
    /// ```
    /// use lambda_sessions::session::ReadOnlySession;
    ///
    /// fn may_see(session: &ReadOnlySession, owner: &str) -> bool {
    ///     session.is_logged_in_as(owner)
    /// }
    /// # let _ = may_see;
    /// ```
    #[must_use]
    pub fn is_logged_in_as(&self, user: &str) -> bool {
        self.0.is_logged_in_as(user)
    }

    /// Returns the [handle](SessionInfo::handle) of the login, or `None` if the session is bound to
    /// no user.
    ///
    /// It stays the same when the id is cycled, and it gives no access. Store it to find out later
    /// whether the login is still in the list of the user's sessions.
    ///
    /// ```
    /// use lambda_sessions::{Error, SessionLayer};
    /// use lambda_sessions::session::ReadOnlySession;
    ///
    /// /// Returns what to keep with a WebSocket connection.
    /// fn binding(session: &ReadOnlySession) -> Result<Option<(String, String)>, Error> {
    ///     Ok(session.get("account")?.zip(session.handle()))
    /// }
    ///
    /// /// Returns whether that login still lives.
    /// async fn is_alive(sessions: &SessionLayer, account: &str, handle: &str) -> Result<bool, Error> {
    ///     let sessions = sessions.user_sessions(account).await?;
    ///     Ok(sessions.iter().any(|info| info.handle() == handle))
    /// }
    /// # let _ = (binding, is_alive);
    /// ```
    #[must_use]
    pub fn handle(&self) -> Option<String> {
        self.0.handle()
    }

    /// Returns the id under which the session is stored.
    ///
    /// Log its [fingerprint](SessionId::fingerprint), and never the id itself. If the client's id
    /// was cycled within the grace period, it is still the id that the client sent.
    ///
    /// ```
    /// use lambda_sessions::session::ReadOnlySession;
    ///
    /// fn log_line(session: &ReadOnlySession) -> String {
    ///     let id = session.id();
    ///     format!("session {}", id.as_ref().map_or("-", |id| id.fingerprint()))
    /// }
    /// # let _ = log_line;
    /// ```
    #[must_use]
    pub fn id(&self) -> Option<SessionId> {
        self.0.id()
    }

    /// Returns the time at which the session began, in whole seconds.
    ///
    /// ```
    /// use lambda_sessions::session::ReadOnlySession;
    /// use std::time::Duration;
    ///
    /// fn is_fresh(session: &ReadOnlySession) -> bool {
    ///     session.created().elapsed().is_ok_and(|ago| ago < Duration::from_secs(300))
    /// }
    /// # let _ = is_fresh;
    /// ```
    #[must_use]
    pub fn created(&self) -> SystemTime {
        self.0.created()
    }

    /// Returns the time at which the session expires if it is not used again, in whole seconds.
    ///
    /// ```
    /// use lambda_sessions::session::ReadOnlySession;
    /// use std::time::{Duration, SystemTime};
    ///
    /// /// Returns how long a decision about the session may be cached, at most.
    /// fn remaining(session: &ReadOnlySession) -> Duration {
    ///     session.expires().duration_since(SystemTime::now()).unwrap_or_default()
    /// }
    /// # let _ = remaining;
    /// ```
    #[must_use]
    pub fn expires(&self) -> SystemTime {
        self.0.expires()
    }
}
