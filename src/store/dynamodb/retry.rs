//! How a call is made until it is known what became of it, or time is up.
//!
//! 1. The SDK's own retries are off: it resends blindly, gives up after three attempts, and tells
//!    only of its last one, so that a lost acknowledgement followed by a refusal would look as if
//!    nothing had happened.
//! 2. An answer that proves that nothing happened is followed by the same request. After anything
//!    ambiguous there is a [`Ambiguity`], and whatever cannot dispel it in time is
//!    [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
//! 3. A wrong clock and credentials that are not accepted any more are mended once per operation, and
//!    the call is made again at once: nothing has happened.
//! 4. Loading the credentials is no part of an attempt: it has a limit of its own, and nothing is
//!    sent before it is done. Cut off with the attempt, slow credentials would never be there.
//! 5. No attempt lasts longer than the time that is left, and none is begun that would not end in
//!    it, going by the last one: what is cut off is unknown, and what is not begun is not.
//! 6. After a fault each wait is longer than the one before, and all clones of a store have one
//!    [`Quota`] for retries. Who lost a race has just been told what
//!    is there now, and tries again at once; from the second loss on, every other time, it waits for
//!    a few round trips, so that fifty who collide do not collide for ever.
//! 7. A race that was lost is an answer, and what follows has the whole time of an operation again.
//!    It goes on until the invocation's deadline.

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

/// Before the first retry, at most; doubled for each further one. The SDK's own base is a second.
const FIRST_BACKOFF: Duration = Duration::from_millis(25);
const LONGEST_BACKOFF: Duration = Duration::from_millis(800);
/// How many operations' time races go on for where there is no deadline.
const OPERATIONS: u32 = 10;
/// How many round trips who lost two races waits at most, doubled with every second further loss.
const ROUND_TRIPS: u32 = 4;

/// What became of one attempt.
pub(super) enum Attempt<T, E> {
    Done(T),
    /// The service's own error, of a condition that failed.
    Refused(E),
    Failed(Fault),
}

impl DynamoDbStore {
    /// Makes one attempt, for no longer than an attempt may take, nor than the time that is left.
    /// `send` is given what the call adds to the client's configuration.
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
            // From here on the time of the attempt counts.
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

    /// Mends what a call was refused for, once per operation: `false` if that was done before.
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

/// Marks when the credentials of a call are there.
#[derive(Clone, Debug, Default)]
struct Loaded(Arc<AtomicBool>);

impl Loaded {
    fn is_it(&self) -> bool {
        // Set in the same task.
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

/// The error for credentials that take too long. Nothing was sent.
fn credentials_are_late() -> Error {
    let reason = "the AWS credentials did not load in time";
    Error::new(ErrorKind::Unavailable, reason)
}

/// Whether an attempt that took so long was not cut short by the end of all time: one that was may
/// be on a connection that is as good as any.
fn had_its_time(allowed: Duration, took: Duration, limit: Instant, until: Instant) -> bool {
    limit < until || took < allowed
}

/// Whether an earlier attempt at a write may have happened, and what makes one think so.
#[derive(Debug, Default)]
pub(super) struct Ambiguity(Option<Error>);

impl Ambiguity {
    pub(super) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Waits to try again, if there is a point in it and time for it.
    ///
    /// # Errors
    ///
    /// Why there is not.
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

    /// The error that it comes to: what may have happened is unknown, whatever came after it.
    pub(super) fn about(&self, error: Error) -> Error {
        self.0.clone().map_or(error, unknown)
    }
}

/// How long an operation goes on trying, and how long it waits in between.
#[derive(Debug)]
pub(super) struct RetryBudget {
    /// How long an operation may take.
    time: Duration,
    /// When this one is given up.
    until: Instant,
    /// When no other is begun.
    races_until: Instant,
    faults: u32,
    races: u32,
    /// How long the last attempt took.
    last_attempt: Duration,
    /// What the last attempt at a read was told.
    told: Option<Error>,
    /// The invocation's.
    deadline: Option<Instant>,
    quota: Arc<Quota>,
    /// The cost of the attempt that comes next.
    paid: u32,
    has_mended_the_clock: bool,
    has_mended_the_credentials: bool,
}

impl RetryBudget {
    /// For that long an operation, and not past that moment, with retries as far as there is quota.
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

    /// Gives back to the quota: DynamoDB has done what it was asked for, or a condition has failed.
    /// The caller of an attempt says so, who can tell that from a transaction or a batch that was
    /// throttled.
    pub(super) fn answered(&mut self) {
        self.quota.answered(std::mem::take(&mut self.paid));
    }

    /// After a read that failed: waits to try again, if there is a point in it and time for it.
    ///
    /// # Errors
    ///
    /// What went wrong.
    pub(super) async fn after_a_read(&mut self, fault: Fault) -> Result<(), Error> {
        let again = self.after(&fault).await;
        let error = fault.of_read();
        if again {
            self.told = Some(error);
            return Ok(());
        }
        // Of an attempt that was cut short by the end of the time, the one before says more.
        let cut = Instant::now() >= self.until;
        Err(self.told.take().filter(|_| cut).unwrap_or(error))
    }

    /// An answer came that is a part of all, and what follows has the whole time again.
    pub(super) fn begin_again(&mut self) {
        self.until = after(Instant::now(), self.time).min(self.races_until);
        self.faults = 0;
    }

    /// Waits before the next attempt, if there is a point in it. `false` if there is not, and if time
    /// or quota is used up.
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
        // Only what will be sent is paid for.
        let Some(paid) = self.quota.pay_after(fault) else {
            return false;
        };
        self.paid = paid;
        sleep(pause).await;
        true
    }

    /// Waits before trying again with what the winner has left. `false` if time is up.
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
            // What was read is as old as the handler, or as the wait before; the refusal is fresh.
            0 => Duration::ZERO,
            _ => {
                let round_trips = ROUND_TRIPS.saturating_mul(doubled(self.races / 2));
                self.last_attempt.saturating_mul(round_trips)
            }
        };
        self.races += 1;
        longest.min(LONGEST_BACKOFF)
    }

    /// Waits for a random part of that time. `false` if time is up.
    async fn wait(&self, longest: Duration, until: Instant) -> bool {
        let Some(pause) = self.pause(longest, until) else {
            return false;
        };
        sleep(pause).await;
        true
    }

    /// A random part of that time, so that those who collided do not collide again. `None` if time is
    /// up, or would be before another attempt has ended.
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

/// So much later. A time that no clock can tell is as good as an hour.
fn after(now: Instant, time: Duration) -> Instant {
    now.checked_add(time)
        .unwrap_or(now + Duration::from_secs(3600))
}

fn doubled(times: u32) -> u32 {
    1_u32.checked_shl(times).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
