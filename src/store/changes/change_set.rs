//! The changes of one request, and the stored values that they depend on.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;

use crate::error::{Error, ErrorKind};
use crate::store::changes::change::Change;
use crate::store::data::{Data, Entry};

/// The changes of one request, at most one for each key.
#[derive(Clone, Default)]
pub struct Changes {
    pub(super) cleared: bool,
    pub(super) by_key: BTreeMap<String, Change>,
    /// Changes that precede those in `by_key` and have no effect on the stored values. They count
    /// only if the changes begin a new session.
    pub(super) without_effect: BTreeMap<String, Change>,
    /// Values that must still be stored as they were read.
    pub(super) guards: BTreeMap<String, Entry>,
    /// Replaced changes. Dropping them may run code of the application, which must not happen under
    /// a session's lock.
    pub(super) replaced: Vec<Change>,
}

impl Changes {
    /// Creates changes that remove all stored values and set those of `data`, whatever is stored.
    ///
    /// It is for an adapter of a library that saves whole sessions. Values that another request has
    /// stored concurrently are removed too.
    ///
    /// ```
    /// use lambda_sessions::store::{Changes, Data, Entry};
    ///
    /// let stored = Data::from_iter([("old", Entry::from_json("1"))]);
    /// let data = Data::from_iter([("new", Entry::from_json("2"))]);
    /// assert_eq!(Changes::replacing(data.clone()).apply(&stored)?, data);
    /// # Ok::<_, lambda_sessions::Error>(())
    /// ```
    #[must_use]
    pub fn replacing(data: Data) -> Self {
        let sets = data.into_iter();
        Self {
            cleared: true,
            by_key: sets.map(|(key, entry)| (key, Change::Set(entry))).collect(),
            ..Self::default()
        }
    }

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
    pub(crate) fn has_only_guards(&self) -> bool {
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
    pub(super) fn guard_before(&mut self, guards: BTreeMap<String, Entry>, base: &Data) {
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
        changes.guard_before(mem::take(&mut self.guards), base);
        self.guards = changes.guards;
        self.replaced.extend(changes.by_key.into_values());
        self.replaced.extend(changes.without_effect.into_values());
        self.replaced.extend(changes.replaced);
    }

    /// Returns the replaced changes, to be dropped.
    pub(crate) fn take_replaced(&mut self) -> Vec<Change> {
        mem::take(&mut self.replaced)
    }

    /// Keeps the guards, and returns everything else, to be dropped.
    pub(crate) fn keep_guards(&mut self) -> Self {
        let guards = mem::take(&mut self.guards);
        let rest = mem::take(self);
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

    /// Returns the earlier change of a key. A clear has removed it.
    pub(super) fn so_far(&self, key: &str) -> Option<&Change> {
        const REMOVED: &Change = &Change::Remove;
        self.by_key.get(key).or(self.cleared.then_some(REMOVED))
    }

    /// Returns the value of a key before the changes. A clear has removed it.
    pub(super) fn before<'a>(&self, base: &'a Data, key: &str) -> Option<&'a Entry> {
        base.get(key).filter(|_| !self.cleared)
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
