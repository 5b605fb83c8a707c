//! Folds changes into earlier ones, and rebases them on other data.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::mem;

use crate::error::Error;
use crate::store::changes::apply::{Apply, as_i64};
use crate::store::changes::change::Change;
use crate::store::changes::change_set::Changes;
use crate::store::data::{Data, Entry};

impl Changes {
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
        let after = self.fold(base, key, Change::Add(by))?;
        Ok(after.as_ref().and_then(as_i64))
    }

    /// Applies a function to the value of a key. `apply` must have a forecast for the
    /// [current](Self::current) value, so that no function runs here.
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`apply`](Self::apply), and then changes nothing.
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

    /// Removes every key. Guarded values must still be stored.
    pub(crate) fn clear(&mut self, base: &Data) {
        let dropped = mem::take(&mut self.by_key).into_values();
        self.replaced.extend(dropped);
        let dropped = mem::take(&mut self.without_effect).into_values();
        self.replaced.extend(dropped);
        self.cleared = !base.is_empty();
    }

    /// Returns a function that has a forecast for `base` neither in itself nor among `forecasts`,
    /// with its key and the value of the key.
    pub(crate) fn next_without_forecast(
        &self,
        base: &Data,
        forecasts: &BTreeMap<String, Apply>,
    ) -> Option<(String, Apply, Option<Entry>)> {
        self.by_key.iter().find_map(|(key, change)| {
            let Change::Apply(apply) = change else {
                return None;
            };
            let there = self.before(base, key);
            let has_one = forecasts.get(key).is_some_and(|it| it.has_steps_of(apply));
            let is_known = has_one || apply.forecast(there).is_some();
            (!is_known).then(|| (key.clone(), apply.clone(), there.cloned()))
        })
    }

    /// Rebases the changes on data that was read or stored, for which these are the forecasts.
    /// Changes that have no effect on the data are set aside. Returns what is not used any more, to
    /// be dropped.
    pub(crate) fn rebase(
        &mut self,
        base: &Data,
        mut forecasts: BTreeMap<String, Apply>,
    ) -> BTreeMap<String, Apply> {
        for (key, forecast) in &mut forecasts {
            if let Some(Change::Apply(apply)) = self.by_key.get_mut(key)
                && apply.has_steps_of(forecast)
            {
                mem::swap(apply, forecast);
            }
        }
        let cleared = self.cleared;
        let has_no_effect = |key: &String, change: &mut Change| {
            change.has_no_effect(base.get(key).filter(|_| !cleared))
        };
        let without_effect: Vec<_> = self.by_key.extract_if(.., has_no_effect).collect();
        for (key, change) in without_effect {
            let there = self.before(base, &key);
            self.set_aside(key, change, there);
        }
        forecasts
    }

    /// Returns these changes, followed by `later` ones, folded. `base` is the data that these
    /// changes were made on. The later ones were made on the result of these.
    pub(crate) fn followed_by(mut self, mut later: Self, base: &Data) -> Self {
        self.replaced.append(&mut later.replaced);
        self.guard_before(mem::take(&mut later.guards), base);
        if later.cleared {
            later.guards = self.guards;
            later.replaced.append(&mut self.replaced);
            later.replaced.extend(self.by_key.into_values());
            later.replaced.extend(self.without_effect.into_values());
            return later;
        }
        for (key, change) in later.without_effect {
            let there = self.before(base, &key);
            match self.so_far(&key) {
                // It is the value that these changes have stored.
                Some(Change::Set(_) | Change::Remove) => self.replaced.push(change),
                // It is the result for the value that was read, and not for any other value.
                Some(before @ (Change::Add(_) | Change::Apply(_))) => {
                    let folded = before.then_accepted(change.clone(), there);
                    self.replaced.push(change);
                    self.put(None, &key, folded);
                }
                None => self.set_aside(key, change, there),
            }
        }
        for (key, change) in later.by_key {
            let there = self.before(base, &key);
            let folded = match self.so_far(&key) {
                Some(before) => {
                    let folded = before.then_accepted(change.clone(), there);
                    self.replaced.push(change);
                    folded
                }
                None => change,
            };
            self.put(None, &key, folded);
        }
        self
    }

    /// Returns the changes for a new session, in which all inserted values count, whether they were
    /// stored before or not.
    pub(crate) fn afresh(&self) -> Self {
        let mut changes = self.clone();
        for (key, before) in mem::take(&mut changes.without_effect) {
            let both = match changes.by_key.remove(&key) {
                Some(later) => before.then_accepted(later, None),
                None => before,
            };
            changes.by_key.insert(key, both);
        }
        changes
    }

    /// Folds a change into the earlier changes, and returns the resulting value of the key, if it
    /// is known.
    fn fold(
        &mut self,
        base: Option<&Data>,
        key: &str,
        later: Change,
    ) -> Result<Option<Entry>, Error> {
        let there = base.and_then(|base| self.before(base, key));
        let before = self.so_far(key);
        let is_known = base.is_some() || matches!(before, Some(Change::Set(_) | Change::Remove));
        let after = later.known_after(before, there);
        let known = match &after {
            Some(Ok(after)) if is_known => after.as_deref().cloned(),
            Some(Err(error)) if is_known => return Err(error.distinct()),
            Some(_) | None => None,
        };
        let after = after.map(|after| after.map(|after| after.map(own)));
        let change = match before {
            Some(before) => before.then(later)?,
            None => later,
        };
        self.put(base, key, change.with_forecast(there, after));
        Ok(known)
    }

    /// Sets the change of a key, unless it has no effect.
    fn put(&mut self, base: Option<&Data>, key: &str, change: Change) {
        let there = match (base, self.cleared) {
            (_, true) => Some(None),
            (Some(base), false) => Some(base.get(key)),
            (None, false) => None,
        };
        if matches!(change, Change::Set(_) | Change::Remove) {
            self.replaced.extend(self.without_effect.remove(key));
        }
        let before = match there.filter(|there| change.has_no_effect(*there)) {
            Some(there) => {
                self.set_aside(key.to_owned(), change, there);
                self.by_key.remove(key)
            }
            None => self.by_key.insert(key.to_owned(), change),
        };
        self.replaced.extend(before);
    }

    /// Keeps a change that has no effect on the value `there`.
    fn set_aside(&mut self, key: String, change: Change, there: Option<&Entry>) {
        let both = match self.without_effect.remove(&key) {
            Some(before) => {
                let both = before.then_accepted(change.clone(), there);
                self.replaced.extend([before, change]);
                both
            }
            None => change,
        };
        self.without_effect.insert(key, both);
    }
}

fn own(entry: Cow<'_, Entry>) -> Cow<'static, Entry> {
    Cow::Owned(entry.into_owned())
}
