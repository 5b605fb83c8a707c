//! A session that is changed without a read.

use serde::Serialize;

use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::key::{AsKey, Insert};
use crate::session::handle::Session;

/// A write-only view of a request's session, which does not read the session.
///
/// Its changes cost one `UpdateItem` at the end of the request, and no read. If the session has
/// expired or was deleted, the changes begin a new one. If its id was cycled after this request had
/// begun, the write fails with [`Gone`](ErrorKind::Gone).
///
/// If the response to a write was lost, the result can be determined only if the changes are found
/// in the table. Such a write therefore fails with [`OutcomeUnknown`](ErrorKind::OutcomeUnknown)
/// more often than a write after a read. If DynamoDB has not responded for 10 seconds, the
/// connection may have died while the environment was frozen. In this case the session is read
/// before the write.
///
/// A write-only session does not extend the expiry. A client whose requests do nothing else counts
/// as idle.
///
/// ```
/// use lambda_http::{Error, Request};
/// use lambda_sessions::SessionExt as _;
///
/// async fn seen(request: Request) -> Result<&'static str, Error> {
///     let session = request.write_only_session()?;
///     session.increment("hits", 1)?;
///     session.insert("last", request.uri().path())?;
///     Ok("")
/// }
/// ```
#[derive(Clone, Debug)]
pub struct WriteOnlySession(pub(crate) Session);

impl WriteOnlySession {
    /// Stores a value under `key`.
    ///
    /// ```
    /// use lambda_sessions::{Error, WriteOnlySession};
    ///
    /// fn dark(session: &WriteOnlySession) -> Result<(), Error> {
    ///     session.insert("theme", "dark")
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`Session::insert`].
    pub fn insert<V: Serialize>(&self, key: impl AsKey<V, Insert>, value: V) -> Result<(), Error> {
        self.0.insert(key, value)
    }

    /// Removes the value stored under `key`.
    ///
    /// ```
    /// use lambda_sessions::{Error, WriteOnlySession};
    ///
    /// fn no_coupon(session: &WriteOnlySession) -> Result<(), Error> {
    ///     session.remove("coupon")
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`Session::remove`].
    pub fn remove(&self, key: impl AsRef<str>) -> Result<(), Error> {
        self.0.remove(key)
    }

    /// Adds `by` to the number stored under `key`.
    ///
    /// The sum is not returned, because the stored number was not read. `by` may be negative.
    ///
    /// ```
    /// use lambda_sessions::{Error, WriteOnlySession};
    ///
    /// fn hit(session: &WriteOnlySession) -> Result<(), Error> {
    ///     session.increment("hits", 1)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`Session::increment`], if they can be determined without a read. A
    /// stored value of another type is found when the session is written.
    pub fn increment(&self, key: impl AsKey<i64>, by: i64) -> Result<(), Error> {
        self.0
            .try_change(|state| state.add(key.as_key(), by).map(drop))
    }

    /// Keeps this request from extending the session, like [`Session::skip_touch`].
    ///
    /// Call it before the session is [loaded](crate::SessionExt::session), because the load may extend
    /// it. The lifetimes of a session cannot be set without a read: they depend on its start.
    ///
    /// ```
    /// use lambda_http::{Error, Request};
    /// use lambda_sessions::SessionExt as _;
    ///
    /// async fn news(request: Request) -> Result<String, Error> {
    ///     request.write_only_session()?.skip_touch()?;
    ///     let unread: Option<u32> = request.session().await?.get("unread")?;
    ///     Ok(format!("{} new\n", unread.unwrap_or_default()))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`Session::skip_touch`].
    pub fn skip_touch(&self) -> Result<(), Error> {
        self.0.skip_touch()
    }

    /// Logs out, like [`Session::destroy`].
    ///
    /// ```
    /// use lambda_sessions::{Error, WriteOnlySession};
    ///
    /// fn log_out(session: &WriteOnlySession) -> Result<(), Error> {
    ///     session.destroy()
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`Session::destroy`].
    pub fn destroy(&self) -> Result<(), Error> {
        self.0.destroy()
    }
}
