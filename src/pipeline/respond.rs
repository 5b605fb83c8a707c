//! Makes the response of the session and the handler.

use http::Response;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::expiry::Expiry;
use crate::on_error::ErrorResponder;
use crate::pipeline::core::Pipeline;
use crate::pipeline::log::log_failure;
use crate::session::handle::Session;
use crate::session::state::Token;
use crate::store::session_store::SessionStore;
use crate::wire::response::{IdHeader, SessionHeaders};

impl<S: SessionStore> Pipeline<S> {
    /// Returns the response for the client: the handler's response with the session's headers, or
    /// the response to the session's own error.
    pub(crate) fn respond<A, B, E>(
        &self,
        session: &Session,
        response: Result<Response<A>, E>,
        committed: Result<Timestamp, Error>,
        on_error: &ErrorResponder,
        from_handler: impl FnOnce(A) -> B,
        from_error: impl FnOnce(String) -> B,
    ) -> Result<Response<B>, E> {
        let now = match committed {
            Ok(now) => now,
            Err(error) => return Ok(respond_to_error(&error, on_error).map(from_error)),
        };
        let mut response = response?.map(from_handler);
        let headers = session_headers(
            session,
            now,
            &self.settings.expiry,
            self.store.reads_may_be_stale(),
        );
        headers.add_to(response.headers_mut(), &self.carrier);
        Ok(response)
    }
}

/// Logs the error and returns the response to it.
pub(super) fn respond_to_error(error: &Error, on_error: &ErrorResponder) -> Response<String> {
    log_failure(error);
    on_error.respond(error)
}

/// Returns the headers that tell the client and caches about a committed session.
fn session_headers(
    session: &Session,
    now: Timestamp,
    rules: &Expiry,
    with_version: bool,
) -> SessionHeaders {
    let (token, id, hints, (ttl, persistent)) = session.token(rules, with_version);
    let received_anything = session.received_anything();
    #[cfg(feature = "flask")]
    let received_anything = received_anything || session.has_foreign();
    let id = match (token, id) {
        (Token::Issue, Some(id)) => IdHeader::Set {
            id,
            hints,
            seconds: ttl.seconds_since(now),
            persistent,
        },
        // A client that sent nothing has nothing to remove.
        (Token::Remove, _) if received_anything => IdHeader::Remove,
        (Token::Keep | Token::Issue | Token::Remove, _) => IdHeader::Unchanged,
    };
    let reply = session.reply();
    #[cfg(feature = "flask")]
    let reply = session.with_foreign_cookie(reply);
    SessionHeaders {
        id,
        reply,
        was_read: session.was_read(),
    }
}

#[cfg(test)]
mod tests;
