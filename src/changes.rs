//! What a request changed, and what becomes of it.
//!
//! 1. Changes fold to one entry per key, in the order in which they were made: a removal and then
//!    an increment is a set.
//! 2. A change that changes nothing is none: an equal value, the removal of an absent key, a count
//!    of zero onto what is there, the clearing of an empty session.
//! 3. An increment stays an increment up to the store, so that concurrent ones add up. It becomes
//!    a set only where its result is known (after a set, a removal or a clear).
//! 4. What is to be done is one [`Outcome`], decided in one `match`: [`decide`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::fmt;

use serde_json::Value;

use crate::error::{Error, ErrorKind};
use crate::expiry::Timestamp;
use crate::record::{Data, Entry, Found};

/// The changes of one request: at most one for each key.
#[derive(Clone, Default)]
pub struct Changes {
    cleared: bool,
    by_key: BTreeMap<String, Change>,
}

/// The change of one key.
#[non_exhaustive]
#[derive(Clone, PartialEq)]
pub enum Change {
    /// It has this value.
    Set(Entry),
    /// It goes.
    Remove,
    /// So much is added to what is there; an absent key counts from 0.
    Add(i64),
}

impl Changes {
    /// Whether everything that was there goes first.
    #[must_use]
    pub fn is_cleared(&self) -> bool {
        self.cleared
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.cleared && self.by_key.is_empty()
    }

    /// The change of each key, ordered by key. After a clear all are sets.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Change)> {
        self.by_key
            .iter()
            .map(|(key, change)| (key.as_str(), change))
    }

    /// What [`Data::size`] of `base` would be after them, near enough: a sum that was not there
    /// before counts with 20 bytes, the most it can have.
    #[must_use]
    pub fn size_after(&self, base: &Data) -> usize {
        let kept = if self.cleared { 0 } else { base.size() };
        self.iter().fold(kept, |size, (key, change)| {
            let there = base.get(key).filter(|_| !self.cleared);
            let before = there.map_or(0, |entry| key.len() + entry.size());
            let after = match change {
                Change::Set(entry) => key.len() + entry.size(),
                Change::Remove => 0,
                Change::Add(_) => key.len() + there.map_or(20, Entry::size),
            };
            (size + after).saturating_sub(before)
        })
    }

    /// The data as it is afterwards.
    ///
    /// # Errors
    ///
    /// [`Deserialize`](ErrorKind::Deserialize) if an increment finds what is not an `i64`,
    /// [`Serialize`](ErrorKind::Serialize) if its sum is none.
    pub fn apply(&self, data: &Data) -> Result<Data, Error> {
        let mut after = if self.cleared {
            Data::new()
        } else {
            data.clone()
        };
        for (key, change) in self.iter() {
            match change {
                Change::Set(entry) => after.insert(key, entry.clone()),
                Change::Remove => drop(after.remove(key)),
                Change::Add(by) => {
                    let sum = sum(after.get(key), *by)?;
                    after.insert(key, integer(sum));
                }
            }
        }
        Ok(after)
    }

    /// The entry of a key as it would be after the changes.
    ///
    /// # Errors
    ///
    /// As of [`apply`](Self::apply).
    pub(crate) fn current<'a>(
        &'a self,
        base: &'a Data,
        key: &str,
    ) -> Result<Option<Cow<'a, Entry>>, Error> {
        let there = base.get(key).filter(|_| !self.cleared);
        Ok(match self.by_key.get(key) {
            None => there.map(Cow::Borrowed),
            Some(Change::Set(entry)) => Some(Cow::Borrowed(entry)),
            Some(Change::Remove) => None,
            Some(Change::Add(by)) => Some(Cow::Owned(integer(sum(there, *by)?))),
        })
    }

    /// The keys as they would be after the changes, in order.
    pub(crate) fn keys(&self, base: &Data) -> Vec<String> {
        let stays = |key: &&str| !self.cleared && !self.by_key.contains_key(*key);
        let gone = |change: &Change| matches!(change, Change::Remove);
        let mut keys: Vec<String> = base
            .iter()
            .map(|(key, _)| key)
            .filter(stays)
            .chain(
                self.iter()
                    .filter(|(_, change)| !gone(change))
                    .map(|(key, _)| key),
            )
            .map(str::to_owned)
            .collect();
        keys.sort_unstable();
        keys
    }

    /// A key gets a value. `base` is what was read; `None` if nothing was.
    pub(crate) fn set(&mut self, base: Option<&Data>, key: &str, entry: Entry) {
        let there = base
            .and_then(|data| data.get(key))
            .filter(|_| !self.cleared);
        if there.is_some_and(|there| same_value(there, &entry)) {
            self.by_key.remove(key);
        } else {
            self.by_key.insert(key.to_owned(), Change::Set(entry));
        }
    }

    /// A key goes.
    pub(crate) fn remove(&mut self, base: Option<&Data>, key: &str) {
        let absent = self.cleared || base.is_some_and(|data| data.get(key).is_none());
        if absent {
            self.by_key.remove(key);
        } else {
            self.by_key.insert(key.to_owned(), Change::Remove);
        }
    }

    /// A key is counted up. Gives the sum as far as it is known; `None` if nothing was read.
    ///
    /// # Errors
    ///
    /// As of [`apply`](Self::apply); nothing is changed then.
    pub(crate) fn add(
        &mut self,
        base: Option<&Data>,
        key: &str,
        by: i64,
    ) -> Result<Option<i64>, Error> {
        let there = base
            .and_then(|data| data.get(key))
            .filter(|_| !self.cleared);
        match self.by_key.entry(key.to_owned()) {
            Slot::Occupied(mut slot) => {
                let (change, forecast) = match slot.get() {
                    Change::Set(entry) => {
                        let sum = sum(Some(entry), by)?;
                        (Change::Set(integer(sum)), Some(sum))
                    }
                    Change::Remove => (Change::Set(integer(by)), Some(by)),
                    Change::Add(before) => {
                        let total = before.checked_add(by).ok_or_else(overflow)?;
                        let forecast = base.map(|_| sum(there, total)).transpose()?;
                        (Change::Add(total), forecast)
                    }
                };
                if is_none(&change, there) {
                    slot.remove();
                } else {
                    slot.insert(change);
                }
                Ok(forecast)
            }
            Slot::Vacant(slot) if self.cleared => {
                slot.insert(Change::Set(integer(by)));
                Ok(Some(by))
            }
            Slot::Vacant(slot) => {
                let forecast = base.map(|_| sum(there, by)).transpose()?;
                if by != 0 || there.is_none() {
                    slot.insert(Change::Add(by));
                }
                Ok(forecast)
            }
        }
    }

    /// Every key goes.
    pub(crate) fn clear(&mut self, base: &Data) {
        self.by_key.clear();
        self.cleared = !base.is_empty();
    }

    /// Drops what turns out to change nothing of `base`, once that was read.
    pub(crate) fn settle_on(&mut self, base: &Data) {
        let cleared = self.cleared;
        self.by_key.retain(|key, change| {
            let there = base.get(key).filter(|_| !cleared);
            !is_none(change, there)
        });
    }

    /// These changes and then `later` ones, folded.
    pub(crate) fn followed_by(mut self, later: Self) -> Self {
        if later.cleared {
            return later;
        }
        for (key, change) in later.by_key {
            let folded = match (self.by_key.get(&key), change) {
                (Some(Change::Add(before)), Change::Add(by)) => {
                    Change::Add(before.saturating_add(by))
                }
                (Some(Change::Set(entry)), Change::Add(by)) => {
                    // The later one was counted on top of this very value, so it fits.
                    sum(Some(entry), by).map_or(Change::Add(by), |sum| Change::Set(integer(sum)))
                }
                (Some(Change::Remove), Change::Add(by)) => Change::Set(integer(by)),
                // After a clear all are sets.
                (None, Change::Add(by)) if self.cleared => Change::Set(integer(by)),
                (_, Change::Remove) if self.cleared => {
                    self.by_key.remove(&key);
                    continue;
                }
                (_, change) => change,
            };
            self.by_key.insert(key, folded);
        }
        self
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes")
            .field("cleared", &self.cleared)
            .field("keys", &self.by_key.len())
            .finish()
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set(_) => "Set",
            Self::Remove => "Remove",
            Self::Add(_) => "Add",
        })
    }
}

/// What becomes of a session at the end of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing is written.
    Keep,
    /// Unchanged, but its expiry had become stale: that alone is written.
    Touch(Timestamp),
    /// There was none; one is stored under a new id.
    Create,
    /// Some keys are changed, under the same id. A stale expiry is moved along.
    Update(Option<Timestamp>),
    /// The same session, its changes included, goes on under a new id.
    Renew,
    /// The old one was destroyed, and then a new one was begun.
    Replace,
    /// It goes, and so does the cookie.
    Destroy,
}

/// Where a session stands in the store, as far as its request knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An id was presented, and nobody looked.
    Unread,
    /// Somebody looked, or there was no id to look for.
    Read(Found<()>),
}

/// What the handler asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) destroy: bool,
    pub(crate) renew: bool,
    pub(crate) change: bool,
}

/// The one place where it is decided what is written.
///
/// # Errors
///
/// [`Gone`](ErrorKind::Gone) for changes to a session whose id was renewed: the login that renewed
/// it must not be hurt by a late request, so nothing is written and no cookie is sent.
pub(crate) fn decide(
    origin: Origin,
    wish: Wish,
    touch: Option<Timestamp>,
) -> Result<Outcome, Error> {
    use Found::{Absent, Live, Renewed};
    use Origin::{Read, Unread};

    let Wish {
        destroy,
        renew,
        change,
    } = wish;
    Ok(match (origin, destroy, renew, change) {
        (Unread | Read(Live(())), true, _, true) => Outcome::Replace,
        (Unread | Read(Live(())), true, _, false) => Outcome::Destroy,
        (Read(Live(())), false, true, _) => Outcome::Renew,
        (Unread | Read(Live(())), false, _, true) => Outcome::Update(touch),
        (Unread | Read(Live(())), false, _, false) => touch.map_or(Outcome::Keep, Outcome::Touch),

        // Nothing is stored, so there is nothing to renew. An empty session is never stored. A
        // logout takes the stale cookie away.
        (Read(Absent), _, _, true) => Outcome::Create,
        (Read(Absent), true, _, false) => Outcome::Destroy,
        (Read(Absent), false, _, false) => Outcome::Keep,

        // A second login with the same old id begins afresh; nothing else may write.
        (Read(Renewed), false, true, true) => Outcome::Create,
        (Read(Renewed), false, _, false) => Outcome::Keep,
        (Read(Renewed), true, _, _) | (Read(Renewed), false, false, true) => {
            return Err(gone("the session's id was renewed by another request"));
        }
    })
}

/// The error of a write that found no session to write to.
pub(crate) fn gone(reason: &'static str) -> Error {
    Error::new(ErrorKind::Gone, reason)
}

fn integer(n: i64) -> Entry {
    Entry::from_json(n.to_string())
}

fn sum(there: Option<&Entry>, by: i64) -> Result<i64, Error> {
    let Some(entry) = there else {
        return Ok(by);
    };
    let n: i64 = entry
        .json()
        .filter(|_| entry.is_integer())
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| {
            let reason = "only an integer that fits in an i64 can be incremented";
            Error::new(ErrorKind::Deserialize, reason)
        })?;
    n.checked_add(by).ok_or_else(overflow)
}

fn overflow() -> Error {
    Error::new(ErrorKind::Serialize, "the sum does not fit in an i64")
}

/// Whether a change of what is there changes nothing.
fn is_none(change: &Change, there: Option<&Entry>) -> bool {
    match change {
        Change::Set(entry) => there.is_some_and(|there| same_value(there, entry)),
        Change::Remove => there.is_none(),
        Change::Add(by) => *by == 0 && there.is_some(),
    }
}

/// Whether two entries hold the same JSON value. The order of an object's members does not count:
/// a `HashMap` is written in another order every time. The spelling of a number does: `-0.0` is
/// not `0.0`, nor `1.0` `1`.
fn same_value(a: &Entry, b: &Entry) -> bool {
    let (Some(a), Some(b)) = (a.json(), b.json()) else {
        return a == b;
    };
    if a == b {
        return true;
    }
    // Equal values have texts of one length, unless somebody formatted one of them; that costs a
    // needless write and nothing more.
    a.len() == b.len()
        && match (serde_json::from_str(a), serde_json::from_str(b)) {
            (Ok(a), Ok(b)) => same_json(&a, &b),
            _ => false,
        }
}

fn same_json(a: &Value, b: &Value) -> bool {
    match (a, b) {
        // Integers of 128 bits are parsed as floats: two that differ may be one. What is as large
        // as that is taken as changed.
        (Value::Number(a), Value::Number(b)) => {
            let is_exact = !a.is_f64() || a.as_f64().is_some_and(|n| n.abs() < 2_f64.powi(63));
            is_exact && a.to_string() == b.to_string()
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_json(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same_json(a, b)))
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests;
