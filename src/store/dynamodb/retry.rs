//! Decides if a call is sent again, and when.
//!
//! 1. A response that proves that nothing happened is followed by the same request. Anything
//!    ambiguous is recorded in an [`Ambiguity`]. If it cannot be resolved in time, the error is
//!    [`OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
//! 2. A call whose clock or credentials were corrected is retried at once, because nothing has
//!    happened.
//! 3. No attempt lasts longer than the time that is left. None starts if, judging by the last one,
//!    it would not end in time. The outcome of a cancelled attempt is unknown, while one that was
//!    not started has not happened.
//! 4. After a fault, each wait is longer than the one before. All clones of a store share one
//!    [`Quota`] for retries.
//! 5. A request that lost a race has just received the current item, and tries again at once. From
//!    the second loss on, it waits for a random time, which is up to twice as long each time.
//!    Otherwise fifty requests that collide would collide for ever.
//! 6. A lost race is a response, and the next attempts have the whole time of an operation again.
//!    This goes on until the invocation's deadline.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};
use crate::id::random;
use crate::store::dynamodb::classify::{Fault, Mend, unknown};
use crate::store::dynamodb::quota::Quota;

/// The longest wait before the first retry, doubled for each further one. The SDK's own base is a
/// second.
const FIRST_BACKOFF: Duration = Duration::from_millis(25);
const LONGEST_BACKOFF: Duration = Duration::from_millis(800);
/// The time that must be left beside that of the next attempt after a fault. An attempt that takes
/// longer than the last one would be cancelled, and its outcome unknown.
const SPARE: Duration = Duration::from_millis(50);
/// The time for races if there is no deadline, as a number of operations' times.
const OPERATIONS: u32 = 10;
/// The longest wait after two lost races, in round trips. It doubles with every further loss.
const ROUND_TRIPS: u32 = 2;

/// Records if an earlier attempt at a write may have happened, with the error that suggests it.
#[derive(Debug, Default)]
pub(super) struct Ambiguity(Option<Error>);

impl Ambiguity {
    /// Returns `true` if an earlier attempt may have happened.
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
    /// The error of the attempt before the last one, if the operation is a read.
    earlier_error: Option<Error>,
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
            earlier_error: None,
            deadline,
            quota,
            paid: 0,
            has_mended_the_clock: false,
            has_mended_the_credentials: false,
        }
    }

    /// Returns the time at which this operation gives up.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// Returns that time, or the deadline if it is earlier.
    pub(super) fn before_the_deadline(&self, at: Instant) -> Instant {
        self.deadline.map_or(at, |deadline| deadline.min(at))
    }

    /// Adds the time in which the credentials were loaded.
    pub(super) fn prolong(&mut self, by: Duration) {
        self.until = self.before_the_deadline(after(self.until, by));
        self.races_until = self.before_the_deadline(after(self.races_until, by));
    }

    /// Records the duration of an attempt, by which the next one is judged.
    pub(super) fn record_attempt(&mut self, took: Duration) {
        self.last_attempt = took;
    }

    /// Returns `true` the first time that this is corrected in the operation.
    pub(super) fn may_mend(&mut self, what: Mend) -> bool {
        let was_mended = match what {
            Mend::Clock => &mut self.has_mended_the_clock,
            Mend::Credentials => &mut self.has_mended_the_credentials,
        };
        !std::mem::replace(was_mended, true)
    }

    /// Returns the cost of the attempt to the quota. DynamoDB has done what was requested, or a
    /// condition has failed. The caller of an attempt reports this, because only the caller can
    /// tell it from a throttled transaction or batch.
    pub(super) fn responded(&mut self) {
        self.quota.refund(std::mem::take(&mut self.paid));
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
            self.earlier_error = Some(error);
            return Ok(());
        }
        // If the end of the time cut the last attempt short, the error before it says more.
        let cut = Instant::now() >= self.until;
        let earlier = self.earlier_error.take().filter(|_| cut);
        Err(earlier.unwrap_or(error))
    }

    /// Starts the time again after a response with a part of the result.
    pub(super) fn start_again(&mut self) {
        self.until = after(Instant::now(), self.time).min(self.races_until);
        self.faults = 0;
    }

    /// Waits before trying again from what the winner has written. Returns `false` if the time is
    /// up.
    pub(super) async fn after_a_race(&mut self) -> bool {
        let longest = self.longest_after_a_race();
        let goes_on = self.wait(longest, self.races_until).await;
        self.until = after(Instant::now(), self.time).min(self.races_until);
        goes_on
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
        let until = self.until.checked_sub(SPARE).unwrap_or(self.until);
        let Some(pause) = self.pause(longest, until) else {
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

    fn longest_after_a_fault(&mut self) -> Duration {
        let longest = FIRST_BACKOFF.saturating_mul(doubled(self.faults));
        self.faults += 1;
        longest.min(LONGEST_BACKOFF)
    }

    fn longest_after_a_race(&mut self) -> Duration {
        let round_trips = match self.races {
            // The record that was read is as old as the handler. The item of the failed condition
            // is current.
            0 => 0,
            races => ROUND_TRIPS.saturating_mul(doubled(races)),
        };
        self.races = self.races.saturating_add(1);
        let longest = self.last_attempt.saturating_mul(round_trips);
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
pub(super) fn after(now: Instant, time: Duration) -> Instant {
    now.checked_add(time)
        .unwrap_or(now + Duration::from_secs(3600))
}

fn doubled(times: u32) -> u32 {
    1_u32.checked_shl(times).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
