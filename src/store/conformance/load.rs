//! Reading: what absent, expired and cycled records give.

use crate::expiry::{GRACE_SECONDS, TOMBSTONE_SECONDS};
use crate::store::arguments::{Load, RequestTime};
use crate::store::conformance::support::{
    AT, LAST, NOW, TTL, append_to, assert_same, bound, created, cycle_of, cycled, expect_live, key,
    later, live, ok, record, set, state, update_of, user,
};
use crate::store::data::Entry;
use crate::store::record::Found;
use crate::store::session_store::SessionStore;

pub(super) async fn run(store: &impl SessionStore) {
    absent_key_gives_absent(store).await;
    expired_record_is_absent(store).await;
    cycled_id_gives_redirect_or_tombstone(store).await;
    reads_change_nothing(store).await;
    malformed_entry_is_kept(store).await;
    known_version_is_only_a_hint(store).await;
}

async fn absent_key_gives_absent(store: &impl SessionStore) {
    assert_eq!(state(store, &key(), AT).await, Found::Absent);
}

async fn expired_record_is_absent(store: &impl SessionStore) {
    let key = created(store, &record(&[("a", "1")])).await;
    assert_eq!(state(store, &key, LAST).await, Found::Live(()));
    let end = RequestTime::at(TTL);
    assert_eq!(
        state(store, &key, end).await,
        Found::Absent,
        "from `ttl` on"
    );
}

async fn cycled_id_gives_redirect_or_tombstone(store: &impl SessionStore) {
    let at = |seconds| RequestTime::at(later(seconds));
    let (old, new, _) = cycled(store, true).await;
    let redirect = Found::Redirect(new);
    assert_eq!(state(store, &old, at(GRACE_SECONDS - 1)).await, redirect);
    let end = state(store, &old, at(GRACE_SECONDS)).await;
    assert_eq!(end, Found::Absent, "a redirect lives for 60 seconds");

    let (old, _, _) = cycled(store, false).await;
    let tombstone = state(store, &old, at(TOMBSTONE_SECONDS - 1)).await;
    assert_eq!(tombstone, Found::Tombstone(NOW));
    let end = state(store, &old, at(TOMBSTONE_SECONDS)).await;
    assert_eq!(end, Found::Absent, "a tombstone lives for 120 seconds");
}

async fn reads_change_nothing(store: &impl SessionStore) {
    let key = created(store, &bound(&user(), "phone")).await;
    let first = live(store, &key).await;
    ok(store.load(&key, LAST).await);
    ok(store.load(&key, RequestTime::at(TTL)).await);
    assert_same(&live(store, &key).await, &first);
}

async fn known_version_is_only_a_hint(store: &impl SessionStore) {
    let (absent, live_key) = (key(), created(store, &record(&[("a", "1")])).await);
    let read = live(store, &live_key).await;
    let updated = store.update(&live_key, update_of(&read, &set(&[("a", "2")])));
    let updated = expect_live(ok(updated.await));
    for version in [None, Some(0), Some(1), Some(2), Some(3), Some(u64::MAX)] {
        let load = Load {
            version,
            ..Load::new(AT)
        };
        let found = ok(store.load_with(&live_key, load).await);
        assert_same(&expect_live(found), &updated);
        let found = ok(store.load_with(&absent, load).await);
        assert_eq!(found.map(drop), Found::Absent);
    }
}

/// An entry whose text is no JSON fails when it is read, and not before.
async fn malformed_entry_is_kept(store: &impl SessionStore) {
    let wrong = Entry::from_json("{no JSON");
    let put = record(&[("a", "1"), ("wrong", "{no JSON"), ("list", "[]")]);
    let (old, new) = (created(store, &put).await, key());
    let read = live(store, &old).await;
    assert_eq!(read.data(), put.data());
    let updated = store.update(&old, update_of(&read, &set(&[("a", "2")])));
    let updated = expect_live(ok(updated.await));
    assert_eq!(updated.data().get("wrong"), Some(&wrong), "an update");
    let appended = append_to(updated.data(), "list");
    ok(store.update(&old, update_of(&updated, &appended)).await);
    let read = live(store, &old).await;
    ok(store.cycle(&old, &new, cycle_of(&read)).await);
    let read = live(store, &new).await;
    assert_eq!(read.data().get("wrong"), Some(&wrong), "a cycle");
}
