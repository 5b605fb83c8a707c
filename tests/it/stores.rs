//! Both stores pass the public suite, and the suite can fail.

use lambda_sessions::session::UserSessions;
use lambda_sessions::store::{
    Cycle, Found, Pseudonym, Record, Replacement, RequestTime, Revoked, StorageKey, Timestamp,
    Update, conformance,
};
use lambda_sessions::{Error, MemoryStore, SessionStore};

use crate::support::Table;

#[tokio::test]
async fn the_memory_store_conforms() {
    conformance::run(&MemoryStore::new()).await;
}

#[tokio::test]
async fn the_dynamodb_store_conforms() {
    conformance::run(&Table::with_users().await.store()).await;
}

/// The ways in which stores go wrong, each of which the suite has to notice.
#[derive(Clone, Copy, Debug)]
enum Defect {
    LoadsTheExpired,
    UpdateCreates,
    UpdateOverwritesOtherKeys,
    TouchMovesBack,
    RenewalCopiesWhatWasRead,
    RenewalLeavesNoStub,
    DeletesTheStub,
    ReplaceKeepsTheOld,
    ListsTheDead,
    RevokesAll,
    RevokesOnlyWhatIsNamed,
    ForgetsTheUser,
}

struct Broken(MemoryStore, Defect);

impl SessionStore for Broken {
    async fn load(&self, key: &StorageKey, at: RequestTime) -> Result<Found, Error> {
        let at = match self.1 {
            Defect::LoadsTheExpired => RequestTime::at(Timestamp::from_epoch_seconds(0)),
            _ => at,
        };
        self.0.load(key, at).await
    }

    async fn create(
        &self,
        key: &StorageKey,
        record: &Record,
        at: RequestTime,
    ) -> Result<(), Error> {
        self.0.create(key, record, at).await
    }

    async fn update(&self, key: &StorageKey, update: Update) -> Result<Found, Error> {
        let found = self.0.update(key, update.clone()).await?;
        match (self.1, found, update.read.clone()) {
            (Defect::UpdateCreates, Found::Absent, _) => {
                let now = update.at.now();
                let record = update.apply(&Record::new(Default::default(), now, now))?;
                self.0.create(key, &record, update.at).await?;
                Ok(Found::Absent)
            }
            (Defect::UpdateOverwritesOtherKeys, Found::Live(_), Some(read)) => {
                let record = update.apply(&read)?;
                self.0.delete(key, update.at).await?;
                self.0.create(key, &record, update.at).await?;
                Ok(Found::Live(record))
            }
            (_, found, _) => Ok(found),
        }
    }

    async fn touch(
        &self,
        key: &StorageKey,
        ttl: Timestamp,
        at: RequestTime,
    ) -> Result<bool, Error> {
        match (self.1, self.0.load(key, at).await?) {
            (Defect::TouchMovesBack, Found::Live(record)) => {
                self.0.delete(key, at).await?;
                self.0.create(key, &record.with_ttl(ttl), at).await?;
                Ok(true)
            }
            _ => self.0.touch(key, ttl, at).await,
        }
    }

    async fn cycle(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        cycle: Cycle,
    ) -> Result<Found, Error> {
        match (self.1, self.0.load(from, cycle.at).await?) {
            (Defect::RenewalCopiesWhatWasRead, Found::Live(_)) => {
                self.0.cycle(from, to, cycle.clone()).await?;
                let record = cycle.apply(&cycle.read)?;
                self.0.delete(to, cycle.at).await?;
                self.0.create(to, &record, cycle.at).await?;
                Ok(Found::Live(record))
            }
            (Defect::RenewalLeavesNoStub, Found::Live(record)) => {
                let record = cycle.apply(&record)?;
                self.0.delete(from, cycle.at).await?;
                self.0.create(to, &record, cycle.at).await?;
                Ok(Found::Live(record))
            }
            (Defect::ForgetsTheUser, Found::Live(_)) => {
                let mut cycle = cycle;
                cycle.binding = None;
                self.0.cycle(from, to, cycle).await
            }
            _ => self.0.cycle(from, to, cycle).await,
        }
    }

    async fn replace(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        replacement: Replacement,
    ) -> Result<Found<()>, Error> {
        match self.1 {
            Defect::ReplaceKeepsTheOld => {
                let at = replacement.at;
                self.0.create(to, &replacement.record, at).await?;
                Ok(self.0.load(from, at).await?.map(drop))
            }
            _ => self.0.replace(from, to, replacement).await,
        }
    }

    async fn delete(&self, key: &StorageKey, at: RequestTime) -> Result<Found<()>, Error> {
        let found = self.0.delete(key, at).await?;
        if let (Defect::DeletesTheStub, Found::Tombstone(_)) = (self.1, &found) {
            // Once its time is over the memory store lets go of it too.
            let after = RequestTime::at(Timestamp::from_epoch_seconds(u64::MAX));
            self.0.delete(key, after).await?;
        }
        Ok(found)
    }

    fn keeps_users(&self) -> bool {
        true
    }

    async fn user_sessions(
        &self,
        user: &Pseudonym,
        at: RequestTime,
    ) -> Result<UserSessions, Error> {
        let at = match self.1 {
            Defect::ListsTheDead => RequestTime::at(Timestamp::from_epoch_seconds(0)),
            _ => at,
        };
        self.0.user_sessions(user, at).await
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
            _ => self.0.revoke(user, which, at).await,
        }
    }
}

#[test]
fn the_suite_notices_each_defect() {
    for defect in [
        Defect::LoadsTheExpired,
        Defect::UpdateCreates,
        Defect::UpdateOverwritesOtherKeys,
        Defect::TouchMovesBack,
        Defect::RenewalCopiesWhatWasRead,
        Defect::RenewalLeavesNoStub,
        Defect::DeletesTheStub,
        Defect::ReplaceKeepsTheOld,
        Defect::ListsTheDead,
        Defect::RevokesAll,
        Defect::RevokesOnlyWhatIsNamed,
        Defect::ForgetsTheUser,
    ] {
        let noticed = std::panic::catch_unwind(|| {
            let store = Broken(MemoryStore::new(), defect);
            tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap()
                .block_on(conformance::run(&store));
        });
        assert!(noticed.is_err(), "{defect:?} went unnoticed");
    }
}
