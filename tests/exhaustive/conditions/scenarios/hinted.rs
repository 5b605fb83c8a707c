//! A request whose hint says that a touch is due, and what its load finds instead.

use aws_sdk_dynamodb::types::AttributeValue;

use super::{Verdict, begin, equal};
use crate::support::{Setup, days, minutes, peek};

/// The record that the load finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    IsDue,
    /// The attribute `fmt` is there, with the value that an absent one stands for.
    SaysFormat,
    /// The record is bound to a user for longer than the touch lasts.
    IsBound,
    /// The binding to a user ends before the new expiry.
    EndsWithItsBinding,
    /// The lifetime ends before the new expiry.
    BeganLongAgo,
    WasTouched,
    HasExpired,
    /// A lifetime of its own ends before the new expiry.
    HasItsOwn(&'static str),
    IsText(&'static str),
    IsOfANewerFormat,
}

pub(super) const RECORDS: [Record; 13] = [
    Record::IsDue,
    Record::SaysFormat,
    Record::IsBound,
    Record::EndsWithItsBinding,
    Record::BeganLongAgo,
    Record::WasTouched,
    Record::HasExpired,
    Record::HasItsOwn("idle"),
    Record::HasItsOwn("ends"),
    Record::IsText("data"),
    Record::IsText("created"),
    Record::IsText("ttl"),
    Record::IsOfANewerFormat,
];

pub(super) async fn hinted_load(setup: &Setup, record: Record) -> Verdict {
    let mut ada = setup.guest(begin).await;
    setup.clock.advance(minutes(61));
    let now = setup.clock.seconds();
    let number = |n: u64| AttributeValue::N(n.to_string());
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let until = |days_left| {
        vec![
            ("user", text("_e5DDUC9V97qwYbNl5ADPQ8G-QmogG585ucXq3x9UCk")),
            ("handle", text("a-handle")),
            ("until", number(now + days(days_left).as_secs())),
        ]
    };
    let attributes = match record {
        Record::IsDue => Vec::new(),
        Record::SaysFormat => vec![("fmt", number(1))],
        Record::IsBound => until(15),
        Record::EndsWithItsBinding => until(10),
        Record::BeganLongAgo => vec![("created", number(now - days(80).as_secs()))],
        Record::WasTouched => vec![("ttl", number(now + days(60).as_secs()))],
        Record::HasExpired => vec![("ttl", number(now))],
        Record::HasItsOwn("idle") => vec![("idle", number(days(10).as_secs()))],
        Record::HasItsOwn(name) => vec![(name, number(now + days(10).as_secs()))],
        // In a comparison, a text is greater than any number.
        Record::IsText(name) => vec![(name, text("~"))],
        Record::IsOfANewerFormat => vec![("fmt", number(2))],
    };
    let mut before = setup.table.item().await;
    before.extend(attributes.into_iter().map(|(name, it)| (name.into(), it)));
    setup.table.put(before.clone()).await;
    let reply = ada.visit(&setup.sessions, peek).await;
    let (status, is_touched) = match record {
        Record::IsDue | Record::SaysFormat | Record::IsBound => (200, true),
        Record::IsOfANewerFormat => (503, false),
        _ => (200, false),
    };
    equal("the status", reply.status, status)?;
    let mut after = setup.table.item().await;
    if is_touched {
        let expected = number(now + days(14).as_secs());
        equal("the expiry", after["ttl"].clone(), expected)?;
        for name in ["ttl", "modified"] {
            after.insert(name.into(), before[name].clone());
        }
    }
    equal("what is left", after, before)?;
    equal("the calls", setup.proxy.calls(), vec!["UpdateItem".into()])
}
