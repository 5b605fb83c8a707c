//! Writes whose response was lost: a retried write counts once, or is reported as unknown.

use std::time::Duration;

use lambda_http::Request;
use lambda_sessions::{ErrorKind, Session, SessionExt as _};

use crate::support::{
    Action, Browser, Reply, Setup, assert_refused, count, cycle, logout, minutes, peek,
};

/// A retried write counts once if the response to the first attempt is lost.
#[tokio::test]
async fn retry_after_a_lost_response_counts_once() {
    let setup = Setup::new().await;
    let lose_the_first = |operation: &str, before: usize| match (operation, before) {
        ("GetItem", _) => Action::Forward,
        (_, 0) => Action::lost(),
        _ => Action::Forward,
    };
    setup.proxy.script(lose_the_first);
    let mut ada = Browser::new();
    assert_eq!(ada.visit(&setup.sessions, count).await.body, "1");
    assert_eq!(setup.proxy.calls(), ["PutItem", "PutItem"]);
    assert!(ada.cookie().is_some());

    setup.proxy.script(lose_the_first);
    assert_eq!(ada.visit(&setup.sessions, count).await.status, 200);
    assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem", "UpdateItem"]);
    assert_eq!(
        ada.visit(&setup.sessions, peek).await.body,
        "Some(2)",
        "not 3"
    );

    setup.proxy.script(lose_the_first);
    let write_only = |request: Request| async move {
        Ok(request
            .write_only_session()?
            .increment("visits", 1)
            .map(|()| "")?)
    };
    assert_eq!(
        ada.visit_layered(&setup.sessions, write_only).await.status,
        200
    );
    assert_eq!(setup.proxy.calls(), ["UpdateItem", "GetItem"]);
    assert_eq!(ada.visit(&setup.sessions, peek).await.body, "Some(3)");

    setup.proxy.script(lose_the_first);
    let login = |_: Request, session: Session| async move {
        session.cycle_id()?;
        session.increment("visits", 1)?;
        Ok("")
    };
    assert_eq!(ada.visit(&setup.sessions, login).await.status, 200);
    let calls = setup.proxy.calls();
    assert_eq!(
        calls,
        ["GetItem", "TransactWriteItems", "TransactWriteItems"]
    );
    assert_eq!(ada.visit(&setup.sessions, peek).await.body, "Some(4)");

    setup.clock.advance(minutes(61));
    setup.proxy.script(lose_the_first);
    assert_eq!(
        ada.visit(&setup.sessions, peek).await.status,
        200,
        "a touch"
    );

    setup.proxy.script(lose_the_first);
    assert_eq!(ada.visit(&setup.sessions, logout).await.status, 200);
    assert_eq!(ada.cookie(), None);
    let records = setup.table.items().await;
    assert!(
        records.iter().all(|item| item.contains_key("retired")),
        "only a tombstone is left"
    );
}

/// Changes too large for one expression are one write of all data, which also counts once.
#[tokio::test]
async fn retry_of_a_large_change_counts_once() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    let large = |_: Request, session: Session| async move {
        for n in 0..300 {
            session.insert(format!("key-{n}"), n)?;
        }
        session.increment("visits", 1)?;
        Ok("")
    };
    setup
        .proxy
        .script(|operation, before| match (operation, before) {
            ("UpdateItem", 0) => Action::lost(),
            _ => Action::Forward,
        });
    assert_eq!(ada.visit(&setup.sessions, large).await.status, 200);
    assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem", "UpdateItem"]);
    assert_eq!(ada.visit(&setup.sessions, peek).await.body, "Some(2)");
}

/// The rejection of a retry proves nothing about the attempt before it.
#[tokio::test]
async fn retry_that_is_throttled_is_not_a_refusal() {
    for step in ["create", "update", "cycle", "replace", "delete"] {
        // Throttling ends: the outcome is determined, and the client gets its id.
        let (setup, mut ada, reply) = lost_and_then_throttled(step, 2).await;
        assert_eq!((reply.status, setup.kinds().len()), (200, 0), "{step}");
        let expected = match step {
            "create" | "cycle" | "replace" => "Some(1)",
            "update" => "Some(2)",
            _ => "None",
        };
        let body = ada.visit(&setup.sessions, peek).await.body;
        assert_eq!(body, expected, "{step}");

        // Throttling goes on: the outcome is reported as unknown.
        let (setup, _, reply) = lost_and_then_throttled(step, usize::MAX).await;
        assert_refused(&reply, 503, step);
        assert_eq!(setup.kinds(), [ErrorKind::OutcomeUnknown], "{step}");
    }
}

/// Performs a step whose first response is lost, and which is then throttled this many times.
async fn lost_and_then_throttled(step: &str, times: usize) -> (Setup, Browser, Reply) {
    let setup = Setup::new().await;
    let sessions = match times {
        usize::MAX => setup.hasty(),
        _ => setup.sessions.clone(),
    };
    let mut ada = match step {
        "create" => Browser::new(),
        _ => setup.guest(count).await,
    };
    setup
        .proxy
        .script(move |operation, before| match (operation, before) {
            ("GetItem", _) => Action::Forward,
            (_, 0) => Action::lost(),
            (_, n) if n <= times => Action::error(400, "ThrottlingException"),
            _ => Action::Forward,
        });
    let act = |_: Request, session: Session| async move {
        match step {
            "create" | "update" => drop(session.increment("visits", 1)?),
            "cycle" => session.cycle_id()?,
            "replace" => {
                session.destroy()?;
                session.insert("visits", 1)?;
            }
            _ => session.destroy()?,
        }
        Ok("")
    };
    let reply = ada.visit(&sessions, act).await;
    (setup, ada, reply)
}

/// A logout replaces a record that has a fence with a tombstone. The response to that write may be
/// lost too, or a concurrent cycle may be faster.
#[tokio::test]
async fn retry_of_a_logout_knows_its_own_tombstone() {
    let setup = Setup::new().await;
    for renewed_meanwhile in [false, true] {
        setup
            .proxy
            .script(|operation, before| match (operation, before) {
                ("PutItem", 0) => Action::lost(),
                _ => Action::Forward,
            });
        let mut ada = Browser::new();
        assert_eq!(ada.visit(&setup.sessions, count).await.status, 200);
        let (elsewhere, other) = (setup.elsewhere(), ada.clone());
        setup.proxy.script(move |operation, before| {
            let (elsewhere, other) = (elsewhere.clone(), other.clone());
            match (operation, before) {
                ("PutItem", 0) if renewed_meanwhile => Action::Forward.after(move || {
                    let (elsewhere, mut other) = (elsewhere.clone(), other.clone());
                    async move {
                        assert_eq!(other.visit(&elsewhere, cycle).await.status, 200);
                    }
                }),
                ("PutItem", 0) => Action::lost(),
                _ => Action::Forward,
            }
        });
        let reply = ada.visit(&setup.sessions, logout).await;
        if renewed_meanwhile {
            assert_refused(&reply, 409, "it goes on under another id");
        } else {
            assert_eq!((reply.status, ada.cookie()), (200, None));
        }
    }
}

/// DynamoDB keeps the token of a transaction for ten minutes. After that a retry is rejected
/// because the new record exists, and the store recognizes the record as its own.
#[tokio::test]
async fn retry_with_a_forgotten_token_counts_once() {
    let setup = Setup::with_users().await;
    setup.proxy.edit(|operation, body| {
        if operation == "TransactWriteItems" {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).unwrap();
            let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            body["ClientRequestToken"] = token.into();
        }
    });
    let lose_one = || {
        setup
            .proxy
            .script(|operation, before| match (operation, before) {
                ("TransactWriteItems", 0) => Action::lost(),
                _ => Action::Forward,
            });
    };
    let cycle_and_count = |_: Request, session: Session| async move {
        session.cycle_id()?;
        session.increment("visits", 1)?;
        Ok("")
    };
    let begin_another = |_: Request, session: Session| async move {
        session.destroy()?;
        session.insert("visits", 7)?;
        Ok("")
    };
    let begin_as_user = |_: Request, session: Session| async move {
        session.log_in("ada")?;
        session.insert("visits", 1)?;
        Ok("")
    };
    let mut ada = setup.guest(count).await;
    lose_one();
    assert_eq!(
        ada.visit(&setup.sessions, cycle_and_count).await.status,
        200
    );
    assert_eq!(ada.visit(&setup.sessions, peek).await.body, "Some(2)");
    lose_one();
    assert_eq!(ada.visit(&setup.sessions, begin_another).await.status, 200);
    assert_eq!(ada.visit(&setup.sessions, peek).await.body, "Some(7)");
    let mut grace = Browser::new();
    lose_one();
    assert_eq!(
        grace.visit(&setup.sessions, begin_as_user).await.status,
        200
    );
    assert_eq!(grace.visit(&setup.sessions, peek).await.body, "Some(1)");
    assert!(setup.kinds().is_empty());
}

/// A save that has waited for one whose outcome is unknown writes nothing, because its changes may
/// already be stored.
#[tokio::test]
async fn unknown_outcome_stops_saves_that_waited() {
    let setup = Setup::new().await;
    let hasty = setup.hasty();
    for commit_waits in [false, true] {
        let mut ada = setup.guest(count).await;
        setup
            .proxy
            .script(|operation, before| match (operation, before) {
                ("UpdateItem", 0) => Action::lost(),
                ("UpdateItem", n) if n < 2 => Action::Hang,
                _ => Action::Forward,
            });
        let handler = |_: Request, session: Session| async move {
            session.increment("visits", 1)?;
            let saving = session.clone();
            let first = tokio::spawn(async move { saving.save().await });
            if commit_waits {
                // The save holds the lock, and the commit waits for it.
                tokio::time::sleep(Duration::from_millis(100)).await;
                return Ok("");
            }
            let (first, second) = tokio::join!(first, session.save());
            assert_eq!(
                first.unwrap().unwrap_err().kind(),
                ErrorKind::OutcomeUnknown
            );
            assert_eq!(second.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
            Ok("")
        };
        let reply = ada.visit(&hasty, handler).await;
        assert_refused(&reply, 503, "the commit");
        assert_eq!(setup.kinds(), [ErrorKind::OutcomeUnknown]);
        setup.proxy.script(|_, _| Action::Forward);
        assert_eq!(ada.visit(&setup.sessions, peek).await.body, "Some(2)");
    }
}

/// A write that was acknowledged must not be sent again, even if the response is unreadable.
#[tokio::test]
async fn success_that_is_unreadable_counts_once() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    setup.proxy.script(|operation, _| match operation {
        "UpdateItem" => Action::ForwardThenReply(200, "{}".to_owned()),
        _ => Action::Forward,
    });
    let save = |_: Request, session: Session| async move {
        session.increment("visits", 1)?;
        let error = session.save().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        Ok("")
    };
    assert_refused(
        &ada.visit(&setup.sessions, save).await,
        503,
        "an odd response",
    );
    setup.proxy.script(|_, _| Action::Forward);
    assert_eq!(ada.visit(&setup.sessions, peek).await.body, "Some(2)");
}
