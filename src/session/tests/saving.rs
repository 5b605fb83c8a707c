//! Saves, and what happens during them.

use std::task::{Context, Poll, Waker};

use serde_json::json;

use crate::error::{Error, ErrorKind};
use crate::session::decision::{Outcome, Scope};
use crate::session::handle::Session;
use crate::session::tests::fake::{FAILS, Fake, NOW, Reply, at_the_end, contents, rules, shown};
use crate::store::user::Pseudonym;

#[tokio::test]
async fn save_shows_the_committed_values() {
    let fake = Fake::holding(&[("n", "5"), ("a", "1")]).replying([Reply::After("n", "100")]);
    let (session, fake) = fake.session().await;
    session.increment("n", 2).unwrap();
    session.insert("b", 2).unwrap();
    session.remove("a").unwrap();
    assert_eq!(session.get("n").unwrap(), Some(7));
    session.save().await.unwrap();
    assert!(!session.is_new(), "it was stored before");
    assert_eq!(contents(&session), json!({ "n": 102, "b": 2 }));
    assert_eq!(fake.sent(), ["Update(None) a- b=2 n+2"]);
    assert_eq!(at_the_end(&session), (Outcome::Keep, String::new()));
}

#[tokio::test]
async fn save_without_changes_writes_nothing() {
    let (session, fake) = Fake::holding(&[("a", "1")]).session().await;
    session.insert("a", 1).unwrap();
    session.remove("absent").unwrap();
    session.save().await.unwrap();
    assert_eq!(fake.sent(), ["Keep "]);
}

#[tokio::test]
async fn save_keeps_changes_made_during_it() {
    let during = |session: &Session| {
        // The session shows the data that is being written as if it were stored.
        assert_eq!(contents(session), json!({ "n": 6, "a": 1 }));
        assert_eq!(session.increment("n", 10).unwrap(), 16);
        session.remove("a").unwrap();
        session.insert("b", 2).unwrap();
    };
    let all = json!({ "n": 16, "b": 2 });

    let fake = Fake::holding(&[("n", "5")]).during_save(during);
    let (session, _) = fake.session().await;
    session.increment("n", 1).unwrap();
    session.insert("a", 1).unwrap();
    session.save().await.unwrap();
    assert_eq!(contents(&session), all);
    let expected = (Outcome::Update(None), "a- b=2 n+10".to_owned());
    assert_eq!(at_the_end(&session), expected);

    let fake = Fake::holding(&[("n", "5")]).during_save(during);
    let fake = fake.replying([Reply::Fail(ErrorKind::Unavailable)]);
    let (session, _) = fake.session().await;
    session.increment("n", 1).unwrap();
    session.insert("a", 1).unwrap();
    session.save().await.unwrap_err();
    assert_eq!(contents(&session), all);
    let expected = (Outcome::Update(None), "a- b=2 n+11".to_owned());
    assert_eq!(at_the_end(&session), expected);
}

#[tokio::test]
async fn logout_during_a_save_outlives_its_failure() {
    let fake = Fake::holding(&[("n", "5")])
        .during_save(|session| session.destroy().unwrap())
        .replying([Reply::Fail(ErrorKind::Unavailable)]);
    let (session, _) = fake.session().await;
    session.insert("a", 1).unwrap();
    session.save().await.unwrap_err();
    assert!(session.is_empty());
    assert_eq!(at_the_end(&session), (Outcome::Destroy, String::new()));
}

/// The values of one user are never in the session of another user, whether the save succeeds or
/// fails.
#[tokio::test]
async fn login_during_the_save_of_another_starts_empty() {
    for reply in [None, Some(FAILS)] {
        let fails = reply.is_some();
        let fake = Fake::holding(&[("a", "1")]).replying(reply);
        let fake = fake.during_save(|session| {
            session.log_in("grace").unwrap();
            assert!(session.is_empty());
            assert_eq!(session.get::<String>("secret").unwrap(), None);
            session.insert("b", 2).unwrap();
        });
        let (session, _) = fake.session().await;
        session.log_in("ada").unwrap();
        session.insert("secret", "ada's").unwrap();
        assert_eq!(session.save().await.is_err(), fails);
        assert_eq!(contents(&session), json!({ "b": 2 }));
        let pending = session.take_pending(Scope::Commit, NOW, &rules()).unwrap();
        assert_eq!(pending.outcome, Outcome::Replace);
        assert_eq!(shown(&pending.changes.afresh()), "b=2");
        let grace = Pseudonym::of("grace", None).unwrap();
        assert_eq!(
            pending.login.as_ref().map(|login| &login.user),
            Some(&grace)
        );
        pending.failed(Error::new(ErrorKind::Unavailable, "only asked"));
    }
}

/// A value inserted after a logout is a change, even if the session that ends has the same value.
#[tokio::test]
async fn logout_during_a_save_keeps_later_values() {
    let fake = Fake::holding(&[("theme", "1")]).during_save(|session| {
        session.destroy().unwrap();
        session.insert("theme", 1).unwrap();
    });
    let (session, fake) = fake.session().await;
    session.insert("a", 1).unwrap();
    session.save().await.unwrap();
    assert_eq!(contents(&session), json!({ "theme": 1 }));
    session.save().await.unwrap();
    assert_eq!(fake.sent(), ["Update(None) a=1", "Replace theme=1"]);
}

#[tokio::test]
async fn save_with_unknown_outcome_refuses_changes() {
    let reply = Reply::Fail(ErrorKind::OutcomeUnknown);
    let fake = Fake::holding(&[("n", "5")]).replying([reply]);
    let (session, fake) = fake.session().await;
    session.increment("n", 1).unwrap();
    for _ in 0..2 {
        let error = session.save().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    }
    assert_eq!(
        fake.sent().len(),
        1,
        "nothing is sent after an ambiguous write"
    );
    let error = session.insert("a", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert!(session.unknown_outcome().is_some());
}

#[tokio::test]
async fn save_dropped_under_way_refuses_changes() {
    let fake = Fake::holding(&[("n", "5")]).replying([Reply::Never]);
    let (session, fake) = fake.session().await;
    session.increment("n", 1).unwrap();
    {
        let mut save = std::pin::pin!(session.save());
        let polled = save.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Pending));
        assert_eq!(fake.sent(), ["Update(None) n+1"]);
        assert!(session.unknown_outcome().is_none());
    }
    let unknown = session.unknown_outcome().unwrap();
    assert_eq!(unknown.kind(), ErrorKind::OutcomeUnknown);
    let error = session.insert("a", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    let error = session.save().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert_eq!(fake.sent().len(), 1);
}

#[tokio::test]
async fn save_never_polled_changes_nothing() {
    let (session, fake) = Fake::holding(&[]).session().await;
    session.insert("a", 1).unwrap();
    drop(session.save());
    session.insert("a", 2).unwrap();
    session.save().await.unwrap();
    assert_eq!(fake.sent(), ["Update(None) a=2"]);
}

#[tokio::test]
async fn save_cycles_the_id_once() {
    let (session, fake) = Fake::holding(&[("a", "1")]).session().await;
    session.cycle_id().unwrap();
    session.insert("a", 2).unwrap();
    session.save().await.unwrap();
    session.insert("a", 3).unwrap();
    session.save().await.unwrap();
    assert_eq!(fake.sent(), ["Cycle a=2", "Update(None) a=3"]);
    assert_eq!(at_the_end(&session), (Outcome::Keep, String::new()));
}

#[tokio::test]
async fn save_after_logout_and_login_begins_anew() {
    let (session, fake) = Fake::holding(&[("a", "1")]).session().await;
    session.destroy().unwrap();
    session.log_in("ada").unwrap();
    session.save().await.unwrap();
    session.insert("b", 2).unwrap();
    session.save().await.unwrap();
    assert_eq!(fake.sent(), ["Replace ", "Update(None) b=2"]);
}

#[tokio::test]
async fn save_of_a_new_session_cycles_no_id() {
    let (session, fake) = Fake::default().session().await;
    session.insert("a", 1).unwrap();
    session.cycle_id().unwrap();
    session.save().await.unwrap();
    assert_eq!(fake.sent(), ["Create a=1"]);
    assert_eq!(at_the_end(&session), (Outcome::Keep, String::new()));
}
