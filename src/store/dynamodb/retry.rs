//! Retries a call until its outcome is known or the time is up.
//!
//! 1. The SDK's own retries are off. The SDK resends blindly, gives up after three attempts and
//!    reports only the last one. A lost response followed by a refusal would look as if nothing had
//!    happened.
//! 2. A response that proves that nothing happened is followed by the same request. Anything
//!    ambiguous is recorded in an [`Ambiguity`]. If it cannot be resolved in time, the error is
//!    [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
//! 3. A wrong clock and credentials that are no longer accepted are corrected once per operation.
//!    The call is then retried at once, because nothing has happened.
//! 4. Loading the credentials is not part of an attempt. It has its own limit, and nothing is sent
//!    before it is done. If the attempt's timeout cancelled it, slow credentials would never load.
//! 5. No attempt lasts longer than the time that is left. None starts if, judging by the last one,
//!    it would not end in time. The outcome of a cancelled attempt is unknown, while one that was
//!    not started has not happened.
//! 6. After a fault, each wait is longer than the one before. All clones of a store share one
//!    [`Quota`] for retries.
//! 7. A request that lost a race has just received the current item, and tries again at once. From
//!    the second loss on, every other time, it waits for a few round trips. Otherwise fifty
//!    requests that collide would collide for ever.
//! 8. A lost race is a response, and the next attempts have the whole time of an operation again.
//!    This goes on until the invocation's deadline.

use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::{BoxError, ProvideErrorMetadata, SdkError};
use tokio::time::timeout_at;

use crate::error::{Error, ErrorKind};
use crate::id::random;
use crate::store::dynamodb::connection::Credentials;
use crate::store::dynamodb::fault::{Fault, Mend, unknown};
use crate::store::dynamodb::quota::Quota;
use crate::store::dynamodb::{CREDENTIALS_TIMEOUT, DynamoDbStore};

/// The longest wait before the first retry, doubled for each further one. The SDK's own base is a
/// second.
const FIRST_BACKOFF: Duration = Duration::from_millis(25);
const LONGEST_BACKOFF: Duration = Duration::from_millis(800);
/// The time for races if there is no deadline, as a number of operations' times.
const OPERATIONS: u32 = 10;
/// The longest wait after two lost races, in round trips. It doubles with every second further
/// loss.
const ROUND_TRIPS: u32 = 4;

/// The result of one attempt.
pub(super) enum Attempt<T, E> {
    Done(T),
    /// The service's own error for a failed condition.
    Refused(E),
    Failed(Fault),
}

impl DynamoDbStore {
    /// Makes one attempt, limited by the attempt timeout and by the time that is left. `send`
    /// receives what the call adds to the client's configuration.
    pub(super) async fn attempt<T, E, Sending>(
        &self,
        budget: &mut RetryBudget,
        send: impl FnOnce(Builder) -> Sending,
    ) -> Attempt<T, E>
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
        Sending: Future<Output = Result<T, SdkError<E>>>,
    {
        let credentials = self.connection.credentials();
        let loaded = Loaded::default();
        let once = self.connection.once(&credentials);
        let mut sending = pin!(send(once.interceptor(loaded.clone())));
        let loading = poll_fn(|context| match sending.as_mut().poll(context) {
            Poll::Ready(sent) => Poll::Ready(Some(sent)),
            // The time of the attempt counts from here on.
            Poll::Pending if loaded.is_it() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        let began_loading = Instant::now();
        let limit = budget.before_the_deadline(after(began_loading, CREDENTIALS_TIMEOUT));
        let Ok(early) = timeout_at(limit.into(), loading).await else {
            return Attempt::Failed(Fault::Refused(credentials_are_late()));
        };
        let begun = Instant::now();
        budget.prolong(begun - began_loading);
        let limit = after(begun, self.attempt_timeout).min(budget.until);
        let sent = match early {
            Some(sent) => Ok(sent),
            None => timeout_at(limit.into(), sending).await,
        };
        budget.last_attempt = begun.elapsed();
        let error = match sent {
            Ok(Ok(done)) => {
                self.connection.answered();
                return Attempt::Done(done);
            }
            Ok(Err(error)) => error,
            Err(_) => SdkError::timeout_error("the attempt took too long"),
        };
        let is_answer = matches!(
            error,
            SdkError::ServiceError(_) | SdkError::ResponseError(_)
        );
        if is_answer {
            self.connection.answered();
        }
        let is_condition = error.code().is_some_and(|code| {
            matches!(
                code,
                "ConditionalCheckFailedException" | "TransactionCanceledException"
            )
        });
        match error {
            SdkError::ServiceError(answer) if is_condition => Attempt::Refused(answer.into_err()),
            error => {
                let date = error
                    .raw_response()
                    .and_then(|answer| answer.headers().get("date"))
                    .map(str::to_owned);
                let fault = match Fault::of(error) {
                    Fault::Mendable(what, error) => {
                        let mended = self.mend(what, date, &credentials, budget);
                        if mended {
                            Fault::Mended(error)
                        } else {
                            Fault::Refused(error)
                        }
                    }
                    fault => fault,
                };
                let had_its_time =
                    had_its_time(limit - begun, budget.last_attempt, limit, budget.until);
                if !is_answer && had_its_time && matches!(fault, Fault::Ambiguous(_)) {
                    self.connection.lost();
                }
                Attempt::Failed(fault)
            }
        }
    }

    /// Corrects what a call was refused for, once per operation. Returns `false` if that was done
    /// before.
    fn mend(
        &self,
        what: Mend,
        date: Option<String>,
        refused: &Credentials,
        budget: &mut RetryBudget,
    ) -> bool {
        let was_mended = match what {
            Mend::Clock => {
                if let Some(date) = date {
                    self.connection.clock().set(&date);
                }
                &mut budget.has_mended_the_clock
            }
            Mend::Credentials => {
                self.connection.give_up(refused);
                &mut budget.has_mended_the_credentials
            }
        };
        !std::mem::replace(was_mended, true)
    }
}

/// Marks when the credentials of a call have loaded.
#[derive(Clone, Debug, Default)]
struct Loaded(Arc<AtomicBool>);

impl Loaded {
    fn is_it(&self) -> bool {
        // The flag is set in the same task.
        self.0.load(Ordering::Relaxed)
    }
}

impl Intercept for Loaded {
    fn name(&self) -> &'static str {
        "CredentialsLoaded"
    }

    fn read_before_signing(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Returns the error for credentials that take too long. Nothing was sent.
fn credentials_are_late() -> Error {
    let reason = "the AWS credentials did not load in time";
    Error::new(ErrorKind::Unavailable, reason)
}

/// Returns `true` unless an attempt was cut short by the end of the operation's time. The
/// connection of an attempt that was cut short may still be good.
fn had_its_time(allowed: Duration, took: Duration, limit: Instant, until: Instant) -> bool {
    limit < until || took < allowed
}

/// Records if an earlier attempt at a write may have happened, with the error that suggests it.
#[derive(Debug, Default)]
pub(super) struct Ambiguity(Option<Error>);

impl Ambiguity {
    pub(super) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Waits before another attempt, if a retry is useful and there is time for it.
    ///
    /// # Errors
    ///
    /// Returns the reason why the call is not retried.
    pub(super) async fn after(
        &mut self,
        fault: Fault,
        budget: &mut RetryBudget,
    ) -> Result<(), Error> {
        if let Fault::Ambiguous(error) = &fault {
            self.0.get_or_insert_with(|| error.clone());
        }
        match budget.after(&fault).await {
            true => Ok(()),
            false => Err(self.about(fault.of_read())),
        }
    }

    /// Returns the error to report. If an attempt may have happened, the outcome is unknown,
    /// whatever came after it.
    pub(super) fn about(&self, error: Error) -> Error {
        self.0.clone().map_or(error, unknown)
    }
}

/// The retry budget: the time for an operation's attempts and for the waits between them.
#[derive(Debug)]
pub(super) struct RetryBudget {
    /// The time that an operation may take.
    time: Duration,
    /// The time at which this operation gives up.
    until: Instant,
    /// The time after which no further operation starts.
    races_until: Instant,
    faults: u32,
    races: u32,
    /// The duration of the last attempt.
    last_attempt: Duration,
    /// The error of the last attempt at a read.
    told: Option<Error>,
    /// The invocation's deadline.
    deadline: Option<Instant>,
    quota: Arc<Quota>,
    /// The cost of the next attempt.
    paid: u32,
    has_mended_the_clock: bool,
    has_mended_the_credentials: bool,
}

impl RetryBudget {
    /// Creates a budget of `time` for each operation, up to `deadline`, with the retries that
    /// `quota` allows.
    pub(super) fn new(time: Duration, deadline: Option<Instant>, quota: Arc<Quota>) -> Self {
        let now = Instant::now();
        let races_until = deadline.unwrap_or_else(|| after(now, time.saturating_mul(OPERATIONS)));
        Self {
            time,
            until: after(now, time).min(races_until),
            races_until,
            faults: 0,
            races: 0,
            last_attempt: Duration::ZERO,
            told: None,
            deadline,
            quota,
            paid: 0,
            has_mended_the_clock: false,
            has_mended_the_credentials: false,
        }
    }

    fn before_the_deadline(&self, at: Instant) -> Instant {
        self.deadline.map_or(at, |deadline| deadline.min(at))
    }

    /// Adds the time in which the credentials were loaded.
    fn prolong(&mut self, by: Duration) {
        self.until = self.before_the_deadline(after(self.until, by));
        self.races_until = self.before_the_deadline(after(self.races_until, by));
    }

    /// Returns the cost of the attempt to the quota. DynamoDB has done what was requested, or a
    /// condition has failed. The caller of an attempt reports this, because only the caller can
    /// tell it from a throttled transaction or batch.
    pub(super) fn answered(&mut self) {
        self.quota.answered(std::mem::take(&mut self.paid));
    }

    /// Waits after a failed read, if a retry is useful and there is time for it.
    ///
    /// # Errors
    ///
    /// Returns what went wrong.
    pub(super) async fn after_a_read(&mut self, fault: Fault) -> Result<(), Error> {
        let again = self.after(&fault).await;
        let error = fault.of_read();
        if again {
            self.told = Some(error);
            return Ok(());
        }
        // If the end of the time cut the last attempt short, the error before it says more.
        let cut = Instant::now() >= self.until;
        Err(self.told.take().filter(|_| cut).unwrap_or(error))
    }

    /// Starts the time again after a response with a part of the result.
    pub(super) fn begin_again(&mut self) {
        self.until = after(Instant::now(), self.time).min(self.races_until);
        self.faults = 0;
    }

    /// Waits before the next attempt, if a retry is useful. Returns `false` if it is not, or if the
    /// time or the quota is used up.
    async fn after(&mut self, fault: &Fault) -> bool {
        match fault {
            Fault::Refused(_) | Fault::Mendable(..) => false,
            Fault::Mended(_) => self.wait(Duration::ZERO, self.until).await,
            Fault::Again(error) | Fault::Ambiguous(error) => self.after_a_fault(error.kind()).await,
        }
    }

    async fn after_a_fault(&mut self, fault: ErrorKind) -> bool {
        let longest = self.longest_after_a_fault();
        let Some(pause) = self.pause(longest, self.until) else {
            return false;
        };
        // Only an attempt that will be sent is paid for.
        let Some(paid) = self.quota.pay_after(fault) else {
            return false;
        };
        self.paid = paid;
        sleep(pause).await;
        true
    }

    /// Waits before trying again from what the winner has written. Returns `false` if the time is
    /// up.
    pub(super) async fn after_a_race(&mut self) -> bool {
        let longest = self.longest_after_a_race();
        let goes_on = self.wait(longest, self.races_until).await;
        self.until = after(Instant::now(), self.time).min(self.races_until);
        goes_on
    }

    fn longest_after_a_fault(&mut self) -> Duration {
        let longest = FIRST_BACKOFF.saturating_mul(doubled(self.faults));
        self.faults += 1;
        longest.min(LONGEST_BACKOFF)
    }

    fn longest_after_a_race(&mut self) -> Duration {
        let longest = match self.races % 2 {
            // The record that was read is as old as the handler or the last wait. The item of the
            // failed condition is current.
            0 => Duration::ZERO,
            _ => {
                let round_trips = ROUND_TRIPS.saturating_mul(doubled(self.races / 2));
                self.last_attempt.saturating_mul(round_trips)
            }
        };
        self.races += 1;
        longest.min(LONGEST_BACKOFF)
    }

    /// Waits for a random part of `longest`. Returns `false` if the time is up.
    async fn wait(&self, longest: Duration, until: Instant) -> bool {
        let Some(pause) = self.pause(longest, until) else {
            return false;
        };
        sleep(pause).await;
        true
    }

    /// Returns a random part of `longest`, so that requests that collided do not collide again.
    /// Returns `None` if the time is up, or would be before another attempt has ended.
    fn pause(&self, longest: Duration, until: Instant) -> Option<Duration> {
        let drawn = random().map_or(u16::MAX, u16::from_le_bytes);
        let share = f64::from(drawn) / f64::from(u16::MAX);
        let pause = longest.mul_f64(share);
        let next_attempt = self.last_attempt + self.last_attempt / 2;
        (Instant::now() + pause + next_attempt < until).then_some(pause)
    }
}

async fn sleep(pause: Duration) {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
}

/// Returns the time that much later. A time that the clock cannot represent becomes an hour.
fn after(now: Instant, time: Duration) -> Instant {
    now.checked_add(time)
        .unwrap_or(now + Duration::from_secs(3600))
}

fn doubled(times: u32) -> u32 {
    1_u32.checked_shl(times).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
