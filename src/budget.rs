//! The time that an invocation has for the store.
//!
//! 1. The store is asked for nothing that could not be answered before the invocation's deadline:
//!    an answer that comes too late is no answer.
//! 2. A read that is cut off has timed out. Of a write that is, nobody knows what became.

use std::future::Future;
use std::time::{Duration, Instant, UNIX_EPOCH};

use lambda_http::RequestExt as _;

use crate::config::system_clock;
use crate::error::{Error, ErrorKind};

/// What is left of an invocation's time when the store is not asked any more.
const MARGIN: Duration = Duration::from_millis(200);

/// When an invocation has no time left for the store: before its deadline, so that the answer
/// still gets out. A request that does not come from Lambda has none.
pub(crate) fn deadline<B>(request: &http::Request<B>) -> Option<Instant> {
    let milliseconds = request.lambda_context_ref()?.deadline;
    let deadline = UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds))?;
    // Lambda never begins an invocation whose deadline is over. `cargo lambda watch` says 600,000,
    // as if that were a duration, and a context that was made by hand says 0.
    let left = deadline.duration_since(system_clock()).ok()?;
    Instant::now().checked_add(left.saturating_sub(MARGIN))
}

/// Waits for the store until the deadline, and no longer.
pub(crate) async fn within<T>(
    deadline: Option<Instant>,
    lost: Lost,
    asking: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let Some(deadline) = deadline else {
        return asking.await;
    };
    if deadline <= Instant::now() {
        let reason = "the invocation has no time left to ask the store";
        return Err(Error::new(ErrorKind::Timeout, reason));
    }
    let answered = tokio::time::timeout_at(deadline.into(), asking).await;
    answered.unwrap_or_else(|_| {
        let reason = "the invocation's time ran out before the store answered";
        Err(Error::new(lost.kind(), reason))
    })
}

/// What it means that an answer did not come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lost {
    Read,
    Write,
}

impl Lost {
    fn kind(self) -> ErrorKind {
        match self {
            Self::Read => ErrorKind::Timeout,
            Self::Write => ErrorKind::OutcomeUnknown,
        }
    }
}
