//! The error of a change of a user's sessions, some of which were not changed.

use std::error::Error as StdError;
use std::fmt;

use crate::error::{Error, ErrorKind};

/// The error of [`update_user`](crate::SessionLayer::update_user): some of the user's sessions were not
/// changed.
///
/// It converts into an [`Error`] of the same kind, of which it is the source.
///
/// ```
/// use lambda_sessions::SessionLayer;
/// # use lambda_sessions::MemoryStore;
///
/// async fn demote(sessions: &SessionLayer<MemoryStore>, account: &str) {
///     let demoted = sessions.update_user(account, |session| session.remove("role"));
///     if let Err(error) = demoted.await {
///         eprintln!("{} sessions still have the role: {error}", error.not_changed());
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() { demote(&SessionLayer::new(MemoryStore::new()), "17").await; }
/// ```
#[derive(Clone, Debug)]
pub struct UpdateUserError {
    changed: usize,
    not_changed: usize,
    first: Error,
}

impl UpdateUserError {
    /// Creates an error with the numbers of sessions and the first of the failures.
    pub(crate) fn new(changed: usize, not_changed: usize, first: Error) -> Self {
        Self {
            changed,
            not_changed,
            first,
        }
    }

    /// Returns the kind of the first failure.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.first.kind()
    }

    /// Returns the number of sessions that were changed.
    #[must_use]
    pub fn changed(&self) -> usize {
        self.changed
    }

    /// Returns the number of sessions that were found and may not have been changed.
    ///
    /// It is 0 if the sessions could not be listed, or if only the list was incomplete.
    #[must_use]
    pub fn not_changed(&self) -> usize {
        self.not_changed
    }
}

impl fmt::Display for UpdateUserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.not_changed {
            0 => f.write_str("some sessions of a user may not have been changed"),
            failed => {
                let all = self.changed.saturating_add(failed);
                write!(f, "{failed} of {all} sessions of a user were not changed")
            }
        }
    }
}

impl StdError for UpdateUserError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.first)
    }
}

impl From<UpdateUserError> for Error {
    fn from(error: UpdateUserError) -> Self {
        let reason = "some sessions of a user were not changed: call `update_user` again";
        Self::with_source(error.kind(), reason, error)
    }
}
