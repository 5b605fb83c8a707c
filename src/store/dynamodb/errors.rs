//! The errors that several operations report.

use crate::error::{Error, ErrorKind};

/// Returns the error of a request that the SDK refuses to build.
pub(super) fn incomplete(error: aws_sdk_dynamodb::error::BuildError) -> Error {
    let reason = "the request could not be made";
    Error::with_source(ErrorKind::Misconfigured, reason, error)
}

/// Returns the error for a condition that failed in a call that has none.
pub(super) fn unforeseen() -> Error {
    let reason = "DynamoDB gave a response that its operation does not have";
    Error::new(ErrorKind::Unavailable, reason)
}

/// Returns the error for a write that was acknowledged, and so must not be sent again, but whose
/// result cannot be read.
pub(super) fn not_read_back() -> Error {
    let reason = "DynamoDB responded to a write with an item that is not a session";
    Error::new(ErrorKind::OutcomeUnknown, reason)
}

/// Returns the error for a condition that fails on the record that it was made from. It can never
/// succeed: an attribute of the record has a form in which this library does not write it.
pub(super) fn never_succeeds() -> Error {
    let reason = "DynamoDB rejected a change of a session that no other request has changed";
    Error::new(ErrorKind::Corrupt, reason)
}

/// Returns the error of a lost race.
pub(super) fn race_lost() -> Error {
    let reason = "another request wrote the session first";
    Error::new(ErrorKind::Conflict, reason)
}

/// Returns the error of a create that found an item at its key.
pub(super) fn key_is_taken() -> Error {
    let reason = "the key of a new session is already in use";
    Error::new(ErrorKind::Conflict, reason)
}
