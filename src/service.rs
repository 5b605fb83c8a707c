//! The `tower` service that gives an `http` service its sessions.
//!
//! 1. The inner service is called at once. Nothing is awaited before it, and a request that never
//!    asks for its session costs one lookup of a header.
//! 2. A session that was used is committed after the inner service has responded and before the
//!    response leaves. A future that is dropped or panics commits nothing.
//! 3. The types of the inner service have no additional bounds. The service and its future are
//!    `Send` or `'static` if the inner types are.

pub(crate) mod body;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::attached::{adopt, handle};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::pipeline::deadline;
use crate::pipeline::{HandlerOutcome, Pipeline, SealedWhenDropped};
use crate::service::body::SessionBody;
use crate::store::session_store::SessionStore;

/// An `http` service whose requests have sessions, made by [`SessionLayer`](crate::SessionLayer).
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
{
    type Response = Response<SessionBody<RB>>;
    type Error = Inner::Error;
    type Future = SessionFuture<S, Inner::Future, RB, Inner::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // If the same layer is also applied further out, that one has added a session and
        // commits it.
        let is_outer = handle(&request, self.pipeline.layer()).is_none();
        let ours = is_outer.then(|| {
            let session = self.pipeline.begin(&request);
            adopt(&mut request, self.pipeline.layer(), &session);
            Ours {
                pipeline: Arc::clone(&self.pipeline),
                session: SealedWhenDropped(session),
            }
        });
        SessionFuture {
            state: State::Running {
                inner: self.inner.call(request),
                ours,
            },
        }
    }
}

pin_project! {
    /// The future of [`SessionService`], which runs the inner service and then commits its session.
    pub struct SessionFuture<S, F, RB, E> {
        #[pin]
        state: State<S, F, RB, E>,
    }
}

pin_project! {
    #[project = Stage]
    enum State<S, F, RB, E> {
        Running {
            #[pin]
            inner: F,
            ours: Option<Ours<S>>,
        },
        Committing { commit: Commit<S, RB, E> },
        Done,
    }
}

/// The session of a request, held by the outermost application of its layer.
struct Ours<S> {
    pipeline: Arc<Pipeline<S>>,
    session: SealedWhenDropped,
}

/// The response of the inner service, withheld until its session is committed.
struct Commit<S, RB, E> {
    ours: Ours<S>,
    /// The response, which is taken when `settled` has completed.
    answer: Option<Result<Response<RB>, E>>,
    /// The commit, boxed. Only requests that used their session have one.
    settled: Pin<Box<dyn Future<Output = Result<Timestamp, Error>> + Send>>,
}

impl<S: SessionStore, RB, E> Commit<S, RB, E> {
    fn begin(ours: Ours<S>, answer: Result<Response<RB>, E>) -> Self {
        let pipeline = Arc::clone(&ours.pipeline);
        let session = ours.session.0.clone();
        let handler_outcome = HandlerOutcome::of(&answer);
        Self {
            ours,
            answer: Some(answer),
            settled: Box::pin(async move { pipeline.conclude(&session, handler_outcome).await }),
        }
    }
}

impl<S, F, RB, E> fmt::Debug for SessionFuture<S, F, RB, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionFuture").finish_non_exhaustive()
    }
}

impl<S, F, RB, E> Future for SessionFuture<S, F, RB, E>
where
    S: SessionStore,
    F: Future<Output = Result<Response<RB>, E>>,
{
    type Output = Result<Response<SessionBody<RB>>, E>;

    /// Runs the inner service, and then the commit.
    ///
    /// # Panics
    ///
    /// Panics if it is polled after completion, like the future of any `async fn`.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                Stage::Running { inner, ours } => {
                    let answer = {
                        let session = ours.as_ref().map(|ours| &ours.session.0);
                        let _during = session.map(|it| deadline::enter(it.deadline()));
                        ready!(inner.poll(cx))
                    };
                    let used = ours.take().filter(|ours| ours.session.0.is_to_be_settled());
                    match used {
                        Some(ours) => state.set(State::Committing {
                            commit: Commit::begin(ours, answer),
                        }),
                        None => {
                            state.set(State::Done);
                            return Poll::Ready(
                                answer.map(|answer| answer.map(SessionBody::inner)),
                            );
                        }
                    }
                }
                Stage::Committing { commit } => {
                    let settled = ready!(commit.settled.as_mut().poll(cx));
                    let answer = commit.answer.take().expect("it is taken once, here");
                    let Ours { pipeline, session } = &commit.ours;
                    let answer = pipeline.answer(
                        &session.0,
                        answer,
                        settled,
                        SessionBody::inner,
                        SessionBody::failure,
                    );
                    state.set(State::Done);
                    return Poll::Ready(answer);
                }
                Stage::Done => panic!("a session's future was polled after it was ready"),
            }
        }
    }
}
