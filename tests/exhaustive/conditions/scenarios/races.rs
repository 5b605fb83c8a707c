//! Requests that race others, and attempts whose response is lost or which arrive late.

use std::time::Duration;

use lambda_http::{Error, Request};
use lambda_sessions::{ErrorKind, Session, SessionExt as _};

use super::meanwhile::{Act, Meanwhile};
use super::{Verdict, begin, equal, number};
use crate::support::{Action, Browser, Setup, cycle, logout};

const LATE: Duration = Duration::from_millis(150);

/// Lets the first attempt at a write arrive after its retry and after another request's write. This
/// is repeated `times` times on the same session.
pub(super) async fn late_attempt(setup: &Setup, act: Act, times: usize) -> Verdict {
    let mut ada = setup.guest(begin).await;
    for _ in 0..times {
        let before = number(&setup.table.item().await, "version");
        late_first(setup, "UpdateItem");
        let handler =
            |_: Request, session: Session| async move { Ok(act.perform(&session).map(|()| "")?) };
        let reply = ada.visit(&setup.sessions, handler).await;
        equal("the status", reply.status, 200)?;
        let other = ada.visit(&setup.elsewhere(), set_other).await;
        equal("the other's status", other.status, 200)?;
        tokio::time::sleep(2 * LATE).await;
        let item = setup.table.item().await;
        equal("the version", number(&item, "version"), before + 2)?;
        let there = item["data"].as_m().unwrap().contains_key("other");
        equal("the other's", there, true)?;
        let again = |_: Request, session: Session| async move {
            session.remove("other")?;
            session.insert("visits", 1)?;
            Ok("")
        };
        ada.visit(&setup.elsewhere(), again).await;
    }
    Ok(())
}

/// Lets a second request write the created record before the first attempt to create it arrives.
pub(super) async fn late_create(setup: &Setup) -> Verdict {
    late_first(setup, "PutItem");
    let mut ada = Browser::new();
    let created = ada.visit(&setup.sessions, begin).await;
    equal("the status", created.status, 200)?;
    let written = ada.visit(&setup.sessions, set_other).await;
    equal("the status", written.status, 200)?;
    tokio::time::sleep(2 * LATE).await;
    equal(
        "the version",
        number(&setup.table.item().await, "version"),
        2,
    )
}

/// Ends the session before the first attempt to create it arrives. No live record remains.
pub(super) async fn late_create_after(setup: &Setup, end: Act) -> Verdict {
    late_first(setup, "PutItem");
    let mut ada = Browser::new();
    let created = ada.visit(&setup.sessions, begin).await;
    equal("the status", created.status, 200)?;
    let ends =
        |_: Request, session: Session| async move { Ok(end.perform(&session).map(|()| "")?) };
    let ended = ada.clone().visit(&setup.sessions, ends).await;
    equal("the end's status", ended.status, 200)?;
    tokio::time::sleep(2 * LATE).await;
    let found = ada.visit(&setup.elsewhere(), is_new).await;
    equal("it is dead", found.body.as_str(), "true")?;
    let live = setup.table.items().await;
    let live = live.iter().filter(|item| item.contains_key("data")).count();
    equal("the live", live, usize::from(end == Act::Replace))
}

/// Loses the response to a create, so that an attempt may still be on its way.
pub(super) async fn lost_create(setup: &Setup) -> Verdict {
    setup
        .proxy
        .script(|operation, before| match (operation, before) {
            ("PutItem", 0) => Action::lost(),
            _ => Action::Forward,
        });
    let created = Browser::new().visit(&setup.sessions, begin).await;
    equal("the status", created.status, 200)?;
    let item = setup.table.item().await;
    equal("the version", number(&item, "version"), 1)?;
    equal("a fence", item.contains_key("fence"), true)
}

/// Lets another request cycle the id while this one ends the session. The fence makes that two
/// calls.
pub(super) async fn overtaken_end(setup: &Setup, end: Act, call: (&'static str, usize)) -> Verdict {
    let mut ada = Browser::new();
    setup
        .proxy
        .script(|operation, before| match (operation, before) {
            ("PutItem", 0) => Action::lost(),
            _ => Action::Forward,
        });
    ada.visit(&setup.sessions, begin).await;
    let (other, elsewhere) = (ada.clone(), setup.elsewhere());
    setup.proxy.script(move |operation, before| {
        let (other, elsewhere) = (other.clone(), elsewhere.clone());
        match (operation, before) == call {
            true => Action::Forward.after(move || {
                let (mut other, elsewhere) = (other.clone(), elsewhere.clone());
                async move { drop(other.visit(&elsewhere, cycle).await) }
            }),
            false => Action::Forward,
        }
    });
    let before = setup.clock.seconds();
    let ends =
        |_: Request, session: Session| async move { Ok(end.perform(&session).map(|()| "")?) };
    let ended = ada.visit(&setup.sessions, ends).await;
    equal("the status", ended.status, 409)?;
    let items = setup.table.items().await;
    let tombstone = items.iter().find(|item| item.contains_key("retired"));
    let ttl = tombstone.map(|tombstone| number(tombstone, "ttl"));
    equal("the tombstone of the cycle", ttl, Some(before + 120))
}

/// Logs the session out after the request found its value in place, and before the request has
/// raised the fence against its own late attempts.
pub(super) async fn in_place_and_logged_out(setup: &Setup) -> Verdict {
    let mut ada = setup.guest(begin).await;
    let (other, elsewhere) = (ada.clone(), setup.elsewhere());
    setup.proxy.script(move |operation, before| {
        let (other, elsewhere) = (other.clone(), elsewhere.clone());
        let meanwhile = move |logs_out: bool| {
            Action::Forward.after(move || {
                let (mut other, elsewhere) = (other.clone(), elsewhere.clone());
                async move {
                    match logs_out {
                        true => drop(other.visit(&elsewhere, logout).await),
                        false => drop(other.visit(&elsewhere, set_other).await),
                    }
                }
            })
        };
        match (operation, before) {
            ("UpdateItem", 0) => Action::lost(),
            ("UpdateItem", 1) => meanwhile(false),
            ("UpdateItem", 2) => meanwhile(true),
            _ => Action::Forward,
        }
    });
    let handler =
        |_: Request, session: Session| async move { Ok(Act::Set.perform(&session).map(|()| "")?) };
    let reply = ada.visit(&setup.sessions, handler).await;
    equal("the status", reply.status, 200)?;
    equal("nothing is left", setup.table.items().await.len(), 0)
}

async fn take_once(_: Request, session: Session) -> Result<String, Error> {
    let list: Option<Vec<u32>> = session.take_once("list")?;
    Ok(format!("{list:?}"))
}

/// Lets another request take the value between the read and the write of this one.
pub(super) async fn taken_in_between(setup: &Setup) -> Verdict {
    let mut ada = setup.guest(begin).await;
    let (other, elsewhere) = (&ada.clone(), &setup.elsewhere());
    let handler = |request: Request, session: Session| async move {
        let taken = other.clone().visit(elsewhere, take_once).await;
        assert_eq!(taken.body, "Some([1])");
        take_once(request, session).await
    };
    let reply = ada.visit(&setup.sessions, handler).await;
    equal("the status", reply.status, 409)
}

fn late_first(setup: &Setup, late: &'static str) {
    setup
        .proxy
        .script(move |operation, before| match (operation, before) {
            (operation, 0) if operation == late => Action::Late(LATE),
            _ => Action::Forward,
        });
}

async fn is_new(_: Request, session: Session) -> Result<String, Error> {
    Ok(session.is_new().to_string())
}

/// Lets another request write between the read and the write. Its change is kept.
pub(super) async fn overtaken(setup: &Setup, act: Act, versioned: bool) -> Verdict {
    let mut ada = setup.guest(begin).await;
    if !versioned {
        Meanwhile::LosesItsVersion.happens(setup).await;
    }
    let (other, elsewhere) = (&ada.clone(), &setup.elsewhere());
    let handler = |_: Request, session: Session| async move {
        other.clone().visit(elsewhere, set_other).await;
        Ok(act.perform(&session).map(|()| "")?)
    };
    let reply = ada.visit(&setup.sessions, handler).await;
    let status = if act == Act::SetIfUnchanged { 409 } else { 200 };
    equal("the status", reply.status, status)?;
    let items = setup.table.items().await;
    let record = items.iter().find(|item| item.contains_key("data")).unwrap();
    let data = record["data"].as_m().unwrap();
    equal("the other's", data.contains_key("other"), true)?;
    equal("ours", data.contains_key("name"), false)
}

/// Loses the response to a write, and lets another request write before the retry.
pub(super) async fn overtaken_in_doubt(setup: &Setup, act: Act) -> Verdict {
    let mut ada = setup.guest(begin).await;
    let (other, elsewhere) = (ada.clone(), setup.elsewhere());
    setup.proxy.script(move |operation, before| {
        let (other, elsewhere) = (other.clone(), elsewhere.clone());
        match (operation, before) {
            ("UpdateItem", 0) => Action::lost(),
            ("UpdateItem", 1) => Action::Forward.after(move || {
                let (mut other, elsewhere) = (other.clone(), elsewhere.clone());
                async move { drop(other.visit(&elsewhere, set_other).await) }
            }),
            _ => Action::Forward,
        }
    });
    let handler =
        |_: Request, session: Session| async move { Ok(act.perform(&session).map(|()| "")?) };
    let reply = ada.visit(&setup.sessions, handler).await;
    equal("the kinds", setup.kinds(), vec![ErrorKind::OutcomeUnknown])?;
    equal("the status", reply.status, 503)?;
    let item = setup.table.item().await;
    equal("the version", number(&item, "version"), 3)?;
    equal(
        "the other's",
        item["data"].as_m().unwrap().contains_key("other"),
        true,
    )
}

pub(super) async fn set_other(_: Request, session: Session) -> Result<String, Error> {
    session.insert("other", 1)?;
    Ok(String::new())
}

/// Increments a text without a read, so that the store has to notice.
pub(super) async fn a_text_is_not_counted(setup: &Setup) -> Verdict {
    let mut ada = setup.guest(begin).await;
    let before = setup.table.item().await;
    let count = |request: Request| async move {
        request.write_only_session()?.increment("list", 1)?;
        Ok("")
    };
    let reply = ada.visit_layered(&setup.sessions, count).await;
    equal("the status", reply.status, 503)?;
    equal("the error", setup.kinds(), vec![ErrorKind::Deserialize])?;
    equal("the record", setup.table.item().await, before)
}

/// Lets two requests push to a list, which may be absent before.
pub(super) async fn grows_at_once(
    setup: &Setup,
    list: &'static str,
    grown: &'static str,
) -> Verdict {
    let mut ada = setup.guest(begin).await;
    let (other, elsewhere) = (&ada.clone(), &setup.elsewhere());
    let push = move |session: Session, n: u32| {
        session.update(list, move |list: &mut Vec<u32>| list.push(n))
    };
    let handler = |_: Request, session: Session| async move {
        let theirs = |_: Request, session: Session| async move {
            push(session, 2)?;
            Ok("")
        };
        other.clone().visit(elsewhere, theirs).await;
        push(session, 3)?;
        Ok("")
    };
    let reply = ada.visit(&setup.sessions, handler).await;
    equal("the status", reply.status, 200)?;
    let data = setup.table.item().await["data"].as_m().unwrap().clone();
    equal("the list", data[list].as_s().unwrap().as_str(), grown)
}
