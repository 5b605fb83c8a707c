//! Requests that do not extend their sessions. Each call to the store is counted.

use lambda_http::{Error, Request};
use lambda_sessions::{ErrorKind, Session, SessionExt as _};

use crate::support::{Browser, Setup, count, days, minutes, number, peek, who};

const NONE: [&str; 0] = [];

/// Reads the session behind the tower layer.
async fn peek_layered(request: Request) -> Result<String, Error> {
    peek(Request::default(), request.session().await?).await
}

#[tokio::test]
async fn skip_touch_of_a_layer_is_one_read() {
    let (setup, ada) = Setup::with_due_touch().await;
    let item = setup.table.item().await;
    let polling = setup.sessions.clone().skip_touch(true);
    let undone = polling.clone().skip_touch(false);
    for hinted in [true, false] {
        let mut ada = ada.clone();
        if !hinted {
            ada.forget_hints();
        }
        let reply = ada.clone().visit(&polling, peek).await;
        assert_eq!((reply.body.as_str(), reply.cookies.len()), ("Some(1)", 0));
        assert_eq!(setup.proxy.calls(), ["GetItem"]);
        for layer in [polling.clone(), polling.clone().prefetch(true)] {
            let reply = ada.clone().visit_layered(&layer, peek_layered).await;
            assert_eq!((reply.body.as_str(), reply.cookies.len()), ("Some(1)", 0));
            assert_eq!(setup.proxy.calls(), ["GetItem"]);
        }
        assert_eq!(setup.table.item().await, item);
    }
    // The other routes extend it, by the hint that the client still has.
    let reply = ada.clone().visit(&undone, peek).await;
    assert_eq!(reply.cookies.len(), 1);
    assert_eq!(setup.proxy.calls(), ["UpdateItem"]);
    assert_ne!(setup.table.item().await, item);
}

#[tokio::test]
async fn skip_touch_lets_an_idle_session_end() {
    let setup = Setup::new().await;
    let sessions = setup.sessions.clone().idle_timeout(minutes(30));
    let polling = sessions.clone().skip_touch(true);
    let mut ada = Browser::new();
    ada.visit(&sessions, count).await;
    for _ in 0..29 {
        setup.clock.advance(minutes(1));
        assert_eq!(ada.visit(&polling, peek).await.body, "Some(1)");
    }
    setup.clock.advance(minutes(1));
    assert_eq!(ada.visit(&polling, peek).await.body, "None");
}

#[tokio::test]
async fn skip_touch_is_decided_by_the_request() {
    let (setup, ada) = Setup::with_due_touch().await;
    let sessions = setup.sessions.clone();
    let sessions = sessions.skip_touch_if(|request| {
        let is_home = request.method == "GET" && request.uri.path() == "/";
        is_home && request.headers.contains_key("x-poll")
    });
    let mut poll = ada.clone();
    poll.set_header("x-poll", "1");
    assert_eq!(poll.visit(&sessions, peek).await.cookies, NONE);
    assert_eq!(setup.proxy.calls(), ["GetItem"]);
    poll.visit_layered(&sessions, peek_layered).await;
    assert_eq!(setup.proxy.calls(), ["GetItem"]);
    let reply = ada.clone().visit_layered(&sessions, peek_layered).await;
    assert_eq!(reply.cookies.len(), 1);
    assert_eq!(setup.proxy.calls(), ["UpdateItem"]);
    // Without an id, there is nothing to ask.
    let asked = setup.sessions.clone();
    let asked = asked.skip_touch_if(|_| panic!("there is no id"));
    assert_eq!(Browser::new().visit(&asked, count).await.body, "1");
}

#[tokio::test]
async fn skip_touch_by_a_handler_makes_no_touch() {
    let (setup, mut ada) = Setup::with_due_touch().await;
    let item = setup.table.item().await;
    let poll = |_: Request, session: Session| async move {
        session.skip_touch()?;
        Ok("")
    };
    ada.forget_hints();
    let reply = ada.visit(&setup.sessions, poll).await;
    assert_eq!(reply.cookies, NONE);
    assert_eq!(setup.proxy.calls(), ["GetItem"]);
    assert_eq!(setup.table.item().await, item);

    // Its changes are written, without the expiry.
    let change = |_: Request, session: Session| async move {
        session.skip_touch()?;
        Ok(session.increment("visits", 1)?.to_string())
    };
    let reply = ada.visit(&setup.sessions, change).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("2", 0));
    assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem"]);
    assert_eq!(setup.table.item().await["ttl"], item["ttl"]);
}

/// The client loses its hint, so that no load touches before the handler can say that none must.
#[tokio::test]
async fn skip_touch_by_a_handler_drops_the_hint() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    let item = setup.table.item().await;
    let poll = |_: Request, session: Session| async move {
        session.skip_touch()?;
        Ok("")
    };
    // After a slow handler, the id may be dead.
    let slow = |_: Request, session: Session| {
        let clock = setup.clock.clone();
        async move {
            session.skip_touch()?;
            clock.advance(std::time::Duration::from_secs(1));
            Ok("")
        }
    };
    assert_eq!(ada.visit(&setup.sessions, slow).await.cookies, NONE);
    assert!(ada.cookie().unwrap().contains("~t"));
    let reply = ada.visit(&setup.sessions, poll).await;
    assert_eq!(reply.cookies.len(), 1);
    assert_eq!(ada.cookie(), ada.id(), "without a hint");
    assert_eq!(setup.proxy.calls(), ["GetItem", "GetItem"]);
    for _ in 0..3 {
        setup.clock.advance(minutes(61));
        let reply = ada.visit(&setup.sessions, poll).await;
        assert_eq!((reply.status, reply.cookies.len()), (200, 0));
        assert_eq!(setup.proxy.calls(), ["GetItem"]);
    }
    assert_eq!(setup.table.item().await, item);
    // A request of the user touches, and brings the hint back.
    ada.visit(&setup.sessions, peek).await;
    assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem"]);
    assert!(ada.cookie().unwrap().contains("~t"));
    assert_eq!(setup.kinds(), []);
}

/// The load has extended the session before the handler could say so.
#[tokio::test]
async fn skip_touch_after_a_touch_is_an_error() {
    let (setup, ada) = Setup::with_due_touch().await;
    let poll = |_: Request, session: Session| async move {
        session.skip_touch()?;
        Ok("")
    };
    let reply = ada.clone().visit(&setup.sessions, poll).await;
    assert_eq!((reply.status, reply.cookies.len()), (503, 0));
    assert_eq!(setup.kinds(), [ErrorKind::Misconfigured]);
    assert_eq!(setup.proxy.calls(), ["UpdateItem"]);
    // Now no touch is due, so the load has made none.
    setup.clock.advance(minutes(1));
    let reply = ada.clone().visit(&setup.sessions, poll).await;
    assert_eq!(reply.status, 200);

    // Behind the tower layer, a handler can say so before it loads the session.
    let (setup, ada) = Setup::with_due_touch().await;
    let item = setup.table.item().await;
    let early = |request: Request| async move {
        request.write_only_session()?.skip_touch()?;
        peek_layered(request).await
    };
    for layer in [
        setup.sessions.clone(),
        setup.sessions.clone().prefetch(true),
    ] {
        let reply = ada.clone().visit_layered(&layer, early).await;
        assert_eq!((reply.body.as_str(), reply.cookies.len()), ("Some(1)", 0));
        assert_eq!(setup.proxy.calls(), ["GetItem"]);
    }
    // A prefetch does not touch, so a handler behind it is never too late.
    let late = |request: Request| async move {
        request.session().await?.skip_touch()?;
        Ok("")
    };
    let prefetching = setup.sessions.clone().prefetch(true);
    let reply = ada.clone().visit_layered(&prefetching, late).await;
    assert_eq!(reply.status, 200);
    assert_eq!(setup.proxy.calls(), ["GetItem"]);
    assert_eq!(setup.table.item().await, item);
}

#[tokio::test]
async fn skip_touch_keeps_the_expiry_of_a_cycled_id() {
    let setup = Setup::new().await;
    let sessions = setup.sessions.clone().cycle_id_after(minutes(30));
    let polling = sessions.clone().skip_touch(true);
    let mut ada = Browser::new();
    ada.visit(&sessions, count).await;
    let ttl = setup.table.item().await["ttl"].clone();
    setup.clock.advance(minutes(61));
    setup.proxy.calls();
    let reply = ada.visit(&polling, peek).await;
    assert_eq!(setup.proxy.calls(), ["GetItem", "TransactWriteItems"]);
    let left = days(14).as_secs() - minutes(61).as_secs();
    assert!(reply.cookies[0].ends_with(&format!("Max-Age={left}")));
    let items = setup.table.items().await;
    let live = items.iter().find(|item| item.contains_key("data")).unwrap();
    assert_eq!(live["ttl"], ttl);
}

#[tokio::test]
async fn skip_touch_does_not_shorten_a_login() {
    let setup = Setup::with_users().await;
    let polling = setup.sessions.clone().skip_touch(true);
    let mut ada = setup.guest(count).await;
    setup.clock.advance(days(13));
    let log_in = |_: Request, session: Session| async move {
        session.log_in("ada")?;
        session.insert("name", "ada")?;
        Ok("")
    };
    let reply = ada.visit(&polling, log_in).await;
    assert!(reply.cookies[0].ends_with("Max-Age=1209600"));
    // Neither does it keep a handler from setting a timeout.
    let set = |_: Request, session: Session| async move {
        session.set_idle_timeout(minutes(5))?;
        Ok("")
    };
    ada.visit(&polling, set).await;
    let items = setup.table.items().await;
    let live = items.iter().find(|item| item.contains_key("data")).unwrap();
    assert_eq!(live["ttl"], number(setup.clock.seconds() + 300));
    assert_eq!(ada.visit(&polling, who).await.body, "ada");
}
