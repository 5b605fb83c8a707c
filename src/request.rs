//! How a handler comes by its session.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use http::{Extensions, Request, request::Parts};

use crate::error::{Error, ErrorKind};
use crate::layer::SessionLayer;
use crate::session::{Session, WriteOnlySession};

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
    /// Loads the session, once for each request; every call gives the same one. Of nested layers it
    /// is that of the innermost.
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

    /// Loads the session that this layer gives, where several are applied to one request: one for
    /// visitors and one for administrators, or one for a login flow. [`session`](Self::session)
    /// gives that of the innermost.
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
    /// As [`session`](Self::session). [`Misconfigured`](ErrorKind::Misconfigured) if the layer was not
    /// applied: clones of a layer are that layer, and one with another setting is another.
    fn session_from<S>(
        &self,
        layer: &SessionLayer<S>,
    ) -> impl Future<Output = Result<Session, Error>> + Send + 'static + use<Self, S>;

    /// A write-only view of the same session, which reads nothing: what is changed there costs one
    /// call to the store.
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
    /// [`Misconfigured`](ErrorKind::Misconfigured) where no layer was applied.
    fn write_only_session(&self) -> Result<WriteOnlySession, Error>;
}

impl<B> SessionExt for Request<B> {
    fn session(&self) -> impl Future<Output = Result<Session, Error>> + Send + 'static + use<B> {
        load(self.extensions(), None)
    }

    fn session_from<S>(
        &self,
        layer: &SessionLayer<S>,
    ) -> impl Future<Output = Result<Session, Error>> + Send + 'static + use<B, S> {
        load(self.extensions(), Some(layer.id()))
    }

    fn write_only_session(&self) -> Result<WriteOnlySession, Error> {
        of(self.extensions(), None).map(WriteOnlySession)
    }
}

impl SessionExt for Parts {
    fn session(&self) -> impl Future<Output = Result<Session, Error>> + Send + 'static + use<> {
        load(&self.extensions, None)
    }

    fn session_from<S>(
        &self,
        layer: &SessionLayer<S>,
    ) -> impl Future<Output = Result<Session, Error>> + Send + 'static + use<S> {
        load(&self.extensions, Some(layer.id()))
    }

    fn write_only_session(&self) -> Result<WriteOnlySession, Error> {
        of(&self.extensions, None).map(WriteOnlySession)
    }
}

/// Tells one layer from another. A clone of a layer is the same one; one with another setting is not.
#[derive(Clone, Default)]
pub(crate) struct LayerId(Arc<()>);

impl PartialEq for LayerId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for LayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LayerId")
    }
}

/// What a request carries through its layers: the session of the innermost that it has come to.
#[derive(Clone)]
struct Handle {
    layer: LayerId,
    session: Session,
    outer: Option<Arc<Handle>>,
}

/// The session that this very layer has given the request, further out.
pub(crate) fn handle<B>(request: &Request<B>, layer: &LayerId) -> Option<Session> {
    of(request.extensions(), Some(layer)).ok()
}

/// Gives a request its session.
pub(crate) fn adopt<B>(request: &mut Request<B>, layer: &LayerId, session: &Session) {
    let extensions = request.extensions_mut();
    let outer = extensions.remove::<Handle>().map(Arc::new);
    extensions.insert(Handle {
        layer: layer.clone(),
        session: session.clone(),
        outer,
    });
}

/// The session of that layer, or of the innermost.
fn of(extensions: &Extensions, layer: Option<&LayerId>) -> Result<Session, Error> {
    let mut handle = extensions.get::<Handle>();
    while let Some(this) = handle {
        if layer.is_none_or(|layer| *layer == this.layer) {
            return Ok(this.session.clone());
        }
        handle = this.outer.as_deref();
    }
    let reason = "no SessionLayer was applied to this request";
    Err(Error::new(ErrorKind::Misconfigured, reason))
}

fn load(
    extensions: &Extensions,
    layer: Option<&LayerId>,
) -> impl Future<Output = Result<Session, Error>> + Send + 'static + use<> {
    let session = of(extensions, layer);
    async move {
        let session = session?;
        session.load().await?;
        Ok(session)
    }
}
