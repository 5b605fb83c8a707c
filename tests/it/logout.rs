//! A logout ends the session on the server, whatever else fails or races it.

use std::future::Future;

use lambda_http::{Error, Request};
use lambda_sessions::{DynamoDbStore, ErrorKind, Session, SessionExt as _, SessionLayer};

use crate::support::{
    Action, Browser, Setup, begin, count, direct_sessions, logged_in, login, logout, minutes,
    name_seen, peek, plain_login,
};

#[tokio::test]
async fn logout_ends_the_session_on_the_server() {
    let setup = Setup::with_users().await;
    let mut ada = logged_in(&setup.sessions).await;
    let copy = ada.clone();
    let reply = ada.visit(&setup.sessions, logout).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    assert_eq!(ada.cookie(), None);
    assert!(setup.table.items().await.is_empty(), "no record is left");
    assert!(setup.table.rows().await.is_empty(), "and no row");
    assert_eq!(name_seen(&setup.sessions, &copy).await, "nobody");
}

/// A logout succeeds even if the users table is gone.
#[tokio::test]
async fn logout_works_without_the_users_table() {
    let setup = Setup::with_users().await;
    let mut ada = logged_in(&setup.sessions).await;
    let copy = ada.clone();
    let users = setup.table.client.delete_table();
    users.table_name(setup.table.users()).send().await.unwrap();
    let reply = ada.visit(&setup.sessions, logout).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    assert_eq!(name_seen(&setup.sessions, &copy).await, "nobody");
}

#[tokio::test]
async fn destroy_then_insert_begins_a_new_session() {
    let (sessions, table, _) = direct_sessions().await;
    let mut ada = Browser::new();
    ada.visit(&sessions, count).await;
    let before = ada.cookie().map(str::to_owned);
    let begin_another = |_: Request, session: Session| async move {
        session.destroy()?;
        assert!(session.is_empty());
        session.insert("flash", "bye")?;
        assert_eq!(session.keys(), ["flash"]);
        Ok("")
    };
    ada.visit(&sessions, begin_another).await;
    assert!(ada.cookie().is_some() && ada.cookie() != before.as_deref());
    let item = table.item().await;
    assert_eq!(item["data"].as_m().unwrap().len(), 1);
    let mut old = Browser::with_cookie("__Host-sid", &before.unwrap());
    assert_eq!(old.visit(&sessions, peek).await.body, "None");
}

#[tokio::test]
async fn logout_by_the_previous_id_ends_the_session() {
    let setup = Setup::new().await;
    let sessions = setup.sessions.clone().cycle_id_after(minutes(15));
    for act in ["logout", "begin another"] {
        let mut ada = setup.guest(count).await;
        setup.clock.advance(minutes(15));
        let mut before = ada.clone();
        assert_eq!(ada.visit(&sessions, peek).await.cookies.len(), 1);
        let end = |_: Request, session: Session| async move {
            session.destroy()?;
            if act == "begin another" {
                session.insert("name", "grace")?;
            }
            Ok::<_, Error>(String::new())
        };
        assert_eq!(before.visit(&sessions, end).await.status, 200, "{act}");
        assert_eq!(ada.visit(&sessions, peek).await.body, "None", "{act}");
    }
}

/// A logout deletes the record even if its own read found no session.
#[tokio::test]
async fn logout_deletes_what_its_read_did_not_see() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    setup.clock.advance(minutes(2));
    // The session is dead for this layer, and alive for the one that wrote it.
    let shorter = setup.sessions.clone().lifetime(minutes(1));
    let logout = |_: Request, session: Session| async move {
        assert!(session.is_new());
        session.destroy()?;
        Ok("")
    };
    assert_eq!(ada.clone().visit(&shorter, logout).await.status, 200);
    assert_eq!(setup.table.items().await.len(), 0);
    assert_eq!(ada.visit(&setup.sessions, peek).await.body, "None");
}

#[tokio::test]
async fn logout_after_an_invalid_login_logs_out() {
    let setup = Setup::with_users().await;
    let mut ada = setup.guest(login).await;
    let copy = ada.clone();
    let handler = |_: Request, session: Session| async move {
        let error = session.log_in("").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        session.destroy()?;
        Ok::<_, Error>(String::new())
    };
    let reply = ada.visit(&setup.sessions, handler).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    assert_eq!(name_seen(&setup.sessions, &copy).await, "nobody");
    assert!(setup.table.items().await.is_empty());
}

/// The changes after the logout cannot be stored. The logout is still performed.
#[tokio::test]
async fn logout_succeeds_if_what_follows_fails() {
    type Step = fn(&Session) -> Result<(), lambda_sessions::Error>;
    let steps: [(Step, ErrorKind); 2] = [
        (
            |session| session.insert("a", "x".repeat(70_000)),
            ErrorKind::TooLarge,
        ),
        // There is no users table.
        (|session| session.log_in("grace"), ErrorKind::Misconfigured),
    ];
    for (step, kind) in steps {
        let setup = Setup::new().await;
        let ada = setup.guest(plain_login).await;
        let handler = |_: Request, session: Session| async move {
            session.destroy()?;
            step(&session)?;
            Ok::<_, Error>(String::new())
        };
        let reply = ada.clone().visit(&setup.sessions, handler).await;
        assert_eq!((reply.status, reply.cookies.len()), (503, 0), "{kind}");
        assert_eq!(setup.kinds(), [kind]);
        assert_eq!(name_seen(&setup.sessions, &ada).await, "nobody", "{kind}");
        assert!(setup.table.items().await.is_empty(), "{kind}");
    }
}

/// The logout left a tombstone, because a write had been retried.
#[tokio::test]
async fn logout_tombstone_lets_the_client_go_on() {
    let setup = Setup::with_users().await;
    setup
        .proxy
        .script(|operation, before| match (operation, before) {
            ("PutItem", 0) => Action::lost(),
            _ => Action::Forward,
        });
    let client = setup.guest(count).await;
    client.clone().visit(&setup.sessions, logout).await;
    assert!(setup.table.item().await.contains_key("retired"));
    for reply in [
        client.clone().visit(&setup.sessions, login).await,
        client.clone().visit(&setup.sessions, plain_login).await,
    ] {
        assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    }
    let reply = client.clone().visit(&setup.sessions, count).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("1", 1));
    let reply = client.clone().visit(&setup.sessions, logout).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
}

const WRITES: [&str; 6] = ["set", "increment", "update", "touch", "cycle", "write-only"];

/// Performs one of these writes in a request that has read the session.
fn write(kind: &str, session: &Session) -> Result<(), Error> {
    match kind {
        "set" => session.insert("a", 1)?,
        "increment" => drop(session.increment("n", 1)?),
        "update" => session.update("list", |list: &mut Vec<u32>| list.push(1))?,
        "cycle" => session.cycle_id()?,
        _ => {}
    }
    Ok(())
}

/// Sends a request that performs this write, and runs `during` before the write.
async fn visit_during<F>(
    sessions: &SessionLayer<DynamoDbStore>,
    mut ada: Browser,
    kind: &'static str,
    during: impl Fn() -> F + Clone + Send + Sync,
) -> u64
where
    F: Future<Output = ()> + Send,
{
    let during = &during;
    let reply = match kind {
        "write-only" => {
            let write_only = move |request: Request| async move {
                during().await;
                request.write_only_session()?.remove("n")?;
                Ok("")
            };
            ada.visit_layered(sessions, write_only).await
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

/// A write after a logout is rejected, and a write before it is deleted with the session. This
/// holds for each kind of write, within one instance of a function and between two.
#[tokio::test]
async fn logout_wins_over_every_write() {
    let setup = Setup::new().await;
    let instances = [setup.sessions.clone(), setup.elsewhere()];
    for kind in WRITES {
        for (one, other) in [(0, 0), (0, 1), (1, 0)] {
            let (here, there) = (&instances[one], &instances[other]);
            for logout_first in [true, false] {
                let ada = setup.guest(begin).await;
                setup
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
                    // A touch and a removal of nothing lose nothing.
                    ("touch" | "write-only", true) => 200,
                    (_, true) => 409,
                    // The id was cycled concurrently: a logout that did not log out must not
                    // succeed.
                    ("cycle", false) => 409,
                    (_, false) => 200,
                };
                let what = format!("{kind}, instances {one} {other}, logout first: {logout_first}");
                assert_eq!(status, expected, "{what}");
                let left = setup.table.items().await;
                let lives = left.iter().filter(|item| item.contains_key("data")).count();
                let expected = usize::from((kind, logout_first) == ("cycle", false));
                assert_eq!(lives, expected, "{what}");
                for item in left {
                    setup.table.delete(&item["id"]).await;
                }
            }
        }
    }
}

/// A logout overtakes a write that is already on its way.
#[tokio::test]
async fn logout_overtakes_a_write_on_the_wire() {
    let setup = Setup::new().await;
    for kind in WRITES {
        let ada = setup.guest(begin).await;
        setup
            .clock
            .advance(minutes(if kind == "touch" { 61 } else { 0 }));
        let (leaver, elsewhere) = (ada.clone(), setup.elsewhere());
        setup.proxy.script(move |operation, before| {
            let (leaver, elsewhere) = (leaver.clone(), elsewhere.clone());
            match (operation, before) {
                ("UpdateItem" | "TransactWriteItems", 0) => Action::Forward.after(move || {
                    let (mut leaver, elsewhere) = (leaver.clone(), elsewhere.clone());
                    async move { drop(leaver.visit(&elsewhere, logout).await) }
                }),
                _ => Action::Forward,
            }
        });
        let status = visit_during(&setup.sessions, ada, kind, || async {}).await;
        let expected = match kind {
            "touch" | "write-only" => 200,
            _ => 409,
        };
        assert_eq!(status, expected, "{kind}");
        assert_eq!(setup.table.items().await, [], "{kind}");
        setup.proxy.script(|_, _| Action::Forward);
    }
}
