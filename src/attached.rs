//! The sessions that layers attach to a request.
//!
//! Nested layers each attach a session. The innermost one is found first.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use http::{Extensions, Request};

use crate::error::{Error, ErrorKind};
use crate::session::handle::Session;

/// The identity of a layer. A clone of a layer has the same identity, and a layer with another
/// setting has a different one.
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

/// The innermost layer that a request has reached, with its session and the layers around it.
#[derive(Clone)]
struct Handle {
    layer: LayerId,
    session: Session,
    outer: Option<Arc<Handle>>,
}

/// Returns the session that this layer, applied further out, has given to the request.
pub(crate) fn handle<B>(request: &Request<B>, layer: &LayerId) -> Option<Session> {
    of(request.extensions(), Some(layer)).ok()
}

/// Adds a session to a request.
pub(crate) fn adopt<B>(request: &mut Request<B>, layer: &LayerId, session: &Session) {
    let extensions = request.extensions_mut();
    let outer = extensions.remove::<Handle>().map(Arc::new);
    extensions.insert(Handle {
        layer: layer.clone(),
        session: session.clone(),
        outer,
    });
}

/// Returns the session of the given layer, or of the innermost one.
pub(crate) fn of(extensions: &Extensions, layer: Option<&LayerId>) -> Result<Session, Error> {
    let mut handle = extensions.get::<Handle>();
    while let Some(this) = handle {
        if layer.is_none_or(|layer| *layer == this.layer) {
            return Ok(this.session.clone());
        }
        handle = this.outer.as_deref();
    }
    let reason = "no SessionLayer was applied to this request: wrap the handler or add the layer";
    Err(Error::new(ErrorKind::Misconfigured, reason))
}

/// Loads the session of the given layer, or of the innermost one.
pub(crate) fn load(
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
