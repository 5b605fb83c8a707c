//! Scenarios that depend on conditions. Each is a request, with a change between its read and its
//! write.

mod forms;
mod hinted;
mod keys;
mod lifetimes;
mod meanwhile;
mod races;

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use forms::{labelled, written_unread};
use hinted::{RECORDS, hinted_load};
use keys::taken_keys;
use lambda_http::{Error, Request};
use lambda_sessions::Session;
use lifetimes::{Write, shortened};
use meanwhile::{ACTS, Act, MEANWHILE, Meanwhile, act_meanwhile};
use races::{
    a_text_is_not_counted, grows_at_once, in_place_and_logged_out, late_attempt, late_create,
    late_create_after, lost_create, overtaken, overtaken_end, overtaken_in_doubt, taken_in_between,
};

use crate::support::{Item, Setup};

/// The result of a scenario. The error says what is wrong.
pub(crate) type Verdict = Result<(), String>;

type Running<'a> = Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

pub(crate) struct Scenario {
    pub(crate) name: String,
    run: Box<dyn Fn(&Setup) -> Running<'_> + Send + Sync>,
}

impl Scenario {
    fn new(
        name: impl Into<String>,
        run: impl Fn(&Setup) -> Running<'_> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }

    pub(crate) async fn run(&self, setup: &Setup) -> Verdict {
        (self.run)(setup).await
    }
}

pub(crate) fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    for act in ACTS {
        for meanwhile in MEANWHILE {
            all.push(Scenario::new(
                format!("{act:?}, meanwhile {meanwhile:?}"),
                move |setup| Box::pin(act_meanwhile(setup, act, meanwhile)),
            ));
        }
    }
    for meanwhile in MEANWHILE {
        all.push(Scenario::new(
            format!("{meanwhile:?}, and a key is set without a read"),
            move |setup| Box::pin(written_unread(setup, meanwhile)),
        ));
    }
    for meanwhile in [Meanwhile::Nothing, Meanwhile::BecomesText("data")] {
        all.push(Scenario::new(
            format!("a label, meanwhile {meanwhile:?}"),
            move |setup| Box::pin(labelled(setup, meanwhile)),
        ));
    }
    for record in RECORDS {
        all.push(Scenario::new(
            format!("a load that touches, of a record that {record:?}"),
            move |setup| Box::pin(hinted_load(setup, record)),
        ));
    }
    for write in [Write::Touch, Write::Update] {
        for attribute in ["idle", "ends"] {
            for has_its_own in [false, true] {
                all.push(Scenario::new(
                    format!("{write:?}, meanwhile {attribute}, with its own: {has_its_own}"),
                    move |setup| Box::pin(shortened(setup, write, attribute, has_its_own)),
                ));
            }
        }
    }
    for late in [Act::Count, Act::Clear] {
        for times in [1, 2] {
            all.push(Scenario::new(
                format!("{late:?}, whose first attempt comes late, {times} times"),
                move |setup| Box::pin(late_attempt(setup, late, times)),
            ));
        }
    }
    for end in [Act::Destroy, Act::Replace] {
        all.push(Scenario::new(
            format!("a create that comes late, after {end:?}"),
            move |setup| Box::pin(late_create_after(setup, end)),
        ));
    }
    for act in [Act::SetMany, Act::Cycle, Act::SetIfUnchanged] {
        for versioned in [true, false] {
            all.push(Scenario::new(
                format!("{act:?}, overtaken, of a record with a version: {versioned}"),
                move |setup| Box::pin(overtaken(setup, act, versioned)),
            ));
        }
    }
    for act in [Act::Count, Act::Clear] {
        all.push(Scenario::new(
            format!("{act:?}, overtaken while it is ambiguous"),
            move |setup| Box::pin(overtaken_in_doubt(setup, act)),
        ));
    }
    all.push(Scenario::new("a text is not counted", |setup| {
        Box::pin(a_text_is_not_counted(setup))
    }));
    for (list, grown) in [("list", "[1,2,3]"), ("pages", "[2,3]")] {
        all.push(Scenario::new(
            format!("{list} grows at once"),
            move |setup| Box::pin(grows_at_once(setup, list, grown)),
        ));
    }
    all.push(Scenario::new("a value in place, logged out", |setup| {
        Box::pin(in_place_and_logged_out(setup))
    }));
    all.push(Scenario::new("a value is taken once", |setup| {
        Box::pin(taken_in_between(setup))
    }));
    all.push(Scenario::new("a create that comes late", |setup| {
        Box::pin(late_create(setup))
    }));
    for (end, call) in [
        (Act::Destroy, ("PutItem", 0)),
        (Act::Replace, ("TransactWriteItems", 1)),
    ] {
        all.push(Scenario::new(
            format!("{end:?}, overtaken by a cycle, of a record with a fence"),
            move |setup| Box::pin(overtaken_end(setup, end, call)),
        ));
    }
    all.push(Scenario::new("a create that is lost", |setup| {
        Box::pin(lost_create(setup))
    }));
    all.push(Scenario::new("keys that are taken", |setup| {
        Box::pin(taken_keys(setup))
    }));
    all
}

pub(super) async fn begin(_: Request, session: Session) -> Result<String, Error> {
    session.insert("visits", 1)?;
    session.insert("list", [1])?;
    Ok(String::new())
}

pub(super) fn number(item: &Item, name: &str) -> u64 {
    item[name].as_n().unwrap().parse().unwrap()
}

pub(super) fn equal<T: PartialEq + Debug>(what: &str, found: T, wanted: T) -> Verdict {
    match found == wanted {
        true => Ok(()),
        false => Err(format!("{what}: {found:?}, not {wanted:?}")),
    }
}
