//! Session stores with a defect each. This file is longer than others, because it is one list of
//! defects, and one store that has them.

use std::time::Duration;

use lambda_sessions::session::UserSessions;
use lambda_sessions::store::{
    Cycle, Data, Entry, Found, Item, Lifetimes, Load, Pseudonym, Record, Replacement, RequestTime,
    Revoked, StorageKey, Stored, Timestamp, Tombstone, Update, VersionedStore, Write,
};
use lambda_sessions::{Error, MemoryStore, SessionStore};

/// Defines the defects and the list of all of them.
macro_rules! defects {
    ($($name:ident,)*) => {
        /// The ways in which a session store can go wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Defect { $($name,)* }

        pub(crate) const DEFECTS: &[Defect] = &[$(Defect::$name,)*];
    };
}

defects! {
    LoadsTheExpired,
    LoadHidesTombstones,
    LoadDropsMalformedEntries,
    LoadRewritesNumbers,
    LoadWrites,
    LoadTouchesTheRecent,
    LoadTouchesBeyondTheLifetime,
    LoadTouchesBeyondTheBinding,
    LoadTouchesTheExpired,
    LoadTouchesOwnLifetimes,
    LoadHidesItsTouch,
    LoadBelievesTheVersion,
    CreateKeepsTheVersion,
    CreateKeepsModified,
    CreateOverwrites,
    CreateForgetsTheIssue,
    CreateForgetsLifetimes,
    UpdateCreates,
    UpdateRevivesTheExpired,
    UpdateOverwritesOtherKeys,
    UpdateKeepsTheVersion,
    UpdateKeepsModified,
    UpdateGuessesTheVersion,
    UpdateIgnoresTheExpiry,
    UpdateIgnoresTheLabel,
    UpdateIgnoresLifetimes,
    UpdateReplacesLifetimes,
    UpdateIgnoresNewerLifetimes,
    UpdateIgnoresRequireUnchanged,
    UpdateWritesOnError,
    UpdateIsTwoSteps,
    TouchMovesBack,
    TouchKeepsModified,
    TouchCountsAsWrite,
    TouchRevivesTheExpired,
    TouchDeniesTheSameExpiry,
    TouchIgnoresLifetimes,
    TouchForgetsLifetimes,
    CycleCopiesWhatWasRead,
    CycleLeavesNothing,
    CycleLeavesTombstonesOnly,
    CycleLeavesThemTooLong,
    CycleKeepsTheBinding,
    CycleForgetsTheIssue,
    CycleOverwrites,
    CycleIgnoresTheExpiry,
    CycleIgnoresLifetimes,
    CycleForgetsLifetimes,
    CycleIgnoresNewerLifetimes,
    CycleIsTwoSteps,
    ReplaceKeepsTheOld,
    ReplaceOverwrites,
    ReplaceNeedsAnOldRecord,
    ReplaceDeletesTombstones,
    DeleteRemovesTombstones,
    DeleteSparesTheExpired,
    DeleteSparesUsers,
    ListsTheExpired,
    ListsNobody,
    ListsWithoutKeys,
    ListsTheWrongTime,
    RevokesAll,
    RevokesOnlyWhatIsNamed,
    RevokesNothing,
    RevokesASnapshot,
    ForgetsTheUser,
}

/// A session store with a defect.
pub(crate) struct Broken(pub(crate) MemoryStore, pub(crate) Defect);

/// A time at which nothing has expired.
const EVER: RequestTime = RequestTime::at(Timestamp::from_epoch_seconds(0));

impl Broken {
    /// Writes or deletes an item, whatever the key holds.
    async fn force(&self, key: &StorageKey, value: Option<Stored>) -> Result<(), Error> {
        let there = self.0.get(key, EVER).await?;
        let revision = there.map(|item| item.revision().clone());
        let item = value.map(Item::new).transpose()?;
        let write = Write::new(key.clone(), revision, item);
        assert!(self.0.commit(vec![write], EVER).await?);
        Ok(())
    }

    async fn put(&self, key: &StorageKey, record: Record) -> Result<(), Error> {
        self.force(key, Some(Stored::Live(record))).await
    }

    /// Reads a record, and converts each entry.
    async fn load_entries(
        &self,
        key: &StorageKey,
        at: RequestTime,
        convert: impl Fn(&Entry) -> Option<Entry>,
    ) -> Result<Found, Error> {
        Ok(self.0.load(key, at).await?.map(|record| {
            let entries = record.data().iter();
            let data: Data = entries
                .filter_map(|(key, entry)| Some((key, convert(entry)?)))
                .collect();
            record.with_data(data)
        }))
    }

    /// Returns the keys in the index of a user.
    async fn keys_of(&self, user: &Pseudonym) -> Result<Vec<StorageKey>, Error> {
        let key = serde_json::Value::from(format!("user.{}", user.as_str()));
        let key: StorageKey = serde_json::from_value(key).unwrap();
        let Some(index) = self.0.get(&key, EVER).await? else {
            return Ok(Vec::new());
        };
        let index: serde_json::Value = serde_json::from_slice(&index.to_json()?).unwrap();
        let entries = index["value"]["index"].as_array().unwrap().iter();
        let keys = entries.map(|entry| serde_json::from_value(entry["key"].clone()).unwrap());
        Ok(keys.collect())
    }

    async fn live(&self, key: &StorageKey, at: RequestTime) -> Result<Option<Record>, Error> {
        Ok(match self.0.load(key, at).await? {
            Found::Live(record) => Some(record),
            _ => None,
        })
    }
}

impl SessionStore for Broken {
    async fn load(&self, key: &StorageKey, at: RequestTime) -> Result<Found, Error> {
        match self.1 {
            Defect::LoadsTheExpired => self.0.load(key, EVER).await,
            Defect::LoadHidesTombstones => Ok(match self.0.load(key, at).await? {
                Found::Tombstone(_) => Found::Absent,
                found => found,
            }),
            Defect::LoadDropsMalformedEntries => self.load_entries(key, at, json).await,
            Defect::LoadRewritesNumbers => self.load_entries(key, at, rewritten).await,
            Defect::LoadWrites => {
                let found = self.0.load(key, at).await?;
                if let Found::Live(record) = &found {
                    self.put(key, record.clone().modified_at(at.now())).await?;
                }
                Ok(found)
            }
            _ => self.0.load(key, at).await,
        }
    }

    async fn load_with(&self, key: &StorageKey, load: Load) -> Result<Found, Error> {
        let at = load.at;
        if let (Defect::LoadBelievesTheVersion, Some(known)) = (self.1, load.version) {
            let record = self.live(key, at).await?;
            let record = record.filter(|record| record.version() >= known);
            return Ok(record.map_or(Found::Absent, Found::Live));
        }
        let (Some(mut touch), Some(record)) = (load.touch, self.live(key, EVER).await?) else {
            return self.load(key, at).await;
        };
        let mut judged = record.clone();
        match self.1 {
            Defect::LoadTouchesTheRecent => touch.latest_ttl = record.ttl(),
            Defect::LoadTouchesBeyondTheLifetime => touch.earliest_created = record.created(),
            Defect::LoadTouchesBeyondTheBinding => judged = judged.bound_to(None),
            Defect::LoadTouchesOwnLifetimes => judged = judged.with_lifetimes(Lifetimes::default()),
            Defect::LoadHidesItsTouch if record.ttl() > at.now() => {
                self.0.load_with(key, load).await?;
                return Ok(Found::Live(record));
            }
            Defect::LoadTouchesTheExpired => {}
            _ => return self.0.load_with(key, load).await,
        }
        let is_judged_live = record.ttl() > at.now() || self.1 == Defect::LoadTouchesTheExpired;
        if !is_judged_live || !touch.applies(&judged) {
            return self.0.load(key, at).await;
        }
        let touched = record.with_ttl(touch.ttl).modified_at(at.now());
        self.put(key, touched.clone()).await?;
        Ok(Found::Live(touched))
    }

    fn reads_may_be_stale(&self) -> bool {
        self.1 == Defect::UpdateGuessesTheVersion
    }

    async fn create(
        &self,
        key: &StorageKey,
        record: &Record,
        at: RequestTime,
    ) -> Result<(), Error> {
        if self.1 == Defect::CreateOverwrites {
            self.force(key, None).await?;
        }
        self.0.create(key, record, at).await?;
        let Some(stored) = self.live(key, EVER).await? else {
            return Ok(());
        };
        match self.1 {
            Defect::CreateKeepsTheVersion => {
                self.put(key, stored.at_version(record.version())).await
            }
            Defect::CreateKeepsModified => {
                self.put(key, stored.modified_at(record.modified())).await
            }
            Defect::CreateForgetsTheIssue => {
                let forgotten = Record::new(stored.data().clone(), stored.created(), stored.ttl());
                let forgotten = forgotten.bound_to(stored.binding().cloned()).at_version(1);
                let forgotten = forgotten.with_lifetimes(stored.lifetimes());
                self.put(key, forgotten.modified_at(stored.modified()))
                    .await
            }
            Defect::CreateForgetsLifetimes => {
                self.put(key, stored.with_lifetimes(Lifetimes::default()))
                    .await
            }
            _ => Ok(()),
        }
    }

    async fn update(&self, key: &StorageKey, mut update: Update) -> Result<Found, Error> {
        let before = self.live(key, EVER).await?;
        match (self.1, &before) {
            (Defect::UpdateCreates, None) => {
                let found = self.0.load(key, update.at).await?;
                if matches!(found, Found::Absent) {
                    let now = update.at.now();
                    let end = now.plus(Duration::from_secs(100));
                    let record = update.apply(&Record::new(Default::default(), now, end))?;
                    self.put(key, record).await?;
                }
                return Ok(found);
            }
            (Defect::UpdateRevivesTheExpired, Some(record)) => {
                let record = update.apply(record)?;
                self.put(key, record.clone()).await?;
                return Ok(Found::Live(record));
            }
            (Defect::UpdateWritesOnError, Some(record)) if update.apply(record).is_err() => {
                let counted = record.clone().at_version(record.version() + 1);
                self.put(key, counted).await?;
            }
            (Defect::UpdateIsTwoSteps, Some(record)) if record.ttl() > update.at.now() => {
                let record = update.apply(record)?;
                tokio::task::yield_now().await;
                self.put(key, record.clone()).await?;
                return Ok(Found::Live(record));
            }
            (Defect::UpdateIgnoresTheExpiry, _) => update.ttl = None,
            (Defect::UpdateIgnoresTheLabel, _) => update.label = None,
            (Defect::UpdateIgnoresLifetimes, _) => update.lifetimes = Lifetimes::default(),
            (Defect::UpdateIgnoresRequireUnchanged, _) => update.require_unchanged = false,
            _ => {}
        }
        let found = self.0.update(key, update.clone()).await?;
        let (Found::Live(record), Some(before)) = (&found, before) else {
            return Ok(found);
        };
        let record = record.clone();
        let written = match (self.1, &update.read) {
            (Defect::UpdateOverwritesOtherKeys, Some(read)) => update.apply(read)?,
            (Defect::UpdateReplacesLifetimes, _) if !update.lifetimes.is_empty() => {
                record.with_lifetimes(update.lifetimes)
            }
            (Defect::UpdateIgnoresNewerLifetimes, _) => {
                let ttl = update.ttl.unwrap_or(record.ttl());
                record.with_ttl(ttl)
            }
            (Defect::UpdateKeepsTheVersion, _) => record.at_version(before.version()),
            (Defect::UpdateKeepsModified, _) => record.modified_at(before.modified()),
            (Defect::UpdateGuessesTheVersion, Some(read)) if update.discards_values => {
                return Ok(Found::Live(record.at_version(read.version() + 1)));
            }
            _ => return Ok(found),
        };
        self.put(key, written.clone()).await?;
        Ok(Found::Live(written))
    }

    async fn touch(
        &self,
        key: &StorageKey,
        ttl: Timestamp,
        at: RequestTime,
    ) -> Result<bool, Error> {
        let Some(before) = self.live(key, at).await? else {
            if self.1 == Defect::TouchRevivesTheExpired {
                return self.0.touch(key, ttl, EVER).await;
            }
            return self.0.touch(key, ttl, at).await;
        };
        let touched = self.0.touch(key, ttl, at).await?;
        let record = before.clone().with_ttl(ttl);
        match self.1 {
            Defect::TouchMovesBack => self.put(key, record).await?,
            Defect::TouchKeepsModified if touched => self.put(key, record).await?,
            Defect::TouchCountsAsWrite if touched => {
                let counted = record.modified_at(at.now());
                self.put(key, counted.at_version(before.version() + 1))
                    .await?;
            }
            Defect::TouchIgnoresLifetimes if before.ttl() < ttl => {
                self.put(key, record.modified_at(at.now())).await?;
                return Ok(true);
            }
            Defect::TouchForgetsLifetimes if touched => {
                let forgotten = record.modified_at(at.now());
                self.put(key, forgotten.with_lifetimes(Lifetimes::default()))
                    .await?;
            }
            Defect::TouchDeniesTheSameExpiry => return Ok(touched && before.ttl() < ttl),
            _ => {}
        }
        Ok(touched)
    }

    async fn cycle(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        mut cycle: Cycle,
    ) -> Result<Found, Error> {
        match self.1 {
            Defect::ForgetsTheUser => cycle.binding = None,
            Defect::CycleKeepsTheBinding => cycle.binding = cycle.read.binding().cloned(),
            Defect::CycleForgetsTheIssue => cycle.records_issue = false,
            Defect::CycleLeavesTombstonesOnly => cycle.redirects = false,
            Defect::CycleIgnoresTheExpiry => cycle.ttl = cycle.read.ttl(),
            Defect::CycleIgnoresLifetimes => cycle.lifetimes = Lifetimes::default(),
            Defect::CycleOverwrites => self.force(to, None).await?,
            _ => {}
        }
        if let (Defect::CycleIsTwoSteps, Some(record)) = (self.1, self.live(from, cycle.at).await?)
            && self.live(to, EVER).await?.is_none()
        {
            let moved = cycle.apply(&record)?;
            tokio::task::yield_now().await;
            self.0.cycle(from, to, cycle).await?;
            self.put(to, moved.clone()).await?;
            return Ok(Found::Live(moved));
        }
        let found = self.0.cycle(from, to, cycle.clone()).await?;
        match (self.1, &found) {
            (Defect::CycleCopiesWhatWasRead, Found::Live(_)) => {
                let record = cycle.apply(&cycle.read)?;
                self.put(to, record.clone()).await?;
                return Ok(Found::Live(record));
            }
            (Defect::CycleForgetsLifetimes, Found::Live(record)) => {
                let forgotten = record.clone().with_lifetimes(Lifetimes::default());
                self.put(to, forgotten.clone()).await?;
                return Ok(Found::Live(forgotten));
            }
            (Defect::CycleIgnoresNewerLifetimes, Found::Live(record)) => {
                let late = record.clone().with_ttl(cycle.ttl);
                self.put(to, late.clone()).await?;
                return Ok(Found::Live(late));
            }
            (Defect::CycleLeavesNothing, Found::Live(_)) => self.force(from, None).await?,
            (Defect::CycleLeavesThemTooLong, Found::Live(_)) => {
                let now = cycle.at.now();
                let end = now.plus(Duration::from_secs(3_600));
                let left = Stored::Tombstone(Tombstone::new(now, end));
                self.force(from, Some(left)).await?;
            }
            _ => {}
        }
        Ok(found)
    }

    async fn replace(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        replacement: Replacement,
    ) -> Result<Found<()>, Error> {
        let at = replacement.at;
        let found = self.0.load(from, at).await?.map(drop);
        match (self.1, &found) {
            (Defect::ReplaceKeepsTheOld, _) => {
                self.0.create(to, &replacement.record, at).await?;
                return Ok(found);
            }
            (Defect::ReplaceNeedsAnOldRecord, Found::Absent) => return Ok(found),
            (Defect::ReplaceDeletesTombstones, Found::Tombstone(_)) => {
                self.force(from, None).await?;
            }
            (Defect::ReplaceOverwrites, _) => self.force(to, None).await?,
            _ => {}
        }
        self.0.replace(from, to, replacement).await
    }

    async fn delete(&self, key: &StorageKey, at: RequestTime) -> Result<Found<()>, Error> {
        let record = self.live(key, EVER).await?;
        let found = self.0.load(key, at).await?.map(drop);
        match (self.1, &found, record) {
            (Defect::DeleteSparesTheExpired, Found::Absent, _) => return Ok(found),
            (Defect::DeleteSparesUsers, _, Some(record)) if record.binding().is_some() => {
                return Ok(found);
            }
            (Defect::DeleteRemovesTombstones, Found::Tombstone(_), _) => {
                self.force(key, None).await?;
            }
            _ => return self.0.delete(key, at).await,
        }
        Ok(found)
    }

    async fn user_sessions(
        &self,
        user: &Pseudonym,
        at: RequestTime,
    ) -> Result<UserSessions, Error> {
        match self.1 {
            Defect::ListsTheExpired => self.0.user_sessions(user, EVER).await,
            Defect::ListsNobody => Ok(UserSessions::default()),
            Defect::ListsWithoutKeys => {
                let mut infos = Vec::new();
                for key in self.keys_of(user).await? {
                    if let Found::Live(record) = self.0.load(&key, at).await? {
                        infos.extend(record.info());
                    }
                }
                Ok(UserSessions::new(infos))
            }
            Defect::ListsTheWrongTime => {
                let late = at.now().plus(Duration::from_secs(1_000));
                self.0.user_sessions(user, RequestTime::at(late)).await
            }
            _ => self.0.user_sessions(user, at).await,
        }
    }

    async fn revoke(
        &self,
        user: &Pseudonym,
        which: Revoked<'_>,
        at: RequestTime,
    ) -> Result<(), Error> {
        match (self.1, which) {
            (Defect::RevokesAll, _) => self.0.revoke(user, Revoked::All, at).await,
            (Defect::RevokesOnlyWhatIsNamed, Revoked::All) => Ok(()),
            (Defect::RevokesNothing, _) => Ok(()),
            (Defect::RevokesASnapshot, Revoked::All) => {
                for key in self.keys_of(user).await? {
                    tokio::task::yield_now().await;
                    self.0.delete(&key, at).await?;
                }
                Ok(())
            }
            _ => self.0.revoke(user, which, at).await,
        }
    }
}

/// Returns the entry, if it is JSON.
fn json(entry: &Entry) -> Option<Entry> {
    let value: Option<serde_json::Value> = serde_json::from_str(entry.json()?).ok();
    value.map(|_| entry.clone())
}

/// Returns the entry as serde_json would write it.
fn rewritten(entry: &Entry) -> Option<Entry> {
    let value: Result<serde_json::Value, _> = serde_json::from_str(entry.json()?);
    Some(value.map_or_else(
        |_| entry.clone(),
        |value| Entry::from_json(value.to_string()),
    ))
}
