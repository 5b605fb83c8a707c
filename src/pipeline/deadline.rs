//! The time that an invocation has for the store.
//!
//! 1. The store is called only before the deadline, which is 200 ms before the invocation ends. A
//!    later response could not reach the client.
//! 2. A read that is cut off has timed out. A write that is cut off is ambiguous.
//! 3. Behind the Lambda Web Adapter, the deadline is in a header. Without the adapter, a client can
//!    send it. It only shortens what the timeouts of the store allow, and a write that needs no
//!    longer than usual is never skipped because of it. One that is not plausible is ignored.
//! 4. The deadline is a time of the monotonic clock, because it must not move with the system's
//!    clock or with [`SessionLayer::clock`](crate::SessionLayer::clock).

use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::{Duration, Instant, UNIX_EPOCH};

use http::HeaderMap;
use lambda_http::RequestExt as _;
use serde::Deserialize;

use crate::clock::system_clock;
use crate::error::{Error, ErrorKind};
use crate::session::deadline::Deadline;

/// The part of an invocation's time in which the store is not called.
const MARGIN: Duration = Duration::from_millis(200);

/// The header in which the Lambda Web Adapter sends the invocation's context, as JSON.
const ADAPTER_CONTEXT: &str = "x-amzn-lambda-context";

/// The longest context that is parsed. The adapter's has a few hundred bytes, and up to 3.5 KB more
/// of a client context.
const MAX_CONTEXT_BYTES: usize = 8 * 1024;

/// The longest time that an invocation can have. A later deadline in a header is not the adapter's.
const LONGEST_INVOCATION: Duration = Duration::from_secs(15 * 60);

/// The part of the adapter's header that is used.
#[derive(Deserialize)]
struct AdapterContext {
    /// The end of the invocation, in milliseconds since 1970.
    deadline: u64,
}

/// Returns when an invocation has no time left for the store. That is before its own deadline, so
/// that the response can still be sent. A request that does not come from Lambda has no deadline,
/// unless it has the header of the adapter and the layer is behind one.
pub(crate) fn deadline<B>(request: &http::Request<B>, web_adapter: bool) -> Option<Deadline> {
    if let Some(context) = request.lambda_context_ref() {
        return end_of_store_calls(context.deadline).map(Deadline::Invocation);
    }
    if !web_adapter {
        return None;
    }
    let at = end_of_store_calls(deadline_in_header(request.headers())?)?;
    let is_plausible = at.saturating_duration_since(Instant::now()) <= LONGEST_INVOCATION;
    is_plausible.then_some(Deadline::Header(at))
}

/// Returns the deadline in the header of the adapter. The adapter replaces a client's header, so
/// it sends one line.
fn deadline_in_header(headers: &HeaderMap) -> Option<u64> {
    let mut lines = headers.get_all(ADAPTER_CONTEXT).iter();
    let (line, None) = (lines.next()?.as_bytes(), lines.next()) else {
        return None;
    };
    if line.len() > MAX_CONTEXT_BYTES {
        return None;
    }
    let context: AdapterContext = serde_json::from_slice(line).ok()?;
    Some(context.deadline)
}

/// Returns the end of calls to the store in an invocation that ends at this time, in milliseconds
/// since 1970.
fn end_of_store_calls(milliseconds: u64) -> Option<Instant> {
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
    static CURRENT: Cell<Option<Deadline>> = const { Cell::new(None) };
}

/// Returns the deadline of the request whose handler calls this, if it has one.
pub(crate) fn current() -> Option<Deadline> {
    CURRENT.get()
}

/// Sets the deadline of the code that runs on this thread until the result is dropped. It applies
/// for one `poll`.
pub(crate) fn enter(deadline: Option<Deadline>) -> DeadlineGuard {
    DeadlineGuard {
        outer: CURRENT.replace(deadline),
        _stays_on_its_thread: PhantomData,
    }
}

/// Restores the previous deadline of the thread when it is dropped.
pub(crate) struct DeadlineGuard {
    outer: Option<Deadline>,
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
        let request = http::Request::new(()).with_lambda_context(context);
        match deadline(&request, true)? {
            Deadline::Invocation(at) => Some(at),
            Deadline::Header(_) => panic!("it is the context's"),
        }
    }

    fn now() -> u64 {
        let now = system_clock().duration_since(UNIX_EPOCH).unwrap();
        u64::try_from(now.as_millis()).unwrap()
    }

    /// Returns the deadline of a request with these lines of the adapter's header.
    fn of_lines(lines: &[&str], web_adapter: bool) -> Option<Deadline> {
        let mut request = http::Request::get("/");
        for line in lines {
            request = request.header(ADAPTER_CONTEXT, *line);
        }
        deadline(&request.body(()).unwrap(), web_adapter)
    }

    /// Returns the header that the adapter sends, which is `Context` of lambda_runtime in JSON.
    fn of_adapter(milliseconds: u64) -> String {
        let mut context = Context::default();
        context.deadline = milliseconds;
        context.request_id = "af9c3624-3842-4629-b1a4-7f0e1d2c5a6b".to_owned();
        serde_json::to_string(&context).unwrap()
    }

    #[test]
    fn deadline_of_the_adapter_is_opt_in() {
        let soon = of_adapter(now() + 60_000);
        assert_eq!(of_lines(&[&soon], false), None);
        let Some(Deadline::Header(at)) = of_lines(&[&soon], true) else {
            panic!("it is in the header");
        };
        let left = at - Instant::now();
        assert!(left <= Duration::from_millis(59_800), "{left:?}");
        assert!(left > Duration::from_secs(30), "{left:?}");
        // The runtime's own context cannot be forged, so it counts.
        let request = http::Request::get("/").header(ADAPTER_CONTEXT, &soon);
        let request = request
            .body(())
            .unwrap()
            .with_lambda_context(Context::default());
        assert_eq!(deadline(&request, true), None);
    }

    #[test]
    fn deadline_that_is_forged_is_ignored() {
        let soon = now() + 60_000;
        let valid = of_adapter(soon);
        let long = format!("{{\"deadline\":{soon},\"x\":\"{}\"}}", "x".repeat(8 * 1024));
        for line in [
            "",
            "not JSON",
            "7",
            "null",
            "[]",
            "{}",
            "{\"deadline\":null}",
            "{\"deadline\":-1}",
            "{\"deadline\":0}",
            "{\"deadline\":1e300}",
            "{\"deadline\":1.5}",
            "{\"deadline\":18446744073709551615}",
            "{\"deadline\":18446744073709551616}",
            &format!("{{\"deadline\":\"{soon}\"}}"),
            &format!("{{\"deadline_ms\":{soon}}}"),
            &format!("{{\"deadline\":{soon},\"deadline\":{soon}}}"),
            &format!("{{\"deadline\":{}}}", soon / 1000),
            &format!("{{\"deadline\":{}}}", soon + 16 * 60_000),
            &format!("{{\"deadline\":{}}}", now() - 1_000),
            &format!("{{\"deadline\":{}}}", now() + 100),
            &format!("{valid}, {valid}"),
            &long,
        ] {
            assert_eq!(of_lines(&[line], true), None, "{line:.80}");
        }
        assert_eq!(of_lines(&[], true), None);
        assert_eq!(of_lines(&[&valid, &valid], true), None, "two lines");
        assert!(of_lines(&[&valid], true).is_some());
    }

    /// A header cannot prevent an operation, whenever it begins.
    #[test]
    fn deadline_in_a_header_leaves_a_second() {
        let past = Instant::now() - Duration::from_secs(60);
        let left = Deadline::Header(past).of_operation() - Instant::now();
        assert!(left > Duration::from_millis(900) && left <= Duration::from_secs(1));
        assert_eq!(Deadline::Invocation(past).of_operation(), past);
        let later = Instant::now() + Duration::from_secs(60);
        assert_eq!(Deadline::Header(later).of_operation(), later);
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
        let outer = Deadline::Invocation(Instant::now());
        let inner = Deadline::Header(Instant::now());
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
