//! The service: it attaches a session to each request and calls the inner service.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use crate::attached::{attach, attached_by};
use crate::pipeline::core::Pipeline;
use crate::service::body::SessionBody;
use crate::service::future::{SessionFuture, SessionToCommit};
use crate::store::session_store::SessionStore;

/// An `http` service whose requests have sessions, made by [`SessionLayer`](crate::SessionLayer).
pub struct SessionService<S, Inner> {
    pipeline: Arc<Pipeline<S>>,
    inner: Inner,
}

impl<S, Inner> SessionService<S, Inner> {
    /// Creates a service around the inner one.
    pub(crate) fn new(pipeline: Arc<Pipeline<S>>, inner: Inner) -> Self {
        Self { pipeline, inner }
    }
}

impl<S, Inner: Clone> Clone for SessionService<S, Inner> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.pipeline), self.inner.clone())
    }
}

impl<S: fmt::Debug, Inner: fmt::Debug> fmt::Debug for SessionService<S, Inner> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionService")
            .field("pipeline", &self.pipeline)
            .field("inner", &self.inner)
            .finish()
    }
}

impl<S, Inner, B, RB> Service<Request<B>> for SessionService<S, Inner>
where
    S: SessionStore,
    Inner: Service<Request<B>, Response = Response<RB>>,
{
    type Response = Response<SessionBody<RB>>;
    type Error = Inner::Error;
    type Future = SessionFuture<S, Inner::Future, RB, Inner::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let layer = self.pipeline.layer();
        // If the same layer is also applied further out, that application has attached the session
        // and commits it.
        let is_outermost = attached_by(&request, layer).is_none();
        let session = is_outermost.then(|| {
            let session = self.pipeline.begin(&request);
            attach(&mut request, layer, &session);
            let on_error = self.pipeline.on_error(&request);
            SessionToCommit::new(Arc::clone(&self.pipeline), session, on_error)
        });
        let prefetch = session.as_ref().and_then(SessionToCommit::prefetch);
        SessionFuture::new(self.inner.call(request), session, prefetch)
    }
}
