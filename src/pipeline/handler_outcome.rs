//! The result of a handler, as far as its session depends on it.

use http::Response;

use crate::error::Error;

/// The result of a handler, as far as its session depends on it.
#[derive(Debug)]
pub(crate) enum HandlerOutcome {
    /// The handler responded with a status below 500.
    Success,
    /// The handler responded with 5xx.
    ServerError,
    /// The handler returned `Err`, or a response that was made from a session's error.
    Failed(Option<Error>),
}

impl HandlerOutcome {
    /// Classifies the result of a handler.
    pub(crate) fn of<B, E>(result: &Result<Response<B>, E>) -> Self {
        match result {
            Err(_) => Self::Failed(None),
            Ok(response) => match response.extensions().get::<Error>() {
                Some(error) => Self::Failed(Some(error.clone())),
                None if response.status().is_server_error() => Self::ServerError,
                None => Self::Success,
            },
        }
    }
}
