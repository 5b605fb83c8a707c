//! The store's own methods: new ids, ended sessions, and values that cannot be stored.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use aws_sdk_dynamodb::types::AttributeValue;
use lambda_sessions_tower::TowerStore;
use lambda_sessions_tower::lambda_sessions::MemoryStore;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::tower_sessions::SessionStore;
use super::tower_sessions::session::{Id, Record};
use super::tower_sessions::session_store::Error;
use crate::harness::Setup;
use crate::support::{Action, number, stored_value, text};

/// Returns a record that is not stored. Its id is one of tower-sessions.
pub(super) fn record(visits: i64) -> Record {
    Record {
        id: Id::default(),
        data: [("visits".to_owned(), json!(visits))].into(),
        expiry_date: OffsetDateTime::now_utc() + Duration::hours(1),
    }
}

/// Returns a record that is stored.
pub(super) async fn stored(store: &impl SessionStore, visits: i64) -> Record {
    let mut record = record(visits);
    store.create(&mut record).await.unwrap();
    record
}

/// Returns the number of visits, if there is a live session.
pub(super) async fn visits(store: &impl SessionStore, id: &Id) -> Option<i64> {
    let record = store.load(id).await.unwrap()?;
    record.data["visits"].as_i64()
}

#[tokio::test]
async fn create_replaces_the_id() {
    let store = TowerStore::new(MemoryStore::new());
    let mut ids = HashSet::new();
    for _ in 0..100 {
        let mut record = record(1);
        let of_tower_sessions = record.id;
        store.create(&mut record).await.unwrap();
        assert_ne!(record.id, of_tower_sessions);
        assert!(store.load(&of_tower_sessions).await.unwrap().is_none());
        assert_eq!(visits(&store, &record.id).await, Some(1));
        assert!(ids.insert(record.id), "an id is used once");
    }
}

#[tokio::test]
async fn loaded_record_is_the_one_that_was_saved() {
    let setup = Setup::new().await;
    let mut record = stored(&setup.store, 1).await;
    record.data.insert(
        "cart".to_owned(),
        json!({ "b": [1.5, null], "a": "\u{e9}" }),
    );
    setup.store.save(&record).await.unwrap();
    let loaded = setup.store.load(&record.id).await.unwrap().unwrap();
    record.expiry_date = record.expiry_date.replace_nanosecond(0).unwrap();
    assert_eq!(loaded, record);
    assert_eq!(visits(&setup.elsewhere(), &record.id).await, Some(1));
}

/// Another session's key takes the place of a new one in the requests on the wire.
#[tokio::test]
async fn create_collision_gets_another_id() {
    let setup = Setup::new().await;
    let first = stored(&setup.store, 1).await;
    let taken = setup.table.item().await["id"].as_s().unwrap().clone();
    let (puts, collisions) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(2)));
    let limit = Arc::clone(&collisions);
    setup.proxy.edit(move |operation, body| {
        if operation == "PutItem" && puts.fetch_add(1, SeqCst) < limit.load(SeqCst) {
            body["Item"]["id"]["S"] = json!(taken);
        }
    });
    setup.proxy.calls();
    let second = stored(&setup.store, 2).await;
    assert_eq!(setup.proxy.calls(), ["PutItem", "PutItem", "PutItem"]);
    assert_eq!(visits(&setup.store, &first.id).await, Some(1));
    assert_eq!(visits(&setup.store, &second.id).await, Some(2));

    // A generator that repeats itself is an error, and overwrites nothing.
    collisions.store(usize::MAX, SeqCst);
    setup.proxy.calls();
    let mut third = record(3);
    let id = third.id;
    let error = setup.store.create(&mut third).await.unwrap_err();
    assert!(matches!(error, Error::Backend(_)), "{error:?}");
    assert_eq!((third.id, setup.proxy.calls().len()), (id, 4));
    assert_eq!(visits(&setup.store, &first.id).await, Some(1));
    assert_eq!(setup.table.items().await.len(), 2);
}

#[tokio::test]
async fn save_after_a_delete_writes_nothing() {
    let setup = Setup::new().await;
    for store in [setup.store.clone(), setup.elsewhere()] {
        let record = stored(&setup.store, 1).await;
        store.delete(&record.id).await.unwrap();
        store.delete(&record.id).await.unwrap();
        // The first store remembers the record or not. Neither brings it back.
        setup.store.save(&record).await.unwrap();
        assert!(setup.store.load(&record.id).await.unwrap().is_none());
        assert!(setup.table.items().await.is_empty());
    }
}

#[tokio::test]
async fn save_never_begins_a_session() {
    let setup = Setup::new().await;
    let unknown = record(1);
    setup.store.save(&unknown).await.unwrap();
    assert_eq!(setup.proxy.calls(), ["GetItem"]);
    assert!(setup.table.items().await.is_empty());
}

#[tokio::test]
async fn slow_save_loses_against_a_logout() {
    let setup = Setup::new().await;
    let record = stored(&setup.store, 1).await;
    let (elsewhere, id) = (setup.elsewhere(), record.id);
    // The logout happens while the save is on its way.
    setup.proxy.script(move |operation, _| match operation {
        "UpdateItem" => {
            let elsewhere = elsewhere.clone();
            Action::Forward.after(move || {
                let elsewhere = elsewhere.clone();
                async move { elsewhere.delete(&id).await.unwrap() }
            })
        }
        _ => Action::Forward,
    });
    setup.store.save(&record).await.unwrap();
    // The read looks for the reason of the refusal.
    assert_eq!(setup.proxy.calls(), ["UpdateItem", "GetItem"]);
    assert!(setup.table.items().await.is_empty());
    assert!(setup.store.load(&id).await.unwrap().is_none());
}

/// Requests on two instances save a session again and again while it is logged out.
#[tokio::test]
async fn concurrent_saves_never_revive_a_session() {
    let setup = Setup::new().await;
    let record = stored(&setup.store, 1).await;
    let stores = [setup.store.clone(), setup.elsewhere()];
    let mut saving = tokio::task::JoinSet::new();
    for store in stores.iter().cycle().take(12) {
        let (store, mut record) = (store.clone(), record.clone());
        saving.spawn(async move {
            for n in 0..10 {
                record.data.insert("visits".to_owned(), json!(n));
                store.save(&record).await.unwrap();
            }
        });
    }
    assert!(visits(&stores[1], &record.id).await.is_some());
    stores[1].delete(&record.id).await.unwrap();
    saving.join_all().await;
    assert!(setup.table.items().await.is_empty());
    assert!(setup.store.load(&record.id).await.unwrap().is_none());
}

#[tokio::test]
async fn save_without_a_load_reads_first() {
    let setup = Setup::new().await;
    let record = stored(&setup.elsewhere(), 1).await;
    setup.store.save(&record).await.unwrap();
    assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem"]);
    // A second save in the same request needs no read.
    setup.store.save(&record).await.unwrap();
    assert_eq!(setup.proxy.calls(), ["UpdateItem"]);
}

#[tokio::test]
async fn concurrent_saves_keep_the_last_one_whole() {
    let setup = Setup::new().await;
    let (here, there) = (&setup.store, setup.elsewhere());
    let id = stored(here, 0).await.id;
    let mut first = here.load(&id).await.unwrap().unwrap();
    let mut second = there.load(&id).await.unwrap().unwrap();
    first.data.insert("first".to_owned(), json!(1));
    second.data.insert("second".to_owned(), json!(2));
    there.save(&second).await.unwrap();
    here.save(&first).await.unwrap();
    // The trait saves whole sessions, so the other request's key is lost.
    assert_eq!(there.load(&id).await.unwrap().unwrap().data, first.data);
}

#[tokio::test]
async fn ended_session_is_neither_loaded_nor_saved() {
    let setup = Setup::new().await;
    let record = stored(&setup.store, 1).await;
    setup.advance(3_601);
    assert!(setup.store.load(&record.id).await.unwrap().is_none());
    let mut later = record.clone();
    later.expiry_date += Duration::days(1);
    later.data.clear();
    setup.store.save(&later).await.unwrap();
    assert_eq!(
        stored_value(&setup.table.items().await, "visits"),
        number(1)
    );
    setup.store.delete(&record.id).await.unwrap();
    assert!(setup.table.items().await.is_empty());
}

#[tokio::test]
async fn new_session_that_has_ended_is_not_stored() {
    let setup = Setup::new().await;
    for expiry in [
        OffsetDateTime::UNIX_EPOCH - Duration::days(1),
        OffsetDateTime::now_utc(),
    ] {
        let mut record = record(1);
        record.expiry_date = expiry;
        let id = record.id;
        setup.store.create(&mut record).await.unwrap();
        assert_ne!(record.id, id);
        assert!(setup.store.load(&record.id).await.unwrap().is_none());
    }
    assert!(setup.table.items().await.is_empty());
    assert_eq!(setup.proxy.calls(), ["GetItem", "GetItem"]);
}

#[tokio::test]
async fn value_that_cannot_be_stored_is_an_error() {
    let setup = Setup::new().await;
    let mut record = stored(&setup.store, 1).await;
    setup.proxy.calls();
    let deep = (0..128).fold(json!("secret"), |value, _| json!([value]));
    let large = json!("secret".repeat(70_000));
    let cases: [(&str, Value); 3] = [("", json!("secret")), ("deep", deep), ("large", large)];
    for (key, value) in cases {
        record.data.insert(key.to_owned(), value);
        let mut new = record.clone();
        let saved = setup.store.save(&record).await.unwrap_err();
        let created = setup.store.create(&mut new).await.unwrap_err();
        for error in [saved, created] {
            assert!(matches!(error, Error::Encode(_)), "{key}: {error:?}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("secret"), "{shown}");
        }
        record.data.remove(key);
    }
    // The one read is that of a save after the one that failed.
    let writes = setup.proxy.calls();
    assert!(writes.iter().all(|call| call == "GetItem"), "{writes:?}");
    assert_eq!(visits(&setup.store, &record.id).await, Some(1));
}

#[tokio::test]
async fn unreadable_entry_is_an_error_and_stays() {
    let setup = Setup::new().await;
    let record = stored(&setup.store, 1).await;
    let mut item = setup.table.item().await;
    for value in [text("secret, and no JSON"), text("")] {
        let mut data = item["data"].as_m().unwrap().clone();
        data.insert("note".to_owned(), value);
        item.insert("data".to_owned(), AttributeValue::M(data));
        setup.table.put(item.clone()).await;
        let error = setup.store.load(&record.id).await.unwrap_err();
        assert!(matches!(error, Error::Decode(_)), "{error:?}");
        assert!(
            !format!("{error} {error:?}").contains("secret"),
            "{error:?}"
        );
        assert_eq!(setup.table.item().await, item);
    }
}

#[tokio::test]
async fn item_of_a_newer_format_is_an_error_and_stays() {
    let setup = Setup::new().await;
    let record = stored(&setup.store, 1).await;
    let mut item = setup.table.item().await;
    item.insert("fmt".to_owned(), number(99));
    setup.table.put(item.clone()).await;
    let loaded = setup.store.load(&record.id).await.unwrap_err();
    let saved = setup.store.save(&record).await.unwrap_err();
    let deleted = setup.store.delete(&record.id).await.unwrap_err();
    for error in [loaded, saved, deleted] {
        assert!(matches!(error, Error::Decode(_)), "{error:?}");
    }
    assert_eq!(setup.table.item().await, item);
}

#[tokio::test]
async fn audience_separates_the_sessions_of_a_table() {
    let table = MemoryStore::new();
    let shop = TowerStore::new(table.clone()).audience("shop");
    let blog = TowerStore::new(table.clone()).audience("blog");
    let plain = TowerStore::new(table);
    let record = stored(&shop, 1).await;
    for other in [&blog, &plain] {
        assert!(other.load(&record.id).await.unwrap().is_none());
        other.save(&record).await.unwrap();
        other.delete(&record.id).await.unwrap();
    }
    assert_eq!(visits(&shop, &record.id).await, Some(1));
}

#[tokio::test]
async fn debug_output_shows_no_session() {
    let store = TowerStore::new(MemoryStore::new()).audience("shop");
    let record = stored(&store, 1).await;
    let shown = format!("{store:?}");
    assert_eq!(shown, "TowerStore { .. }");
    assert!(!shown.contains(&record.id.to_string()));
}
