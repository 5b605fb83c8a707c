//! A login gives the session a new id and binds it to its user.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use lambda_http::{Error, Request};
use lambda_sessions::{ErrorKind, Session};
use tokio::sync::Notify;

use crate::support::{Browser, Setup, count, login, minutes, name_seen, peek};

#[tokio::test]
async fn login_makes_a_planted_id_worthless() {
    let setup = Setup::with_users().await;
    // The attacker begins a session, and makes the victim's browser send its id.
    let mut attacker = setup.guest(count).await;
    let mut victim = attacker.clone();
    let reply = victim.visit(&setup.sessions, login).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    assert_ne!(victim.cookie(), attacker.cookie());
    assert_eq!(name_seen(&setup.sessions, &victim).await, "ada");
    assert_eq!(victim.visit(&setup.sessions, peek).await.body, "Some(1)");

    assert_eq!(name_seen(&setup.sessions, &attacker).await, "nobody");
    // A write of the attacker begins a separate session.
    let write = attacker.visit(&setup.sessions, count).await;
    assert_eq!((write.body.as_str(), write.cookies.len()), ("1", 1));
    assert_eq!(name_seen(&setup.sessions, &attacker).await, "nobody");
    assert_eq!(name_seen(&setup.sessions, &victim).await, "ada");
    assert_eq!(victim.visit(&setup.sessions, peek).await.body, "Some(1)");
}

#[tokio::test]
async fn login_of_an_empty_user_is_refused() {
    let setup = Setup::with_users().await;
    let nobody = async |_: Request, session: Session| -> Result<String, Error> {
        session.log_in("")?;
        session.insert("name", "nobody in particular")?;
        Ok(String::new())
    };
    let reply = Browser::new().visit(&setup.sessions, nobody).await;
    assert_eq!((reply.status, reply.cookies.len()), (503, 0));
    assert_eq!(setup.kinds(), [ErrorKind::Misconfigured]);
    assert!(setup.table.items().await.is_empty());
    let error = setup.sessions.revoke_user("").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
}

#[tokio::test]
async fn login_is_performed_by_a_save() {
    let setup = Setup::with_users().await;
    let mut ada = setup.guest(count).await;
    let before = ada.clone();
    let saves = async |_: Request, session: Session| -> Result<String, Error> {
        session.log_in("ada")?;
        session.insert("name", "ada")?;
        session.save().await?;
        let listed = session.user_sessions().await?;
        Ok(listed.len().to_string())
    };
    let reply = ada.visit(&setup.sessions, saves).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("1", 1));
    assert_eq!(name_seen(&setup.sessions, &before).await, "nobody");
    assert_eq!(setup.sessions.user_sessions("ada").await.unwrap().len(), 1);
    // A new session is bound at once.
    let reply = Browser::new().visit(&setup.sessions, saves).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("2", 1));
    // Nothing is written if the handler fails.
    let fails = async |_: Request, session: Session| -> Result<String, Error> {
        session.log_in("grace")?;
        Err("failed".into())
    };
    let mut bob = setup.guest(count).await;
    bob.try_visit(&setup.sessions, fails).await.unwrap_err();
    assert!(
        setup
            .sessions
            .user_sessions("grace")
            .await
            .unwrap()
            .is_empty()
    );
}

/// The end of a request after its login was saved.
#[derive(Clone, Copy, Debug)]
enum End {
    Well,
    InAnError,
    InA500,
    InAPanic,
    Dropped,
}

/// The client that planted the id reads nothing of the login, and the session can be revoked.
#[tokio::test]
async fn login_that_is_saved_leaves_the_old_id_dead() {
    for end in [
        End::Well,
        End::InAnError,
        End::InA500,
        End::InAPanic,
        End::Dropped,
    ] {
        let setup = Setup::with_users().await;
        let attacker = setup.guest(count).await;
        let (planted, sessions) = (&attacker, &setup.sessions);
        let waits = &Notify::new();
        let handler = |_: Request, session: Session| async move {
            session.cycle_id()?;
            session.log_in("ada")?;
            session.insert("name", "ada")?;
            session.save().await?;
            assert_eq!(name_seen(sessions, planted).await, "nobody", "{end:?}");
            session.insert("later", "ada's")?;
            let status = match end {
                End::Well => 200,
                End::InAnError => return Err("failed".into()),
                End::InA500 => 500,
                End::InAPanic => panic!("in the handler"),
                End::Dropped => {
                    waits.notify_one();
                    std::future::pending().await
                }
            };
            let response = http::Response::builder().status(status);
            Ok::<_, Error>(response.body(String::new())?)
        };
        let mut ada = attacker.clone();
        let visit = AssertUnwindSafe(ada.try_visit(sessions, handler)).catch_unwind();
        tokio::select! {
            _ = visit => {}
            () = waits.notified() => {}
        }

        assert_eq!(name_seen(sessions, &attacker).await, "nobody", "{end:?}");
        let listed = sessions.user_sessions("ada").await.unwrap();
        assert_eq!(listed.len(), 1, "{end:?}");
        let gets_it = matches!(end, End::Well | End::InA500);
        assert_eq!(ada.cookie() != attacker.cookie(), gets_it, "{end:?}");
        if gets_it {
            assert_eq!(name_seen(sessions, &ada).await, "ada", "{end:?}");
        }
        sessions.revoke_user("ada").await.unwrap();
        let live = setup.table.items().await;
        assert!(
            live.iter().all(|item| !item.contains_key("data")),
            "{end:?}"
        );
    }
}

#[tokio::test]
async fn login_after_a_logout_is_bound_by_a_save() {
    let setup = Setup::with_users().await;
    let mut ada = setup.guest(count).await;
    let handler = |_: Request, session: Session| async move {
        session.destroy()?;
        session.log_in("ada")?;
        session.save().await?;
        session.insert("name", "ada")?;
        Ok::<_, Error>(String::new())
    };
    assert_eq!(ada.visit(&setup.sessions, handler).await.status, 200);
    assert_eq!(name_seen(&setup.sessions, &ada).await, "ada");
    setup.sessions.revoke_user("ada").await.unwrap();
    assert_eq!(name_seen(&setup.sessions, &ada).await, "nobody");
}

#[tokio::test]
async fn login_of_another_user_starts_empty() {
    let setup = Setup::with_users().await;
    let mut browser = setup.guest(login).await;
    let before = browser.clone();
    let grace = |_: Request, session: Session| async move {
        session.insert("before", 1)?;
        session.log_in("grace")?;
        session.insert("after", 2)?;
        Ok::<_, Error>(session.keys().join(" "))
    };
    let reply = browser.visit(&setup.sessions, grace).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("after", 1));
    let keys =
        |_: Request, session: Session| async move { Ok::<_, Error>(session.keys().join(" ")) };
    assert_eq!(browser.visit(&setup.sessions, keys).await.body, "after");
    assert_eq!(name_seen(&setup.sessions, &before).await, "nobody");
    assert_eq!(setup.sessions.user_sessions("ada").await.unwrap().len(), 0);
    assert_eq!(
        setup.sessions.user_sessions("grace").await.unwrap().len(),
        1
    );
    assert_eq!(setup.table.rows().await.len(), 1, "the former row is gone");
}

/// A failed login of another user leaves the current login unchanged.
#[tokio::test]
async fn login_of_another_user_that_fails_is_undone() {
    let setup = Setup::with_users().await;
    let mut ada = setup.guest(login).await;
    let fails = |_: Request, session: Session| async move {
        session.log_in("grace")?;
        Err::<String, Error>("the second factor was wrong".into())
    };
    ada.try_visit(&setup.sessions, fails).await.unwrap_err();
    assert_eq!(name_seen(&setup.sessions, &ada).await, "ada");
}

/// A client may log in by the previous id during the grace period.
#[tokio::test]
async fn login_by_the_previous_id_keeps_the_session() {
    let setup = Setup::with_users().await;
    let sessions = setup.sessions.clone().cycle_id_after(minutes(15));
    let mut ada = setup.guest(count).await;
    setup.clock.advance(minutes(15));
    let mut before = ada.clone();
    assert_eq!(ada.visit(&sessions, peek).await.cookies.len(), 1);
    let reply = before.visit(&sessions, login).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    assert_eq!(before.visit(&sessions, peek).await.body, "Some(1)");
    assert_eq!(name_seen(&sessions, &ada).await, "nobody", "its id is dead");
}
