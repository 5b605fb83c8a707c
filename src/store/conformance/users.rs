//! Checks of stores that keep users: a user's sessions are listed, and revoked sessions are dead,
//! even if their ids were cycled.

use std::time::{Duration, SystemTime};

use super::{AT, NOW, TTL, absent_or_stub, expect_live, key, kind, live, ok, record, set};
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::id::StorageKey;
use crate::store::changes::change_set::Changes;
use crate::store::record::{Found, Record};
use crate::store::session_store::{Cycle, Replacement, RequestTime, SessionStore, Update};
use crate::store::user::{Binding, Pseudonym, Revoked};

/// Runs every check, or the checks of a store that does not keep users.
pub(super) async fn run(store: &impl SessionStore) {
    if !store.keeps_users() {
        return a_store_without_users_says_so(store).await;
    }
    a_users_sessions_are_listed(store).await;
    what_is_dead_is_not_listed(store).await;
    a_binding_survives_what_becomes_of_the_record(store).await;
    a_renewal_may_bind_and_bind_to_another(store).await;
    revoked_sessions_are_dead(store).await;
    one_is_revoked_or_all_but_one(store).await;
    a_revocation_follows_renewals(store).await;
    many_sessions_are_listed_and_revoked(store).await;
}

async fn a_store_without_users_says_so(store: &impl SessionStore) {
    let user = user();
    let listed = kind(store.user_sessions(&user, AT).await);
    assert_eq!(listed, ErrorKind::Misconfigured);
    let revoked = kind(store.revoke(&user, Revoked::All, AT).await);
    assert_eq!(revoked, ErrorKind::Misconfigured);
}

async fn a_users_sessions_are_listed(store: &impl SessionStore) {
    let (ada, grace) = (user(), user());
    assert_eq!(handles(store, &ada).await, "");
    begin(store, &ada, "phone").await;
    let laptop = begin(store, &ada, "laptop").await;
    begin(store, &grace, "other").await;
    begin_unbound(store).await;
    assert_eq!(handles(store, &ada).await, "laptop phone");

    let later = NOW.plus(Duration::from_secs(5));
    let changes = set(&[("a", "2")]);
    let update = Update::new(changes.clone(), RequestTime::at(later));
    ok(store.update(&laptop, update).await);
    let sessions = ok(store.user_sessions(&ada, AT).await);
    let told = |handle: &str| {
        let info = sessions.iter().find(|info| info.handle() == handle);
        let Some(info) = info else {
            panic!("{handle} is listed");
        };
        (
            info.label().map(str::to_owned),
            (info.created(), info.last_seen(), info.expires()),
        )
    };
    let times = |seen: Timestamp| -> (SystemTime, SystemTime, SystemTime) {
        (NOW.into(), seen.into(), TTL.into())
    };
    assert_eq!(told("laptop"), (Some("a laptop".into()), times(later)));
    assert_eq!(told("phone"), (Some("a phone".into()), times(NOW)));
}

async fn what_is_dead_is_not_listed(store: &impl SessionStore) {
    let ada = user();
    let (first, second) = (
        begin(store, &ada, "first").await,
        begin(store, &ada, "second").await,
    );
    ok(store.delete(&first, AT).await);
    assert_eq!(handles(store, &ada).await, "second", "after a logout");
    let (read, fresh) = (live(store, &second).await, record(&[]));
    let replacement = Replacement {
        read: Some(read.clone().into()),
        ..Replacement::new(fresh.clone(), AT)
    };
    ok(store.replace(&second, &key(), replacement).await);
    assert_eq!(handles(store, &ada).await, "", "after it began anew");
    begin(store, &ada, "third").await;
    let end = ok(store.user_sessions(&ada, RequestTime::at(TTL)).await);
    assert!(end.is_empty(), "after they have expired");
}

async fn a_binding_survives_what_becomes_of_the_record(store: &impl SessionStore) {
    let ada = user();
    let (old, new) = (begin(store, &ada, "phone").await, key());
    let changes = set(&[("a", "2")]);
    let bound = live(store, &old).await.binding().cloned();
    assert_eq!(bound, Some(binding(&ada, "phone")));
    let updated = expect_live(ok(store
        .update(&old, Update::new(changes.clone(), AT))
        .await));
    assert_eq!(updated.binding(), bound.as_ref(), "an update");
    let later = TTL.plus(Duration::from_secs(1));
    ok(store.touch(&old, later, AT).await);
    let read = live(store, &old).await;
    assert_eq!(read.binding(), bound.as_ref(), "a touch");
    let renewal = Cycle::new(read.clone(), changes.clone(), TTL, AT);
    ok(store.cycle(&old, &new, renewal).await);
    let renewed = live(store, &new).await;
    assert_eq!(renewed.binding(), bound.as_ref(), "a renewal");
    assert_eq!(handles(store, &ada).await, "phone", "one login");
}

async fn a_renewal_may_bind_and_bind_to_another(store: &impl SessionStore) {
    let (ada, grace) = (user(), user());
    let mut at = begin_unbound(store).await;
    for (whose, handle) in [(&ada, "first"), (&grace, "second"), (&ada, "third")] {
        at = renew(store, &at, Some(&binding(whose, handle)), false).await;
        let other = if *whose == ada { &grace } else { &ada };
        assert_eq!(handles(store, whose).await, handle);
        assert_eq!(handles(store, other).await, "", "it is nobody else's");
    }
    ok(store.revoke(&grace, Revoked::All, AT).await);
    live(store, &at).await;
    at = renew(store, &at, None, false).await;
    ok(store.revoke(&ada, Revoked::All, AT).await);
    live(store, &at).await;
}

async fn revoked_sessions_are_dead(store: &impl SessionStore) {
    let (ada, grace) = (user(), user());
    let (one, two) = (
        begin(store, &ada, "one").await,
        begin(store, &ada, "two").await,
    );
    let (others, anonymous) = (
        begin(store, &grace, "other").await,
        begin_unbound(store).await,
    );
    ok(store.revoke(&ada, Revoked::All, AT).await);
    for gone in [&one, &two] {
        absent_or_stub(store, gone).await;
    }
    assert_eq!(handles(store, &ada).await, "");
    live(store, &others).await;
    live(store, &anonymous).await;
    let changes = set(&[("a", "2")]);
    let updated = ok(store.update(&one, Update::new(changes.clone(), AT)).await);
    assert!(!matches!(updated, Found::Live(_)), "a late write");
    ok(store.revoke(&ada, Revoked::All, AT).await);

    begin(store, &ada, "later").await;
    assert_eq!(handles(store, &ada).await, "later", "another login");
}

async fn one_is_revoked_or_all_but_one(store: &impl SessionStore) {
    let ada = user();
    for handle in ["a", "b", "c", "d"] {
        begin(store, &ada, handle).await;
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

async fn a_revocation_follows_renewals(store: &impl SessionStore) {
    for redirects in [false, true] {
        let ada = user();
        let mut keys = vec![begin(store, &ada, "phone").await];
        for _ in 0..3 {
            let bound = binding(&ada, "phone");
            let last = keys.last().cloned().unwrap_or_else(key);
            keys.push(renew(store, &last, Some(&bound), redirects).await);
        }
        ok(store.revoke(&ada, Revoked::All, AT).await);
        for key in &keys {
            absent_or_stub(store, key).await;
        }
        assert_eq!(handles(store, &ada).await, "");
    }
}

async fn many_sessions_are_listed_and_revoked(store: &impl SessionStore) {
    const MANY: usize = 130;
    let ada = user();
    for n in 0..MANY {
        begin(store, &ada, &format!("{n:03}")).await;
    }
    let listed = ok(store.user_sessions(&ada, AT).await);
    assert_eq!(listed.len(), MANY);
    ok(store.revoke(&ada, Revoked::All, AT).await);
    assert_eq!(handles(store, &ada).await, "");
}

/// Creates a session of that user, and returns its key.
async fn begin(store: &impl SessionStore, user: &Pseudonym, handle: &str) -> StorageKey {
    let key = key();
    let record = record(&[("a", "1")]).bound_to(Some(binding(user, handle)));
    ok(store.create(&key, &record, AT).await);
    key
}

async fn begin_unbound(store: &impl SessionStore) -> StorageKey {
    let key = key();
    ok(store.create(&key, &record(&[("a", "1")]), AT).await);
    key
}

/// Cycles the id of a session, and returns its new key.
async fn renew(
    store: &impl SessionStore,
    from: &StorageKey,
    binding: Option<&Binding>,
    redirects: bool,
) -> StorageKey {
    let (to, read) = (key(), live(store, from).await);
    let none = Changes::default();
    let renewal = Cycle {
        binding: binding.cloned(),
        redirects,
        ..Cycle::new(read.clone(), none.clone(), TTL, AT)
    };
    let renewed: Record = expect_live(ok(store.cycle(from, &to, renewal).await));
    assert_eq!(renewed.binding(), binding);
    to
}

fn binding(user: &Pseudonym, handle: &str) -> Binding {
    let label = format!("a {handle}");
    Binding::new(user.clone(), handle.to_owned(), Some(label), TTL)
}

/// Returns all handles that are listed, in order.
async fn handles(store: &impl SessionStore, user: &Pseudonym) -> String {
    let sessions = ok(store.user_sessions(user, AT).await);
    let mut handles: Vec<_> = sessions.iter().map(|info| info.handle()).collect();
    handles.sort_unstable();
    handles.join(" ")
}

fn user() -> Pseudonym {
    ok(Pseudonym::random())
}
