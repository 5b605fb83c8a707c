//! The index of a user, while sessions begin, are cycled and are revoked.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::id::StorageKey;
use crate::store::arguments::RequestTime;
use crate::store::data::Data;
use crate::store::item::{Item, Write};
use crate::store::memory::MemoryStore;
use crate::store::over_versioned::tests::scripted::{
    AT, NOW, Scripted, TTL, begun, bound, cycle, handles, is_live, key, kind, late, now, record,
    user,
};
use crate::store::record::{Found, Record};
use crate::store::session_store::SessionStore as _;
use crate::store::stored::{Stored, UserIndex};
use crate::store::user::{Binding, Revoked};
use crate::store::versioned::VersionedStore;

#[tokio::test]
async fn create_beside_another_login_lists_both() {
    let store = begun().await;
    store.script([late(|store| {
        now(store.create(&key("c"), &bound("laptop"), AT));
    })]);
    store.create(&key("b"), &bound("new"), AT).await.unwrap();
    assert_eq!(store.commits(), 2);
    assert_eq!(handles(&store).await, "laptop new phone");
}

#[tokio::test]
async fn revoke_follows_a_concurrent_cycle() {
    for which in [
        Revoked::All,
        Revoked::Only("phone"),
        Revoked::AllBut("other"),
    ] {
        let store = begun().await;
        let moves = |from: &'static str, to: &'static str| {
            late(move |store| {
                let cycle = cycle(&bound("phone"));
                let found = now(store.cycle(&key(from), &key(to), cycle));
                assert!(matches!(found, Found::Live(_)));
            })
        };
        store.script([moves("a", "b"), moves("b", "c")]);
        store.revoke(&user(), which, AT).await.unwrap();
        for name in ["a", "b", "c"] {
            assert!(!is_live(&store, name).await, "{name}, {which:?}");
        }
        assert_eq!(handles(&store).await, "");
    }
}

#[tokio::test]
async fn revoke_leaves_logins_that_follow_it() {
    let store = begun().await;
    store.script([late(|store| {
        now(store.create(&key("b"), &bound("new"), AT));
    })]);
    store.revoke(&user(), Revoked::All, AT).await.unwrap();
    assert!(!is_live(&store, "a").await);
    assert_eq!(handles(&store).await, "new");
}

#[tokio::test]
async fn revoked_session_is_not_cycled() {
    let store = begun().await;
    store.script([late(|store| {
        now(store.revoke(&user(), Revoked::All, AT));
    })]);
    let cycle = cycle(&bound("phone"));
    let found = store.cycle(&key("a"), &key("b"), cycle).await.unwrap();
    assert_eq!(found.map(drop), Found::Absent);
    assert!(!is_live(&store, "b").await);
}

/// A store whose sessions are cycled while their list is read.
struct CyclesWhileListing {
    store: MemoryStore,
    reads: AtomicU32,
    cycles: u32,
}

impl VersionedStore for CyclesWhileListing {
    async fn get(&self, read: &StorageKey, at: RequestTime) -> Result<Option<Item>, Error> {
        // The index was read before, so the session moves after that.
        let is_session = *read != UserIndex::key(&user());
        let reads = self
            .reads
            .fetch_add(u32::from(is_session), Ordering::SeqCst);
        if is_session && reads < self.cycles {
            let to = key(&format!("moved {reads}"));
            self.store.cycle(read, &to, cycle(&bound("phone"))).await?;
        }
        self.store.get(read, at).await
    }

    async fn commit(&self, writes: Vec<Write>, at: RequestTime) -> Result<bool, Error> {
        self.store.commit(writes, at).await
    }
}

#[tokio::test]
async fn list_finds_sessions_that_are_cycled() {
    for (cycles, listed, has_more) in [(0, 1, false), (1, 1, false), (5, 1, false), (999, 0, true)]
    {
        let store = begun().await.store;
        let store = CyclesWhileListing {
            store,
            reads: AtomicU32::new(0),
            cycles,
        };
        let sessions = store.user_sessions(&user(), AT).await.unwrap();
        let seen = (sessions.len(), sessions.has_more());
        assert_eq!(seen, (listed, has_more), "{cycles} cycles");
    }
}

#[tokio::test]
async fn index_is_deleted_with_its_last_session() {
    let (store, index) = (begun().await, UserIndex::key(&user()));
    assert!(store.get(&index, AT).await.unwrap().is_some());
    store.delete(&key("a"), AT).await.unwrap();
    assert!(store.get(&index, AT).await.unwrap().is_none());
}

#[tokio::test]
async fn index_forgets_sessions_that_ended_long_ago() {
    let store = begun().await;
    let later = RequestTime::at(TTL.plus(Duration::from_secs(24 * 60 * 60)));
    let end = later.now().plus(Duration::from_secs(1));
    let binding = Binding::new(user(), "new".to_owned(), None, end);
    let new = record(1).with_ttl(end).bound_to(Some(binding));
    store.create(&key("b"), &new, later).await.unwrap();
    let index = store.get(&UserIndex::key(&user()), AT).await.unwrap();
    let Some(Stored::Index(index)) = index.map(Item::into_value) else {
        panic!("the index is there");
    };
    assert_eq!(index.keys(), [key("b")]);
}

#[tokio::test]
async fn index_of_another_kind_is_corrupt() {
    let store = Scripted::default();
    let value = Stored::Live(Record::new(Data::new(), NOW, TTL));
    let item = Item::new(value).unwrap();
    let write = Write::new(UserIndex::key(&user()), None, Some(item));
    assert!(store.commit(vec![write], AT).await.unwrap());
    let created = store.create(&key("a"), &bound("phone"), AT).await;
    assert_eq!(kind(created), ErrorKind::Corrupt);
    let listed = store.user_sessions(&user(), AT).await;
    assert_eq!(kind(listed), ErrorKind::Corrupt);
    let revoked = store.revoke(&user(), Revoked::All, AT).await;
    assert_eq!(kind(revoked), ErrorKind::Corrupt);
    assert!(!is_live(&store, "a").await);
}
