//! Loads that touch, under faults and races.

use std::time::Duration;

use lambda_http::{Body, Error, Request, Response};
use lambda_sessions::Session;

use crate::support::{Action, Setup, count, days, number, peek};

/// An authenticated request is activity, whatever its response. A failed one sends no cookie.
#[tokio::test]
async fn hint_touches_even_if_the_handler_fails() {
    type Respond = fn() -> Result<Response<Body>, Error>;
    let failures: [Respond; 2] = [
        || Ok(Response::builder().status(500).body(Body::Empty)?),
        || Err("the handler's own".into()),
    ];
    for failure in failures {
        let (setup, mut ada) = Setup::with_due_touch().await;
        let before = setup.table.item().await;
        let act = move |_: Request, session: Session| async move {
            session.insert("lost", 1)?;
            failure()
        };
        let reply = ada.try_visit(&setup.sessions, act).await;
        assert!(reply.is_err() || reply.is_ok_and(|reply| reply.cookies.is_empty()));
        assert_eq!(setup.proxy.calls(), ["UpdateItem"]);
        let after = setup.table.item().await;
        assert_eq!(after["data"], before["data"]);
        assert_ne!(after["ttl"], before["ttl"]);
        assert!(ada.cookie().unwrap().ends_with("~tx2r0nk"));
        // The next request gets the hint, and the one after it reads as usual.
        for (call, cookies) in [("UpdateItem", 1), ("GetItem", 0)] {
            let reply = ada.visit(&setup.sessions, peek).await;
            assert_eq!(reply.cookies.len(), cookies);
            assert_eq!(setup.proxy.calls(), [call]);
        }
    }
}

/// A function that may only read sessions still reads them.
#[tokio::test]
async fn hint_without_write_permission_reads() {
    let (setup, mut ada) = Setup::with_due_touch().await;
    setup.proxy.script(|operation, _| match operation {
        "UpdateItem" => Action::error(400, "AccessDeniedException"),
        _ => Action::Forward,
    });
    let reply = ada.visit(&setup.sessions, peek).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("Some(1)", 0));
    // The last one is the touch after the handler. Its failure is logged.
    assert_eq!(setup.proxy.calls(), ["UpdateItem", "GetItem", "UpdateItem"]);
}

/// The response to the touch was lost. The read finds what the touch has set.
#[tokio::test]
async fn hint_whose_response_is_lost_touches_once() {
    let (setup, mut ada) = Setup::with_due_touch().await;
    setup
        .proxy
        .script(|operation, before| match (operation, before) {
            ("UpdateItem", 0) => Action::lost(),
            _ => Action::Forward,
        });
    let reply = ada.visit(&setup.sessions, peek).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("Some(1)", 1));
    assert_eq!(setup.proxy.calls(), ["UpdateItem", "GetItem"]);
    assert!(ada.cookie().unwrap().ends_with("~tx2r3h8"));
}

/// An attempt that arrives after the touch that replaced it changes nothing.
#[tokio::test]
async fn hint_whose_touch_arrives_late_is_harmless() {
    let (setup, mut ada) = Setup::with_due_touch().await;
    setup
        .proxy
        .script(|operation, before| match (operation, before) {
            // It goes after the read and after the touch at the end.
            ("UpdateItem", 0) => Action::Overtaken(2),
            _ => Action::Forward,
        });
    let slow = |_: Request, _: Session| async {
        setup.clock.advance(Duration::from_secs(7));
        Ok::<_, Error>("")
    };
    assert_eq!(ada.visit(&setup.sessions, slow).await.cookies.len(), 1);
    assert_eq!(setup.proxy.calls(), ["UpdateItem", "GetItem", "UpdateItem"]);
    let item = setup.table.item().await;
    let now = setup.clock.seconds();
    assert_eq!(item["ttl"], number(now + days(14).as_secs()));
    assert_eq!(item["version"], number(1));
}

/// Of several requests of a page, one touches. All of them see the session.
#[tokio::test]
async fn hint_of_requests_at_once_touches_once() {
    let (setup, ada) = Setup::with_due_touch().await;
    let requests = (0..8).map(|n| {
        let (mut browser, sessions) = (ada.clone(), setup.sessions.clone());
        async move {
            let reply = match n % 2 {
                0 => browser.visit(&sessions, peek).await,
                _ => browser.visit(&sessions, count).await,
            };
            (reply.status, browser.cookie().unwrap().to_owned())
        }
    });
    let expected = format!("{}~tx2r3h8", ada.id().unwrap());
    let mut running = tokio::task::JoinSet::new();
    requests.for_each(|request| drop(running.spawn(request)));
    for reply in running.join_all().await {
        assert_eq!(reply, (200, expected.clone()));
    }
    let item = setup.table.item().await;
    assert_eq!(item["version"], number(5));
    assert_eq!(item["data"].as_m().unwrap()["visits"], number(5));
    let counted = setup.count("UpdateItem");
    assert_eq!(counted, 8 + 4, "one for each load and for each change");
}

/// A handler that takes longer than a second touches again, and that finds the id alive.
#[tokio::test]
async fn hint_of_a_slow_handler_is_checked_again() {
    let (setup, mut ada) = Setup::with_due_touch().await;
    let slow = |_: Request, _: Session| async {
        setup.clock.advance(Duration::from_secs(1));
        Ok::<_, Error>("")
    };
    let reply = ada.visit(&setup.sessions, slow).await;
    assert_eq!(reply.cookies.len(), 1);
    assert_eq!(setup.proxy.calls(), ["UpdateItem", "UpdateItem"]);
    let now = setup.clock.seconds();
    let item = setup.table.item().await;
    assert_eq!(item["ttl"], number(now + days(14).as_secs()));
}
