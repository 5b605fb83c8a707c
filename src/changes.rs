//! What a request changed, and what becomes of it.
//!
//! 1. Changes fold to one entry per key, in the order in which they were made: a removal and then
//!    an increment is a set.
//! 2. A change that changes nothing is none: an equal value, the removal of an absent key, a count
//!    of zero onto what is there, the clearing of an empty session.
//! 3. An increment stays an increment up to the store, so that concurrent ones add up, and an update
//!    stays a function of what the store has by then. Each becomes a set only where its result is
//!    known (after a set, a removal or a clear).
//! 4. What is to be done is one [`Outcome`], decided in one `match`: [`decide`].

mod outcome;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::error::{Error, ErrorKind};
use crate::record::{Data, Entry};

pub(crate) use outcome::{Due, Origin, Outcome, Wish, decide, gone};

/// The changes of one request: at most one for each key.
#[derive(Clone, Default)]
pub struct Changes {
    cleared: bool,
    by_key: BTreeMap<String, Change>,
}

/// The change of one key.
#[non_exhaustive]
#[derive(Clone)]
pub enum Change {
    /// It has this value.
    Set(Entry),
    /// It goes.
    Remove,
    /// So much is added to what is there; an absent key counts from 0.
    Add(i64),
    /// It becomes what functions make of what is there.
    Apply(Apply),
}

/// Functions of a key's value, one after the other, applied to it as it is when it is written.
#[derive(Clone)]
pub struct Apply {
    steps: Vec<Arc<Function>>,
    /// What they made last, and of what: they are asked for it several times on the way to the
    /// store, and may be slow.
    made: Arc<Mutex<Option<Made>>>,
}

/// What there was, and what became of it.
type Made = (Option<Entry>, Entry);

/// One of them. It is run again for each value that another request puts in between.
type Function = dyn Fn(Option<&Entry>) -> Result<Entry, Error> + Send + Sync;

impl Apply {
    pub(crate) fn new(
        step: impl Fn(Option<&Entry>) -> Result<Entry, Error> + Send + Sync + 'static,
    ) -> Self {
        Self::of(vec![Arc::new(step)])
    }

    fn of(steps: Vec<Arc<Function>>) -> Self {
        let made = Arc::default();
        Self { steps, made }
    }

    /// What becomes of the value that is there; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`Deserialize`](ErrorKind::Deserialize) if it is not of the type that the functions take,
    /// [`Serialize`](ErrorKind::Serialize) if what they made of it has no JSON form.
    pub fn run(&self, there: Option<&Entry>) -> Result<Entry, Error> {
        if let Some((of, made)) = &*self.made()
            && of.as_ref() == there
        {
            return Ok(made.clone());
        }
        let mut value: Option<Entry> = there.cloned();
        for step in &self.steps {
            value = Some(step(value.as_ref())?);
        }
        let reason = "there is no function to apply";
        let made = value.ok_or_else(|| Error::new(ErrorKind::Serialize, reason))?;
        *self.made() = Some((there.cloned(), made.clone()));
        Ok(made)
    }

    /// It is replaced whole, and never held while a function runs.
    fn made(&self) -> MutexGuard<'_, Option<Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(by: i64) -> Self {
        Self::new(move |there| sum(there, by).map(integer))
    }

    fn followed_by(&self, later: &Self) -> Self {
        Self::of(self.steps.iter().chain(&later.steps).cloned().collect())
    }
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
                Change::Apply(apply) => {
                    let made = apply.run(there).map_or(0, |entry| entry.size());
                    key.len() + made
                }
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
            match change.of(after.get(key))? {
                Some(entry) => after.insert(key, entry.into_owned()),
                None => drop(after.remove(key)),
            }
        }
        Ok(after)
    }

    /// Whether the data are as these changes would leave them, as far as that can be told: what
    /// counts, or is a function of what was there, may have been done once or twice.
    pub(crate) fn are_in(&self, data: &Data) -> bool {
        let nothing_else = !self.cleared || data.len() == self.by_key.len();
        nothing_else
            && self.iter().all(|(key, change)| match change {
                Change::Set(entry) => data.get(key) == Some(entry),
                Change::Remove => data.get(key).is_none(),
                Change::Add(_) | Change::Apply(_) => false,
            })
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
        match self.by_key.get(key) {
            Some(change) => change.of(there),
            None => Ok(there.map(Cow::Borrowed)),
        }
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
        self.put(base, key, Change::Set(entry));
    }

    /// A key goes.
    pub(crate) fn remove(&mut self, base: Option<&Data>, key: &str) {
        self.put(base, key, Change::Remove);
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
        let made = self.fold(base, key, Change::Add(by))?;
        Ok(made.as_ref().and_then(as_i64))
    }

    /// A key becomes what a function makes of its value. It is tried on what was read.
    ///
    /// # Errors
    ///
    /// As of [`apply`](Self::apply); nothing is changed then.
    pub(crate) fn update(
        &mut self,
        base: Option<&Data>,
        key: &str,
        apply: Apply,
    ) -> Result<(), Error> {
        self.fold(base, key, Change::Apply(apply)).map(drop)
    }

    /// Puts a change on top of what was changed before, and gives what it makes of the key, as far
    /// as that is known.
    fn fold(
        &mut self,
        base: Option<&Data>,
        key: &str,
        later: Change,
    ) -> Result<Option<Entry>, Error> {
        let change = match self.so_far(key) {
            Some(before) => before.then(later)?,
            None => later,
        };
        let there = base
            .and_then(|data| data.get(key))
            .filter(|_| !self.cleared);
        let is_known = base.is_some() || matches!(change, Change::Set(_));
        let made = match is_known {
            true => change.of(there)?.map(Cow::into_owned),
            false => None,
        };
        self.put(base, key, change);
        Ok(made)
    }

    /// What was done to a key before: a clear has removed it.
    fn so_far(&self, key: &str) -> Option<&Change> {
        const REMOVED: &Change = &Change::Remove;
        self.by_key.get(key).or(self.cleared.then_some(REMOVED))
    }

    /// Puts the one change of a key, unless it changes nothing.
    fn put(&mut self, base: Option<&Data>, key: &str, change: Change) {
        let there = match (base, self.cleared) {
            (_, true) => Some(None),
            (Some(data), false) => Some(data.get(key)),
            (None, false) => None,
        };
        if there.is_some_and(|there| change.is_none(there)) {
            self.by_key.remove(key);
        } else {
            self.by_key.insert(key.to_owned(), change);
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
        self.by_key
            .retain(|key, change| !change.is_none(base.get(key).filter(|_| !cleared)));
    }

    /// These changes and then `later` ones, folded.
    pub(crate) fn followed_by(mut self, later: Self) -> Self {
        if later.cleared {
            return later;
        }
        for (key, change) in later.by_key {
            let folded = match self.so_far(&key) {
                // The later one was made on top of the earlier, so they fit. If they do not, the
                // store will say so.
                Some(before) => before.then(change.clone()).unwrap_or(change),
                None => change,
            };
            self.put(None, &key, folded);
        }
        self
    }
}

impl Change {
    /// What it makes of an entry.
    ///
    /// # Errors
    ///
    /// As of [`Changes::apply`].
    fn of<'a>(&'a self, there: Option<&Entry>) -> Result<Option<Cow<'a, Entry>>, Error> {
        Ok(match self {
            Self::Set(entry) => Some(Cow::Borrowed(entry)),
            Self::Remove => None,
            Self::Add(by) => Some(Cow::Owned(integer(sum(there, *by)?))),
            Self::Apply(apply) => Some(Cow::Owned(apply.run(there)?)),
        })
    }

    /// This one and then a later one, as one.
    ///
    /// # Errors
    ///
    /// As of [`Changes::apply`].
    fn then(&self, later: Self) -> Result<Self, Error> {
        Ok(match (self, later) {
            (_, later @ (Self::Set(_) | Self::Remove)) => later,
            (Self::Set(_) | Self::Remove, later) => {
                let known = self.of(None)?;
                match later.of(known.as_deref())? {
                    Some(entry) => Self::Set(entry.into_owned()),
                    None => Self::Remove,
                }
            }
            (Self::Add(by), Self::Add(more)) => {
                Self::Add(by.checked_add(more).ok_or_else(overflow)?)
            }
            (Self::Add(by), Self::Apply(later)) => Self::Apply(Apply::add(*by).followed_by(&later)),
            (Self::Apply(apply), Self::Add(by)) => Self::Apply(apply.followed_by(&Apply::add(by))),
            (Self::Apply(apply), Self::Apply(later)) => Self::Apply(apply.followed_by(&later)),
        })
    }

    /// Whether it changes nothing of what is there.
    fn is_none(&self, there: Option<&Entry>) -> bool {
        match (self.of(there), there) {
            (Ok(Some(made)), Some(there)) => same_value(there, &made),
            (Ok(None), None) => true,
            _ => false,
        }
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

impl fmt::Debug for Apply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Apply({} functions)", self.steps.len())
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set(_) => "Set",
            Self::Remove => "Remove",
            Self::Add(_) => "Add",
            Self::Apply(_) => "Apply",
        })
    }
}

fn integer(n: i64) -> Entry {
    Entry::from_json(n.to_string())
}

fn sum(there: Option<&Entry>, by: i64) -> Result<i64, Error> {
    let Some(entry) = there else {
        return Ok(by);
    };
    let n = as_i64(entry).ok_or_else(|| {
        let reason = "only an integer that fits in an i64 can be incremented";
        Error::new(ErrorKind::Deserialize, reason)
    })?;
    n.checked_add(by).ok_or_else(overflow)
}

fn as_i64(entry: &Entry) -> Option<i64> {
    let text = entry.json().filter(|_| entry.is_integer())?;
    text.parse().ok()
}

fn overflow() -> Error {
    Error::new(ErrorKind::Serialize, "the sum does not fit in an i64")
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
