//! The changes of a request, and the decision how they are persisted.
//!
//! 1. Changes are folded into one per key, in the order in which they were made: a removal followed
//!    by an increment becomes a set.
//! 2. A change without an effect does not count. Examples are an equal value, the removal of an
//!    absent key, an increment of a stored number by zero, and clearing an empty session.
//! 3. An increment stays an increment up to the store, so that concurrent ones add up. An update
//!    stays a function of the stored value, which may be newer than the value that was read. Each
//!    becomes a set only if its result is known, which is after a set, a removal or a clear.
//! 4. The change of a key may depend on the value that was read: this is a guard. If another
//!    request has changed that value, nothing is written.
//! 5. No function of an application runs while changes are folded. Its result for the value that
//!    was read is computed before, and kept as a forecast.
//! 6. The decision is one [`Outcome`], made in one `match`: [`decide`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::error::{Error, ErrorKind};
use crate::store::data::{Data, Entry};

/// The changes of one request, at most one for each key.
#[derive(Clone, Default)]
pub struct Changes {
    cleared: bool,
    by_key: BTreeMap<String, Change>,
    /// Changes that precede those in `by_key` and have no effect on the stored values. They count
    /// only if the changes begin a new session.
    same: BTreeMap<String, Change>,
    /// Values that must still be stored as they were read.
    guards: BTreeMap<String, Entry>,
    /// Replaced changes. Dropping them may run code of the application, which must not happen under
    /// a session's lock.
    replaced: Vec<Change>,
}

/// The change of one key.
#[non_exhaustive]
#[derive(Clone)]
pub enum Change {
    /// Stores this value.
    Set(Entry),
    /// Removes the key.
    Remove,
    /// Adds this number to the stored one. An absent key counts from 0.
    Add(i64),
    /// Replaces the value with the result of functions of it.
    Apply(Apply),
}

/// Functions of a key's value, applied in order to the value as it is when it is written.
#[derive(Clone)]
pub struct Apply {
    steps: Vec<Arc<Function>>,
    forecast: Option<Forecast>,
}

/// The result of the functions for the value that was read.
#[derive(Clone)]
struct Forecast {
    of: Option<Entry>,
    made: Result<Entry, Error>,
}

/// One function. It runs again for each value that another request stores first.
type Function = dyn Fn(Option<&Entry>) -> Result<Entry, Error> + Send + Sync;

impl Apply {
    pub(crate) fn new(
        step: impl Fn(Option<&Entry>) -> Result<Entry, Error> + Send + Sync + 'static,
    ) -> Self {
        Self::of(vec![Arc::new(step)])
    }

    fn of(steps: Vec<Arc<Function>>) -> Self {
        Self {
            steps,
            forecast: None,
        }
    }

    /// Returns the result of the functions for a stored value, or for an absent key if `there` is
    /// `None`.
    ///
    /// # Errors
    ///
    /// Fails with [`Deserialize`](ErrorKind::Deserialize) if the value does not have the type of
    /// the functions' argument. Fails with [`Serialize`](ErrorKind::Serialize) if their result has
    /// no JSON form.
    pub fn run(&self, there: Option<&Entry>) -> Result<Entry, Error> {
        if let Some(made) = self.foreseen(there) {
            return made.clone();
        }
        let mut value: Option<Entry> = there.cloned();
        for step in &self.steps {
            value = Some(step(value.as_ref())?);
        }
        let reason = "there is no function to apply to the value";
        value.ok_or_else(|| Error::new(ErrorKind::Serialize, reason))
    }

    /// Sets the forecast: the result for a value.
    pub(crate) fn foreseeing(mut self, of: Option<Entry>, made: Result<Entry, Error>) -> Self {
        self.forecast = Some(Forecast { of, made });
        self
    }

    /// Returns the result for this value, if it is known without running the functions.
    fn foreseen(&self, there: Option<&Entry>) -> Option<&Result<Entry, Error>> {
        let forecast = self.forecast.as_ref()?;
        (forecast.of.as_ref() == there).then_some(&forecast.made)
    }

    fn add(by: i64) -> Self {
        Self::new(move |there| sum(there, by).map(integer))
    }

    /// Returns the functions with this value as the input of the first, whatever is stored.
    fn constant(entry: Option<Entry>, later: &Self) -> Self {
        let first = later.steps.first().map(|first| {
            let first = Arc::clone(first);
            let begin: Arc<Function> = Arc::new(move |_| first(entry.as_ref()));
            begin
        });
        let rest = later.steps.iter().skip(1).cloned();
        Self::of(first.into_iter().chain(rest).collect())
    }

    fn followed_by(&self, later: &Self) -> Self {
        Self::of(self.steps.iter().chain(&later.steps).cloned().collect())
    }
}

impl Changes {
    /// Returns whether all stored values are removed before the changes.
    #[must_use]
    pub fn is_cleared(&self) -> bool {
        self.cleared
    }

    /// Returns whether there are no changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.cleared && self.by_key.is_empty() && self.guards.is_empty()
    }

    /// Returns whether there are no changes except for values that were taken, on which they may
    /// depend.
    pub(crate) fn only_guard(&self) -> bool {
        !self.cleared && self.by_key.is_empty()
    }

    /// Returns the change of each key, ordered by key. After a clear, all of them are sets.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Change)> {
        self.by_key
            .iter()
            .map(|(key, change)| (key.as_str(), change))
    }

    /// Returns the values that must still be stored as they were read, ordered by key.
    pub(crate) fn guards(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.guards.iter().map(|(key, entry)| (key.as_str(), entry))
    }

    /// Checks that every guarded value is still stored.
    ///
    /// # Errors
    ///
    /// Fails with [`Conflict`](ErrorKind::Conflict) if one is not.
    pub(crate) fn check_guards(&self, data: &Data) -> Result<(), Error> {
        let holds = |(key, entry): (&str, &Entry)| data.get(key) == Some(entry);
        if self.guards().all(holds) {
            return Ok(());
        }
        let reason = "another request has taken or changed a value that can be taken only once";
        Err(Error::new(ErrorKind::Conflict, reason))
    }

    /// Converts guards of the values after these changes into guards of the values before them.
    fn guard_before(&mut self, guards: BTreeMap<String, Entry>, base: &Data) {
        for (key, entry) in guards {
            let before = match self.so_far(&key) {
                None => Some(entry),
                // This request had stored that value itself.
                Some(Change::Set(_) | Change::Remove) => None,
                Some(Change::Add(_) | Change::Apply(_)) => base.get(&key).cloned(),
            };
            if let Some(before) = before {
                self.guards.insert(key, before);
            }
        }
    }

    /// Discards changes that were made on `base` and were not written. They are kept to be dropped
    /// later, except for the guards of values that were taken once.
    pub(crate) fn discard(&mut self, mut changes: Self, base: &Data) {
        changes.guard_before(std::mem::take(&mut self.guards), base);
        self.guards = changes.guards;
        self.replaced.extend(changes.by_key.into_values());
        self.replaced.extend(changes.same.into_values());
        self.replaced.extend(changes.replaced);
    }

    /// Returns the replaced changes, to be dropped.
    pub(crate) fn take_replaced(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.replaced)
    }

    /// Keeps the guards, and returns everything else, to be dropped.
    pub(crate) fn keep_guards(&mut self) -> Self {
        let guards = std::mem::take(&mut self.guards);
        let rest = std::mem::take(self);
        self.guards = guards;
        rest
    }

    /// Returns the changes that remove the guarded values and nothing else, if there are any.
    pub(crate) fn claims(&self) -> Option<Self> {
        let removed = self.guards.keys().map(|key| (key.clone(), Change::Remove));
        let by_key: BTreeMap<_, _> = removed.collect();
        (!by_key.is_empty()).then(|| Self {
            by_key,
            guards: self.guards.clone(),
            ..Self::default()
        })
    }

    /// Returns the changes without their guards, for a caller that has already checked them.
    pub(crate) fn without_guards(&self) -> Self {
        Self {
            guards: BTreeMap::new(),
            ..self.clone()
        }
    }

    /// Returns the changes for a new session, in which all inserted values count, whether they were
    /// stored before or not.
    pub(crate) fn afresh(&self) -> Self {
        let mut changes = self.clone();
        for (key, before) in std::mem::take(&mut changes.same) {
            let both = match changes.by_key.remove(&key) {
                Some(later) => before.then_at_last(later),
                None => before,
            };
            changes.by_key.insert(key, both);
        }
        changes
    }

    /// Returns the approximate [`Data::size`] of `base` after the changes.
    ///
    /// A sum of an absent key counts 20 bytes, which is its maximum length.
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

    /// Returns the data after the changes.
    ///
    /// # Errors
    ///
    /// Fails with [`Deserialize`](ErrorKind::Deserialize) if an increment meets a value that is not
    /// an `i64`. Fails with [`Serialize`](ErrorKind::Serialize) if its sum does not fit in an
    /// `i64`. Fails with [`Conflict`](ErrorKind::Conflict) if a value that was [taken
    /// once](crate::Session::take_once) is no longer stored.
    pub fn apply(&self, data: &Data) -> Result<Data, Error> {
        self.check_guards(data)?;
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

    /// Returns whether `data` is certainly the result of these changes. This cannot be determined
    /// for increments and functions, which may have been applied once or twice.
    #[cfg(feature = "dynamodb")]
    pub(crate) fn are_in(&self, data: &Data) -> bool {
        let nothing_else = !self.cleared || data.len() == self.by_key.len();
        nothing_else
            && self.guards.is_empty()
            && self.iter().all(|(key, change)| match change {
                Change::Set(entry) => data.get(key) == Some(entry),
                Change::Remove => data.get(key).is_none(),
                Change::Add(_) | Change::Apply(_) => false,
            })
    }

    /// Returns the entry of a key after the changes, without running a function.
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`apply`](Self::apply), and with [`Conflict`](ErrorKind::Conflict)
    /// if the result is [unknown](Self::unforeseen).
    pub(crate) fn current<'a>(
        &'a self,
        base: &'a Data,
        key: &str,
    ) -> Result<Option<Cow<'a, Entry>>, Error> {
        let there = base.get(key).filter(|_| !self.cleared);
        let Some(change) = self.by_key.get(key) else {
            return Ok(there.map(Cow::Borrowed));
        };
        change.known(there).unwrap_or_else(|| {
            let reason = "the function of an update must not read the value that it updates";
            Err(Error::new(ErrorKind::Conflict, reason))
        })
    }

    /// Returns the keys after the changes, in order.
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

    /// Stores a value under a key. `base` is the data that was read, or `None` if it was not read.
    pub(crate) fn set(&mut self, base: Option<&Data>, key: &str, entry: Entry) {
        self.put(base, key, Change::Set(entry));
    }

    /// Removes a key.
    pub(crate) fn remove(&mut self, base: Option<&Data>, key: &str) {
        self.put(base, key, Change::Remove);
    }

    /// Adds to the number of a key. Returns the sum if it is known, or `None` if nothing was read.
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`apply`](Self::apply), and then changes nothing.
    pub(crate) fn add(
        &mut self,
        base: Option<&Data>,
        key: &str,
        by: i64,
    ) -> Result<Option<i64>, Error> {
        let made = self.fold(base, key, Change::Add(by))?;
        Ok(made.as_ref().and_then(as_i64))
    }

    /// Applies a function to the value of a key. `apply` must have a forecast for the
    /// [current](Self::current) value, so that no function runs here.
    pub(crate) fn update(
        &mut self,
        base: Option<&Data>,
        key: &str,
        apply: Apply,
    ) -> Result<(), Error> {
        self.fold(base, key, Change::Apply(apply)).map(drop)
    }

    /// Removes a key on condition that its stored value is still the one that was read.
    pub(crate) fn take(&mut self, base: Option<&Data>, key: &str) {
        // No other request can have taken a value that this request has inserted.
        let is_own = matches!(self.so_far(key), Some(Change::Set(_) | Change::Remove));
        if let Some(stored) = base.and_then(|base| base.get(key)).filter(|_| !is_own) {
            self.guards.insert(key.to_owned(), stored.clone());
        }
        self.remove(base, key);
    }

    /// Folds a change into the earlier changes, and returns the resulting value of the key, if it
    /// is known.
    fn fold(
        &mut self,
        base: Option<&Data>,
        key: &str,
        later: Change,
    ) -> Result<Option<Entry>, Error> {
        let there = base
            .and_then(|data| data.get(key))
            .filter(|_| !self.cleared);
        let before = self.so_far(key);
        let current = match before {
            Some(before) => before.known(there),
            None => Some(Ok(there.map(Cow::Borrowed))),
        };
        let is_known = base.is_some() || matches!(before, Some(Change::Set(_) | Change::Remove));
        let made = match current.filter(|_| is_known).transpose()? {
            Some(current) => later.known(current.as_deref()).transpose()?,
            None => None,
        };
        let made = made.flatten().map(Cow::into_owned);
        let mut change = match before {
            Some(before) => before.then(later)?,
            None => later,
        };
        if let (Change::Apply(apply), Some(made), true) = (&mut change, &made, base.is_some()) {
            apply.forecast = Some(Forecast {
                of: there.cloned(),
                made: Ok(made.clone()),
            });
        }
        self.put(base, key, change);
        Ok(made)
    }

    /// Returns a function without a forecast for the value that was read, with its key and that
    /// value.
    pub(crate) fn unforeseen(&self, base: &Data) -> Option<(String, Apply, Option<Entry>)> {
        self.by_key.iter().find_map(|(key, change)| {
            let Change::Apply(apply) = change else {
                return None;
            };
            let there = base.get(key).filter(|_| !self.cleared);
            let is_known = apply.foreseen(there).is_some();
            (!is_known).then(|| (key.clone(), apply.clone(), there.cloned()))
        })
    }

    /// Keeps the forecast of a key, if its functions are still the same.
    pub(crate) fn foresee(&mut self, key: &str, apply: Apply) {
        let are_same = |there: &Apply| {
            let mut pairs = there.steps.iter().zip(&apply.steps);
            there.steps.len() == apply.steps.len() && pairs.all(|(a, b)| Arc::ptr_eq(a, b))
        };
        let replaced = match self.by_key.get_mut(key) {
            Some(Change::Apply(there)) if are_same(there) => std::mem::replace(there, apply),
            _ => apply,
        };
        self.replaced.push(Change::Apply(replaced));
    }

    /// Returns the earlier change of a key. A clear has removed it.
    fn so_far(&self, key: &str) -> Option<&Change> {
        const REMOVED: &Change = &Change::Remove;
        self.by_key.get(key).or(self.cleared.then_some(REMOVED))
    }

    /// Sets the change of a key, unless it has no effect.
    fn put(&mut self, base: Option<&Data>, key: &str, change: Change) {
        let there = match (base, self.cleared) {
            (_, true) => Some(None),
            (Some(data), false) => Some(data.get(key)),
            (None, false) => None,
        };
        if matches!(change, Change::Set(_) | Change::Remove) {
            self.replaced.extend(self.same.remove(key));
        }
        let before = if there.is_some_and(|there| change.is_none(there)) {
            self.keep_same(key.to_owned(), change);
            self.by_key.remove(key)
        } else {
            self.by_key.insert(key.to_owned(), change)
        };
        self.replaced.extend(before);
    }

    fn keep_same(&mut self, key: String, change: Change) {
        let both = match self.same.remove(&key) {
            Some(before) => {
                let both = before.then_at_last(change.clone());
                self.replaced.extend([before, change]);
                both
            }
            None => change,
        };
        self.same.insert(key, both);
    }

    /// Removes every key. Guarded values must still be stored.
    pub(crate) fn clear(&mut self, base: &Data) {
        let dropped = std::mem::take(&mut self.by_key).into_values();
        self.replaced.extend(dropped);
        let dropped = std::mem::take(&mut self.same).into_values();
        self.replaced.extend(dropped);
        self.cleared = !base.is_empty();
    }

    /// Sets aside the changes that have no effect on `base`, once it was read.
    pub(crate) fn settle_on(&mut self, base: &Data) {
        let cleared = self.cleared;
        let is_none =
            |key: &String, change: &mut Change| change.is_none(base.get(key).filter(|_| !cleared));
        let same: Vec<_> = self.by_key.extract_if(.., is_none).collect();
        for (key, change) in same {
            self.keep_same(key, change);
        }
    }

    /// Returns these changes, followed by `later` ones, folded. `base` is the data that these
    /// changes were made on.
    pub(crate) fn followed_by(mut self, mut later: Self, base: &Data) -> Self {
        self.replaced.append(&mut later.replaced);
        self.guard_before(std::mem::take(&mut later.guards), base);
        if later.cleared {
            later.guards = self.guards;
            later.replaced.append(&mut self.replaced);
            later.replaced.extend(self.by_key.into_values());
            later.replaced.extend(self.same.into_values());
            return later;
        }
        for (key, change) in later.same {
            match self.so_far(&key) {
                // It is the value that these changes have stored.
                Some(Change::Set(_) | Change::Remove) => self.replaced.push(change),
                // It is the result for the value that was read, and not for any other value.
                Some(before @ (Change::Add(_) | Change::Apply(_))) => {
                    let folded = before.then_at_last(change.clone());
                    self.replaced.push(change);
                    self.put(None, &key, folded);
                }
                None => self.keep_same(key, change),
            }
        }
        for (key, change) in later.by_key {
            let folded = match self.so_far(&key) {
                Some(before) => {
                    let folded = before.then_at_last(change.clone());
                    self.replaced.push(change);
                    folded
                }
                None => change,
            };
            self.put(None, &key, folded);
        }
        self
    }
}

impl Change {
    /// Returns the entry after the change.
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`Changes::apply`].
    fn of<'a>(&'a self, there: Option<&Entry>) -> Result<Option<Cow<'a, Entry>>, Error> {
        Ok(match self {
            Self::Set(entry) => Some(Cow::Borrowed(entry)),
            Self::Remove => None,
            Self::Add(by) => Some(Cow::Owned(integer(sum(there, *by)?))),
            Self::Apply(apply) => Some(Cow::Owned(apply.run(there)?)),
        })
    }

    /// Returns the entry after the change, if it is known without running a function.
    fn known<'a>(&'a self, there: Option<&Entry>) -> Option<Result<Option<Cow<'a, Entry>>, Error>> {
        match self {
            Self::Apply(apply) => {
                let made = apply.foreseen(there)?.as_ref();
                Some(
                    made.map(|made| Some(Cow::Borrowed(made)))
                        .map_err(Error::clone),
                )
            }
            Self::Set(_) | Self::Remove | Self::Add(_) => Some(self.of(there)),
        }
    }

    /// Returns this change, followed by a later one, as one change.
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`Changes::apply`].
    fn then(&self, later: Self) -> Result<Self, Error> {
        let value = match self {
            Self::Set(entry) => Some(entry),
            Self::Remove | Self::Add(_) | Self::Apply(_) => None,
        };
        Ok(match (self, later) {
            (_, later @ (Self::Set(_) | Self::Remove)) => later,
            (Self::Set(_) | Self::Remove, later) => match (later.known(value).transpose()?, &later)
            {
                (Some(Some(made)), _) => Self::Set(made.into_owned()),
                (Some(None), _) => Self::Remove,
                (None, Self::Apply(apply)) => Self::Apply(Apply::constant(value.cloned(), apply)),
                (None, _) => later,
            },
            (Self::Add(by), Self::Add(more)) => {
                Self::Add(by.checked_add(more).ok_or_else(overflow)?)
            }
            (Self::Add(by), Self::Apply(later)) => Self::Apply(Apply::add(*by).followed_by(&later)),
            (Self::Apply(apply), Self::Add(by)) => Self::Apply(apply.followed_by(&Apply::add(by))),
            (Self::Apply(apply), Self::Apply(later)) => Self::Apply(apply.followed_by(&later)),
        })
    }

    /// Returns this change, followed by a later one that was accepted on the result of this one. If
    /// the two have no common sum, the store decides on the stored value.
    fn then_at_last(&self, later: Self) -> Self {
        match (self, &later) {
            (Self::Add(by), Self::Add(more)) if by.checked_add(*more).is_none() => {
                Self::Apply(Apply::add(*by).followed_by(&Apply::add(*more)))
            }
            _ => self.then(later.clone()).unwrap_or(later),
        }
    }

    /// Returns whether the change has no effect on a value, as far as is known.
    fn is_none(&self, there: Option<&Entry>) -> bool {
        match (self.known(there), there) {
            (Some(Ok(Some(made))), Some(there)) => same_value(there, &made),
            (Some(Ok(None)), None) => true,
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

/// Returns whether two entries hold the same JSON value. The order of an object's members does not
/// count, because a `HashMap` is written in a different order each time. The spelling of a number
/// does: `-0.0` is not `0.0`, and `1.0` is not `1`.
fn same_value(a: &Entry, b: &Entry) -> bool {
    let (Some(a), Some(b)) = (a.json(), b.json()) else {
        return a == b;
    };
    if a == b {
        return true;
    }
    // Equal values have texts of equal length, unless one of them was reformatted, which only costs
    // an unnecessary write.
    a.len() == b.len()
        && match (serde_json::from_str(a), serde_json::from_str(b)) {
            (Ok(a), Ok(b)) => same_json(&a, &b),
            _ => false,
        }
}

fn same_json(a: &Value, b: &Value) -> bool {
    match (a, b) {
        // Integers of 128 bits are parsed as floats, so two different ones may be equal. A number
        // of that size counts as changed.
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
