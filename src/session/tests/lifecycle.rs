//! Ids, times, logouts, and the end of a request.

use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::expiry::Expiry;
use crate::session::decision::{Outcome, Scope};
use crate::session::handle::Session;
use crate::session::state::Token;
use crate::session::tests::fake::{
    CREATED, Fake, NOW, TTL, at_the_end, contents, id, rules, unread_session,
};
use crate::session::write_only::WriteOnlySession;
use crate::store::record::Found;
use crate::wire::hints::Hints;

#[tokio::test]
async fn id_and_times_come_from_the_record() {
    let (session, _) = Fake::holding(&[("a", "1")]).session().await;
    assert_eq!(session.id(), Some(id("A")));
    assert!(!session.is_new());
    assert_eq!(session.created(), SystemTime::from(CREATED));
    assert_eq!(session.expires(), SystemTime::from(TTL));

    let (fresh, _) = Fake::default().session().await;
    assert_eq!(fresh.id(), None);
    assert!(fresh.is_new());
    assert_eq!(fresh.created(), SystemTime::from(NOW));
    assert_eq!(fresh.expires(), SystemTime::from(TTL));
    fresh.insert("a", 1).unwrap();
    fresh.save().await.unwrap();
    assert_eq!(fresh.id(), Some(id("B")));
    assert!(fresh.is_new(), "this request began it");
}

#[test]
fn id_of_a_dead_session_is_none() {
    for found in [Found::Absent, Found::Tombstone(NOW)] {
        let session = unread_session(id("A"));
        session.loaded(found, None, NOW, &rules());
        assert_eq!(session.id(), None);
        assert!(session.is_new() && session.is_empty());
    }
}

#[tokio::test]
async fn late_change_of_any_kind_is_refused() {
    for scope in [Scope::Commit, Scope::OnlyDestroy] {
        let (session, fake) = Fake::holding(&[("a", "1")]).session().await;
        let pending = session.take_pending(scope, NOW, &rules()).unwrap();
        pending.kept(None);
        for error in [
            session.insert("a", 2).unwrap_err(),
            session.take::<u8>("a").unwrap_err(),
            session.increment("a", 1).unwrap_err(),
            session.save().await.unwrap_err(),
            WriteOnlySession(session.clone())
                .increment("a", 1)
                .unwrap_err(),
            WriteOnlySession(session.clone()).remove("a").unwrap_err(),
            WriteOnlySession(session.clone()).destroy().unwrap_err(),
            session.remove("a").unwrap_err(),
            session.clear().unwrap_err(),
            session.take_once::<u8>("a").unwrap_err(),
            session.update("a", |a: &mut u8| *a += 1).unwrap_err(),
            session.cycle_id().unwrap_err(),
            session.require_unchanged().unwrap_err(),
            session.log_in("ada").unwrap_err(),
            session.set_label("phone").unwrap_err(),
            session.destroy().unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{scope:?}");
        }
        assert_eq!(contents(&session), json!({ "a": 1 }));
        assert_eq!(at_the_end(&session), (Outcome::Keep, String::new()));
        assert!(session.unknown_outcome().is_none());
        assert!(fake.sent().is_empty());
    }
}

#[tokio::test]
async fn logout_begins_a_new_session() {
    let (session, fake) = Fake::holding(&[("a", "1"), ("n", "5")]).session().await;
    session.insert("b", 2).unwrap();
    session.destroy().unwrap();
    assert!(session.is_empty() && !session.contains("a"));
    assert_eq!(session.get::<u8>("a").unwrap(), None);
    assert_eq!(session.increment("n", 1).unwrap(), 1);
    session.insert("a", 1).unwrap();
    session.clear().unwrap();
    session.increment("n", 1).unwrap();
    session.save().await.unwrap();
    assert_eq!(fake.sent(), ["Replace n+1"]);
    assert_eq!(session.id(), Some(id("B")));
    assert_eq!(contents(&session), json!({ "n": 1 }));
    assert_eq!(at_the_end(&session), (Outcome::Keep, String::new()));
}

#[tokio::test]
async fn logout_that_was_saved_is_not_repeated() {
    let (session, fake) = Fake::holding(&[("a", "1")]).session().await;
    session.destroy().unwrap();
    session.save().await.unwrap();
    assert_eq!(session.id(), None);
    assert!(session.is_new() && session.is_empty());
    session.insert("b", 2).unwrap();
    session.save().await.unwrap();
    assert_eq!(fake.sent(), ["Destroy ", "Create b=2"]);
}

#[tokio::test]
async fn logout_overrides_a_cycled_id() {
    for order in [
        [
            Session::cycle_id as fn(&Session) -> Result<(), Error>,
            Session::destroy,
        ],
        [Session::destroy, Session::cycle_id],
    ] {
        let (session, _) = Fake::holding(&[("a", "1")]).session().await;
        order.iter().for_each(|method| method(&session).unwrap());
        assert_eq!(at_the_end(&session), (Outcome::Destroy, String::new()));
    }
}

#[tokio::test]
async fn failed_handler_commits_only_its_logout() {
    let (session, _) = Fake::holding(&[("a", "1")]).session().await;
    session.insert("a", 2).unwrap();
    session.cycle_id().unwrap();
    let pending = session.take_pending(Scope::OnlyDestroy, NOW, &rules());
    let pending = pending.unwrap();
    assert_eq!(pending.outcome, Outcome::Keep);
    pending.kept(None);

    let (session, _) = Fake::holding(&[("a", "1")]).session().await;
    session.destroy().unwrap();
    session.insert("a", 2).unwrap();
    let pending = session.take_pending(Scope::OnlyDestroy, NOW, &rules());
    let pending = pending.unwrap();
    assert_eq!(pending.outcome, Outcome::Destroy);
    assert!(pending.changes.is_empty());
    pending.destroyed(NOW, &rules(), Token::Remove);
}

#[tokio::test]
async fn clear_of_a_stored_session_is_written() {
    let (session, _) = Fake::holding(&[("a", "1")]).session().await;
    session.clear().unwrap();
    let expected = (Outcome::Update(None), "clear".to_owned());
    assert_eq!(at_the_end(&session), expected);

    let (fresh, _) = Fake::default().session().await;
    fresh.insert("a", 1).unwrap();
    fresh.clear().unwrap();
    assert_eq!(at_the_end(&fresh), (Outcome::Keep, String::new()));
}

#[test]
fn write_only_session_is_written_unread() {
    let (session, _) = Fake::holding(&[("a", "1"), ("n", "5")]).unread();
    let unread = WriteOnlySession(session.clone());
    unread.insert("a", 1).unwrap();
    unread.increment("n", 2).unwrap();
    unread.remove("absent").unwrap();
    assert_eq!(session.id(), None, "it is not known to be stored");
    let expected = (Outcome::Update(None), "a=1 absent- n+2".to_owned());
    assert_eq!(at_the_end(&session), expected);

    let (session, _) = Fake::holding(&[]).unread();
    let unread = WriteOnlySession(session.clone());
    let error = unread.insert("", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidKey);
    unread.destroy().unwrap();
    assert_eq!(at_the_end(&session), (Outcome::Destroy, String::new()));
}

#[tokio::test]
async fn write_only_changes_survive_a_later_read() {
    let (session, _) = Fake::holding(&[("a", "1"), ("n", "5")]).unread();
    let unread = WriteOnlySession(session.clone());
    unread.insert("a", 1).unwrap();
    unread.increment("n", 2).unwrap();
    unread.remove("absent").unwrap();
    session.load().await.unwrap();
    assert_eq!(contents(&session), json!({ "a": 1, "n": 7 }));
    let expected = (Outcome::Update(None), "n+2".to_owned());
    assert_eq!(at_the_end(&session), expected);

    let (session, _) = Fake::holding(&[("a", "1")]).unread();
    let unread = WriteOnlySession(session.clone());
    unread.destroy().unwrap();
    unread.insert("a", 1).unwrap();
    session.load().await.unwrap();
    assert_eq!(contents(&session), json!({ "a": 1 }));
    let expected = (Outcome::Replace, "a=1".to_owned());
    assert_eq!(at_the_end(&session), expected);
}

#[tokio::test]
async fn touch_waits_for_the_end_of_the_request() {
    let due = Expiry {
        touch: Some(Duration::ZERO),
        idle: Duration::from_secs(600),
        ..rules()
    };
    let later = Timestamp::from_epoch_seconds(1_600);
    let (session, _) = Fake::holding(&[("a", "1")]).session().await;
    let pending = session.take_pending(Scope::Save, NOW, &due).unwrap();
    assert_eq!(pending.outcome, Outcome::Keep);
    pending.kept(None);
    let pending = session.take_pending(Scope::Commit, NOW, &due).unwrap();
    assert_eq!(pending.outcome, Outcome::Touch(later));
    pending.kept(Some(later));
    let hints = Hints {
        touch: Some(Timestamp::from_epoch_seconds(1_001)),
        version: None,
    };
    let issued = (Token::Issue, Some(id("A")), hints, (later, None));
    assert_eq!(session.token(&due, false), issued);

    let (session, _) = Fake::holding(&[("a", "1")]).session().await;
    session.insert("a", 2).unwrap();
    let pending = session.take_pending(Scope::Commit, NOW, &due).unwrap();
    assert_eq!(pending.outcome, Outcome::Update(Some(later)));
    pending.failed(Error::new(ErrorKind::Unavailable, "only asked"));

    let (unread, _) = Fake::holding(&[("a", "1")]).unread();
    unread.insert("a", 2).unwrap();
    let pending = unread.take_pending(Scope::Commit, NOW, &due).unwrap();
    assert_eq!(
        pending.outcome,
        Outcome::Update(None),
        "`created` is unknown"
    );
    pending.failed(Error::new(ErrorKind::Unavailable, "only asked"));
}

/// The load has found the record alive a moment ago. Later, a write must find it alive.
#[tokio::test]
async fn hint_outdated_reissues_the_id() {
    let seconds = |seconds| Timestamp::from_epoch_seconds(seconds);
    let asked = |scope: Scope, now: Timestamp| async move {
        let (session, _) = Fake::holding(&[("a", "1")]).session().await;
        session.hint_is_outdated(NOW);
        let pending = session.take_pending(scope, now, &rules()).unwrap();
        let outcome = pending.outcome;
        pending.kept(None);
        (outcome, session.token(&rules(), false).0)
    };
    for (scope, now, outcome, token) in [
        (Scope::Commit, 1_000, Outcome::Reissue, Token::Issue),
        // A clock that was set back.
        (Scope::Commit, 999, Outcome::Reissue, Token::Issue),
        (
            Scope::Commit,
            1_001,
            Outcome::Touch(seconds(1_501)),
            Token::Keep,
        ),
        (Scope::Save, 1_000, Outcome::Keep, Token::Keep),
        (Scope::OnlyDestroy, 1_000, Outcome::Keep, Token::Keep),
    ] {
        let found = asked(scope, seconds(now)).await;
        assert_eq!(found, (outcome, token), "{scope:?} at {now}");
    }

    let (session, _) = Fake::holding(&[("a", "1")]).session().await;
    session.hint_is_outdated(NOW);
    session.insert("a", 2).unwrap();
    let pending = session.take_pending(Scope::Commit, NOW, &rules()).unwrap();
    assert_eq!(pending.outcome, Outcome::Update(None));
    assert!(pending.hint_outdated);
    pending.failed(Error::new(ErrorKind::Unavailable, "only asked"));
}
