//! The session store that every versioned store is.
//!
//! 1. Each operation reads items, computes what they become, and commits this with the revisions
//!    that it has read. If another request has committed first, the operation starts again from the
//!    new items, until its deadline.
//! 2. Functions of the application run between the read and the commit, while nothing is locked.
//! 3. The index of a user is written in the same commit as the session. A session is therefore in
//!    the index for exactly as long as it is stored, under whatever key.
//! 4. If the response to a commit was lost, the first item of the commit is read. A revision that
//!    this commit has written proves that all of it was written.

mod attempt;
#[cfg(test)]
mod tests;
mod users;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::id::StorageKey;
use crate::store::arguments::{Cycle, Load, Replacement, RequestTime, Update};
use crate::store::over_versioned::attempt::{
    Attempts, check_free, commit, delete, find, put, put_new, session,
};
use crate::store::record::{Found, Record};
use crate::store::session_info::UserSessions;
use crate::store::session_store::SessionStore;
use crate::store::stored::Stored;
use crate::store::user::{Pseudonym, Revoked};
use crate::store::versioned::VersionedStore;

impl<T: VersionedStore> SessionStore for T {
    async fn load(&self, key: &StorageKey, at: RequestTime) -> Result<Found, Error> {
        let there = self.get(key, at).await?;
        Ok(find(there.as_ref(), at).map(|(record, _)| record.clone()))
    }

    async fn load_with(&self, key: &StorageKey, load: Load) -> Result<Found, Error> {
        let at = load.at;
        let there = self.get(key, at).await?;
        let (record, revision) = match find(there.as_ref(), at) {
            Found::Live(live) => live,
            other => return Ok(other.map(|(record, _)| record.clone())),
        };
        let touched = load.touch.and_then(|touch| touch.apply(record, at.now()));
        let Some(touched) = touched else {
            return Ok(Found::Live(record.clone()));
        };
        let writes = vec![put(key, revision, Stored::Live(touched.clone()))?];
        // A touch that lost its race or failed is made at the end of the request.
        let found = match commit(self, writes, at).await {
            Ok(true) => touched,
            Ok(false) | Err(_) => record.clone(),
        };
        Ok(Found::Live(found))
    }

    async fn create(
        &self,
        key: &StorageKey,
        record: &Record,
        at: RequestTime,
    ) -> Result<(), Error> {
        let mut attempts = Attempts::until(at);
        loop {
            let mut writes = vec![put_new(key, record, at)?];
            writes.extend(users::moved(self, None, Some((key, record)), at).await?);
            if commit(self, writes, at).await? {
                return Ok(());
            }
            check_free(self, key, at).await?;
            attempts.lost()?;
        }
    }

    async fn update(&self, key: &StorageKey, update: Update) -> Result<Found, Error> {
        let at = update.at;
        let mut attempts = Attempts::until(at);
        loop {
            let there = self.get(key, at).await?;
            let (record, revision) = match find(there.as_ref(), at) {
                Found::Live((record, revision)) => (update.apply(record)?, revision),
                other => return Ok(other.map(|(record, _)| record.clone())),
            };
            let writes = vec![put(key, revision, Stored::Live(record.clone()))?];
            if commit(self, writes, at).await? {
                return Ok(Found::Live(record));
            }
            attempts.lost()?;
        }
    }

    async fn touch(
        &self,
        key: &StorageKey,
        ttl: Timestamp,
        at: RequestTime,
    ) -> Result<bool, Error> {
        let mut attempts = Attempts::until(at);
        loop {
            let there = self.get(key, at).await?;
            let (record, revision) = match find(there.as_ref(), at) {
                Found::Live((record, revision))
                    if record.ttl() < ttl && record.lifetimes().allow(ttl, at.now()) =>
                {
                    (record, revision)
                }
                Found::Live((record, _)) => return Ok(record.ttl() == ttl),
                Found::Redirect(_) | Found::Tombstone(_) | Found::Absent => return Ok(false),
            };
            let touched = record.clone().with_ttl(ttl).modified_at(at.now());
            let writes = vec![put(key, revision, Stored::Live(touched))?];
            if commit(self, writes, at).await? {
                return Ok(true);
            }
            attempts.lost()?;
        }
    }

    async fn cycle(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        cycle: Cycle,
    ) -> Result<Found, Error> {
        let at = cycle.at;
        let mut attempts = Attempts::until(at);
        loop {
            let there = self.get(from, at).await?;
            let (before, revision) = match find(there.as_ref(), at) {
                Found::Live(live) => live,
                other => return Ok(other.map(|(record, _)| record.clone())),
            };
            let record = cycle.apply(before)?;
            let mut writes = vec![
                put(to, None, Stored::Live(record.clone()))?,
                put(from, revision, cycle.left_behind(to).into())?,
            ];
            let moved = users::moved(self, Some((from, before)), Some((to, &record)), at);
            writes.extend(moved.await?);
            if commit(self, writes, at).await? {
                return Ok(Found::Live(record));
            }
            check_free(self, to, at).await?;
            attempts.lost()?;
        }
    }

    async fn replace(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        replacement: Replacement,
    ) -> Result<Found<()>, Error> {
        let at = replacement.at;
        let mut attempts = Attempts::until(at);
        loop {
            let there = self.get(from, at).await?;
            let found = find(there.as_ref(), at).map(drop);
            if let Found::Redirect(_) | Found::Tombstone(_) = found {
                return Ok(found);
            }
            let before = session(there.as_ref());
            let mut writes = vec![put_new(to, &replacement.record, at)?];
            writes.extend(before.map(|(_, revision)| delete(from, revision)));
            let gone = before.map(|(record, _)| (from, record));
            let moved = users::moved(self, gone, Some((to, &replacement.record)), at);
            writes.extend(moved.await?);
            if commit(self, writes, at).await? {
                return Ok(found);
            }
            check_free(self, to, at).await?;
            attempts.lost()?;
        }
    }

    async fn delete(&self, key: &StorageKey, at: RequestTime) -> Result<Found<()>, Error> {
        let mut attempts = Attempts::until(at);
        loop {
            let there = self.get(key, at).await?;
            let found = find(there.as_ref(), at).map(drop);
            // An expired session is deleted too: another clock may see it as live.
            let Some((record, revision)) = session(there.as_ref()) else {
                return Ok(found);
            };
            let mut writes = vec![delete(key, revision)];
            writes.extend(users::moved(self, Some((key, record)), None, at).await?);
            if commit(self, writes, at).await? {
                return Ok(found);
            }
            attempts.lost()?;
        }
    }

    async fn user_sessions(
        &self,
        user: &Pseudonym,
        at: RequestTime,
    ) -> Result<UserSessions, Error> {
        users::list(self, user, at).await
    }

    async fn revoke(
        &self,
        user: &Pseudonym,
        which: Revoked<'_>,
        at: RequestTime,
    ) -> Result<(), Error> {
        users::revoke(self, user, which, at).await
    }
}
