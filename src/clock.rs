//! Time in whole seconds.
//!
//! No other file reads the system's clock. (The monotonic clock, `Instant`, measures timeouts in other
//! files.)

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A time in whole seconds since 1970-01-01 UTC, the unit of DynamoDB's TTL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Creates the time that is this many seconds after the epoch.
    #[must_use]
    pub const fn from_epoch_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Returns the last time that can be represented.
    #[cfg(feature = "dynamodb")]
    pub(crate) const fn latest() -> Self {
        Self(u64::MAX)
    }

    /// Returns the seconds since the epoch.
    #[must_use]
    pub const fn epoch_seconds(self) -> u64 {
        self.0
    }

    /// Returns the seconds from `earlier` to this time, or zero if `earlier` is not earlier.
    #[must_use]
    pub const fn seconds_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the time that is `duration` later, in whole seconds.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }

    /// Returns the time that is `duration` earlier, in whole seconds, or the epoch.
    pub(crate) const fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_secs()))
    }
}

/// Converts a system time. Fractions of a second are cut off, and a clock before 1970 reads 0.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(
            time.duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        )
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        // If the system cannot represent the time, the result is the end of the year 9999.
        let latest = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
        UNIX_EPOCH
            .checked_add(Duration::from_secs(timestamp.0))
            .unwrap_or(latest)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads the system's clock.
#[allow(clippy::disallowed_methods)] // this is the function that others must call
pub(crate) fn system_clock() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_epoch_seconds(seconds)
    }

    #[test]
    fn timestamp_cuts_off_fractions() {
        let time = UNIX_EPOCH + Duration::from_millis(1_999);
        assert_eq!(Timestamp::from(time), at(1));
        assert_eq!(Timestamp::from(UNIX_EPOCH - Duration::from_secs(5)), at(0));
        assert_eq!(SystemTime::from(at(7)), UNIX_EPOCH + Duration::from_secs(7));
        // A time that no system can represent becomes the end of the year 9999.
        let end = SystemTime::from(at(u64::MAX));
        assert_eq!(Timestamp::from(end), at(253_402_300_799));
    }
}
