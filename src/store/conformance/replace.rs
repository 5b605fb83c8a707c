//! Replacing a record: one is deleted and another one is stored.

use crate::error::ErrorKind;
use crate::store::arguments::{Replacement, RequestTime, Update};
use crate::store::conformance::support::{
    AT, LAST, NOW, TTL, assert_absent, assert_same, bound, created, cycled, key, kind, later, live,
    ok, record, set, state, user,
};
use crate::store::record::Found;
use crate::store::session_store::SessionStore;

pub(super) async fn run(store: &impl SessionStore) {
    replace_deletes_and_creates(store).await;
    replace_deletes_a_record_that_changed(store).await;
    replace_of_nothing_creates(store).await;
    replace_deletes_an_expired_record(store).await;
    replace_spares_redirects_and_tombstones(store).await;
    replace_needs_a_free_key(store).await;
}

async fn replace_deletes_and_creates(store: &impl SessionStore) {
    let (old, new) = (created(store, &record(&[("a", "1")])).await, key());
    let (now, user) = (later(7), user());
    let fresh = bound(&user, "phone").at_version(7);
    let replacement = Replacement::new(fresh.clone(), RequestTime::at(now));
    let found = ok(store.replace(&old, &new, replacement).await);
    assert_eq!(found, Found::Live(()));
    assert_absent(store, &old).await;
    let stored = live(store, &new).await;
    assert_same(&stored, &fresh.at_version(1).modified_at(now));
    let listed = ok(store.user_sessions(&user, AT).await);
    assert_eq!(listed.len(), 1);
}

async fn replace_deletes_a_record_that_changed(store: &impl SessionStore) {
    let (old, new) = (created(store, &record(&[("a", "1")])).await, key());
    let read = live(store, &old).await;
    let theirs = Update::new(set(&[("a", "2")]), AT);
    ok(store.update(&old, theirs).await);
    let replacement = Replacement {
        read: Some(read.into()),
        ..Replacement::new(record(&[]), AT)
    };
    let found = ok(store.replace(&old, &new, replacement).await);
    assert_eq!(found, Found::Live(()));
    assert_absent(store, &old).await;
    live(store, &new).await;
}

async fn replace_of_nothing_creates(store: &impl SessionStore) {
    let (absent, new) = (key(), key());
    let fresh = record(&[("flash", "\"bye\"")]);
    let replacement = Replacement::new(fresh.clone(), AT);
    let found = ok(store.replace(&absent, &new, replacement).await);
    assert!(matches!(found, Found::Live(()) | Found::Absent));
    assert_same(&live(store, &new).await, &fresh.at_version(1));
    assert_absent(store, &absent).await;
}

async fn replace_deletes_an_expired_record(store: &impl SessionStore) {
    let (old, new) = (created(store, &record(&[("a", "1")])).await, key());
    let fresh = record(&[]).with_ttl(later(2_000));
    let replacement = Replacement::new(fresh, RequestTime::at(TTL));
    let found = ok(store.replace(&old, &new, replacement).await);
    assert!(matches!(found, Found::Live(()) | Found::Absent));
    assert_eq!(state(store, &old, LAST).await, Found::Absent);
    live(store, &new).await;
}

async fn replace_spares_redirects_and_tombstones(store: &impl SessionStore) {
    for redirects in [false, true] {
        let (old, new, _) = cycled(store, redirects).await;
        let (left, session) = (state(store, &old, AT).await, live(store, &new).await);
        let (newer, user) = (key(), user());
        let replacement = Replacement::new(bound(&user, "phone"), AT);
        let found = ok(store.replace(&old, &newer, replacement).await);
        assert_eq!(found, left);
        assert_eq!(state(store, &old, AT).await, left);
        assert_absent(store, &newer).await;
        assert_same(&live(store, &new).await, &session);
        assert!(ok(store.user_sessions(&user, AT).await).is_empty());
    }
}

async fn replace_needs_a_free_key(store: &impl SessionStore) {
    let old = created(store, &record(&[("a", "1")])).await;
    let taken = created(store, &record(&[("b", "2")])).await;
    let (before, there) = (live(store, &old).await, live(store, &taken).await);
    let replacement = Replacement::new(record(&[]), AT);
    let result = store.replace(&old, &taken, replacement).await;
    assert_eq!(kind(result), ErrorKind::Conflict);
    assert_same(&live(store, &old).await, &before);
    assert_same(&live(store, &taken).await, &there);
    assert_eq!(there.created(), NOW);
}
