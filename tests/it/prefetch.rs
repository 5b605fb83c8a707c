//! A layer that loads the session while the handler does other work. What comes first is decided by
//! events, and not by time.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use lambda_http::{Body, Error, Request, Response};
use lambda_sessions::{ErrorKind, SessionExt as _};
use tokio::sync::Notify;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::support::{Action, Browser, Sessions, Setup, count, minutes};

/// A timeout so long that no operation ends by it.
const AN_HOUR: Duration = Duration::from_secs(60 * 60);

/// A time that is long enough for a slow machine.
const A_MINUTE: Duration = Duration::from_secs(60);

const NONE: [&str; 0] = [];

/// A setup whose reads are announced, and wait until they may go on.
struct Gate {
    setup: Setup,
    prefetching: Sessions,
    read_has_come: Arc<Notify>,
    read_may_go_on: Arc<Notify>,
}

impl Gate {
    /// Returns a gate and a browser that has a session.
    async fn new() -> (Self, Browser) {
        let mut setup = Setup::new().await;
        let store = setup.table.store_at(&setup.proxy.endpoint);
        setup.use_store(store.attempt_timeout(AN_HOUR).operation_timeout(AN_HOUR));
        let browser = setup.guest(count).await;
        let (come, go_on): (Arc<Notify>, Arc<Notify>) = Default::default();
        let (comes, goes_on) = (Arc::clone(&come), Arc::clone(&go_on));
        setup.proxy.script(move |operation, _| {
            let (comes, goes_on) = (Arc::clone(&comes), Arc::clone(&goes_on));
            match operation {
                "GetItem" => Action::Forward.after(move || {
                    let goes_on = Arc::clone(&goes_on);
                    comes.notify_one();
                    async move { goes_on.notified().await }
                }),
                _ => Action::Forward,
            }
        });
        let gate = Self {
            prefetching: setup.sessions.clone().prefetch(true),
            setup,
            read_has_come: come,
            read_may_go_on: go_on,
        };
        (gate, browser)
    }

    /// Waits until a read is at the store. Without one, the test would wait for ever.
    async fn read_comes(&self) {
        let comes = self.read_has_come.notified();
        let comes = tokio::time::timeout(A_MINUTE, comes).await;
        comes.expect("a read is at the store before the handler asks for it");
    }
}

#[tokio::test]
async fn prefetch_loads_beside_the_handler() {
    let (gate, mut ada) = Gate::new().await;
    let gate = &gate;
    let handler = |request: Request| async move {
        // The handler has not asked, and the read is at the store. The read ends only after this.
        gate.read_comes().await;
        gate.read_may_go_on.notify_one();
        let visits = request.session().await?.increment("visits", 1)?;
        Ok(visits.to_string())
    };
    let reply = ada.visit_layered(&gate.prefetching, handler).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "2"));
    assert_eq!(gate.setup.proxy.calls(), ["GetItem", "UpdateItem"]);
}

/// Every load of the request, at the same time or later, gets the result of the one that runs.
#[tokio::test]
async fn prefetch_is_the_only_load() {
    let (gate, mut ada) = Gate::new().await;
    let gate = &gate;
    let handler = |request: Request| async move {
        gate.read_comes().await;
        {
            // A load that is cancelled while it waits.
            let mut cancelled = pin!(request.session());
            let is_pending = poll_fn(|cx| Poll::Ready(cancelled.as_mut().poll(cx).is_pending()));
            assert!(is_pending.await);
        }
        gate.read_may_go_on.notify_one();
        let (one, other) = tokio::join!(request.session(), request.session());
        assert_eq!(one?.get::<u32>("visits")?, Some(1));
        assert_eq!(other?.get::<u32>("visits")?, Some(1));
        assert_eq!(request.session().await?.get::<u32>("visits")?, Some(1));
        Ok("")
    };
    let reply = ada.visit_layered(&gate.prefetching, handler).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(gate.setup.proxy.calls(), ["GetItem"]);
}

/// A session that the handler never asks for is neither touched nor shown to caches.
#[tokio::test]
async fn prefetch_unused_costs_one_read_only() {
    let (gate, mut ada) = Gate::new().await;
    gate.setup.clock.advance(minutes(61));
    let gate = &gate;
    let finished = |request: Request| async move {
        gate.read_comes().await;
        gate.read_may_go_on.notify_one();
        // The session is there when this has ended.
        drop(request.session().await?);
        Ok("")
    };
    let reply = ada.visit_layered(&gate.prefetching, finished).await;
    assert_eq!(
        gate.setup.proxy.calls(),
        ["GetItem", "UpdateItem"],
        "a touch"
    );
    assert!(reply.header("vary").is_some());

    gate.setup.clock.advance(minutes(61));
    let unused = |_: Request| async move {
        gate.read_comes().await;
        Ok("")
    };
    // The response does not wait for the read, which never ends.
    let reply = ada.visit_layered(&gate.prefetching, unused).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 0));
    assert_eq!(reply.header("vary"), None);
    assert_eq!(gate.setup.proxy.calls(), ["GetItem"]);
}

#[tokio::test]
async fn prefetch_without_an_id_reads_nothing() {
    let setup = Setup::new().await;
    let prefetching = setup.sessions.clone().prefetch(true);
    let read = |request: Request| async move { Ok(request.session().await?.is_new().to_string()) };
    for cookie in [None, Some("x".to_owned()), Some("A".repeat(44))] {
        let mut browser = match cookie {
            None => Browser::new(),
            Some(cookie) => Browser::with_cookie("__Host-sid", &cookie),
        };
        let reply = browser.visit_layered(&prefetching, read).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "true"));
        assert_eq!(setup.proxy.calls(), NONE);
    }
}

/// A failed lookup has no effect if the handler does not load the session, and is made once.
#[tokio::test]
async fn prefetch_failure_needs_a_handler_that_asks() {
    let (gate, mut ada) = Gate::new().await;
    let gate = &gate;
    let fails = Arc::clone(&gate.read_has_come);
    gate.setup.proxy.script(move |operation, _| {
        fails.notify_one();
        match operation {
            "GetItem" => Action::error(400, "AccessDeniedException"),
            _ => Action::Forward,
        }
    });
    let unused = |_: Request| async move {
        gate.read_comes().await;
        Ok("")
    };
    assert_eq!(
        ada.visit_layered(&gate.prefetching, unused).await.status,
        200
    );
    assert_eq!(gate.setup.kinds(), []);
    assert_eq!(gate.setup.proxy.calls(), ["GetItem"]);

    let write_only = |request: Request| async move {
        gate.read_comes().await;
        request.write_only_session()?.increment("visits", 1)?;
        Ok("")
    };
    assert_eq!(
        ada.visit_layered(&gate.prefetching, write_only)
            .await
            .status,
        200
    );
    assert_eq!(gate.setup.kinds(), []);
    assert_eq!(gate.setup.proxy.calls(), ["GetItem", "UpdateItem"]);

    let asks = |request: Request| async move {
        gate.read_comes().await;
        request.session().await?;
        Ok("")
    };
    assert_eq!(ada.visit_layered(&gate.prefetching, asks).await.status, 503);
    assert_eq!(gate.setup.kinds(), [ErrorKind::Misconfigured]);
    assert_eq!(gate.setup.proxy.calls(), ["GetItem"]);

    // A handler may ask again, which is a load of its own.
    let asks_again = |request: Request| async move {
        assert!(request.session().await.is_err());
        assert!(request.session().await.is_err());
        Ok("")
    };
    assert_eq!(
        ada.visit_layered(&gate.prefetching, asks_again)
            .await
            .status,
        200
    );
    assert_eq!(gate.setup.proxy.calls(), ["GetItem", "GetItem"]);
}

/// The lookup may be older than the handler's question.
#[tokio::test]
async fn prefetch_of_an_expired_session_is_empty() {
    let (gate, mut ada) = Gate::new().await;
    let (gate, clock) = (&gate, &gate.setup.clock);
    let late = |request: Request| async move {
        gate.read_comes().await;
        clock.advance(minutes(15 * 24 * 60));
        gate.read_may_go_on.notify_one();
        let session = request.session().await?;
        Ok(session.is_new().to_string())
    };
    let reply = ada.visit_layered(&gate.prefetching, late).await;
    assert_eq!(reply.body, "true");
    assert_eq!(gate.setup.proxy.calls(), ["GetItem"]);
}

#[tokio::test]
async fn prefetch_survives_a_dropped_request() {
    let (gate, mut ada) = Gate::new().await;
    let waits = |_: Request| std::future::pending::<Result<Response<Body>, Error>>();
    let cookie = format!("__Host-sid={}", ada.cookie().unwrap());
    let request = http::Request::get("/").header("cookie", cookie);
    let request = request.body(Body::Empty).unwrap();
    tokio::select! {
        _ = gate.prefetching.layer(service_fn(waits)).oneshot(request) => unreachable!(),
        () = gate.read_comes() => {}
    }
    gate.read_may_go_on.notify_one();
    assert_eq!(gate.setup.proxy.calls(), ["GetItem"]);
    gate.setup.proxy.script(|_, _| Action::Forward);
    let count = |request: Request| async move {
        Ok(request.session().await?.increment("visits", 1)?.to_string())
    };
    let reply = ada.visit_layered(&gate.prefetching, count).await;
    assert_eq!(reply.body, "2");
    assert_eq!(gate.setup.proxy.calls(), ["GetItem", "UpdateItem"]);
}
