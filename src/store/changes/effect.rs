//! The effect of changes on stored data.

use std::borrow::Cow;

use crate::error::{Error, ErrorKind};
use crate::store::changes::change::Change;
use crate::store::changes::change_set::Changes;
use crate::store::data::{Data, Entry};

impl Changes {
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
        let after = if self.cleared {
            Data::new()
        } else {
            data.clone()
        };
        self.apply_unguarded(after)
    }

    /// Returns the data after the changes of keys, without a copy of it.
    fn apply_unguarded(&self, mut after: Data) -> Result<Data, Error> {
        for (key, change) in self.iter() {
            match change.of(after.get(key))? {
                Some(entry) => after.insert(key, entry.into_owned()),
                None => drop(after.remove(key)),
            }
        }
        Ok(after)
    }

    /// Returns the data after changes that were written, without a copy of it.
    pub(crate) fn apply_written(&self, data: Data) -> Data {
        let before = if self.cleared { Data::new() } else { data };
        // No written change fails on the data that it was made from.
        self.apply_unguarded(before).unwrap_or_default()
    }

    /// Returns the approximate [`Data::size`] of `base` after the changes.
    ///
    /// A sum of an absent key counts 20 bytes, which is its maximum length.
    #[must_use]
    pub fn size_after(&self, base: &Data) -> usize {
        let kept = if self.cleared { 0 } else { base.size() };
        self.iter().fold(kept, |size, (key, change)| {
            let there = self.before(base, key);
            let before = there.map_or(0, |entry| key.len() + entry.size());
            let after = match change {
                Change::Set(entry) => key.len() + entry.size(),
                Change::Remove => 0,
                Change::Add(_) => key.len() + there.map_or(20, Entry::size),
                Change::Apply(apply) => {
                    let result = apply.run(there).map_or(0, |entry| entry.size());
                    key.len() + result
                }
            };
            (size + after).saturating_sub(before)
        })
    }

    /// Returns the sum of a size over all entries after the changes, without a copy of the data.
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`apply`](Self::apply).
    #[cfg(feature = "dynamodb")]
    pub(crate) fn sum_after(
        &self,
        base: &Data,
        size: impl Fn(&str, &Entry) -> usize,
    ) -> Result<usize, Error> {
        self.check_guards(base)?;
        let kept = base.iter().filter(|_| !self.cleared);
        let mut sum = kept.map(|(key, entry)| size(key, entry)).sum();
        for (key, change) in self.iter() {
            let there = self.before(base, key);
            let after = change.of(there)?;
            sum += after.map_or(0, |entry| size(key, &entry));
            sum -= there.map_or(0, |entry| size(key, entry));
        }
        Ok(sum)
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
    /// if a function has no forecast for the value in `base`. A session never asks in that case.
    pub(crate) fn current<'a>(
        &'a self,
        base: &'a Data,
        key: &str,
    ) -> Result<Option<Cow<'a, Entry>>, Error> {
        let there = self.before(base, key);
        let Some(change) = self.by_key.get(key) else {
            return Ok(there.map(Cow::Borrowed));
        };
        change.known(there).unwrap_or_else(|| {
            let reason = "the result of an update is not known before the session is saved";
            Err(Error::new(ErrorKind::Conflict, reason))
        })
    }

    /// Returns the keys after the changes, in order.
    pub(crate) fn keys(&self, base: &Data) -> Vec<String> {
        let stays = |key: &&str| !self.cleared && !self.by_key.contains_key(*key);
        let is_removal = |change: &Change| matches!(change, Change::Remove);
        let changed = self.iter().filter(|(_, change)| !is_removal(change));
        let unchanged = base.iter().map(|(key, _)| key).filter(stays);
        let mut keys: Vec<String> = unchanged
            .chain(changed.map(|(key, _)| key))
            .map(str::to_owned)
            .collect();
        keys.sort_unstable();
        keys
    }
}
