//! A store with one JSON file per item, all in one directory.
//!
//! 1. Every operation holds one lock. It is a file lock, so it also works between processes.
//! 2. A commit first writes all of its changes to a journal, and then makes them. If the process
//!    dies before it has made all of them, the next operation makes them from the journal. So a
//!    commit happens as a whole, when its journal gets its name, or not at all.
//! 3. A file is written under another name, flushed to the disk, and then renamed. A reader finds
//!    the old content or the new content, even after a crash.
//! 4. A file that holds no item is an error, and is neither written nor deleted.
//! 5. Nothing here deletes the file of an expired item, which DynamoDB would do by itself.
//! 6. The deadline is ignored: nothing is retried here, and the library stops waiting by itself.

use std::fs::{self, File};
use std::io::{ErrorKind as IoErrorKind, Result as IoResult, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lambda_sessions::store::{Item, RequestTime, StorageKey, VersionedStore, Write};
use lambda_sessions::{Error, ErrorKind};
use tokio::task::spawn_blocking;

/// The changes of a commit: an item to put at a key, or its deletion.
type Journal = Vec<(StorageKey, Option<Item>)>;

#[derive(Clone, Debug)]
pub(crate) struct FileStore {
    directory: Arc<Path>,
}

impl VersionedStore for FileStore {
    async fn get(&self, key: &StorageKey, _: RequestTime) -> Result<Option<Item>, Error> {
        let key = key.clone();
        self.locked(move |store| store.read(&key)).await
    }

    async fn commit(&self, writes: Vec<Write>, _: RequestTime) -> Result<bool, Error> {
        self.locked(move |store| {
            for write in &writes {
                if !write.accepts(store.read(write.key())?.as_ref()) {
                    return Ok(false);
                }
            }
            let journal = writes.into_iter().map(Write::into_parts).collect();
            store.begin(&journal)?;
            store.finish(journal).map_err(unknown)?;
            Ok(true)
        })
        .await
    }
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
            let lock = File::create(store.directory.join("lock")).map_err(unavailable)?;
            lock.lock().map_err(unavailable)?;
            store.recover()?;
            operation(&store)
        });
        task.await.unwrap_or_else(|panic| Err(unknown(panic)))
    }

    /// Finishes the commit of a process that died.
    fn recover(&self) -> Result<(), Error> {
        let Some(json) = found(fs::read(self.journal())).map_err(unavailable)? else {
            return Ok(());
        };
        let journal = serde_json::from_slice(&json).map_err(|cause| {
            let reason = "the journal of the sessions cannot be read";
            Error::with_source(ErrorKind::Corrupt, reason, cause)
        })?;
        self.finish(journal).map_err(unavailable)
    }

    /// Writes the journal. From then on, the commit has happened.
    fn begin(&self, journal: &Journal) -> Result<(), Error> {
        let json = serde_json::to_vec(journal).map_err(|cause| {
            let reason = "a session has an entry that has no JSON form";
            Error::with_source(ErrorKind::Serialize, reason, cause)
        })?;
        self.replace(&self.journal(), &json).map_err(unavailable)?;
        self.flush_names().map_err(unknown)
    }

    /// Makes the changes of a journal, all or those that are not made yet, and removes it.
    fn finish(&self, journal: Journal) -> IoResult<()> {
        for (key, item) in journal {
            self.make(&key, item)?;
        }
        self.flush_names()?;
        fs::remove_file(self.journal())
    }

    fn make(&self, key: &StorageKey, item: Option<Item>) -> IoResult<()> {
        match item {
            Some(item) => {
                let json = item.to_json().map_err(std::io::Error::other)?;
                self.replace(&self.path(key), &json)
            }
            None => found(fs::remove_file(self.path(key))).map(drop),
        }
    }

    fn read(&self, key: &StorageKey) -> Result<Option<Item>, Error> {
        let json = found(fs::read(self.path(key))).map_err(unavailable)?;
        json.map(|json| Item::from_json(&json)).transpose()
    }

    fn replace(&self, path: &Path, content: &[u8]) -> IoResult<()> {
        let draft = self.directory.join("draft");
        let mut file = File::create(&draft)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    }

    /// Flushes the names of the files to the disk. Their content is flushed before they are renamed.
    fn flush_names(&self) -> IoResult<()> {
        // Only Unix opens a directory as a file.
        if cfg!(unix) {
            File::open(&self.directory)?.sync_all()?;
        }
        Ok(())
    }

    fn path(&self, key: &StorageKey) -> PathBuf {
        self.directory.join(format!("{}.json", key.as_str()))
    }

    fn journal(&self) -> PathBuf {
        self.directory.join("journal")
    }
}

/// Returns `None` if the file does not exist.
fn found<T>(result: IoResult<T>) -> IoResult<Option<T>> {
    match result {
        Err(error) if error.kind() == IoErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Converts an error after which nothing was written.
fn unavailable(cause: std::io::Error) -> Error {
    let reason = "the directory of sessions failed";
    Error::with_source(ErrorKind::Unavailable, reason, cause)
}

/// Converts an error after which the next operation may find a journal and finish the commit.
fn unknown(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    let reason = "the directory of sessions failed during a commit";
    Error::with_source(ErrorKind::OutcomeUnknown, reason, cause)
}

#[cfg(test)]
mod tests;
