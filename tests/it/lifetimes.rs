//! Lifetimes of single sessions: what is stored, what the cookie says, and when the session ends. This
//! file is longer than others, because each way to set or keep a lifetime is a test of it.

use std::time::Duration;

use lambda_http::{Error, Request};
use lambda_sessions::{ErrorKind, Session};

use crate::support::{
    Browser, Setup, begin, count, cycle, days, logout, minutes, number, peek, who,
};

const NONE: [&str; 0] = [];

/// Returns the number of an attribute of the only live record.
pub(crate) async fn stored(setup: &Setup, name: &str) -> Option<u64> {
    let items = setup.table.items().await;
    let mut live = items.iter().filter(|item| item.contains_key("data"));
    let item = live.next().expect("a session is stored");
    assert!(live.next().is_none(), "one session is stored");
    Some(item.get(name)?.as_n().unwrap().parse().unwrap())
}

/// Returns a handler that counts and sets an idle timeout.
pub(crate) fn idle(
    timeout: Duration,
) -> impl Fn(Request, Session) -> std::future::Ready<Result<String, Error>> + Clone + Send {
    move |_, session| {
        let set = || {
            session.increment("visits", 1)?;
            session.set_idle_timeout(timeout)
        };
        std::future::ready(set().map(|()| String::new()).map_err(Error::from))
    }
}

#[tokio::test]
async fn lifetimes_shorter_idle_timeout_is_kept() {
    let setup = Setup::new().await;
    let now = setup.clock.seconds();
    let mut ada = Browser::new();
    let reply = ada.visit(&setup.sessions, idle(minutes(5))).await;
    assert!(reply.cookies[0].ends_with("; Path=/; Max-Age=300"));
    assert_eq!(ada.cookie(), ada.id(), "no load may extend it");
    assert_eq!(setup.proxy.calls(), ["PutItem"]);
    assert_eq!(stored(&setup, "idle").await, Some(300));
    assert_eq!(stored(&setup, "ttl").await, Some(now + 300));

    // Another instance knows it too. It touches after a tenth of the timeout.
    setup.clock.advance(Duration::from_secs(29));
    ada.visit(&setup.sessions, peek).await;
    assert_eq!(setup.proxy.calls(), ["GetItem"]);
    setup.clock.advance(Duration::from_secs(1));
    let reply = ada.visit(&setup.sessions, peek).await;
    assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem"]);
    assert!(reply.cookies[0].ends_with("; Max-Age=300"));
    assert_eq!(stored(&setup, "ttl").await, Some(now + 330));
    setup.clock.advance(minutes(4));
    let reply = ada.visit(&setup.elsewhere(), count).await;
    assert_eq!(reply.body, "2");
    assert!(reply.cookies[0].ends_with("; Max-Age=300"));
    setup.clock.advance(minutes(5));
    assert_eq!(ada.visit(&setup.sessions, peek).await.body, "None");
    assert_eq!(setup.kinds(), []);
}

#[tokio::test]
async fn lifetimes_shorten_a_stored_session() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    assert!(ada.cookie().unwrap().contains("~t"));
    let set = |_: Request, session: Session| async move {
        session.set_idle_timeout(minutes(5))?;
        assert_eq!(session.idle_timeout(), Some(minutes(5)));
        Ok("")
    };
    let reply = ada.visit(&setup.sessions, set).await;
    assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem"]);
    assert!(reply.cookies[0].ends_with("; Max-Age=300"));
    assert_eq!(ada.cookie(), ada.id());
    let ttl = setup.clock.seconds() + 300;
    assert_eq!(stored(&setup, "ttl").await, Some(ttl));
    // The same value costs nothing more than the read.
    let reply = ada.visit(&setup.sessions, set).await;
    assert_eq!(setup.proxy.calls(), ["GetItem"]);
    assert_eq!(reply.cookies, NONE);
    setup.clock.advance(minutes(5));
    assert_eq!(ada.visit(&setup.elsewhere(), peek).await.body, "None");
}

#[tokio::test]
async fn lifetimes_longer_need_a_maximum() {
    let setup = Setup::new().await;
    let sessions = setup.sessions.clone();
    let short = sessions.idle_timeout(minutes(30)).lifetime(days(1));
    let mut ada = Browser::new();
    ada.visit(&short, count).await;
    let before = setup.table.item().await;
    let lifetime = |lifetime| {
        move |_: Request, session: Session| async move {
            session.increment("visits", 1)?;
            session.set_lifetime(lifetime)?;
            Ok("")
        }
    };
    for timeout in [minutes(31), Duration::ZERO, Duration::MAX] {
        let reply = ada.visit(&short, idle(timeout)).await;
        assert_eq!((reply.status, reply.cookies.len()), (503, 0));
    }
    for wrong in [
        days(1) + minutes(1),
        Duration::from_millis(999),
        Duration::MAX,
    ] {
        let reply = ada.visit(&short, lifetime(wrong)).await;
        assert_eq!((reply.status, reply.cookies.len()), (503, 0));
    }
    assert_eq!(setup.kinds(), [ErrorKind::Misconfigured; 6]);
    assert_eq!(setup.table.item().await, before, "nothing was written");
    // A handler that goes on after the error keeps its other changes, and no lifetime.
    let tolerant = |_: Request, session: Session| async move {
        assert!(session.set_idle_timeout(days(30)).is_err());
        assert_eq!(session.idle_timeout(), None);
        Ok(session.increment("visits", 1)?.to_string())
    };
    assert_eq!(ada.visit(&short, tolerant).await.body, "2");
    assert_eq!(stored(&setup, "idle").await, None);

    let long = short.max_idle_timeout(days(30)).max_lifetime(days(90));
    let remember = |_: Request, session: Session| async move {
        session.set_idle_timeout(days(30))?;
        session.set_lifetime(days(90))?;
        assert_eq!(session.lifetime(), Some(days(90)));
        Ok("")
    };
    let reply = ada.visit(&long, remember).await;
    assert!(reply.cookies[0].ends_with("; Max-Age=2592000"));
    for _ in 0..3 {
        setup.clock.advance(days(29));
        assert_eq!(ada.visit(&long, peek).await.body, "Some(2)");
    }
    // The lifetime counts from the start of the session.
    setup.clock.advance(days(3));
    assert_eq!(ada.visit(&long, peek).await.body, "None");
}

#[tokio::test]
async fn lifetimes_persistent_decides_the_max_age() {
    let setup = Setup::new().await;
    let persistent = |yes| {
        move |_: Request, session: Session| async move {
            session.set_persistent(yes)?;
            Ok(format!("{:?}", session.persistent()))
        }
    };
    let browser_session = setup.sessions.clone().browser_session(true);
    for (layer, by_layer) in [(setup.sessions.clone(), true), (browser_session, false)] {
        let mut ada = Browser::new();
        let reply = ada.visit(&layer, count).await;
        assert_eq!(reply.cookies[0].contains("Max-Age"), by_layer);
        setup.proxy.calls();
        for yes in [false, true, false] {
            let reply = ada.visit(&layer, persistent(yes)).await;
            assert_eq!(reply.body, format!("Some({yes})"));
            assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem"]);
            assert_eq!(reply.cookies[0].contains("Max-Age=1209600"), yes);
            assert!(!reply.cookies[0].contains("Expires"));
            assert!(ada.cookie().unwrap().contains("~t"), "the layer's expiry");
            let reply = ada.visit(&layer, persistent(yes)).await;
            assert_eq!(setup.proxy.calls(), ["GetItem"]);
            assert_eq!(reply.cookies, NONE);
        }
        // A touch, a cycled id and a login keep it.
        setup.clock.advance(minutes(61));
        let reply = ada.visit(&layer, peek).await;
        assert_eq!(setup.proxy.calls(), ["UpdateItem"]);
        assert!(!reply.cookies[0].contains("Max-Age"));
        let reply = ada.visit(&layer, cycle).await;
        assert!(!reply.cookies[0].contains("Max-Age"));
        // A new session has none.
        ada.visit(&layer, logout).await;
        let reply = ada.visit(&layer, count).await;
        assert_eq!(reply.cookies[0].contains("Max-Age"), by_layer);
        setup.proxy.calls();
    }
}

/// A cookie without `Max-Age` needs no session: nothing is stored for a lifetime alone.
#[tokio::test]
async fn lifetimes_alone_store_nothing() {
    let setup = Setup::new().await;
    let set = |_: Request, session: Session| async move {
        session.set_persistent(true)?;
        session.set_idle_timeout(minutes(5))?;
        session.set_lifetime(minutes(50))?;
        Ok("")
    };
    let reply = Browser::new().visit(&setup.sessions, set).await;
    assert_eq!(reply.cookies, NONE);
    let again = |_: Request, session: Session| async move {
        session.destroy()?;
        session.set_persistent(true)?;
        Ok("")
    };
    let mut ada = setup.guest(count).await;
    ada.visit(&setup.sessions, again).await;
    assert_eq!(ada.cookie(), None);
    assert_eq!(setup.table.items().await, []);
}

#[derive(Clone, Copy, Debug)]
enum Order {
    Before,
    After,
}

/// Returns a handler that logs in and is remembered.
fn remembered(
    user: &'static str,
    order: Order,
) -> impl Fn(Request, Session) -> std::future::Ready<Result<String, Error>> + Clone + Send {
    move |_, session| {
        let log_in = || {
            let remember = || {
                session.set_persistent(true)?;
                session.set_idle_timeout(days(30))?;
                session.set_lifetime(days(60))
            };
            if let Order::Before = order {
                remember()?;
            }
            session.log_in(user)?;
            if let Order::After = order {
                remember()?;
            }
            session.insert("name", user)
        };
        std::future::ready(log_in().map(|()| String::new()).map_err(Error::from))
    }
}

#[tokio::test]
async fn lifetimes_of_a_login_in_either_order() {
    for order in [Order::Before, Order::After] {
        for visitor in ["new", "guest", "same", "other"] {
            let setup = Setup::with_users().await;
            let sessions = setup.sessions.clone().browser_session(true);
            let sessions = sessions.idle_timeout(minutes(30)).lifetime(days(1));
            let sessions = sessions.max_idle_timeout(days(30)).max_lifetime(days(60));
            let mut ada = Browser::new();
            let before = |user: &'static str| {
                move |_: Request, session: Session| async move {
                    session.log_in(user)?;
                    Ok("")
                }
            };
            match visitor {
                "new" => {}
                "guest" => drop(ada.visit(&sessions, count).await),
                "same" => drop(ada.visit(&sessions, before("ada")).await),
                _ => drop(ada.visit(&sessions, before("eve")).await),
            }
            let began = setup.clock.seconds();
            setup.clock.advance(minutes(5));
            let reply = ada.visit(&sessions, remembered("ada", order)).await;
            let what = format!("{order:?} {visitor}");
            assert_eq!(reply.cookies.len(), 1, "{what}");
            assert!(reply.cookies[0].ends_with("; Max-Age=2592000"), "{what}");
            let now = setup.clock.seconds();
            assert_eq!(stored(&setup, "ttl").await, Some(now + days(30).as_secs()));
            let created = match visitor {
                "guest" | "same" => began,
                _ => now,
            };
            let end = created + days(60).as_secs();
            assert_eq!(stored(&setup, "ends").await, Some(end), "{what}");
            // The session can be found and revoked for as long as it lives.
            assert_eq!(stored(&setup, "until").await, Some(end), "{what}");
            let rows = setup.table.rows().await;
            let key = &setup.table.items().await;
            let live = key.iter().find(|item| item.contains_key("data")).unwrap();
            let row = rows
                .iter()
                .find(|row| row["session"] == live["id"])
                .unwrap();
            assert_eq!(row["ttl"], number(end), "{what}");
            setup.clock.advance(days(29));
            assert_eq!(ada.visit(&sessions, who).await.body, "ada", "{what}");
            assert_eq!(setup.kinds(), []);
        }
    }
}

#[tokio::test]
async fn lifetimes_end_with_their_session() {
    let setup = Setup::with_users().await;
    let sessions = setup.sessions.clone();
    let sessions = sessions.max_idle_timeout(days(30));
    let log_in = |user: &'static str| {
        move |_: Request, session: Session| async move {
            session.log_in(user)?;
            Ok(format!(
                "{:?} {:?}",
                session.idle_timeout(),
                session.persistent()
            ))
        }
    };
    let mut ada = Browser::new();
    let start = |_: Request, session: Session| async move {
        session.log_in("ada")?;
        session.set_idle_timeout(days(30))?;
        session.set_persistent(false)?;
        Ok("")
    };
    ada.visit(&sessions, start).await;
    let reply = ada.visit(&sessions, log_in("ada")).await;
    assert_eq!(reply.body, "Some(2592000s) Some(false)", "the same user");
    assert_eq!(stored(&setup, "idle").await, Some(days(30).as_secs()));
    let reply = ada.visit(&sessions, log_in("eve")).await;
    assert_eq!(reply.body, "None None", "another user");
    assert_eq!(stored(&setup, "idle").await, None);
    assert!(reply.cookies[0].ends_with("; Max-Age=1209600"));

    // What was set before a logout ends with it, and what is set after it is for the new session.
    let anew = |_: Request, session: Session| async move {
        session.set_idle_timeout(minutes(9))?;
        session.destroy()?;
        session.set_lifetime(minutes(50))?;
        session.insert("visits", 7)?;
        assert_eq!(session.idle_timeout(), None);
        Ok("")
    };
    let reply = ada.visit(&sessions, anew).await;
    assert!(reply.cookies[0].ends_with("; Max-Age=3000"));
    assert_eq!(stored(&setup, "idle").await, None);
    let end = setup.clock.seconds() + minutes(50).as_secs();
    assert_eq!(stored(&setup, "ends").await, Some(end));
}

#[tokio::test]
async fn lifetimes_are_kept_when_the_id_is_cycled() {
    let setup = Setup::new().await;
    let sessions = setup.sessions.clone().cycle_id_after(minutes(10));
    let mut ada = Browser::new();
    ada.visit(&sessions, idle(minutes(30))).await;
    setup.clock.advance(minutes(11));
    let reply = ada.visit(&sessions, peek).await;
    assert!(reply.cookies[0].ends_with("; Max-Age=1800"));
    assert_eq!(stored(&setup, "idle").await, Some(1_800));
    let ttl = setup.clock.seconds() + 1_800;
    assert_eq!(stored(&setup, "ttl").await, Some(ttl));
}

/// A hint is not signed. It must not give a session the layer's timeout.
#[tokio::test]
async fn lifetimes_hold_whatever_the_hint() {
    let setup = Setup::new().await;
    for hints in ["~t0", "~tx2r0nk", "~t0~v99", ""] {
        let set = |_: Request, session: Session| async move {
            session.insert("visits", 1)?;
            match hints {
                "~t0~v99" => session.set_lifetime(minutes(50))?,
                _ => session.set_idle_timeout(minutes(50))?,
            }
            Ok(String::new())
        };
        let mut ada = setup.guest(set).await;
        let ttl = stored(&setup, "ttl").await;
        setup.clock.advance(minutes(4));
        ada.set_hints(hints);
        assert_eq!(ada.visit(&setup.sessions, peek).await.body, "Some(1)");
        let call = if hints.contains("~t0") {
            "UpdateItem"
        } else {
            "GetItem"
        };
        assert_eq!(setup.proxy.calls(), [call], "{hints}");
        assert_eq!(stored(&setup, "ttl").await, ttl, "{hints}");
        setup.clock.advance(minutes(46));
        ada.set_hints(hints);
        assert_eq!(ada.visit(&setup.sessions, peek).await.body, "None");
        let item = setup.table.item().await;
        setup.table.delete(&item["id"]).await;
        setup.proxy.calls();
    }
}

/// The layer's maximum was lowered after a longer timeout was stored.
#[tokio::test]
async fn lifetimes_over_a_lowered_maximum_are_capped() {
    let setup = Setup::new().await;
    let high = setup.sessions.clone().idle_timeout(minutes(30));
    let high = high.max_idle_timeout(days(30)).max_lifetime(days(90));
    let low = setup.sessions.clone().idle_timeout(minutes(30));
    let low = low.max_idle_timeout(days(2)).lifetime(days(10));
    let mut ada = Browser::new();
    ada.visit(&high, idle(days(30))).await;

    // A session that is in use goes on, with the maximum. One write moves the expiry back.
    setup.clock.advance(days(1));
    setup.proxy.calls();
    let reply = ada.visit(&low, peek).await;
    assert_eq!(reply.body, "Some(1)");
    assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem"]);
    assert!(reply.cookies[0].ends_with("; Max-Age=172800"));
    let now = setup.clock.seconds();
    assert_eq!(stored(&setup, "ttl").await, Some(now + days(2).as_secs()));
    ada.visit(&low, peek).await;
    assert_eq!(setup.proxy.calls(), ["GetItem"]);
    for _ in 0..4 {
        setup.clock.advance(days(2) - minutes(61));
        assert_eq!(ada.visit(&low, peek).await.body, "Some(1)");
    }
    setup.clock.advance(days(2));
    assert_eq!(ada.visit(&low, peek).await.body, "None");

    // One that is not in use has ended, whatever is stored.
    let mut bob = Browser::new();
    bob.visit(&high, idle(days(30))).await;
    setup.clock.advance(days(2));
    assert_eq!(bob.clone().visit(&low, peek).await.body, "None");
    assert_eq!(bob.visit(&high, peek).await.body, "Some(1)");

    // The lifetime's maximum counts from the start of the session.
    let long = |_: Request, session: Session| async move {
        session.insert("visits", 1)?;
        session.set_idle_timeout(days(30))?;
        session.set_lifetime(days(90))?;
        Ok("")
    };
    let mut eve = Browser::new();
    eve.visit(&high, long).await;
    setup.clock.advance(days(11));
    assert_eq!(eve.visit(&high, count).await.body, "2");
    assert_eq!(eve.visit(&low, peek).await.body, "None");
    assert_eq!(setup.kinds(), []);
}

#[tokio::test]
async fn lifetimes_that_have_passed_end_the_session() {
    let setup = Setup::with_users().await;
    let mut ada = setup.guest(count).await;
    setup.clock.advance(days(3));
    let set = |_: Request, session: Session| async move {
        session.set_lifetime(days(2))?;
        Ok("")
    };
    let bob = ada.clone();
    let reply = ada.visit(&setup.sessions, set).await;
    assert_eq!(reply.status, 200);
    assert_eq!(ada.cookie(), None, "it has ended");
    assert_eq!(setup.table.items().await, []);
    drop(bob);

    // A login begins a session of that length, whatever the age of the visitor's.
    let mut eve = setup.guest(count).await;
    setup.clock.advance(days(3));
    let log_in = |_: Request, session: Session| async move {
        session.set_lifetime(minutes(480))?;
        session.log_in("eve")?;
        session.insert("name", "eve")?;
        Ok("")
    };
    let reply = eve.visit(&setup.sessions, log_in).await;
    assert_eq!(reply.status, 200);
    assert!(reply.cookies[0].ends_with("; Max-Age=28800"));
    assert_eq!(eve.visit(&setup.sessions, who).await.body, "eve");
    let data = setup.table.item().await["data"].clone();
    assert_eq!(data.as_m().unwrap().len(), 1, "what was older has ended");
    setup.clock.advance(minutes(480));
    assert_eq!(eve.visit(&setup.sessions, who).await.body, "nobody");
}

/// The row by which a revocation finds the session must live as long.
#[tokio::test]
async fn lifetimes_longer_than_a_login_cycle_the_id() {
    let setup = Setup::with_users().await;
    let sessions = setup
        .sessions
        .clone()
        .lifetime(days(1))
        .max_lifetime(days(60));
    let mut ada = Browser::new();
    let log_in = |_: Request, session: Session| async move {
        session.log_in("ada")?;
        session.insert("name", "ada")?;
        Ok("")
    };
    ada.visit(&sessions, log_in).await;
    let began = setup.clock.seconds();
    let mut other_tab = ada.clone();
    setup.proxy.calls();
    let remember = |_: Request, session: Session| async move {
        session.set_lifetime(days(60))?;
        Ok("")
    };
    ada.visit(&sessions, remember).await;
    assert_eq!(setup.proxy.calls(), ["GetItem", "TransactWriteItems"]);
    assert_ne!(ada.id(), other_tab.id());
    assert_eq!(
        stored(&setup, "until").await,
        Some(began + days(60).as_secs())
    );
    assert_eq!(
        other_tab.visit(&sessions, who).await.body,
        "ada",
        "a redirect"
    );
    setup.clock.advance(days(10));
    assert_eq!(ada.visit(&sessions, who).await.body, "ada");
    setup.proxy.calls();
    ada.visit(&sessions, who).await;
    assert_eq!(setup.proxy.calls(), ["GetItem"], "once");
    sessions.revoke_user("ada").await.unwrap();
    assert_eq!(ada.visit(&sessions, who).await.body, "nobody");

    // A shorter one does not.
    let mut bob = Browser::new();
    bob.visit(&sessions, log_in).await;
    setup.proxy.calls();
    let shorten = |_: Request, session: Session| async move {
        session.set_lifetime(minutes(9))?;
        Ok("")
    };
    bob.visit(&sessions, shorten).await;
    assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem"]);
}

#[tokio::test]
async fn lifetimes_are_saved_before_the_end() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(begin).await;
    let save = |_: Request, session: Session| async move {
        session.set_idle_timeout(minutes(5))?;
        session.save().await?;
        assert_eq!(session.idle_timeout(), Some(minutes(5)));
        let left = session.expires().duration_since(session.created()).unwrap();
        assert_eq!(left, minutes(5));
        Ok("")
    };
    let reply = ada.visit(&setup.sessions, save).await;
    assert_eq!(reply.status, 200);
    assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem"]);
    assert!(reply.cookies[0].ends_with("; Max-Age=300"));
}
