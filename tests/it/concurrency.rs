//! Concurrent requests of one session: no change is lost, and a conflict is reported as one.

use std::future::Future;
use std::time::Duration;

use lambda_http::Request;
use lambda_sessions::{DynamoDbStore, ErrorKind, Session, SessionLayer};
use tokio::sync::Barrier;

use crate::support::{
    Action, Browser, Setup, begin, count, days, direct_sessions, logout, plain_login,
};

/// Sends this many concurrent requests. Each has read the session before any of them writes.
async fn at_once<F>(setup: &Setup, browser: &Browser, requests: usize, act: fn(Session, usize) -> F)
where
    F: Future<Output = Result<(), lambda_sessions::Error>> + Send + 'static,
{
    let all_have_read = std::sync::Arc::new(Barrier::new(requests));
    let running: Vec<_> = (0..requests)
        .map(|n| {
            let (mut browser, sessions) = (browser.clone(), setup.sessions.clone());
            let all_have_read = all_have_read.clone();
            tokio::spawn(async move {
                let handler = |_: Request, session: Session| {
                    let all_have_read = all_have_read.clone();
                    async move {
                        all_have_read.wait().await;
                        Ok(act(session, n).await.map(|()| "")?)
                    }
                };
                browser.visit(&sessions, handler).await.status
            })
        })
        .collect();
    for request in running {
        assert_eq!(request.await.unwrap(), 200);
    }
}

async fn number(browser: &mut Browser, sessions: &SessionLayer<DynamoDbStore>) -> i64 {
    let read = |_: Request, session: Session| async move {
        Ok(session.get::<i64>("n")?.unwrap().to_string())
    };
    browser.visit(sessions, read).await.body.parse().unwrap()
}

#[tokio::test]
async fn keys_set_at_once_all_stay_without_a_retry() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(begin).await;
    at_once(&setup, &ada, 50, |session, n| async move {
        session.insert(format!("k{n}"), n)
    })
    .await;
    assert_eq!(setup.count("UpdateItem"), 50, "no retry");
    let read = |_: Request, session: Session| async move {
        for n in 0..50 {
            assert_eq!(session.get(format!("k{n}"))?, Some(n));
        }
        Ok(session.keys().len().to_string())
    };
    assert_eq!(ada.visit(&setup.sessions, read).await.body, "52");
}

#[tokio::test]
async fn increments_at_once_all_count() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(begin).await;
    at_once(&setup, &ada, 50, |session, _| async move {
        session.increment("n", 1).map(drop)
    })
    .await;
    assert_eq!(setup.count("UpdateItem"), 50, "no conflict");
    assert_eq!(number(&mut ada, &setup.sessions).await, 50);
}

#[tokio::test]
async fn updates_at_once_all_apply() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(begin).await;
    at_once(&setup, &ada, 50, |session, n| async move {
        session.insert(format!("k{n}"), n)?;
        session.increment("n", 1)?;
        session.update("list", move |list: &mut Vec<usize>| list.push(n))
    })
    .await;
    assert_eq!(
        number(&mut ada, &setup.sessions).await,
        50,
        "what goes along counts once"
    );
    let read = |_: Request, session: Session| async move {
        let mut list: Vec<usize> = session.get("list")?.unwrap();
        list.sort_unstable();
        assert_eq!(list, (0..50).collect::<Vec<_>>());
        Ok(session.keys().len().to_string())
    };
    assert_eq!(ada.visit(&setup.sessions, read).await.body, "52");
}

/// Parallel requests of one page each change their own key.
#[tokio::test]
async fn parallel_requests_lose_nothing() {
    let (sessions, table, _) = direct_sessions().await;
    let mut ada = Browser::new();
    ada.visit(&sessions, count).await;
    let requests = (0..10).map(|n| {
        let (mut browser, sessions) = (ada.clone(), sessions.clone());
        tokio::spawn(async move {
            let change = |_: Request, session: Session| async move {
                session.insert(format!("k{n}"), n)?;
                session.increment("visits", 1)?;
                Ok("")
            };
            browser.visit(&sessions, change).await.status
        })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.unwrap(), 200);
    }
    let item = table.item().await;
    let data = item["data"].as_m().unwrap();
    assert_eq!(
        (data.len(), data["visits"].as_n().unwrap().as_str()),
        (11, "11")
    );
}

/// A session that ends while its handler runs is not restored.
#[tokio::test]
async fn write_to_a_session_that_ended_is_gone() {
    let (sessions, table, clock) = direct_sessions().await;
    for ending in ["expired", "destroyed", "cycled"] {
        let mut ada = Browser::new();
        ada.visit(&sessions, count).await;
        let other = ada.clone();
        let reply = {
            let (sessions, clock) = (&sessions, &clock);
            let slow = |_: Request, session: Session| {
                let mut other = other.clone();
                async move {
                    match ending {
                        "expired" => clock.advance(days(15)),
                        "destroyed" => drop(other.visit(sessions, logout).await),
                        _ => drop(other.visit(sessions, plain_login).await),
                    }
                    session.increment("visits", 1)?;
                    Ok("")
                }
            };
            ada.visit(sessions, slow).await
        };
        assert_eq!((reply.status, reply.cookies.len()), (409, 0), "{ending}");
        for item in table.items().await {
            let Some(data) = item.get("data") else {
                continue;
            };
            assert_eq!(
                data.as_m().unwrap()["visits"].as_n().unwrap(),
                "1",
                "{ending}"
            );
        }
    }
}

/// Two requests each read the key that the other is about to change: one of them has to fail.
#[tokio::test]
async fn require_unchanged_lets_one_of_two_win() {
    let setup = Setup::new().await;
    let ada = setup.guest(begin).await;
    let both_have_read = &Barrier::new(2);
    let withdraw = |from: &'static str, other: &'static str| {
        move |_: Request, session: Session| async move {
            // Only one of the two keys may be set.
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
        one.visit(&setup.sessions, withdraw("a", "b")),
        two.visit(&setup.sessions, withdraw("b", "a")),
    );
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let data = setup.table.item().await["data"].as_m().unwrap().clone();
    assert_eq!(data.len(), 3, "one of them: {:?}", data.keys());
}

/// A cycle, and a change too large for one expression, are applied on top of concurrent writes,
/// unless `require_unchanged` was called.
#[tokio::test]
async fn require_unchanged_holds_for_every_write() {
    let setup = Setup::new().await;
    for large in [false, true] {
        for require_unchanged in [false, true] {
            let mut ada = setup.guest(begin).await;
            let (elsewhere, other) = (setup.elsewhere(), ada.clone());
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
            let reply = ada.visit(&setup.sessions, change).await;
            let status = if require_unchanged { 409 } else { 200 };
            assert_eq!(reply.status, status, "large: {large}");
            let there = |_: Request, session: Session| async move {
                let (theirs, ours) = (session.contains("theirs"), session.contains("ours"));
                Ok(format!("{theirs} {ours}"))
            };
            let there = ada.visit(&setup.sessions, there).await.body;
            assert_eq!(
                there,
                format!("true {}", !require_unchanged),
                "large: {large}"
            );
        }
    }
}

#[tokio::test]
async fn update_that_never_wins_is_a_conflict() {
    let setup = Setup::new().await.giving_up_after(300);
    let mut ada = setup.guest(begin).await;
    // Another request changes the list before each attempt.
    let (elsewhere, other) = (setup.elsewhere(), ada.clone());
    setup.proxy.script(move |operation, _| {
        let (elsewhere, other) = (elsewhere.clone(), other.clone());
        match operation {
            "UpdateItem" => Action::Forward.after(move || {
                let (elsewhere, mut other) = (elsewhere.clone(), other.clone());
                async move {
                    let change = |_: Request, session: Session| async move {
                        session.update("list", |list: &mut Vec<u32>| list.push(1))?;
                        Ok("")
                    };
                    assert_eq!(other.visit(&elsewhere, change).await.status, 200);
                }
            }),
            _ => Action::Forward,
        }
    });
    let update = |_: Request, session: Session| async move {
        session.update("list", |list: &mut Vec<u32>| list.push(2))?;
        let error = session.save().await.unwrap_err();
        if error.kind() == ErrorKind::Conflict {
            // The update is still pending, and is replaced here.
            session.insert("list", [0; 0])?;
        }
        Ok(format!("{:?}", error.kind()))
    };
    // On a slow machine an attempt may time out, and its outcome is then unknown.
    for _ in 0..5 {
        let reply = ada.visit(&setup.sessions, update).await;
        if (reply.status, reply.body.as_str()) == (200, "Conflict") {
            return;
        }
        assert_eq!(reply.status, 503, "{}", reply.body);
    }
    panic!("no conflict");
}

/// All clones are the same session: a save by one is the base of the changes by the next.
#[tokio::test]
async fn saves_of_one_session_wait_for_each_other() {
    let setup = Setup::new().await;
    setup
        .proxy
        .script(|operation, before| match (operation, before) {
            ("PutItem", 0) => Action::Delay(Duration::from_millis(200)),
            _ => Action::Forward,
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
    let mut ada = Browser::new();
    let reply = ada.visit(&setup.sessions, saves).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    assert_eq!(setup.proxy.calls(), ["PutItem", "UpdateItem"]);
    assert_eq!(setup.table.item().await["data"].as_m().unwrap().len(), 2);

    // The commit waits for a save that still runs when the handler returns.
    setup
        .proxy
        .script(|operation, before| match (operation, before) {
            ("PutItem", 0) => Action::Delay(Duration::from_millis(200)),
            _ => Action::Forward,
        });
    let leaves = |_: Request, session: Session| async move {
        session.insert("a", 1)?;
        let clone = session.clone();
        tokio::spawn(async move { clone.save().await });
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok("")
    };
    let reply = Browser::new().visit(&setup.sessions, leaves).await;
    assert_eq!(
        (reply.status, reply.cookies.len()),
        (200, 1),
        "the id of the save"
    );
}
