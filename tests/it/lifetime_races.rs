//! Requests that set lifetimes while others write, touch or set others.

use lambda_http::Request;
use lambda_sessions::Session;

use crate::lifetimes::{idle, stored};
use crate::support::{Setup, begin, count, days, minutes, number, text};

/// Each request has read the session before the other one writes.
#[tokio::test]
async fn lifetimes_and_keys_of_two_requests_survive() {
    for touch_is_due in [false, true] {
        let setup = Setup::new().await;
        let ada = setup.guest(count).await;
        if touch_is_due {
            setup.clock.advance(minutes(61));
        }
        let mut slow = ada.clone();
        slow.forget_hints();
        let elsewhere = &setup.elsewhere();
        let fast = ada.clone();
        let handler = |_: Request, session: Session| {
            let mut fast = fast.clone();
            fast.forget_hints();
            async move {
                fast.visit(elsewhere, idle(minutes(5))).await;
                session.insert("color", "red")?;
                Ok("")
            }
        };
        let reply = slow.visit(&setup.sessions, handler).await;
        assert_eq!(reply.status, 200);
        let item = setup.table.item().await;
        assert_eq!(item["idle"], number(300));
        assert_eq!(item["ttl"], number(setup.clock.seconds() + 300));
        let data = item["data"].as_m().unwrap();
        assert_eq!(
            (&data["color"], &data["visits"]),
            (&text("\"red\""), &number(2))
        );
        let calls: &[&str] = match touch_is_due {
            false => &["GetItem", "UpdateItem"],
            // The expiry of the touch is not that of the session any more.
            true => &["GetItem", "UpdateItem", "GetItem", "UpdateItem"],
        };
        let seen = setup.proxy.calls();
        assert_eq!(
            seen.iter().filter(|call| *call == "UpdateItem").count(),
            calls.len() / 2
        );
    }
}

/// A touch that was computed from the layer's timeout comes after another request has set one.
#[tokio::test]
async fn lifetimes_set_meanwhile_limit_a_touch() {
    for (timeout, left) in [(minutes(5), minutes(5)), (days(30), days(30))] {
        let setup = Setup::new().await;
        let sessions = setup.sessions.clone().max_idle_timeout(days(30));
        let elsewhere = &setup.elsewhere().max_idle_timeout(days(30));
        let mut ada = setup.guest(count).await;
        setup.clock.advance(minutes(61));
        ada.forget_hints();
        let fast = ada.clone();
        let handler = |_: Request, _: Session| {
            let mut fast = fast.clone();
            async move {
                fast.visit(elsewhere, idle(timeout)).await;
                Ok("")
            }
        };
        let reply = ada.visit(&sessions, handler).await;
        assert_eq!((reply.status, reply.cookies.len()), (200, 0));
        let ttl = setup.clock.seconds() + left.as_secs();
        assert_eq!(stored(&setup, "ttl").await, Some(ttl));
    }
}

/// Two requests set different lifetimes, and both count.
#[tokio::test]
async fn lifetimes_of_two_requests_are_merged() {
    let setup = Setup::new().await;
    let ada = setup.guest(count).await;
    let began = setup.clock.seconds();
    let elsewhere = &setup.elsewhere();
    let handler = |_: Request, session: Session| {
        let mut fast = ada.clone();
        async move {
            fast.visit(elsewhere, idle(minutes(5))).await;
            session.set_lifetime(days(2))?;
            session.set_persistent(true)?;
            Ok("")
        }
    };
    ada.clone().visit(&setup.sessions, handler).await;
    assert_eq!(stored(&setup, "idle").await, Some(300));
    assert_eq!(
        stored(&setup, "ends").await,
        Some(began + days(2).as_secs())
    );
    assert_eq!(stored(&setup, "ttl").await, Some(began + 300));
}

/// A change that does not fit in one expression writes the whole of `data`, and the lifetimes.
#[tokio::test]
async fn lifetimes_are_written_with_many_keys() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(begin).await;
    let fast = ada.clone();
    let elsewhere = &setup.elsewhere();
    let handler = |_: Request, session: Session| {
        let mut fast = fast.clone();
        async move {
            fast.visit(elsewhere, idle(minutes(5))).await;
            session.set_lifetime(days(2))?;
            for n in 0..400 {
                session.insert(format!("k{n}"), n)?;
            }
            Ok("")
        }
    };
    let reply = ada.visit(&setup.sessions, handler).await;
    assert_eq!(reply.status, 200);
    let now = setup.clock.seconds();
    assert_eq!(stored(&setup, "idle").await, Some(300));
    assert_eq!(stored(&setup, "ends").await, Some(now + days(2).as_secs()));
    assert_eq!(stored(&setup, "ttl").await, Some(now + 300));
}
