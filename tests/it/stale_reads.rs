//! Reads that return an older copy, as DynamoDB may do if they are not strongly consistent. No
//! change is lost, and no client is logged out or in because of one.

use lambda_http::{Error, Request};
use lambda_sessions::{ErrorKind, Session};

use crate::support::{
    Action, Browser, Copies, Setup, assert_refused, count, cycle, logout, minutes, peek,
};

/// Returns a setup in which every read is as old as it may be.
async fn stale(consistent: bool) -> Setup {
    let mut setup = Setup::new().await;
    let store = setup.table.store_at(&setup.proxy.endpoint);
    setup.use_store(store.consistent_read(consistent));
    setup.proxy.keep_copies(&Copies::default());
    setup.proxy.script(|_, _| Action::Stale);
    setup
}

/// Returns a browser with two visits, of which a stale read shows one.
async fn known(setup: &Setup) -> Browser {
    let mut ada = setup.guest(count).await;
    assert_eq!(ada.visit(&setup.sessions, count).await.status, 200);
    setup.proxy.calls();
    ada
}

#[tokio::test]
async fn stale_read_is_impossible_by_default() {
    let setup = stale(true).await;
    let mut ada = known(&setup).await;
    assert_eq!(ada.visit(&setup.sessions, peek).await.body, "Some(2)");
    assert_eq!(setup.proxy.calls(), ["GetItem"]);
    let setup = stale(false).await;
    let mut ada = known(&setup).await;
    assert_eq!(ada.visit(&setup.sessions, peek).await.body, "Some(1)");
    assert_eq!(setup.proxy.calls(), ["GetItem"]);
}

/// If a stale read finds no session, the store reads again consistently.
#[tokio::test]
async fn stale_read_logs_nobody_out() {
    let setup = stale(false).await;
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
    setup.clock.advance(crate::support::days(14) - minutes(30));
    assert_eq!(ada.visit(&setup.sessions, peek).await.body, "Some(1)");
}

#[tokio::test]
async fn stale_read_loses_no_write() {
    let setup = stale(false).await;
    let mut ada = known(&setup).await;
    // Each request reads an older copy with fewer visits.
    let act = |_: Request, session: Session| async move {
        session.increment("visits", 1)?;
        session.update("pages", |pages: &mut Vec<u32>| pages.push(1))?;
        session.insert("name", "ada")?;
        Ok("")
    };
    for _ in 0..2 {
        assert_eq!(ada.visit(&setup.sessions, act).await.status, 200);
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
        let setup = stale(false).await;
        let mut ada = known(&setup).await;
        // A touch would be due as well. With its hint, the load would find the current item.
        setup.clock.advance(minutes(61));
        ada.forget_hints();
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
