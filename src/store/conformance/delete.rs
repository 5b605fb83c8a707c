//! Deleting a record. Nothing brings it back.

use crate::store::arguments::{RequestTime, Update};
use crate::store::conformance::support::{
    AT, LAST, TTL, assert_absent, assert_same, bound, created, cycle_of, cycled, key, later, live,
    ok, record, set, state, update_of, user,
};
use crate::store::record::Found;
use crate::store::session_store::SessionStore;

pub(super) async fn run(store: &impl SessionStore) {
    deleted_record_stays_dead(store).await;
    delete_of_nothing_gives_absent(store).await;
    delete_includes_an_expired_record(store).await;
    delete_spares_redirects_and_tombstones(store).await;
}

async fn deleted_record_stays_dead(store: &impl SessionStore) {
    for put in [record(&[("a", "1")]), bound(&user(), "phone")] {
        let (old, new) = (created(store, &put).await, key());
        let read = live(store, &old).await;
        assert_eq!(ok(store.delete(&old, AT).await), Found::Live(()));

        let changes = set(&[("a", "2")]);
        for update in [update_of(&read, &changes), Update::new(changes, AT)] {
            let updated = ok(store.update(&old, update).await);
            assert_eq!(updated.map(drop), Found::Absent);
        }
        assert!(!ok(store.touch(&old, later(1_001), AT).await));
        let found = ok(store.cycle(&old, &new, cycle_of(&read)).await);
        assert_eq!(found.map(drop), Found::Absent);
        for key in [old, new] {
            assert_absent(store, &key).await;
        }
    }
}

async fn delete_of_nothing_gives_absent(store: &impl SessionStore) {
    let absent = key();
    assert_eq!(ok(store.delete(&absent, AT).await), Found::Absent);
    assert_absent(store, &absent).await;
}

async fn delete_includes_an_expired_record(store: &impl SessionStore) {
    let key = created(store, &record(&[("a", "1")])).await;
    let found = ok(store.delete(&key, RequestTime::at(TTL)).await);
    assert!(matches!(found, Found::Live(()) | Found::Absent));
    assert_eq!(state(store, &key, LAST).await, Found::Absent);
}

async fn delete_spares_redirects_and_tombstones(store: &impl SessionStore) {
    for redirects in [false, true] {
        let (old, new, _) = cycled(store, redirects).await;
        let (left, session) = (state(store, &old, AT).await, live(store, &new).await);
        assert_eq!(ok(store.delete(&old, AT).await), left);
        assert_eq!(state(store, &old, AT).await, left);
        assert_same(&live(store, &new).await, &session);
    }
}
