//! The crate's errors, as one opaque type.
//!
//! 1. Match on [`Error::kind`]. The text is for people.
//! 2. [`source`](std::error::Error::source) is the real cause, if there is one.
//! 3. Neither `Display` nor `Debug` of an error or its causes shows an id, a cookie, a key or a
//!    stored value. Lambda's runtime logs a handler's error with `{:?}`.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Weak};

use lambda_http::lambda_runtime::Diagnostic;

/// An error of a session. It is cheap to clone.
///
/// ```
/// use lambda_sessions::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::Unavailable, "the store could not be reached");
/// assert_eq!(error.kind(), ErrorKind::Unavailable);
/// assert_eq!(error.to_string(), "unavailable: the store could not be reached");
/// ```
#[derive(Clone)]
pub struct Error(Arc<Repr>);

struct Repr {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The kind of an [`Error`].
///
/// Each kind states the default response to the client, which
/// [`on_error`](crate::SessionLayer::on_error) replaces.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The store could not be reached or failed. Nothing was written. The response is 503 with
    /// `Retry-After: 1`.
    Unavailable,
    /// The store rejected every attempt because of its load. Nothing was written. The response is
    /// 503 with `Retry-After: 1`.
    Throttled,
    /// The store did not respond to a read in time, or the invocation had no time left to call it.
    /// Nothing was written. The response is 503 with `Retry-After: 1`.
    Timeout,
    /// A write was sent and its response was lost: it may or may not have happened. The session is
    /// sealed. The response is 503 without `Retry-After`.
    OutcomeUnknown,
    /// Another request wrote the session concurrently, and this request's changes cannot be applied
    /// to the result. The response is 409.
    Conflict,
    /// While this request was running, the session expired, or another request destroyed it or
    /// cycled its id. Nothing was written. The response is 409.
    Gone,
    /// The session is larger than [`max_size`](crate::SessionLayer::max_size), or larger than the
    /// store allows (DynamoDB: 400 KB). Nothing was sent. The response is 500.
    TooLarge,
    /// A key is empty or longer than 65,535 bytes. The response is 500.
    InvalidKey,
    /// A value has no JSON form, or a sum does not fit in an `i64`. The response is 500.
    Serialize,
    /// A stored value does not have the requested type. The value is not changed. The response is
    /// 500.
    Deserialize,
    /// The stored record has a newer format, or a form that this library never writes. It is
    /// neither read as empty nor overwritten. The response is 503.
    Corrupt,
    /// The configuration is invalid: a variable, a cookie's attributes, the table, permissions or a
    /// missing layer. A lifetime of one session is over the layer's maximum. The response is 503.
    Misconfigured,
}

impl Error {
    /// Creates an error with a custom message, for implementations of
    /// [`VersionedStore`](crate::store::VersionedStore) and [`SessionStore`](crate::SessionStore).
    ///
    /// The message is logged and must not contain ids, keys or values.
    ///
    /// ```
    /// use lambda_sessions::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::Unavailable, "the database is not reachable");
    /// assert_eq!(error.kind(), ErrorKind::Unavailable);
    /// ```
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Repr {
            kind,
            message: message.into(),
            source: None,
        }))
    }

    /// Creates an error with a custom message and a cause, whose `Display` is logged too.
    ///
    /// ```
    /// use lambda_sessions::{Error, ErrorKind};
    ///
    /// fn unavailable(cause: std::io::Error) -> Error {
    ///     Error::with_source(ErrorKind::Unavailable, "the database is not reachable", cause)
    /// }
    /// # let _ = unavailable;
    /// ```
    pub fn with_source(
        kind: ErrorKind,
        message: impl Into<Cow<'static, str>>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self(Arc::new(Repr {
            kind,
            message: message.into(),
            source: Some(source.into().into()),
        }))
    }

    /// Returns the kind of the error.
    ///
    /// ```
    /// use lambda_sessions::{Error, ErrorKind, Session};
    ///
    /// let session = Session::detached([("age", "old")]);
    /// let error = session.get::<u8>("age").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Deserialize);
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the message without the kind, for a message that quotes it.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns an equal error that is not a clone, so that [`WeakError`] can distinguish their
    /// holders.
    pub(crate) fn distinct(&self) -> Self {
        Self(Arc::new(Repr {
            kind: self.0.kind,
            message: self.0.message.clone(),
            source: self.0.source.clone(),
        }))
    }

    /// Returns a reference that does not keep the error alive.
    pub(crate) fn downgrade(&self) -> WeakError {
        WeakError(Arc::downgrade(&self.0))
    }

    /// Creates an error of serde_json. It keeps only the position, because serde_json's messages
    /// quote the value.
    pub(crate) fn json(kind: ErrorKind, message: &'static str, error: &serde_json::Error) -> Self {
        Self::with_source(kind, message, JsonFault::from(error))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind(), self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Error");
        out.field("kind", &self.0.kind)
            .field("message", &self.0.message);
        // A cause's own `Debug` may hold a stored item; its `Display` does not.
        if let Some(source) = &self.0.source {
            out.field("source", &format_args!("{source}"));
        }
        out.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "unavailable",
            Self::Throttled => "throttled",
            Self::Timeout => "timeout",
            Self::OutcomeUnknown => "outcome unknown",
            Self::Conflict => "conflict",
            Self::Gone => "gone",
            Self::TooLarge => "too large",
            Self::InvalidKey => "invalid key",
            Self::Serialize => "not serializable",
            Self::Deserialize => "not of the requested type",
            Self::Corrupt => "corrupt",
            Self::Misconfigured => "misconfigured",
        })
    }
}

/// An error that was returned to a handler. It can be upgraded while the handler or its result
/// holds the error, however deeply and in whatever type.
#[derive(Clone)]
pub(crate) struct WeakError(Weak<Repr>);

impl WeakError {
    /// Returns the error if a handler or its result still holds it.
    pub(crate) fn upgrade(&self) -> Option<Error> {
        self.0.upgrade().map(Error)
    }
}

/// Lets a handler return the error to Lambda's runtime as its own error.
impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        Self {
            error_type: format!("lambda_sessions::Error::{:?}", error.kind()),
            error_message: error.to_string(),
        }
    }
}

/// The position of an error in a JSON text, without the text itself.
#[derive(Debug)]
struct JsonFault {
    category: &'static str,
    line: usize,
    column: usize,
}

impl From<&serde_json::Error> for JsonFault {
    fn from(error: &serde_json::Error) -> Self {
        use serde_json::error::Category;
        Self {
            category: match error.classify() {
                Category::Io => "input or output",
                Category::Syntax => "syntax",
                Category::Data => "type",
                Category::Eof => "unexpected end",
            },
            line: error.line(),
            column: error.column(),
        }
    }
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            category,
            line,
            column,
        } = self;
        write!(f, "JSON {category} error at line {line} column {column}")
    }
}

impl StdError for JsonFault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_shows_the_position_not_the_value() {
        let cause = serde_json::from_str::<u32>("\"hunter2\"").unwrap_err();
        assert!(cause.to_string().contains("hunter2"), "serde_json quotes");
        let error = Error::json(ErrorKind::Deserialize, "a value did not fit", &cause);
        let all = format!("{error} {error:?} {:?}", error.source());
        assert!(!all.contains("hunter2"), "{all}");
        assert!(all.contains("line 1 column 9"), "{all}");
    }

    #[test]
    fn error_source_is_the_cause_itself() {
        let cause = std::io::Error::other("reset");
        let error = Error::with_source(ErrorKind::Unavailable, "no response", cause);
        let source = error.source().expect("it was given one");
        assert!(source.downcast_ref::<std::io::Error>().is_some());
    }
}
