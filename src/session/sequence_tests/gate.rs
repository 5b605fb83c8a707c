//! A store whose writes wait, so that a test can change a session during its save.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::StorageKey;
use crate::session::handle::Session;
use crate::store::memory::MemoryStore;
use crate::store::record::{Found, Record};
use crate::store::session_store::{Cycle, Replacement, RequestTime, SessionStore, Update};

/// The result of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    Succeeds = 1,
    Fails,
}

/// A store whose next write waits, and may then fail.
#[derive(Clone, Default)]
pub(super) struct Gate {
    store: MemoryStore,
    next: Arc<AtomicU8>,
    entered: Arc<Notify>,
    open: Arc<Notify>,
}

impl Gate {
    async fn pass(&self) -> Result<(), Error> {
        let next = self.next.swap(0, Ordering::SeqCst);
        if next == 0 {
            return Ok(());
        }
        self.entered.notify_one();
        self.open.notified().await;
        if next == Write::Fails as u8 {
            return Err(Error::new(ErrorKind::Unavailable, "told to fail"));
        }
        Ok(())
    }

    /// Saves the session, and runs `during` while the store writes. If there is nothing to write, it
    /// is not run.
    pub(super) async fn save(&self, session: &Session, write: Write, during: impl FnOnce()) {
        self.next.store(write as u8, Ordering::SeqCst);
        let mut save = std::pin::pin!(session.save());
        tokio::select! {
            biased;
            saved = &mut save => {
                self.next.store(0, Ordering::SeqCst);
                saved.unwrap();
                return;
            }
            () = self.entered.notified() => during(),
        }
        self.open.notify_one();
        assert_eq!(save.await.is_err(), write == Write::Fails);
    }
}

impl SessionStore for Gate {
    async fn load(&self, key: &StorageKey, at: RequestTime) -> Result<Found, Error> {
        self.store.load(key, at).await
    }

    async fn create(
        &self,
        key: &StorageKey,
        record: &Record,
        at: RequestTime,
    ) -> Result<(), Error> {
        self.pass().await?;
        self.store.create(key, record, at).await
    }

    async fn update(&self, key: &StorageKey, update: Update) -> Result<Found, Error> {
        self.pass().await?;
        self.store.update(key, update).await
    }

    async fn touch(
        &self,
        key: &StorageKey,
        ttl: Timestamp,
        at: RequestTime,
    ) -> Result<bool, Error> {
        self.store.touch(key, ttl, at).await
    }

    async fn cycle(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        cycle: Cycle,
    ) -> Result<Found, Error> {
        self.pass().await?;
        self.store.cycle(from, to, cycle).await
    }

    async fn replace(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        replacement: Replacement,
    ) -> Result<Found<()>, Error> {
        self.pass().await?;
        self.store.replace(from, to, replacement).await
    }

    async fn delete(&self, key: &StorageKey, at: RequestTime) -> Result<Found<()>, Error> {
        self.pass().await?;
        self.store.delete(key, at).await
    }

    fn keeps_users(&self) -> bool {
        true
    }
}
