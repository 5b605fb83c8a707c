//! A store whose commits have a fate, and the sessions that the tests keep in it.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::FutureExt as _;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::StorageKey;
use crate::store::arguments::{Cycle, RequestTime, Update};
use crate::store::changes::change_set::Changes;
use crate::store::data::Entry;
use crate::store::item::{Item, Write};
use crate::store::memory::MemoryStore;
use crate::store::record::{Found, Record};
use crate::store::session_store::SessionStore as _;
use crate::store::user::{Binding, Pseudonym};
use crate::store::versioned::VersionedStore;

pub(super) const NOW: Timestamp = Timestamp::from_epoch_seconds(1_000);
pub(super) const TTL: Timestamp = Timestamp::from_epoch_seconds(2_000);
pub(super) const AT: RequestTime = RequestTime::at(NOW);

/// The fate of a commit.
pub(super) enum Fate {
    /// The store refuses it, although nothing has changed.
    Refused,
    /// The store fails and writes nothing.
    Failed,
    /// Its response is lost after it was written.
    LostAfter,
    /// Its response is lost, and it was not written.
    LostBefore,
    /// Another request commits first.
    Late(Box<dyn FnOnce(&MemoryStore) + Send>),
    /// Its response is lost after it was written, and then another request commits.
    LostThenLate(Box<dyn FnOnce(&MemoryStore) + Send>),
}

/// A store in memory whose next commits have these fates. All others succeed.
#[derive(Default)]
pub(super) struct Scripted {
    pub(super) store: MemoryStore,
    fates: Mutex<VecDeque<Fate>>,
    pub(super) always_refuses: bool,
    commits: AtomicU32,
}

impl Scripted {
    /// Sets the fates of the next commits, and counts commits from 0.
    pub(super) fn script(&self, fates: impl IntoIterator<Item = Fate>) {
        *self.fates.lock().unwrap() = fates.into_iter().collect();
        self.commits.store(0, Ordering::SeqCst);
    }

    pub(super) fn commits(&self) -> u32 {
        self.commits.load(Ordering::SeqCst)
    }
}

impl VersionedStore for Scripted {
    async fn get(&self, key: &StorageKey, at: RequestTime) -> Result<Option<Item>, Error> {
        self.store.get(key, at).await
    }

    async fn commit(&self, writes: Vec<Write>, at: RequestTime) -> Result<bool, Error> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        let fate = self.fates.lock().unwrap().pop_front();
        let lost = || Error::new(ErrorKind::OutcomeUnknown, "the response was lost");
        match fate {
            _ if self.always_refuses => Ok(false),
            None => self.store.commit(writes, at).await,
            Some(Fate::Refused) => Ok(false),
            Some(Fate::Failed) => Err(Error::new(ErrorKind::Unavailable, "it failed")),
            Some(Fate::LostBefore) => Err(lost()),
            Some(Fate::LostAfter) => {
                assert!(self.store.commit(writes, at).await?);
                Err(lost())
            }
            Some(Fate::Late(other)) => {
                other(&self.store);
                self.store.commit(writes, at).await
            }
            Some(Fate::LostThenLate(other)) => {
                assert!(self.store.commit(writes, at).await?);
                other(&self.store);
                Err(lost())
            }
        }
    }
}

pub(super) fn late(other: impl FnOnce(&MemoryStore) + Send + 'static) -> Fate {
    Fate::Late(Box::new(other))
}

/// Runs an operation of a store in memory, which never waits.
pub(super) fn now<T>(operation: impl Future<Output = Result<T, Error>>) -> T {
    operation.now_or_never().unwrap().unwrap()
}

pub(super) fn key(name: &str) -> StorageKey {
    StorageKey::stored(name)
}

pub(super) fn user() -> Pseudonym {
    Pseudonym::stored("ada")
}

pub(super) fn record(n: i64) -> Record {
    let n = Entry::from_json(n.to_string());
    Record::new([("n", n)].into_iter().collect(), NOW, TTL)
}

pub(super) fn bound(handle: &str) -> Record {
    let binding = Binding::new(user(), handle.to_owned(), None, TTL);
    record(1).bound_to(Some(binding))
}

pub(super) fn increment() -> Update {
    let mut changes = Changes::default();
    changes.add(None, "n", 1).unwrap();
    Update::new(changes, AT)
}

pub(super) fn cycle(read: &Record) -> Cycle {
    Cycle::new(read.clone(), Changes::default(), TTL, AT)
}

pub(super) fn kind<T>(result: Result<T, Error>) -> ErrorKind {
    result.map(drop).unwrap_err().kind()
}

pub(super) async fn n(store: &Scripted, name: &str) -> Option<String> {
    match store.load(&key(name), AT).await.unwrap() {
        Found::Live(record) => record.data().get("n")?.json().map(str::to_owned),
        _ => None,
    }
}

pub(super) async fn is_live(store: &Scripted, name: &str) -> bool {
    n(store, name).await.is_some()
}

pub(super) async fn handles(store: &Scripted) -> String {
    let sessions = store.user_sessions(&user(), AT).await.unwrap();
    let mut handles: Vec<_> = sessions.iter().map(|info| info.handle()).collect();
    handles.sort_unstable();
    handles.join(" ")
}

/// Returns a store with a session of a user at the key `a`.
pub(super) async fn begun() -> Scripted {
    let store = Scripted::default();
    store.create(&key("a"), &bound("phone"), AT).await.unwrap();
    store
}
