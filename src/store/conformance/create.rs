//! Creating a record.

use crate::error::ErrorKind;
use crate::store::arguments::RequestTime;
use crate::store::conformance::support::{
    AT, LAST, NOW, TTL, assert_absent, assert_same, bound, created, cycled, key, kind, later, live,
    ok, record, state, user,
};
use crate::store::data::{Data, Entry};
use crate::store::record::{Found, Record};
use crate::store::session_store::SessionStore;

pub(super) async fn run(store: &impl SessionStore) {
    new_record_reads_back(store).await;
    new_record_begins_at_version_1(store).await;
    taken_key_is_a_conflict(store).await;
    too_large_record_is_not_stored(store).await;
}

async fn new_record_reads_back(store: &impl SessionStore) {
    for put in [
        record(&[]),
        record(&[("a", "1"), ("b", "\"two\"")]),
        bound(&user(), "phone"),
        record(&[("a", "1")]).issued_at(later(3)),
    ] {
        let key = created(store, &put).await;
        assert_same(&live(store, &key).await, &put.at_version(1));
    }
}

async fn new_record_begins_at_version_1(store: &impl SessionStore) {
    let (key, now) = (key(), later(5));
    let put = record(&[("a", "1")]).at_version(7);
    ok(store.create(&key, &put, RequestTime::at(now)).await);
    let read = live(store, &key).await;
    assert_eq!((read.version(), read.modified()), (1, now));
    assert_eq!((read.created(), read.ttl()), (NOW, TTL));
}

async fn taken_key_is_a_conflict(store: &impl SessionStore) {
    let taken = created(store, &record(&[("a", "1")])).await;
    let before = live(store, &taken).await;
    let user = user();
    let result = store.create(&taken, &bound(&user, "other"), AT).await;
    assert_eq!(kind(result), ErrorKind::Conflict);
    assert_same(&live(store, &taken).await, &before);
    let listed = ok(store.user_sessions(&user, AT).await);
    assert!(listed.is_empty(), "a session that was not stored");
    // A store may already have deleted an expired record.
    let late = RequestTime::at(TTL);
    if let Err(error) = store.create(&taken, &record(&[("b", "2")]), late).await {
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let there = live(store, &taken).await;
        assert_same(&there, &before);
    }
    for redirects in [false, true] {
        let (old, _, _) = cycled(store, redirects).await;
        let before = state(store, &old, AT).await;
        let result = store.create(&old, &record(&[]), AT).await;
        assert_eq!(kind(result), ErrorKind::Conflict);
        assert_eq!(state(store, &old, AT).await, before);
    }
}

/// The suite does not know the limit of the store, if there is one.
async fn too_large_record_is_not_stored(store: &impl SessionStore) {
    let data: Data = (0..10)
        .map(|n| {
            let text = format!("\"{}\"", "x".repeat(100_000));
            (format!("k{n}"), Entry::from_json(text))
        })
        .collect();
    let (key, put) = (key(), Record::new(data, NOW, TTL));
    match store.create(&key, &put, AT).await {
        Ok(()) => assert_eq!(live(store, &key).await.data(), put.data()),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::TooLarge);
            assert_absent(store, &key).await;
            let found = state(store, &key, LAST).await;
            assert_eq!(found, Found::Absent);
        }
    }
}
