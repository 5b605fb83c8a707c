//! Writes whose response was lost, and which another request overtook before the retry.

use std::time::Duration;

use lambda_http::Request;
use lambda_sessions::{ErrorKind, Session, SessionExt as _};

use crate::support::{
    Action, Browser, Setup, assert_refused, count, logged_in, minutes, number, peek, text,
};

/// The first attempt at a write, and another request before its retry.
#[derive(Clone, Copy, Debug)]
struct Between {
    /// If true, the first attempt takes effect.
    happened: bool,
    other: Other,
}

#[derive(Clone, Copy, Debug)]
enum Other {
    Touches,
    WritesOnce,
    WritesTwice,
    LogsOut,
    Cycles,
}

impl Between {
    /// Makes the first `UpdateItem` fail, and runs the other request before the call `next`: an
    /// operation, and the number of its earlier calls.
    fn arrange(self, setup: &Setup, browser: &Browser, next: (&'static str, usize)) {
        let (elsewhere, browser) = (setup.elsewhere(), browser.clone());
        let other = move || {
            let (elsewhere, mut browser) = (elsewhere.clone(), browser.clone());
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
                        Other::Cycles => session.cycle_id()?,
                    }
                    Ok("")
                };
                assert_eq!(browser.visit(&elsewhere, act).await.status, 200);
            }
        };
        setup
            .proxy
            .script(move |operation, before| match (operation, before) {
                ("UpdateItem", 0) if self.happened => Action::lost(),
                ("UpdateItem", 0) => Action::error(500, "InternalServerError"),
                _ if (operation, before) == next => Action::Forward.after(other.clone()),
                _ => Action::Forward,
            });
    }
}

/// With another writer before the retry, the outcome is either determined or reported as unknown.
#[tokio::test]
async fn retry_overtaken_is_known_or_reported_unknown() {
    use ErrorKind::OutcomeUnknown;
    use Other::{Cycles, LogsOut, Touches, WritesOnce, WritesTwice};
    // Whether the first attempt happened, the other request, and the errors of a request that
    // increments and of one that inserts.
    let rows = [
        (false, Touches, None, None),
        (true, Touches, None, None),
        // There was one write since the read, and it was not this one. So this one did not happen
        // and is retried.
        (false, WritesOnce, None, None),
        // There was this write and another, or two others. A counter cannot tell them apart, but an
        // inserted value is visible.
        (true, WritesOnce, Some(OutcomeUnknown), None),
        (true, WritesTwice, Some(OutcomeUnknown), None),
        (
            false,
            WritesTwice,
            Some(OutcomeUnknown),
            Some(OutcomeUnknown),
        ),
        // The record is gone, so the outcome cannot be determined.
        (false, LogsOut, Some(OutcomeUnknown), Some(OutcomeUnknown)),
        (true, LogsOut, Some(OutcomeUnknown), Some(OutcomeUnknown)),
        (false, Cycles, Some(OutcomeUnknown), Some(OutcomeUnknown)),
        (true, Cycles, Some(OutcomeUnknown), Some(OutcomeUnknown)),
    ];
    for (happened, other, counting, setting) in rows {
        let between = Between { happened, other };
        for (counts, expected) in [(true, counting), (false, setting)] {
            let setup = Setup::new().await;
            let mut ada = setup.guest(count).await;
            setup.clock.advance(minutes(61));
            // The first `UpdateItem` is the write, and not the load.
            ada.forget_hints();
            between.arrange(&setup, &ada, ("UpdateItem", 1));
            let act = |_: Request, session: Session| async move {
                match counts {
                    true => drop(session.increment("visits", 1)?),
                    false => session.insert("visits", 7)?,
                }
                Ok("")
            };
            let reply = ada.visit(&setup.sessions, act).await;
            let what = format!("{between:?}, counts: {counts}");
            assert_eq!(setup.kinds(), Vec::from_iter(expected), "{what}");
            match expected {
                None => assert_eq!(reply.status, 200, "{what}"),
                Some(_) => assert_refused(&reply, 503, &what),
            }
            if matches!(other, LogsOut | Cycles) {
                continue;
            }
            // The write counted once if it happened or was reported as done.
            let once = happened || expected.is_none();
            let visits = match (once, counts) {
                (false, _) => "Some(1)",
                (true, true) => "Some(2)",
                (true, false) => "Some(7)",
            };
            let body = ada.visit(&setup.elsewhere(), peek).await.body;
            assert_eq!(body, visits, "{what}");
        }
    }
}

/// With `require_unchanged`, a value in place does not prove that no other request has written.
#[tokio::test]
async fn retry_of_require_unchanged_checks_the_writer() {
    for (happened, other, expected) in [
        (false, Other::WritesOnce, ErrorKind::Conflict),
        (true, Other::WritesOnce, ErrorKind::OutcomeUnknown),
    ] {
        let setup = Setup::new().await;
        let mut ada = setup.guest(count).await;
        Between { happened, other }.arrange(&setup, &ada, ("UpdateItem", 1));
        let act = |_: Request, session: Session| async move {
            session.require_unchanged()?;
            session.insert("visits", 7)?;
            Ok("")
        };
        let reply = ada.visit(&setup.sessions, act).await;
        assert_ne!(reply.status, 200);
        assert_eq!(setup.kinds(), [expected], "happened: {happened}");
    }
}

/// A retried update is applied to the value of the other request, and still counts once.
#[tokio::test]
async fn retry_of_an_update_applies_to_what_is_there() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    let (elsewhere, other) = (setup.elsewhere(), ada.clone());
    let push = |n: u32| {
        move |_: Request, session: Session| async move {
            session.update("list", move |list: &mut Vec<u32>| list.push(n))?;
            Ok("")
        }
    };
    setup.proxy.script(move |operation, before| {
        let (elsewhere, other) = (elsewhere.clone(), other.clone());
        match (operation, before) {
            ("UpdateItem", 0) => Action::error(500, "InternalServerError"),
            ("UpdateItem", 1) => Action::Forward.after(move || {
                let (elsewhere, mut other) = (elsewhere.clone(), other.clone());
                async move { drop(other.visit(&elsewhere, push(1)).await) }
            }),
            // The outcome is still ambiguous, and this response is lost too.
            ("UpdateItem", 2) => Action::lost(),
            _ => Action::Forward,
        }
    });
    assert_eq!(ada.visit(&setup.sessions, push(2)).await.status, 200);
    let list = setup.table.item().await["data"].as_m().unwrap()["list"].clone();
    assert_eq!(list.as_s().unwrap(), "[1,2]");
}

/// Without a read there is no version to compare: the retry recognizes its own write, or the
/// outcome is unknown.
#[tokio::test]
async fn retry_of_a_write_only_is_known_or_unknown() {
    let write_only = |request: Request| async move {
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
        let setup = Setup::new().await;
        let mut ada = setup.guest(count).await;
        match other {
            Some(other) => Between { happened, other }.arrange(&setup, &ada, ("GetItem", 0)),
            None => setup
                .proxy
                .script(move |operation, before| match (operation, before) {
                    ("UpdateItem", 0) if happened => Action::lost(),
                    ("UpdateItem", 0) => Action::error(500, "InternalServerError"),
                    _ => Action::Forward,
                }),
        }
        let reply = ada.visit_layered(&setup.sessions, write_only).await;
        let what = format!("happened: {happened}, {other:?}");
        assert_eq!(setup.kinds(), Vec::from_iter(expected), "{what}");
        assert_eq!(reply.status == 200, expected.is_none(), "{what}");
        assert_eq!(
            setup.proxy.calls()[..2],
            ["UpdateItem", "GetItem"],
            "{what}"
        );
    }
}

/// Other requests are faster until the retry budget is used up. The first attempt may still arrive,
/// so the outcome is unknown.
#[tokio::test]
async fn retry_that_loses_every_race_is_unknown() {
    let setup = Setup::new().await.giving_up_after(250);
    let mut ada = setup.guest(count).await;
    let (elsewhere, other) = (setup.elsewhere(), ada.clone());
    setup.proxy.script(move |operation, before| {
        let (elsewhere, other) = (elsewhere.clone(), other.clone());
        match (operation, before) {
            ("UpdateItem", 0) => Action::error(500, "InternalServerError"),
            // Each of these loses its race, and is slow.
            ("UpdateItem", _) => Action::Forward.after(move || {
                let (elsewhere, mut other) = (elsewhere.clone(), other.clone());
                async move {
                    other.visit(&elsewhere, count).await;
                    tokio::time::sleep(Duration::from_millis(60)).await;
                }
            }),
            _ => Action::Forward,
        }
    });
    let reply = ada.visit(&setup.sessions, count).await;
    assert_refused(&reply, 503, "it is not known");
    assert_eq!(setup.kinds(), [ErrorKind::OutcomeUnknown]);
}

/// A lifetime or a label changes no value, and counts as written only if it is there itself.
#[tokio::test]
async fn retry_overtaken_of_a_lifetime_or_label() {
    for (sets_label, happened) in [(false, false), (false, true), (true, false), (true, true)] {
        let setup = Setup::with_users().await;
        let mut ada = logged_in(&setup.sessions).await;
        let other = Other::WritesTwice;
        let between = Between { happened, other };
        setup.proxy.calls();
        between.arrange(&setup, &ada, ("UpdateItem", 1));
        let act = |_: Request, session: Session| async move {
            match sets_label {
                true => session.set_label("phone")?,
                false => session.set_idle_timeout(minutes(5))?,
            }
            Ok("")
        };
        let reply = ada.visit(&setup.sessions, act).await;
        let what = format!("label: {sets_label}, {between:?}");
        let items = setup.table.items().await;
        let item = items.iter().find(|item| item.contains_key("data")).unwrap();
        let is_set = match sets_label {
            true => item["label"] == text("phone"),
            false => item.get("idle") == Some(&number(300)),
        };
        assert_eq!(is_set, happened, "{what}");
        match happened {
            true => assert_eq!((reply.status, setup.kinds()), (200, vec![]), "{what}"),
            false => {
                assert_refused(&reply, 503, &what);
                assert_eq!(setup.kinds(), [ErrorKind::OutcomeUnknown], "{what}");
            }
        }
    }
}
