//! Loads the session of headers that belong to no request of a handler, such as those of an
//! authorizer's event.
//!
//! It takes the same path as the session of a request: the carrier finds the id, and the load follows
//! redirects and respects the version in the client's hint. The load makes no touch, and the session
//! is closed at once, so nothing is written and no cookie is sent.

use std::sync::Arc;

use http::HeaderMap;

use crate::error::Error;
use crate::pipeline::core::Pipeline;
use crate::session::deadline::Deadline;
use crate::session::handle::Session;
use crate::store::session_store::SessionStore;
use crate::wire::request_head::RequestHead;

impl<S: SessionStore> Pipeline<S> {
    /// Returns the live session whose id these headers carry, if there is one.
    pub(crate) async fn authenticate(
        self: &Arc<Self>,
        headers: &HeaderMap,
        deadline: Option<Deadline>,
    ) -> Result<Option<Session>, Error> {
        let request = http::Request::new(());
        let head = RequestHead {
            headers,
            ..RequestHead::of(&request)
        };
        let session = self.begin_with(&head, deadline);
        // A lookup that no handler has asked for makes no touch.
        self.prefetch(&session).await;
        self.read(&session).await?;
        session.close();
        Ok(session.id().is_some().then_some(session))
    }
}
