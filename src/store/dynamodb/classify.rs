//! Classifies the errors of the SDK, with pure functions.
//!
//! 1. A timeout or a lost connection is checked first. `into_service_error` would turn it into an
//!    unhandled error of the service.
//! 2. The question after a failed write is if it may have happened. A response that refuses it
//!    proves that it did not, and so does a connection that was never established. Everything else
//!    is ambiguous.
//! 3. Three causes have no code and no type, and are recognised by their text: [`never_connected`],
//!    [`was_not_made`] and [`is_of_the_time`]. Each states which text, and what a wrong guess costs.
//! 4. The error holds nothing of a request or an item. It keeps only the code and the request id of
//!    the service's response. It keeps the message only if that can name nothing but the
//!    configuration.

use std::error::Error as StdError;
use std::fmt;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId as _;

use crate::error::{Error, ErrorKind};

/// The result of a failed call.
#[derive(Debug)]
pub(super) enum Fault {
    /// The call did not happen, and may succeed if it is sent again.
    Again(Error),
    /// The call did not happen, and will not succeed.
    Refused(Error),
    /// The call may have happened. The error is that of a read. A write turns it into
    /// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown).
    Ambiguous(Error),
    /// The call did not happen, and will not before the cause is corrected.
    Mendable(Mend, Error),
    /// The call did not happen, and the cause has been corrected.
    Mended(Error),
}

/// The part of a refused request that can be corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mend {
    /// The time of the signature.
    Clock,
    /// The credentials of the signature, which have expired or were replaced.
    Credentials,
}

impl Fault {
    /// Classifies an SDK error.
    pub(super) fn of<E>(error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        use ErrorKind::{Misconfigured, Timeout, Unavailable};
        let what = |kind, text| move |cause: Cause| Error::with_source(kind, text, cause);
        match &error {
            SdkError::TimeoutError(_) => Self::Ambiguous(what(Timeout, "no response in time")(
                Cause::of("the time for a DynamoDB call ran out"),
            )),
            SdkError::ServiceError(response) => {
                let status = response.raw().status().as_u16();
                Self::of_response(status, response.err())
            }
            SdkError::ResponseError(response) => {
                let status = response.raw().status().as_u16();
                let cause = Cause::of(format!("DynamoDB's response ({status}) is unreadable"));
                Self::Ambiguous(what(Unavailable, "the response was unreadable")(cause))
            }
            SdkError::DispatchFailure(_) if never_connected(&error) => {
                Self::Again(what(Unavailable, "DynamoDB could not be reached")(
                    Cause::chain(&error),
                ))
            }
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                Self::Ambiguous(what(Timeout, "no response in time")(Cause::chain(&error)))
            }
            // Nothing was sent: there are no credentials, no Region or no valid endpoint.
            SdkError::DispatchFailure(failure) if failure.is_other() && was_not_made(&error) => {
                Self::Refused(what(Misconfigured, "the request could not be made")(
                    Cause::chain(&error),
                ))
            }
            SdkError::ConstructionFailure(_) => Self::Refused(what(
                Misconfigured,
                "the request could not be made",
            )(Cause::chain(&error))),
            _ => Self::Ambiguous(what(Unavailable, "the DynamoDB call failed")(Cause::chain(
                &error,
            ))),
        }
    }

    /// Classifies a response of the service by its code, or by its status if there is no code.
    pub(super) fn of_response<E: ProvideErrorMetadata>(status: u16, response: &E) -> Self {
        let code = response.code().unwrap_or("no error code");
        let said = |kind, text: &'static str, with_message: bool| {
            let meta = response.meta();
            Error::with_source(
                kind,
                text,
                ServiceResponse {
                    code: code.to_owned(),
                    status,
                    message: meta.message().filter(|_| with_message).map(str::to_owned),
                    request_id: meta.request_id().map(str::to_owned),
                },
            )
        };
        match code {
            "ProvisionedThroughputExceededException"
            | "ThrottlingException"
            | "ThrottlingError"
            | "ProvisionedThroughputExceeded"
            | "RequestLimitExceeded" => Self::Again(said(
                ErrorKind::Throttled,
                "DynamoDB throttled the call",
                false,
            )),
            "TransactionConflictException"
            | "TransactionConflict"
            | "TransactionInProgressException"
            | "ReplicatedWriteConflictException" => {
                let text = "another request was writing the session";
                Self::Again(said(ErrorKind::Conflict, text, false))
            }
            NO_TABLE => {
                let text = "the session table does not exist";
                Self::Refused(said(ErrorKind::Misconfigured, text, true))
            }
            // A transaction's cancellation reason uses the second name.
            "ValidationException" | "ValidationError" => {
                let message = response.message().unwrap_or_default();
                // DynamoDB's responses have contained these texts for years. There is no code for
                // any of them.
                if message.contains("exceeded the maximum allowed size") {
                    let text = "the session is larger than a DynamoDB item may be";
                    Self::Refused(said(ErrorKind::TooLarge, text, false))
                } else if message.contains("document path provided in the update") {
                    let text = "the session's data is not a map";
                    Self::Refused(said(ErrorKind::Corrupt, text, false))
                } else if is_of_keys(message) {
                    let text = "the table has other keys";
                    Self::Refused(said(ErrorKind::Misconfigured, text, true))
                } else {
                    let text = "DynamoDB finds the request invalid";
                    Self::Refused(said(ErrorKind::Misconfigured, text, false))
                }
            }
            "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => Self::Mendable(
                Mend::Clock,
                said(ErrorKind::Misconfigured, WRONG_TIME, true),
            ),
            // A wrong secret key has the same code.
            "InvalidSignatureException" | "SignatureDoesNotMatch"
                if response.message().is_some_and(is_of_the_time) =>
            {
                Self::Mendable(
                    Mend::Clock,
                    said(ErrorKind::Misconfigured, WRONG_TIME, true),
                )
            }
            // The message may quote the canonical request, and with it the session token.
            "InvalidSignatureException" | "SignatureDoesNotMatch" => {
                let text = "DynamoDB refused the signature: the secret key may be wrong";
                Self::Refused(said(ErrorKind::Misconfigured, text, false))
            }
            "ExpiredTokenException"
            | "ExpiredToken"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId" => {
                let text = "DynamoDB does not accept the AWS credentials";
                Self::Mendable(
                    Mend::Credentials,
                    said(ErrorKind::Misconfigured, text, true),
                )
            }
            _ if status == 429 => Self::Again(said(
                ErrorKind::Throttled,
                "DynamoDB throttled the call",
                false,
            )),
            // The access was denied, or something else is wrong with the request.
            _ if (400..500).contains(&status) => {
                let text = "DynamoDB refused the call";
                Self::Refused(said(ErrorKind::Misconfigured, text, true))
            }
            _ => {
                let text = "DynamoDB failed";
                Self::Ambiguous(said(ErrorKind::Unavailable, text, false))
            }
        }
    }

    /// Returns the error of a read, which cannot have changed anything.
    pub(super) fn of_read(self) -> Error {
        match self {
            Self::Again(error)
            | Self::Refused(error)
            | Self::Ambiguous(error)
            | Self::Mendable(_, error)
            | Self::Mended(error) => error,
        }
    }
}

const WRONG_TIME: &str = "DynamoDB refused the time of the signature: the clock is wrong";

/// Returns `true` if a signature was refused for its time. The message is "Signature expired:
/// 20260101T000000Z is now earlier than .." or "Signature not yet current: ..". There is no code
/// for it: a wrong secret key has the same one. If the text changes, a wrong clock is no longer
/// corrected, and the error says that the secret key may be wrong.
fn is_of_the_time(message: &str) -> bool {
    message.contains("Signature expired") || message.contains("Signature not yet current")
}

/// Returns the error of an ambiguous write.
pub(super) fn unknown(cause: Error) -> Error {
    let reason = "the write was sent, and its response was lost";
    Error::with_source(ErrorKind::OutcomeUnknown, reason, cause)
}

/// Returns `true` if a request was refused because the keys of the table have other names or another
/// type. The messages are those of DynamoDB and its emulators. They name keys and types, and no
/// values. If the texts change, the error no longer names the keys.
fn is_of_keys(message: &str) -> bool {
    let texts = [
        "key element does not match the schema",
        "Missing the key",
        "Type mismatch for key",
        "number of conditions on the keys is invalid",
        "missed key schema element",
        "required keys was not given a value",
    ];
    texts.iter().any(|text| message.contains(text))
}

/// Returns the error of a call to a table that has other keys. It names the setting, and `keys`, which
/// the table must have. Returns any other error unchanged.
pub(super) fn wrong_keys(error: Error, keys: impl FnOnce() -> String) -> Error {
    match refused_keys(&error) {
        Some(response) => {
            let reason = format!("{}: for other keys, set a `TableSchema`", keys());
            Error::with_source(ErrorKind::Misconfigured, reason, response.clone())
        }
        None => error,
    }
}

/// Returns `true` if DynamoDB responded that the table has other keys.
pub(super) fn is_of_wrong_keys(error: &Error) -> bool {
    refused_keys(error).is_some()
}

/// Returns the response that the table has other keys, if the error is one.
fn refused_keys(error: &Error) -> Option<&ServiceResponse> {
    let response: &ServiceResponse = error.source()?.downcast_ref()?;
    let message = response.message.as_deref()?;
    is_of_keys(message).then_some(response)
}

/// Returns the error of a call that uses the users table, alone or with the session table, if one of
/// them may not exist.
pub(super) fn no_table(error: Error) -> Error {
    let response = error.source().and_then(|cause| cause.downcast_ref());
    match response {
        Some(response @ ServiceResponse { code, .. }) if code == NO_TABLE => {
            let reason = "the table of users' sessions does not exist, or the session table";
            Error::with_source(ErrorKind::Misconfigured, reason, response.clone())
        }
        _ => error,
    }
}

/// Returns the error of a call that concerns the table of a predecessor.
#[cfg(feature = "flask")]
pub(super) fn of_foreign_table(error: Error) -> Error {
    let response = error.source().and_then(|cause| cause.downcast_ref());
    match response {
        Some(response @ ServiceResponse { code, .. }) if code == NO_TABLE => {
            let reason = "the table of import_from does not exist";
            Error::with_source(ErrorKind::Misconfigured, reason, response.clone())
        }
        _ => error,
    }
}

/// Returns `true` if the connection was never established, so that no byte of the request was sent.
///
/// `hyper-util` names such an error "client error (Connect)", for a failed TLS handshake too, and
/// its type is private. If the text changes, a write over such a connection is ambiguous, and an
/// update of a session that was not read may end as
/// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown).
fn never_connected(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(|cause| {
        let refused = cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused);
        refused || cause.to_string() == "client error (Connect)"
    })
}

/// Returns `true` if the SDK failed before it had a request to send.
///
/// The SDK has no separate error for that. `other` also covers a connection lost before the
/// response, and a response that is not HTTP. So only causes that are known to come earlier count.
/// If the texts change, missing credentials are retried, and reported as an unknown outcome.
fn was_not_made(error: &(dyn StdError + 'static)) -> bool {
    let before = [
        "auth scheme",
        "credential",
        "identity",
        "endpoint",
        "region",
    ];
    let texts: Vec<String> = causes(error)
        .map(|cause| cause.to_string().to_lowercase())
        .collect();
    let was_sent = texts.iter().any(|text| text.starts_with("client error"));
    !was_sent
        && texts
            .iter()
            .any(|text| before.iter().any(|word| text.contains(word)))
}

fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(error.source(), |cause: &&'a (dyn StdError + 'static)| {
        (*cause).source()
    })
}

/// The causes of an SDK error as text, because their `Debug` holds requests and items. Their
/// `Display` may quote such a `Debug`, so each text ends at the first brace.
#[derive(Debug)]
struct Cause(String);

impl Cause {
    fn of(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    fn chain(error: &(dyn StdError + 'static)) -> Self {
        let mut text = error.to_string();
        for cause in causes(error) {
            let cause = cause.to_string();
            text.push_str(": ");
            text.push_str(cause.split('{').next().unwrap_or_default());
        }
        Self(text)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Cause {}

const NO_TABLE: &str = "ResourceNotFoundException";

/// The response of the service.
#[derive(Clone, Debug)]
struct ServiceResponse {
    code: String,
    status: u16,
    message: Option<String>,
    request_id: Option<String>,
}

impl fmt::Display for ServiceResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (status {}", self.code, self.status)?;
        if let Some(id) = &self.request_id {
            write!(f, ", request {id}")?;
        }
        f.write_str(")")?;
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl StdError for ServiceResponse {}

#[cfg(test)]
mod tests;
