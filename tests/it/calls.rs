//! The table of DynamoDB calls, asserted by counting them on the wire: once for the wrapped
//! handler, once for the tower layer.

use std::future::Future;
use std::time::Duration;

use crate::support::{Bench, Visitor, minutes};
use lambda_http::{Error, Request};
use lambda_sessions::{Session, SessionExt as _};

/// The two ways to a session.
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

/// The calls that a handler costs, which does this with its session.
async fn calls_of<F>(
    bench: &Bench,
    way: Way,
    visitor: &mut Visitor,
    act: impl Fn(Session) -> F + Clone + Send + Sync,
) -> Vec<String>
where
    F: Future<Output = Result<(), Error>> + Send,
{
    let act = &act;
    let reply = match way {
        Way::Wrapped => {
            let handler = move |_, session| async move { act(session).await.map(|()| "") };
            visitor.visit(&bench.sessions, handler).await
        }
        Way::Layered => {
            let handler = move |request: Request| async move {
                let session = request.session().await?;
                act(session).await.map(|()| "")
            };
            visitor.visit_layered(&bench.sessions, handler).await
        }
    };
    assert_eq!(reply.status, 200, "{}", reply.body);
    bench.proxy.calls()
}

/// The calls that a handler behind the layer costs which does not read its session.
async fn calls_unread<F>(
    bench: &Bench,
    visitor: &mut Visitor,
    act: impl Fn(Request) -> F + Send + Sync,
) -> Vec<String>
where
    F: Future<Output = Result<(), Error>> + Send,
{
    let act = &act;
    let handler = move |request| async move { act(request).await.map(|()| "") };
    let reply = visitor.visit_layered(&bench.sessions, handler).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    bench.proxy.calls()
}

const WAYS: [Way; 2] = [Way::Wrapped, Way::Layered];
const NONE: [&str; 0] = [];

#[tokio::test]
async fn with_a_cookie_and_never_asking_none() {
    let bench = Bench::new().await;
    let mut visitor = bench.guest(begin).await;
    let calls = calls_unread(&bench, &mut visitor, |_| async { Ok(()) }).await;
    assert_eq!(calls, NONE);
}

#[tokio::test]
async fn without_a_cookie_reading_none() {
    let bench = Bench::new().await;
    for way in WAYS {
        let mut visitor = Visitor::new();
        let read = |session: Session| async move {
            assert_eq!(session.get::<u32>("n")?, None);
            session.remove("n")?;
            session.clear()?;
            session.cycle_id()?;
            Ok(())
        };
        assert_eq!(
            calls_of(&bench, way, &mut visitor, read).await,
            NONE,
            "{way:?}"
        );
        assert_eq!(visitor.cookie(), None, "{way:?}");
    }
}

#[tokio::test]
async fn with_what_cannot_be_an_id_none() {
    let bench = Bench::new().await;
    for way in WAYS {
        for cookie in [
            "",
            "x",
            "../../etc/passwd",
            &"A".repeat(42),
            &"A".repeat(44),
            &"\u{e9}".repeat(43),
        ] {
            let mut visitor = Visitor::with_cookie("__Host-sid", cookie);
            let read = |session: Session| async move {
                assert!(session.is_new());
                Ok(())
            };
            assert_eq!(
                calls_of(&bench, way, &mut visitor, read).await,
                NONE,
                "{way:?} {cookie}"
            );
        }
    }
}

#[tokio::test]
async fn reading_and_changing_nothing_one_read() {
    let bench = Bench::new().await;
    for way in WAYS {
        let mut visitor = bench.guest(begin).await;
        let read = |session: Session| async move {
            assert_eq!(session.get("n")?, Some(1));
            session.insert("n", 1)?;
            session.remove("absent")?;
            session.increment("n", 0)?;
            Ok(())
        };
        assert_eq!(
            calls_of(&bench, way, &mut visitor, read).await,
            ["GetItem"],
            "{way:?}"
        );
    }
}

#[tokio::test]
async fn reading_when_a_touch_is_due_two() {
    let bench = Bench::new().await;
    for way in WAYS {
        let mut visitor = bench.guest(begin).await;
        bench.clock.advance(minutes(60) - Duration::from_secs(1));
        let read = |_| async { Ok(()) };
        assert_eq!(
            calls_of(&bench, way, &mut visitor, read).await,
            ["GetItem"],
            "{way:?}: not yet"
        );
        bench.clock.advance(Duration::from_secs(1));
        let calls = calls_of(&bench, way, &mut visitor, read).await;
        assert_eq!(calls, ["GetItem", "UpdateItem"], "{way:?}: due");
        assert_eq!(
            calls_of(&bench, way, &mut visitor, read).await,
            ["GetItem"],
            "{way:?}: done"
        );
    }
}

#[tokio::test]
async fn reading_and_changing_any_number_of_keys_two() {
    let bench = Bench::new().await;
    for way in WAYS {
        let mut visitor = bench.guest(begin).await;
        let change = |session: Session| async move {
            for n in 0..100 {
                session.insert(format!("key {n}"), n)?;
            }
            session.remove("a")?;
            session.increment("n", 1)?;
            Ok(())
        };
        let calls = calls_of(&bench, way, &mut visitor, change).await;
        assert_eq!(calls, ["GetItem", "UpdateItem"], "{way:?}");
        let clear = |session: Session| async move {
            session.clear()?;
            session.insert("z", 1)?;
            Ok(())
        };
        let calls = calls_of(&bench, way, &mut visitor, clear).await;
        assert_eq!(calls, ["GetItem", "UpdateItem"], "{way:?}");
    }
}

/// More keys than one update expression holds: still one write.
#[tokio::test]
async fn changing_a_thousand_keys_two() {
    let bench = Bench::new().await;
    let mut visitor = bench.guest(begin).await;
    let change = |session: Session| async move {
        for n in 0..1000 {
            session.insert(format!("key {n}"), n)?;
        }
        Ok(())
    };
    let calls = calls_of(&bench, Way::Wrapped, &mut visitor, change).await;
    assert_eq!(calls, ["GetItem", "UpdateItem"]);
}

#[tokio::test]
async fn only_writing_one_write() {
    let bench = Bench::new().await;
    let mut visitor = bench.guest(begin).await;
    let write = |request: Request| async move {
        let session = request.write_only_session()?;
        session.insert("a", 2)?;
        session.remove("b")?;
        session.increment("n", 1)?;
        Ok(())
    };
    assert_eq!(
        calls_unread(&bench, &mut visitor, write).await,
        ["UpdateItem"]
    );
    let logout = |request: Request| async move {
        request.write_only_session()?.destroy()?;
        Ok(())
    };
    assert_eq!(
        calls_unread(&bench, &mut visitor, logout).await,
        ["DeleteItem"]
    );
    assert_eq!(bench.table.items().await.len(), 0);
}

#[tokio::test]
async fn starting_a_session_one_write() {
    let bench = Bench::new().await;
    for way in WAYS {
        let mut visitor = Visitor::new();
        let start = |session: Session| async move {
            session.insert("a", 1)?;
            session.cycle_id()?;
            Ok(())
        };
        assert_eq!(
            calls_of(&bench, way, &mut visitor, start).await,
            ["PutItem"],
            "{way:?}"
        );
    }
    let start = |request: Request| async move { Ok(request.write_only_session()?.insert("a", 1)?) };
    assert_eq!(
        calls_unread(&bench, &mut Visitor::new(), start).await,
        ["PutItem"]
    );
}

#[tokio::test]
async fn renewing_a_read_and_one_transaction() {
    let bench = Bench::new().await;
    for way in WAYS {
        let mut visitor = bench.guest(begin).await;
        let login = |session: Session| async move {
            session.cycle_id()?;
            session.insert("user", "ada")?;
            Ok(())
        };
        let calls = calls_of(&bench, way, &mut visitor, login).await;
        assert_eq!(calls, ["GetItem", "TransactWriteItems"], "{way:?}");
    }
}

#[tokio::test]
async fn destroying_and_starting_anew_a_read_and_one_transaction() {
    let bench = Bench::new().await;
    for way in WAYS {
        let mut visitor = bench.guest(begin).await;
        let anew = |session: Session| async move {
            session.destroy()?;
            session.insert("flash", "bye")?;
            Ok(())
        };
        let calls = calls_of(&bench, way, &mut visitor, anew).await;
        assert_eq!(calls, ["GetItem", "TransactWriteItems"], "{way:?}");
    }
}

#[tokio::test]
async fn logging_out_one_deletion_and_the_read() {
    let bench = Bench::new().await;
    for way in WAYS {
        let mut visitor = bench.guest(begin).await;
        let logout = |session: Session| async move {
            session.insert("a", 2)?;
            session.destroy()?;
            session.cycle_id()?;
            Ok(())
        };
        let calls = calls_of(&bench, way, &mut visitor, logout).await;
        assert_eq!(calls, ["GetItem", "DeleteItem"], "{way:?}");
        assert_eq!(visitor.cookie(), None, "{way:?}");
    }
}

/// A session that is a user's has a row besides.
#[tokio::test]
async fn of_users() {
    let bench = Bench::with_users().await;
    let login = |session: Session| async move {
        session.log_in("ada")?;
        session.set_label("phone")?;
        session.insert("user", "ada")?;
        Ok(())
    };
    for way in WAYS {
        let mut visitor = Visitor::new();
        let calls = calls_of(&bench, way, &mut visitor, login).await;
        assert_eq!(calls, ["TransactWriteItems"], "{way:?}: at the first visit");
        let mut visitor = bench.guest(begin).await;
        let login_transaction = ["GetItem", "TransactWriteItems"];
        let calls = calls_of(&bench, way, &mut visitor, login).await;
        assert_eq!(calls, login_transaction, "{way:?}: it is renewed and bound");
        let calls = calls_of(&bench, way, &mut visitor, login).await;
        assert_eq!(calls, login_transaction, "{way:?}: once more");
        let renew = |session: Session| async move {
            session.cycle_id()?;
            Ok(())
        };
        let calls = calls_of(&bench, way, &mut visitor, renew).await;
        assert_eq!(calls, login_transaction, "{way:?}: a renewal");
        let change = |session: Session| async move { Ok(session.insert("a", 7)?) };
        let calls = calls_of(&bench, way, &mut visitor, change).await;
        assert_eq!(calls, ["GetItem", "UpdateItem"], "{way:?}: as any other");
        let list = |session: Session| async move {
            session.user_sessions().await?;
            Ok(())
        };
        let calls = calls_of(&bench, way, &mut visitor, list).await;
        assert_eq!(calls, ["GetItem", "Query", "BatchGetItem"], "{way:?}");
        let logout = |session: Session| async move {
            session.destroy()?;
            Ok(())
        };
        let calls = calls_of(&bench, way, &mut visitor, logout).await;
        let expected = ["GetItem", "DeleteItem", "DeleteItem"];
        assert_eq!(calls, expected, "{way:?}: the record, and the row");
        bench.sessions.revoke_user("ada").await.unwrap();
        bench.proxy.calls();
    }
}

#[tokio::test]
async fn revoking_two_deletions_for_each_session_and_two_queries() {
    let bench = Bench::with_users().await;
    let login = |session: Session| async move {
        session.log_in("ada")?;
        Ok(())
    };
    for sessions in [0, 1, 3] {
        for _ in 0..sessions {
            calls_of(&bench, Way::Wrapped, &mut Visitor::new(), login).await;
        }
        bench.sessions.revoke_user("ada").await.unwrap();
        let mut calls = bench.proxy.calls();
        calls.sort_unstable();
        let queries = if sessions == 0 { 1 } else { 2 };
        let expected = [vec!["DeleteItem"; sessions * 2], vec!["Query"; queries]].concat();
        assert_eq!(calls, expected, "{sessions} sessions");
    }
}

#[tokio::test]
async fn renewing_on_schedule_a_read_and_one_transaction() {
    let mut bench = Bench::new().await;
    bench.sessions = bench.sessions.clone().cycle_id_after(minutes(15));
    for way in WAYS {
        let mut visitor = bench.guest(begin).await;
        let before = visitor.clone();
        let read = |session: Session| async move { Ok(session.get::<i64>("n").map(drop)?) };
        bench.clock.advance(minutes(15) - Duration::from_secs(1));
        assert_eq!(calls_of(&bench, way, &mut visitor, read).await, ["GetItem"]);
        bench.clock.advance(Duration::from_secs(1));
        let calls = calls_of(&bench, way, &mut visitor, read).await;
        assert_eq!(calls, ["GetItem", "TransactWriteItems"], "{way:?}: due");
        assert_eq!(calls_of(&bench, way, &mut visitor, read).await, ["GetItem"]);
        // By the id before it: the stub, and where it leads.
        let mut late = before.clone();
        let calls = calls_of(&bench, way, &mut late, read).await;
        assert_eq!(calls, ["GetItem", "GetItem"], "{way:?}: in the grace");
    }
}

#[tokio::test]
async fn saving_in_between_costs_a_write_of_its_own_and_the_end_none() {
    let bench = Bench::new().await;
    for way in WAYS {
        let mut visitor = Visitor::new();
        let save = |session: Session| async move {
            session.insert("a", 1)?;
            session.save().await?;
            session.save().await?;
            Ok(())
        };
        assert_eq!(
            calls_of(&bench, way, &mut visitor, save).await,
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
        let calls = calls_of(&bench, way, &mut visitor, save).await;
        assert_eq!(
            calls,
            ["GetItem", "TransactWriteItems", "UpdateItem"],
            "{way:?}"
        );
    }
}

#[tokio::test]
async fn asking_twice_reads_once() {
    let bench = Bench::new().await;
    let mut visitor = bench.guest(begin).await;
    let ask = |request: Request| async move {
        let (one, other) = tokio::join!(request.session(), request.session());
        one?.insert("a", 2)?;
        assert_eq!(other?.get("a")?, Some(2));
        assert_eq!(request.session().await?.get("a")?, Some(2));
        Ok(())
    };
    assert_eq!(
        calls_unread(&bench, &mut visitor, ask).await,
        ["GetItem", "UpdateItem"]
    );
}

/// Of nested layers the outermost commits, and there is one session.
#[tokio::test]
async fn nested_layers_load_and_commit_once() {
    use tower::Layer as _;

    let bench = Bench::new().await;
    let mut visitor = bench.guest(begin).await;
    let wrapped = bench
        .sessions
        .wrap(|request: Request, session: Session| async move {
            session.insert("a", 2)?;
            assert_eq!(request.session().await?.get("a")?, Some(2));
            Ok::<_, Error>("")
        });
    let service = bench.sessions.layer(bench.sessions.layer(wrapped));
    let reply = visitor.send(service).await.unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(bench.proxy.calls(), ["GetItem", "UpdateItem"]);
}
