//! One attempt at a call.
//!
//! 1. Loading the credentials is not part of an attempt. It has its own limit, and nothing is sent
//!    before it is done. If the attempt's timeout cancelled it, slow credentials would never load.
//! 2. A wrong clock and credentials that are no longer accepted are corrected once per operation.
//! 3. A connection without a response is distrusted, and so are the others that are open.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use tokio::time::timeout_at;

use crate::error::{Error, ErrorKind};
use crate::store::dynamodb::classify::{Fault, Mend};
use crate::store::dynamodb::connection::Connection;
use crate::store::dynamodb::retry::{RetryBudget, after};
use crate::store::dynamodb::transport::request::Request;
use crate::store::dynamodb::transport::send::{Ready, SendRequest as _};

/// The time limit for loading the credentials, which counts neither as an attempt nor as an
/// operation.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(5);

/// The result of one attempt.
pub(super) enum Attempt<T, E> {
    Done(T),
    /// The service's own error for a failed condition.
    Refused(E),
    Failed(Fault),
}

/// Makes one attempt, limited by `timeout` and by the time that is left.
pub(super) async fn attempt<R: Request>(
    connection: &Connection,
    timeout: Duration,
    budget: &mut RetryBudget,
    request: R,
) -> Attempt<R::Output, R::Error> {
    let credentials = connection.credentials();
    let ready = Ready::default();
    let transport = connection.transport();
    let mut sending = pin!(transport.send(request, &ready));
    let loading = poll_fn(|context| match sending.as_mut().poll(context) {
        Poll::Ready(sent) => Poll::Ready(Some(sent)),
        // The time of the attempt counts from here on.
        Poll::Pending if ready.is_set() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    let began_loading = Instant::now();
    let limit = budget.before_the_deadline(after(began_loading, CREDENTIALS_TIMEOUT));
    let Ok(early) = timeout_at(limit.into(), loading).await else {
        return Attempt::Failed(Fault::Refused(credentials_are_late()));
    };
    let started = Instant::now();
    budget.prolong(started - began_loading);
    let limit = after(started, timeout).min(budget.until());
    let sent = match early {
        Some(sent) => Ok(sent),
        None => timeout_at(limit.into(), sending).await,
    };
    let took = started.elapsed();
    budget.record_attempt(took);
    let error = match sent {
        Ok(Ok(done)) => {
            connection.responded();
            return Attempt::Done(done);
        }
        Ok(Err(error)) => error,
        Err(_) => SdkError::timeout_error("the attempt took too long"),
    };
    let is_response = matches!(
        error,
        SdkError::ServiceError(_) | SdkError::ResponseError(_)
    );
    if is_response {
        connection.responded();
    }
    let is_condition = error.code().is_some_and(|code| {
        matches!(
            code,
            "ConditionalCheckFailedException" | "TransactionCanceledException"
        )
    });
    match error {
        SdkError::ServiceError(response) if is_condition => Attempt::Refused(response.into_err()),
        error => {
            let date = error
                .raw_response()
                .and_then(|response| response.headers().get("date"))
                .map(str::to_owned);
            let fault = match Fault::of(error) {
                Fault::Mendable(what, error) => {
                    mend(connection, what, date, credentials);
                    match budget.may_mend(what) {
                        true => Fault::Mended(error),
                        false => Fault::Refused(error),
                    }
                }
                fault => fault,
            };
            let had_its_time = had_its_time(limit - started, took, limit, budget.until());
            if !is_response && had_its_time && matches!(fault, Fault::Ambiguous(_)) {
                connection.distrust();
            }
            Attempt::Failed(fault)
        }
    }
}

/// Corrects what a call was refused for.
fn mend(connection: &Connection, what: Mend, date: Option<String>, refused: u64) {
    match (what, date) {
        (Mend::Clock, Some(date)) => connection.clock().set(&date),
        (Mend::Clock, None) => {}
        (Mend::Credentials, _) => connection.reload(refused),
    }
}

/// Returns `true` unless an attempt was cut short by the end of the operation's time. The
/// connection of an attempt that was cut short may still be good.
fn had_its_time(allowed: Duration, took: Duration, limit: Instant, until: Instant) -> bool {
    limit < until || took < allowed
}

/// Returns the error for credentials that take too long. Nothing was sent.
fn credentials_are_late() -> Error {
    let reason = "the AWS credentials did not load in time";
    Error::new(ErrorKind::Unavailable, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_is_trusted_if_its_attempt_was_cut() {
        let second = Duration::from_secs(1);
        let (limit, later) = (Instant::now(), Instant::now() + second);
        assert!(had_its_time(second, second, limit, later), "it timed out");
        assert!(!had_its_time(second, second, limit, limit), "it was cut");
        assert!(had_its_time(second, second / 2, limit, limit), "it failed");
    }
}
