//! Increments, updates and values that only one request may take.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::error::{Error, ErrorKind};
use crate::session::decision::{Outcome, Scope};
use crate::session::handle::Session;
use crate::session::tests::fake::{Fake, NOW, Reply, contents, data, rules, shown};

#[test]
fn increment_returns_a_forecast() {
    let session = Session::detached(json!({ "n": 40 }));
    assert_eq!(session.increment("n", 1).unwrap(), 41);
    assert_eq!(session.increment("n", 1).unwrap(), 42);
    assert_eq!(session.get("n").unwrap(), Some(42));
    assert_eq!(session.increment("new", -7).unwrap(), -7);
    assert_eq!(session.increment("zero", 0).unwrap(), 0);
    assert_eq!(contents(&session), json!({ "n": 42, "new": -7, "zero": 0 }));
}

#[tokio::test]
async fn take_once_depends_on_the_read_value() {
    let fake = Fake::holding(&[("state", "\"x1\"")]).replying([Reply::After("state", "\"x2\"")]);
    let (session, _) = fake.session().await;
    let taken: Option<String> = session.take_once("state").unwrap();
    assert_eq!(taken.as_deref(), Some("x1"));
    assert_eq!(session.take_once::<String>("state").unwrap(), None);
    let pending = session.take_pending(Scope::Commit, NOW, &rules()).unwrap();
    assert_eq!(shown(&pending.changes), "state-");
    let gone = pending.changes.apply(&data(&[])).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::Conflict);
    let other = pending
        .changes
        .apply(&data(&[("state", "\"x2\"")]))
        .unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Conflict);
    let after = pending.changes.apply(pending.record.data()).unwrap();
    assert!(after.is_empty());
    pending.failed(Error::new(ErrorKind::Unavailable, "only asked"));
}

#[tokio::test]
async fn take_once_then_insert_keeps_the_guard() {
    let (session, _) = Fake::holding(&[("n", "1")]).session().await;
    assert_eq!(session.take_once("n").unwrap(), Some(1));
    session.insert("n", 1).unwrap();
    let pending = session.take_pending(Scope::Commit, NOW, &rules()).unwrap();
    assert_eq!(pending.outcome, Outcome::Update(None));
    assert!(pending.changes.apply(&data(&[("n", "2")])).is_err());
    pending.failed(Error::new(ErrorKind::Unavailable, "only asked"));
}

#[tokio::test]
async fn update_may_use_the_session() {
    let (session, _) = Fake::holding(&[("n", "1")]).session().await;
    let inside = session.clone();
    session
        .update("n", move |n: &mut i64| {
            *n += inside.get::<i64>("n").unwrap().unwrap();
            inside.insert("seen", *n).unwrap();
            assert!(inside.contains("n"));
        })
        .unwrap();
    assert_eq!(contents(&session), json!({ "n": 2, "seen": 2 }));
}

/// The function runs again on the value that another request has written.
#[tokio::test]
async fn update_runs_again_without_the_lock() {
    let fake = Fake::holding(&[("n", "1")])
        .replying([Reply::After("n", "10")])
        .during_save(|session| {
            let inside = session.clone();
            let add = move |n: &mut i64| {
                assert!(inside.contains("n"));
                *n += 5;
            };
            session.update("n", add).unwrap();
            assert_eq!(session.get("n").unwrap(), Some(7));
        });
    let (session, _) = fake.session().await;
    session.update("n", |n: &mut i64| *n += 1).unwrap();
    session.save().await.unwrap();
    assert_eq!(session.get("n").unwrap(), Some(16));
}

#[test]
fn update_that_always_changes_its_key_fails() {
    let session = Session::detached(json!({ "n": 0 }));
    let inside = session.clone();
    let error = session
        .update("n", move |_: &mut i64| {
            inside.increment("n", 1).unwrap();
        })
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

/// The result of a function that changes its own key in each run is an error.
#[tokio::test]
async fn update_that_never_settles_fails_after_a_save() {
    let fake = Fake::holding(&[("n", "1")])
        .replying([Reply::After("n", "10")])
        .during_save(|session| {
            let inside = session.clone();
            let grow = move |n: &mut i64| {
                *n += 1;
                // The first run is that of the update itself. Each later run adds a function.
                if *n > 10 {
                    inside.increment("n", 1).unwrap();
                }
            };
            session.update("n", grow).unwrap();
        });
    let (session, _) = fake.session().await;
    session.increment("n", 1).unwrap();
    session.save().await.unwrap();
    let error = session.get::<i64>("n").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn update_reruns_only_for_its_own_key() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let fake = Fake::holding(&[("n", "1"), ("m", "1")])
        .replying([Reply::After("m", "10")])
        .during_save(move |session| {
            let count = move |n: &mut i64| {
                counted.fetch_add(1, Ordering::SeqCst);
                *n += 1;
            };
            session.update("n", count).unwrap();
        });
    let (session, _) = fake.session().await;
    session.increment("n", 1).unwrap();
    session.save().await.unwrap();
    assert_eq!(contents(&session), json!({ "m": 10, "n": 3 }));
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

/// The session shows the previous data while a function runs again.
#[tokio::test]
async fn update_rerun_sees_the_previous_data() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let fake = Fake::holding(&[("n", "1")])
        .replying([Reply::After("n", "10")])
        .during_save(move |session| {
            let inside = session.clone();
            let look = move |n: &mut i64| {
                noted.lock().unwrap().push((*n, inside.get("n").unwrap()));
                *n += 5;
            };
            session.update("n", look).unwrap();
        });
    let (session, _) = fake.session().await;
    session.increment("n", 1).unwrap();
    session.save().await.unwrap();
    assert_eq!(session.get("n").unwrap(), Some(16));
    // The first run is that of the update itself, on the value that is being written.
    let expected = [(2, Some(2)), (11, Some(7))];
    assert_eq!(*seen.lock().unwrap(), expected);
}
