//! Logins and labels.

use serde_json::json;

use crate::error::{Error, ErrorKind};
use crate::session::decision::{Outcome, Scope};
use crate::session::tests::fake::{Fake, NOW, at_the_end, contents, rules, session_of};

#[tokio::test]
async fn login_of_another_user_empties_the_session() {
    let (session, _) = session_of("ada", &[("a", "1")]).await;
    session.insert("before", 1).unwrap();
    session.log_in("grace").unwrap();
    assert!(session.is_empty());
    session.insert("after", 2).unwrap();
    assert_eq!(
        at_the_end(&session),
        (Outcome::Replace, "after=2".to_owned())
    );

    // The same if the first user has logged in with this request.
    let (session, _) = Fake::holding(&[("a", "1")]).session().await;
    session.log_in("ada").unwrap();
    session.insert("before", 1).unwrap();
    session.log_in("grace").unwrap();
    assert!(session.is_empty());
    assert_eq!(at_the_end(&session), (Outcome::Replace, String::new()));
}

#[tokio::test]
async fn login_keeps_anonymous_data_and_a_users_own() {
    let (session, _) = Fake::holding(&[("a", "1")]).session().await;
    session.log_in("ada").unwrap();
    assert_eq!(contents(&session), json!({ "a": 1 }));
    assert_eq!(at_the_end(&session), (Outcome::Cycle, String::new()));

    let (session, _) = session_of("ada", &[("a", "1")]).await;
    session.log_in("ada").unwrap();
    assert_eq!(contents(&session), json!({ "a": 1 }));
    assert_eq!(at_the_end(&session), (Outcome::Cycle, String::new()));
}

#[tokio::test]
async fn login_of_a_failed_handler_ends_nothing() {
    let (session, _) = session_of("ada", &[("a", "1")]).await;
    session.log_in("grace").unwrap();
    let pending = session.take_pending(Scope::OnlyDestroy, NOW, &rules());
    let pending = pending.unwrap();
    assert_eq!(pending.outcome, Outcome::Keep);
    pending.kept(None);
}

#[tokio::test]
async fn login_of_an_empty_user_fails() {
    let (session, _) = session_of("ada", &[("a", "1")]).await;
    let error = session.log_in("").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    session.destroy().unwrap();
    assert_eq!(at_the_end(&session), (Outcome::Destroy, String::new()));
}

#[tokio::test]
async fn label_is_a_change_without_a_new_id() {
    let (session, _) = session_of("ada", &[]).await;
    session.set_label("laptop").unwrap();
    let pending = session.take_pending(Scope::Commit, NOW, &rules()).unwrap();
    assert_eq!(pending.outcome, Outcome::Update(None));
    assert_eq!(pending.new_label.as_deref(), Some("laptop"));
    pending.failed(Error::new(ErrorKind::Unavailable, "only asked"));

    let (session, _) = session_of("ada", &[]).await;
    session.set_label("phone").unwrap();
    assert_eq!(at_the_end(&session), (Outcome::Keep, String::new()));
    let (session, _) = Fake::holding(&[]).session().await;
    session.set_label("phone").unwrap();
    assert_eq!(
        at_the_end(&session),
        (Outcome::Keep, String::new()),
        "bound to no user"
    );
}
