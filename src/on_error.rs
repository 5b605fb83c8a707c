//! The response to a failure of a session.
//!
//! 1. The default response carries no cookie, is never cached, and does not show the error.
//! 2. The head of a request is cloned only if the application's function sees the request.

use std::fmt;
use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode};

use crate::error::{Error, ErrorKind};

type FromError = dyn Fn(&Error) -> Response<String> + Send + Sync;
type FromErrorAndRequest = dyn Fn(&Error, &Request<()>) -> Response<String> + Send + Sync;

/// The function of an application that makes the response to a failure.
#[derive(Clone)]
pub(crate) enum OnError {
    /// A function that sees the error.
    Error(Arc<FromError>),
    /// A function that sees the error and the head of the request.
    ErrorAndRequest(Arc<FromErrorAndRequest>),
}

impl OnError {
    /// Returns the function with the head of the request that it will see, if it sees one.
    pub(crate) fn for_request<B>(&self, request: &Request<B>) -> ErrorResponder {
        ErrorResponder(match self {
            Self::Error(respond) => Kind::Error(Arc::clone(respond)),
            Self::ErrorAndRequest(respond) => {
                Kind::ErrorAndRequest(Arc::clone(respond), Box::new(head_of(request)))
            }
        })
    }
}

impl Default for OnError {
    fn default() -> Self {
        Self::Error(Arc::new(default_response))
    }
}

/// Makes the response to a failure of one request.
pub(crate) struct ErrorResponder(Kind);

enum Kind {
    Error(Arc<FromError>),
    ErrorAndRequest(Arc<FromErrorAndRequest>, Box<Request<()>>),
}

impl ErrorResponder {
    /// Returns the response to this error.
    pub(crate) fn respond(&self, error: &Error) -> Response<String> {
        match &self.0 {
            Kind::Error(respond) => respond(error),
            Kind::ErrorAndRequest(respond, head) => respond(error, head),
        }
    }
}

impl fmt::Debug for ErrorResponder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The head holds the client's cookie.
        f.debug_struct("ErrorResponder").finish_non_exhaustive()
    }
}

/// Returns a copy of the request without its body and its extensions.
fn head_of<B>(request: &Request<B>) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.version_mut() = request.version();
    *head.headers_mut() = request.headers().clone();
    head
}

/// Returns the response to a failure if the application has set no function.
pub(crate) fn default_response(error: &Error) -> Response<String> {
    let (status, retry) = match error.kind() {
        ErrorKind::Unavailable | ErrorKind::Throttled | ErrorKind::Timeout => {
            (StatusCode::SERVICE_UNAVAILABLE, true)
        }
        ErrorKind::OutcomeUnknown | ErrorKind::Misconfigured | ErrorKind::Corrupt => {
            (StatusCode::SERVICE_UNAVAILABLE, false)
        }
        ErrorKind::Gone | ErrorKind::Conflict => (StatusCode::CONFLICT, false),
        ErrorKind::TooLarge
        | ErrorKind::InvalidKey
        | ErrorKind::Serialize
        | ErrorKind::Deserialize => (StatusCode::INTERNAL_SERVER_ERROR, false),
    };
    // The kind is for the log. The client only learns what it can do.
    let text = match status {
        // A client that tries again may repeat the change.
        _ if error.kind() == ErrorKind::OutcomeUnknown => {
            "It could not be determined whether the request took effect.\n"
        }
        StatusCode::CONFLICT => "The session changed in the meantime. Please try again.\n",
        StatusCode::INTERNAL_SERVER_ERROR => "The session failed.\n",
        _ => "The session is not available at the moment. Please try again.\n",
    };
    let mut response = Response::new(text.to_owned());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if retry {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

#[cfg(test)]
mod tests;
