//! The exact DynamoDB calls of each use of a session, counted on the wire, for wrapped handlers and
//! for the tower layer. This file is longer than others, because it is one table.

use std::future::Future;
use std::time::Duration;

use lambda_http::{Error, Request};
use lambda_sessions::{Session, SessionExt as _};

use crate::support::{Browser, Setup, minutes};

/// The two ways to get a session.
#[derive(Clone, Copy, Debug)]
enum Way {
    Wrapped,
    Layered,
}

/// Begins a session with some data in it.
async fn begin(_: Request, session: Session) -> Result<String, Error> {
    for key in ["a", "b", "c", "n"] {
        session.insert(key, 1)?;
    }
    Ok(String::new())
}

/// Returns the calls of a handler that does this with its session.
async fn calls_of<F>(
    setup: &Setup,
    way: Way,
    browser: &mut Browser,
    act: impl Fn(Session) -> F + Clone + Send + Sync,
) -> Vec<String>
where
    F: Future<Output = Result<(), Error>> + Send,
{
    let act = &act;
    let reply = match way {
        Way::Wrapped => {
            let handler = move |_, session| async move { act(session).await.map(|()| "") };
            browser.visit(&setup.sessions, handler).await
        }
        Way::Layered => {
            let handler = move |request: Request| async move {
                let session = request.session().await?;
                act(session).await.map(|()| "")
            };
            browser.visit_layered(&setup.sessions, handler).await
        }
    };
    assert_eq!(reply.status, 200, "{}", reply.body);
    setup.proxy.calls()
}

/// Returns the calls of a handler behind the layer that does not read its session.
async fn calls_unread<F>(
    setup: &Setup,
    browser: &mut Browser,
    act: impl Fn(Request) -> F + Send + Sync,
) -> Vec<String>
where
    F: Future<Output = Result<(), Error>> + Send,
{
    let act = &act;
    let handler = move |request| async move { act(request).await.map(|()| "") };
    let reply = browser.visit_layered(&setup.sessions, handler).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    setup.proxy.calls()
}

const WAYS: [Way; 2] = [Way::Wrapped, Way::Layered];

const NONE: [&str; 0] = [];

#[tokio::test]
async fn calls_of_never_asking_none() {
    let setup = Setup::new().await;
    let mut browser = setup.guest(begin).await;
    let calls = calls_unread(&setup, &mut browser, |_| async { Ok(()) }).await;
    assert_eq!(calls, NONE);
}

#[tokio::test]
async fn calls_without_a_cookie_none() {
    let setup = Setup::new().await;
    for way in WAYS {
        let mut browser = Browser::new();
        let read = |session: Session| async move {
            assert_eq!(session.get::<u32>("n")?, None);
            session.remove("n")?;
            session.clear()?;
            session.cycle_id()?;
            Ok(())
        };
        assert_eq!(
            calls_of(&setup, way, &mut browser, read).await,
            NONE,
            "{way:?}"
        );
        assert_eq!(browser.cookie(), None, "{way:?}");
    }
}

#[tokio::test]
async fn calls_of_a_malformed_id_none() {
    let setup = Setup::new().await;
    for way in WAYS {
        for cookie in [
            "",
            "x",
            "../../etc/passwd",
            &"A".repeat(42),
            &"A".repeat(44),
            &"\u{e9}".repeat(43),
        ] {
            let mut browser = Browser::with_cookie("__Host-sid", cookie);
            let read = |session: Session| async move {
                assert!(session.is_new());
                Ok(())
            };
            assert_eq!(
                calls_of(&setup, way, &mut browser, read).await,
                NONE,
                "{way:?} {cookie}"
            );
        }
    }
}

#[tokio::test]
async fn calls_of_no_change_one_read() {
    let setup = Setup::new().await;
    for way in WAYS {
        let mut browser = setup.guest(begin).await;
        let read = |session: Session| async move {
            assert_eq!(session.get("n")?, Some(1));
            session.insert("n", 1)?;
            session.remove("absent")?;
            session.increment("n", 0)?;
            Ok(())
        };
        assert_eq!(
            calls_of(&setup, way, &mut browser, read).await,
            ["GetItem"],
            "{way:?}"
        );
    }
}

#[tokio::test]
async fn calls_of_a_touch_one_update_by_its_hint() {
    let setup = Setup::new().await;
    for way in WAYS {
        let mut browser = setup.guest(begin).await;
        setup.clock.advance(minutes(60) - Duration::from_secs(1));
        let read = |_| async { Ok(()) };
        assert_eq!(
            calls_of(&setup, way, &mut browser, read).await,
            ["GetItem"],
            "{way:?}: not yet"
        );
        setup.clock.advance(Duration::from_secs(1));
        let mut without_hint = browser.clone();
        without_hint.forget_hints();
        let calls = calls_of(&setup, way, &mut browser, read).await;
        assert_eq!(calls, ["UpdateItem"], "{way:?}: due");
        assert_eq!(
            calls_of(&setup, way, &mut browser, read).await,
            ["GetItem"],
            "{way:?}: done"
        );
        let calls = calls_of(&setup, way, &mut without_hint, read).await;
        assert_eq!(calls, ["GetItem"], "{way:?}: done, without a hint");
        setup.clock.advance(minutes(60));
        let calls = calls_of(&setup, way, &mut without_hint, read).await;
        assert_eq!(calls, ["GetItem", "UpdateItem"], "{way:?}: due, without");
        // The cookie of that response has one again.
        setup.clock.advance(minutes(60));
        let change = |session: Session| async move { Ok(session.insert("a", 2)?) };
        let calls = calls_of(&setup, way, &mut without_hint, change).await;
        assert_eq!(calls, ["UpdateItem", "UpdateItem"], "{way:?}: and a change");
    }
}

#[tokio::test]
async fn calls_of_any_change_read_and_update() {
    let setup = Setup::new().await;
    for way in WAYS {
        let mut browser = setup.guest(begin).await;
        let change = |session: Session| async move {
            for n in 0..100 {
                session.insert(format!("key {n}"), n)?;
            }
            session.remove("a")?;
            session.increment("n", 1)?;
            Ok(())
        };
        let calls = calls_of(&setup, way, &mut browser, change).await;
        assert_eq!(calls, ["GetItem", "UpdateItem"], "{way:?}");
        let clear = |session: Session| async move {
            session.clear()?;
            session.insert("z", 1)?;
            Ok(())
        };
        let calls = calls_of(&setup, way, &mut browser, clear).await;
        assert_eq!(calls, ["GetItem", "UpdateItem"], "{way:?}");
    }
}

/// Changes of more keys than fit into one update expression are still one write.
#[tokio::test]
async fn calls_of_a_thousand_changes_two() {
    let setup = Setup::new().await;
    let mut browser = setup.guest(begin).await;
    let change = |session: Session| async move {
        for n in 0..1000 {
            session.insert(format!("key {n}"), n)?;
        }
        Ok(())
    };
    let calls = calls_of(&setup, Way::Wrapped, &mut browser, change).await;
    assert_eq!(calls, ["GetItem", "UpdateItem"]);
}

#[tokio::test]
async fn calls_of_write_only_one_write() {
    let setup = Setup::new().await;
    let mut browser = setup.guest(begin).await;
    let write = |request: Request| async move {
        let session = request.write_only_session()?;
        session.insert("a", 2)?;
        session.remove("b")?;
        session.increment("n", 1)?;
        Ok(())
    };
    assert_eq!(
        calls_unread(&setup, &mut browser, write).await,
        ["UpdateItem"]
    );
    let logout = |request: Request| async move {
        request.write_only_session()?.destroy()?;
        Ok(())
    };
    assert_eq!(
        calls_unread(&setup, &mut browser, logout).await,
        ["DeleteItem"]
    );
    assert_eq!(setup.table.items().await.len(), 0);
}

#[tokio::test]
async fn calls_of_a_first_write_one_put() {
    let setup = Setup::new().await;
    for way in WAYS {
        let mut browser = Browser::new();
        let start = |session: Session| async move {
            session.insert("a", 1)?;
            session.cycle_id()?;
            Ok(())
        };
        assert_eq!(
            calls_of(&setup, way, &mut browser, start).await,
            ["PutItem"],
            "{way:?}"
        );
    }
    let start = |request: Request| async move { Ok(request.write_only_session()?.insert("a", 1)?) };
    assert_eq!(
        calls_unread(&setup, &mut Browser::new(), start).await,
        ["PutItem"]
    );
}

#[tokio::test]
async fn calls_of_cycle_id_read_and_transaction() {
    let setup = Setup::new().await;
    for way in WAYS {
        let mut browser = setup.guest(begin).await;
        let login = |session: Session| async move {
            session.cycle_id()?;
            session.insert("user", "ada")?;
            Ok(())
        };
        let calls = calls_of(&setup, way, &mut browser, login).await;
        assert_eq!(calls, ["GetItem", "TransactWriteItems"], "{way:?}");
    }
}

#[tokio::test]
async fn calls_of_a_new_start_read_and_transaction() {
    let setup = Setup::new().await;
    for way in WAYS {
        let mut browser = setup.guest(begin).await;
        let begin_another = |session: Session| async move {
            session.destroy()?;
            session.insert("flash", "bye")?;
            Ok(())
        };
        let calls = calls_of(&setup, way, &mut browser, begin_another).await;
        assert_eq!(calls, ["GetItem", "TransactWriteItems"], "{way:?}");
    }
}

#[tokio::test]
async fn calls_of_a_logout_read_and_delete() {
    let setup = Setup::new().await;
    for way in WAYS {
        let mut browser = setup.guest(begin).await;
        let logout = |session: Session| async move {
            session.insert("a", 2)?;
            session.destroy()?;
            session.cycle_id()?;
            Ok(())
        };
        let calls = calls_of(&setup, way, &mut browser, logout).await;
        assert_eq!(calls, ["GetItem", "DeleteItem"], "{way:?}");
        assert_eq!(browser.cookie(), None, "{way:?}");
    }
}

/// A session that is bound to a user also has a row.
#[tokio::test]
async fn calls_of_users_include_their_rows() {
    let setup = Setup::with_users().await;
    let login = |session: Session| async move {
        session.log_in("ada")?;
        session.set_label("phone")?;
        session.insert("user", "ada")?;
        Ok(())
    };
    for way in WAYS {
        let mut browser = Browser::new();
        let calls = calls_of(&setup, way, &mut browser, login).await;
        assert_eq!(calls, ["TransactWriteItems"], "{way:?}: at the first visit");
        let mut browser = setup.guest(begin).await;
        let login_transaction = ["GetItem", "TransactWriteItems"];
        let calls = calls_of(&setup, way, &mut browser, login).await;
        assert_eq!(calls, login_transaction, "{way:?}: the id is cycled");
        let calls = calls_of(&setup, way, &mut browser, login).await;
        assert_eq!(calls, login_transaction, "{way:?}: once more");
        let cycle = |session: Session| async move {
            session.cycle_id()?;
            Ok(())
        };
        let calls = calls_of(&setup, way, &mut browser, cycle).await;
        assert_eq!(calls, login_transaction, "{way:?}: a cycle");
        let change = |session: Session| async move { Ok(session.insert("a", 7)?) };
        let calls = calls_of(&setup, way, &mut browser, change).await;
        assert_eq!(calls, ["GetItem", "UpdateItem"], "{way:?}: as any other");
        let list = |session: Session| async move {
            session.user_sessions().await?;
            Ok(())
        };
        let calls = calls_of(&setup, way, &mut browser, list).await;
        assert_eq!(calls, ["GetItem", "Query", "BatchGetItem"], "{way:?}");
        let logout = |session: Session| async move {
            session.destroy()?;
            Ok(())
        };
        let calls = calls_of(&setup, way, &mut browser, logout).await;
        let expected = ["GetItem", "DeleteItem", "DeleteItem"];
        assert_eq!(calls, expected, "{way:?}: the record, and the row");
        setup.sessions.revoke_user("ada").await.unwrap();
        setup.proxy.calls();
    }
}

#[tokio::test]
async fn calls_of_a_revocation_two_deletes_each() {
    let setup = Setup::with_users().await;
    let login = |session: Session| async move {
        session.log_in("ada")?;
        Ok(())
    };
    for sessions in [0, 1, 3] {
        for _ in 0..sessions {
            calls_of(&setup, Way::Wrapped, &mut Browser::new(), login).await;
        }
        setup.sessions.revoke_user("ada").await.unwrap();
        let mut calls = setup.proxy.calls();
        calls.sort_unstable();
        let queries = if sessions == 0 { 1 } else { 2 };
        let expected = [vec!["DeleteItem"; sessions * 2], vec!["Query"; queries]].concat();
        assert_eq!(calls, expected, "{sessions} sessions");
    }
}

#[tokio::test]
async fn calls_of_a_scheduled_cycle_as_of_cycle_id() {
    let mut setup = Setup::new().await;
    setup.sessions = setup.sessions.clone().cycle_id_after(minutes(15));
    for way in WAYS {
        let mut browser = setup.guest(begin).await;
        let before = browser.clone();
        let read = |session: Session| async move { Ok(session.get::<i64>("n").map(drop)?) };
        setup.clock.advance(minutes(15) - Duration::from_secs(1));
        assert_eq!(calls_of(&setup, way, &mut browser, read).await, ["GetItem"]);
        setup.clock.advance(Duration::from_secs(1));
        let calls = calls_of(&setup, way, &mut browser, read).await;
        assert_eq!(calls, ["GetItem", "TransactWriteItems"], "{way:?}: due");
        assert_eq!(calls_of(&setup, way, &mut browser, read).await, ["GetItem"]);
        // A request by the previous id reads the redirect and its target.
        let mut late = before.clone();
        let calls = calls_of(&setup, way, &mut late, read).await;
        assert_eq!(calls, ["GetItem", "GetItem"], "{way:?}: in the grace");
    }
}

#[tokio::test]
async fn calls_of_a_save_one_write_and_none_later() {
    let setup = Setup::new().await;
    for way in WAYS {
        let mut browser = Browser::new();
        let save = |session: Session| async move {
            session.insert("a", 1)?;
            session.save().await?;
            session.save().await?;
            Ok(())
        };
        assert_eq!(
            calls_of(&setup, way, &mut browser, save).await,
            ["PutItem"],
            "{way:?}"
        );
        let save = |session: Session| async move {
            session.cycle_id()?;
            session.increment("a", 1)?;
            session.save().await?;
            assert_eq!(session.get("a")?, Some(2));
            session.insert("b", 1)?;
            Ok(())
        };
        let calls = calls_of(&setup, way, &mut browser, save).await;
        assert_eq!(
            calls,
            ["GetItem", "TransactWriteItems", "UpdateItem"],
            "{way:?}"
        );
    }
}

#[tokio::test]
async fn calls_of_asking_twice_one_read() {
    let setup = Setup::new().await;
    let mut browser = setup.guest(begin).await;
    let ask = |request: Request| async move {
        let (one, other) = tokio::join!(request.session(), request.session());
        one?.insert("a", 2)?;
        assert_eq!(other?.get("a")?, Some(2));
        assert_eq!(request.session().await?.get("a")?, Some(2));
        Ok(())
    };
    assert_eq!(
        calls_unread(&setup, &mut browser, ask).await,
        ["GetItem", "UpdateItem"]
    );
}

/// The outermost of nested layers commits, and there is one session.
#[tokio::test]
async fn calls_of_nested_layers_read_and_write() {
    use tower::Layer as _;

    let setup = Setup::new().await;
    let mut browser = setup.guest(begin).await;
    let wrapped = setup
        .sessions
        .wrap(|request: Request, session: Session| async move {
            session.insert("a", 2)?;
            assert_eq!(request.session().await?.get("a")?, Some(2));
            Ok::<_, Error>("")
        });
    let service = setup.sessions.layer(setup.sessions.layer(wrapped));
    let reply = browser.send(service).await.unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem"]);
}
