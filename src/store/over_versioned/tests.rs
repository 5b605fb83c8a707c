//! Commits that are refused, whose responses are lost, and before which another request commits.

mod scripted;
mod users;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};
use crate::store::arguments::{Cycle, Replacement, RequestTime, Update};
use crate::store::changes::apply::Apply;
use crate::store::changes::change_set::Changes;
use crate::store::data::Entry;
use crate::store::memory::MemoryStore;
use crate::store::over_versioned::attempt::MOST_ATTEMPTS;
use crate::store::over_versioned::tests::scripted::{
    AT, Fate, Scripted, TTL, begun, bound, cycle, handles, increment, is_live, key, kind, late, n,
    now, record, user,
};
use crate::store::record::Found;
use crate::store::session_store::SessionStore as _;
use crate::store::user::Revoked;

/// All operations that write, on a session of a user at the key `a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Create,
    Update,
    Touch,
    Cycle,
    Replace,
    Delete,
    Revoke,
}

impl Operation {
    const ALL: [Self; 7] = [
        Self::Create,
        Self::Update,
        Self::Touch,
        Self::Cycle,
        Self::Replace,
        Self::Delete,
        Self::Revoke,
    ];

    async fn run(self, store: &Scripted, at: RequestTime) -> Result<(), Error> {
        let (a, b, read) = (key("a"), key("b"), bound("phone"));
        match self {
            Self::Create => store.create(&b, &bound("new"), at).await,
            Self::Update => {
                let update = Update { at, ..increment() };
                store.update(&a, update).await.map(drop)
            }
            Self::Touch => {
                let ttl = TTL.plus(Duration::from_secs(1));
                store.touch(&a, ttl, at).await.map(drop)
            }
            Self::Cycle => {
                let cycle = Cycle { at, ..cycle(&read) };
                store.cycle(&a, &b, cycle).await.map(drop)
            }
            Self::Replace => {
                let replacement = Replacement::new(bound("new"), at);
                store.replace(&a, &b, replacement).await.map(drop)
            }
            Self::Delete => store.delete(&a, at).await.map(drop),
            Self::Revoke => store.revoke(&user(), Revoked::All, at).await,
        }
    }

    /// Returns the state after the operation has happened once: `n` at both keys, and the list.
    fn effect(self) -> (Option<&'static str>, Option<&'static str>, &'static str) {
        match self {
            Self::Create => (Some("1"), Some("1"), "new phone"),
            Self::Update => (Some("2"), None, "phone"),
            Self::Touch => (Some("1"), None, "phone"),
            Self::Cycle => (None, Some("1"), "phone"),
            Self::Replace => (None, Some("1"), "new"),
            Self::Delete | Self::Revoke => (None, None, ""),
        }
    }

    async fn assert_happened(self, store: &Scripted) {
        let (a, b, list) = self.effect();
        assert_eq!(n(store, "a").await.as_deref(), a, "{self:?}");
        assert_eq!(n(store, "b").await.as_deref(), b, "{self:?}");
        assert_eq!(handles(store).await, list, "{self:?}");
    }
}

async fn assert_nothing_happened(store: &Scripted, operation: Operation) {
    assert_eq!(n(store, "a").await.as_deref(), Some("1"), "{operation:?}");
    assert!(!is_live(store, "b").await, "{operation:?}");
    assert_eq!(handles(store).await, "phone", "{operation:?}");
}

#[tokio::test]
async fn commit_is_repeated_until_it_is_accepted() {
    for operation in Operation::ALL {
        let store = begun().await;
        store.script([Fate::Refused, Fate::Refused]);
        operation.run(&store, AT).await.unwrap();
        assert_eq!(store.commits(), 3, "{operation:?}");
        operation.assert_happened(&store).await;
    }
}

#[tokio::test]
async fn commit_that_is_always_refused_is_a_conflict() {
    for operation in Operation::ALL {
        let mut store = begun().await;
        store.always_refuses = true;
        store.script([]);
        assert_eq!(kind(operation.run(&store, AT).await), ErrorKind::Conflict);
        assert_eq!(store.commits(), MOST_ATTEMPTS, "{operation:?}");

        store.script([]);
        let over = AT.until(Some(Instant::now()));
        assert_eq!(kind(operation.run(&store, over).await), ErrorKind::Conflict);
        assert_eq!(store.commits(), 1, "{operation:?}: its time is over");

        store.script([]);
        let soon = AT.until(Some(Instant::now() + Duration::from_millis(50)));
        assert_eq!(kind(operation.run(&store, soon).await), ErrorKind::Conflict);
        assert!(store.commits() > 1, "{operation:?}: it had time");
        assert_nothing_happened(&store, operation).await;
    }
}

#[tokio::test]
async fn failed_commit_is_not_repeated() {
    for operation in Operation::ALL {
        let store = begun().await;
        store.script([Fate::Failed]);
        let error = kind(operation.run(&store, AT).await);
        assert_eq!(error, ErrorKind::Unavailable);
        assert_eq!(store.commits(), 1, "{operation:?}");
        assert_nothing_happened(&store, operation).await;
    }
}

#[tokio::test]
async fn lost_response_of_a_commit_is_found_out() {
    for operation in Operation::ALL {
        let store = begun().await;
        store.script([Fate::LostAfter]);
        operation.run(&store, AT).await.unwrap();
        assert_eq!(store.commits(), 1, "{operation:?}");
        operation.assert_happened(&store).await;
    }
}

#[tokio::test]
async fn lost_commit_that_may_yet_arrive_is_unknown() {
    for operation in Operation::ALL {
        let store = begun().await;
        store.script([Fate::LostBefore]);
        let error = kind(operation.run(&store, AT).await);
        assert_eq!(error, ErrorKind::OutcomeUnknown, "{operation:?}");
        assert_eq!(store.commits(), 1, "{operation:?}");
        assert_nothing_happened(&store, operation).await;
    }
}

#[tokio::test]
async fn lost_commit_below_another_is_unknown() {
    let store = begun().await;
    let other = |store: &MemoryStore| drop(now(store.update(&key("a"), increment())));
    store.script([Fate::LostThenLate(Box::new(other))]);
    let result = store.update(&key("a"), increment()).await;
    assert_eq!(kind(result), ErrorKind::OutcomeUnknown);
    assert_eq!(n(&store, "a").await.as_deref(), Some("3"), "both are there");
}

#[tokio::test]
async fn update_is_applied_to_the_newer_item() {
    let store = begun().await;
    store.script([late(|store| {
        now(store.update(&key("a"), increment()));
    })]);
    let found = store.update(&key("a"), increment()).await.unwrap();
    let Found::Live(record) = found else {
        panic!("{found:?}");
    };
    assert_eq!(record.version(), 3);
    assert_eq!(n(&store, "a").await.as_deref(), Some("3"));

    store.script([late(|store| {
        now(store.delete(&key("a"), AT));
    })]);
    let found = store.update(&key("a"), increment()).await.unwrap();
    assert_eq!(found.map(drop), Found::Absent, "a logout wins");
}

#[tokio::test]
async fn function_runs_once_for_each_attempt() {
    let store = Arc::new(begun().await);
    let runs = Arc::new(AtomicU32::new(0));
    let (counted, other) = (Arc::clone(&runs), Arc::clone(&store));
    let function = Apply::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        // Nothing is locked while the function runs.
        assert_eq!(other.store.len(), 1);
        Ok(Entry::from_json("7"))
    });
    let mut changes = Changes::default();
    // The function has no forecast, because the record was not read.
    changes.update(None, "n", function).unwrap();
    runs.store(0, Ordering::SeqCst);
    store.script([Fate::Refused, Fate::Refused]);
    let update = Update::new(changes, AT);
    store.update(&key("a"), update).await.unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    assert_eq!(n(&store, "a").await.as_deref(), Some("7"));
}

#[tokio::test]
async fn touch_after_a_touch_keeps_the_later_expiry() {
    let store = begun().await;
    let ttl = |seconds| TTL.plus(Duration::from_secs(seconds));
    store.script([late(move |store| {
        assert!(now(store.touch(&key("a"), ttl(2), AT)));
    })]);
    let touched = store.touch(&key("a"), ttl(1), AT).await.unwrap();
    assert!(!touched, "it already expires later");
    assert_eq!(store.commits(), 1);
}

#[tokio::test]
async fn taken_key_is_found_without_a_loop() {
    let store = begun().await;
    store.create(&key("b"), &record(5), AT).await.unwrap();
    for operation in [Operation::Create, Operation::Cycle, Operation::Replace] {
        store.script([]);
        assert_eq!(kind(operation.run(&store, AT).await), ErrorKind::Conflict);
        assert_eq!(store.commits(), 1, "{operation:?}");
        assert_eq!(n(&store, "b").await.as_deref(), Some("5"));
        assert_eq!(handles(&store).await, "phone", "{operation:?}");
    }
}
