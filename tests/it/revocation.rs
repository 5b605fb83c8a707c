//! Revocations of a user's sessions. Their races with logins are in `tests/exhaustive/revocations.rs`.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use lambda_http::{Error, Request};
use lambda_sessions::{ErrorKind, Session};
use serde_json::json;

use crate::support::{
    Action, Browser, Setup, copy_session, count, cycle, days, logged_in, login, minutes, name_seen,
    revoke_others, who,
};

#[tokio::test]
async fn revoke_user_ends_every_session_of_the_user() {
    let setup = Setup::with_users().await;
    let mut browsers = Vec::new();
    for _ in 0..3 {
        browsers.push(logged_in(&setup.sessions).await);
    }
    browsers[0].visit(&setup.sessions, cycle).await;
    let stranger = async |_: Request, session: Session| -> Result<String, Error> {
        session.log_in("grace")?;
        session.insert("name", "grace")?;
        Ok(String::new())
    };
    let mut grace = Browser::new();
    grace.visit(&setup.sessions, stranger).await;

    setup.elsewhere().revoke_user("ada").await.unwrap();
    for browser in &mut browsers {
        assert_eq!(name_seen(&setup.sessions, browser).await, "nobody");
    }
    assert_eq!(name_seen(&setup.sessions, &grace).await, "grace");
    let rows = setup.table.rows().await;
    assert_eq!(rows.len(), 1, "only that of the other user: {rows:?}");
    // A request that is under way finds no session, and a new login succeeds.
    assert_eq!(browsers[1].visit(&setup.sessions, login).await.status, 200);
    assert_eq!(name_seen(&setup.sessions, &browsers[1]).await, "ada");
    assert_eq!(name_seen(&setup.sessions, &browsers[0]).await, "nobody");
}

#[tokio::test]
async fn revoke_others_leaves_this_one() {
    let setup = Setup::with_users().await;
    let sessions = setup.sessions.clone().cycle_id_after(minutes(15));
    let mut here = logged_in(&sessions).await;
    let there = logged_in(&sessions).await;
    assert_eq!(here.visit(&sessions, revoke_others).await.status, 200);
    assert_eq!(name_seen(&sessions, &here).await, "ada");
    assert_eq!(name_seen(&sessions, &there).await, "nobody");

    // This also holds by the previous id, and if the request fails.
    let there = logged_in(&sessions).await;
    setup.clock.advance(minutes(15));
    let mut before = here.clone();
    assert_eq!(here.visit(&sessions, who).await.cookies.len(), 1);
    let fails = async |_: Request, session: Session| -> Result<String, Error> {
        session.revoke_others().await?;
        Err("failed".into())
    };
    before.try_visit(&sessions, fails).await.unwrap_err();
    assert_eq!(name_seen(&sessions, &here).await, "ada");
    assert_eq!(name_seen(&sessions, &there).await, "nobody");
    // A session without a user has no others.
    let mut guest = setup.guest(count).await;
    assert_eq!(guest.visit(&sessions, revoke_others).await.status, 200);
    assert_eq!(name_seen(&sessions, &here).await, "ada");
}

/// Returns a browser that is logged in, and a function that cycles its session's id elsewhere.
async fn racing(
    setup: &Setup,
) -> (
    Browser,
    impl Fn() -> Cycling + Clone + Send + Sync + 'static,
) {
    let mut ada = Browser::new();
    assert_eq!(ada.visit(&setup.sessions, login).await.status, 200);
    let (elsewhere, browser) = (
        setup.elsewhere(),
        Arc::new(tokio::sync::Mutex::new(ada.clone())),
    );
    let cycle_it = move || -> Cycling {
        let (elsewhere, browser) = (elsewhere.clone(), Arc::clone(&browser));
        Box::pin(async move {
            let mut browser = browser.lock().await;
            assert_eq!(browser.visit(&elsewhere, cycle).await.status, 200);
            browser.clone()
        })
    };
    (ada, cycle_it)
}

type Cycling = std::pin::Pin<Box<dyn Future<Output = Browser> + Send>>;

/// The id is cycled after the revocation has read its row, and the new row is hidden from it. A
/// `Query` may see one half of a transaction.
#[tokio::test]
async fn revocation_follows_a_cycle_it_cannot_see() {
    let setup = Setup::with_users().await;
    let (ada, cycle_it) = racing(&setup).await;
    let cycled = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&cycled);
    setup
        .proxy
        .script(move |operation, before| match (operation, before) {
            ("Query", 0) => Action::Forward,
            ("Query", _) => Action::Reply(200, r#"{"Items":[],"Count":0,"ScannedCount":0}"#.into()),
            ("DeleteItem", 0) => {
                let (cycle_it, seen) = (cycle_it.clone(), Arc::clone(&seen));
                Action::Forward.after(move || {
                    let (cycling, seen) = (cycle_it(), Arc::clone(&seen));
                    async move { *seen.lock().unwrap() = Some(cycling.await) }
                })
            }
            _ => Action::Forward,
        });
    setup.sessions.revoke_user("ada").await.unwrap();
    let cycled = cycled.lock().unwrap().take().expect("it was cycled");
    assert_ne!(cycled.cookie(), ada.cookie());
    for mut browser in [ada, cycled] {
        assert_eq!(browser.visit(&setup.sessions, who).await.body, "nobody");
    }
    assert!(
        setup
            .table
            .rows()
            .await
            .iter()
            .all(|row| row["ttl"].as_n().is_ok())
    );
}

/// The redirect is already gone when the revocation reads it, and the next `Query` returns the new
/// row.
#[tokio::test]
async fn revocation_without_a_redirect_asks_again() {
    let setup = Setup::with_users().await;
    let (ada, cycle_it) = racing(&setup).await;
    let old = setup.table.key(&setup.table.item().await["id"]);
    let cycled = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&cycled);
    let (client, table) = (setup.table.client.clone(), setup.table.name.clone());
    setup
        .proxy
        .script(move |operation, before| match (operation, before) {
            ("DeleteItem", 0) => {
                let (cycle_it, seen, old) = (cycle_it.clone(), Arc::clone(&seen), old.clone());
                let (client, table) = (client.clone(), table.clone());
                Action::Forward.after(move || {
                    let (cycling, seen) = (cycle_it(), Arc::clone(&seen));
                    let delete = client
                        .delete_item()
                        .table_name(&table)
                        .set_key(Some(old.clone()));
                    async move {
                        *seen.lock().unwrap() = Some(cycling.await);
                        delete.send().await.unwrap();
                    }
                })
            }
            _ => Action::Forward,
        });
    setup.sessions.revoke_user("ada").await.unwrap();
    let cycled = cycled.lock().unwrap().take().expect("it was cycled");
    for mut browser in [ada, cycled] {
        assert_eq!(browser.visit(&setup.sessions, who).await.body, "nobody");
    }
}

/// A redirect to the session of another user is not followed.
#[tokio::test]
async fn revocation_follows_no_session_to_another_user() {
    let setup = Setup::with_users().await;
    let (mut ada, _) = racing(&setup).await;
    let grace = async |_: Request, session: Session| -> Result<String, Error> {
        session.log_in("grace")?;
        session.insert("name", "grace")?;
        Ok(String::new())
    };
    assert_eq!(ada.visit(&setup.sessions, grace).await.cookies.len(), 1);
    setup.sessions.revoke_user("ada").await.unwrap();
    assert_eq!(ada.visit(&setup.sessions, who).await.body, "grace");
    setup.sessions.revoke_user("grace").await.unwrap();
    assert_eq!(ada.visit(&setup.sessions, who).await.body, "nobody");
}

/// A revocation does not depend on its clock. It also ends a session with a fence, which is ended
/// in another way.
#[tokio::test]
async fn revocation_ignores_a_wrong_clock() {
    for fenced in [false, true] {
        for late in [false, true] {
            let setup = Setup::with_users().await;
            let (mut ada, _) = racing(&setup).await;
            setup
                .proxy
                .script(move |operation, before| match (operation, before) {
                    ("UpdateItem", 0) if fenced => Action::error(500, "InternalServerError"),
                    _ => Action::Forward,
                });
            assert_eq!(ada.visit(&setup.sessions, write).await.body, "ada");
            let item = setup.table.item().await;
            assert_eq!(item.contains_key("fence"), fenced);

            let now = UNIX_EPOCH + Duration::from_secs(setup.clock.seconds());
            let other = if late {
                now - days(100)
            } else {
                now + days(100)
            };
            let revoker = setup.sessions.clone().clock(move || other);
            revoker.revoke_user("ada").await.unwrap();
            let reply = ada.visit(&setup.sessions, who).await;
            assert_eq!(reply.body, "nobody", "fenced: {fenced}, late: {late}");
        }
    }
}

async fn write(_: Request, session: Session) -> Result<String, Error> {
    // A dead session must not begin a new one.
    if session.contains("name") {
        session.increment("n", 1)?;
    }
    let name: Option<String> = session.get("name")?;
    Ok(name.unwrap_or_default())
}

/// A revocation that fails half-way returns an error, and can be repeated.
#[tokio::test]
async fn revocation_that_fails_can_be_repeated() {
    let mut setup = Setup::with_users().await;
    let store = setup.table.store_at(&setup.proxy.endpoint);
    setup.use_store(store.operation_timeout(Duration::from_millis(300)));
    for failing in ["Query", "DeleteItem"] {
        let mut browsers = vec![Browser::new(), Browser::new(), Browser::new()];
        for browser in &mut browsers {
            assert_eq!(browser.visit(&setup.sessions, login).await.status, 200);
        }
        setup.proxy.script(
            move |operation, before| match operation == failing && before >= 1 {
                true => Action::error(500, "InternalServerError"),
                false => Action::Forward,
            },
        );
        let error = setup.sessions.revoke_user("ada").await.unwrap_err();
        let expected = match failing {
            "Query" => ErrorKind::Unavailable,
            _ => ErrorKind::OutcomeUnknown,
        };
        assert_eq!(error.kind(), expected, "{failing}");
        setup.proxy.script(|_, _| Action::Forward);
        setup.sessions.revoke_user("ada").await.unwrap();
        for mut browser in browsers {
            assert_eq!(browser.visit(&setup.sessions, who).await.body, "nobody");
        }
        assert!(setup.table.rows().await.is_empty());
    }
}

/// A record of a newer version of the library is not treated as dead.
#[tokio::test]
async fn revocation_fails_on_a_newer_format() {
    let setup = Setup::with_users().await;
    let _ada = racing(&setup).await;
    let mut item = setup.table.item().await;
    let newer = aws_sdk_dynamodb::types::AttributeValue::N("2".to_owned());
    item.insert("fmt".to_owned(), newer);
    setup.table.put(item).await;
    let error = setup.sessions.revoke_user("ada").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn revocation_goes_on_where_it_was_stopped() {
    let setup = Setup::with_users().await;
    logged_in(&setup.sessions).await;
    copy_session(&setup, 249, 249).await;
    setup.proxy.seen();
    setup
        .proxy
        .script(|operation, before| match (operation, before) {
            ("Query", 1..) => Action::error(400, "AccessDeniedException"),
            _ => Action::Forward,
        });
    let stopped = setup.sessions.revoke_user("ada").await.unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Misconfigured);
    let calls = setup.proxy.calls();
    assert_eq!(calls.last().unwrap(), "Query", "deleted page by page");
    let (items, rows) = (
        setup.table.items().await.len(),
        setup.table.rows().await.len(),
    );
    assert_eq!((items, rows), (150, 150), "a page of 100 is done");
    let query = setup.proxy.seen().remove(0).body;
    assert_eq!(query["Limit"], json!(100));
    let projection = query["ProjectionExpression"].as_str();
    assert!(projection.is_some_and(|text| !text.contains("label")));

    setup.proxy.script(|_, _| Action::Forward);
    setup.sessions.revoke_user("ada").await.unwrap();
    assert!(setup.table.items().await.is_empty() && setup.table.rows().await.is_empty());
}
