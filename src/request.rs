//! Access to the session of a request.

use std::future::Future;

use http::{Request, request::Parts};

use crate::attached::{load_session, session_of};
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::layer::session_layer::SessionLayer;
use crate::session::handle::Session;
use crate::session::write_only::WriteOnlySession;

/// The session of a request, for handlers that do not get it as an argument.
///
/// It requires a [`SessionLayer`] that is applied as a `tower` layer or with
/// [`wrap`](crate::SessionLayer::wrap).
///
/// ```
/// use lambda_http::{Error, Request};
/// use lambda_sessions::SessionExt as _;
///
/// async fn hello(request: Request) -> Result<String, Error> {
///     let session = request.session().await?;
///     let name: Option<String> = session.get("name")?;
///     Ok(format!("hello {}\n", name.as_deref().unwrap_or("stranger")))
/// }
/// ```
pub trait SessionExt {
    /// Loads the session, once for each request.
    ///
    /// Every call returns the same session. If layers are nested, it is the session of the
    /// innermost one.
    ///
    /// The session is empty if the cookie is missing or unusable, the id is unknown, or the record
    /// has expired. An empty session is stored only if a value is inserted, and then under a new
    /// id.
    ///
    /// ```
    /// use lambda_http::{Error, Request};
    /// use lambda_sessions::SessionExt as _;
    ///
    /// async fn visits(request: Request) -> Result<String, Error> {
    ///     let visits = request.session().await?.increment("visits", 1)?;
    ///     Ok(format!("visit {visits}\n"))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if no layer was applied. Fails with
    /// the errors of the store: [`Unavailable`](ErrorKind::Unavailable),
    /// [`Throttled`](ErrorKind::Throttled), [`Timeout`](ErrorKind::Timeout),
    /// [`Misconfigured`](ErrorKind::Misconfigured) and [`Corrupt`](ErrorKind::Corrupt). A session
    /// that could not be loaded is never written.
    fn session(&self) -> impl Future<Output = Result<Session, Error>> + Send + 'static + use<Self>;

    /// Loads the session of the given layer, if several layers are applied to one request.
    ///
    /// An application may have one layer for visitors and one for administrators, or one for a
    /// login flow. [`session`](Self::session) loads the session of the innermost layer.
    ///
    /// ```
    /// use lambda_http::{Error, Request};
    /// use lambda_sessions::{DynamoDbStore, SessionExt as _, SessionLayer};
    ///
    /// async fn cart(request: &Request, visitors: &SessionLayer) -> Result<Vec<u32>, Error> {
    ///     let session = request.session_from(visitors).await?;
    ///     Ok(session.get("cart")?.unwrap_or_default())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`session`](Self::session), and with
    /// [`Misconfigured`](ErrorKind::Misconfigured) if the layer was not applied. A clone of a layer
    /// is the same layer, and a layer with another setting is a different one.
    fn session_from<S>(
        &self,
        layer: &SessionLayer<S>,
    ) -> impl Future<Output = Result<Session, Error>> + Send + 'static + use<Self, S>;

    /// Returns a write-only view of the same session, which reads nothing.
    ///
    /// Its changes cost one call to the store.
    ///
    /// ```
    /// use lambda_http::{Error, Request};
    /// use lambda_sessions::SessionExt as _;
    ///
    /// async fn seen(request: Request) -> Result<&'static str, Error> {
    ///     request.write_only_session()?.increment("hits", 1)?;
    ///     Ok("")
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if no layer was applied.
    fn write_only_session(&self) -> Result<WriteOnlySession, Error>;
}

impl<B> SessionExt for Request<B> {
    fn session(&self) -> impl Future<Output = Result<Session, Error>> + Send + 'static + use<B> {
        load_session(self.extensions(), None)
    }

    fn session_from<S>(
        &self,
        layer: &SessionLayer<S>,
    ) -> impl Future<Output = Result<Session, Error>> + Send + 'static + use<B, S> {
        load_session(self.extensions(), Some(layer.id()))
    }

    fn write_only_session(&self) -> Result<WriteOnlySession, Error> {
        session_of(self.extensions(), None).map(WriteOnlySession)
    }
}

impl SessionExt for Parts {
    fn session(&self) -> impl Future<Output = Result<Session, Error>> + Send + 'static + use<> {
        load_session(&self.extensions, None)
    }

    fn session_from<S>(
        &self,
        layer: &SessionLayer<S>,
    ) -> impl Future<Output = Result<Session, Error>> + Send + 'static + use<S> {
        load_session(&self.extensions, Some(layer.id()))
    }

    fn write_only_session(&self) -> Result<WriteOnlySession, Error> {
        session_of(&self.extensions, None).map(WriteOnlySession)
    }
}
