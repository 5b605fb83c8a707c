//! Users: a user's sessions are listed, and revoked sessions are dead.

use std::time::SystemTime;

use crate::clock::Timestamp;
use crate::id::StorageKey;
use crate::store::arguments::{Cycle, Replacement, RequestTime, Update};
use crate::store::conformance::support::{
    AT, NOW, TTL, assert_dead, assert_same, binding, bound, created, cycle_of, expect_live, key,
    later, live, ok, record, set, together, update_of, user,
};
use crate::store::record::Found;
use crate::store::session_store::SessionStore;
use crate::store::user::{Binding, Pseudonym, Revoked};

pub(super) async fn run(store: &impl SessionStore) {
    list_has_the_users_live_sessions(store).await;
    list_omits_ended_sessions(store).await;
    list_follows_the_binding(store).await;
    list_counts_a_cycled_login_once(store).await;
    binding_survives_every_write(store).await;
    revoked_sessions_are_dead(store).await;
    revocation_selects_by_handle(store).await;
    revocation_follows_cycles(store).await;
    revocation_wins_over_concurrent_cycles(store).await;
    concurrent_logins_are_all_listed(store).await;
    many_sessions_are_listed_and_revoked(store).await;
}

async fn list_has_the_users_live_sessions(store: &impl SessionStore) {
    let (ada, grace) = (user(), user());
    assert_eq!(handles(store, &ada).await, "");
    created(store, &bound(&ada, "phone")).await;
    let laptop = created(store, &bound(&ada, "laptop")).await;
    created(store, &bound(&grace, "other")).await;
    created(store, &record(&[("a", "1")])).await;
    assert_eq!(handles(store, &ada).await, "laptop phone");

    let now = later(5);
    let update = Update::new(set(&[("a", "2")]), RequestTime::at(now));
    ok(store.update(&laptop, update).await);
    let touched = created(store, &bound(&ada, "touched")).await;
    ok(store
        .touch(&touched, later(1_009), RequestTime::at(later(9)))
        .await);
    let sessions = ok(store.user_sessions(&ada, AT).await);
    let shown = |handle: &str| {
        let info = sessions.iter().find(|info| info.handle() == handle);
        let Some(info) = info else {
            panic!("{handle} is not listed");
        };
        (
            info.label().map(str::to_owned),
            (info.created(), info.last_seen(), info.expires()),
        )
    };
    let times = |seen: Timestamp, end: Timestamp| -> (SystemTime, SystemTime, SystemTime) {
        (NOW.into(), seen.into(), end.into())
    };
    assert_eq!(shown("laptop"), (Some("a laptop".into()), times(now, TTL)));
    assert_eq!(shown("phone"), (Some("a phone".into()), times(NOW, TTL)));
    let seen = times(later(9), later(1_009));
    assert_eq!(shown("touched"), (Some("a touched".into()), seen));

    let all = ok(store.all_user_sessions(&ada, AT).await);
    assert_eq!(all.len(), sessions.len());
    for info in sessions.iter().chain(all.iter()) {
        let Some(key) = info.storage_key() else {
            panic!("{} is listed without its key", info.handle());
        };
        let record = live(store, key).await;
        assert_eq!(record.binding().map(Binding::handle), Some(info.handle()));
    }
}

async fn list_omits_ended_sessions(store: &impl SessionStore) {
    let ada = user();
    let first = created(store, &bound(&ada, "first")).await;
    let second = created(store, &bound(&ada, "second")).await;
    ok(store.delete(&first, AT).await);
    assert_eq!(handles(store, &ada).await, "second", "after a deletion");

    let replacement = Replacement {
        read: Some(live(store, &second).await.into()),
        ..Replacement::new(record(&[]), AT)
    };
    ok(store.replace(&second, &key(), replacement).await);
    assert_eq!(handles(store, &ada).await, "", "after a replacement");

    created(store, &bound(&ada, "third")).await;
    let end = ok(store.user_sessions(&ada, RequestTime::at(TTL)).await);
    assert!(end.is_empty(), "after the expiry");
}

async fn list_follows_the_binding(store: &impl SessionStore) {
    let (ada, grace) = (user(), user());
    let mut at = created(store, &record(&[("a", "1")])).await;
    for (whose, handle) in [(&ada, "first"), (&grace, "second"), (&ada, "third")] {
        at = cycled_to(store, &at, Some(&binding(whose, handle)), false).await;
        let other = if *whose == ada { &grace } else { &ada };
        assert_eq!(handles(store, whose).await, handle);
        assert_eq!(handles(store, other).await, "", "it is no other user's");
    }
    ok(store.revoke(&grace, Revoked::All, AT).await);
    live(store, &at).await;
    at = cycled_to(store, &at, None, false).await;
    assert_eq!(handles(store, &ada).await, "");
    ok(store.revoke(&ada, Revoked::All, AT).await);
    live(store, &at).await;
}

async fn list_counts_a_cycled_login_once(store: &impl SessionStore) {
    for redirects in [false, true] {
        let ada = user();
        let old = created(store, &bound(&ada, "phone")).await;
        cycled_to(store, &old, Some(&binding(&ada, "phone")), redirects).await;
        assert_eq!(handles(store, &ada).await, "phone");
    }
}

async fn binding_survives_every_write(store: &impl SessionStore) {
    let ada = user();
    let (old, new) = (created(store, &bound(&ada, "phone")).await, key());
    let bound_to = binding(&ada, "phone");
    let read = live(store, &old).await;
    let updated = store.update(&old, update_of(&read, &set(&[("a", "2")])));
    let updated = expect_live(ok(updated.await));
    assert_eq!(updated.binding(), Some(&bound_to), "an update");
    ok(store.touch(&old, later(1_001), AT).await);
    let read = live(store, &old).await;
    assert_eq!(read.binding(), Some(&bound_to), "a touch");
    ok(store.cycle(&old, &new, cycle_of(&read)).await);
    let moved = live(store, &new).await;
    assert_eq!(moved.binding(), Some(&bound_to), "a cycle");
}

async fn revoked_sessions_are_dead(store: &impl SessionStore) {
    let (ada, grace) = (user(), user());
    let one = created(store, &bound(&ada, "one")).await;
    let two = created(store, &bound(&ada, "two")).await;
    let other = created(store, &bound(&grace, "other")).await;
    let anonymous = created(store, &record(&[("a", "1")])).await;
    let untouched = [live(store, &other).await, live(store, &anonymous).await];
    ok(store.revoke(&ada, Revoked::All, AT).await);
    for gone in [&one, &two] {
        assert_dead(store, gone).await;
    }
    assert_eq!(handles(store, &ada).await, "");
    assert_same(&live(store, &other).await, &untouched[0]);
    assert_same(&live(store, &anonymous).await, &untouched[1]);
    let late = store.update(&one, Update::new(set(&[("a", "2")]), AT));
    assert!(!matches!(ok(late.await), Found::Live(_)), "a late write");
    ok(store.revoke(&ada, Revoked::All, AT).await);

    created(store, &bound(&ada, "next")).await;
    assert_eq!(handles(store, &ada).await, "next", "another login");
}

async fn revocation_selects_by_handle(store: &impl SessionStore) {
    let ada = user();
    for handle in ["a", "b", "c", "d"] {
        created(store, &bound(&ada, handle)).await;
    }
    ok(store.revoke(&ada, Revoked::Only("b"), AT).await);
    assert_eq!(handles(store, &ada).await, "a c d");
    ok(store.revoke(&ada, Revoked::Only("b"), AT).await);
    ok(store.revoke(&user(), Revoked::Only("a"), AT).await);
    ok(store.revoke(&user(), Revoked::AllBut("a"), AT).await);
    assert_eq!(handles(store, &ada).await, "a c d");
    ok(store.revoke(&ada, Revoked::AllBut("c"), AT).await);
    assert_eq!(handles(store, &ada).await, "c");
}

async fn revocation_follows_cycles(store: &impl SessionStore) {
    for redirects in [false, true] {
        let ada = user();
        let mut keys = vec![created(store, &bound(&ada, "phone")).await];
        for _ in 0..3 {
            let last = keys.last().cloned().unwrap_or_else(key);
            let bound_to = binding(&ada, "phone");
            keys.push(cycled_to(store, &last, Some(&bound_to), redirects).await);
        }
        ok(store.revoke(&ada, Revoked::All, AT).await);
        for key in &keys {
            assert_dead(store, key).await;
        }
        assert_eq!(handles(store, &ada).await, "");
    }
}

/// Cycles the ids of sessions while they are revoked. Every cycle comes before or after it.
async fn revocation_wins_over_concurrent_cycles(store: &impl SessionStore) {
    enum Call<'a> {
        Cycle(&'a StorageKey, &'a StorageKey),
        Revoke,
    }
    let ada = &user();
    let mut keys = Vec::new();
    for n in 0..3 {
        let old = created(store, &bound(ada, &n.to_string())).await;
        keys.push((old, key()));
    }
    let mut calls: Vec<Call<'_>> = keys.iter().map(|(a, b)| Call::Cycle(a, b)).collect();
    calls.insert(1, Call::Revoke);
    let running = calls.into_iter().map(|call| async move {
        match call {
            Call::Cycle(from, to) => {
                if let Found::Live(read) = ok(store.load(from, AT).await) {
                    ok(store.cycle(from, to, cycle_of(&read)).await);
                }
            }
            Call::Revoke => ok(store.revoke(ada, Revoked::All, AT).await),
        }
    });
    together(running).await;
    for key in keys.iter().flat_map(|(old, new)| [old, new]) {
        assert_dead(store, key).await;
    }
    assert_eq!(handles(store, ada).await, "");
}

async fn concurrent_logins_are_all_listed(store: &impl SessionStore) {
    let ada = user();
    let records: Vec<_> = (0..6).map(|n| bound(&ada, &n.to_string())).collect();
    let keys: Vec<StorageKey> = records.iter().map(|_| key()).collect();
    let logins = keys.iter().zip(&records);
    let logins = logins.map(|(key, record)| store.create(key, record, AT));
    for created in together(logins).await {
        ok(created);
    }
    assert_eq!(handles(store, &ada).await, "0 1 2 3 4 5");
}

async fn many_sessions_are_listed_and_revoked(store: &impl SessionStore) {
    const MANY: usize = 130;
    let ada = user();
    let mut keys = Vec::new();
    for n in 0..MANY {
        keys.push(created(store, &bound(&ada, &format!("{n:03}"))).await);
    }
    let listed = ok(store.user_sessions(&ada, AT).await);
    assert!(listed.len() == MANY || listed.has_more(), "a complete list");
    ok(store.revoke(&ada, Revoked::All, AT).await);
    assert_eq!(handles(store, &ada).await, "");
    for key in &keys {
        assert_dead(store, key).await;
    }
}

/// Cycles the id of a session, and returns its new key.
async fn cycled_to(
    store: &impl SessionStore,
    from: &StorageKey,
    binding: Option<&Binding>,
    redirects: bool,
) -> StorageKey {
    let (to, read) = (key(), live(store, from).await);
    let cycle = Cycle {
        binding: binding.cloned(),
        redirects,
        ..cycle_of(&read)
    };
    let moved = expect_live(ok(store.cycle(from, &to, cycle).await));
    assert_eq!(moved.binding(), binding);
    to
}

/// Returns all handles that are listed, in order.
async fn handles(store: &impl SessionStore, user: &Pseudonym) -> String {
    let sessions = ok(store.user_sessions(user, AT).await);
    let mut handles: Vec<_> = sessions.iter().map(|info| info.handle()).collect();
    handles.sort_unstable();
    handles.join(" ")
}
