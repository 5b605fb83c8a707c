//! The session of any `http` service, loaded when it is asked for.
//!
//! 1. The inner service is called at once: nothing is awaited before it, and a request that never
//!    asks for its session costs one header look-up.
//! 2. What was asked for is committed once the inner service has answered, and before the response
//!    leaves. A future that is dropped, or panics, commits nothing.
//! 3. Nothing is asked of the inner service's types. What they are (`Send`, `'static`), the
//!    service and its future are.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::error::Error;
use crate::expiry::Timestamp;
use crate::request::{adopt, handle};
use crate::service::{Pipeline, Verdict};
use crate::session::Session;
use crate::store::SessionStore;

/// An `http` service whose requests have sessions. Made by
/// [`SessionLayer`](crate::SessionLayer).
pub struct SessionService<S, Inner> {
    pipeline: Arc<Pipeline<S>>,
    inner: Inner,
}

impl<S, Inner> SessionService<S, Inner> {
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
    RB: From<String>,
{
    type Response = Response<RB>;
    type Error = Inner::Error;
    type Future = SessionFuture<S, Inner::Future, Response<RB>, Inner::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let ours = match handle(&request) {
            // An outer layer has given it a session, and commits it.
            Some(_) => None,
            None => {
                let session = self.pipeline.begin(&request);
                adopt(&mut request, &session);
                Some((Arc::clone(&self.pipeline), session))
            }
        };
        SessionFuture {
            inner: self.inner.call(request),
            ours,
            commit: None,
        }
    }
}

pin_project! {
    /// Runs the inner service, and then commits its session. Made by [`SessionService`].
    pub struct SessionFuture<S, F, R, E> {
        #[pin]
        inner: F,
        ours: Option<(Arc<Pipeline<S>>, Session)>,
        commit: Option<Commit<R, E>>,
    }
}

/// The inner service's answer, held back until its session is committed.
struct Commit<R, E> {
    answer: Result<R, E>,
    /// One box, for requests whose session was asked for.
    settled: Pin<Box<dyn Future<Output = Result<Timestamp, Error>> + Send>>,
}

impl<S, F, R, E> fmt::Debug for SessionFuture<S, F, R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionFuture").finish_non_exhaustive()
    }
}

impl<S, F, RB, E> Future for SessionFuture<S, F, Response<RB>, E>
where
    S: SessionStore,
    F: Future<Output = Result<Response<RB>, E>>,
    RB: From<String>,
{
    type Output = Result<Response<RB>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.commit.is_none() {
            let answer = ready!(this.inner.poll(cx));
            let used = this.ours.as_ref().filter(|(_, session)| session.was_used());
            let Some((pipeline, session)) = used else {
                return Poll::Ready(answer);
            };
            let (pipeline, session) = (Arc::clone(pipeline), session.clone());
            let verdict = Verdict::of(&answer);
            let settled = async move { pipeline.conclude(&session, verdict).await };
            *this.commit = Some(Commit {
                answer,
                settled: Box::pin(settled),
            });
        }
        let settled = match this.commit {
            Some(commit) => ready!(commit.settled.as_mut().poll(cx)),
            None => return Poll::Pending,
        };
        match (this.commit.take(), this.ours) {
            (Some(commit), Some((pipeline, session))) => {
                Poll::Ready(pipeline.answer(session, commit.answer, settled))
            }
            // A commit is begun only where there is a session of ours.
            _ => Poll::Pending,
        }
    }
}
