//! The values and helpers that the checks share.

use std::future::{Future, poll_fn};
use std::task::Poll;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::StorageKey;
use crate::store::arguments::{Cycle, RequestTime, Update};
use crate::store::changes::apply::Apply;
use crate::store::changes::change_set::Changes;
use crate::store::data::{Data, Entry};
use crate::store::record::{Found, Record};
use crate::store::session_store::SessionStore;
use crate::store::user::{Binding, Pseudonym};

/// The time at which the suite runs. It is in 2033, so that the suite detects a store that judges the
/// expiry by its own clock: such a store would find an expired record live.
pub(super) const NOW: Timestamp = Timestamp::from_epoch_seconds(2_000_000_000);
pub(super) const AT: RequestTime = RequestTime::at(NOW);
/// The expiry of the suite's records.
pub(super) const TTL: Timestamp = Timestamp::from_epoch_seconds(2_000_001_000);
/// The last time at which the suite's records are live.
pub(super) const LAST: RequestTime = RequestTime::at(Timestamp::from_epoch_seconds(2_000_000_999));

/// Returns the time this many seconds after [`NOW`].
pub(super) fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// Awaits all futures concurrently.
pub(super) async fn together<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|f| (Box::pin(f), None)).collect();
    poll_fn(|cx| {
        let mut all = Poll::Ready(());
        for (future, output) in &mut running {
            if output.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(done) => *output = Some(done),
                    Poll::Pending => all = Poll::Pending,
                }
            }
        }
        all
    })
    .await;
    running
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}

/// Returns a key that is used nowhere else.
pub(super) fn key() -> StorageKey {
    ok(StorageKey::random())
}

/// Returns a user who is used nowhere else.
pub(super) fn user() -> Pseudonym {
    ok(Pseudonym::random())
}

pub(super) fn binding(user: &Pseudonym, handle: &str) -> Binding {
    let label = format!("a {handle}");
    Binding::new(user.clone(), handle.to_owned(), Some(label), TTL)
}

pub(super) fn data(entries: &[(&str, &str)]) -> Data {
    let entries = entries.iter();
    entries
        .map(|(key, json)| (*key, Entry::from_json(*json)))
        .collect()
}

pub(super) fn record(entries: &[(&str, &str)]) -> Record {
    Record::new(data(entries), NOW, TTL)
}

/// Returns a record of a user's session.
pub(super) fn bound(user: &Pseudonym, handle: &str) -> Record {
    record(&[("a", "1")]).bound_to(Some(binding(user, handle)))
}

pub(super) fn set(entries: &[(&str, &str)]) -> Changes {
    let mut changes = Changes::default();
    for (key, json) in entries {
        changes.set(None, key, Entry::from_json(*json));
    }
    changes
}

pub(super) fn add(entries: &[(&str, i64)]) -> Changes {
    let mut changes = Changes::default();
    for (key, by) in entries {
        ok(changes.add(None, key, *by));
    }
    changes
}

/// Returns the change that appends a zero to a list.
pub(super) fn append_to(base: &Data, list: &str) -> Changes {
    let mut changes = Changes::default();
    ok(changes.update(Some(base), list, append()));
    changes
}

/// Returns a function that appends a zero to a list.
pub(super) fn append() -> Apply {
    Apply::new(|there| {
        let text = there.and_then(Entry::json).unwrap_or("[]");
        let mut list: Vec<u8> = serde_json::from_str(text)
            .map_err(|cause| Error::json(ErrorKind::Deserialize, "no list", &cause))?;
        list.push(0);
        let text = serde_json::to_string(&list)
            .map_err(|cause| Error::json(ErrorKind::Serialize, "no JSON", &cause))?;
        Ok(Entry::from_json(text))
    })
}

/// Returns the removal of a value that only one request may take.
pub(super) fn take_once(base: &Data, key: &str) -> Changes {
    let mut changes = Changes::default();
    changes.take(Some(base), key);
    changes
}

/// Returns the update of a record that was read.
pub(super) fn update_of(read: &Record, changes: &Changes) -> Update {
    Update {
        read: Some(read.clone().into()),
        ..Update::new(changes.clone(), AT)
    }
}

/// Returns a cycle without changes of the data.
pub(super) fn cycle_of(read: &Record) -> Cycle {
    Cycle::new(read.clone(), Changes::default(), TTL, AT)
}

/// Stores a record under a new key.
pub(super) async fn created(store: &impl SessionStore, record: &Record) -> StorageKey {
    let key = key();
    ok(store.create(&key, record, AT).await);
    key
}

/// Stores a record, cycles its id, and returns the old and the new key.
pub(super) async fn cycled(
    store: &impl SessionStore,
    redirects: bool,
) -> (StorageKey, StorageKey, Record) {
    let old = created(store, &record(&[("a", "1")])).await;
    let (new, read) = (key(), live(store, &old).await);
    let cycle = Cycle {
        redirects,
        ..cycle_of(&read)
    };
    expect_live(ok(store.cycle(&old, &new, cycle).await));
    (old, new, read)
}

/// Returns what a key holds at the given time.
pub(super) async fn state(
    store: &impl SessionStore,
    key: &StorageKey,
    at: RequestTime,
) -> Found<()> {
    ok(store.load(key, at).await).map(drop)
}

pub(super) async fn live(store: &impl SessionStore, key: &StorageKey) -> Record {
    expect_live(ok(store.load(key, AT).await))
}

pub(super) async fn assert_absent(store: &impl SessionStore, key: &StorageKey) {
    assert_eq!(state(store, key, AT).await, Found::Absent);
}

/// Asserts that a key holds no session. It may hold a redirect or a tombstone.
pub(super) async fn assert_dead(store: &impl SessionStore, key: &StorageKey) {
    let found = state(store, key, AT).await;
    assert_ne!(found, Found::Live(()), "the session is dead");
}

/// Asserts that two records are equal in everything that a store keeps.
#[track_caller]
pub(super) fn assert_same(a: &Record, b: &Record) {
    assert_eq!(a.data(), b.data());
    assert_eq!(facts(a), facts(b));
}

/// Returns everything that a record holds besides its data, by name. A new field is one of them by
/// itself.
fn facts(record: &Record) -> serde_json::Value {
    let without_data = record.clone().with_data(Data::new());
    serde_json::to_value(without_data).expect("a record without data has a JSON form")
}

#[track_caller]
pub(super) fn expect_live(found: Found) -> Record {
    match found {
        Found::Live(record) => record,
        other => panic!("expected a live record, found {:?}", other.map(drop)),
    }
}

#[track_caller]
pub(super) fn ok<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| panic!("the store failed: {error:?}"))
}

#[track_caller]
pub(super) fn kind<T>(result: Result<T, Error>) -> ErrorKind {
    match result {
        Err(error) => error.kind(),
        Ok(_) => panic!("expected the store to fail"),
    }
}
