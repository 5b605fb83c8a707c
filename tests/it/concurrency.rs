//! Many requests at once on one session: nothing is lost, and a logout wins.

use std::time::Duration;

use crate::support::{Answer, Bench, Visitor, logout, minutes};
use lambda_http::{Error, Request};
use lambda_sessions::{DynamoDbStore, ErrorKind, Session, SessionExt as _, SessionLayer};
use tokio::sync::Barrier;

/// So many requests of one page at once, each of which has read its session before any writes.
async fn at_once<F>(bench: &Bench, visitor: &Visitor, requests: usize, act: fn(Session, usize) -> F)
where
    F: Future<Output = Result<(), lambda_sessions::Error>> + Send + 'static,
{
    let all_have_read = std::sync::Arc::new(Barrier::new(requests));
    let running: Vec<_> = (0..requests)
        .map(|n| {
            let (mut visitor, sessions) = (visitor.clone(), bench.sessions.clone());
            let all_have_read = all_have_read.clone();
            tokio::spawn(async move {
                let handler = |_: Request, session: Session| {
                    let all_have_read = all_have_read.clone();
                    async move {
                        all_have_read.wait().await;
                        Ok(act(session, n).await.map(|()| "")?)
                    }
                };
                visitor.visit(&sessions, handler).await.status
            })
        })
        .collect();
    for request in running {
        assert_eq!(request.await.unwrap(), 200);
    }
}

async fn begin(_: Request, session: Session) -> Result<String, Error> {
    session.insert("n", 0)?;
    session.insert("list", [0; 0])?;
    Ok(String::new())
}

async fn number(visitor: &mut Visitor, sessions: &SessionLayer<DynamoDbStore>) -> i64 {
    let read = |_: Request, session: Session| async move {
        Ok(session.get::<i64>("n")?.unwrap().to_string())
    };
    visitor.visit(sessions, read).await.body.parse().unwrap()
}

#[tokio::test]
async fn fifty_keys_set_at_once_are_all_there_without_a_retry() {
    let bench = Bench::new().await;
    let mut ada = bench.guest(begin).await;
    at_once(&bench, &ada, 50, |session, n| async move {
        session.insert(format!("k{n}"), n)
    })
    .await;
    assert_eq!(bench.count("UpdateItem"), 50, "no retry");
    let read = |_: Request, session: Session| async move {
        for n in 0..50 {
            assert_eq!(session.get(format!("k{n}"))?, Some(n));
        }
        Ok(session.keys().len().to_string())
    };
    assert_eq!(ada.visit(&bench.sessions, read).await.body, "52");
}

#[tokio::test]
async fn fifty_increments_at_once_all_count() {
    let bench = Bench::new().await;
    let mut ada = bench.guest(begin).await;
    at_once(&bench, &ada, 50, |session, _| async move {
        session.increment("n", 1).map(drop)
    })
    .await;
    assert_eq!(bench.count("UpdateItem"), 50, "no conflict");
    assert_eq!(number(&mut ada, &bench.sessions).await, 50);
}

#[tokio::test]
async fn fifty_updates_at_once_all_apply() {
    let bench = Bench::new().await;
    let mut ada = bench.guest(begin).await;
    at_once(&bench, &ada, 50, |session, n| async move {
        session.insert(format!("k{n}"), n)?;
        session.increment("n", 1)?;
        session.update("list", move |list: &mut Vec<usize>| list.push(n))
    })
    .await;
    assert_eq!(
        number(&mut ada, &bench.sessions).await,
        50,
        "what goes along counts once"
    );
    let read = |_: Request, session: Session| async move {
        let mut list: Vec<usize> = session.get("list")?.unwrap();
        list.sort_unstable();
        assert_eq!(list, (0..50).collect::<Vec<_>>());
        Ok(session.keys().len().to_string())
    };
    assert_eq!(ada.visit(&bench.sessions, read).await.body, "52");
}

/// Two requests each look at what the other one is about to change: one of them has to lose.
#[tokio::test]
async fn if_unchanged_lets_one_of_two_win() {
    let bench = Bench::new().await;
    let ada = bench.guest(begin).await;
    let both_have_read = &Barrier::new(2);
    let withdraw = |from: &'static str, other: &'static str| {
        move |_: Request, session: Session| async move {
            // The rule: not both.
            let allowed = !session.contains(other);
            both_have_read.wait().await;
            if allowed {
                session.require_unchanged()?;
                session.insert(from, true)?;
            }
            Ok("")
        }
    };
    let (mut one, mut two) = (ada.clone(), ada.clone());
    let (a, b) = tokio::join!(
        one.visit(&bench.sessions, withdraw("a", "b")),
        two.visit(&bench.sessions, withdraw("b", "a")),
    );
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let data = bench.table.item().await["data"].as_m().unwrap().clone();
    assert_eq!(data.len(), 3, "one of them: {:?}", data.keys());
}

/// A renewal, and a change that is too large for one expression, go on top of what others wrote
/// meanwhile, unless that is not to be.
#[tokio::test]
async fn if_unchanged_holds_whatever_is_written() {
    let bench = Bench::new().await;
    for large in [false, true] {
        for require_unchanged in [false, true] {
            let mut ada = bench.guest(begin).await;
            let (elsewhere, other) = (bench.elsewhere(), ada.clone());
            let change = |_: Request, session: Session| {
                let (elsewhere, mut other) = (elsewhere.clone(), other.clone());
                async move {
                    let write = |_: Request, session: Session| async move {
                        session.insert("theirs", true)?;
                        Ok("")
                    };
                    other.visit(&elsewhere, write).await;
                    match large {
                        true => {
                            (0..1_000).try_for_each(|n| session.insert(format!("key {n}"), n))?
                        }
                        false => session.cycle_id()?,
                    }
                    session.insert("ours", true)?;
                    if require_unchanged {
                        session.require_unchanged()?;
                    }
                    Ok("")
                }
            };
            let reply = ada.visit(&bench.sessions, change).await;
            let status = if require_unchanged { 409 } else { 200 };
            assert_eq!(reply.status, status, "large: {large}");
            let there = |_: Request, session: Session| async move {
                let (theirs, ours) = (session.contains("theirs"), session.contains("ours"));
                Ok(format!("{theirs} {ours}"))
            };
            let there = ada.visit(&bench.sessions, there).await.body;
            assert_eq!(
                there,
                format!("true {}", !require_unchanged),
                "large: {large}"
            );
        }
    }
}

#[tokio::test]
async fn an_update_that_never_gets_through_is_a_conflict() {
    let bench = Bench::new().await.giving_up_after(300);
    let mut ada = bench.guest(begin).await;
    // Before each attempt another request puts something else there.
    let (elsewhere, other) = (bench.elsewhere(), ada.clone());
    bench.proxy.answer(move |operation, _| {
        let (elsewhere, other) = (elsewhere.clone(), other.clone());
        match operation {
            "UpdateItem" => Answer::Forward.after(move || {
                let (elsewhere, mut other) = (elsewhere.clone(), other.clone());
                async move {
                    let change = |_: Request, session: Session| async move {
                        session.update("list", |list: &mut Vec<u32>| list.push(1))?;
                        Ok("")
                    };
                    assert_eq!(other.visit(&elsewhere, change).await.status, 200);
                }
            }),
            _ => Answer::Forward,
        }
    });
    let update = |_: Request, session: Session| async move {
        session.update("list", |list: &mut Vec<u32>| list.push(2))?;
        let error = session.save().await.unwrap_err();
        if error.kind() == ErrorKind::Conflict {
            // It is still pending, and is given up here.
            session.insert("list", [0; 0])?;
        }
        Ok(format!("{:?}", error.kind()))
    };
    // On a machine that is slower all of a sudden an attempt may be cut off, and is unknown.
    for _ in 0..5 {
        let reply = ada.visit(&bench.sessions, update).await;
        if (reply.status, reply.body.as_str()) == (200, "Conflict") {
            return;
        }
        assert_eq!(reply.status, 503, "{}", reply.body);
    }
    panic!("no conflict");
}

const WRITES: [&str; 6] = ["set", "increment", "update", "touch", "renew", "unread"];

/// One of them, begun by a request that has read the session.
fn write(kind: &str, session: &Session) -> Result<(), Error> {
    match kind {
        "set" => session.insert("a", 1)?,
        "increment" => drop(session.increment("n", 1)?),
        "update" => session.update("list", |list: &mut Vec<u32>| list.push(1))?,
        "renew" => session.cycle_id()?,
        _ => {}
    }
    Ok(())
}

/// The write is made by a request during which that happens.
async fn visit_during<F>(
    sessions: &SessionLayer<DynamoDbStore>,
    mut ada: Visitor,
    kind: &'static str,
    during: impl Fn() -> F + Clone + Send + Sync,
) -> u64
where
    F: Future<Output = ()> + Send,
{
    let during = &during;
    let reply = match kind {
        "unread" => {
            let unread = move |request: Request| async move {
                during().await;
                request.write_only_session()?.remove("n")?;
                Ok("")
            };
            ada.visit_layered(sessions, unread).await
        }
        _ => {
            let read = move |_: Request, session: Session| async move {
                during().await;
                write(kind, &session).map(|()| "")
            };
            ada.visit(sessions, read).await
        }
    };
    reply.status
}

/// In both orders, for each kind of write, within one instance of a function and between two: what
/// comes after a logout is refused, and what comes before it goes with it.
#[tokio::test]
async fn a_logout_wins_over_every_write() {
    let bench = Bench::new().await;
    let instances = [bench.sessions.clone(), bench.elsewhere()];
    for kind in WRITES {
        for (one, other) in [(0, 0), (0, 1), (1, 0)] {
            let (here, there) = (&instances[one], &instances[other]);
            for logout_first in [true, false] {
                let ada = bench.guest(begin).await;
                bench
                    .clock
                    .advance(minutes(if kind == "touch" { 61 } else { 0 }));
                let status = if logout_first {
                    let leaver = &ada;
                    let leaves = || async move {
                        let left = leaver.clone().visit(there, logout).await;
                        assert_eq!(left.status, 200);
                    };
                    visit_during(here, ada.clone(), kind, leaves).await
                } else {
                    let writer = &ada;
                    let leaves = |_: Request, session: Session| async move {
                        let nothing = || async {};
                        visit_during(there, writer.clone(), kind, nothing).await;
                        session.destroy()?;
                        Ok("")
                    };
                    ada.clone().visit(here, leaves).await.status
                };
                let expected = match (kind, logout_first) {
                    // A read that could not touch, and a removal from nothing, have lost nothing.
                    ("touch" | "unread", true) => 200,
                    (_, true) => 409,
                    // Renewed in the meantime: a logout that did not log out is no success.
                    ("renew", false) => 409,
                    (_, false) => 200,
                };
                let what = format!("{kind}, instances {one} {other}, logout first: {logout_first}");
                assert_eq!(status, expected, "{what}");
                let left = bench.table.items().await;
                let lives = left.iter().filter(|item| item.contains_key("data")).count();
                let expected = usize::from((kind, logout_first) == ("renew", false));
                assert_eq!(lives, expected, "{what}");
                for item in left {
                    bench.table.delete(&item["id"]).await;
                }
            }
        }
    }
}

/// The logout comes while the write is on its way already, and overtakes it.
#[tokio::test]
async fn a_logout_overtakes_a_write_on_the_wire() {
    let bench = Bench::new().await;
    for kind in WRITES {
        let ada = bench.guest(begin).await;
        bench
            .clock
            .advance(minutes(if kind == "touch" { 61 } else { 0 }));
        let (leaver, elsewhere) = (ada.clone(), bench.elsewhere());
        bench.proxy.answer(move |operation, before| {
            let (leaver, elsewhere) = (leaver.clone(), elsewhere.clone());
            match (operation, before) {
                ("UpdateItem" | "TransactWriteItems", 0) => Answer::Forward.after(move || {
                    let (mut leaver, elsewhere) = (leaver.clone(), elsewhere.clone());
                    async move { drop(leaver.visit(&elsewhere, logout).await) }
                }),
                _ => Answer::Forward,
            }
        });
        let status = visit_during(&bench.sessions, ada, kind, || async {}).await;
        let expected = match kind {
            "touch" | "unread" => 200,
            _ => 409,
        };
        assert_eq!(status, expected, "{kind}");
        assert_eq!(bench.table.items().await, [], "{kind}");
        bench.proxy.answer(|_, _| Answer::Forward);
    }
}

/// Every clone is the same session: what one of them saved is what the next one changes.
#[tokio::test]
async fn saves_of_one_session_wait_for_each_other() {
    let bench = Bench::new().await;
    bench
        .proxy
        .answer(|operation, before| match (operation, before) {
            ("PutItem", 0) => Answer::Delay(Duration::from_millis(200)),
            _ => Answer::Forward,
        });
    let saves = |_: Request, session: Session| async move {
        let first = async {
            session.insert("a", 1)?;
            session.save().await
        };
        let second = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            session.insert("b", 2)?;
            session.save().await
        };
        let (first, second) = tokio::join!(first, second);
        first.and(second)?;
        assert_eq!(session.keys(), ["a", "b"]);
        Ok("")
    };
    let mut ada = Visitor::new();
    let reply = ada.visit(&bench.sessions, saves).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    assert_eq!(bench.proxy.calls(), ["PutItem", "UpdateItem"]);
    assert_eq!(bench.table.item().await["data"].as_m().unwrap().len(), 2);

    // A save that still runs when the handler returns is waited for.
    bench
        .proxy
        .answer(|operation, before| match (operation, before) {
            ("PutItem", 0) => Answer::Delay(Duration::from_millis(200)),
            _ => Answer::Forward,
        });
    let leaves = |_: Request, session: Session| async move {
        session.insert("a", 1)?;
        let clone = session.clone();
        tokio::spawn(async move { clone.save().await });
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok("")
    };
    let reply = Visitor::new().visit(&bench.sessions, leaves).await;
    assert_eq!(
        (reply.status, reply.cookies.len()),
        (200, 1),
        "the id of the save"
    );
}
