//! Cycling an id: the record moves to another key.

use crate::error::ErrorKind;
use crate::expiry::{GRACE_SECONDS, TOMBSTONE_SECONDS};
use crate::store::arguments::{Cycle, RequestTime, Update};
use crate::store::changes::change_set::Changes;
use crate::store::conformance::support::{
    AT, LAST, NOW, TTL, add, append_to, assert_absent, assert_same, binding, bound, created,
    cycle_of, cycled, data, expect_live, key, kind, later, live, ok, record, set, state, user,
};
use crate::store::record::Found;
use crate::store::session_store::SessionStore;

pub(super) async fn run(store: &impl SessionStore) {
    cycle_moves_the_record(store).await;
    cycle_copies_concurrent_changes(store).await;
    cycle_records_the_issue(store).await;
    cycle_sets_the_binding(store).await;
    cycle_needs_a_live_record(store).await;
    cycle_needs_a_free_key(store).await;
    failed_cycle_writes_nothing(store).await;
}

async fn cycle_moves_the_record(store: &impl SessionStore) {
    let put = record(&[("keep", "1"), ("go", "1"), ("n", "1")]);
    let bound_to = Some(binding(&user(), "phone"));
    let put = put.bound_to(bound_to.clone()).issued_at(later(1));
    for redirects in [false, true] {
        let (old, new) = (created(store, &put).await, key());
        let read = live(store, &old).await;
        let mut changes = set(&[("user", "\"ada\"")]);
        changes.remove(Some(read.data()), "go");
        ok(changes.add(Some(read.data()), "n", 1));
        let (now, ttl) = (later(7), later(900));
        let cycle = Cycle {
            redirects,
            ..Cycle::new(read, changes, ttl, RequestTime::at(now))
        };
        let moved = expect_live(ok(store.cycle(&old, &new, cycle).await));
        let expected = put
            .clone()
            .with_data(data(&[("keep", "1"), ("user", "\"ada\""), ("n", "2")]))
            .with_ttl(ttl)
            .modified_at(now)
            .at_version(2);
        assert_same(&moved, &expected);
        assert_same(&live(store, &new).await, &expected);

        let (left, seconds) = match redirects {
            true => (Found::Redirect(new), GRACE_SECONDS),
            false => (Found::Tombstone(now), TOMBSTONE_SECONDS),
        };
        let last = RequestTime::at(later(7 + seconds - 1));
        assert_eq!(state(store, &old, last).await, left);
        let end = RequestTime::at(later(7 + seconds));
        assert_eq!(state(store, &old, end).await, Found::Absent);
    }
}

async fn cycle_copies_concurrent_changes(store: &impl SessionStore) {
    let (old, new) = (created(store, &record(&[("n", "1")])).await, key());
    let stale = live(store, &old).await;
    let mut theirs = set(&[("theirs", "1")]);
    ok(theirs.add(None, "n", 1));
    ok(store.update(&old, Update::new(theirs, AT)).await);
    let mut changes = set(&[("ours", "1")]);
    ok(changes.add(Some(stale.data()), "n", 1));
    let cycle = Cycle::new(stale, changes, TTL, AT);
    let moved = expect_live(ok(store.cycle(&old, &new, cycle).await));
    let expected = data(&[("n", "3"), ("theirs", "1"), ("ours", "1")]);
    for seen in [moved, live(store, &new).await] {
        assert_eq!((seen.data(), seen.version()), (&expected, 3));
    }
}

async fn cycle_records_the_issue(store: &impl SessionStore) {
    let mut at = created(store, &record(&[("a", "1")])).await;
    for (now, records_issue, issued) in [
        (1, false, None),
        (2, true, Some(later(2))),
        (3, true, Some(later(3))),
        (4, false, Some(later(3))),
    ] {
        let (to, read) = (key(), live(store, &at).await);
        let now = RequestTime::at(later(now));
        let cycle = Cycle {
            records_issue,
            ..Cycle::new(read, Changes::default(), TTL, now)
        };
        let moved = expect_live(ok(store.cycle(&at, &to, cycle).await));
        assert_eq!(moved.issued(), issued);
        assert_eq!(live(store, &to).await.issued(), issued);
        at = to;
    }
}

/// The lists of both users are checked in `users`.
async fn cycle_sets_the_binding(store: &impl SessionStore) {
    let (ada, grace) = (user(), user());
    let mut at = created(store, &record(&[("a", "1")])).await;
    for binding in [
        Some(binding(&ada, "first")),
        Some(binding(&ada, "second")),
        Some(binding(&grace, "third")),
        None,
    ] {
        let (to, read) = (key(), live(store, &at).await);
        let cycle = Cycle {
            binding: binding.clone(),
            ..cycle_of(&read)
        };
        let moved = expect_live(ok(store.cycle(&at, &to, cycle).await));
        assert_eq!(moved.binding(), binding.as_ref());
        assert_eq!(live(store, &to).await.binding(), binding.as_ref());
        at = to;
    }
}

async fn cycle_needs_a_live_record(store: &impl SessionStore) {
    let (absent, to) = (key(), key());
    let read = record(&[]).at_version(1);
    let found = ok(store.cycle(&absent, &to, cycle_of(&read)).await);
    assert_eq!(found.map(drop), Found::Absent);
    assert_absent(store, &absent).await;
    assert_absent(store, &to).await;

    let (expired, to) = (created(store, &bound(&user(), "phone")).await, key());
    let before = live(store, &expired).await;
    let late = Cycle {
        at: RequestTime::at(TTL),
        ttl: later(2_000),
        ..cycle_of(&before)
    };
    let found = ok(store.cycle(&expired, &to, late).await);
    assert_eq!(found.map(drop), Found::Absent);
    assert_absent(store, &to).await;
    let still = expect_live(ok(store.load(&expired, LAST).await));
    assert_same(&still, &before);

    for redirects in [false, true] {
        let (old, new, read) = cycled(store, redirects).await;
        let (left, session) = (state(store, &old, AT).await, live(store, &new).await);
        let newer = key();
        let found = ok(store.cycle(&old, &newer, cycle_of(&read)).await);
        assert_eq!(found.map(drop), left);
        assert_eq!(state(store, &old, AT).await, left);
        assert_absent(store, &newer).await;
        assert_same(&live(store, &new).await, &session);
    }
}

async fn cycle_needs_a_free_key(store: &impl SessionStore) {
    let old = created(store, &record(&[("a", "1")])).await;
    let taken = created(store, &record(&[("b", "2")])).await;
    let (before, there) = (live(store, &old).await, live(store, &taken).await);
    let result = store.cycle(&old, &taken, cycle_of(&before)).await;
    assert_eq!(kind(result), ErrorKind::Conflict);
    assert_same(&live(store, &old).await, &before);
    assert_same(&live(store, &taken).await, &there);
}

async fn failed_cycle_writes_nothing(store: &impl SessionStore) {
    let put = record(&[("text", "\"40\""), ("high", "9223372036854775807")]);
    let (old, new) = (created(store, &put).await, key());
    let before = live(store, &old).await;
    let not_a_list = append_to(record(&[]).data(), "text");
    for (changes, error) in [
        (add(&[("text", 1)]), ErrorKind::Deserialize),
        (add(&[("high", 1)]), ErrorKind::Serialize),
        (not_a_list, ErrorKind::Deserialize),
    ] {
        let cycle = Cycle::new(before.clone(), changes, TTL, AT);
        let result = store.cycle(&old, &new, cycle).await;
        assert_eq!(kind(result), error);
    }
    assert_absent(store, &new).await;
    assert_same(&live(store, &old).await, &before);
    assert_eq!(before.created(), NOW);
}
