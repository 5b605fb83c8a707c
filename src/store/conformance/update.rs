//! Updating some keys of a record.

use crate::error::ErrorKind;
use crate::store::arguments::{Cycle, RequestTime, Update};
use crate::store::changes::change_set::Changes;
use crate::store::conformance::support::{
    AT, LAST, NOW, TTL, add, append, append_to, assert_absent, assert_same, binding, bound,
    created, cycle_of, cycled, data, expect_live, key, kind, later, live, ok, record, set, state,
    take_once, update_of, user,
};
use crate::store::data::{Data, Entry};
use crate::store::record::{Found, Record};
use crate::store::session_store::SessionStore;

pub(super) async fn run(store: &impl SessionStore) {
    update_changes_only_its_keys(store).await;
    update_sets_expiry_and_label(store).await;
    update_keeps_concurrent_changes(store).await;
    update_returns_the_version_of_a_hint(store).await;
    update_needs_a_live_record(store).await;
    increments_add_up(store).await;
    function_gets_the_stored_value(store).await;
    required_unchanged_fails_on_change(store).await;
    value_is_taken_once(store).await;
    many_keys_are_one_update(store).await;
    clear_leaves_an_empty_record(store).await;
    too_large_update_writes_nothing(store).await;
}

async fn update_changes_only_its_keys(store: &impl SessionStore) {
    let bound_to = Some(binding(&user(), "phone"));
    let put = record(&[("keep", "1"), ("change", "1"), ("go", "1")]);
    let put = put.bound_to(bound_to.clone()).issued_at(later(3));
    let key = created(store, &put).await;
    let read = live(store, &key).await;
    let mut changes = set(&[("change", "2"), ("new", "[3]")]);
    changes.remove(None, "go");
    changes.remove(None, "was never there");
    let now = later(7);
    let update = Update {
        at: RequestTime::at(now),
        ..update_of(&read, &changes)
    };
    let updated = expect_live(ok(store.update(&key, update).await));
    let expected = put
        .with_data(data(&[("keep", "1"), ("change", "2"), ("new", "[3]")]))
        .at_version(2)
        .modified_at(now);
    assert_same(&updated, &expected);
    assert_same(&live(store, &key).await, &expected);

    // An update without an effect is a write too.
    ok(store.update(&key, Update::new(changes, AT)).await);
    assert_eq!(live(store, &key).await.version(), 3);
}

async fn update_sets_expiry_and_label(store: &impl SessionStore) {
    let key = created(store, &bound(&user(), "phone")).await;
    let label = |record: &Record| {
        let binding = record.binding();
        binding.and_then(|binding| binding.label().map(str::to_owned))
    };
    for (n, ttl) in [later(1_005), later(900)].into_iter().enumerate() {
        let named = format!("label {n}");
        let update = Update {
            ttl: Some(ttl),
            label: Some(named.clone()),
            ..Update::new(set(&[("a", "2")]), AT)
        };
        let updated = expect_live(ok(store.update(&key, update).await));
        for seen in [updated, live(store, &key).await] {
            assert_eq!((seen.ttl(), label(&seen)), (ttl, Some(named.clone())));
        }
        ok(store
            .update(&key, Update::new(set(&[("a", "3")]), AT))
            .await);
        let kept = live(store, &key).await;
        assert_eq!((kept.ttl(), label(&kept)), (ttl, Some(named)));
    }

    let unbound = created(store, &record(&[])).await;
    let update = Update {
        label: Some("a label".to_owned()),
        ..Update::new(set(&[("a", "1")]), AT)
    };
    let updated = expect_live(ok(store.update(&unbound, update).await));
    assert_eq!(updated.binding(), None);
    assert_eq!(live(store, &unbound).await.binding(), None);
}

async fn update_keeps_concurrent_changes(store: &impl SessionStore) {
    let key = created(store, &record(&[("n", "1")])).await;
    let stale = live(store, &key).await;
    let theirs = Update::new(set(&[("theirs", "1")]), AT);
    ok(store.update(&key, theirs).await);
    let mut changes = set(&[("ours", "1")]);
    ok(changes.add(Some(stale.data()), "n", 1));
    let updated = store.update(&key, update_of(&stale, &changes)).await;
    let expected = data(&[("n", "2"), ("theirs", "1"), ("ours", "1")]);
    assert_eq!(expect_live(ok(updated)).data(), &expected);
    assert_eq!(live(store, &key).await.data(), &expected);
}

async fn update_returns_the_version_of_a_hint(store: &impl SessionStore) {
    let key = created(store, &record(&[("a", "1")])).await;
    let read = live(store, &key).await;
    // Another request writes between the two.
    for (n, version) in [("1", 2), ("2", 4)] {
        let update = Update {
            discards_values: true,
            ..update_of(&read, &set(&[("a", n)]))
        };
        let updated = expect_live(ok(store.update(&key, update).await));
        if store.reads_may_be_stale() {
            assert_eq!(updated.version(), version);
        }
        let theirs = Update::new(set(&[("theirs", n)]), AT);
        ok(store.update(&key, theirs).await);
        let after = data(&[("a", n), ("theirs", n)]);
        assert_eq!(live(store, &key).await.data(), &after);
    }
}

async fn update_needs_a_live_record(store: &impl SessionStore) {
    let changes = set(&[("a", "2")]);
    let absent = key();
    let updated = store
        .update(&absent, Update::new(changes.clone(), AT))
        .await;
    assert_eq!(ok(updated).map(drop), Found::Absent);
    assert_absent(store, &absent).await;

    let expired = created(store, &record(&[("a", "1")])).await;
    let before = live(store, &expired).await;
    let end = RequestTime::at(TTL);
    let reading = Update {
        at: end,
        ttl: Some(later(2_000)),
        ..update_of(&before, &changes)
    };
    for update in [reading, Update::new(changes.clone(), end)] {
        let updated = ok(store.update(&expired, update).await);
        assert_eq!(updated.map(drop), Found::Absent);
    }
    let still = expect_live(ok(store.load(&expired, LAST).await));
    assert_same(&still, &before);

    for redirects in [false, true] {
        let (old, new, read) = cycled(store, redirects).await;
        let (left, session) = (state(store, &old, AT).await, live(store, &new).await);
        for update in [update_of(&read, &changes), Update::new(changes.clone(), AT)] {
            let updated = ok(store.update(&old, update).await);
            assert_eq!(updated.map(drop), left);
        }
        assert_eq!(state(store, &old, AT).await, left);
        assert_same(&live(store, &new).await, &session);
    }
}

async fn increments_add_up(store: &impl SessionStore) {
    let put = record(&[
        ("n", "40"),
        ("text", "\"40\""),
        ("high", "9223372036854775806"),
    ]);
    let key = created(store, &put).await;
    let sums = Update::new(add(&[("n", 2), ("absent", -3)]), AT);
    let updated = expect_live(ok(store.update(&key, sums).await));
    assert_eq!(updated.data().get("n"), Some(&Entry::from_json("42")));
    let from_0 = Some(&Entry::from_json("-3")).cloned();
    assert_eq!(updated.data().get("absent").cloned(), from_0);

    let before = live(store, &key).await;
    for (wrong, error) in [
        ([("n", 1), ("text", 1)], ErrorKind::Deserialize),
        ([("n", 1), ("high", 2)], ErrorKind::Serialize),
    ] {
        let result = store.update(&key, Update::new(add(&wrong), AT)).await;
        assert_eq!(kind(result), error);
        let result = store.update(&key, update_of(&before, &add(&wrong))).await;
        assert_eq!(kind(result), error, "a record that was read");
    }
    assert_same(&live(store, &key).await, &before);

    let most = Update::new(add(&[("high", 1)]), AT);
    ok(store.update(&key, most).await);
    let read = live(store, &key).await;
    let most = Entry::from_json(i64::MAX.to_string());
    assert_eq!(read.data().get("high"), Some(&most));
}

async fn function_gets_the_stored_value(store: &impl SessionStore) {
    let key = created(store, &record(&[("list", "[1]"), ("n", "1")])).await;
    let stale = live(store, &key).await;
    let theirs = set(&[("list", "[1,2]"), ("new", "[7]"), ("theirs", "1")]);
    ok(store.update(&key, Update::new(theirs, AT)).await);

    // The update also has a set, a removal and an increment, which must be made with it.
    let mut changes = set(&[("ours", "1")]);
    for list in ["list", "new"] {
        ok(changes.update(Some(stale.data()), list, append()));
    }
    ok(changes.add(Some(stale.data()), "n", 1));
    changes.remove(Some(stale.data()), "absent");
    let updated = store.update(&key, update_of(&stale, &changes)).await;
    let expected = data(&[
        ("list", "[1,2,0]"),
        ("new", "[7,0]"),
        ("n", "2"),
        ("theirs", "1"),
        ("ours", "1"),
    ]);
    for seen in [expect_live(ok(updated)), live(store, &key).await] {
        assert_eq!((seen.data(), seen.version()), (&expected, 3));
    }

    // Another request removes the value, and then changes its type.
    let read = live(store, &key).await;
    let update = update_of(&read, &append_to(read.data(), "list"));
    let mut theirs = Changes::default();
    theirs.remove(None, "list");
    ok(store.update(&key, Update::new(theirs, AT)).await);
    ok(store.update(&key, update.clone()).await);
    let list = live(store, &key).await;
    assert_eq!(list.data().get("list"), Some(&Entry::from_json("[0]")));
    let theirs = set(&[("list", "\"no list\"")]);
    ok(store.update(&key, Update::new(theirs, AT)).await);
    let before = live(store, &key).await;
    let result = store.update(&key, update).await;
    assert_eq!(kind(result), ErrorKind::Deserialize);
    assert_same(&live(store, &key).await, &before);
}

async fn required_unchanged_fails_on_change(store: &impl SessionStore) {
    let (old, new) = (created(store, &record(&[("a", "1")])).await, key());
    let stale = live(store, &old).await;
    ok(store.touch(&old, later(1_001), AT).await);
    let changes = set(&[("ours", "1")]);
    let update = Update {
        require_unchanged: true,
        ..update_of(&stale, &changes)
    };
    // A touch is not a change.
    expect_live(ok(store.update(&old, update.clone()).await));

    // The first write changed the record, so the same read is stale now.
    let before = live(store, &old).await;
    let result = store.update(&old, update).await;
    assert_eq!(kind(result), ErrorKind::Conflict);
    let cycle = Cycle {
        require_unchanged: true,
        ..cycle_of(&stale)
    };
    let result = store.cycle(&old, &new, cycle.clone()).await;
    assert_eq!(kind(result), ErrorKind::Conflict);
    assert_absent(store, &new).await;
    assert_same(&live(store, &old).await, &before);
    let cycle = Cycle {
        read: before.into(),
        ..cycle
    };
    expect_live(ok(store.cycle(&old, &new, cycle).await));
}

async fn value_is_taken_once(store: &impl SessionStore) {
    let put = record(&[("token", "1"), ("other", "1")]);
    let (old, new) = (created(store, &put).await, key());
    let read = live(store, &old).await;
    let mut take = take_once(read.data(), "token");
    take.set(Some(read.data()), "taken", Entry::from_json("1"));
    let updated = store.update(&old, update_of(&read, &take)).await;
    let expected = data(&[("other", "1"), ("taken", "1")]);
    assert_eq!(expect_live(ok(updated)).data(), &expected);

    let before = live(store, &old).await;
    let result = store.update(&old, update_of(&read, &take)).await;
    assert_eq!(kind(result), ErrorKind::Conflict, "it is gone");
    let cycle = Cycle::new(read, take, TTL, AT);
    let result = store.cycle(&old, &new, cycle).await;
    assert_eq!(kind(result), ErrorKind::Conflict, "also for a cycle");
    assert_absent(store, &new).await;
    assert_same(&live(store, &old).await, &before);
}

/// Updates more keys than fit in one of DynamoDB's expressions, including sums and removals.
async fn many_keys_are_one_update(store: &impl SessionStore) {
    let names: Vec<String> = (0..700).map(|n| format!("key number {n}")).collect();
    let put: Data = names
        .iter()
        .step_by(2)
        .map(|n| (n.as_str(), Entry::from_json("1")))
        .collect();
    let key = created(store, &Record::new(put, NOW, TTL)).await;
    let stale = live(store, &key).await;
    let theirs = Update::new(set(&[("theirs", "1")]), AT);
    ok(store.update(&key, theirs).await);

    let (mut changes, mut expected) = (Changes::default(), data(&[("theirs", "1")]));
    for (n, name) in names.iter().enumerate() {
        let counted = if n % 2 == 0 { "6" } else { "5" };
        match n % 3 {
            0 => {
                changes.set(None, name, Entry::from_json("\"set\""));
                expected.insert(name.as_str(), Entry::from_json("\"set\""));
            }
            1 => {
                ok(changes.add(None, name, 5));
                expected.insert(name.as_str(), Entry::from_json(counted));
            }
            _ => changes.remove(None, name),
        }
    }
    // The update is made with a stale read, and without one.
    let updated = store.update(&key, update_of(&stale, &changes)).await;
    assert_eq!(expect_live(ok(updated)).data(), &expected);
    assert_eq!(live(store, &key).await.version(), 3);
    let again = set(&names.iter().map(|n| (n.as_str(), "0")).collect::<Vec<_>>());
    ok(store.update(&key, Update::new(again, AT)).await);
    let read = live(store, &key).await;
    assert_eq!((read.data().len(), read.version()), (701, 4));
}

async fn clear_leaves_an_empty_record(store: &impl SessionStore) {
    let key = created(store, &record(&[("a", "1"), ("b", "2")])).await;
    let read = live(store, &key).await;
    let mut changes = Changes::default();
    changes.clear(read.data());
    let cleared = store.update(&key, update_of(&read, &changes)).await;
    assert!(expect_live(ok(cleared)).data().is_empty());
    let stored = live(store, &key).await;
    assert!(stored.data().is_empty(), "it is stored, and empty");

    let one = Update::new(set(&[("a", "1")]), AT);
    ok(store.update(&key, one).await);
    let read = live(store, &key).await;
    let mut changes = Changes::default();
    changes.clear(read.data());
    changes.set(Some(read.data()), "c", Entry::from_json("3"));
    ok(store.update(&key, update_of(&read, &changes)).await);
    assert_eq!(live(store, &key).await.data(), &data(&[("c", "3")]));
}

/// The suite does not know the limit of the store, if there is one.
async fn too_large_update_writes_nothing(store: &impl SessionStore) {
    let key = created(store, &record(&[("a", "1")])).await;
    let before = live(store, &key).await;
    let text = format!("\"{}\"", "x".repeat(1_000_000));
    let changes = set(&[("a", "2"), ("large", &text)]);
    match store.update(&key, Update::new(changes, AT)).await {
        Ok(updated) => assert_eq!(expect_live(updated).data().size(), text.len() + 7),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::TooLarge);
            assert_same(&live(store, &key).await, &before);
        }
    }
}
