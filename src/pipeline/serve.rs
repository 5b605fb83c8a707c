//! Reads the id of a request and begins its session, and runs a wrapped handler with it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use http::Response;
use lambda_http::{Body, IntoResponse, Request};

use crate::attached::{attach, attached_by};
use crate::clock::Timestamp;
use crate::pipeline::core::Pipeline;
use crate::pipeline::deadline;
use crate::pipeline::front_door;
use crate::pipeline::handler_outcome::HandlerOutcome;
use crate::pipeline::respond::respond_to_error;
use crate::session::deadline::Deadline;
use crate::session::handle::Session;
use crate::store::session_store::SessionStore;
use crate::wire::received::Ids;
use crate::wire::request_head::RequestHead;

impl<S: SessionStore> Pipeline<S> {
    /// Serves a whole request of a wrapped handler.
    pub(crate) async fn serve<H, F, R, E>(
        self: Arc<Self>,
        mut request: Request,
        handler: H,
    ) -> Result<Response<Body>, E>
    where
        H: Fn(Request, Session) -> F,
        F: Future<Output = Result<R, E>>,
        R: IntoResponse,
    {
        // If the same layer is also applied further out, that application has attached the session
        // and commits it.
        let attached = attached_by(&request, &self.layer);
        let session = attached.clone().unwrap_or_else(|| self.begin(&request));
        if let Err(error) = session.load().await {
            let on_error = self.on_error(&request);
            return Ok(respond_to_error(&error, &on_error).map(Body::from));
        }
        let commits = match attached {
            Some(_) => None,
            None => {
                let on_error = self.on_error(&request);
                attach(&mut request, &self.layer, &session);
                Some((CloseOnDrop(session.clone()), on_error))
            }
        };
        // The result is converted at once, because a value that is not `Send` must not be held
        // across an await.
        let mut handling = pin!(handler(request, session.clone()));
        let deadline = session.deadline_of_request();
        let response = poll_fn(|cx| {
            let _entered = deadline::enter(deadline);
            let response = handling.as_mut().poll(cx);
            response.map_ok(R::into_response)
        });
        let response = match response.await {
            Ok(response) => Ok(response.await),
            Err(error) => Err(error),
        };
        let Some((session, on_error)) = commits else {
            return response;
        };
        let outcome = HandlerOutcome::of(&response);
        let committed = match self.commit_nothing(&session.0, &outcome) {
            Some(now) => Ok(now),
            None => self.commit(&session.0, outcome).await,
        };
        self.respond(
            &session.0,
            response,
            committed,
            &on_error,
            |body| body,
            Body::from,
        )
    }

    /// Reads the id from the request and returns its session.
    pub(crate) fn begin<B>(self: &Arc<Self>, request: &http::Request<B>) -> Session {
        let deadline = deadline::deadline(request, self.settings.web_adapter);
        let session = self.begin_with(&RequestHead::of(request), deadline);
        // Not for a session that is only authenticated: nothing is written for it.
        #[cfg(feature = "flask")]
        self.remember(&session, request.headers());
        session
    }

    /// Reads the id from the head of a request and returns its session.
    pub(super) fn begin_with(
        self: &Arc<Self>,
        head: &RequestHead<'_>,
        deadline: Option<Deadline>,
    ) -> Session {
        let scope = self.carrier.scope(head);
        let mut received = self.carrier.read(head.headers, scope);
        received.reply.one_cookie = front_door::of(head);
        let received = received.in_audience(self.settings.audience.as_deref());
        let began = match received.ids {
            // The time is only compared with the time at which an id died, so a request without an
            // id need not read the clock.
            Ids::Nothing | Ids::Unusable => Timestamp::from_epoch_seconds(0),
            Ids::One(_) | Ids::Reissue(_) | Ids::Several(_) => self.settings.now(),
        };
        let session = Session::new(received, Arc::<Self>::clone(self));
        session.begin(began, deadline);
        if session.received().is_some() && self.settings.skip_touch.applies(head) {
            session.never_touch();
        }
        session
    }
}

/// Closes the session at the end of its request, whatever the result. A clone that a handler has
/// kept can change nothing afterwards.
#[derive(Debug)]
pub(crate) struct CloseOnDrop(pub(crate) Session);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}
