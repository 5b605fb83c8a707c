//! How a handler comes by its session.

use std::future::Future;

use http::{Extensions, Request, request::Parts};

use crate::error::{Error, ErrorKind};
use crate::session::{Session, UnreadSession};

/// The session of a request, for handlers that are not given it as an argument.
///
/// It is there behind a [`SessionLayer`](crate::SessionLayer), applied as a `tower` layer or by
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
    /// Loads the session, once for each request; every call gives the same one.
    ///
    /// No cookie, an unusable one, an unknown id, an expired record: an empty session, which is
    /// not stored unless something is put into it, and then under a new id.
    ///
    /// # Errors
    ///
    /// [`Misconfigured`](ErrorKind::Misconfigured) where no layer was applied. What the store says
    /// otherwise: [`Unavailable`](ErrorKind::Unavailable), [`Throttled`](ErrorKind::Throttled),
    /// [`Timeout`](ErrorKind::Timeout), [`Misconfigured`](ErrorKind::Misconfigured),
    /// [`Corrupt`](ErrorKind::Corrupt). A session that could not be loaded is never written.
    fn session(&self) -> impl Future<Output = Result<Session, Error>> + Send + 'static + use<Self>;

    /// A write-only view of the same session, which reads nothing: what is changed there costs one
    /// call to the store.
    ///
    /// ```
    /// use lambda_http::{Error, Request};
    /// use lambda_sessions::SessionExt as _;
    ///
    /// async fn seen(request: Request) -> Result<&'static str, Error> {
    ///     request.unread_session()?.increment("hits", 1)?;
    ///     Ok("")
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Misconfigured`](ErrorKind::Misconfigured) where no layer was applied.
    fn unread_session(&self) -> Result<UnreadSession, Error>;
}

impl<B> SessionExt for Request<B> {
    fn session(&self) -> impl Future<Output = Result<Session, Error>> + Send + 'static + use<B> {
        load(self.extensions())
    }

    fn unread_session(&self) -> Result<UnreadSession, Error> {
        of(self.extensions()).map(UnreadSession)
    }
}

impl SessionExt for Parts {
    fn session(&self) -> impl Future<Output = Result<Session, Error>> + Send + 'static + use<> {
        load(&self.extensions)
    }

    fn unread_session(&self) -> Result<UnreadSession, Error> {
        of(&self.extensions).map(UnreadSession)
    }
}

/// What a request carries through its layers.
#[derive(Clone)]
struct Handle(Session);

/// The session that an outer layer has given this request.
pub(crate) fn handle<B>(request: &Request<B>) -> Option<Session> {
    of(request.extensions()).ok()
}

/// Gives a request its session.
pub(crate) fn adopt<B>(request: &mut Request<B>, session: &Session) {
    request.extensions_mut().insert(Handle(session.clone()));
}

fn of(extensions: &Extensions) -> Result<Session, Error> {
    let handle = extensions.get::<Handle>().ok_or_else(|| {
        let reason = "no SessionLayer was applied to this request";
        Error::new(ErrorKind::Misconfigured, reason)
    })?;
    Ok(handle.0.clone())
}

fn load(
    extensions: &Extensions,
) -> impl Future<Output = Result<Session, Error>> + Send + 'static + use<> {
    let session = of(extensions);
    async move {
        let session = session?;
        session.load().await?;
        Ok(session)
    }
}
