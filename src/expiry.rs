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
//! 6. A session may have [lifetimes](Lifetimes) of its own. [`Expiry::of`] returns the rules for it,
//!    within the maxima of the layer. Such a session has no hint, and no load extends it.
//! 7. A `ttl` is computed from the lifetimes that were read. If another request has changed them, the
//!    store [reconciles](reconciled) the two.
//!
//! [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#session-expiration

pub(crate) mod lifetimes;

use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::expiry::lifetimes::Lifetimes;

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
    /// The longest idle timeout that one session may have, if it is longer than `idle`.
    pub(crate) max_idle: Option<Duration>,
    /// The longest lifetime that one session may have, if it is longer than `lifetime`.
    pub(crate) max_lifetime: Option<Duration>,
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
            max_idle: None,
            max_lifetime: None,
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
            ("max_idle_timeout", self.max_idle),
            ("max_lifetime", self.max_lifetime),
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

    /// Returns the rules for a session with these lifetimes, as far as the layer allows them. A longer
    /// one may have been stored under higher maxima.
    pub(crate) fn of(&self, created: Timestamp, own: Lifetimes) -> Self {
        if !own.limits_expiry() {
            return *self;
        }
        let lifetime = own.ends.map_or(self.lifetime, |end| {
            Duration::from_secs(end.seconds_since(created)).min(self.longest_lifetime())
        });
        let idle = own.idle.map_or(self.idle, |idle| {
            Duration::from_secs(idle).min(self.longest_idle())
        });
        let touch = self.touch.map(|interval| {
            if interval >= self.idle {
                // The layer never touches.
                interval.max(idle)
            } else if idle < self.idle {
                interval.min(default_touch_interval(idle))
            } else {
                interval
            }
        });
        Self {
            idle,
            lifetime,
            touch,
            ..*self
        }
    }

    /// Returns the number of seconds of an idle timeout that a session may have.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if it is under one second or over the
    /// maximum.
    pub(crate) fn own_idle(&self, timeout: Duration) -> Result<u64, Error> {
        let limit = ("max_idle_timeout", self.longest_idle());
        own_seconds("idle timeout", timeout, limit)
    }

    /// Returns the number of seconds of a lifetime that a session may have.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if it is under one second or over the
    /// maximum.
    pub(crate) fn own_lifetime(&self, lifetime: Duration) -> Result<u64, Error> {
        let limit = ("max_lifetime", self.longest_lifetime());
        own_seconds("lifetime", lifetime, limit)
    }

    /// Returns the longest idle timeout that one session may have.
    fn longest_idle(&self) -> Duration {
        self.idle.max(self.max_idle.unwrap_or_default())
    }

    /// Returns the longest lifetime that one session may have.
    fn longest_lifetime(&self) -> Duration {
        self.lifetime.max(self.max_lifetime.unwrap_or_default())
    }

    /// Returns the stored `ttl`, or an earlier one if the session's idle timeout is over the maximum:
    /// the maximum then counts from the last write or touch.
    pub(crate) fn capped_ttl(
        &self,
        own: Lifetimes,
        ttl: Timestamp,
        modified: Timestamp,
    ) -> Timestamp {
        let longest = self.longest_idle();
        match own.idle {
            Some(idle) if idle > longest.as_secs() => ttl.min(modified.plus(longest)),
            _ => ttl,
        }
    }

    /// Returns whether the lifetime of a session has ended.
    pub(crate) fn is_over(&self, created: Timestamp, now: Timestamp) -> bool {
        created.plus(self.lifetime) <= now
    }

    /// Returns the `ttl` of a session that is used now.
    pub(crate) fn ttl(&self, created: Timestamp, now: Timestamp) -> Timestamp {
        now.plus(self.idle).min(created.plus(self.lifetime))
    }

    /// Returns whether a session is dead. The lifetime is checked here too, so that a shorter
    /// lifetime also ends sessions that were stored with a longer one.
    pub(crate) fn is_dead(&self, created: Timestamp, ttl: Timestamp, now: Timestamp) -> bool {
        ttl <= now || self.is_over(created, now)
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
            .unwrap_or_else(|| default_touch_interval(self.idle))
    }
}

/// Returns the default touch interval: a tenth of the idle timeout, at most one hour.
fn default_touch_interval(idle: Duration) -> Duration {
    (idle / 10).min(MAX_DEFAULT_TOUCH_INTERVAL)
}

/// Returns the seconds of a value that a session sets, unless it is under one second or over the limit.
fn own_seconds(what: &str, value: Duration, limit: (&str, Duration)) -> Result<u64, Error> {
    let (name, longest) = (limit.0, limit.1.as_secs());
    match value.as_secs() {
        0 => {
            let reason = format!("invalid {what} of a session: it must be at least one second");
            Err(Error::new(ErrorKind::Misconfigured, reason))
        }
        seconds if seconds > longest => {
            let reason = format!(
                "invalid {what} of a session: the layer allows at most {longest} seconds, raise its \
                 {name}"
            );
            Err(Error::new(ErrorKind::Misconfigured, reason))
        }
        seconds => Ok(seconds),
    }
}

impl Lifetimes {
    /// Returns whether a touch at the time `now` may extend the expiry of the session to `ttl`.
    ///
    /// It may not if the session's own idle timeout or lifetime ends before. The caller has computed
    /// `ttl` from lifetimes that another request has changed since.
    #[must_use]
    pub fn allow(&self, ttl: Timestamp, now: Timestamp) -> bool {
        let is_within = |idle| ttl.seconds_since(now) <= idle;
        self.idle.is_none_or(is_within) && self.ends.is_none_or(|end| ttl <= end)
    }

    /// Returns whether the expiry is computed from the same idle timeout and end.
    pub(crate) fn same_expiry(self, other: Self) -> bool {
        (self.idle, self.ends) == (other.idle, other.ends)
    }
}

/// Returns the expiry to store for a write that was to set `ttl` and the lifetimes `set`. The write was
/// computed from the lifetimes that were `read`, and finds the lifetimes and the expiry that are
/// `stored` now.
///
/// If another request has changed a lifetime that this one does not set, both count: the later expiry
/// stays, as far as the lifetimes after the write allow it.
pub(crate) fn reconciled(
    ttl: Timestamp,
    set: Lifetimes,
    read: Option<Lifetimes>,
    stored: (Lifetimes, Timestamp),
    now: Timestamp,
) -> Timestamp {
    let after = set.or(stored.0);
    if read.is_none_or(|read| set.or(read).same_expiry(after)) {
        return ttl;
    }
    let idle_end = after.idle.map(|idle| now.plus(Duration::from_secs(idle)));
    let ends = [idle_end, after.ends];
    ends.into_iter()
        .flatten()
        .fold(ttl.max(stored.1), Timestamp::min)
}

#[cfg(test)]
mod tests;
