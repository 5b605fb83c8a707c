//! Lifetimes of single sessions: they are kept, merged, and limit each later expiry.

use crate::clock::Timestamp;
use crate::expiry::lifetimes::Lifetimes;
use crate::store::arguments::{Cycle, Load, RequestTime, Touch, Update};
use crate::store::changes::change_set::Changes;
use crate::store::conformance::support::{
    AT, NOW, TTL, assert_same, created, cycle_of, data, expect_live, key, later, live, ok, record,
    set, update_of,
};
use crate::store::record::Record;
use crate::store::session_store::SessionStore;

/// The lifetimes that no store may lose.
const OWN: Lifetimes = Lifetimes {
    idle: Some(1_500),
    ends: Some(Timestamp::from_epoch_seconds(2_000_003_000)),
    persistent: Some(false),
};
const NONE: Lifetimes = Lifetimes {
    idle: None,
    ends: None,
    persistent: None,
};

const fn idle(seconds: u64) -> Lifetimes {
    Lifetimes {
        idle: Some(seconds),
        ..NONE
    }
}

const fn ends(at: Timestamp) -> Lifetimes {
    Lifetimes {
        ends: Some(at),
        ..NONE
    }
}

const fn persistent(yes: bool) -> Lifetimes {
    Lifetimes {
        persistent: Some(yes),
        ..NONE
    }
}

pub(super) async fn run(store: &impl SessionStore) {
    writes_keep_lifetimes(store).await;
    lifetimes_are_set_one_by_one(store).await;
    touch_stays_within_lifetimes(store).await;
    load_touches_without_lifetimes_only(store).await;
    expiry_follows_newer_lifetimes(store).await;
}

fn with(lifetimes: Lifetimes) -> Record {
    record(&[("a", "1")]).with_lifetimes(lifetimes)
}

async fn writes_keep_lifetimes(store: &impl SessionStore) {
    for own in [OWN, idle(1_500), ends(later(3_000)), persistent(true)] {
        let put = with(own);
        let old = created(store, &put).await;
        assert_same(&live(store, &old).await, &put.clone().at_version(1));
        let read = live(store, &old).await;
        let updated = store.update(&old, update_of(&read, &set(&[("a", "2")])));
        assert_eq!(expect_live(ok(updated.await)).lifetimes(), own);
        assert!(ok(store.touch(&old, later(1_200), AT).await));
        let read = live(store, &old).await;
        assert_eq!((read.lifetimes(), read.ttl()), (own, later(1_200)));
        let new = key();
        let moved = expect_live(ok(store.cycle(&old, &new, cycle_of(&read)).await));
        assert_eq!(moved.lifetimes(), own);
        assert_eq!(live(store, &new).await.lifetimes(), own);
    }
}

/// An update and a cycle set what they name, and keep what another request has set.
async fn lifetimes_are_set_one_by_one(store: &impl SessionStore) {
    let at = created(store, &record(&[("a", "1")])).await;
    let read = live(store, &at).await;
    let mut expected = NONE;
    for lifetimes in [
        idle(1_500),
        ends(later(3_000)),
        persistent(true),
        persistent(false),
        idle(1_600),
    ] {
        // The record was read before the earlier ones were set.
        let update = Update {
            lifetimes,
            ..update_of(&read, &Changes::default())
        };
        let updated = expect_live(ok(store.update(&at, update).await));
        expected = lifetimes.or(expected);
        assert_eq!(updated.lifetimes(), expected);
        assert_same(&live(store, &at).await, &updated);
        assert_eq!(updated.ttl(), TTL, "the update has no expiry");
    }
    let read = live(store, &at).await;
    let (new, last) = (key(), idle(1_700));
    let cycle = Cycle {
        lifetimes: last,
        ..cycle_of(&read)
    };
    let moved = expect_live(ok(store.cycle(&at, &new, cycle).await));
    assert_eq!(moved.lifetimes(), last.or(expected));
    assert_same(&live(store, &new).await, &moved);
}

async fn touch_stays_within_lifetimes(store: &impl SessionStore) {
    let now = later(500);
    for (own, ttl, is_allowed) in [
        (idle(1_000), later(1_500), true),
        (idle(1_000), later(1_501), false),
        (ends(later(1_500)), later(1_500), true),
        (ends(later(1_500)), later(1_501), false),
        (persistent(true), later(1_501), true),
    ] {
        let key = created(store, &with(own)).await;
        let before = live(store, &key).await;
        let touched = ok(store.touch(&key, ttl, RequestTime::at(now)).await);
        assert_eq!(touched, is_allowed, "{own:?}");
        let expected = match is_allowed {
            true => before.with_ttl(ttl).modified_at(now),
            false => before,
        };
        assert_same(&live(store, &key).await, &expected);
    }
}

async fn load_touches_without_lifetimes_only(store: &impl SessionStore) {
    let (now, extended) = (later(7), later(1_010));
    for (own, is_allowed) in [
        (idle(9_000), false),
        (idle(10), false),
        (ends(later(1_005)), false),
        (ends(later(9_000)), false),
        (persistent(true), true),
    ] {
        let key = created(store, &with(own)).await;
        let before = live(store, &key).await;
        let load = Load {
            touch: Some(Touch::new(extended, TTL, NOW)),
            ..Load::new(RequestTime::at(now))
        };
        let loaded = expect_live(ok(store.load_with(&key, load).await));
        assert_same(&loaded, &live(store, &key).await);
        // A store may leave the touch out.
        match is_allowed && loaded.ttl() != TTL {
            true => assert_same(&loaded, &before.with_ttl(extended).modified_at(now)),
            false => assert_same(&loaded, &before),
        }
    }
}

/// A write computes its expiry from the lifetimes that it has read. Another request sets others before
/// it is made.
async fn expiry_follows_newer_lifetimes(store: &impl SessionStore) {
    let now = RequestTime::at(later(20));
    // The lifetimes that the other request sets, its expiry, what this one sets, and the result.
    let layers = later(1_020);
    let rows = [
        (NONE, TTL, NONE, layers),
        (persistent(true), TTL, NONE, layers),
        (idle(50), later(50), NONE, later(70)),
        (ends(later(600)), later(600), NONE, later(600)),
        (idle(9_000), later(9_000), NONE, later(9_000)),
        (idle(50), later(50), ends(later(5_000)), later(70)),
        (ends(later(600)), later(600), idle(1_000), later(600)),
        (idle(50), later(50), idle(1_000), layers),
    ];
    for (theirs, their_ttl, ours, expected) in rows {
        for cycles in [false, true] {
            let at = created(store, &record(&[("a", "1")])).await;
            let read = live(store, &at).await;
            let other = Update {
                lifetimes: theirs,
                ttl: (their_ttl != TTL).then_some(their_ttl),
                ..update_of(&read, &set(&[("theirs", "1")]))
            };
            ok(store.update(&at, other).await);
            let (changes, new) = (set(&[("ours", "1")]), key());
            let (found, to) = match cycles {
                true => {
                    let cycle = Cycle {
                        lifetimes: ours,
                        ..Cycle::new(read, changes, layers, now)
                    };
                    (store.cycle(&at, &new, cycle).await, &new)
                }
                false => {
                    let update = Update {
                        lifetimes: ours,
                        ttl: Some(layers),
                        at: now,
                        ..update_of(&read, &changes)
                    };
                    (store.update(&at, update).await, &at)
                }
            };
            let written = expect_live(ok(found));
            assert_eq!(written.ttl(), expected, "{theirs:?} {ours:?}");
            assert_eq!(written.lifetimes(), ours.or(theirs));
            let all = data(&[("a", "1"), ("theirs", "1"), ("ours", "1")]);
            assert_eq!(written.data(), &all);
            let there = expect_live(ok(store.load(to, RequestTime::at(later(60))).await));
            assert_same(&there, &written);
        }
    }
}
