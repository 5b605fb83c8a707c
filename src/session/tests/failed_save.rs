//! Saves that fail: every change and every request stays pending.

use std::time::Duration;

use serde_json::json;

use crate::error::{Error, ErrorKind};
use crate::session::decision::{Outcome, Scope};
use crate::session::handle::Session;
use crate::session::tests::fake::{
    FAILS, Fake, NOW, Reply, at_the_end, contents, rules, session_of,
};

#[tokio::test]
async fn failed_save_keeps_its_changes_pending() {
    for kind in [ErrorKind::Unavailable, ErrorKind::Gone, ErrorKind::TooLarge] {
        let fake = Fake::holding(&[("n", "5")]).replying([Reply::Fail(kind)]);
        let (session, fake) = fake.session().await;
        session.increment("n", 1).unwrap();
        session.insert("a", 1).unwrap();
        session.cycle_id().unwrap();
        let error = session.save().await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(session.failure().unwrap().kind(), kind);
        assert!(session.unknown_outcome().is_none());
        assert_eq!(contents(&session), json!({ "n": 6, "a": 1 }));
        session.save().await.unwrap();
        assert_eq!(fake.sent(), ["Cycle a=1 n+1"; 2]);
        assert_eq!(at_the_end(&session).0, Outcome::Keep);
    }
}

/// The sum of two increments may overflow although the sum with the stored value does not.
#[tokio::test]
async fn failed_save_keeps_sums_beyond_an_i64() {
    let fake = Fake::holding(&[("n", "-5")]).replying([FAILS]);
    let fake = fake.during_save(|session| {
        assert_eq!(session.increment("n", 3).unwrap(), i64::MAX - 2);
    });
    let (session, fake) = fake.session().await;
    session.increment("n", i64::MAX).unwrap();
    session.save().await.unwrap_err();
    assert_eq!(session.get("n").unwrap(), Some(i64::MAX - 2));
    session.save().await.unwrap();
    assert_eq!(session.get("n").unwrap(), Some(i64::MAX - 2));
    assert_eq!(fake.sent().len(), 2);
}

/// A value inserted during a save stays a set, even if it equals the result of the save.
#[tokio::test]
async fn failed_save_keeps_a_value_inserted_during_it() {
    let fake = Fake::holding(&[("n", "0")]).replying([FAILS, Reply::After("n", "10")]);
    let fake = fake.during_save(|session| session.insert("n", 1).unwrap());
    let (session, fake) = fake.session().await;
    session.increment("n", 1).unwrap();
    session.save().await.unwrap_err();
    session.save().await.unwrap();
    assert_eq!(session.get("n").unwrap(), Some(1));
    assert_eq!(fake.sent(), ["Update(None) n+1", "Update(None) n=1"]);
}

#[tokio::test]
async fn failed_save_of_a_logout_keeps_the_logout() {
    let (session, fake) = session_of("ada", &[("a", "1")]).await;
    fake.replies.lock().unwrap().push_back(FAILS);
    *fake.during.lock().unwrap() = Some(Box::new(|session| {
        session.log_in("grace").unwrap();
        session.insert("b", 2).unwrap();
    }));
    session.destroy().unwrap();
    session.save().await.unwrap_err();
    assert_eq!(contents(&session), json!({ "b": 2 }));
    // The handler fails. Its logout is committed, and its login is not.
    let pending = session.take_pending(Scope::OnlyDestroy, NOW, &rules());
    let pending = pending.unwrap();
    assert_eq!(pending.outcome, Outcome::Destroy);
    pending.failed(Error::new(ErrorKind::Unavailable, "only asked"));
}

/// A value that was taken once before a failed save stays guarded, whatever happened during the save.
/// A value that this request has inserted needs no guard, because no other request can take it.
#[tokio::test]
async fn failed_save_keeps_the_guards() {
    type Step = fn(&Session);
    let steps: [(&str, Step, Step, &[&str]); 4] = [
        (
            "a logout",
            |session| assert_eq!(session.take_once("n").unwrap(), Some(1)),
            |session| session.destroy().unwrap(),
            &["n=1"],
        ),
        (
            "a login of another user",
            |session| assert_eq!(session.take_once("n").unwrap(), Some(1)),
            |session| session.log_in("grace").unwrap(),
            &["n=1"],
        ),
        (
            "a value that was incremented",
            |session| assert_eq!(session.increment("n", 1).unwrap(), 2),
            |session| assert_eq!(session.take_once("n").unwrap(), Some(2)),
            &["n=1"],
        ),
        (
            "a value that began after a logout",
            |session| {
                session.destroy().unwrap();
                session.increment("n", 2).unwrap();
            },
            |session| assert_eq!(session.take_once("n").unwrap(), Some(2)),
            &[],
        ),
    ];
    for (what, before, during, taken) in steps {
        let (session, fake) = session_of("ada", &[("n", "1")]).await;
        fake.replies.lock().unwrap().push_back(FAILS);
        *fake.during.lock().unwrap() = Some(Box::new(during));
        session.insert("a", 1).unwrap();
        before(&session);
        session.save().await.unwrap_err();
        session.insert("b", 2).unwrap();
        let pending = session.take_pending(Scope::Commit, NOW, &rules()).unwrap();
        let guards = pending.changes.guards();
        let guards = guards.map(|(key, entry)| format!("{key}={}", entry.json().unwrap()));
        assert_eq!(guards.collect::<Vec<_>>(), taken, "{what}");
        pending.failed(Error::new(ErrorKind::Unavailable, "only asked"));
    }
}

/// A value that uses its session when it is dropped.
struct UsesSession(Session);

impl Drop for UsesSession {
    fn drop(&mut self) {
        let _ = self.0.keys();
    }
}

/// Returns a function that adds to a number, and uses its session when it is dropped.
fn held(session: &Session, by: i64) -> impl Fn(&mut i64) + Send + Sync + 'static {
    let held = UsesSession(session.clone());
    move |n| {
        let _held = &held;
        *n += by;
    }
}

/// Folding the changes after a failed save drops no function of an application under the lock.
#[test]
fn failed_save_drops_updates_without_the_lock() {
    type Step = fn(&Session);
    let steps: [(&str, Step, Step); 6] = [
        (
            "one that a logout drops",
            |session| session.update("n", held(session, 1)).unwrap(),
            |session| session.destroy().unwrap(),
        ),
        (
            "an update of a value that the save sets",
            |session| session.insert("n", 5).unwrap(),
            |session| session.update("n", held(session, 1)).unwrap(),
        ),
        (
            "one without an effect on it",
            |session| session.insert("n", 5).unwrap(),
            |session| session.update("n", held(session, 0)).unwrap(),
        ),
        (
            "one that the save replaces",
            |session| session.update("n", held(session, 1)).unwrap(),
            |session| session.insert("n", 5).unwrap(),
        ),
        (
            "one that a clear replaces",
            |session| session.update("n", held(session, 1)).unwrap(),
            |session| session.clear().unwrap(),
        ),
        (
            "one without an effect, and a clear",
            |session| session.update("n", held(session, 0)).unwrap(),
            |session| session.clear().unwrap(),
        ),
    ];
    for (what, before, during) in steps {
        let (ended, end) = std::sync::mpsc::channel();
        let run = async move {
            let fake = Fake::holding(&[("n", "1")]).replying([FAILS]);
            let (session, _) = fake.during_save(during).session().await;
            session.insert("a", 1).unwrap();
            before(&session);
            session.save().await.unwrap_err();
            session.close();
            let _ = ended.send(());
        };
        std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            runtime.unwrap().block_on(run);
        });
        // Locking twice would block forever.
        let end = end.recv_timeout(Duration::from_secs(5));
        assert!(end.is_ok(), "{what}");
    }
}

#[tokio::test]
async fn failed_save_of_a_replacement_stays_one() {
    let reply = Reply::Fail(ErrorKind::Unavailable);
    let (session, fake) = Fake::holding(&[("a", "1")])
        .replying([reply])
        .session()
        .await;
    session.destroy().unwrap();
    session.insert("b", 2).unwrap();
    session.save().await.unwrap_err();
    assert_eq!(contents(&session), json!({ "b": 2 }));
    session.save().await.unwrap();
    assert_eq!(fake.sent(), ["Replace b=2"; 2]);
}
