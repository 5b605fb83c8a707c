//! Increments, updates and values that only one request may take.

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

/// Its functions, and those that parse and serialize its values.
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

/// The function runs again on the value that another request has written, without the lock.
#[tokio::test]
async fn update_runs_again_without_the_lock() {
    let fake = Fake::holding(&[("n", "1")])
        .replying([Reply::After("n", "10")])
        .meanwhile(|session| {
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
