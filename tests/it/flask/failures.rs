//! Nothing is lost: by requests at once, lost responses, faults at each step, or broken items.

use std::time::Duration;

use lambda_http::{Body, Error, Request, Response};
use lambda_sessions::{ErrorKind, Session};
use tokio::task::JoinSet;

use super::{DATA, Flask, UUID, dump};
use crate::support::{Action, Browser, count, days, logout, minutes, name_seen, peek, text};

#[tokio::test]
async fn flask_requests_at_once_share_one_session() {
    for round in 0..8 {
        let flask = Flask::new().await;
        let ada = flask.visitor().await;
        let mut requests = JoinSet::new();
        for n in 0..8 {
            let (sessions, mut ada) = (flask.sessions(), ada.clone());
            requests.spawn(async move {
                let handler = move |_: Request, session: Session| async move {
                    let before: Option<String> = session.get("name")?;
                    session.insert(format!("key{n}"), n)?;
                    session.increment("visits", 1)?;
                    Ok(before.unwrap_or_default())
                };
                (ada.visit(&sessions, handler).await, ada)
            });
        }
        let replies = requests.join_all().await;
        let mut with_cookie = replies
            .iter()
            .filter(|(reply, _)| !reply.cookies.is_empty());
        let (_, winner) = with_cookie.next().expect("one request sets the cookie");
        assert_eq!(with_cookie.count(), 0, "{round}: and no other does");
        for (reply, _) in &replies {
            assert_eq!((reply.status, reply.body.as_str()), (200, "ada"), "{round}");
        }
        assert_eq!(flask.stored().await, (1, 2), "{round}");
        assert!(flask.old.items().await.is_empty(), "{round}");
        let shown = winner.clone().visit(&flask.sessions(), dump).await.body;
        for n in 0..8 {
            assert!(
                shown.contains(&format!(r#""key{n}":{n}"#)),
                "{round}: {shown}"
            );
        }
        assert!(shown.contains(r#""visits":15"#), "{round}: {shown}");
    }
}

/// The client did not get the response, and still has only the old cookie.
#[tokio::test]
async fn flask_lost_response_loses_no_session() {
    let flask = Flask::new().await;
    let sessions = flask.sessions();
    let mut ada = flask.visitor().await;
    let lost = ada.clone();
    ada.visit(&sessions, count).await;
    flask.setup.proxy.calls();
    // A concurrent request gets no cookie, because another one has.
    let mut again = lost.clone();
    let reply = again.visit(&sessions, count).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("9", 0));
    let calls = flask.setup.proxy.calls();
    assert_eq!(calls, ["GetItem", "GetItem", "GetItem", "UpdateItem"]);

    for (n, wait) in [minutes(1), minutes(1), days(3), days(3)]
        .into_iter()
        .enumerate()
    {
        flask.setup.clock.advance(wait);
        let mut again = lost.clone();
        let reply = again.visit(&sessions, count).await;
        assert_eq!(
            (reply.status, reply.body),
            (200, (10 + 2 * n).to_string()),
            "{n}"
        );
        assert_eq!(reply.cookies.len(), 2, "{n}: a new id, and no old one");
        let calls = flask.setup.proxy.calls();
        let expected = [
            "GetItem",
            "GetItem",
            "GetItem",
            "TransactWriteItems",
            "PutItem",
            "UpdateItem",
        ];
        assert_eq!(calls, expected, "{n}");
        assert_eq!(
            again.visit(&sessions, count).await.body,
            (11 + 2 * n).to_string()
        );
        flask.setup.proxy.calls();
    }
    assert_eq!(
        name_seen(&sessions, &ada).await,
        "nobody",
        "the first id is dead"
    );
    flask.setup.clock.advance(days(15));
    assert_eq!(
        name_seen(&sessions, &lost).await,
        "nobody",
        "it has expired"
    );
}

/// A Flask that still runs misses the item, and puts an empty one in its place.
#[tokio::test]
async fn flask_empty_item_does_not_hide_the_session() {
    let flask = Flask::new().await;
    let sessions = flask.sessions();
    let ada = flask.visitor().await;
    ada.clone().visit(&sessions, count).await;
    flask.put(r#"{"_permanent": true}"#).await;
    assert_eq!(name_seen(&sessions, &ada).await, "ada");
    // It may also write what it has read before.
    flask.put(DATA).await;
    assert_eq!(ada.clone().visit(&sessions, peek).await.body, "Some(8)");
    assert_eq!(flask.stored().await.0, 1);
}

/// Two requests with the old cookie find that the first response was lost.
#[tokio::test]
async fn flask_lost_response_gives_one_new_id() {
    for round in 0..4 {
        let flask = Flask::new().await;
        let ada = flask.visitor().await;
        ada.clone().visit(&flask.sessions(), peek).await;
        flask.setup.clock.advance(minutes(5));
        let mut requests = JoinSet::new();
        for _ in 0..6 {
            let (sessions, mut ada) = (flask.sessions(), ada.clone());
            requests.spawn(async move { (ada.visit(&sessions, count).await, ada) });
        }
        let replies = requests.join_all().await;
        assert!(
            replies.iter().all(|(reply, _)| reply.status == 200),
            "{round}"
        );
        let mut got: Vec<_> = replies.iter().filter_map(|(_, ada)| ada.id()).collect();
        got.dedup();
        assert_eq!(got.len(), 1, "{round}");
        assert_eq!(flask.stored().await.0, 1, "{round}");
        let seen = ada.clone().visit(&flask.sessions(), peek).await.body;
        assert_eq!(seen, "Some(13)", "{round}");
    }
}

#[tokio::test]
async fn flask_handler_that_fails_loses_no_session() {
    let flask = Flask::new().await;
    let sessions = flask.sessions();
    let mut ada = flask.visitor().await;
    let error = |_: Request, session: Session| async move {
        session.insert("name", "never")?;
        Err::<&str, Error>("the handler's own".into())
    };
    ada.try_visit(&sessions, error).await.unwrap_err();
    let server_error = |_: Request, session: Session| async move {
        session.insert("name", "never")?;
        Ok(Response::builder().status(500).body(Body::Empty)?)
    };
    let reply = ada.visit(&sessions, server_error).await;
    assert_eq!((reply.status, reply.cookies.len()), (500, 0));
    assert_eq!(name_seen(&sessions, &ada).await, "ada");
    flask.setup.clock.advance(minutes(2));
    let reply = ada.visit(&sessions, count).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("8", 2));
}

/// Each call of a takeover, and of the move to another id, fails once or always, before or after its
/// effect.
#[tokio::test]
async fn flask_faults_lose_no_session() {
    let before = |fault: &str| match fault {
        "500" => Action::error(500, "InternalServerError"),
        "throttled" => Action::error(400, "ProvisionedThroughputExceededException"),
        "denied" => Action::error(400, "AccessDeniedException"),
        "reset" => Action::Reset,
        _ => Action::lost(),
    };
    for (is_move, operations) in [
        (false, &["GetItem", "TransactWriteItems"][..]),
        (true, &["GetItem", "TransactWriteItems", "PutItem"][..]),
    ] {
        for operation in operations {
            for fault in ["500", "throttled", "denied", "reset", "lost"] {
                for always in [false, true] {
                    let what = format!("{is_move} {operation} {fault} {always}");
                    let flask = Flask::new().await;
                    let ada = flask.visitor().await;
                    if is_move {
                        ada.clone().visit(&flask.sessions(), peek).await;
                        flask.setup.clock.advance(minutes(2));
                    }
                    let hasty = flask.setup.hasty().import_from(flask.settings());
                    let (operation, action) = (*operation, before(fault));
                    flask
                        .setup
                        .proxy
                        .script(move |called, n| match called == operation {
                            true if always || n == 0 => action.clone(),
                            _ => Action::Forward,
                        });
                    let mut first = ada.clone();
                    let reply = first.visit(&hasty, count).await;
                    let survives = operation == "PutItem" || !always && fault != "denied";
                    assert_eq!(reply.status == 200, survives, "{what}: {}", reply.status);
                    flask.setup.proxy.script(|_, _| Action::Forward);
                    let seen = match reply.status {
                        200 => "Some(8)",
                        _ => "Some(7)",
                    };
                    // The client may have the response, or may have lost it.
                    for mut client in [first, ada] {
                        let body = client.visit(&flask.sessions(), peek).await.body;
                        assert_eq!(body, seen, "{what}");
                    }
                    assert_eq!(flask.stored().await.0, 1, "{what}");
                }
            }
        }
    }
}

/// While it is taken over, Flask changes the session.
#[tokio::test]
async fn flask_write_meanwhile_is_taken_over_too() {
    for (ends, is_dated) in [(false, true), (true, true), (false, false), (true, false)] {
        let flask = Flask::new().await;
        let sessions = flask.sessions();
        let mut ada = flask.visitor().await;
        if !is_dated {
            let mut item = flask.item(DATA);
            item.remove("modified");
            flask.old.put(item).await;
        }
        let (client, table) = (flask.old.client.clone(), flask.old.name.clone());
        let mut newer = flask.item(&DATA.replace('7', "70"));
        newer.insert("modified".to_owned(), text("2026-11-25 13:55:54.000000"));
        flask.setup.proxy.script(move |called, n| {
            if called != "TransactWriteItems" || n > 0 {
                return Action::Forward;
            }
            let (client, table, newer) = (client.clone(), table.clone(), newer.clone());
            Action::Forward.after(move || {
                let (client, table, newer) = (client.clone(), table.clone(), newer.clone());
                async move {
                    if ends {
                        let delete = client.delete_item().table_name(table);
                        delete.key("id", text(UUID)).send().await.unwrap();
                    } else {
                        let put = client.put_item().table_name(table);
                        put.set_item(Some(newer)).send().await.unwrap();
                    }
                }
            })
        });
        let reply = ada.visit(&sessions, peek).await;
        let expected = if ends { "None" } else { "Some(70)" };
        assert_eq!((reply.status, reply.body.as_str()), (200, expected));
        assert_eq!(flask.stored().await.0, usize::from(!ends));
        assert!(flask.old.items().await.is_empty());
    }
}

#[tokio::test]
async fn flask_item_that_is_broken_stays() {
    let flask = Flask::new().await;
    let sessions = flask.sessions();
    let global = "gASVOwAAAAAAAAB9lCiMCl9wZXJtYW5lbnSUiIwFcHJpY2WUjAdkZWNpbWFslIwHRGVjaW1hbJST\nlIwDMS41lIWUUpR1Lg==\n";
    let large = format!(r#"{{"a": "{}"}}"#, "x".repeat(409_500));
    for (data, kind) in [
        (global, ErrorKind::Corrupt),
        ("broken", ErrorKind::Corrupt),
        (large.as_str(), ErrorKind::TooLarge),
    ] {
        flask.put(data).await;
        let mut ada = Browser::with_cookie("session", UUID);
        let reply = ada.visit(&sessions, count).await;
        assert_eq!((reply.status, reply.cookies.len()), (503, 0));
        assert_eq!(flask.setup.kinds(), [kind]);
        assert_eq!((flask.stored().await, ada.jar.len()), ((0, 0), 1));
        assert_eq!(flask.old.item().await["data"], text(data));
    }
    let mut item = flask.item(DATA);
    item.insert("ttl".to_owned(), text("2033-01-01"));
    flask.old.put(item).await;
    let mut ada = Browser::with_cookie("session", UUID);
    assert_eq!(ada.visit(&sessions, peek).await.status, 503);
    assert_eq!(flask.setup.kinds(), [ErrorKind::Corrupt]);

    // The client can be let in without its session.
    flask.put(global).await;
    let sessions = flask.with(flask.settings().skip_unreadable(true));
    let mut ada = Browser::with_cookie("session", UUID);
    assert_eq!(ada.visit(&sessions, count).await.body, "1");
    assert_eq!(flask.old.items().await.len(), 1, "the item stays");
    assert_eq!(ada.visit(&sessions, count).await.body, "2");

    // A logout works also if the session cannot be taken over.
    let sessions = flask.sessions();
    let mut ada = Browser::with_cookie("session", UUID);
    let log_out = |request: Request| async move {
        use lambda_sessions::SessionExt as _;
        request.write_only_session()?.destroy()?;
        Ok::<_, Error>("")
    };
    assert_eq!(ada.visit_layered(&sessions, log_out).await.status, 200);
    assert!(flask.old.items().await.is_empty() && ada.jar.is_empty());
    assert_eq!(Browser::new().visit(&sessions, logout).await.status, 200);
}

#[tokio::test]
async fn flask_session_over_max_size_may_shrink() {
    let flask = Flask::new().await;
    let sessions = flask.sessions();
    flask
        .put(&format!(
            r#"{{"a": "{}", "visits": 7}}"#,
            "x".repeat(70_000)
        ))
        .await;
    let mut ada = Browser::with_cookie("session", UUID);
    assert_eq!(ada.visit(&sessions, peek).await.body, "Some(7)");
    let add = |_: Request, session: Session| async move {
        session.insert("b", "y")?;
        Ok::<_, Error>("")
    };
    let shrink = |_: Request, session: Session| async move {
        session.remove("a")?;
        Ok::<_, Error>("")
    };
    assert_eq!(ada.visit(&sessions, add).await.status, 503);
    assert_eq!(flask.setup.kinds(), [ErrorKind::TooLarge]);
    for handler in [0, 1] {
        let reply = match handler {
            0 => ada.visit(&sessions, shrink).await,
            _ => ada.visit(&sessions, add).await,
        };
        assert_eq!(reply.status, 200);
    }
}

/// A call that hangs is cut off by the deadline, and the session is found by the next request.
#[tokio::test]
async fn flask_hanging_call_loses_no_session() {
    for operation in ["GetItem", "TransactWriteItems"] {
        for happens in [false, true] {
            let flask = Flask::new().await;
            let mut ada = flask.visitor().await;
            flask
                .setup
                .proxy
                .script(move |called, _| match (called == operation, happens) {
                    (true, false) => Action::Hang,
                    (true, true) => Action::ForwardThenHang,
                    (false, _) => Action::Forward,
                });
            let hasty = flask.setup.hasty().import_from(flask.settings());
            let visit = tokio::time::timeout(Duration::from_secs(20), ada.visit(&hasty, count));
            let reply = visit.await.expect("it ends");
            assert_eq!((reply.status, reply.cookies.len()), (503, 0));
            let kind = match operation {
                "GetItem" => ErrorKind::Timeout,
                _ => ErrorKind::OutcomeUnknown,
            };
            assert_eq!(flask.setup.kinds(), [kind]);
            flask.setup.proxy.script(|_, _| Action::Forward);
            assert_eq!(ada.visit(&flask.sessions(), count).await.body, "8");
        }
    }
}
