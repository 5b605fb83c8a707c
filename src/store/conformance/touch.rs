//! Touching: extending the expiry of a record.

use crate::store::arguments::RequestTime;
use crate::store::conformance::support::{
    AT, NOW, TTL, assert_absent, assert_same, bound, created, cycled, key, later, live, ok, state,
    user,
};
use crate::store::record::Found;
use crate::store::session_store::SessionStore;

pub(super) async fn run(store: &impl SessionStore) {
    touch_sets_expiry_and_modified_alone(store).await;
    touch_never_shortens(store).await;
    touch_needs_a_live_record(store).await;
}

async fn touch_sets_expiry_and_modified_alone(store: &impl SessionStore) {
    let put = bound(&user(), "phone").issued_at(NOW);
    let key = created(store, &put).await;
    let (ttl, now) = (later(1_010), later(7));
    assert!(ok(store.touch(&key, ttl, RequestTime::at(now)).await));
    let touched = put.at_version(1).with_ttl(ttl).modified_at(now);
    assert_same(&live(store, &key).await, &touched);
    assert_eq!(
        state(store, &key, RequestTime::at(TTL)).await,
        Found::Live(()),
        "it lives on"
    );
}

async fn touch_never_shortens(store: &impl SessionStore) {
    let key = created(store, &bound(&user(), "phone")).await;
    let before = live(store, &key).await;
    let at = RequestTime::at(later(7));
    assert!(ok(store.touch(&key, TTL, at).await), "it expires then");
    assert!(!ok(store.touch(&key, later(999), at).await), "it is later");
    assert_same(&live(store, &key).await, &before);
}

async fn touch_needs_a_live_record(store: &impl SessionStore) {
    let absent = key();
    assert!(!ok(store.touch(&absent, TTL, AT).await));
    assert_absent(store, &absent).await;

    let expired = created(store, &bound(&user(), "phone")).await;
    let before = live(store, &expired).await;
    let end = RequestTime::at(TTL);
    assert!(!ok(store.touch(&expired, later(2_000), end).await));
    assert_same(&live(store, &expired).await, &before);

    for redirects in [false, true] {
        let (old, _, _) = cycled(store, redirects).await;
        let before = state(store, &old, AT).await;
        assert!(!ok(store.touch(&old, later(2_000), AT).await));
        assert_eq!(state(store, &old, AT).await, before);
        let late = RequestTime::at(later(500));
        let end = state(store, &old, late).await;
        assert_eq!(end, Found::Absent, "not kept alive");
    }
}
