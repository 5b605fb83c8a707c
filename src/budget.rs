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

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// When an invocation has no time left for the store: before its deadline, so that the answer
/// still gets out. A request that does not come from Lambda has none.
pub(crate) fn deadline<B>(request: &http::Request<B>) -> Option<Instant> {
    let milliseconds = request.lambda_context_ref()?.deadline;
    let deadline = UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds))?;
    let now = system_clock();
    let left = match deadline.duration_since(now) {
        Ok(left) => left,
        // `cargo lambda watch` says 600,000, as if that were a duration, and a context that was made
        // by hand says 0. No invocation has been over for so long.
        Err(over) if over.duration() > A_DAY => return None,
        Err(_) => Duration::ZERO,
    };
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
        return Err(no_time_left());
    }
    let answered = tokio::time::timeout_at(deadline.into(), asking).await;
    answered.unwrap_or_else(|_| {
        let reason = "the invocation's time ran out before the store answered";
        Err(Error::new(lost.kind(), reason))
    })
}

/// Waits for something else of this request's, before the store is asked.
pub(crate) async fn in_time<T>(
    deadline: Option<Instant>,
    waiting: impl Future<Output = T>,
) -> Result<T, Error> {
    let Some(deadline) = deadline else {
        return Ok(waiting.await);
    };
    let waited = tokio::time::timeout_at(deadline.into(), waiting).await;
    waited.map_err(|_| no_time_left())
}

fn no_time_left() -> Error {
    let reason = "the invocation has no time left to ask the store";
    Error::new(ErrorKind::Timeout, reason)
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

#[cfg(test)]
mod tests {
    use lambda_http::lambda_runtime::Context;

    use super::*;

    #[test]
    fn a_deadline_of_yesterday_is_over_and_an_older_one_is_none() {
        const HOUR: Duration = Duration::from_secs(60 * 60);
        let ago = |age: Duration| {
            let at = system_clock() - age;
            let mut context = Context::default();
            context.deadline = at.duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
            deadline(&http::Request::new(()).with_lambda_context(context))
        };
        for over in [Duration::from_secs(1), HOUR, 2 * HOUR, 23 * HOUR] {
            let at = ago(over).expect("it was one");
            assert!(at <= Instant::now(), "{over:?}");
        }
        assert_eq!(ago(25 * HOUR), None);
    }
}
