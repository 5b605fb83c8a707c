//! What can go wrong, in one opaque type.
//!
//! 1. [`Error::kind`] is what to match on; the text is for people.
//! 2. [`source`](std::error::Error::source) is the real cause where there is one.
//! 3. Neither `Display` nor `Debug` of an error or its causes holds an id, a cookie, a key or a
//!    stored value: Lambda's runtime logs a handler's error with `{:?}`.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Weak};

use lambda_http::lambda_runtime::Diagnostic;

/// A session failed. Cheap to clone.
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

/// What kind of failure an [`Error`] is.
///
/// The default answer to the client, unless [`on_error`](crate::SessionLayer::on_error) says
/// otherwise, is named with each.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The store could not be reached or answered with a failure of its own. Nothing was written.
    /// 503, `Retry-After: 1`.
    Unavailable,
    /// The store refused for load, and went on refusing. Nothing was written. 503,
    /// `Retry-After: 1`.
    Throttled,
    /// The store did not answer a read in time, or the invocation had no time left to ask it.
    /// Nothing was written. 503, `Retry-After: 1`.
    Timeout,
    /// A write was sent and its answer was lost: it may have happened or not. Seals the session.
    /// 503, without `Retry-After`.
    OutcomeUnknown,
    /// Another request wrote the session in between, and what was asked for cannot be put on
    /// top of that. 409.
    Conflict,
    /// The session was destroyed or renewed by another request, or expired, while this one was
    /// running. Nothing was written. 409.
    Gone,
    /// The session is larger than [`max_size`](crate::SessionLayer::max_size) or than what the
    /// store can hold (DynamoDB: 400 KB). Nothing was sent. 500.
    TooLarge,
    /// A key is empty or longer than 65,535 bytes. 500.
    InvalidKey,
    /// A value has no JSON form, or a sum does not fit in an `i64`. 500.
    Serialize,
    /// A stored value is not of the type that was asked for. The value stays as it is. 500.
    Deserialize,
    /// The stored record was written in a newer format, or cannot be what this library wrote. It
    /// is neither read as empty nor overwritten. 503.
    Corrupt,
    /// The set-up is wrong: a variable, a cookie's attributes, the table, permissions, a missing
    /// layer. 503.
    Misconfigured,
}

impl Error {
    /// An error with a message of one's own, for implementors of
    /// [`SessionStore`](crate::SessionStore).
    ///
    /// The message is logged: keep ids, keys and values out of it.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Repr {
            kind,
            message: message.into(),
            source: None,
        }))
    }

    /// The same with a cause. Its `Display` is logged too.
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

    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns an equal error that is not a clone, so that [`WeakError`] can tell who holds which.
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

    /// serde_json's messages quote the value that did not fit, so only the place is kept.
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
            Self::Deserialize => "not of the asked type",
            Self::Corrupt => "corrupt",
            Self::Misconfigured => "misconfigured",
        })
    }
}

/// An error that a handler was given. It is there for as long as the handler, or what the handler has
/// returned, holds it: however deep, and in whatever type.
#[derive(Clone)]
pub(crate) struct WeakError(Weak<Repr>);

impl WeakError {
    pub(crate) fn upgrade(&self) -> Option<Error> {
        self.0.upgrade().map(Error)
    }
}

/// So that a handler may return it to Lambda's runtime as its own error.
impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        Self {
            error_type: format!("lambda_sessions::Error::{:?}", error.kind()),
            error_message: error.to_string(),
        }
    }
}

/// Where in a value's JSON text the fault is, and not what stands there.
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
    fn an_error_tells_the_place_and_not_the_value() {
        let cause = serde_json::from_str::<u32>("\"hunter2\"").unwrap_err();
        assert!(cause.to_string().contains("hunter2"), "serde_json quotes");
        let error = Error::json(ErrorKind::Deserialize, "a value did not fit", &cause);
        let all = format!("{error} {error:?} {:?}", error.source());
        assert!(!all.contains("hunter2"), "{all}");
        assert!(all.contains("line 1 column 9"), "{all}");
    }

    #[test]
    fn the_source_is_the_cause_itself() {
        let cause = std::io::Error::other("reset");
        let error = Error::with_source(ErrorKind::Unavailable, "no answer", cause);
        let source = error.source().expect("it was given one");
        assert!(source.downcast_ref::<std::io::Error>().is_some());
    }
}
