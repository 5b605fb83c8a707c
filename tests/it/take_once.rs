//! Values that are given to one request only.

use std::sync::Arc;

use lambda_http::{Error, Request};
use lambda_sessions::{ErrorKind, Session};
use tokio::sync::Barrier;

use crate::support::{Action, Setup, login, name_seen};

#[tokio::test]
async fn take_once_gives_a_value_to_one_request() {
    let setup = Setup::new().await;
    let begin = |_: Request, session: Session| async move {
        session.insert("state", "x1")?;
        Ok::<_, Error>(String::new())
    };
    let ada = setup.guest(begin).await;
    let both = Arc::new(Barrier::new(2));
    let callback = |_: Request, session: Session| {
        let both = Arc::clone(&both);
        async move {
            let state: Option<String> = session.take_once("state")?;
            both.wait().await;
            session.save().await?;
            Ok::<_, Error>(format!("{state:?}"))
        }
    };
    let (mut one, mut two) = (ada.clone(), ada.clone());
    let (first, second) = tokio::join!(
        one.visit(&setup.sessions, callback),
        two.visit(&setup.sessions, callback)
    );
    let mut told = [(first.status, first.body), (second.status, second.body)];
    told.sort();
    assert_eq!(told[0], (200, "Some(\"x1\")".to_owned()));
    assert_eq!(told[1].0, 409);
    assert_eq!(setup.kinds(), [ErrorKind::Conflict]);
    let later = |_: Request, session: Session| async move {
        Ok::<_, Error>(format!("{:?}", session.take_once::<String>("state")?))
    };
    assert_eq!(one.visit(&setup.sessions, later).await.body, "None");
}

/// This also holds if the callback is a login, which otherwise begins an empty session.
#[tokio::test]
async fn take_once_in_a_login_is_for_one_of_two() {
    let setup = Setup::with_users().await;
    let begin = |_: Request, session: Session| async move {
        session.insert("state", "x1")?;
        Ok::<_, Error>(String::new())
    };
    let ada = setup.guest(begin).await;
    let both = Arc::new(Barrier::new(2));
    let callback = |request: Request, session: Session| {
        let both = Arc::clone(&both);
        async move {
            let state: Option<String> = session.take_once("state")?;
            assert_eq!(state.as_deref(), Some("x1"));
            both.wait().await;
            login(request, session).await
        }
    };
    let (mut one, mut two) = (ada.clone(), ada.clone());
    let (first, second) = tokio::join!(
        one.visit(&setup.sessions, callback),
        two.visit(&setup.sessions, callback)
    );
    let mut told = [first.status, second.status];
    told.sort_unstable();
    assert_eq!(told, [200, 409]);
}

/// The second request is rejected, whatever it does after it has taken the value.
#[tokio::test]
async fn take_once_is_for_one_whatever_follows() {
    type Step = fn(&Session) -> Result<(), lambda_sessions::Error>;
    let clear_and_cycle: Step = |session| {
        session.clear()?;
        session.cycle_id()
    };
    let steps: [(&str, Step, ErrorKind); 5] = [
        ("nothing", |_| Ok(()), ErrorKind::Conflict),
        ("a clear", Session::clear, ErrorKind::Conflict),
        // The first request left no session under that id.
        ("a clear and a cycle", clear_and_cycle, ErrorKind::Gone),
        (
            "a login of another user",
            |session| session.log_in("grace"),
            ErrorKind::Conflict,
        ),
        ("a logout", Session::destroy, ErrorKind::Conflict),
    ];
    for (what, step, kind) in steps {
        let setup = Setup::with_users().await;
        let begin = |request: Request, session: Session| async move {
            session.insert("state", "x1")?;
            login(request, session).await
        };
        let ada = setup.guest(begin).await;
        let callback = |session: Session| async move {
            let state: Option<String> = session.take_once("state")?;
            assert_eq!(state.as_deref(), Some("x1"), "{what}");
            step(&session)?;
            session.insert("in", true)?;
            Ok::<_, Error>(String::new())
        };
        let (other, elsewhere) = (&ada.clone(), &setup.elsewhere());
        let slow = |_: Request, session: Session| async move {
            let fast = |_: Request, session: Session| callback(session);
            let reply = other.clone().visit(elsewhere, fast).await;
            assert_eq!(reply.status, 200, "{what}");
            callback(session).await
        };
        let reply = ada.clone().visit(&setup.sessions, slow).await;
        assert_eq!((reply.status, reply.cookies.len()), (409, 0), "{what}");
        assert_eq!(setup.kinds(), [kind], "{what}");
    }
}

/// The request may change the value before it takes it. The stored value then guards the commit.
#[tokio::test]
async fn take_once_after_a_change_is_for_one() {
    type Step = fn(&Session) -> Result<(), lambda_sessions::Error>;
    let steps: [Step; 2] = [
        |session| session.update("n", |n: &mut i64| *n *= 2),
        |session| session.increment("n", 1).map(drop),
    ];
    for step in steps {
        let setup = Setup::new().await;
        let begin = |_: Request, session: Session| async move {
            session.insert("n", 1)?;
            Ok::<_, Error>(String::new())
        };
        let ada = setup.guest(begin).await;
        let drain = |session: Session| async move {
            step(&session)?;
            assert_eq!(session.take_once("n")?, Some(2));
            session.save().await?;
            Ok::<_, Error>(String::new())
        };
        let (other, elsewhere) = (&ada.clone(), &setup.elsewhere());
        let slow = |_: Request, session: Session| async move {
            let fast = |_: Request, session: Session| drain(session);
            assert_eq!(other.clone().visit(elsewhere, fast).await.status, 200);
            drain(session).await
        };
        let reply = ada.clone().visit(&setup.sessions, slow).await;
        assert_eq!((reply.status, reply.cookies.len()), (409, 0));
        assert_eq!(setup.kinds(), [ErrorKind::Conflict]);
    }
}

/// A logout that nothing follows begins no session, and leaves no cookie.
#[tokio::test]
async fn take_once_and_a_logout_are_a_logout() {
    for saves in [false, true] {
        let setup = Setup::with_users().await;
        let begin = |request: Request, session: Session| async move {
            session.insert("state", "x1")?;
            login(request, session).await
        };
        let mut ada = setup.guest(begin).await;
        let handler = |_: Request, session: Session| async move {
            session.take_once::<String>("state")?;
            session.destroy()?;
            if saves {
                session.save().await?;
            }
            Ok::<_, Error>(String::new())
        };
        let reply = ada.visit(&setup.sessions, handler).await;
        assert_eq!((reply.status, reply.cookies.len()), (200, 1), "{saves}");
        assert_eq!(ada.cookie(), None, "{saves}");
        assert!(setup.table.items().await.is_empty(), "{saves}");
    }
}

/// The value is in the session that ends, and not in the one that begins.
#[tokio::test]
async fn take_once_before_an_end_can_be_saved() {
    for logs_out in [false, true] {
        let setup = Setup::with_users().await;
        let begin = |request: Request, session: Session| async move {
            session.insert("state", "x1")?;
            login(request, session).await
        };
        let mut browser = setup.guest(begin).await;
        let handler = |_: Request, session: Session| async move {
            session.take_once::<String>("state")?;
            if logs_out {
                session.destroy()?;
            }
            session.log_in("grace")?;
            session.insert("name", "x".repeat(70_000))?;
            let error = session.save().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge, "nothing was taken");
            session.insert("name", "grace")?;
            session.save().await?;
            Ok::<_, Error>(String::new())
        };
        let reply = browser.visit(&setup.sessions, handler).await;
        assert_eq!((reply.status, reply.cookies.len()), (200, 1));
        assert_eq!(name_seen(&setup.sessions, &browser).await, "grace");
    }
}

/// A session that begins after a logout does not need the value that was taken.
#[tokio::test]
async fn take_once_before_a_logout_stops_nothing() {
    let setup = Setup::with_users().await;
    let begin = |request: Request, session: Session| async move {
        session.insert("state", "x1")?;
        login(request, session).await
    };
    let ada = setup.guest(begin).await;
    let handler = |_: Request, session: Session| async move {
        session.take_once::<String>("state")?;
        session.destroy()?;
        session.increment("visits", i64::MAX)?;
        session.insert("later", 1)?;
        Ok::<_, Error>(String::new())
    };
    let mut next = ada.clone();
    let reply = next.visit(&setup.sessions, handler).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    assert_eq!(name_seen(&setup.sessions, &ada).await, "nobody");
    let keys =
        |_: Request, session: Session| async move { Ok::<_, Error>(session.keys().join(" ")) };
    assert_eq!(next.visit(&setup.sessions, keys).await.body, "later visits");
}

/// The response to the removal is lost, and the removal still counts once.
#[tokio::test]
async fn take_once_lost_response_counts_once() {
    let setup = Setup::new().await;
    let begin = |_: Request, session: Session| async move {
        session.insert("state", "x1")?;
        Ok::<_, Error>(String::new())
    };
    let mut ada = setup.guest(begin).await;
    setup
        .proxy
        .script(|operation, before| match (operation, before) {
            ("UpdateItem", 0) => Action::lost(),
            _ => Action::Forward,
        });
    let callback = |_: Request, session: Session| async move {
        Ok::<_, Error>(format!("{:?}", session.take_once::<String>("state")?))
    };
    let reply = ada.visit(&setup.sessions, callback).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "Some(\"x1\")"));
}
