//! A request, and what happens to its record between its read and its write.

use std::fmt::Debug;
use std::sync::Mutex;

use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::Request;
use lambda_sessions::Session;

use super::{Verdict, begin, equal};
use crate::support::{Item, Setup, days, minutes};

/// A step of a handler with its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Set,
    Remove,
    SetIfUnchanged,
    SetMany,
    Count,
    CountNew,
    Push,
    PushNew,
    Clear,
    Touch,
    Cycle,
    Replace,
    Destroy,
}

pub(super) const ACTS: [Act; 12] = [
    Act::Set,
    Act::Remove,
    Act::SetMany,
    Act::Count,
    Act::CountNew,
    Act::Push,
    Act::PushNew,
    Act::Clear,
    Act::Touch,
    Act::Cycle,
    Act::Replace,
    Act::Destroy,
];

impl Act {
    /// Returns whether DynamoDB finds no map for the keys that the update names, and not a failed
    /// condition, if `data` is a text.
    fn needs_the_map(self) -> bool {
        matches!(
            self,
            Self::Set | Self::Remove | Self::Count | Self::CountNew | Self::PushNew
        )
    }

    pub(super) fn perform(self, session: &Session) -> Result<(), lambda_sessions::Error> {
        let push = |list: &mut Vec<u32>| list.push(2);
        match self {
            Self::Set => session.insert("name", "ada")?,
            Self::Remove => session.remove("list")?,
            Self::SetIfUnchanged => {
                session.require_unchanged()?;
                session.insert("name", "ada")?;
            }
            Self::SetMany => {
                for n in 0..300 {
                    session.insert(format!("key-{n}"), n)?;
                }
            }
            Self::Count => drop(session.increment("visits", 1)?),
            Self::CountNew => drop(session.increment("hits", 1)?),
            Self::Push => session.update("list", push)?,
            Self::PushNew => session.update("pages", push)?,
            Self::Clear => session.clear()?,
            Self::Touch => {}
            Self::Cycle => session.cycle_id()?,
            Self::Replace => {
                session.destroy()?;
                session.insert("name", "ada")?;
            }
            Self::Destroy => session.destroy()?,
        }
        Ok(())
    }
}

/// A change of the record between a request's read and its write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meanwhile {
    Nothing,
    /// It gets the attribute `fmt` with the value that an absent one stands for.
    SaysFormat,
    LosesItsVersion,
    LosesItsWrite,
    BecomesText(&'static str),
    IsOfANewerFormat,
    Expires,
    IsTouched,
    IsCycled,
    IsDeleted,
}

pub(super) const MEANWHILE: [Meanwhile; 12] = [
    Meanwhile::Nothing,
    Meanwhile::SaysFormat,
    Meanwhile::LosesItsVersion,
    Meanwhile::LosesItsWrite,
    Meanwhile::BecomesText("data"),
    Meanwhile::BecomesText("created"),
    Meanwhile::BecomesText("ttl"),
    Meanwhile::IsOfANewerFormat,
    Meanwhile::Expires,
    Meanwhile::IsTouched,
    Meanwhile::IsCycled,
    Meanwhile::IsDeleted,
];

impl Meanwhile {
    pub(super) async fn happens(self, setup: &Setup) {
        let table = &setup.table;
        let mut item = table.item().await;
        let number = |n: u64| AttributeValue::N(n.to_string());
        let now = setup.clock.seconds();
        match self {
            Self::Nothing => return,
            Self::SaysFormat => drop(item.insert("fmt".into(), number(1))),
            Self::LosesItsVersion => drop(item.remove("version")),
            Self::LosesItsWrite => drop(item.remove("write")),
            Self::BecomesText(name) => {
                // In a comparison a text is greater than any number.
                item.insert(name.into(), AttributeValue::S("~".into()));
            }
            Self::IsOfANewerFormat => drop(item.insert("fmt".into(), number(2))),
            Self::Expires => drop(item.insert("ttl".into(), number(now))),
            Self::IsTouched => {
                item.insert("ttl".into(), number(now + days(60).as_secs()));
            }
            Self::IsCycled => {
                item.retain(|name, _| name == "id");
                item.insert("ttl".into(), number(now + 120));
                item.insert("retired".into(), AttributeValue::Bool(true));
            }
            Self::IsDeleted => return table.delete(&item["id"]).await,
        }
        table.put(item).await;
    }
}

/// The contents of the table after the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    /// The item is unchanged.
    Unchanged,
    /// One record is there under the same id, and was written once.
    Written,
    /// A tombstone is there, and the record under another id.
    Cycled,
    /// Only a record under another id is there.
    Other,
    /// The item is unchanged, and a record under another id is there.
    Both,
}

/// Returns the expected status of the response and the expected contents of the table.
fn expected(act: Act, meanwhile: Meanwhile) -> (u64, Left) {
    use Act::{Cycle, Destroy, Replace, Touch};
    use Meanwhile::{
        BecomesText, Expires, IsCycled, IsDeleted, IsOfANewerFormat, IsTouched, LosesItsVersion,
        LosesItsWrite, Nothing, SaysFormat,
    };
    match (meanwhile, act) {
        (IsTouched, Touch) => (200, Left::Unchanged),
        (Nothing | SaysFormat | LosesItsVersion | LosesItsWrite | IsTouched, act) => match act {
            Cycle => (200, Left::Cycled),
            Replace => (200, Left::Other),
            Destroy => (200, Left::Nothing),
            _ => (200, Left::Written),
        },
        // A touch that loses its race changes nothing else.
        (IsDeleted, Touch) => (200, Left::Nothing),
        (_, Touch) => (200, Left::Unchanged),
        (IsOfANewerFormat, _) => (503, Left::Unchanged),
        // It is treated like a request with a dead id.
        (IsCycled, Cycle) => (200, Left::Unchanged),
        (IsCycled, _) => (409, Left::Unchanged),
        (BecomesText(_), Destroy) => (200, Left::Unchanged),
        (BecomesText(_), Replace) => (200, Left::Both),
        (IsDeleted | Expires, Destroy) => (200, Left::Nothing),
        (IsDeleted | Expires, Replace) => (200, Left::Other),
        (IsDeleted, _) => (409, Left::Nothing),
        (BecomesText(_) | Expires, _) => (409, Left::Unchanged),
    }
}

pub(super) async fn act_meanwhile(setup: &Setup, act: Act, meanwhile: Meanwhile) -> Verdict {
    let mut ada = setup.guest(begin).await;
    if act == Act::Touch {
        setup.clock.advance(minutes(61));
        ada.forget_hints();
    }
    let before = &Mutex::new(Vec::new());
    let handler = |_: Request, session: Session| async move {
        meanwhile.happens(setup).await;
        let items = setup.table.items().await;
        *before.lock().unwrap() = items;
        act.perform(&session)?;
        Ok("")
    };
    let reply = ada.visit(&setup.sessions, handler).await;
    let calls = setup.proxy.calls();
    let before = before.lock().unwrap().clone();
    let after = setup.table.items().await;
    let (status, left) = expected(act, meanwhile);
    equal("the status", reply.status, status)?;
    equal("what is left", left_of(&before, &after), left)?;
    // One read and one write suffice in all other cases.
    let exceptions = match (act, meanwhile) {
        // DynamoDB refuses a path below a text. It does not return the item then.
        (act, Meanwhile::BecomesText("data")) if act.needs_the_map() => true,
        (Act::SetMany | Act::Cycle, Meanwhile::LosesItsVersion)
        | (Act::Replace, Meanwhile::BecomesText(_)) => true,
        // If the item is gone, a failed condition returns no item. Some DynamoDBs never return one,
        // so the store reads again. A deletion does not depend on the answer.
        (act, Meanwhile::IsDeleted) => !matches!(act, Act::Destroy | Act::Replace),
        _ => false,
    };
    equal("two calls", calls.len() == 2, !exceptions)
}

pub(super) fn left_of(before: &[Item], after: &[Item]) -> Left {
    let id = |item: &Item| item["id"].clone();
    let is_tombstone = |item: &Item| item.contains_key("retired");
    let old = before.first();
    let same = after.iter().find(|item| old.map(id) == Some(id(item)));
    let other = after.iter().find(|item| old.map(id) != Some(id(item)));
    match (same, other) {
        (None, None) => Left::Nothing,
        (None, Some(_)) => Left::Other,
        (Some(same), None) if Some(same) == old => Left::Unchanged,
        (Some(_), None) => Left::Written,
        (Some(same), Some(_)) if Some(same) == old => Left::Both,
        (Some(same), Some(_)) if is_tombstone(same) => Left::Cycled,
        _ => panic!("what is left is nothing known: {after:?}"),
    }
}
