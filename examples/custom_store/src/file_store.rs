//! A store with one JSON file per session, all in one directory.
//!
//! 1. Every operation holds one lock from its read to its write. It is a file lock, so it also
//!    works between processes.
//! 2. A file is written under another name and then renamed. A reader finds the old content or the
//!    new content, even after a crash.
//! 3. A file that holds no session counts as absent, and is neither written nor deleted.
//! 4. An expired session is absent. Nothing here deletes its file, which DynamoDB would do by
//!    itself.

use std::fs::{self, File};
use std::io::{ErrorKind as IoErrorKind, Result as IoResult, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lambda_http::tracing;
use lambda_sessions::store::{
    Cycle, Found, Record, Replacement, RequestTime, StorageKey, Stored, Timestamp, Update,
};
use lambda_sessions::{Error, ErrorKind, SessionStore};
use tokio::task::spawn_blocking;

#[derive(Clone, Debug)]
pub(crate) struct FileStore {
    directory: Arc<Path>,
}

impl FileStore {
    pub(crate) fn new(directory: impl Into<PathBuf>) -> IoResult<Self> {
        let directory = directory.into();
        fs::create_dir_all(&directory)?;
        Ok(Self {
            directory: directory.into(),
        })
    }

    /// Runs a whole operation on a thread that may block. It runs to its end even if the request
    /// that asked for it is dropped.
    async fn locked<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let store = self.clone();
        let task = spawn_blocking(move || {
            let _unlocks_when_dropped = store.lock().map_err(unavailable)?;
            operation(&store)
        });
        task.await.unwrap_or_else(|panic| {
            let reason = "the operation broke off";
            Err(Error::with_source(ErrorKind::OutcomeUnknown, reason, panic))
        })
    }

    fn lock(&self) -> IoResult<File> {
        let file = File::create(self.directory.join("lock"))?;
        file.lock()?;
        Ok(file)
    }

    fn path(&self, key: &StorageKey) -> PathBuf {
        self.directory.join(format!("{}.json", key.as_str()))
    }

    fn read(&self, key: &StorageKey) -> Result<Option<Stored>, Error> {
        let bytes = match fs::read(self.path(key)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == IoErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unavailable(error)),
        };
        let stored = serde_json::from_slice(&bytes).ok();
        if stored.is_none() {
            tracing::warn!(key = key.fingerprint(), "a file holds no session");
        }
        Ok(stored)
    }

    fn write(&self, key: &StorageKey, stored: &Stored) -> Result<(), Error> {
        let text = serde_json::to_vec(stored).map_err(|cause| {
            let reason = "a session has no JSON form";
            Error::with_source(ErrorKind::Serialize, reason, cause)
        })?;
        let draft = self.directory.join("draft");
        let put = || {
            let mut file = File::create(&draft)?;
            file.write_all(&text)?;
            // The content must be on the disk before the name is, so that a saved session survives
            // a crash.
            file.sync_all()?;
            fs::rename(&draft, self.path(key))
        };
        put().map_err(unavailable)
    }

    fn write_new(&self, key: &StorageKey, record: &Record) -> Result<(), Error> {
        if self.path(key).try_exists().map_err(unavailable)? {
            let reason = "the key of a new session is already in use";
            return Err(Error::new(ErrorKind::Conflict, reason));
        }
        self.write(key, &Stored::Live(record.clone().at_version(1)))
    }

    fn remove(&self, key: &StorageKey) -> Result<(), Error> {
        fs::remove_file(self.path(key)).map_err(unavailable)
    }
}

impl SessionStore for FileStore {
    async fn load(&self, key: &StorageKey, at: RequestTime) -> Result<Found, Error> {
        let key = key.clone();
        self.locked(move |files| {
            let slot = files.read(&key)?;
            Ok(Stored::found(slot.as_ref(), at.now()).map(Clone::clone))
        })
        .await
    }

    async fn create(&self, key: &StorageKey, record: &Record, _: RequestTime) -> Result<(), Error> {
        let (key, record) = (key.clone(), record.clone());
        self.locked(move |files| files.write_new(&key, &record))
            .await
    }

    async fn update(&self, key: &StorageKey, update: Update) -> Result<Found, Error> {
        let (key, at) = (key.clone(), update.at);
        self.locked(move |files| {
            let slot = files.read(&key)?;
            let record = match Stored::found(slot.as_ref(), at.now()) {
                Found::Live(record) => update.apply(record)?,
                other => return Ok(other.map(Clone::clone)),
            };
            files.write(&key, &Stored::Live(record.clone()))?;
            Ok(Found::Live(record))
        })
        .await
    }

    async fn touch(
        &self,
        key: &StorageKey,
        ttl: Timestamp,
        at: RequestTime,
    ) -> Result<bool, Error> {
        let key = key.clone();
        self.locked(move |files| {
            let slot = files.read(&key)?;
            let record = match Stored::found(slot.as_ref(), at.now()) {
                Found::Live(record) if record.ttl() < ttl => record.clone().with_ttl(ttl),
                Found::Live(record) => return Ok(record.ttl() == ttl),
                _ => return Ok(false),
            };
            files.write(&key, &Stored::Live(record))?;
            Ok(true)
        })
        .await
    }

    async fn cycle(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        cycle: Cycle,
    ) -> Result<Found, Error> {
        let (from, to) = (from.clone(), to.clone());
        let at = cycle.at;
        self.locked(move |files| {
            let slot = files.read(&from)?;
            let record = match Stored::found(slot.as_ref(), at.now()) {
                Found::Live(record) => cycle.apply(record)?,
                other => return Ok(other.map(Clone::clone)),
            };
            // This order is safe if the process crashes between the two steps: nothing is lost, and
            // nobody knows the new id yet.
            files.write(&to, &Stored::Live(record.clone()))?;
            files.write(&from, &Stored::Tombstone(cycle.stub(&to)))?;
            Ok(Found::Live(record))
        })
        .await
    }

    async fn replace(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        replacement: Replacement,
    ) -> Result<Found<()>, Error> {
        let (from, to) = (from.clone(), to.clone());
        let (record, at) = (replacement.record.clone(), replacement.at);
        self.locked(move |files| {
            let slot = files.read(&from)?;
            let found = Stored::found(slot.as_ref(), at.now()).map(drop);
            if is_stub(&found) {
                return Ok(found);
            }
            // This order is safe if the process crashes between the two steps: the destroyed
            // session is gone.
            if slot.is_some() {
                files.remove(&from)?;
            }
            files.write_new(&to, &record)?;
            Ok(found)
        })
        .await
    }

    async fn delete(&self, key: &StorageKey, at: RequestTime) -> Result<Found<()>, Error> {
        let key = key.clone();
        self.locked(move |files| {
            let slot = files.read(&key)?;
            let found = Stored::found(slot.as_ref(), at.now()).map(drop);
            if !is_stub(&found) && slot.is_some() {
                files.remove(&key)?;
            }
            Ok(found)
        })
        .await
    }
}

fn is_stub(found: &Found<()>) -> bool {
    matches!(found, Found::Redirect(_) | Found::Tombstone(_))
}

/// Converts an I/O error. Before the rename nothing has happened, and the rename itself happens or
/// does not.
fn unavailable(cause: std::io::Error) -> Error {
    let reason = "the directory of sessions failed";
    Error::with_source(ErrorKind::Unavailable, reason, cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_a_session_store() {
        let directory = std::env::temp_dir().join(format!("file-store-{}", std::process::id()));
        let store = FileStore::new(&directory).unwrap();
        lambda_sessions::store::conformance::run(&store).await;
        fs::remove_dir_all(directory).unwrap();
    }

    /// The store keeps no users, and returns an error if a session is to be bound to one.
    #[tokio::test]
    async fn a_session_that_is_to_be_a_users_is_refused_and_not_stored() {
        use lambda_http::{Body, Error, Request, Service as _};
        use lambda_sessions::{Session, SessionLayer};

        let name = format!("file-store-of-users-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let store = FileStore::new(&directory).unwrap();
        let login = |_: Request, session: Session| async move {
            session.log_in("ada")?;
            session.insert("name", "ada")?;
            Ok::<_, Error>("welcome")
        };
        let mut service = SessionLayer::new(store).wrap(login);
        let response = service.call(Request::new(Body::Empty)).await.unwrap();
        assert_eq!(response.status(), 503);
        assert!(!response.headers().contains_key("set-cookie"));
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
        fs::remove_dir_all(directory).unwrap();
    }
}
