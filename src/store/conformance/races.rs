//! Concurrent operations: each one takes effect in one step or not at all.

use crate::error::ErrorKind;
use crate::id::StorageKey;
use crate::store::arguments::{Replacement, Update};
use crate::store::changes::change_set::Changes;
use crate::store::conformance::support::{
    AT, add, append_to, assert_absent, bound, created, cycle_of, data, expect_live, key, live, ok,
    record, set, state, take_once, together, update_of, user,
};
use crate::store::data::Entry;
use crate::store::record::Found;
use crate::store::session_store::SessionStore;

pub(super) async fn run(store: &impl SessionStore) {
    concurrent_updates_all_survive(store).await;
    concurrent_functions_all_apply(store).await;
    concurrent_increments_add_up(store).await;
    value_is_taken_by_one(store).await;
    one_of_many_creates_wins(store).await;
    one_of_many_cycles_wins(store).await;
    one_of_many_replacements_deletes(store).await;
    cycle_loses_no_concurrent_update(store).await;
    delete_wins_over_concurrent_updates(store).await;
}

async fn concurrent_updates_all_survive(store: &impl SessionStore) {
    let key = created(store, &record(&[])).await;
    let read = live(store, &key).await;
    let names: Vec<String> = (0..20).map(|n| format!("k{n}")).collect();
    let changes: Vec<Changes> = names
        .iter()
        .map(|name| {
            let mut changes = set(&[(name, "1")]);
            ok(changes.add(None, "n", 1));
            changes
        })
        .collect();
    let updates = changes.iter();
    let updates = updates.map(|changes| store.update(&key, update_of(&read, changes)));
    for updated in together(updates).await {
        expect_live(ok(updated));
    }
    let read = live(store, &key).await;
    let sum = read.data().get("n");
    assert_eq!(sum, Some(&Entry::from_json("20")), "no increment is lost");
    assert_eq!(read.data().len(), 21, "no key is lost");
    assert_eq!(read.version(), 21);
}

async fn concurrent_functions_all_apply(store: &impl SessionStore) {
    let key = created(store, &record(&[("list", "[]")])).await;
    let read = live(store, &key).await;
    let update = update_of(&read, &append_to(read.data(), "list"));
    let updates = (0..10).map(|_| store.update(&key, update.clone()));
    for updated in together(updates).await {
        expect_live(ok(updated));
    }
    let read = live(store, &key).await;
    let ten = data(&[("list", "[0,0,0,0,0,0,0,0,0,0]")]);
    assert_eq!((read.data(), read.version()), (&ten, 11));
}

async fn concurrent_increments_add_up(store: &impl SessionStore) {
    let key = created(store, &record(&[("n", "0")])).await;
    let updates = (0..20).map(|_| store.update(&key, Update::new(add(&[("n", 1)]), AT)));
    for updated in together(updates).await {
        expect_live(ok(updated));
    }
    let read = live(store, &key).await;
    assert_eq!(read.data(), &data(&[("n", "20")]));
}

async fn value_is_taken_by_one(store: &impl SessionStore) {
    let key = created(store, &record(&[("token", "1")])).await;
    let read = live(store, &key).await;
    let update = update_of(&read, &take_once(read.data(), "token"));
    let updates = (0..5).map(|_| store.update(&key, update.clone()));
    let mut taken = 0;
    for result in together(updates).await {
        match result {
            Ok(found) => {
                expect_live(found);
                taken += 1;
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
        }
    }
    assert_eq!(taken, 1, "of several requests, one gets the value");
}

async fn one_of_many_creates_wins(store: &impl SessionStore) {
    let key = key();
    let records: Vec<_> = (0..5).map(|n| record(&[("n", &n.to_string())])).collect();
    let creates = records.iter().map(|record| store.create(&key, record, AT));
    let results = together(creates).await;
    let won: Vec<usize> = (0..5).filter(|n| results[*n].is_ok()).collect();
    assert_eq!(won.len(), 1, "{results:?}");
    let read = live(store, &key).await;
    assert_eq!(read.data(), records[won[0]].data());
}

async fn one_of_many_cycles_wins(store: &impl SessionStore) {
    let old = created(store, &record(&[("a", "1")])).await;
    let read = live(store, &old).await;
    let keys: Vec<StorageKey> = (0..5).map(|_| key()).collect();
    let cycles = keys.iter();
    let cycles = cycles.map(|new| store.cycle(&old, new, cycle_of(&read)));
    let mut won = 0;
    for found in together(cycles).await {
        match ok(found).map(drop) {
            Found::Live(()) => won += 1,
            late => assert!(matches!(late, Found::Tombstone(_)), "{late:?}"),
        }
    }
    assert_eq!(won, 1, "of several cycles, one wins");
    let mut there = 0;
    for key in &keys {
        there += usize::from(state(store, key, AT).await == Found::Live(()));
    }
    assert_eq!(there, 1, "the session has one id");
}

/// Each replacement stores its record, also if another one has deleted the old record first.
async fn one_of_many_replacements_deletes(store: &impl SessionStore) {
    let user = user();
    let old = created(store, &bound(&user, "old")).await;
    let read = live(store, &old).await;
    let keys: Vec<StorageKey> = (0..4).map(|_| key()).collect();
    let replacements = keys.iter().enumerate().map(|(n, new)| {
        let replacement = Replacement {
            read: Some(read.clone().into()),
            ..Replacement::new(bound(&user, &n.to_string()), AT)
        };
        store.replace(&old, new, replacement)
    });
    for found in together(replacements).await {
        let found = ok(found);
        assert!(matches!(found, Found::Live(()) | Found::Absent));
    }
    assert_absent(store, &old).await;
    for key in &keys {
        live(store, key).await;
    }
    let listed = ok(store.user_sessions(&user, AT).await);
    assert_eq!(listed.len(), keys.len());
}

async fn cycle_loses_no_concurrent_update(store: &impl SessionStore) {
    let (old, new) = (created(store, &record(&[("n", "0")])).await, key());
    let read = live(store, &old).await;
    let changes = add(&[("n", 1)]);
    let (old, new, read) = (&old, &new, &read);
    let all = (0..8).map(|n| {
        let update = Update::new(changes.clone(), AT);
        async move {
            match n {
                4 => store.cycle(old, new, cycle_of(read)).await,
                _ => store.update(old, update).await,
            }
        }
    });
    let found = together(all).await.into_iter().map(ok);
    let written = found
        .filter(|found| matches!(found, Found::Live(_)))
        .count()
        - 1;
    let moved = live(store, new).await;
    assert_eq!(moved.data(), &data(&[("n", &written.to_string())]));
}

async fn delete_wins_over_concurrent_updates(store: &impl SessionStore) {
    let key = created(store, &record(&[("n", "0")])).await;
    let key = &key;
    let all = (0..8).map(|n| async move {
        match n {
            4 => ok(store.delete(key, AT).await),
            _ => {
                let update = Update::new(add(&[("n", 1)]), AT);
                ok(store.update(key, update).await).map(drop)
            }
        }
    });
    together(all).await;
    assert_absent(store, key).await;
}
