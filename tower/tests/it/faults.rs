//! Faults on the wire: lost responses, writes that arrive late, and outages.

use super::store::{record, stored, visits};
use super::tower_sessions::SessionStore;
use super::tower_sessions::session_store::Error;
use crate::harness::Setup;
use crate::support::Action;

#[tokio::test]
async fn create_lost_response_leaves_one_record() {
    let setup = Setup::new().await;
    setup
        .proxy
        .script(|operation, calls| match (operation, calls) {
            ("PutItem", 0) => Action::lost(),
            _ => Action::Forward,
        });
    let record = stored(&setup.store, 1).await;
    assert_eq!(setup.proxy.calls(), ["PutItem", "PutItem"]);
    assert_eq!(setup.table.items().await.len(), 1);
    assert_eq!(visits(&setup.store, &record.id).await, Some(1));
    // The repetition has left a fence in the record. A save and a delete still work.
    let mut changed = record.clone();
    changed.data.insert("visits".to_owned(), 2.into());
    setup.elsewhere().save(&changed).await.unwrap();
    assert_eq!(visits(&setup.store, &record.id).await, Some(2));
    setup.store.delete(&record.id).await.unwrap();
    assert_eq!(visits(&setup.store, &record.id).await, None);
}

#[tokio::test]
async fn save_lost_response_is_a_success() {
    let setup = Setup::new().await;
    let mut record = stored(&setup.store, 1).await;
    record.data.insert("visits".to_owned(), 2.into());
    setup
        .proxy
        .script(|operation, calls| match (operation, calls) {
            ("UpdateItem", 0) => Action::lost(),
            _ => Action::Forward,
        });
    setup.store.save(&record).await.unwrap();
    assert_eq!(visits(&setup.elsewhere(), &record.id).await, Some(2));
}

#[tokio::test]
async fn save_that_did_not_arrive_is_sent_again() {
    let setup = Setup::new().await;
    let mut record = stored(&setup.elsewhere(), 1).await;
    record.data.insert("visits".to_owned(), 2.into());
    let fails = Action::error(500, "InternalServerError");
    let (reset, read) = (Action::Reset, Action::Forward);
    for fault in [fails, reset] {
        let (fault, read) = (fault, read.clone());
        setup
            .proxy
            .script(move |operation, calls| match (operation, calls) {
                ("UpdateItem", 0) => fault.clone(),
                _ => read.clone(),
            });
        record.data.insert("tries".to_owned(), 1.into());
        setup.store.save(&record).await.unwrap();
        let calls = setup.proxy.calls();
        let sent = calls.iter().filter(|call| *call == "UpdateItem").count();
        assert!(sent >= 2, "{calls:?}");
        let loaded = setup.elsewhere().load(&record.id).await.unwrap();
        assert_eq!(loaded.unwrap().data, record.data);
    }
}

/// The store remembers the version of the first save, so that the second one is retried without a read.
#[tokio::test]
async fn second_save_of_a_request_is_sent_again() {
    let setup = Setup::new().await;
    let mut record = stored(&setup.store, 1).await;
    setup.store.save(&record).await.unwrap();
    setup
        .proxy
        .script(|operation, calls| match (operation, calls) {
            ("UpdateItem", 0) => Action::error(500, "InternalServerError"),
            _ => Action::Forward,
        });
    record.data.insert("visits".to_owned(), 2.into());
    setup.store.save(&record).await.unwrap();
    assert_eq!(setup.proxy.calls(), ["UpdateItem", "UpdateItem"]);
    assert_eq!(visits(&setup.elsewhere(), &record.id).await, Some(2));
}

/// A save is reported as failed and sent again, and its first attempt arrives after another
/// request's save.
#[tokio::test]
async fn save_that_arrives_late_changes_nothing() {
    let setup = Setup::new().await;
    let mut record = stored(&setup.store, 1).await;
    // The late attempt goes after the repetition and the next save.
    setup
        .proxy
        .script(|operation, calls| match (operation, calls) {
            ("UpdateItem", 0) => Action::Overtaken(2),
            _ => Action::Forward,
        });
    record.data.insert("visits".to_owned(), 2.into());
    setup.store.save(&record).await.unwrap();
    let mut next = setup.store.load(&record.id).await.unwrap().unwrap();
    next.data.insert("visits".to_owned(), 3.into());
    setup.store.save(&next).await.unwrap();
    let calls = ["UpdateItem", "UpdateItem", "GetItem", "UpdateItem"];
    assert_eq!(setup.proxy.calls(), calls);
    assert_eq!(visits(&setup.elsewhere(), &record.id).await, Some(3));
}

/// A create is sent again, and its first attempt arrives after the logout.
#[tokio::test]
async fn create_that_arrives_late_stays_logged_out() {
    let setup = Setup::new().await;
    setup
        .proxy
        .script(|operation, calls| match (operation, calls) {
            ("PutItem", 0) => Action::Overtaken(3),
            _ => Action::Forward,
        });
    let record = stored(&setup.store, 1).await;
    setup.store.delete(&record.id).await.unwrap();
    setup.store.load(&record.id).await.unwrap();
    let calls = setup.proxy.calls();
    assert!(calls.len() >= 4, "the late attempt has arrived: {calls:?}");
    assert_eq!(visits(&setup.elsewhere(), &record.id).await, None);
}

#[tokio::test]
async fn outage_is_an_error_and_not_a_logout() {
    let setup = Setup::new().await;
    let mut known = stored(&setup.store, 1).await;
    let mut new = record(2);
    setup
        .proxy
        .script(|_, _| Action::error(500, "InternalServerError"));
    let store = setup.hasty();
    let (loaded, saved, created, deleted) = tokio::join!(
        store.load(&known.id),
        store.save(&known),
        store.create(&mut new),
        store.delete(&known.id),
    );
    let id = known.id.to_string();
    let errors = [loaded.map(drop), saved, created, deleted];
    for error in errors.map(Result::unwrap_err) {
        let shown = format!("{error} {error:?}");
        assert!(matches!(error, Error::Backend(_)), "{shown}");
        assert!(!shown.contains(&id) && !shown.contains("visits"), "{shown}");
    }
    setup.proxy.script(|_, _| Action::Forward);
    known.data.insert("visits".to_owned(), 2.into());
    setup.store.save(&known).await.unwrap();
    assert_eq!(visits(&setup.store, &known.id).await, Some(2));
}

#[tokio::test]
async fn delete_lost_response_is_a_success() {
    let setup = Setup::new().await;
    let record = stored(&setup.store, 1).await;
    setup
        .proxy
        .script(|operation, calls| match (operation, calls) {
            ("DeleteItem", 0) => Action::lost(),
            _ => Action::Forward,
        });
    setup.store.delete(&record.id).await.unwrap();
    assert_eq!(setup.proxy.calls(), ["DeleteItem", "DeleteItem"]);
    assert!(setup.table.items().await.is_empty());
}

#[tokio::test]
async fn throttled_save_is_sent_again() {
    let setup = Setup::new().await;
    let mut record = stored(&setup.store, 1).await;
    record.data.insert("visits".to_owned(), 2.into());
    setup
        .proxy
        .script(|operation, calls| match (operation, calls) {
            ("UpdateItem", 0 | 1) => Action::error(400, "ThrottlingException"),
            _ => Action::Forward,
        });
    setup.store.save(&record).await.unwrap();
    assert_eq!(setup.proxy.calls(), ["UpdateItem"; 3]);
    assert_eq!(visits(&setup.store, &record.id).await, Some(2));
}
