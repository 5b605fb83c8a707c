//! Reads that are served an older copy, as DynamoDB may do where they are not strongly consistent:
//! what was read may be old, but nothing is lost, and nobody is logged out or in by it.

use crate::support::{
    Answer, Bench, Copies, Visitor, assert_refused, count, logout, minutes, peek,
};
use lambda_http::{Error, Request};
use lambda_sessions::{ErrorKind, Session};

/// Sessions whose every read is as old as it may be.
async fn stale(consistent: bool) -> Bench {
    let mut bench = Bench::new().await;
    let store = bench.table.store_at(&bench.proxy.endpoint);
    bench.use_store(store.consistent_read(consistent));
    bench.proxy.keep_copies(&Copies::default());
    bench.proxy.answer(|_, _| Answer::Stale);
    bench
}

/// Someone whose session is older than any copy of it: two visits are counted, and one is read.
async fn known(bench: &Bench) -> Visitor {
    let mut ada = bench.guest(count).await;
    assert_eq!(ada.visit(&bench.sessions, count).await.status, 200);
    bench.proxy.calls();
    ada
}

#[tokio::test]
async fn by_default_reads_are_strongly_consistent() {
    let bench = stale(true).await;
    let mut ada = known(&bench).await;
    assert_eq!(ada.visit(&bench.sessions, peek).await.body, "Some(2)");
    assert_eq!(bench.proxy.calls(), ["GetItem"]);
    let bench = stale(false).await;
    let mut ada = known(&bench).await;
    assert_eq!(ada.visit(&bench.sessions, peek).await.body, "Some(1)");
    assert_eq!(bench.proxy.calls(), ["GetItem"]);
}

/// What such a read does not find is looked for again.
#[tokio::test]
async fn nobody_is_logged_out_by_a_stale_read() {
    let bench = stale(false).await;
    let mut ada = bench.guest(count).await;
    assert_eq!(ada.visit(&bench.sessions, peek).await.body, "Some(1)");
    assert_eq!(bench.proxy.calls(), ["GetItem", "GetItem"]);

    let login = |_: Request, session: Session| async move {
        session.cycle_id()?;
        Ok("")
    };
    assert_eq!(ada.visit(&bench.sessions, login).await.status, 200);
    bench.proxy.calls();
    assert_eq!(ada.visit(&bench.sessions, peek).await.body, "Some(1)");
    assert_eq!(bench.proxy.calls(), ["GetItem", "GetItem"]);

    // It has been touched, and the copy would be dead by now.
    bench.clock.advance(minutes(61));
    ada.visit(&bench.sessions, peek).await;
    bench.clock.advance(crate::support::days(14) - minutes(30));
    assert_eq!(ada.visit(&bench.sessions, peek).await.body, "Some(1)");
}

#[tokio::test]
async fn what_is_written_after_a_stale_read_loses_nothing() {
    let bench = stale(false).await;
    let mut ada = known(&bench).await;
    // Each of them has read one visit, where there are more.
    let act = |_: Request, session: Session| async move {
        session.increment("visits", 1)?;
        session.update("pages", |pages: &mut Vec<u32>| pages.push(1))?;
        session.insert("name", "ada")?;
        Ok("")
    };
    for _ in 0..2 {
        assert_eq!(ada.visit(&bench.sessions, act).await.status, 200);
    }
    let renew = |_: Request, session: Session| async move {
        session.cycle_id()?;
        session.update("pages", |pages: &mut Vec<u32>| pages.push(2))?;
        Ok("")
    };
    assert_eq!(ada.visit(&bench.sessions, renew).await.status, 200);
    let read = |_: Request, session: Session| async move {
        let pages: Option<Vec<u32>> = session.get("pages")?;
        Ok(format!("{:?} {pages:?}", session.get::<i64>("visits")?))
    };
    let body = ada.visit(&bench.elsewhere(), read).await.body;
    assert_eq!(body, "Some(4) Some([1, 1, 2])");

    let only_if_unchanged = |_: Request, session: Session| async move {
        session.require_unchanged()?;
        session.insert("name", "grace")?;
        Ok("")
    };
    ada.visit(&bench.elsewhere(), count).await;
    let mut other = ada.clone();
    bench.proxy.answer(|_, _| Answer::Forward);
    other.visit(&bench.sessions, count).await;
    bench.proxy.answer(|_, _| Answer::Stale);
    assert_refused(
        &ada.visit(&bench.sessions, only_if_unchanged).await,
        409,
        "what was read was old",
    );
    assert_eq!(bench.kinds(), [ErrorKind::Conflict]);
}

/// A stale read may still show a session that was logged out. Nothing brings it back.
#[tokio::test]
async fn a_stale_read_resurrects_nothing() {
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
            "a renewal",
            |session| {
                session.cycle_id()?;
                Ok(())
            },
            409,
        ),
    ];
    for (what, act, status) in acts {
        let bench = stale(false).await;
        let ada = known(&bench).await;
        // Also what would touch it.
        bench.clock.advance(minutes(61));
        assert_eq!(ada.clone().visit(&bench.sessions, logout).await.status, 200);
        let late = move |_: Request, session: Session| async move {
            assert!(!session.is_new(), "it was read from the copy");
            act(&session)?;
            Ok::<_, Error>("")
        };
        let reply = ada.clone().visit(&bench.sessions, late).await;
        assert_eq!((reply.status, reply.cookies.len()), (status, 0), "{what}");
        assert_eq!(bench.table.items().await, [], "{what}");
    }
}
