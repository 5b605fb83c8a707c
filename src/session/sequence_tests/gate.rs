//! A store whose writes wait, so that a test can change a session during its save.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

use crate::error::{Error, ErrorKind};
use crate::id::StorageKey;
use crate::session::handle::Session;
use crate::store::arguments::RequestTime;
use crate::store::item::{Item, Write};
use crate::store::memory::MemoryStore;
use crate::store::versioned::VersionedStore;

/// The result of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Save {
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
        if next == Save::Fails as u8 {
            return Err(Error::new(ErrorKind::Unavailable, "told to fail"));
        }
        Ok(())
    }

    /// Saves the session, and runs `during` while the store writes. If there is nothing to write, it
    /// is not run.
    pub(super) async fn save(&self, session: &Session, write: Save, during: impl FnOnce()) {
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
        assert_eq!(save.await.is_err(), write == Save::Fails);
    }
}

impl VersionedStore for Gate {
    async fn get(&self, key: &StorageKey, at: RequestTime) -> Result<Option<Item>, Error> {
        self.store.get(key, at).await
    }

    async fn commit(&self, writes: Vec<Write>, at: RequestTime) -> Result<bool, Error> {
        self.pass().await?;
        self.store.commit(writes, at).await
    }
}
