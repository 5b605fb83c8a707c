//! Clocks that differ from DynamoDB's, and signatures that it rejects.

use std::time::Duration;

use lambda_sessions::{ErrorKind, SessionLayer};

use crate::support::{Action, Browser, Setup, assert_refused, count, peek};

#[tokio::test]
async fn signature_that_expired_is_made_again() {
    for ahead in [600, -600, 86_400] {
        let setup = Setup::new().await;
        setup.proxy.set_clock(ahead);
        let mut ada = Browser::new();
        let reply = ada.visit(&setup.sessions, count).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "1"), "{ahead}");
        assert_eq!(setup.proxy.calls(), ["PutItem", "PutItem"], "{ahead}");
        assert_eq!(ada.visit(&setup.sessions, count).await.body, "2");
        let calls = setup.proxy.calls();
        assert_eq!(calls, ["GetItem", "UpdateItem"], "{ahead}: it is kept");
        assert!(setup.kinds().is_empty(), "{ahead}");
    }
}

#[tokio::test]
async fn signature_skew_outlives_the_client() {
    let setup = Setup::new().await;
    setup.proxy.set_clock(600);
    let mut ada = setup.guest(count).await;
    // The store replaces its client, and with it all connections.
    setup
        .proxy
        .script(|operation, before| match (operation, before) {
            ("GetItem", 0) => Action::Reset,
            _ => Action::Forward,
        });
    assert_eq!(ada.visit(&setup.sessions, peek).await.body, "Some(1)");
    assert_eq!(setup.proxy.calls(), ["GetItem", "GetItem"]);
    setup.proxy.script(|_, _| Action::Forward);
    let clone = setup.sessions.store().clone();
    let clone = clone.connect_timeout(Duration::from_millis(800));
    let sessions = SessionLayer::new(clone).clock(setup.clock.reader());
    assert_eq!(ada.visit(&sessions, peek).await.body, "Some(1)");
    assert_eq!(setup.proxy.calls(), ["GetItem"]);
}

/// The clock is corrected meanwhile, so the stored skew becomes wrong.
#[tokio::test]
async fn signature_skew_is_learned_again() {
    let setup = Setup::new().await;
    let mut ada = Browser::new();
    for (ahead, calls) in [(600, 2), (0, 2), (0, 1), (-600, 2)] {
        setup.proxy.set_clock(ahead);
        ada.visit(&setup.sessions, peek).await;
        let mut ada = Browser::with_cookie("__Host-sid", &"A".repeat(43));
        ada.visit(&setup.sessions, peek).await;
        assert_eq!(setup.count("GetItem"), calls, "{ahead}");
    }
    assert!(setup.kinds().is_empty());
}

const EXPIRED: &str = "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z";

const WRONG: &str =
    "The request signature we calculated does not match the signature you provided.";

#[tokio::test]
async fn signature_refused_twice_is_misconfigured() {
    for (name, message, calls) in [
        ("InvalidSignatureException", EXPIRED, 2),
        ("RequestTimeTooSkewed", "", 2),
        // The secret is wrong, so a retry would be rejected too.
        ("InvalidSignatureException", WRONG, 1),
    ] {
        let setup = Setup::new().await;
        setup
            .proxy
            .script(move |_, _| Action::error_saying(400, name, message));
        let reply = Browser::new().visit(&setup.sessions, count).await;
        assert_refused(&reply, 503, message);
        assert_eq!(setup.count("PutItem"), calls, "{message}");
        assert_eq!(setup.kinds(), [ErrorKind::Misconfigured], "{message}");
        assert!(setup.table.items().await.is_empty());
    }
}

/// A rejection says nothing about the attempt before it.
#[tokio::test]
async fn signature_refused_after_a_loss_is_unknown() {
    let setup = Setup::new().await;
    setup.proxy.script(|_, before| match before {
        0 => Action::lost(),
        _ => Action::error_saying(400, "InvalidSignatureException", EXPIRED),
    });
    let reply = Browser::new().visit(&setup.sessions, count).await;
    assert_refused(&reply, 503, "it was written");
    assert_eq!(setup.count("PutItem"), 3);
    assert_eq!(setup.kinds(), [ErrorKind::OutcomeUnknown]);
}
