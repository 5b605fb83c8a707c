//! A write whose acknowledgement is lost counts once, or is said to be unknown.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use lambda_http::Request;
use lambda_sessions::{ErrorKind, Session, SessionExt as _};
use support::{Answer, Bench, Reply, Visitor, assert_refused, count, logout, minutes, peek};

/// A retried write counts once: the acknowledgement is lost, and the write is there.
#[tokio::test]
async fn a_write_whose_acknowledgement_is_lost_counts_once() {
    let bench = Bench::new().await;
    let lose_the_first = |operation: &str, before: usize| match (operation, before) {
        ("GetItem", _) => Answer::Forward,
        (_, 0) => Answer::lost(),
        _ => Answer::Forward,
    };
    bench.proxy.answer(lose_the_first);
    let mut ada = Visitor::new();
    assert_eq!(ada.visit(&bench.sessions, count).await.body, "1");
    assert_eq!(bench.proxy.calls(), ["PutItem", "PutItem"]);
    assert!(ada.cookie().is_some());

    bench.proxy.answer(lose_the_first);
    assert_eq!(ada.visit(&bench.sessions, count).await.status, 200);
    assert_eq!(bench.proxy.calls(), ["GetItem", "UpdateItem", "UpdateItem"]);
    assert_eq!(
        ada.visit(&bench.sessions, peek).await.body,
        "Some(2)",
        "not 3"
    );

    bench.proxy.answer(lose_the_first);
    let unread = |request: Request| async move {
        Ok(request
            .write_only_session()?
            .increment("visits", 1)
            .map(|()| "")?)
    };
    assert_eq!(ada.visit_layered(&bench.sessions, unread).await.status, 200);
    assert_eq!(bench.proxy.calls(), ["UpdateItem", "GetItem"]);
    assert_eq!(ada.visit(&bench.sessions, peek).await.body, "Some(3)");

    bench.proxy.answer(lose_the_first);
    let login = |_: Request, session: Session| async move {
        session.cycle_id()?;
        session.increment("visits", 1)?;
        Ok("")
    };
    assert_eq!(ada.visit(&bench.sessions, login).await.status, 200);
    let calls = bench.proxy.calls();
    assert_eq!(
        calls,
        ["GetItem", "TransactWriteItems", "TransactWriteItems"]
    );
    assert_eq!(ada.visit(&bench.sessions, peek).await.body, "Some(4)");

    bench.clock.advance(minutes(61));
    bench.proxy.answer(lose_the_first);
    assert_eq!(
        ada.visit(&bench.sessions, peek).await.status,
        200,
        "a touch"
    );

    bench.proxy.answer(lose_the_first);
    assert_eq!(ada.visit(&bench.sessions, logout).await.status, 200);
    assert_eq!(ada.cookie(), None);
    let records = bench.table.items().await;
    assert!(
        records.iter().all(|item| item.contains_key("retired")),
        "only the stub is left"
    );
}

/// What the first attempt at a write does, and what another request does before it is sent again.
#[derive(Clone, Copy, Debug)]
struct Between {
    /// Whether the first attempt takes effect.
    happened: bool,
    other: Other,
}

#[derive(Clone, Copy, Debug)]
enum Other {
    Touches,
    WritesOnce,
    WritesTwice,
    LogsOut,
    Renews,
}

impl Between {
    /// The first `UpdateItem` of this bench fails, and that comes before the call after it: the
    /// so-manieth of its operation.
    fn stage(self, bench: &Bench, visitor: &Visitor, next: (&'static str, usize)) {
        let (elsewhere, visitor) = (bench.elsewhere(), visitor.clone());
        let other = move || {
            let (elsewhere, mut visitor) = (elsewhere.clone(), visitor.clone());
            async move {
                let act = |_: Request, session: Session| async move {
                    match self.other {
                        Other::Touches => {}
                        Other::WritesOnce => session.insert("other", 1)?,
                        Other::WritesTwice => {
                            session.insert("other", 1)?;
                            session.save().await?;
                            session.insert("other", 2)?;
                        }
                        Other::LogsOut => session.destroy()?,
                        Other::Renews => session.cycle_id()?,
                    }
                    Ok("")
                };
                assert_eq!(visitor.visit(&elsewhere, act).await.status, 200);
            }
        };
        bench
            .proxy
            .answer(move |operation, before| match (operation, before) {
                ("UpdateItem", 0) if self.happened => Answer::lost(),
                ("UpdateItem", 0) => Answer::error(500, "InternalServerError"),
                _ if (operation, before) == next => Answer::Forward.after(other.clone()),
                _ => Answer::Forward,
            });
    }
}

/// With another writer in between, what can be known is known, and the rest is said to be unknown.
#[tokio::test]
async fn what_became_of_a_write_when_another_came_in_between() {
    use ErrorKind::OutcomeUnknown;
    use Other::{LogsOut, Renews, Touches, WritesOnce, WritesTwice};
    // Whether the first attempt happened; what came in between; what a request is told that counts,
    // and one that sets.
    let rows = [
        (false, Touches, None, None),
        (true, Touches, None, None),
        // One write since the read, and not ours: so ours did not happen, and is made again.
        (false, WritesOnce, None, None),
        // Ours and another's, or two of others: a counter does not tell, but a value that is there
        // is there.
        (true, WritesOnce, Some(OutcomeUnknown), None),
        (true, WritesTwice, Some(OutcomeUnknown), None),
        (
            false,
            WritesTwice,
            Some(OutcomeUnknown),
            Some(OutcomeUnknown),
        ),
        // There is nobody left to ask.
        (false, LogsOut, Some(OutcomeUnknown), Some(OutcomeUnknown)),
        (true, LogsOut, Some(OutcomeUnknown), Some(OutcomeUnknown)),
        (false, Renews, Some(OutcomeUnknown), Some(OutcomeUnknown)),
        (true, Renews, Some(OutcomeUnknown), Some(OutcomeUnknown)),
    ];
    for (happened, other, counting, setting) in rows {
        let between = Between { happened, other };
        for (counts, expected) in [(true, counting), (false, setting)] {
            let bench = Bench::new().await;
            let mut ada = bench.guest(count).await;
            bench.clock.advance(minutes(61));
            between.stage(&bench, &ada, ("UpdateItem", 1));
            let act = |_: Request, session: Session| async move {
                match counts {
                    true => drop(session.increment("visits", 1)?),
                    false => session.insert("visits", 7)?,
                }
                Ok("")
            };
            let reply = ada.visit(&bench.sessions, act).await;
            let what = format!("{between:?}, counts: {counts}");
            assert_eq!(bench.kinds(), Vec::from_iter(expected), "{what}");
            match expected {
                None => assert_eq!(reply.status, 200, "{what}"),
                Some(_) => assert_refused(&reply, 503, &what),
            }
            if matches!(other, LogsOut | Renews) {
                continue;
            }
            // Once, if it happened or was said to.
            let once = happened || expected.is_none();
            let visits = match (once, counts) {
                (false, _) => "Some(1)",
                (true, true) => "Some(2)",
                (true, false) => "Some(7)",
            };
            let body = ada.visit(&bench.elsewhere(), peek).await.body;
            assert_eq!(body, visits, "{what}");
        }
    }
}

/// Where nobody else was to write, a value that is there does not prove that nobody has.
#[tokio::test]
async fn if_unchanged_is_not_taken_in_by_its_own_value() {
    for (happened, other, expected) in [
        (false, Other::WritesOnce, ErrorKind::Conflict),
        (true, Other::WritesOnce, ErrorKind::OutcomeUnknown),
    ] {
        let bench = Bench::new().await;
        let mut ada = bench.guest(count).await;
        Between { happened, other }.stage(&bench, &ada, ("UpdateItem", 1));
        let act = |_: Request, session: Session| async move {
            session.require_unchanged()?;
            session.insert("visits", 7)?;
            Ok("")
        };
        let reply = ada.visit(&bench.sessions, act).await;
        assert_ne!(reply.status, 200);
        assert_eq!(bench.kinds(), [expected], "happened: {happened}");
    }
}

/// An update is made again of what another request has left, and still counts once.
#[tokio::test]
async fn an_update_in_doubt_is_made_again_of_what_is_there() {
    let bench = Bench::new().await;
    let mut ada = bench.guest(count).await;
    let (elsewhere, other) = (bench.elsewhere(), ada.clone());
    let push = |n: u32| {
        move |_: Request, session: Session| async move {
            session.update("list", move |list: &mut Vec<u32>| list.push(n))?;
            Ok("")
        }
    };
    bench.proxy.answer(move |operation, before| {
        let (elsewhere, other) = (elsewhere.clone(), other.clone());
        match (operation, before) {
            ("UpdateItem", 0) => Answer::error(500, "InternalServerError"),
            ("UpdateItem", 1) => Answer::Forward.after(move || {
                let (elsewhere, mut other) = (elsewhere.clone(), other.clone());
                async move { drop(other.visit(&elsewhere, push(1)).await) }
            }),
            // It is still in doubt, and this acknowledgement is lost too.
            ("UpdateItem", 2) => Answer::lost(),
            _ => Answer::Forward,
        }
    });
    assert_eq!(ada.visit(&bench.sessions, push(2)).await.status, 200);
    let list = bench.table.item().await["data"].as_m().unwrap()["list"].clone();
    assert_eq!(list.as_s().unwrap(), "[1,2]");
}

/// What was not read has no version to go by: it is ours, or nobody can tell.
#[tokio::test]
async fn a_write_without_a_read_is_recognized_or_unknown() {
    let unread = |request: Request| async move {
        let session = request.write_only_session()?;
        session.increment("visits", 1)?;
        session.insert("seen", true)?;
        Ok("")
    };
    let rows = [
        (true, None, None),
        (false, None, Some(ErrorKind::OutcomeUnknown)),
        (
            true,
            Some(Other::WritesOnce),
            Some(ErrorKind::OutcomeUnknown),
        ),
    ];
    for (happened, other, expected) in rows {
        let bench = Bench::new().await;
        let mut ada = bench.guest(count).await;
        match other {
            Some(other) => Between { happened, other }.stage(&bench, &ada, ("GetItem", 0)),
            None => bench
                .proxy
                .answer(move |operation, before| match (operation, before) {
                    ("UpdateItem", 0) if happened => Answer::lost(),
                    ("UpdateItem", 0) => Answer::error(500, "InternalServerError"),
                    _ => Answer::Forward,
                }),
        }
        let reply = ada.visit_layered(&bench.sessions, unread).await;
        let what = format!("happened: {happened}, {other:?}");
        assert_eq!(bench.kinds(), Vec::from_iter(expected), "{what}");
        assert_eq!(reply.status == 200, expected.is_none(), "{what}");
        assert_eq!(
            bench.proxy.calls()[..2],
            ["UpdateItem", "GetItem"],
            "{what}"
        );
    }
}

/// Changes too large for one expression are one write of all data, and that too counts once.
#[tokio::test]
async fn a_large_change_whose_acknowledgement_is_lost_counts_once() {
    let bench = Bench::new().await;
    let mut ada = bench.guest(count).await;
    let large = |_: Request, session: Session| async move {
        for n in 0..300 {
            session.insert(format!("key-{n}"), n)?;
        }
        session.increment("visits", 1)?;
        Ok("")
    };
    bench
        .proxy
        .answer(|operation, before| match (operation, before) {
            ("UpdateItem", 0) => Answer::lost(),
            _ => Answer::Forward,
        });
    assert_eq!(ada.visit(&bench.sessions, large).await.status, 200);
    assert_eq!(bench.proxy.calls(), ["GetItem", "UpdateItem", "UpdateItem"]);
    assert_eq!(ada.visit(&bench.sessions, peek).await.body, "Some(2)");
}

/// What came after a lost acknowledgement proves nothing about what came before it.
#[tokio::test]
async fn a_lost_acknowledgement_and_then_a_refusal_is_no_refusal() {
    for step in ["create", "update", "renew", "replace", "delete"] {
        // For a while: it is found out in the end what became of it, and the client gets its id.
        let (bench, mut ada, reply) = lost_and_then_throttled(step, 2).await;
        assert_eq!((reply.status, bench.kinds().len()), (200, 0), "{step}");
        let expected = match step {
            "create" | "renew" | "replace" => "Some(1)",
            "update" => "Some(2)",
            _ => "None",
        };
        let body = ada.visit(&bench.sessions, peek).await.body;
        assert_eq!(body, expected, "{step}");

        // For good: it is unknown, and is said to be.
        let (bench, _, reply) = lost_and_then_throttled(step, usize::MAX).await;
        assert_refused(&reply, 503, step);
        assert_eq!(bench.kinds(), [ErrorKind::OutcomeUnknown], "{step}");
    }
}

/// A step whose first acknowledgement is lost, and which is throttled so often after that.
async fn lost_and_then_throttled(step: &str, times: usize) -> (Bench, Visitor, Reply) {
    let bench = Bench::new().await;
    let sessions = match times {
        usize::MAX => bench.hasty(),
        _ => bench.sessions.clone(),
    };
    let mut ada = match step {
        "create" => Visitor::new(),
        _ => bench.guest(count).await,
    };
    bench
        .proxy
        .answer(move |operation, before| match (operation, before) {
            ("GetItem", _) => Answer::Forward,
            (_, 0) => Answer::lost(),
            (_, n) if n <= times => Answer::error(400, "ThrottlingException"),
            _ => Answer::Forward,
        });
    let act = |_: Request, session: Session| async move {
        match step {
            "create" | "update" => drop(session.increment("visits", 1)?),
            "renew" => session.cycle_id()?,
            "replace" => {
                session.destroy()?;
                session.insert("visits", 1)?;
            }
            _ => session.destroy()?,
        }
        Ok("")
    };
    let reply = ada.visit(&sessions, act).await;
    (bench, ada, reply)
}

/// An attempt that was given up, and reaches DynamoDB after its own repetition, changes nothing any
/// more, whatever others have written in between.
#[tokio::test]
async fn an_attempt_that_arrives_late_does_not_count_again() {
    const LATE: Duration = Duration::from_millis(300);
    let bench = Bench::new().await;
    let mut ada = bench.guest(count).await;
    let late = |operation: &str, before: usize| match (operation, before) {
        ("UpdateItem", 0) => Answer::Late(LATE),
        _ => Answer::Forward,
    };
    // With another request in between, and with none.
    for (other, visits) in [(true, "Some(3)"), (false, "Some(4)")] {
        bench.proxy.answer(late);
        assert_eq!(ada.visit(&bench.sessions, count).await.status, 200);
        assert_eq!(bench.proxy.calls(), ["GetItem", "UpdateItem", "UpdateItem"]);
        if other {
            assert_eq!(ada.visit(&bench.elsewhere(), count).await.status, 200);
        }
        tokio::time::sleep(2 * LATE).await;
        assert_eq!(ada.visit(&bench.sessions, peek).await.body, visits);
    }

    // What was set and is set anew stays new.
    bench.proxy.answer(late);
    let set = |value: i64| {
        move |_: Request, session: Session| async move {
            session.insert("visits", value)?;
            Ok("")
        }
    };
    assert_eq!(ada.visit(&bench.sessions, set(10)).await.status, 200);
    assert_eq!(ada.visit(&bench.elsewhere(), set(20)).await.status, 200);
    tokio::time::sleep(2 * LATE).await;
    assert_eq!(ada.visit(&bench.sessions, peek).await.body, "Some(20)");
}

/// An attempt to create a session that reaches DynamoDB after the logout brings nothing back.
#[tokio::test]
async fn a_create_that_arrives_after_the_logout_resurrects_nothing() {
    const LATE: Duration = Duration::from_millis(300);
    let bench = Bench::new().await;
    bench
        .proxy
        .answer(|operation, before| match (operation, before) {
            ("PutItem", 0) => Answer::Late(LATE),
            _ => Answer::Forward,
        });
    let mut ada = Visitor::new();
    assert_eq!(ada.visit(&bench.sessions, count).await.status, 200);
    let mut thief = ada.clone();
    assert_eq!(ada.visit(&bench.sessions, logout).await.status, 200);
    assert_eq!(ada.cookie(), None);
    let stub = bench.table.item().await;
    assert_eq!(
        stub["ttl"].as_n().unwrap().parse(),
        Ok(bench.clock.seconds() + 15 * 60),
        "for as long as the attempt's signature is good"
    );
    tokio::time::sleep(2 * LATE).await;
    assert_eq!(thief.visit(&bench.sessions, peek).await.body, "None");
    let late = thief.clone().visit(&bench.sessions, count).await;
    assert_eq!(
        (late.body.as_str(), late.cookies.len()),
        ("1", 1),
        "a session of its own"
    );
    assert_eq!(thief.visit(&bench.sessions, peek).await.body, "None");
}

/// A record with a fence is logged out by a stub in its place. That one's acknowledgement may be lost
/// too, or a renewal may be faster.
#[tokio::test]
async fn a_logout_that_leaves_a_stub_counts_once_and_knows_its_own() {
    let bench = Bench::new().await;
    for renewed_meanwhile in [false, true] {
        bench
            .proxy
            .answer(|operation, before| match (operation, before) {
                ("PutItem", 0) => Answer::lost(),
                _ => Answer::Forward,
            });
        let mut ada = Visitor::new();
        assert_eq!(ada.visit(&bench.sessions, count).await.status, 200);
        let (elsewhere, other) = (bench.elsewhere(), ada.clone());
        bench.proxy.answer(move |operation, before| {
            let (elsewhere, other) = (elsewhere.clone(), other.clone());
            match (operation, before) {
                ("PutItem", 0) if renewed_meanwhile => Answer::Forward.after(move || {
                    let (elsewhere, mut other) = (elsewhere.clone(), other.clone());
                    async move {
                        let renew = |_: Request, session: Session| async move {
                            session.cycle_id()?;
                            Ok("")
                        };
                        assert_eq!(other.visit(&elsewhere, renew).await.status, 200);
                    }
                }),
                ("PutItem", 0) => Answer::lost(),
                _ => Answer::Forward,
            }
        });
        let reply = ada.visit(&bench.sessions, logout).await;
        if renewed_meanwhile {
            assert_refused(&reply, 409, "it goes on under another id");
        } else {
            assert_eq!((reply.status, ada.cookie()), (200, None));
        }
    }
}

/// DynamoDB knows the token of a transaction for ten minutes. After that a repetition is refused,
/// since the new record is there, and it is seen that it is ours.
#[tokio::test]
async fn a_transaction_whose_token_was_forgotten_counts_once() {
    let bench = Bench::with_users().await;
    bench.proxy.edit(|operation, body| {
        if operation == "TransactWriteItems" {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).unwrap();
            let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            body["ClientRequestToken"] = token.into();
        }
    });
    let lose_one = || {
        bench
            .proxy
            .answer(|operation, before| match (operation, before) {
                ("TransactWriteItems", 0) => Answer::lost(),
                _ => Answer::Forward,
            });
    };
    let renew = |_: Request, session: Session| async move {
        session.cycle_id()?;
        session.increment("visits", 1)?;
        Ok("")
    };
    let anew = |_: Request, session: Session| async move {
        session.destroy()?;
        session.insert("visits", 7)?;
        Ok("")
    };
    let begin_as_user = |_: Request, session: Session| async move {
        session.log_in("ada")?;
        session.insert("visits", 1)?;
        Ok("")
    };
    let mut ada = bench.guest(count).await;
    lose_one();
    assert_eq!(ada.visit(&bench.sessions, renew).await.status, 200);
    assert_eq!(ada.visit(&bench.sessions, peek).await.body, "Some(2)");
    lose_one();
    assert_eq!(ada.visit(&bench.sessions, anew).await.status, 200);
    assert_eq!(ada.visit(&bench.sessions, peek).await.body, "Some(7)");
    let mut grace = Visitor::new();
    lose_one();
    assert_eq!(
        grace.visit(&bench.sessions, begin_as_user).await.status,
        200
    );
    assert_eq!(grace.visit(&bench.sessions, peek).await.body, "Some(1)");
    assert!(bench.kinds().is_empty());
}

/// Another request was faster, and there is no time to try again: the first attempt may still
/// arrive, so it is not said that nothing was written.
#[tokio::test]
async fn a_race_that_is_lost_in_doubt_is_unknown() {
    let bench = Bench::new().await.giving_up_after(250);
    let mut ada = bench.guest(count).await;
    let (elsewhere, other) = (bench.elsewhere(), ada.clone());
    bench.proxy.answer(move |operation, before| {
        let (elsewhere, other) = (elsewhere.clone(), other.clone());
        match (operation, before) {
            ("UpdateItem", 0) => Answer::error(500, "InternalServerError"),
            // Each of these finds that somebody else was faster, and takes long to say so.
            ("UpdateItem", _) => Answer::Forward.after(move || {
                let (elsewhere, mut other) = (elsewhere.clone(), other.clone());
                async move {
                    other.visit(&elsewhere, count).await;
                    tokio::time::sleep(Duration::from_millis(60)).await;
                }
            }),
            _ => Answer::Forward,
        }
    });
    let reply = ada.visit(&bench.sessions, count).await;
    assert_refused(&reply, 503, "it is not known");
    assert_eq!(bench.kinds(), [ErrorKind::OutcomeUnknown]);
}

/// A save that has waited for one whose outcome is unknown writes nothing: it may be there already.
#[tokio::test]
async fn after_an_unknown_outcome_nothing_that_waited_is_written() {
    let bench = Bench::new().await;
    let hasty = bench.hasty();
    for commit_waits in [false, true] {
        let mut ada = bench.guest(count).await;
        bench
            .proxy
            .answer(|operation, before| match (operation, before) {
                ("UpdateItem", 0) => Answer::lost(),
                ("UpdateItem", n) if n < 2 => Answer::Hang,
                _ => Answer::Forward,
            });
        let handler = |_: Request, session: Session| async move {
            session.increment("visits", 1)?;
            let saving = session.clone();
            let first = tokio::spawn(async move { saving.save().await });
            if commit_waits {
                // It has the lock, and is waited for.
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
        assert_eq!(bench.kinds(), [ErrorKind::OutcomeUnknown]);
        bench.proxy.answer(|_, _| Answer::Forward);
        assert_eq!(ada.visit(&bench.sessions, peek).await.body, "Some(2)");
    }
}

/// It was acknowledged, so it must not be sent again.
#[tokio::test]
async fn a_success_that_cannot_be_read_counts_once() {
    let bench = Bench::new().await;
    let mut ada = bench.guest(count).await;
    bench.proxy.answer(|operation, _| match operation {
        "UpdateItem" => Answer::ForwardThenReply(200, "{}".to_owned()),
        _ => Answer::Forward,
    });
    let save = |_: Request, session: Session| async move {
        session.increment("visits", 1)?;
        let error = session.save().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        Ok("")
    };
    assert_refused(
        &ada.visit(&bench.sessions, save).await,
        503,
        "an odd answer",
    );
    bench.proxy.answer(|_, _| Answer::Forward);
    assert_eq!(ada.visit(&bench.sessions, peek).await.body, "Some(2)");
}
