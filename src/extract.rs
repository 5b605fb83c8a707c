//! The session as an axum extractor, and its error as a response (feature `axum`).
//!
//! 1. The extractor calls [`request.session().await`](crate::SessionExt::session). A handler
//!    without the extractor costs no call to the store.
//! 2. `Option<Session>` is `None` for a client that has no session. The handler cannot begin one
//!    then.
//! 3. A session's error is also a response, so that a handler can return one with `?`. The layer
//!    replaces it with the response of [`on_error`](crate::SessionLayer::on_error), and commits
//!    nothing.

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use crate::error::Error;
use crate::on_error::default_response;
use crate::request::SessionExt as _;
use crate::session::handle::Session;
use crate::session::write_only::WriteOnlySession;

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts.session().await
    }
}

/// Extracts the session of a client that has one. A client without a session, or with one that has
/// ended, gives `None`. A failed load is still an error.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Error> {
        let session = parts.session().await?;
        Ok(Some(session).filter(|session| !session.is_new()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WriteOnlySession {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts.write_only_session()
    }
}

/// Converts the error to the default response. The layer replaces it with the response of
/// [`on_error`](crate::SessionLayer::on_error).
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = default_response(&self).into_response();
        response.extensions_mut().insert(self);
        response
    }
}
