//! Handles that are kept longer than their request, and functions that hold a handle.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lambda_http::{Error, Request, Response};
use lambda_sessions::{ErrorKind, Session, SessionExt as _};

use crate::support::{Browser, Setup, count, direct_sessions};

#[tokio::test]
async fn handle_kept_after_the_response_is_sealed() {
    let (sessions, table, _) = direct_sessions().await;
    let kept: Arc<std::sync::Mutex<Option<Session>>> = Arc::default();
    let keep = |_: Request, session: Session| {
        let kept = Arc::clone(&kept);
        async move {
            session.insert("a", 1)?;
            *kept.lock().unwrap() = Some(session);
            Ok("")
        }
    };
    Browser::new().visit(&sessions, keep).await;
    let session = kept.lock().unwrap().take().unwrap();
    assert_eq!(
        session.insert("b", 1).unwrap_err().kind(),
        ErrorKind::Misconfigured
    );
    assert_eq!(
        session.increment("a", 1).unwrap_err().kind(),
        ErrorKind::Misconfigured
    );
    session.remove("a").unwrap_err();
    session.clear().unwrap_err();
    session.destroy().unwrap_err();
    assert_eq!(
        session.save().await.unwrap_err().kind(),
        ErrorKind::Misconfigured
    );
    assert_eq!(session.get("a").unwrap(), Some(1));
    assert_eq!(table.item().await["version"].as_n().unwrap(), "1");
}

/// The first use of a session may come after the response was sent.
#[tokio::test]
async fn handle_first_used_after_the_response_fails() {
    let setup = Setup::new().await;
    let ada = setup.guest(count).await;
    let kept = Arc::new(Mutex::new(None));
    let keep = |request: Request| {
        let kept = Arc::clone(&kept);
        async move {
            *kept.lock().unwrap() = Some(request);
            Ok::<_, Error>("")
        }
    };
    ada.clone().visit_layered(&setup.sessions, keep).await;
    let request = kept.lock().unwrap().take().unwrap();
    let write_only = request.write_only_session().unwrap();
    let error = write_only.increment("visits", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    let error = request.session().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert_eq!(setup.proxy.calls(), [""; 0]);
}

#[tokio::test]
async fn handle_of_a_dropped_request_fails() {
    let setup = Setup::new().await;
    let ada = setup.guest(count).await;
    let kept: Arc<Mutex<Option<Session>>> = Arc::default();
    let waits = &tokio::sync::Notify::new();
    let keep = |_: Request, session: Session| {
        let kept = Arc::clone(&kept);
        async move {
            *kept.lock().unwrap() = Some(session);
            waits.notify_one();
            std::future::pending::<Result<String, Error>>().await
        }
    };
    let mut browser = ada.clone();
    tokio::select! {
        _ = browser.visit(&setup.sessions, keep) => panic!("it has no end"),
        () = waits.notified() => {}
    }
    let session = kept.lock().unwrap().take().unwrap();
    let error = session.increment("visits", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
}

/// A clone that was kept after the response revokes no session of the user.
#[tokio::test]
async fn handle_kept_after_the_response_revokes_nobody() {
    let setup = Setup::with_users().await;
    let login = |_: Request, session: Session| async move {
        session.log_in("ada")?;
        Ok::<_, Error>(String::new())
    };
    setup.guest(login).await;
    let mut ada = setup.guest(login).await;
    let kept: Arc<Mutex<Option<Session>>> = Arc::default();
    let keep = |_: Request, session: Session| {
        let kept = Arc::clone(&kept);
        async move {
            *kept.lock().unwrap() = Some(session);
            Ok::<_, Error>(String::new())
        }
    };
    ada.visit(&setup.sessions, keep).await;
    let session = kept.lock().unwrap().take().unwrap();
    let listed = setup.sessions.user_sessions("ada").await.unwrap();
    let handles: Vec<_> = listed.iter().map(|one| one.handle().to_owned()).collect();
    setup.proxy.calls();
    let error = session.revoke_others().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    for handle in handles {
        let error = session.revoke(&handle).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
    }
    assert_eq!(setup.proxy.calls(), [""; 0]);
    let listed = setup.sessions.user_sessions("ada").await.unwrap();
    assert_eq!(listed.len(), 2);
}

/// A function of an update may hold a clone of its own session. It is dropped at the end, however
/// the request ends.
#[tokio::test]
async fn update_that_holds_its_session_is_freed() {
    for end in ["200", "500", "Err", "a save that fails", "dropped"] {
        let setup = Setup::new().await;
        let probe = Arc::new(());
        let seen = Arc::downgrade(&probe);
        let probe = Mutex::new(Some(probe));
        let waits = &tokio::sync::Notify::new();
        let handler = |_: Request, session: Session| {
            let (probe, own) = (probe.lock().unwrap().take(), session.clone());
            async move {
                session.update("n", move |n: &mut usize| {
                    let _held = &probe;
                    *n += own.keys().len() + 1;
                })?;
                let status = match end {
                    "200" => 200,
                    "500" => 500,
                    "Err" => return Err("failed".into()),
                    "dropped" => {
                        waits.notify_one();
                        std::future::pending().await
                    }
                    _ => {
                        session.insert("a", "x".repeat(70_000))?;
                        session.save().await?;
                        200
                    }
                };
                let response = Response::builder().status(status);
                Ok::<_, Error>(response.body(String::new())?)
            }
        };
        let mut browser = Browser::new();
        tokio::select! {
            _ = browser.try_visit(&setup.sessions, handler) => {}
            () = waits.notified() => {}
        }
        assert!(seen.upgrade().is_none(), "{end}");
    }
}

/// A value that uses its session when it is dropped.
struct UsesSession(Session);

impl Drop for UsesSession {
    fn drop(&mut self) {
        let _ = self.0.keys();
    }
}

/// Runs a function on a thread of its own, because a lock that is taken twice waits for ever.
fn assert_ends(what: &str, run: impl FnOnce() + Send + 'static) {
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        run();
        let _ = ended.send(());
    });
    let end = end.recv_timeout(Duration::from_secs(5));
    assert!(end.is_ok(), "{what}");
}

/// A function of an update may hold values whose destructors use the session.
#[test]
fn update_is_dropped_without_the_lock() {
    type Step = fn(&Session) -> Result<(), lambda_sessions::Error>;
    let steps: [(&str, Step); 7] = [
        ("insert", |session| session.insert("n", 7)),
        ("insert of what is stored", |session| session.insert("n", 1)),
        ("remove", |session| session.remove("n")),
        ("take", |session| session.take::<i64>("n").map(drop)),
        ("take_once", |session| {
            session.take_once::<i64>("n").map(drop)
        }),
        ("clear", Session::clear),
        ("destroy", Session::destroy),
    ];
    for (what, step) in steps {
        for adds in [1, 0] {
            assert_ends(what, move || {
                let session = Session::detached([("n", 1)]);
                let held = UsesSession(session.clone());
                let update = move |n: &mut i64| {
                    let _held = &held;
                    *n += adds;
                };
                session.update("n", update).unwrap();
                step(&session).unwrap();
            });
        }
    }
}
