//! The expiry of sessions and of their ids, as pure functions of `now`.
//!
//! 1. A session expires when it has been idle for the idle timeout, or has lived for its lifetime,
//!    whichever comes first ([OWASP session expiration][owasp]). Both are checked on the server.
//! 2. The record stores that time in one number, `ttl`. The session is dead from that second on,
//!    however late DynamoDB deletes the record.
//! 3. A read extends `ttl` only if the new `ttl` is later by at least the touch interval, so that
//!    most reads write nothing. A session may therefore expire before its idle timeout, by the touch
//!    interval at most, and never after it.
//! 4. A write extends `ttl` only when a touch is due. The cookie is sent again only then. Otherwise
//!    it would expire in a client that writes in every request.
//! 5. The cookie's hint names the time at which a touch is due. A request with an older hint extends
//!    `ttl` in the call that loads the record, if [`Expiry::touch_limits`] allows it.
//!
//! [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#session-expiration

use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};

/// The default idle timeout: 14 days, as in the predecessor of this crate.
pub(crate) const DEFAULT_IDLE: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// The default lifetime: 90 days.
pub(crate) const DEFAULT_LIFETIME: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// The maximum of the default touch interval: an hour. The default is a tenth of the idle timeout.
const MAX_DEFAULT_TOUCH_INTERVAL: Duration = Duration::from_secs(60 * 60);
/// The lifetime of the tombstone of a cycled id, in seconds. It is longer than any request can be
/// that was running when the id was cycled.
pub(crate) const TOMBSTONE_SECONDS: u64 = 120;

/// The grace period, in seconds: how long an id that was cycled automatically still leads to the
/// session. It serves concurrent requests, and those of the same page that follow at once.
pub(crate) const GRACE_SECONDS: u64 = 60;

/// The time, in seconds, for which a response may set the cookie again because a call has found the
/// record alive. After it, the id may have died during the handler, and a write must find it alive.
pub(crate) const FOUND_ALIVE_SECONDS: u64 = 1;

/// The limits of a touch that is made before the record is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TouchLimits {
    /// The new `ttl`.
    pub(crate) ttl: Timestamp,
    /// The latest stored `ttl` for which a touch is due.
    pub(crate) latest_ttl: Timestamp,
    /// The earliest start of a session whose lifetime does not end before the new `ttl`.
    pub(crate) earliest_created: Timestamp,
}

/// The expiry rules for the sessions of one layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiry {
    pub(crate) idle: Duration,
    pub(crate) lifetime: Duration,
    /// The touch interval. `None` is the default of [`Expiry::touch_interval`].
    pub(crate) touch: Option<Duration>,
    /// The maximum age of an id. If it is `None`, an id may get as old as the session.
    pub(crate) cycle_id_after: Option<Duration>,
}

impl Default for Expiry {
    fn default() -> Self {
        Self {
            idle: DEFAULT_IDLE,
            lifetime: DEFAULT_LIFETIME,
            touch: None,
            cycle_id_after: None,
        }
    }
}

impl Expiry {
    /// Checks the rules.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) for a timeout under one second,
    /// because every session would be dead at its start. The same limit holds for the maximum age
    /// of an id.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let settings = [
            ("idle_timeout", Some(self.idle)),
            ("lifetime", Some(self.lifetime)),
            ("cycle_id_after", self.cycle_id_after),
        ];
        for (name, value) in settings {
            if value.is_some_and(|value| value.as_secs() == 0) {
                let reason = format!("invalid {name}: it must be at least one second");
                return Err(Error::new(ErrorKind::Misconfigured, reason));
            }
        }
        Ok(())
    }

    /// Returns the `ttl` of a session that is used now.
    pub(crate) fn ttl(&self, created: Timestamp, now: Timestamp) -> Timestamp {
        now.plus(self.idle).min(created.plus(self.lifetime))
    }

    /// Returns whether a session is dead. The lifetime is checked here too, so that a shorter
    /// lifetime also ends sessions that were stored with a longer one.
    pub(crate) fn is_dead(&self, created: Timestamp, ttl: Timestamp, now: Timestamp) -> bool {
        ttl <= now || created.plus(self.lifetime) <= now
    }

    /// Returns the new `ttl` if the stored one is older by at least the touch interval.
    pub(crate) fn touch_due(
        &self,
        created: Timestamp,
        ttl: Timestamp,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let fresh = self.ttl(created, now);
        (ttl.plus(self.least_extension()) <= fresh).then_some(fresh)
    }

    /// Returns the limits of a touch that is made before the record is known. Within them, the touch
    /// is due, and neither the lifetime nor the end of a binding shortens the new `ttl`. Returns
    /// `None` if no session is within them.
    pub(crate) fn touch_limits(&self, now: Timestamp) -> Option<TouchLimits> {
        let ttl = now.plus(self.idle);
        let latest_ttl = ttl.minus(self.least_extension());
        let earliest_created = ttl.minus(self.lifetime);
        (latest_ttl > now && earliest_created <= now).then_some(TouchLimits {
            ttl,
            latest_ttl,
            earliest_created,
        })
    }

    /// Returns the time at which a touch is due that [`touch_limits`](Self::touch_limits) allows.
    /// Returns `None` if the session, or its binding to a user, ends before. `end` is the end of the
    /// binding.
    pub(crate) fn next_touch(
        &self,
        created: Timestamp,
        ttl: Timestamp,
        end: Option<Timestamp>,
    ) -> Option<Timestamp> {
        let due = ttl.minus(self.idle).plus(self.least_extension());
        let extended = due.plus(self.idle);
        let lives = due < ttl && extended <= created.plus(self.lifetime);
        (lives && end.is_none_or(|end| extended <= end)).then_some(due)
    }

    /// Returns whether an id is old enough to be cycled automatically.
    pub(crate) fn cycle_due(&self, issued: Timestamp, now: Timestamp) -> bool {
        self.cycle_id_after
            .is_some_and(|interval| now.seconds_since(issued) >= interval.as_secs())
    }

    /// Returns the touch interval, and at least the one second by which a touch extends `ttl`.
    fn least_extension(&self) -> Duration {
        self.touch_interval().max(Duration::from_secs(1))
    }

    /// Returns the touch interval, or its default: a tenth of the idle timeout, at most one hour.
    fn touch_interval(&self) -> Duration {
        self.touch
            .unwrap_or_else(|| (self.idle / 10).min(MAX_DEFAULT_TOUCH_INTERVAL))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Timestamp {
        Timestamp::from_epoch_seconds(seconds)
    }

    fn rules(idle: u64, lifetime: u64, touch: Option<u64>) -> Expiry {
        Expiry {
            idle: Duration::from_secs(idle),
            lifetime: Duration::from_secs(lifetime),
            touch: touch.map(Duration::from_secs),
            cycle_id_after: None,
        }
    }

    #[test]
    fn ttl_is_the_earlier_of_both_ends() {
        let rules = rules(100, 250, None);
        assert_eq!(rules.ttl(at(1_000), at(1_000)), at(1_100));
        assert_eq!(rules.ttl(at(1_000), at(1_150)), at(1_250));
        assert_eq!(rules.ttl(at(1_000), at(1_249)), at(1_250));
    }

    #[test]
    fn expired_to_the_second() {
        let rules = rules(100, 250, None);
        assert!(!rules.is_dead(at(1_000), at(1_100), at(1_099)));
        assert!(rules.is_dead(at(1_000), at(1_100), at(1_100)));
        // This one was stored when the lifetime was longer.
        assert!(!rules.is_dead(at(1_000), at(9_000), at(1_249)));
        assert!(rules.is_dead(at(1_000), at(9_000), at(1_250)));
    }

    #[test]
    fn touch_is_due_after_the_interval() {
        let rules = rules(100, 10_000, Some(10));
        assert_eq!(rules.touch_due(at(0), at(100), at(9)), None);
        assert_eq!(rules.touch_due(at(0), at(100), at(10)), Some(at(110)));
    }

    #[test]
    fn touch_interval_zero_is_due_every_second() {
        let rules = rules(100, 10_000, Some(0));
        assert_eq!(rules.touch_due(at(0), at(100), at(0)), None);
        assert_eq!(rules.touch_due(at(0), at(100), at(1)), Some(at(101)));
    }

    #[test]
    fn touch_never_exceeds_lifetime_or_shortens() {
        let short = rules(100, 150, Some(0));
        assert_eq!(short.touch_due(at(0), at(150), at(120)), None);
        // The idle timeout was longer when this one was stored.
        assert_eq!(short.touch_due(at(0), at(149), at(10)), None);
    }

    #[test]
    fn touch_limits_are_those_of_a_due_touch() {
        for interval in [0, 1, 10, 100, 101] {
            let rules = rules(100, 250, Some(interval));
            for now in 0..300 {
                let Some(limits) = rules.touch_limits(at(now)) else {
                    assert!(interval >= 100, "it never touches");
                    continue;
                };
                for created in (0..=now).step_by(7) {
                    for ttl in (now + 1)..(now + 120) {
                        let is_within =
                            at(ttl) <= limits.latest_ttl && at(created) >= limits.earliest_created;
                        let due = rules.touch_due(at(created), at(ttl), at(now));
                        let is_capped = created + 250 < now + 100;
                        assert_eq!(is_within, due.is_some() && !is_capped);
                        if is_within {
                            assert_eq!(due, Some(limits.ttl));
                        }
                    }
                }
            }
        }
        let is_possible = |idle, lifetime, interval| {
            let rules = rules(idle, lifetime, Some(interval));
            rules.touch_limits(at(1_000)).is_some()
        };
        assert!(is_possible(100, 100, 99));
        assert!(!is_possible(100, 99, 0), "the lifetime always ends first");
        assert!(!is_possible(100, 250, 100), "a touch is never due");
        assert!(!is_possible(1, 250, 0));
    }

    #[test]
    fn next_touch_is_the_first_within_the_limits() {
        for interval in [0, 1, 10, 99, 100, 101] {
            let rules = rules(100, 250, Some(interval));
            let is_within = |ttl, now| {
                rules.touch_limits(at(now)).is_some_and(|limits| {
                    at(ttl) <= limits.latest_ttl && at(1_000) >= limits.earliest_created
                })
            };
            for ttl in 1_100..1_250 {
                let first = (1_000..ttl).find(|now| is_within(ttl, *now)).map(at);
                assert_eq!(rules.next_touch(at(1_000), at(ttl), None), first);
                let end = first.map(|first| first.plus(rules.idle));
                assert_eq!(rules.next_touch(at(1_000), at(ttl), end), first);
                let end = end.map(|end| end.minus(Duration::from_secs(1)));
                if end.is_some() {
                    assert_eq!(rules.next_touch(at(1_000), at(ttl), end), None);
                }
            }
        }
    }

    #[test]
    fn touch_interval_default_is_a_tenth() {
        assert_eq!(rules(100, 1_000, None).touch_interval().as_secs(), 10);
        assert_eq!(Expiry::default().touch_interval().as_secs(), 3_600);
    }

    #[test]
    fn timeout_under_a_second_is_misconfigured() {
        assert!(rules(1, 1, Some(0)).validate().is_ok());
        let cycling = |seconds| Expiry {
            cycle_id_after: Some(Duration::from_secs(seconds)),
            ..rules(1, 1, None)
        };
        assert!(cycling(1).validate().is_ok());
        for wrong in [rules(0, 1, None), rules(1, 0, None), cycling(0)] {
            let error = wrong.validate().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured);
        }
    }

    #[test]
    fn cycle_is_due_to_the_second() {
        let never = rules(100, 1_000, None);
        assert!(!never.cycle_due(at(0), at(u64::MAX)));
        let rules = Expiry {
            cycle_id_after: Some(Duration::from_secs(10)),
            ..never
        };
        assert!(!rules.cycle_due(at(5), at(14)));
        assert!(rules.cycle_due(at(5), at(15)));
        assert!(!rules.cycle_due(at(5), at(0)), "a clock that was set back");
    }
}
