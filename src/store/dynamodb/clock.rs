//! The clock for the signatures of requests.
//!
//! 1. DynamoDB refuses a signature that is more than five minutes off. The clock of an environment
//!    that was thawed may be wrong, and so may that of any machine. The refusal has the correct
//!    time in its `Date` header.
//! 2. The difference is kept here and not by the SDK. The SDK loses its own correction with its
//!    client, and a client is replaced whenever a connection is lost. Each call switches the SDK's
//!    correction off, so that nothing is corrected twice.
//! 3. Only signatures and the expiry of credentials use this clock. Stored times use the layer's
//!    clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};

use crate::clock::system_clock;

/// The corrected clock of a client. Clones share the correction.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// The client's own clock, if it has one.
    own: Option<SharedTimeSource>,
    /// The milliseconds by which it is behind DynamoDB's clock.
    behind: Arc<AtomicI64>,
}

impl Clock {
    pub(super) fn new(own: Option<SharedTimeSource>) -> Self {
        Self {
            own,
            behind: Arc::default(),
        }
    }

    /// Corrects the clock after DynamoDB refused a signature, from the `Date` header of the
    /// refusal.
    pub(super) fn set(&self, date: &str) {
        let date = DateTime::from_str(date, DateTimeFormat::HttpDate);
        let Some(there) = date.ok().and_then(|date| SystemTime::try_from(date).ok()) else {
            return;
        };
        let here = self.uncorrected();
        let milliseconds = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let behind = match there.duration_since(here) {
            Ok(ahead) => milliseconds(ahead),
            Err(after) => -milliseconds(after.duration()),
        };
        self.behind.store(behind, Ordering::Relaxed);
        tracing::warn!(
            seconds = behind / 1000,
            "the clock differs from DynamoDB's, and is corrected for signatures"
        );
    }

    fn uncorrected(&self) -> SystemTime {
        self.own.as_ref().map_or_else(system_clock, TimeSource::now)
    }
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        let now = self.uncorrected();
        let behind = self.behind.load(Ordering::Relaxed);
        let by = Duration::from_millis(behind.unsigned_abs());
        let corrected = match behind {
            0.. => now.checked_add(by),
            _ => now.checked_sub(by),
        };
        corrected.unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[derive(Debug)]
    struct Fixed(SystemTime);

    impl TimeSource for Fixed {
        fn now(&self) -> SystemTime {
            self.0
        }
    }

    #[test]
    fn clock_is_set_by_the_date_of_a_refusal() {
        let seconds = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let clock = Clock::new(Some(SharedTimeSource::new(Fixed(seconds(784_111_000)))));
        let clone = clock.clone();
        assert_eq!(clock.now(), seconds(784_111_000));
        for (date, then) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Sun, 06 Nov 1994 08:16:40 GMT", 784_109_800),
            // The difference is not accumulated.
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("no date", 784_111_777),
        ] {
            clock.set(date);
            assert_eq!(clone.now(), seconds(then), "{date}");
        }
    }
}
