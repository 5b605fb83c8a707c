//! The sessions that layers attach to a request.
//!
//! 1. Nested layers each attach a session. The innermost one is found first.
//! 2. A layer that is applied twice attaches one session, in its outermost application.

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
struct Attached {
    layer: LayerId,
    session: Session,
    outer: Option<Arc<Attached>>,
}

/// Returns the session that the same layer, applied further out, has attached to the request.
pub(crate) fn attached_by<B>(request: &Request<B>, layer: &LayerId) -> Option<Session> {
    session_of(request.extensions(), Some(layer)).ok()
}

/// Attaches a session to a request.
pub(crate) fn attach<B>(request: &mut Request<B>, layer: &LayerId, session: &Session) {
    let extensions = request.extensions_mut();
    let outer = extensions.remove::<Attached>().map(Arc::new);
    extensions.insert(Attached {
        layer: layer.clone(),
        session: session.clone(),
        outer,
    });
}

/// Returns the session of the given layer, or of the innermost one.
///
/// # Errors
///
/// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if that layer was not applied.
pub(crate) fn session_of(
    extensions: &Extensions,
    layer: Option<&LayerId>,
) -> Result<Session, Error> {
    let mut attached = extensions.get::<Attached>();
    while let Some(this) = attached {
        if layer.is_none_or(|layer| *layer == this.layer) {
            return Ok(this.session.clone());
        }
        attached = this.outer.as_deref();
    }
    let reason = "no SessionLayer was applied to this request: wrap the handler, or add the layer";
    Err(Error::new(ErrorKind::Misconfigured, reason))
}

/// Loads the session of the given layer, or of the innermost one.
pub(crate) fn load_session(
    extensions: &Extensions,
    layer: Option<&LayerId>,
) -> impl Future<Output = Result<Session, Error>> + Send + 'static + use<> {
    let session = session_of(extensions, layer);
    async move {
        let session = session?;
        session.load().await?;
        Ok(session)
    }
}
