//! The lifetimes of one session, where they differ from those of the layer.
//!
//! 1. They are stored with the record, so that every request and every instance knows them.
//! 2. The end is stored as a time and not as a duration, because a condition of DynamoDB can compare
//!    it with a new expiry, and cannot add two attributes.
//! 3. They are stored as they were set. The layer applies its maxima when it uses them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// The lifetimes of one session, as [`Session::set_idle_timeout`](crate::Session::set_idle_timeout)
/// and its siblings set them.
///
/// A field that is `None` is not set: the layer's value applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Lifetimes {
    /// The idle timeout in seconds, which is at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<u64>,
    /// The end of the session's lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// True if browsers keep the cookie after they are closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent: Option<bool>,
}

impl Lifetimes {
    /// Returns whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether an idle timeout or an end is set, so that the expiry is not the layer's.
    #[must_use]
    pub fn limits_expiry(&self) -> bool {
        self.idle.is_some() || self.ends.is_some()
    }

    /// Returns these lifetimes, and those of `other` where these are not set.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            idle: self.idle.or(other.idle),
            ends: self.ends.or(other.ends),
            persistent: self.persistent.or(other.persistent),
        }
    }

    /// Returns what is set here and differs from `other`.
    pub(crate) fn changes_to(self, other: Self) -> Self {
        Self {
            idle: self.idle.filter(|_| self.idle != other.idle),
            ends: self.ends.filter(|_| self.ends != other.ends),
            persistent: self
                .persistent
                .filter(|_| self.persistent != other.persistent),
        }
    }
}

/// The lifetimes that a request sets. A lifetime counts from the start of the session, which may be
/// known only when the session is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SetLifetimes {
    pub(crate) idle: Option<u64>,
    pub(crate) lifetime: Option<u64>,
    pub(crate) persistent: Option<bool>,
}

impl SetLifetimes {
    /// Returns what is stored for a session that began at this time.
    pub(crate) fn since(self, created: Timestamp) -> Lifetimes {
        let end = |seconds| created.plus(Duration::from_secs(seconds));
        Lifetimes {
            idle: self.idle,
            ends: self.lifetime.map(end),
            persistent: self.persistent,
        }
    }

    /// Returns these values, and those of `other` where these are not set.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            idle: self.idle.or(other.idle),
            lifetime: self.lifetime.or(other.lifetime),
            persistent: self.persistent.or(other.persistent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_merged_field_by_field() {
        let at = |seconds| Some(Timestamp::from_epoch_seconds(seconds));
        let stored = Lifetimes {
            idle: Some(60),
            ends: at(900),
            persistent: None,
        };
        let set = Lifetimes {
            idle: Some(30),
            ends: None,
            persistent: Some(false),
        };
        let both = Lifetimes {
            idle: Some(30),
            ends: at(900),
            persistent: Some(false),
        };
        assert_eq!(set.or(stored), both);
        assert_eq!(set.changes_to(stored), set);
        assert_eq!(both.changes_to(stored), set, "the end is the same");
        assert!(set.changes_to(both).is_empty());
        assert!(stored.limits_expiry() && set.limits_expiry() && !set.is_empty());
        let cookie = Lifetimes {
            persistent: Some(true),
            ..Lifetimes::default()
        };
        assert!(!cookie.limits_expiry() && !cookie.is_empty());
    }
}
