//! The time that an invocation has for the store.
//!
//! 1. The store is called only before the deadline, which is 200 ms before the invocation ends. A
//!    later response could not reach the client.
//! 2. A read that is cut off has timed out. A write that is cut off is ambiguous.
//! 3. The deadline is a time of the monotonic clock, because it must not move with the system's
//!    clock or with [`SessionLayer::clock`](crate::SessionLayer::clock).

use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::{Duration, Instant, UNIX_EPOCH};

use lambda_http::RequestExt as _;

use crate::clock::system_clock;
use crate::error::{Error, ErrorKind};

/// The part of an invocation's time in which the store is not called.
const MARGIN: Duration = Duration::from_millis(200);

/// Returns when an invocation has no time left for the store. That is before its own deadline, so
/// that the response can still be sent. A request that does not come from Lambda has no deadline.
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
pub(crate) fn enter(deadline: Option<Instant>) -> DeadlineGuard {
    DeadlineGuard {
        outer: CURRENT.replace(deadline),
        _stays_on_its_thread: PhantomData,
    }
}

/// Restores the previous deadline of the thread when it is dropped.
pub(crate) struct DeadlineGuard {
    outer: Option<Instant>,
    _stays_on_its_thread: PhantomData<*const ()>,
}

impl Drop for DeadlineGuard {
    fn drop(&mut self) {
        CURRENT.set(self.outer);
    }
}

/// Waits for a call to the store, at most until the deadline. The call is pinned by the caller,
/// because a future that is passed on by value is stored twice.
pub(crate) async fn within<T>(
    deadline: Option<Instant>,
    kind: Call,
    call: Pin<&mut impl Future<Output = Result<T, Error>>>,
) -> Result<T, Error> {
    let Some(deadline) = deadline else {
        return call.await;
    };
    if deadline <= Instant::now() {
        return Err(no_time_left());
    }
    let result = tokio::time::timeout_at(deadline.into(), call).await;
    result.unwrap_or_else(|_| {
        let reason = "the invocation ran out of time before the store responded: \
                      raise the function's timeout, or do less before the session is used";
        Err(Error::new(kind.error_when_cut_off(), reason))
    })
}

/// Waits for another operation of this request before the store is called.
pub(crate) async fn wait_until<T>(
    deadline: Option<Instant>,
    waiting: impl Future<Output = T>,
) -> Result<T, Error> {
    let Some(deadline) = deadline else {
        return Ok(waiting.await);
    };
    let waited = tokio::time::timeout_at(deadline.into(), waiting).await;
    waited.map_err(|_| no_time_left())
}

/// Returns the error of a call that was not made.
fn no_time_left() -> Error {
    let reason = "the invocation has no time left to call the store: \
                  raise the function's timeout, or do less before the session is used";
    Error::new(ErrorKind::Timeout, reason)
}

/// The kind of a call to the store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Read,
    Write,
}

impl Call {
    /// Returns the kind of error if the response has not arrived in time.
    fn error_when_cut_off(self) -> ErrorKind {
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
    fn deadline_in_the_past_is_ignored() {
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
        let minute = of_context(now + 60_000).expect("it is in the future");
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
