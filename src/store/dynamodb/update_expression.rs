//! Converts changes into an update expression, with pure functions.
//!
//! 1. A save sets and removes only the keys that changed. Two requests that change different keys
//!    both survive, with no lock and no conflict.
//! 2. A clear replaces `data` whole, and never shares an expression with a path below it. DynamoDB
//!    refuses overlapping paths.
//! 3. Changes that do not fit in one expression (4 KB of text, 300 operators) give no expression.
//!    The caller then writes the whole of `data`, depending on the `version` that it was made from.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::expiry::lifetimes::Lifetimes;
use crate::store::arguments::Touch;
use crate::store::changes::apply::Apply;
use crate::store::changes::change::Change;
use crate::store::changes::change_set::Changes;
use crate::store::data::{Data, Entry};
use crate::store::dynamodb::attribute::Item;
use crate::store::dynamodb::entry::encode;
use crate::store::dynamodb::errors::race_lost;
use crate::store::dynamodb::expression::{Expression, number, push};
use crate::store::dynamodb::item::{
    DATA, ENDS, FENCE, IDLE, LABEL, MODIFIED, PERSISTENT, TTL, UNTIL, WRITE, fence,
};
use crate::store::record::Record;

/// The maximum length of one expression in DynamoDB, in bytes of text.
const MAX_TEXT: usize = 4 * 1024;
/// The start of an update, and the text that is added when it is sent again. The length check
/// leaves room for that text and for the version in its condition.
const SET: &str = "ADD version :i SET ";
const RAISE: &str = "fence=:r,";
const VERSION_CLAUSE: &str = " AND attribute_not_exists(version)";
/// The maximum number of operators and functions in one expression. Ours are counted generously.
const MAX_OPERATORS: usize = 300;
/// The operators for `version`, `write`, `modified`, `ttl`, and the condition of a live record.
const OPERATORS_OF_A_STAMP: usize = 20;
/// The operators that set the lifetimes.
const OPERATORS_OF_LIFETIMES: usize = 10;

/// The attributes that one write sets on the record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp<'a> {
    pub(super) now: Timestamp,
    /// The id of the write.
    pub(super) write: &'a str,
    pub(super) ttl: Option<Timestamp>,
    /// The label of a user's session.
    pub(super) label: Option<&'a str>,
    pub(super) lifetimes: Lifetimes,
}

/// Returns the update for changes of single keys. `base` is the record as it was read: changes that
/// are functions of it need it, and its fence is required. Returns `None` if the changes do not fit
/// in one expression.
///
/// # Errors
///
/// Returns the errors of [`Changes::apply`].
pub(super) fn by_key(
    changes: &Changes,
    base: Option<&Record>,
    stamp: Stamp<'_>,
) -> Result<Option<Expression>, Error> {
    let mut expression = stamped(stamp);
    require_ours(&mut expression, base, changes);
    expression.require_unexpired(stamp.now);
    if let Some(base) = base {
        expression.require_fence(fence(base));
        if stamp.ttl.is_some() {
            expression.require_lifetimes(base.lifetimes(), stamp.lifetimes);
        }
    }
    require_guards(&mut expression, changes);
    if changes.is_cleared() {
        let empty = Data::new();
        // After a clear all changes are sets, which cannot fail.
        let data = changes.without_guards().apply(&empty).unwrap_or(empty);
        set_data(&mut expression, &data);
        return Ok(Some(expression));
    }
    let mut removed = String::new();
    let mut operators = OPERATORS_OF_A_STAMP + 2 * changes.guards().count();
    if !stamp.lifetimes.is_empty() {
        operators += OPERATORS_OF_LIFETIMES;
    }
    for (n, (key, change)) in changes.iter().enumerate() {
        expression.attribute(&DATA);
        expression.name(&format!("#{n}"), key);
        operators += match change {
            Change::Set(entry) => set(&mut expression, n, entry),
            Change::Remove => remove(&mut removed, n),
            Change::Add(by) => add(&mut expression, n, *by),
            Change::Apply(function) => {
                let there = base.and_then(|base| base.data().get(key));
                apply(&mut expression, n, function, there)?
            }
        };
    }
    expression.update.push_str(&removed);
    let fits = expression.update.len() + RAISE.len() <= MAX_TEXT
        && expression.condition.len() + VERSION_CLAUSE.len() <= MAX_TEXT
        && operators <= MAX_OPERATORS;
    Ok(fits.then_some(expression))
}

/// Sets the key number `n`, and returns the number of operators.
fn set(expression: &mut Expression, n: usize, entry: &Entry) -> usize {
    push(&mut expression.update, format_args!(",#d.#{n}=:{n}"));
    expression.value(&format!(":{n}"), encode(entry));
    1
}

/// Removes the key number `n`, and returns the number of operators.
fn remove(removed: &mut String, n: usize) -> usize {
    let separator = if removed.is_empty() { " REMOVE " } else { "," };
    push(removed, format_args!("{separator}#d.#{n}"));
    1
}

/// Increments the key number `n`, and returns the number of operators.
///
/// For a key of another type, DynamoDB would return a `ValidationException`. A sum outside `i64`
/// would be stored as a value that cannot be read. The condition excludes both.
fn add(expression: &mut Expression, n: usize, by: i64) -> usize {
    let path = format!("#d.#{n}");
    let sum = format_args!(",{path}=if_not_exists({path},:z)+:{n}");
    push(&mut expression.update, sum);
    expression.require(&format!(
        "(attribute_not_exists({path}) OR {path} BETWEEN :l{n} AND :h{n})"
    ));
    let (low, high) = addends(by);
    expression.value(":z", number(0));
    expression.value(&format!(":{n}"), number(by));
    expression.value(&format!(":l{n}"), number(low));
    expression.value(&format!(":h{n}"), number(high));
    6
}

/// Sets the key number `n` to a function of its value, and returns the number of operators.
///
/// The write compares and sets this key only. Changes of other requests to other keys do not matter.
fn apply(
    expression: &mut Expression,
    n: usize,
    function: &Apply,
    there: Option<&Entry>,
) -> Result<usize, Error> {
    set(expression, n, &function.run(there)?);
    match there {
        Some(entry) => {
            expression.require(&format!("#d.#{n}=:o{n}"));
            expression.value(&format!(":o{n}"), encode(entry));
        }
        None => expression.require(&format!("attribute_not_exists(#d.#{n})")),
    }
    Ok(3)
}

/// Returns the update that sets the whole of `data`. Its condition fails if the version of the
/// record has changed since.
pub(super) fn whole(data: &Data, version: u64, stamp: Stamp<'_>) -> Expression {
    let mut expression = stamped(stamp);
    expression.require_live(stamp.now);
    expression.require_version(version);
    set_data(&mut expression, data);
    expression
}

/// Returns the update that extends the expiry and changes no data.
pub(super) fn touch(ttl: Timestamp, now: Timestamp) -> Expression {
    let mut expression = extended(ttl, now);
    expression.require_live(now);
    // Of two touches the later expiry stays, in either order.
    expression.require("#t<:t");
    expression.require_lifetimes_until(ttl, now);
    expression
}

/// Returns the update that extends the expiry if the touch applies to the record, as
/// [`Touch::applies`] decides.
pub(super) fn touch_if_due(touch: &Touch, now: Timestamp) -> Expression {
    let mut expression = extended(touch.ttl, now);
    expression.require_ours_since(touch.earliest_created);
    expression.require_unexpired(now);
    expression.require("#t<=:x");
    expression.value(":x", TTL.stored(&touch.latest_ttl));
    expression.require("NOT #u<:t");
    expression.attribute(&UNTIL);
    expression.require_no_lifetimes();
    expression
}

/// Returns the update that sets the expiry, without a condition.
fn extended(ttl: Timestamp, now: Timestamp) -> Expression {
    let mut expression = Expression::update("SET #t=:t,modified=:m");
    expression.value(":m", MODIFIED.stored(&now));
    expression.value(":t", TTL.stored(&ttl));
    expression
}

/// Returns the update that raises the fence and changes nothing else, if there is a record.
pub(super) fn raised_fence() -> Expression {
    let mut expression = Expression::update("ADD fence :i");
    expression.require("attribute_exists(#d)");
    expression.attribute(&DATA);
    expression.value(":i", number(1));
    expression
}

/// Extends an update that is sent again. It requires that the record was not written since it was
/// read, and raises the fence so that the earlier attempts fail.
pub(super) fn repeat(expression: &mut Expression, read: &Record) {
    expression.require_version(read.version());
    expression.update.insert_str(SET.len(), RAISE);
    let raised = fence(read).saturating_add(1);
    expression.value(":r", FENCE.stored(&raised));
}

/// Returns the reason for which the condition of an update refused a live item.
pub(super) fn refusal(changes: &Changes, item: &Item) -> Error {
    let stored = item.get(DATA.name()).and_then(|data| data.as_m().ok());
    for (key, change) in changes.iter() {
        let Change::Add(by) = change else { continue };
        match stored.and_then(|stored| stored.get(key)) {
            None => {}
            Some(AttributeValue::N(n)) => {
                let there = Data::from_iter([(key, Entry::from_json(n.as_str()))]);
                let mut counted = Changes::default();
                if let Err(error) = counted.add(Some(&there), key, *by) {
                    return error;
                }
            }
            Some(_) => {
                let reason = "only a number can be incremented";
                return Error::new(ErrorKind::Deserialize, reason);
            }
        }
    }
    race_lost()
}

fn stamped(stamp: Stamp<'_>) -> Expression {
    // A record without a version, which this crate never writes, counts as version 0.
    let mut expression = Expression::update(SET);
    expression.update.push_str("#w=:w,modified=:m");
    expression.attribute(&WRITE);
    expression.value(":i", number(1));
    expression.value(":w", WRITE.stored(&stamp.write.to_owned()));
    expression.value(":m", MODIFIED.stored(&stamp.now));
    if let Some(ttl) = stamp.ttl {
        expression.update.push_str(",#t=:t");
        expression.attribute(&TTL);
        expression.value(":t", TTL.stored(&ttl));
    }
    if let Some(label) = stamp.label {
        expression.update.push_str(",label=:a");
        expression.value(":a", LABEL.stored(&label.to_owned()));
    }
    let Lifetimes {
        idle,
        ends,
        persistent,
    } = stamp.lifetimes;
    if let Some(idle) = idle {
        expression.update.push_str(",idle=:j");
        expression.value(":j", IDLE.stored(&idle));
    }
    if let Some(end) = ends {
        expression.update.push_str(",ends=:k");
        expression.value(":k", ENDS.stored(&end));
    }
    if let Some(persistent) = persistent {
        expression.update.push_str(",persistent=:b");
        expression.value(":b", PERSISTENT.stored(&persistent));
    }
    expression
}

/// Requires a session of ours, of which `base` was read.
///
/// If a key is changed, the condition does not check that `data` is a map. DynamoDB refuses a path
/// below anything else, and [`update`](super::update) then reads the item to find the reason.
fn require_ours(expression: &mut Expression, base: Option<&Record>, changes: &Changes) {
    if changes.is_cleared() || changes.iter().next().is_none() {
        expression.require_map();
    }
    match base {
        // Any lower number reads as 0.
        Some(base) if base.created().epoch_seconds() > 0 => expression.require_same_form(),
        _ => expression.require_form(),
    }
}

/// Requires that the values that were removed and returned by `take` are still there.
fn require_guards(expression: &mut Expression, changes: &Changes) {
    for (n, (key, entry)) in changes.guards().enumerate() {
        expression.require(&format!("#d.#g{n}=:g{n}"));
        expression.attribute(&DATA);
        expression.name(&format!("#g{n}"), key);
        expression.value(&format!(":g{n}"), encode(entry));
    }
}

fn set_data(expression: &mut Expression, data: &Data) {
    expression.update.push_str(",#d=:d");
    expression.attribute(&DATA);
    expression.value(":d", DATA.stored(data));
}

/// Returns the least and the greatest number to which `by` can be added within an i64.
fn addends(by: i64) -> (i64, i64) {
    (
        i64::MIN.saturating_sub(by.min(0)),
        i64::MAX.saturating_sub(by.max(0)),
    )
}

#[cfg(test)]
mod tests;
