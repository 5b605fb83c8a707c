//! Reads that return an older copy, as DynamoDB may do if they are not strongly consistent. A client
//! still sees its own changes. No change is lost, and no client is logged out or in because
//! of such a copy.

use std::time::Duration;

use lambda_http::{Error, Request};
use lambda_sessions::{ErrorKind, Session};
use serde_json::{Value, json};

use crate::support::{
    Action, Browser, Copies, Setup, assert_refused, count, count_write_only, cycle, days, login,
    logout, minutes, peek,
};

/// Returns a setup in which every read is as old as it may be.
async fn stale(eventually_consistent: bool) -> Setup {
    let mut setup = Setup::with_users().await;
    let store = setup.table.store_at(&setup.proxy.endpoint);
    setup.use_store(store.eventually_consistent(eventually_consistent));
    setup.proxy.keep_copies(&Copies::default());
    setup.proxy.script(|_, _| Action::Stale);
    setup
}

/// Returns a browser with two visits, of which a stale read shows one, and a copy of the browser as
/// it was after the first: another device with the same session.
async fn known(setup: &Setup) -> (Browser, Browser) {
    let mut ada = setup.guest(count).await;
    let other = ada.clone();
    assert_eq!(ada.visit(&setup.sessions, count).await.status, 200);
    setup.proxy.calls();
    (ada, other)
}

/// Returns the reads since the last call: whether each was strongly consistent.
fn reads(setup: &Setup) -> Vec<Value> {
    let seen = setup.proxy.seen();
    let reads = seen.iter().filter(|call| call.operation == "GetItem");
    reads
        .map(|call| call.body["ConsistentRead"].clone())
        .collect()
}

#[tokio::test]
async fn stale_read_is_impossible_by_default() {
    let setup = stale(false).await;
    let (mut ada, mut other) = known(&setup).await;
    reads(&setup);
    for browser in [&mut ada, &mut other] {
        assert_eq!(browser.visit(&setup.sessions, peek).await.body, "Some(2)");
        assert_eq!(reads(&setup), [json!(true)]);
    }
}

/// The cookie has the version that the client has written, so an older copy is read again.
#[tokio::test]
async fn stale_read_shows_the_own_changes() {
    let setup = stale(true).await;
    let (mut ada, mut other) = known(&setup).await;
    reads(&setup);
    assert_eq!(ada.visit(&setup.sessions, peek).await.body, "Some(2)");
    assert_eq!(reads(&setup), [json!(false), json!(true)]);
    // A client that does not know of the change may be shown the copy before it.
    assert_eq!(other.visit(&setup.sessions, peek).await.body, "Some(1)");
    assert_eq!(reads(&setup), [json!(false)]);
    // If the copy is up to date, one read of half the price is enough.
    setup.proxy.script(|_, _| Action::Forward);
    for browser in [&mut ada, &mut other] {
        assert_eq!(browser.visit(&setup.sessions, peek).await.body, "Some(2)");
        assert_eq!(reads(&setup), [json!(false)]);
    }
    setup.proxy.script(|_, _| Action::Stale);
    for visits in 3..6 {
        let body = ada.visit(&setup.sessions, count).await.body;
        assert_eq!(body, visits.to_string());
        let body = ada.visit(&setup.sessions, peek).await.body;
        assert_eq!(body, format!("Some({visits})"));
    }
}

/// Each response to a write gives the client the version, and no other response does.
#[tokio::test]
async fn stale_reads_need_a_cookie_with_each_write() {
    let setup = stale(true).await;
    let mut ada = setup.guest(count).await;
    let id = ada.id().unwrap().to_owned();
    assert_eq!(ada.cookie(), Some(&*format!("{id}~tx2r0nk~v1")));
    let reply = ada.visit(&setup.sessions, peek).await;
    assert!(reply.cookies.is_empty());
    assert_eq!(reply.header("cache-control"), Some("private"));

    setup.clock.advance(minutes(1));
    let reply = ada.visit(&setup.sessions, count).await;
    let attributes = "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=1209540";
    let cookie = format!("__Host-sid={id}~tx2r0nk~v2; {attributes}");
    assert_eq!(reply.cookies, [cookie]);
    assert_eq!(reply.header("cache-control"), Some("no-store"));

    let reply = ada.visit_layered(&setup.sessions, count_write_only).await;
    let cookie = format!("__Host-sid={id}~tx2r0nk~v3; {attributes}");
    assert_eq!(reply.cookies, [cookie]);

    // The last write may be that of a save.
    let save = |slow: bool| {
        let clock = setup.clock.clone();
        move |_: Request, session: Session| {
            let clock = clock.clone();
            async move {
                session.increment("visits", 1)?;
                session.save().await?;
                clock.advance(Duration::from_secs(slow.into()));
                Ok::<_, Error>("")
            }
        }
    };
    for (slow, version, calls) in [
        (false, "v4", &["GetItem", "GetItem", "UpdateItem"][..]),
        // The id may have died since, so a touch finds it alive.
        (
            true,
            "v5",
            &["GetItem", "GetItem", "UpdateItem", "UpdateItem"],
        ),
    ] {
        setup.proxy.calls();
        assert_eq!(
            ada.visit(&setup.sessions, save(slow)).await.cookies.len(),
            1
        );
        assert_eq!(setup.proxy.calls(), calls);
        assert!(ada.cookie().unwrap().ends_with(version), "{ada:?}");
    }

    // No other client can have ended a session that this request has begun.
    let mut bob = Browser::new();
    setup.proxy.calls();
    let reply = bob.visit(&setup.sessions, |request, session: Session| {
        let save = save(true);
        async move {
            session.insert("name", "bob")?;
            save(request, session).await
        }
    });
    assert_eq!(reply.await.cookies.len(), 1);
    assert_eq!(setup.proxy.calls(), ["PutItem"]);

    // A new id goes on with the version, and a new session begins with 1.
    assert_eq!(ada.visit(&setup.sessions, login).await.status, 200);
    assert!(ada.cookie().unwrap().ends_with("~v6"), "{ada:?}");
    let begin_another = |_: Request, session: Session| async move {
        session.destroy()?;
        session.insert("visits", 7)?;
        Ok::<_, Error>("")
    };
    ada.visit(&setup.sessions, begin_another).await;
    assert!(ada.cookie().unwrap().ends_with("~v1"), "{ada:?}");
    assert_eq!(ada.visit(&setup.sessions, peek).await.body, "Some(7)");
    assert_eq!(setup.kinds(), []);
}

/// A hint that is wrong costs a read, or shows its own client an older copy.
#[tokio::test]
async fn stale_read_with_a_wrong_hint_is_read_again() {
    let setup = stale(true).await;
    let (ada, _) = known(&setup).await;
    let item = setup.table.item().await;
    for (hints, body, strong) in [
        ("~v2", "Some(2)", &[false, true][..]),
        ("~v3", "Some(2)", &[false, true]),
        ("~v3w5e11264sgsf", "Some(2)", &[false, true]),
        ("~v0~v2~v1", "Some(2)", &[false, true]),
        ("~v1", "Some(1)", &[false]),
        ("~v0", "Some(1)", &[false]),
        // Without a hint, the client may have written anything.
        ("", "Some(2)", &[true]),
        ("~v", "Some(2)", &[true]),
        ("~v-1", "Some(2)", &[true]),
        ("~v3w5e11264sgsg", "Some(2)", &[true]),
        ("~v12345", "Some(2)", &[true]),
    ] {
        let mut browser = ada.clone();
        browser.set_hints(hints);
        reads(&setup);
        let reply = browser.visit(&setup.sessions, peek).await;
        assert_eq!((&*reply.body, reply.cookies.len()), (body, 0), "{hints}");
        assert_eq!(
            reads(&setup),
            json!(strong).as_array().unwrap()[..],
            "{hints}"
        );
    }
    assert_eq!(setup.table.item().await, item);
}

/// A touch that is due reads the item as it is, and passes the version on.
#[tokio::test]
async fn stale_read_is_not_made_when_a_touch_is_due() {
    let setup = stale(true).await;
    let (mut ada, _) = known(&setup).await;
    setup.clock.advance(minutes(61));
    assert_eq!(ada.visit(&setup.sessions, peek).await.body, "Some(2)");
    assert_eq!(setup.proxy.calls(), ["UpdateItem"]);
    assert!(ada.cookie().unwrap().ends_with("~tx2r3h8~v2"), "{ada:?}");
}

/// A client that used a cycled id gets no cookie, so its session is read consistently.
#[tokio::test]
async fn stale_read_never_follows_a_redirect() {
    let setup = stale(true).await;
    let cycling = setup.sessions.clone().cycle_id_after(minutes(15));
    let (ada, _) = known(&setup).await;
    setup.clock.advance(minutes(16));
    ada.clone().visit(&cycling, peek).await;
    setup.proxy.script(|_, _| Action::Forward);
    let mut late = ada.clone();
    let reply = late.visit(&cycling, count).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("3", 0));
    reads(&setup);
    assert_eq!(late.visit(&cycling, peek).await.body, "Some(3)");
    assert_eq!(reads(&setup), [json!(false), json!(true)]);
}

/// A header carries no hint.
#[tokio::test]
async fn stale_read_is_not_made_for_a_header() {
    let setup = stale(true).await;
    let sessions = setup.sessions.clone().id_header_only("X-SessionId");
    let mut ada = Browser::new();
    let reply = ada.visit(&sessions, count).await;
    let id = reply.header("x-sessionid").unwrap();
    ada.set_header("x-sessionid", id);
    reads(&setup);
    assert_eq!(ada.visit(&sessions, count).await.body, "2");
    assert_eq!(ada.visit(&sessions, peek).await.body, "Some(2)");
    assert_eq!(reads(&setup), [json!(true), json!(true)]);
}

/// The capacity that DynamoDB reports for the same two visits, a write and four reads.
#[tokio::test]
async fn stale_reads_consume_half_the_capacity() {
    let mut consumed = Vec::new();
    for eventually_consistent in [false, true] {
        let setup = stale(eventually_consistent).await;
        setup.proxy.script(|_, _| Action::Forward);
        setup.proxy.edit(|operation, body| {
            if operation == "GetItem" {
                body["ReturnConsumedCapacity"] = json!("TOTAL");
            }
        });
        let units = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = std::sync::Arc::clone(&units);
        setup.proxy.edit_replies(move |operation, _, body| {
            if operation == "GetItem" {
                let units = body["ConsumedCapacity"]["CapacityUnits"].as_f64();
                seen.lock().unwrap().push(units.unwrap());
            }
        });
        let mut ada = setup.guest(count).await;
        for _ in 0..4 {
            ada.visit(&setup.sessions, peek).await;
        }
        consumed.push(units.lock().unwrap().clone());
    }
    assert_eq!(consumed, [[1.0; 4], [0.5; 4]]);
}

/// If a stale read finds no session, the store reads again consistently.
#[tokio::test]
async fn stale_read_logs_nobody_out() {
    let setup = stale(true).await;
    let mut ada = setup.guest(count).await;
    assert_eq!(ada.visit(&setup.sessions, peek).await.body, "Some(1)");
    assert_eq!(setup.proxy.calls(), ["GetItem", "GetItem"]);

    assert_eq!(ada.visit(&setup.sessions, cycle).await.status, 200);
    setup.proxy.calls();
    assert_eq!(ada.visit(&setup.sessions, peek).await.body, "Some(1)");
    assert_eq!(setup.proxy.calls(), ["GetItem", "GetItem"]);

    // The session was touched, and its older copy has expired.
    setup.clock.advance(minutes(61));
    ada.visit(&setup.sessions, peek).await;
    setup.clock.advance(days(14) - minutes(30));
    ada.set_hints("~v2");
    assert_eq!(ada.visit(&setup.sessions, peek).await.body, "Some(1)");
}

#[tokio::test]
async fn stale_read_loses_no_write() {
    let setup = stale(true).await;
    let (_, mut ada) = known(&setup).await;
    // Each request reads an older copy with fewer visits, because its hint is that of an earlier one.
    let act = |_: Request, session: Session| async move {
        session.increment("visits", 1)?;
        session.update("pages", |pages: &mut Vec<u32>| pages.push(1))?;
        session.insert("name", "ada")?;
        Ok("")
    };
    for _ in 0..2 {
        assert_eq!(ada.visit(&setup.sessions, act).await.status, 200);
        ada.set_hints("~v1");
    }
    let cycle_and_push = |_: Request, session: Session| async move {
        session.cycle_id()?;
        session.update("pages", |pages: &mut Vec<u32>| pages.push(2))?;
        Ok("")
    };
    assert_eq!(ada.visit(&setup.sessions, cycle_and_push).await.status, 200);
    let read = |_: Request, session: Session| async move {
        let pages: Option<Vec<u32>> = session.get("pages")?;
        Ok(format!("{:?} {pages:?}", session.get::<i64>("visits")?))
    };
    let body = ada.visit(&setup.elsewhere(), read).await.body;
    assert_eq!(body, "Some(4) Some([1, 1, 2])");

    let only_if_unchanged = |_: Request, session: Session| async move {
        session.require_unchanged()?;
        session.insert("name", "grace")?;
        Ok("")
    };
    ada.visit(&setup.elsewhere(), count).await;
    let mut other = ada.clone();
    setup.proxy.script(|_, _| Action::Forward);
    other.visit(&setup.sessions, count).await;
    setup.proxy.script(|_, _| Action::Stale);
    assert_refused(
        &ada.visit(&setup.sessions, only_if_unchanged).await,
        409,
        "what was read was old",
    );
    assert_eq!(setup.kinds(), [ErrorKind::Conflict]);
}

/// A stale read may still return a session that was destroyed. No write restores it.
#[tokio::test]
async fn stale_read_revives_nothing() {
    type Act = fn(&Session) -> Result<(), lambda_sessions::Error>;
    let acts: [(&str, Act, u64); 4] = [
        ("nothing", |_| Ok(()), 200),
        ("a set", |session| session.insert("a", 1), 409),
        (
            "a count",
            |session| session.increment("visits", 1).map(drop),
            409,
        ),
        (
            "a cycle",
            |session| {
                session.cycle_id()?;
                Ok(())
            },
            409,
        ),
    ];
    for (what, act, status) in acts {
        let setup = stale(true).await;
        let (mut ada, _) = known(&setup).await;
        // A touch would be due as well. With its hint, the load would find the current item.
        setup.clock.advance(minutes(61));
        ada.set_hints("~v2");
        assert_eq!(ada.clone().visit(&setup.sessions, logout).await.status, 200);
        let late = move |_: Request, session: Session| async move {
            assert!(!session.is_new(), "it was read from the copy");
            act(&session)?;
            Ok::<_, Error>("")
        };
        let reply = ada.clone().visit(&setup.sessions, late).await;
        assert_eq!((reply.status, reply.cookies.len()), (status, 0), "{what}");
        assert_eq!(setup.table.items().await, [], "{what}");
    }
}
