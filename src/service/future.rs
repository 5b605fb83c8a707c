//! The future of a request: it runs the inner service and then commits the session.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::on_error::ErrorResponder;
use crate::pipeline::core::Pipeline;
use crate::pipeline::deadline;
use crate::pipeline::handler_outcome::HandlerOutcome;
use crate::pipeline::serve::CloseOnDrop;
use crate::service::body::SessionBody;
use crate::session::handle::Session;
use crate::store::session_store::SessionStore;

pin_project! {
    /// The future of [`SessionService`](crate::layer::SessionService), which runs the inner service
    /// and then commits its session.
    pub struct SessionFuture<S, F, RB, E> {
        #[pin]
        state: State<S, F, RB, E>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F, RB, E> {
        Running {
            #[pin]
            inner: F,
            // `None` if the same layer, applied further out, commits the session.
            session: Option<SessionToCommit<S>>,
            // The load that runs beside the inner service, until one of them has completed.
            prefetch: Option<Prefetch>,
        },
        Committing { commit: Commit<S, RB, E> },
        Completed,
    }
}

impl<S, F, RB, E> SessionFuture<S, F, RB, E> {
    /// Creates a future that commits the session, if one is given, after the inner future.
    pub(super) fn new(
        inner: F,
        session: Option<SessionToCommit<S>>,
        prefetch: Option<Prefetch>,
    ) -> Self {
        Self {
            state: State::Running {
                inner,
                session,
                prefetch,
            },
        }
    }
}

/// A load that no handler has asked for yet.
pub(super) type Prefetch = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The session of a request, held by the outermost application of its layer.
pub(super) struct SessionToCommit<S> {
    pipeline: Arc<Pipeline<S>>,
    session: CloseOnDrop,
    on_error: ErrorResponder,
}

impl<S> SessionToCommit<S> {
    /// Creates the session of a request, which is closed when the request ends.
    pub(super) fn new(
        pipeline: Arc<Pipeline<S>>,
        session: Session,
        on_error: ErrorResponder,
    ) -> Self {
        Self {
            pipeline,
            session: CloseOnDrop(session),
            on_error,
        }
    }
}

impl<S: SessionStore> SessionToCommit<S> {
    /// Returns the response to send after this result of the commit.
    fn respond<RB, E>(
        &self,
        response: Result<Response<RB>, E>,
        committed: Result<Timestamp, Error>,
    ) -> Result<Response<SessionBody<RB>>, E> {
        self.pipeline.respond(
            &self.session.0,
            response,
            committed,
            &self.on_error,
            SessionBody::inner,
            SessionBody::failure,
        )
    }
}

impl<S: SessionStore> SessionToCommit<S> {
    /// Returns the load that runs beside the inner service, if the layer prefetches.
    pub(super) fn prefetch(&self) -> Option<Prefetch> {
        if !self.pipeline.prefetches(&self.session.0) {
            return None;
        }
        let pipeline = Arc::clone(&self.pipeline);
        let session = self.session.0.clone();
        Some(Box::pin(async move { pipeline.prefetch(&session).await }))
    }
}

/// The response of the inner service, withheld until its session is committed.
struct Commit<S, RB, E> {
    session: SessionToCommit<S>,
    /// The response, which is taken when `committed` has completed.
    response: Option<Result<Response<RB>, E>>,
    /// The commit, boxed. Only requests with something to write have one.
    committed: Pin<Box<dyn Future<Output = Result<Timestamp, Error>> + Send>>,
}

impl<S: SessionStore, RB, E> Commit<S, RB, E> {
    /// Begins the commit of a session after this response.
    fn begin(
        session: SessionToCommit<S>,
        response: Result<Response<RB>, E>,
        outcome: HandlerOutcome,
    ) -> Self {
        let pipeline = Arc::clone(&session.pipeline);
        let handle = session.session.0.clone();
        Self {
            session,
            response: Some(response),
            committed: Box::pin(async move { pipeline.commit(&handle, outcome).await }),
        }
    }

    /// Returns the response to send once the commit has ended with this result. The inner response
    /// is no longer there afterwards.
    fn respond(
        &mut self,
        committed: Result<Timestamp, Error>,
    ) -> Option<Result<Response<SessionBody<RB>>, E>> {
        Some(self.session.respond(self.response.take()?, committed))
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
                StateProjection::Running {
                    inner,
                    session,
                    prefetch,
                } => {
                    if let Some(loading) = prefetch
                        && loading.as_mut().poll(cx).is_ready()
                    {
                        *prefetch = None;
                    }
                    let response = {
                        let handle = session.as_ref().map(|session| &session.session.0);
                        let _entered =
                            handle.map(|handle| deadline::enter(handle.deadline_of_request()));
                        ready!(inner.poll(cx))
                    };
                    let used = session
                        .take()
                        .filter(|session| session.session.0.is_to_be_settled());
                    match used {
                        Some(session) => {
                            let outcome = HandlerOutcome::of(&response);
                            let handle = &session.session.0;
                            match session.pipeline.commit_nothing(handle, &outcome) {
                                Some(now) => {
                                    let response = session.respond(response, Ok(now));
                                    state.set(State::Completed);
                                    return Poll::Ready(response);
                                }
                                None => state.set(State::Committing {
                                    commit: Commit::begin(session, response, outcome),
                                }),
                            }
                        }
                        None => {
                            state.set(State::Completed);
                            let response = response.map(|it| it.map(SessionBody::inner));
                            return Poll::Ready(response);
                        }
                    }
                }
                StateProjection::Committing { commit } => {
                    let committed = ready!(commit.committed.as_mut().poll(cx));
                    let response = commit.respond(committed);
                    state.set(State::Completed);
                    if let Some(response) = response {
                        return Poll::Ready(response);
                    }
                }
                StateProjection::Completed => {
                    panic!("a session's future was polled after it had completed")
                }
            }
        }
    }
}
