//! Touching: extending the expiry of a record, alone or with a load.

use crate::clock::Timestamp;
use crate::store::arguments::{Load, RequestTime, Touch};
use crate::store::conformance::support::{
    AT, NOW, TTL, assert_absent, assert_same, bound, created, cycled, expect_live, key, later,
    live, ok, record, state, user,
};
use crate::store::record::{Found, Record};
use crate::store::session_store::SessionStore;

pub(super) async fn run(store: &impl SessionStore) {
    touch_sets_expiry_and_modified_alone(store).await;
    touch_never_shortens(store).await;
    touch_needs_a_live_record(store).await;
    load_touches_within_its_limits(store).await;
    load_that_touches_needs_a_live_record(store).await;
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

/// The expiry that the loads of the suite set.
const EXTENDED: Timestamp = Timestamp::from_epoch_seconds(2_000_001_010);
/// A touch that applies to the records of the suite, but not to those that are bound to a user.
const TOUCH: Touch = Touch::new(EXTENDED, TTL, NOW);

fn with(touch: Touch, at: RequestTime) -> Load {
    Load {
        touch: Some(touch),
        ..Load::new(at)
    }
}

async fn load_touches_within_its_limits(store: &impl SessionStore) {
    let now = later(7);
    let plain = || record(&[("a", "1")]);
    let extended = |record: Record| record.with_ttl(EXTENDED).modified_at(now);
    let until = |ends| {
        let bound = bound(&user(), "phone");
        let binding = bound.binding().cloned();
        bound.bound_to(binding.map(|binding| binding.until(ends)))
    };
    let rows = [
        (plain(), TOUCH, true),
        (until(EXTENDED), TOUCH, true),
        // The binding to the user would end before.
        (until(later(1_009)), TOUCH, false),
        // The record was touched recently.
        (plain(), Touch::new(EXTENDED, later(999), NOW), false),
        // The lifetime would end before.
        (plain(), Touch::new(EXTENDED, TTL, later(1)), false),
    ];
    for (put, touch, applies) in rows {
        let key = created(store, &put).await;
        let before = live(store, &key).await;
        let load = with(touch, RequestTime::at(now));
        let loaded = expect_live(ok(store.load_with(&key, load).await));
        assert_same(&loaded, &live(store, &key).await);
        // A store may leave the touch out.
        match applies && loaded.ttl() != TTL {
            true => assert_same(&loaded, &extended(before)),
            false => assert_same(&loaded, &before),
        }
        let loaded = expect_live(ok(store.load_with(&key, Load::new(AT)).await));
        assert_same(&loaded, &live(store, &key).await);
    }
}

async fn load_that_touches_needs_a_live_record(store: &impl SessionStore) {
    let absent = key();
    let found = ok(store.load_with(&absent, with(TOUCH, AT)).await);
    assert_eq!(found.map(drop), Found::Absent);
    assert_absent(store, &absent).await;

    let expired = created(store, &record(&[("a", "1")])).await;
    let before = live(store, &expired).await;
    let end = RequestTime::at(TTL);
    let found = ok(store.load_with(&expired, with(TOUCH, end)).await);
    assert_eq!(found.map(drop), Found::Absent);
    assert_same(&live(store, &expired).await, &before);

    for redirects in [false, true] {
        let (old, ..) = cycled(store, redirects).await;
        let before = state(store, &old, AT).await;
        let found = ok(store.load_with(&old, with(TOUCH, AT)).await);
        assert_eq!(found.map(drop), before);
        assert_eq!(state(store, &old, AT).await, before);
        let late = RequestTime::at(later(500));
        assert_eq!(state(store, &old, late).await, Found::Absent);
    }
}
