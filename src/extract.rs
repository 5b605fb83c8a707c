//! The session as an axum extractor (feature `axum`).
//!
//! 1. Extracting it is [`request.session().await`](crate::SessionExt::session); a handler that does
//!    not extract it costs no call to the store.
//! 2. A session's error is a response too, so that a handler can return one with `?`. The layer
//!    puts [`on_error`](crate::SessionLayer::on_error)'s answer in its place, and commits nothing.

use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;

use crate::error::Error;
use crate::request::SessionExt as _;
use crate::response::default_on_error;
use crate::session::{Session, WriteOnlySession};

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts.session().await
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WriteOnlySession {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts.write_only_session()
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = default_on_error(&self).into_response();
        response.extensions_mut().insert(self);
        response
    }
}
