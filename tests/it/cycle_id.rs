//! Cycled ids, on request and on schedule, and the effect on the previous id.

use std::sync::Arc;
use std::time::Duration;

use lambda_http::{Error, Request};
use lambda_sessions::Session;
use tokio::sync::Barrier;

use crate::support::{
    Action, Browser, Setup, count, cycle, direct_sessions, logged_in, login, logout, minutes,
    name_seen, peek, plain_login, who,
};

#[tokio::test]
async fn cycle_id_kills_the_old_id() {
    let (sessions, table, clock) = direct_sessions().await;
    let mut ada = Browser::new();
    ada.visit(&sessions, count).await;
    let mut attacker = ada.clone();
    clock.advance(Duration::from_secs(5));

    ada.visit(&sessions, plain_login).await;
    assert_ne!(ada.cookie(), attacker.cookie());
    assert_eq!(ada.visit(&sessions, who).await.body, "ada");
    assert_eq!(
        ada.visit(&sessions, peek).await.body,
        "Some(1)",
        "the data came along"
    );
    assert_eq!(table.items().await.len(), 2, "the record and a tombstone");

    // The old id reads nothing, and a change under it begins another session.
    assert_eq!(attacker.visit(&sessions, who).await.body, "nobody");
    let begun = attacker.clone().visit(&sessions, count).await;
    assert_eq!((begun.body.as_str(), begun.cookies.len()), ("1", 1));
    let out = attacker.clone().visit(&sessions, logout).await;
    assert_eq!((out.status, out.cookies.len()), (200, 1));
    assert_eq!(ada.visit(&sessions, who).await.body, "ada");
    // A login with it begins an empty session.
    let reply = attacker.visit(&sessions, plain_login).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    assert_eq!(attacker.visit(&sessions, peek).await.body, "None");
    assert_eq!(
        ada.visit(&sessions, who).await.body,
        "ada",
        "her session is unchanged"
    );

    // When the tombstone has expired, the old id is unknown.
    let mut late = Browser::with_cookie("__Host-sid", "");
    late.jar.clone_from(&attacker.jar);
    clock.advance(minutes(3));
    assert_eq!(late.visit(&sessions, count).await.status, 200);
}

/// The cycle is saved before the first change, so there is nothing to store yet. The next change
/// begins a new session.
#[tokio::test]
async fn cycle_id_lost_race_begins_a_new_session() {
    let setup = Setup::new().await;
    let ada = setup.guest(count).await;
    let (other, elsewhere) = (&ada.clone(), &setup.elsewhere());
    let handler = |request: Request, session: Session| async move {
        let reply = other.clone().visit(elsewhere, plain_login).await;
        assert_eq!((reply.status, reply.cookies.len()), (200, 1));
        session.cycle_id()?;
        session.save().await?;
        assert!(session.id().is_none() && session.is_new() && session.is_empty());
        session.insert("name", "ada")?;
        peek(request, session).await
    };
    let mut next = ada.clone();
    let reply = next.visit(&setup.sessions, handler).await;
    let told = (reply.status, reply.body.as_str(), reply.cookies.len());
    assert_eq!(told, (200, "None", 1));
    assert_eq!(name_seen(&setup.sessions, &next).await, "ada");
}

/// Cycling the id of a session without a user counts as a login, and is not rejected.
#[tokio::test]
async fn cycle_id_by_the_previous_id_if_unbound() {
    for bound in [false, true] {
        let setup = Setup::with_users().await;
        let sessions = setup.sessions.clone().cycle_id_after(minutes(15));
        let mut ada = match bound {
            false => setup.guest(count).await,
            true => setup.guest(login).await,
        };
        let mut before = ada.clone();
        setup.clock.advance(minutes(15));
        assert_eq!(ada.visit(&sessions, peek).await.cookies.len(), 1);
        let reply = before.visit(&sessions, plain_login).await;
        let expected = if bound { (409, 0) } else { (200, 1) };
        assert_eq!((reply.status, reply.cookies.len()), expected, "{bound}");
        let name = name_seen(&sessions, &before).await;
        assert_eq!(name, "ada", "of the login, or of the session that goes on");
    }
}

#[tokio::test]
async fn cycle_on_schedule_keeps_parallel_requests() {
    let setup = Setup::with_users().await;
    let sessions = setup.sessions.clone().cycle_id_after(minutes(15));
    let mut ada = logged_in(&sessions).await;
    setup.clock.advance(minutes(15) - Duration::from_secs(1));
    let reply = ada.visit(&sessions, who).await;
    assert_eq!(reply.cookies.len(), 0, "not before it is due");
    setup.clock.advance(Duration::from_secs(1));

    // All three requests have read the session before the first response.
    let barrier = Arc::new(Barrier::new(3));
    let page = |n: i64| {
        let barrier = Arc::clone(&barrier);
        move |_: Request, session: Session| {
            let barrier = Arc::clone(&barrier);
            async move {
                barrier.wait().await;
                session.increment("sum", n)?;
                Ok::<_, Error>(session.get::<String>("name")?.unwrap_or_default())
            }
        }
    };
    let before = ada.clone();
    let [mut a, mut b, mut c] = [ada.clone(), ada.clone(), ada.clone()];
    let (a_reply, b_reply, c_reply) = tokio::join!(
        a.visit(&sessions, page(1)),
        b.visit(&sessions, page(10)),
        c.visit(&sessions, page(100)),
    );
    let replies = [a_reply, b_reply, c_reply];
    assert!(replies.iter().all(|reply| reply.status == 200));
    assert!(replies.iter().all(|reply| reply.body == "ada"));
    let issued: Vec<_> = replies.iter().flat_map(|reply| &reply.cookies).collect();
    assert_eq!(issued.len(), 1, "one of them has cycled the id: {issued:?}");
    let given = [a, b, c].into_iter();
    let mut given = given.filter(|browser| browser.cookie() != before.cookie());
    ada = given.next().unwrap();
    let sum = async |_: Request, session: Session| -> Result<String, Error> {
        Ok(format!("{:?}", session.get::<i64>("sum")?))
    };
    assert_eq!(ada.visit(&sessions, sum).await.body, "Some(111)");

    // A client that still uses the previous id can read and write, and gets no cookie.
    let mut late = before.clone();
    setup.clock.advance(Duration::from_secs(59));
    let reply = late.visit(&sessions, count).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("1", 0));
    let reply = late.visit(&sessions, cycle).await;
    assert_eq!((reply.status, reply.cookies.len()), (409, 0));
    assert_eq!(ada.visit(&sessions, peek).await.body, "Some(1)");

    setup.clock.advance(Duration::from_secs(1));
    assert_eq!(
        name_seen(&sessions, &before).await,
        "nobody",
        "one id lives"
    );
    assert_eq!(name_seen(&sessions, &ada).await, "ada");
    let listed = sessions.user_sessions("ada").await.unwrap();
    assert_eq!(listed.len(), 1, "it is one login: {listed:?}");
}

/// An outage must not leave a client with an id that dies within a minute.
#[tokio::test]
async fn cycle_on_schedule_lost_response_is_resolved() {
    let mut setup = Setup::with_users().await;
    let store = setup.table.store_at(&setup.proxy.endpoint);
    setup.use_store(store.operation_timeout(Duration::from_millis(300)));
    let sessions = setup.sessions.clone().cycle_id_after(minutes(15));
    for happened in [true, false] {
        let mut ada = logged_in(&sessions).await;
        setup.clock.advance(minutes(15));
        setup
            .proxy
            .script(move |operation, before| match (operation, before) {
                ("TransactWriteItems", 0) if happened => Action::lost(),
                ("TransactWriteItems", _) => Action::error(500, "InternalServerError"),
                _ => Action::Forward,
            });
        let reply = ada.visit(&sessions, who).await;
        setup.proxy.script(|_, _| Action::Forward);
        // If the outcome is unknown, the response is no success.
        let expected = if happened { (200, 1) } else { (503, 0) };
        assert_eq!((reply.status, reply.cookies.len()), expected);
        setup.clock.advance(minutes(2));
        assert_eq!(name_seen(&sessions, &ada).await, "ada", "{happened}");
    }
}

#[tokio::test]
async fn cycle_id_leaves_no_redirect() {
    let setup = Setup::with_users().await;
    let sessions = setup.sessions.clone().cycle_id_after(minutes(15));
    let mut ada = logged_in(&sessions).await;
    // This also holds if a scheduled cycle is due.
    setup.clock.advance(minutes(15));
    let mut before = ada.clone();
    assert_eq!(ada.visit(&sessions, cycle).await.cookies.len(), 1);
    assert_eq!(before.visit(&sessions, who).await.body, "nobody");
    let write = before.clone().visit(&sessions, count).await;
    assert_eq!(
        (write.body.as_str(), write.cookies.len()),
        ("1", 1),
        "a new session"
    );
    let out = before.visit(&sessions, logout).await;
    assert_eq!((out.status, out.cookies.len()), (200, 1));
    assert_eq!(name_seen(&sessions, &ada).await, "ada");

    // The grace period of an earlier id ends too: its redirect leads to a tombstone.
    setup.clock.advance(minutes(15));
    let before = ada.clone();
    assert_eq!(
        ada.visit(&sessions, who).await.cookies.len(),
        1,
        "cycled on schedule"
    );
    assert_eq!(name_seen(&sessions, &before).await, "ada");
    assert_eq!(ada.visit(&sessions, cycle).await.cookies.len(), 1);
    assert_eq!(name_seen(&sessions, &before).await, "nobody");
}

/// If a scheduled cycle fails, the touch and the changes of its request are still written.
#[tokio::test]
async fn cycle_on_schedule_that_fails_still_touches() {
    let setup = Setup::with_users().await;
    let cycling = setup.sessions.clone().cycle_id_after(minutes(15));
    let login = |_: Request, session: Session| async move {
        session.log_in("ada")?;
        Ok::<_, Error>(String::new())
    };
    let mut ada = Browser::new();
    ada.visit(&setup.sessions, login).await;
    let users = setup.table.client.delete_table();
    users.table_name(setup.table.users()).send().await.unwrap();
    setup.clock.advance(minutes(61));
    let before = setup.table.item().await;
    let reply = ada.visit(&cycling, peek).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    let touched = setup.table.item().await;
    assert_eq!(touched["id"], before["id"]);
    assert_ne!(touched["ttl"], before["ttl"]);
    let reply = ada.visit(&cycling, count).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "1"));
    assert_eq!(ada.visit(&cycling, peek).await.body, "Some(1)");
}
