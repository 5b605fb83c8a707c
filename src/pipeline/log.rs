//! The log of failures.

use std::error::Error as StdError;
use std::fmt;

use crate::error::{Error, ErrorKind};

/// Logs a failure that decides the response, or that no response shows.
pub(super) fn log_failure(error: &Error) {
    let cause = WithCauses(error);
    match error.kind() {
        // Concurrent requests collided. This is not a fault.
        ErrorKind::Gone | ErrorKind::Conflict => {
            tracing::warn!(error = %cause, "another request changed the session concurrently");
        }
        _ => tracing::error!(error = %cause, "a session failed"),
    }
}

/// Displays an error together with its causes.
pub(super) struct WithCauses<'a>(pub(super) &'a Error);

impl fmt::Display for WithCauses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)?;
        let mut cause = self.0.source();
        while let Some(this) = cause {
            write!(f, ": {this}")?;
            cause = this.source();
        }
        Ok(())
    }
}
