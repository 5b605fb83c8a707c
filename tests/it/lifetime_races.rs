//! Requests that set lifetimes while others write, touch or set others.

use lambda_http::Request;
use lambda_sessions::Session;

use crate::lifetimes::{idle, stored};
use crate::support::{Action, Setup, begin, count, days, minutes, number, text};

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

/// Another request has cycled the id when this one is about to do so.
#[tokio::test]
async fn lifetimes_follow_a_redirect() {
    let setup = Setup::new().await;
    let cycling = setup.sessions.clone().cycle_id_after(minutes(10));
    let elsewhere = &setup.elsewhere().cycle_id_after(minutes(10));
    let mut ada = setup.guest(count).await;
    setup.clock.advance(minutes(11));
    let fast = ada.clone();
    let handler = |_: Request, session: Session| {
        let mut fast = fast.clone();
        async move {
            fast.visit(elsewhere, count).await;
            session.set_idle_timeout(minutes(5))?;
            Ok("")
        }
    };
    let reply = ada.visit(&cycling, handler).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 0));
    let calls = setup.proxy.calls();
    assert_eq!(calls[..2], ["GetItem", "TransactWriteItems"]);
    assert_eq!(calls.last().unwrap(), "UpdateItem");
    assert_eq!(stored(&setup, "idle").await, Some(300));
    assert_eq!(
        stored(&setup, "ttl").await,
        Some(setup.clock.seconds() + 300)
    );
}

#[tokio::test]
async fn lifetimes_survive_a_lost_response() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    setup
        .proxy
        .script(|operation, before| match (operation, before) {
            ("UpdateItem", 0) => Action::lost(),
            _ => Action::Forward,
        });
    let reply = ada.visit(&setup.sessions, idle(minutes(5))).await;
    assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem", "UpdateItem"]);
    assert_eq!(reply.status, 200);
    assert!(reply.cookies[0].ends_with("; Max-Age=300"));
    assert_eq!(stored(&setup, "idle").await, Some(300));
    assert_eq!(stored(&setup, "version").await, Some(2), "once");
    setup.clock.advance(minutes(4));
    let reply = ada.visit(&setup.sessions, count).await;
    assert_eq!(reply.body, "3");
    assert_eq!(
        stored(&setup, "ttl").await,
        Some(setup.clock.seconds() + 300)
    );
}

/// The end of the request writes what a save did not write.
#[tokio::test]
async fn lifetimes_survive_a_save_that_failed() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    let handler = |_: Request, session: Session| async move {
        session.set_idle_timeout(minutes(5))?;
        session.set_persistent(false)?;
        session.insert("large", "x".repeat(100_000))?;
        assert!(session.save().await.is_err());
        assert_eq!(session.idle_timeout(), Some(minutes(5)));
        session.remove("large")?;
        Ok("")
    };
    let reply = ada.visit(&setup.sessions, handler).await;
    assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem"]);
    assert!(reply.cookies[0].ends_with("; Path=/"), "no Max-Age");
    assert_eq!(stored(&setup, "idle").await, Some(300));
}

/// A handler that fails sets no lifetime.
#[tokio::test]
async fn lifetimes_of_a_failed_handler_are_not_set() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    let item = setup.table.item().await;
    let handler = |_: Request, session: Session| async move {
        session.set_lifetime(minutes(5))?;
        Ok(http::StatusCode::INTERNAL_SERVER_ERROR)
    };
    let handler = |request, session| async move {
        let status: Result<_, lambda_http::Error> = handler(request, session).await;
        let response = http::Response::builder().status(status?);
        Ok(response.body(String::new())?)
    };
    let reply = ada.visit(&setup.sessions, handler).await;
    assert_eq!((reply.status, reply.cookies.len()), (500, 0));
    assert_eq!(setup.table.item().await, item);
}
