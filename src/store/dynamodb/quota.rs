//! The quota for retries that all clones of a store share.
//!
//! 1. Retries alone can turn a brown-out into an outage: each request that fails would be sent ten
//!    times. So a retry after a fault has a cost, which is paid from a quota of the whole process.
//!    If the quota is used up, a call fails with the response to its first attempt.
//! 2. The figures are those of the SDK's [standard
//!    retries](https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html). A
//!    response to a retry gives the retry's cost back, and a response to a first attempt gives 1.
//! 3. A lost race costs nothing, because DynamoDB has responded and is not in trouble.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::ErrorKind;

const CAPACITY: u32 = 500;
const RETRY: u32 = 5;
const RETRY_AFTER_TIMEOUT: u32 = 10;
const FIRST_ATTEMPT: u32 = 1;

/// The tokens that are left for retries.
#[derive(Debug)]
pub(super) struct Quota(AtomicU32);

impl Default for Quota {
    fn default() -> Self {
        Self(AtomicU32::new(CAPACITY))
    }
}

impl Quota {
    /// Pays for a retry after a fault of that kind, and returns the cost. Returns `None` if too
    /// little is left.
    pub(super) fn pay_after(&self, fault: ErrorKind) -> Option<u32> {
        let cost = match fault {
            // Another transaction was writing the same record, which is a race.
            ErrorKind::Conflict => 0,
            ErrorKind::Timeout => RETRY_AFTER_TIMEOUT,
            _ => RETRY,
        };
        let less = |left: u32| left.checked_sub(cost);
        let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
        self.0.fetch_update(set, get, less).ok().map(|_| cost)
    }

    /// Gives the cost of an attempt back after its response. `paid` is what the attempt has cost.
    pub(super) fn refund(&self, paid: u32) {
        let back = paid.max(FIRST_ATTEMPT);
        let more = |left: u32| (left < CAPACITY).then(|| CAPACITY.min(left + back));
        let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
        // An error means that the quota is full already.
        let _ = self.0.fetch_update(set, get, more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quota_pays_for_a_hundred_retries() {
        let quota = Quota::default();
        for _ in 0..100 {
            assert_eq!(quota.pay_after(ErrorKind::Throttled), Some(5));
        }
        assert_eq!(quota.pay_after(ErrorKind::Unavailable), None);
        assert_eq!(quota.pay_after(ErrorKind::Conflict), Some(0), "a race");
        // A response to a retry pays for another one, and so do five responses to first attempts.
        quota.refund(5);
        assert_eq!(quota.pay_after(ErrorKind::Timeout), None, "10");
        assert_eq!(quota.pay_after(ErrorKind::Throttled), Some(5));
        for _ in 0..5 {
            assert_eq!(quota.pay_after(ErrorKind::Throttled), None);
            quota.refund(0);
        }
        assert_eq!(quota.pay_after(ErrorKind::Throttled), Some(5));
    }

    #[test]
    fn quota_never_exceeds_its_capacity() {
        let quota = Quota::default();
        quota.refund(10);
        for _ in 0..50 {
            assert_eq!(quota.pay_after(ErrorKind::Timeout), Some(10));
        }
        assert_eq!(quota.pay_after(ErrorKind::Timeout), None);
    }
}
