//! The list of a user's sessions.

use std::time::Duration;

use lambda_http::{Error, Request};
use lambda_sessions::Session;
use serde_json::Value;

use crate::support::{
    Action, Browser, Setup, copy_session, count, cycle, days, logged_in, minutes, name_seen,
};

/// Lists the user's sessions, as a page would.
async fn devices(_: Request, session: Session) -> Result<String, Error> {
    let sessions = session.user_sessions().await?;
    let lines = sessions.iter().map(|info| {
        let mark = if info.is_current() { "*" } else { "" };
        format!("{}{mark}", info.label().unwrap_or("-"))
    });
    Ok(lines.collect::<Vec<_>>().join(", "))
}

#[tokio::test]
async fn list_lets_a_user_end_single_sessions() {
    let setup = Setup::with_users().await;
    let on = |label: &'static str| {
        async move |_: Request, session: Session| -> Result<String, Error> {
            session.log_in("ada")?;
            session.set_label(label)?;
            session.insert("name", "ada")?;
            Ok(String::new())
        }
    };
    let [mut phone, mut laptop] = [Browser::new(), Browser::new()];
    phone.visit(&setup.sessions, on("phone")).await;
    setup.clock.advance(minutes(1));
    laptop.visit(&setup.sessions, on("laptop")).await;
    let list = laptop.visit(&setup.sessions, devices).await;
    assert_eq!(list.body, "laptop*, phone", "the last seen first");
    // A cycle keeps the label and the handle, which a page may have shown before.
    let phones = setup.sessions.user_sessions("ada").await.unwrap();
    let handle = phones[1].handle().to_owned();
    assert_eq!(handle.len(), 22);
    setup.clock.advance(minutes(1));
    phone.visit(&setup.sessions, cycle).await;
    let list = phone.visit(&setup.sessions, devices).await;
    assert_eq!(list.body, "phone*, laptop");
    let listed = setup.sessions.user_sessions("ada").await.unwrap();
    assert_eq!(listed[0].handle(), handle);
    let age = listed[0].last_seen().duration_since(listed[0].created());
    assert_eq!(age.unwrap(), minutes(2));
    // A different label does not make it a different login.
    phone.visit(&setup.sessions, on("telephone")).await;
    let list = phone.visit(&setup.sessions, devices).await;
    assert_eq!(list.body, "telephone*, laptop");

    let revoke = |handle: String| {
        move |_: Request, session: Session| {
            let handle = handle.clone();
            async move {
                session.revoke(&handle).await?;
                Ok::<_, Error>(String::new())
            }
        }
    };
    // A handle of another user or an unknown one has no effect.
    let mut guest = setup.guest(count).await;
    for handle in [handle.as_str(), "", "no such handle"] {
        let reply = guest.visit(&setup.sessions, revoke(handle.to_owned()));
        assert_eq!(reply.await.status, 200);
    }
    laptop
        .visit(&setup.sessions, revoke("no such handle".to_owned()))
        .await;
    assert_eq!(name_seen(&setup.sessions, &phone).await, "ada");

    laptop.visit(&setup.sessions, revoke(handle.clone())).await;
    assert_eq!(name_seen(&setup.sessions, &phone).await, "nobody");
    let list = laptop.visit(&setup.sessions, devices).await;
    assert_eq!(list.body, "laptop*");
    // Revoking the current session is a logout.
    let own = setup.sessions.user_sessions("ada").await.unwrap();
    let own = own[0].handle().to_owned();
    let reply = laptop.visit(&setup.sessions, revoke(own)).await;
    assert_eq!((reply.status, laptop.cookie()), (200, None));
    assert!(setup.table.rows().await.is_empty());
}

#[tokio::test]
async fn list_clears_old_rows_without_a_record() {
    let mut setup = Setup::with_users().await;
    setup.sessions = setup.sessions.clone().idle_timeout(days(20));
    let mut ada = logged_in(&setup.sessions).await;
    copy_session(&setup, 0, 60).await;
    setup.clock.advance(days(1) - Duration::from_secs(1));
    // The row of a cycled id is young, however old the session is.
    assert_eq!(ada.visit(&setup.sessions, cycle).await.status, 200);
    let young = setup.table.rows().await;
    let rows = async || setup.table.rows().await.len();
    let list = async || setup.sessions.user_sessions("ada").await.unwrap();
    assert_eq!((list().await.len(), rows().await), (1, 62), "not yet");
    setup.clock.advance(Duration::from_secs(1));
    // A record that has expired still exists, so its row stays.
    for left in [62 - 25, 62 - 50, 2, 2] {
        assert_eq!((list().await.len(), rows().await), (1, left));
    }
    let kept = setup.table.rows().await;
    assert!(kept.iter().all(|row| young.contains(row)));

    // A cycle's row may be visible before its record.
    let live = setup.table.items().await;
    let live = live.iter().find(|item| item.contains_key("data")).unwrap();
    setup.table.delete(&live["id"]).await;
    assert_eq!((list().await.len(), rows().await), (0, 2));
    setup.clock.advance(days(1));
    assert_eq!(
        (list().await.len(), rows().await),
        (0, 1),
        "the tombstone still exists"
    );
}

#[tokio::test]
async fn list_is_returned_if_clearing_rows_fails() {
    let setup = Setup::with_users().await;
    logged_in(&setup.sessions).await;
    copy_session(&setup, 0, 3).await;
    setup.clock.advance(days(1));
    setup.proxy.script(|operation, _| match operation {
        "DeleteItem" => Action::error(400, "AccessDeniedException"),
        _ => Action::Forward,
    });
    assert_eq!(setup.sessions.user_sessions("ada").await.unwrap().len(), 1);
}

#[tokio::test]
async fn list_ends_at_a_thousand_rows_and_says_so() {
    for (sessions, has_more) in [(999, false), (1_000, true)] {
        let setup = Setup::with_users().await;
        logged_in(&setup.sessions).await;
        copy_session(&setup, sessions, sessions).await;
        let list = setup.sessions.user_sessions("ada").await.unwrap();
        assert_eq!((list.len(), list.has_more()), (1_000, has_more));
        assert_eq!((&list).into_iter().count(), 1_000);
        assert_eq!(list.into_vec().len(), 1_000);
        // All sessions are revoked, including those that were not listed.
        if has_more {
            setup.sessions.revoke_user("ada").await.unwrap();
            assert!(setup.table.items().await.is_empty());
        }
    }
}

/// The response may name a table that was requested by its ARN.
#[tokio::test]
async fn list_accepts_a_response_under_any_table_name() {
    let setup = Setup::with_users().await;
    logged_in(&setup.sessions).await;
    setup.proxy.edit_replies(|operation, _, body| {
        if operation == "BatchGetItem" {
            let responses = body["Responses"].as_object_mut().unwrap();
            let name = responses.keys().next().unwrap().clone();
            let items: Value = responses.remove(&name).unwrap();
            responses.insert("another".to_owned(), items);
        }
    });
    assert_eq!(setup.sessions.user_sessions("ada").await.unwrap().len(), 1);
}
