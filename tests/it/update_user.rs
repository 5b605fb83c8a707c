//! Changes of a user's sessions from outside their requests, alone, in races and under faults. This file
//! is longer than others, because it is the list of what can happen to one method.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lambda_http::{Error, Request};
use lambda_sessions::layer::UpdateUserError;
use lambda_sessions::{ErrorKind, MemoryStore, Session, SessionLayer};

use crate::support::{
    Action, Browser, Copies, Item, Sessions, Setup, copy_session, count, cycle, days, logout,
    minutes, plain_login,
};

/// Logs in the user `ada`, who is an administrator.
async fn admin(_: Request, session: Session) -> Result<String, Error> {
    session.log_in("ada")?;
    session.insert("role", "admin")?;
    session.insert("visits", 0)?;
    Ok(String::new())
}

/// Returns the role, or `none`.
async fn role(_: Request, session: Session) -> Result<String, Error> {
    let role: Option<String> = session.get("role")?;
    Ok(role.unwrap_or_else(|| "none".to_owned()))
}

async fn admins<const N: usize>(setup: &Setup) -> [Browser; N] {
    let mut browsers: [Browser; N] = std::array::from_fn(|_| Browser::new());
    for browser in &mut browsers {
        assert_eq!(browser.visit(&setup.sessions, admin).await.status, 200);
    }
    setup.proxy.calls();
    browsers
}

async fn demote(sessions: &Sessions) -> Result<usize, UpdateUserError> {
    sessions
        .update_user("ada", |session| session.remove("role"))
        .await
}

async fn role_seen(setup: &Setup, browser: &Browser) -> String {
    browser.clone().visit(&setup.elsewhere(), role).await.body
}

/// Returns the number of calls of each operation, in order of their names.
fn calls(setup: &Setup) -> Vec<(String, usize)> {
    let mut counted = std::collections::BTreeMap::new();
    for call in setup.proxy.calls() {
        *counted.entry(call).or_insert(0) += 1;
    }
    counted.into_iter().collect()
}

fn counted(rows: &[(&str, usize)]) -> Vec<(String, usize)> {
    rows.iter()
        .map(|(name, n)| ((*name).to_owned(), *n))
        .collect()
}

#[tokio::test]
async fn update_user_changes_every_live_session() {
    let setup = Setup::with_users().await;
    let mut browsers = admins::<20>(&setup).await;
    browsers[0].visit(&setup.sessions, cycle).await;
    let grace = async |_: Request, session: Session| -> Result<String, Error> {
        session.log_in("grace")?;
        session.insert("role", "admin")?;
        Ok(String::new())
    };
    let mut other = Browser::new();
    other.visit(&setup.sessions, grace).await;
    let mut guest = Browser::new();
    guest.visit(&setup.sessions, plain_login).await;
    setup.proxy.calls();

    assert_eq!(demote(&setup.sessions).await.unwrap(), 20);
    // A row of a cycled id is read with the others.
    let expected = [
        ("BatchGetItem", 1),
        ("GetItem", 20),
        ("Query", 1),
        ("UpdateItem", 20),
    ];
    assert_eq!(calls(&setup), counted(&expected));
    for browser in &mut browsers {
        let id = browser.id().unwrap().to_owned();
        let reply = browser.visit(&setup.sessions, role).await;
        assert_eq!((reply.body.as_str(), reply.cookies.len()), ("none", 0));
        assert_eq!(browser.id(), Some(&*id), "the id stays");
        assert_eq!(browser.visit(&setup.sessions, count).await.body, "1");
    }
    assert_eq!(role_seen(&setup, &other).await, "admin");

    // The same again changes nothing and writes nothing.
    setup.proxy.calls();
    assert_eq!(demote(&setup.sessions).await.unwrap(), 0);
    let expected = [("BatchGetItem", 1), ("GetItem", 20), ("Query", 1)];
    assert_eq!(calls(&setup), counted(&expected));
    let nobody = setup
        .sessions
        .update_user("nobody", |_| panic!("it has no session"));
    assert_eq!(nobody.await.unwrap(), 0);
    assert_eq!(calls(&setup), counted(&[("Query", 1)]));
    let error = setup
        .sessions
        .update_user("", |_| Ok(()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
}

#[tokio::test]
async fn update_user_shows_the_session_of_its_client() {
    let setup = Setup::with_users().await;
    let [ada] = admins(&setup).await;
    setup.clock.advance(minutes(5));
    let kept = Mutex::new(None);
    let changed = setup.sessions.update_user("ada", |session| {
        assert_eq!(session.get::<String>("role")?.as_deref(), Some("admin"));
        assert!(session.is_logged_in_as("ada") && !session.is_new());
        assert!(session.id().is_none(), "nobody but the client knows it");
        assert!(session.handle().is_some());
        let age = session.expires().duration_since(session.created()).unwrap();
        assert_eq!(age, days(14));
        session.update("visits", |visits: &mut i64| *visits += 10)?;
        assert_eq!(session.increment("visits", 1)?, 11);
        *kept.lock().unwrap() = Some(session.clone());
        Ok(())
    });
    assert_eq!(changed.await.unwrap(), 1);
    assert_eq!(ada.clone().visit(&setup.sessions, count).await.body, "12");
    // A clone that was kept can change nothing.
    let kept = kept.into_inner().unwrap().unwrap();
    assert_eq!(
        kept.insert("late", 1).unwrap_err().kind(),
        ErrorKind::Misconfigured
    );
    assert!(kept.save().await.is_err());
}

/// An action of somebody else keeps no session alive, and gives no client a new id.
#[tokio::test]
async fn update_user_touches_and_cycles_nothing() {
    let setup = Setup::with_users().await;
    let sessions = setup.sessions.clone().cycle_id_after(minutes(15));
    let mut ada = Browser::new();
    ada.visit(&sessions, admin).await;
    let before = setup.table.item().await;
    setup.clock.advance(days(13));
    assert_eq!(demote(&sessions).await.unwrap(), 1);
    let after = setup.table.item().await;
    for name in ["id", "ttl", "created"] {
        assert_eq!(after[name], before[name], "{name}");
    }
    assert_eq!(setup.table.rows().await.len(), 1);
    setup.clock.advance(days(1));
    assert_eq!(role_seen(&setup, &ada).await, "none");
    assert_eq!(demote(&sessions).await.unwrap(), 0, "it has expired");
    // A session that a shorter lifetime has ended is not changed.
    let mut bob = Browser::new();
    bob.visit(&sessions, admin).await;
    setup.clock.advance(days(2));
    assert_eq!(
        demote(&sessions.clone().lifetime(days(1))).await.unwrap(),
        0
    );
    assert_eq!(role_seen(&setup, &bob).await, "admin");
}

#[tokio::test]
async fn update_user_loses_no_concurrent_change() {
    let setup = Setup::with_users().await;
    let browsers = admins::<4>(&setup).await;
    let rounds = 10;
    let visits = browsers.iter().map(async |browser| {
        for _ in 0..rounds {
            let reply = browser.clone().visit(&setup.elsewhere(), count).await;
            assert_eq!(reply.status, 200);
        }
    });
    let updates = async {
        for _ in 0..rounds {
            let changed = setup.sessions.update_user("ada", |session| {
                session.increment("visits", 100)?;
                session.update("seen", |seen: &mut u32| *seen += 1)
            });
            assert_eq!(changed.await.unwrap(), 4);
        }
    };
    tokio::join!(futures_util::future::join_all(visits), updates);
    for item in setup.table.items().await {
        let data = item["data"].as_m().unwrap();
        assert_eq!(data["visits"].as_n().unwrap(), &(rounds * 101).to_string());
        assert_eq!(data["seen"].as_n().unwrap(), &rounds.to_string());
    }
}

/// Lets a browser send a request before the first call of this operation is forwarded, or after it.
fn race<H, F>(
    setup: &Setup,
    operation: &'static str,
    browser: &Browser,
    handler: H,
) -> Arc<Mutex<Browser>>
where
    H: Fn(Request, Session) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<String, Error>> + Send + 'static,
{
    let moved = Arc::new(Mutex::new(browser.clone()));
    let (elsewhere, told) = (setup.elsewhere(), Arc::clone(&moved));
    setup.proxy.script(move |seen, before| {
        if (seen, before) != (operation, 0) {
            return Action::Forward;
        }
        let (elsewhere, told, handler) = (elsewhere.clone(), Arc::clone(&told), handler.clone());
        Action::Forward.after(move || {
            let (elsewhere, told, handler) =
                (elsewhere.clone(), Arc::clone(&told), handler.clone());
            async move {
                let mut browser = told.lock().unwrap().clone();
                let reply = browser.visit(&elsewhere, handler).await;
                assert_eq!(reply.status, 200);
                *told.lock().unwrap() = browser;
            }
        })
    });
    moved
}

/// A session that ends concurrently stays ended, at each point of the update.
#[tokio::test]
async fn update_user_undoes_no_logout() {
    for operation in ["Query", "BatchGetItem", "GetItem", "UpdateItem"] {
        let setup = Setup::with_users().await;
        let [ada] = admins(&setup).await;
        race(&setup, operation, &ada, logout);
        assert_eq!(demote(&setup.sessions).await.unwrap(), 0, "{operation}");
        assert!(setup.table.items().await.is_empty(), "{operation}");
    }
}

#[tokio::test]
async fn update_user_undoes_no_revocation() {
    let setup = Setup::with_users().await;
    admins::<3>(&setup).await;
    let elsewhere = setup.elsewhere();
    setup.proxy.script(move |operation, before| {
        let elsewhere = elsewhere.clone();
        match (operation, before) {
            ("UpdateItem", 1) => Action::Forward.after(move || {
                let elsewhere = elsewhere.clone();
                async move { elsewhere.revoke_user("ada").await.unwrap() }
            }),
            _ => Action::Forward,
        }
    });
    let changed = demote(&setup.sessions).await.unwrap();
    assert!(changed <= 2, "{changed}");
    assert!(setup.table.items().await.is_empty());
}

/// A session whose id is cycled concurrently is changed under its new id.
#[tokio::test]
async fn update_user_follows_a_cycled_id() {
    for operation in ["Query", "BatchGetItem", "GetItem", "UpdateItem"] {
        for automatic in [false, true] {
            let mut setup = Setup::with_users().await;
            if automatic {
                setup.sessions = setup.sessions.clone().cycle_id_after(minutes(15));
            }
            let [ada] = admins(&setup).await;
            setup.clock.advance(minutes(15));
            let what = format!("{operation}, automatic: {automatic}");
            let moved = match automatic {
                false => race(&setup, operation, &ada, cycle),
                true => {
                    let sessions = setup.elsewhere().cycle_id_after(minutes(15));
                    let moved = Arc::new(Mutex::new(ada.clone()));
                    let told = Arc::clone(&moved);
                    setup.proxy.script(move |seen, before| {
                        if (seen, before) != (operation, 0) {
                            return Action::Forward;
                        }
                        let (sessions, told) = (sessions.clone(), Arc::clone(&told));
                        Action::Forward.after(move || {
                            let (sessions, told) = (sessions.clone(), Arc::clone(&told));
                            async move {
                                let mut browser = told.lock().unwrap().clone();
                                browser.visit(&sessions, role).await;
                                *told.lock().unwrap() = browser;
                            }
                        })
                    });
                    moved
                }
            };
            assert_eq!(demote(&setup.sessions).await.unwrap(), 1, "{what}");
            let moved = moved.lock().unwrap().clone();
            assert_ne!(moved.id(), ada.id(), "{what}");
            assert_eq!(role_seen(&setup, &moved).await, "none", "{what}");
        }
    }
}

/// Sessions get new ids and write while all of them are changed. After each change, each of them has it.
#[tokio::test]
async fn update_user_reaches_sessions_that_cycle() {
    let setup = Setup::with_users().await;
    let elsewhere = setup.elsewhere();
    let browsers = admins::<4>(&setup).await;
    let browsers = browsers.map(tokio::sync::Mutex::new);
    let busy = AtomicUsize::new(browsers.len());
    let devices = browsers.iter().map(async |browser| {
        for n in 0..20 {
            let mut browser = browser.lock().await;
            let reply = match n % 2 {
                0 => browser.visit(&elsewhere, cycle).await,
                _ => browser.visit(&elsewhere, count).await,
            };
            assert_eq!(reply.status, 200, "{}", reply.body);
            drop(browser);
            // A user who gets a new id without a pause would always be ahead of the change.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        busy.fetch_sub(1, Ordering::SeqCst);
    });
    let updates = async {
        let (mut epoch, mut is_last) = (0_u64, false);
        while !is_last {
            epoch += 1;
            is_last = busy.load(Ordering::SeqCst) == 0;
            let changed = setup
                .sessions
                .update_user("ada", |session| session.insert("epoch", epoch));
            match changed.await {
                Ok(changed) => assert_eq!(changed, 4),
                // It may have been overtaken too often, except by sessions that are at rest.
                Err(error) => {
                    assert!(error.kind() == ErrorKind::Conflict && !is_last, "{error:?}");
                    continue;
                }
            }
            let seen = async |_: Request, session: Session| -> Result<String, Error> {
                Ok(session.get::<u64>("epoch")?.unwrap_or(0).to_string())
            };
            for browser in &browsers {
                let mut browser = browser.lock().await.clone();
                let body = browser.visit(&elsewhere, seen).await.body;
                assert_eq!(body, epoch.to_string());
            }
        }
    };
    tokio::join!(futures_util::future::join_all(devices), updates);
    for browser in &browsers {
        let reply = browser.lock().await.visit(&elsewhere, count).await;
        assert_eq!(reply.body, "11", "no visit is lost");
    }
}

/// The rule of the function spans two keys, and another request changes one of them first.
#[tokio::test]
async fn update_user_runs_again_after_a_conflict() {
    let setup = Setup::with_users().await;
    let [ada] = admins(&setup).await;
    race(&setup, "UpdateItem", &ada, count);
    let runs = AtomicUsize::new(0);
    let changed = setup.sessions.update_user("ada", |session| {
        runs.fetch_add(1, Ordering::SeqCst);
        session.require_unchanged()?;
        let visits: Option<i64> = session.get("visits")?;
        session.insert("note", visits)
    });
    assert_eq!(changed.await.unwrap(), 1);
    assert_eq!(runs.into_inner(), 2);
    let note = async |_: Request, session: Session| -> Result<String, Error> {
        Ok(format!("{:?}", session.get::<i64>("note")?))
    };
    assert_eq!(
        ada.clone().visit(&setup.sessions, note).await.body,
        "Some(1)"
    );
}

/// A session that is always changed first is reported, and the others are changed.
#[tokio::test]
async fn update_user_gives_up_on_a_busy_session() {
    let setup = Setup::with_users().await;
    let [busy, _] = admins(&setup).await;
    let busy_id = busy.id().unwrap().to_owned();
    let elsewhere = setup.elsewhere();
    let handle = elsewhere.user_sessions("ada").await.unwrap();
    assert_eq!(handle.len(), 2);
    setup.proxy.script(move |operation, _| {
        let (elsewhere, busy) = (elsewhere.clone(), busy.clone());
        match operation {
            "UpdateItem" => Action::Forward.after(move || {
                let (elsewhere, mut busy) = (elsewhere.clone(), busy.clone());
                async move { drop(busy.visit(&elsewhere, count).await) }
            }),
            _ => Action::Forward,
        }
    });
    let changed = setup.sessions.update_user("ada", |session| {
        session.require_unchanged()?;
        session.insert("role", "user")
    });
    let error = changed.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!((error.changed(), error.not_changed()), (1, 1));
    let shown = format!("{error} {error:?}");
    assert!(
        shown.starts_with("1 of 2 sessions of a user were not changed"),
        "{shown}"
    );
    assert!(!shown.contains(&busy_id), "{shown}");
}

#[tokio::test]
async fn update_user_counts_a_retried_write_once() {
    let setup = Setup::with_users().await;
    admins::<3>(&setup).await;
    setup
        .proxy
        .script(|operation, before| match (operation, before) {
            ("UpdateItem", 0..=2) => Action::lost(),
            ("GetItem" | "Query" | "BatchGetItem", 0) => Action::Reset,
            _ => Action::Forward,
        });
    let changed = setup.sessions.update_user("ada", |session| {
        session.increment("visits", 1)?;
        Ok(())
    });
    assert_eq!(changed.await.unwrap(), 3);
    for item in setup.table.items().await {
        assert_eq!(visits_of(&item), "1");
    }
}

fn visits_of(item: &Item) -> String {
    item["data"].as_m().unwrap()["visits"]
        .as_n()
        .unwrap()
        .clone()
}

/// The failure of one session does not keep the others from being changed, and is not hidden.
#[tokio::test]
async fn update_user_reports_what_it_did_not_change() {
    let setup = Setup::with_users().await;
    let browsers = admins::<3>(&setup).await;
    setup
        .proxy
        .script(|operation, before| match (operation, before) {
            ("UpdateItem", 1) => Action::error(400, "AccessDeniedException"),
            _ => Action::Forward,
        });
    let error = demote(&setup.sessions).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert_eq!((error.changed(), error.not_changed()), (2, 1));
    // It is one error for a handler, with the counts as its cause.
    let error = lambda_sessions::Error::from(error);
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    let cause = std::error::Error::source(&error).unwrap();
    assert_eq!(
        cause.to_string(),
        "1 of 3 sessions of a user were not changed"
    );
    assert_eq!(
        cause.downcast_ref::<UpdateUserError>().unwrap().changed(),
        2
    );

    setup.proxy.script(|_, _| Action::Forward);
    assert_eq!(demote(&setup.sessions).await.unwrap(), 1, "again");
    for browser in &browsers {
        assert_eq!(role_seen(&setup, browser).await, "none");
    }
}

/// The network fails between two sessions, for long. The rest is not tried.
#[tokio::test]
async fn update_user_stops_in_an_outage_and_says_so() {
    let setup = Setup::with_users().await;
    admins::<20>(&setup).await;
    setup
        .proxy
        .script(|operation, before| match (operation, before) {
            ("UpdateItem", 8..) => Action::error(500, "InternalServerError"),
            _ => Action::Forward,
        });
    let error = demote(&setup.hasty()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert_eq!((error.changed(), error.not_changed()), (8, 12));
    assert_eq!(setup.count("GetItem"), 16, "two times eight");

    setup
        .proxy
        .script(|_, _| Action::error(500, "InternalServerError"));
    let error = demote(&setup.hasty()).await.unwrap_err();
    assert_eq!((error.changed(), error.not_changed()), (0, 0), "no list");
    setup.proxy.script(|_, _| Action::Forward);
    assert_eq!(demote(&setup.sessions).await.unwrap(), 12);
}

#[tokio::test]
async fn update_user_reports_an_unknown_outcome() {
    let setup = Setup::with_users().await;
    admins::<1>(&setup).await;
    setup.proxy.script(|operation, _| match operation {
        "UpdateItem" => Action::ForwardThenHang,
        _ => Action::Forward,
    });
    let error = demote(&setup.hasty()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    assert_eq!((error.changed(), error.not_changed()), (0, 1));
}

/// An older copy of a session is never changed instead of the latest one.
#[tokio::test]
async fn update_user_reads_no_older_copy() {
    let mut setup = Setup::with_users().await;
    let store = setup.table.store_at(&setup.proxy.endpoint);
    setup.use_store(store.eventually_consistent(true));
    setup.proxy.keep_copies(&Copies::default());
    let [mut ada] = admins(&setup).await;
    ada.visit(&setup.sessions, count).await;
    setup.proxy.script(|_, _| Action::Stale);
    setup.proxy.seen();
    let changed = setup.sessions.update_user("ada", |session| {
        let visits: Option<i64> = session.get("visits")?;
        session.insert("note", visits)
    });
    assert_eq!(changed.await.unwrap(), 1);
    let seen = setup.proxy.seen();
    let reads = seen.iter().filter(|call| call.operation == "GetItem");
    let reads: Vec<_> = reads
        .map(|call| call.body["ConsistentRead"].clone())
        .collect();
    assert_eq!(reads, [true]);
    let note = crate::support::stored_value(&setup.table.items().await, "note");
    assert_eq!(note.as_n().unwrap(), "1");
}

/// The function fails for one session: nothing of it is written, and the others are changed.
#[tokio::test]
async fn update_user_reports_the_functions_error() {
    let setup = Setup::with_users().await;
    let browsers = admins::<3>(&setup).await;
    browsers[1].clone().visit(&setup.sessions, count).await;
    let changed = setup.sessions.update_user("ada", |session| {
        session.insert("role", "user")?;
        match session.get::<i64>("visits")? {
            Some(0) => Ok(()),
            _ => session.get::<bool>("visits").map(drop),
        }
    });
    let error = changed.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deserialize);
    assert_eq!((error.changed(), error.not_changed()), (2, 1));
    for (browser, role) in browsers.iter().zip(["user", "admin", "user"]) {
        assert_eq!(role_seen(&setup, browser).await, role);
    }
}

/// The client would lose a session that got a new id here.
#[tokio::test]
async fn update_user_gives_nobody_a_new_id() {
    let setup = Setup::with_users().await;
    let [ada] = admins(&setup).await;
    type Act = fn(&Session) -> Result<(), lambda_sessions::Error>;
    let acts: [Act; 3] = [
        |session| session.cycle_id(),
        |session| session.log_in("ada"),
        |session| session.log_in("grace"),
    ];
    for act in acts {
        let changed = setup.sessions.update_user("ada", |session| {
            session.insert("role", "user")?;
            act(session)
        });
        let error = changed.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert_eq!(role_seen(&setup, &ada).await, "admin");
        assert_eq!(setup.table.items().await.len(), 1);
    }
    // A logout is written, and begins no session that nobody knows.
    let changed = setup.sessions.update_user("ada", |session| {
        session.destroy()?;
        session.insert("role", "user")
    });
    assert_eq!(changed.await.unwrap_err().kind(), ErrorKind::Misconfigured);
    assert!(setup.table.items().await.is_empty());
    let [ada, other] = admins(&setup).await;
    let ended = setup
        .sessions
        .update_user("ada", |session| session.destroy());
    assert_eq!(ended.await.unwrap(), 2);
    assert!(setup.table.items().await.is_empty() && setup.table.rows().await.is_empty());
    for browser in [&ada, &other] {
        assert_eq!(role_seen(&setup, browser).await, "none");
    }
}

/// Lists for pages end at a thousand sessions. This one does not.
#[tokio::test]
async fn update_user_changes_more_than_a_page_lists() {
    let setup = Setup::with_users().await;
    admins::<1>(&setup).await;
    copy_session(&setup, 1_100, 1_100).await;
    let listed = setup.elsewhere().user_sessions("ada").await.unwrap();
    assert!(listed.has_more());
    assert_eq!(demote(&setup.elsewhere()).await.unwrap(), 1_101);
    let items = setup.table.items().await;
    let has_role = |item: &&Item| item["data"].as_m().unwrap().contains_key("role");
    assert_eq!(items.iter().filter(has_role).count(), 0);
}

/// A record of a newer version cannot be changed, and is not passed over silently.
#[tokio::test]
async fn update_user_reports_an_unreadable_record() {
    let setup = Setup::with_users().await;
    admins::<2>(&setup).await;
    let client = &setup.table.client;
    let id = setup.table.items().await[0]["id"].clone();
    let newer = client
        .update_item()
        .table_name(&setup.table.name)
        .set_key(Some(setup.table.key(&id)))
        .update_expression("SET #f = :newer")
        .expression_attribute_names("#f", "fmt")
        .expression_attribute_values(":newer", crate::support::number(99));
    newer.send().await.unwrap();
    let error = demote(&setup.sessions).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!((error.changed(), error.not_changed()), (1, 0));
}

#[tokio::test]
async fn update_user_leaves_another_audience_alone() {
    let setup = Setup::with_users().await;
    let shop = setup.sessions.clone().audience("shop");
    let [ada] = admins(&setup).await;
    let mut customer = Browser::new();
    customer.visit(&shop, admin).await;
    assert_eq!(demote(&shop).await.unwrap(), 1);
    assert_eq!(customer.visit(&shop, role).await.body, "none");
    assert_eq!(role_seen(&setup, &ada).await, "admin");
}

/// It works on every store, and its future can be spawned.
#[tokio::test]
async fn update_user_works_on_a_memory_store() {
    let sessions = SessionLayer::new(MemoryStore::new());
    let mut browsers = [Browser::new(), Browser::new()];
    for browser in &mut browsers {
        browser.visit(&sessions, admin).await;
    }
    browsers[1].visit(&sessions, cycle).await;
    let inside = sessions.clone();
    let changed = tokio::spawn(async move {
        let mut runs = 0;
        let changed = inside.update_user("ada", |session| {
            runs += 1;
            session.remove("role")
        });
        (changed.await.unwrap(), runs)
    });
    assert_eq!(changed.await.unwrap(), (2, 2));
    for browser in &mut browsers {
        assert_eq!(browser.visit(&sessions, role).await.body, "none");
    }
}
