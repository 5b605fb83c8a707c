//! The time that an invocation has for the store.
//!
//! 1. The store is called only while it can still respond before the invocation's deadline: a later
//!    response is useless.
//! 2. A read that is cut off has timed out. A write that is cut off is ambiguous.

use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::time::{Duration, Instant, UNIX_EPOCH};

use lambda_http::RequestExt as _;

use crate::clock::system_clock;
use crate::error::{Error, ErrorKind};

/// The part of an invocation's time that is kept free of calls to the store.
const MARGIN: Duration = Duration::from_millis(200);

/// Returns when an invocation has no time left for the store. That is before its own deadline, so
/// that the response still gets out. A request that does not come from Lambda has no deadline.
pub(crate) fn deadline<B>(request: &http::Request<B>) -> Option<Instant> {
    let milliseconds = request.lambda_context_ref()?.deadline;
    let deadline = UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds))?;
    let now = system_clock();
    // A deadline that is over, or nearly over, when the request begins is ignored: Lambda starts
    // nothing that it would end at once. Test harnesses send such values. `cargo lambda watch`
    // sends 600,000, as if that were a duration, and a context that was made by hand has 0.
    let left = deadline.duration_since(now).ok()?;
    Instant::now().checked_add(left.checked_sub(MARGIN)?)
}

thread_local! {
    /// The deadline of the request whose handler runs on this thread now.
    static CURRENT: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Returns the deadline of the request whose handler calls this, if it has one.
pub(crate) fn current() -> Option<Instant> {
    CURRENT.get()
}

/// Sets the deadline of the code that runs on this thread until the result is dropped. It applies
/// for one `poll`.
pub(crate) fn enter(deadline: Option<Instant>) -> Entered {
    Entered {
        outer: CURRENT.replace(deadline),
        _stays_on_its_thread: PhantomData,
    }
}

pub(crate) struct Entered {
    outer: Option<Instant>,
    _stays_on_its_thread: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.outer);
    }
}

/// Waits for the store, at most until the deadline.
pub(crate) async fn within<T>(
    deadline: Option<Instant>,
    lost: CutOff,
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

/// Waits for another operation of this request before the store is called.
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

/// The meaning of a response that did not arrive.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CutOff {
    Read,
    Write,
}

impl CutOff {
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

    fn of_context(milliseconds: u64) -> Option<Instant> {
        let mut context = Context::default();
        context.deadline = milliseconds;
        deadline(&http::Request::new(()).with_lambda_context(context))
    }

    #[test]
    fn deadline_that_is_over_is_none() {
        let now = system_clock().duration_since(UNIX_EPOCH).unwrap();
        let now = u64::try_from(now.as_millis()).unwrap();
        for (milliseconds, what) in [
            (0, "a context made by hand"),
            (600_000, "a duration"),
            (now - 86_400_000, "yesterday"),
            (now - 1_000, "a second ago"),
            (now, "now"),
            (now + 100, "less than the margin"),
        ] {
            assert_eq!(of_context(milliseconds), None, "{what}");
        }
        let minute = of_context(now + 60_000).expect("that is one");
        let left = minute - Instant::now();
        assert!(left <= Duration::from_millis(59_800), "{left:?}");
        assert!(left > Duration::from_millis(30_000), "{left:?}");
    }

    #[test]
    fn deadline_is_current_while_it_is_entered() {
        assert_eq!(current(), None);
        let outer = Instant::now();
        let inner = outer + Duration::from_secs(1);
        {
            let _outer = enter(Some(outer));
            {
                let _inner = enter(Some(inner));
                assert_eq!(current(), Some(inner));
            }
            assert_eq!(current(), Some(outer));
        }
        assert_eq!(current(), None);
    }
}
