//! Converts changes into an update expression, and builds the conditions of every write, with pure
//! functions.
//!
//! 1. Every name goes through a `#` placeholder and every value through a `:` one. Keys may hold
//!    any character, and half of our attributes' names are reserved words.
//! 2. A save sets and removes only the keys that changed. Two requests that change different keys
//!    both survive, with no lock and no conflict.
//! 3. A clear replaces `data` whole, and never shares an expression with a path below it. DynamoDB
//!    refuses overlapping paths.
//! 4. Changes that do not fit in one expression (4 KB of text, 300 operators) give no expression.
//!    The caller then writes the whole of `data`, depending on the `version` that it was made from.

use std::collections::HashMap;
use std::fmt::Write as _;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::store::changes::change::Change;
use crate::store::changes::change_set::Changes;
use crate::store::data::{Data, Entry};
use crate::store::dynamodb::item::{self, FORMAT, Item, Layout};
use crate::store::record::Record;

/// The maximum length of one expression in DynamoDB, in bytes of text.
const MAX_TEXT: usize = 4 * 1024;
/// The start of an update, and the text that is added when it is sent again. The length check
/// leaves room for that text and for the version in its condition.
const SET: &str = "SET ";
const RAISE: &str = "#fence = :raised, ";
const VERSION: &str = " AND attribute_not_exists(#version)";
/// The maximum number of operators and functions in one expression. Ours are counted generously.
const MAX_OPERATORS: usize = 300;

/// An expression and the values of its placeholders.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expression {
    /// The update expression, which is empty if the write is not an update.
    pub(crate) update: String,
    pub(crate) condition: String,
    pub(crate) names: HashMap<String, String>,
    pub(crate) values: Item,
}

/// The attributes that one write sets on the record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp<'a> {
    pub(crate) now: Timestamp,
    /// The id of the write.
    pub(crate) write: &'a str,
    pub(crate) ttl: Option<Timestamp>,
    /// The label of a user's session.
    pub(crate) label: Option<&'a str>,
}

impl Layout {
    /// Returns the update for changes of single keys. `base` is the record as it was read: changes
    /// that are functions of it need it, and its fence is required. Returns `None` if the changes
    /// do not fit in one expression.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Changes::apply`].
    pub(crate) fn update(
        &self,
        changes: &Changes,
        base: Option<&Record>,
        stamp: Stamp<'_>,
    ) -> Result<Option<Expression>, Error> {
        let mut expression = self.stamped(stamp);
        expression.require_live(self, stamp.now);
        if let Some(base) = base {
            expression.require_fence(self, item::fence(base));
        }
        self.require_guards(&mut expression, changes);
        if changes.is_cleared() {
            let empty = Data::new();
            // After a clear all changes are sets, which cannot fail.
            let data = changes.without_guards().apply(&empty).unwrap_or(empty);
            expression.set_data(&data);
            return Ok(Some(expression));
        }
        let mut removed = String::new();
        let mut operators = OPERATORS_OF_A_STAMP + 2 * changes.guards().count();
        for (n, (key, change)) in changes.iter().enumerate() {
            let (path, name, value) = (format!("#data.#k{n}"), format!("#k{n}"), format!(":v{n}"));
            expression.names.insert(name, key.to_owned());
            match change {
                Change::Set(entry) => {
                    push(&mut expression.update, format_args!(", {path} = {value}"));
                    expression.values.insert(value, item::encode(entry));
                    operators += 1;
                }
                Change::Remove => {
                    let separator = if removed.is_empty() { " REMOVE" } else { "," };
                    push(&mut removed, format_args!("{separator} {path}"));
                    operators += 1;
                }
                Change::Add(by) => {
                    let sum = format_args!(", {path} = if_not_exists({path}, :zero) + {value}");
                    push(&mut expression.update, sum);
                    // For a key of another type, DynamoDB would otherwise return a
                    // ValidationException. A sum outside i64 would be stored as a value that cannot
                    // be read.
                    let fits = format_args!(
                        " AND (attribute_not_exists({path}) OR {path} BETWEEN :l{n} AND :h{n})"
                    );
                    push(&mut expression.condition, fits);
                    let (low, high) = addends(*by);
                    expression.values.insert(value, number(by));
                    expression.values.insert(format!(":l{n}"), number(low));
                    expression.values.insert(format!(":h{n}"), number(high));
                    operators += 6;
                }
                Change::Apply(apply) => {
                    let there = base.and_then(|base| base.data().get(key));
                    push(&mut expression.update, format_args!(", {path} = {value}"));
                    expression
                        .values
                        .insert(value, item::encode(&apply.run(there)?));
                    // This compares and sets one key only. Changes of other requests to other keys
                    // do not matter here.
                    match there {
                        Some(entry) => {
                            let same = format_args!(" AND {path} = :o{n}");
                            push(&mut expression.condition, same);
                            expression
                                .values
                                .insert(format!(":o{n}"), item::encode(entry));
                        }
                        None => {
                            let absent = format_args!(" AND attribute_not_exists({path})");
                            push(&mut expression.condition, absent);
                        }
                    }
                    operators += 3;
                }
            }
        }
        expression.update.push_str(&removed);
        let fits = expression.update.len() + RAISE.len() <= MAX_TEXT
            && expression.condition.len() + VERSION.len() <= MAX_TEXT
            && operators <= MAX_OPERATORS;
        Ok(fits.then_some(expression))
    }

    /// Returns the update that sets the whole of `data`. Its condition fails if the version of the
    /// record has changed since.
    pub(crate) fn whole(&self, data: &Data, version: u64, stamp: Stamp<'_>) -> Expression {
        let mut expression = self.stamped(stamp);
        expression.require_live(self, stamp.now);
        expression.require_version(self, version);
        expression.set_data(data);
        expression
    }

    /// Returns the update that extends the expiry and changes no data.
    pub(crate) fn touch(&self, ttl: Timestamp, now: Timestamp) -> Expression {
        let mut expression = Expression {
            update: "SET #ttl = :ttl, #modified = :modified".to_owned(),
            ..Expression::default()
        };
        expression.name("#modified", self.modified);
        expression.value(":modified", item::modified(now));
        expression.value(":ttl", number(ttl));
        expression.require_live(self, now);
        // Of two touches the later expiry stays, in either order.
        expression.condition.push_str(" AND #ttl < :ttl");
        expression
    }

    /// Returns the condition for the put of a new record. An id is 256 random bits, so an item that
    /// exists must not be overwritten.
    pub(crate) fn absent(&self) -> Expression {
        let mut expression = Expression {
            condition: "attribute_not_exists(#id)".to_owned(),
            ..Expression::default()
        };
        expression.name("#id", self.id);
        expression
    }

    /// Returns the condition for repeating the put of a new record. No item exists, or it is the
    /// one that an earlier attempt has put, not written since.
    pub(crate) fn absent_or_written_by(&self, write: &str) -> Expression {
        let mut expression = self.absent();
        expression.condition.push_str(" OR #write = :write");
        expression.name("#write", self.write);
        expression.value(":write", AttributeValue::S(write.to_owned()));
        expression
    }

    /// Returns the condition for the put of a redirect or tombstone over a record that was copied.
    /// The record is live, and was not written since.
    pub(crate) fn unchanged(&self, version: u64, now: Timestamp) -> Expression {
        let mut expression = Expression::default();
        expression.require_live(self, now);
        expression.require_version(self, version);
        expression
    }

    /// Returns the condition for a logout: a record of ours, expired or not.
    ///
    /// A redirect or tombstone stays, and so does an item that is not ours. A record with a fence
    /// is not deleted. An attempt to create it may still be on its way, and would succeed without
    /// the record.
    ///
    /// An absent item passes the condition too, so a logout that is refused has always met an item.
    pub(crate) fn ours_without_fence_or_absent(&self) -> Expression {
        let mut expression = Expression::default();
        expression.require_ours(self);
        expression.require("attribute_type(#ttl, :number)");
        expression.require_fence(self, 0);
        expression.name("#ttl", self.ttl);
        expression.condition = format!("attribute_not_exists(#id) OR ({})", expression.condition);
        expression.name("#id", self.id);
        expression
    }

    /// Returns the update that raises the fence and changes nothing else, if there is a record.
    pub(crate) fn raised_fence(&self) -> Expression {
        let mut expression = Expression {
            update: "SET #fence = if_not_exists(#fence, :zero) + :one".to_owned(),
            condition: "attribute_exists(#data)".to_owned(),
            ..Expression::default()
        };
        expression.name("#fence", self.fence);
        expression.name("#data", self.data);
        expression.value(":zero", number(0));
        expression.value(":one", number(1));
        expression
    }

    /// Returns the condition for the put of a tombstone in place of a record with a fence. It fails
    /// if another request has cycled or destroyed the session, because their items have no fence.
    pub(crate) fn fenced_still(&self) -> Expression {
        let mut expression = Expression {
            condition: "attribute_exists(#fence)".to_owned(),
            ..Expression::default()
        };
        expression.name("#fence", self.fence);
        expression
    }

    /// Returns the reason for which the condition of an update refused a live item.
    pub(crate) fn refusal(&self, changes: &Changes, item: &Item) -> Error {
        let stored = match item.get(self.data) {
            Some(AttributeValue::M(data)) => data.clone(),
            _ => HashMap::new(),
        };
        for (key, change) in changes.iter() {
            let Change::Add(by) = change else { continue };
            match stored.get(key) {
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
        let reason = "another request wrote the session first";
        Error::new(ErrorKind::Conflict, reason)
    }

    fn stamped(&self, stamp: Stamp<'_>) -> Expression {
        let mut expression = Expression {
            // A record without a version, which this crate never writes, counts as version 0.
            update: "SET #version = if_not_exists(#version, :zero) + :one, #write = :write, \
                     #modified = :modified"
                .to_owned(),
            ..Expression::default()
        };
        expression.name("#data", self.data);
        expression.name("#version", self.version);
        expression.name("#write", self.write);
        expression.name("#modified", self.modified);
        expression.value(":zero", number(0));
        expression.value(":one", number(1));
        expression.value(":write", AttributeValue::S(stamp.write.to_owned()));
        expression.value(":modified", item::modified(stamp.now));
        if let Some(ttl) = stamp.ttl {
            expression.update.push_str(", #ttl = :ttl");
            expression.name("#ttl", self.ttl);
            expression.value(":ttl", number(ttl));
        }
        if let Some(label) = stamp.label {
            expression.update.push_str(", #label = :label");
            expression.name("#label", self.label);
            expression.value(":label", AttributeValue::S(label.to_owned()));
        }
        expression
    }

    /// Requires that the values that were taken once are still there.
    fn require_guards(&self, expression: &mut Expression, changes: &Changes) {
        for (n, (key, entry)) in changes.guards().enumerate() {
            expression.require(&format!("#data.#g{n} = :g{n}"));
            expression.name(&format!("#g{n}"), key);
            expression.value(&format!(":g{n}"), item::encode(entry));
        }
    }
}

/// The operators for `version`, `write`, `modified`, `ttl`, and the condition of a live record.
const OPERATORS_OF_A_STAMP: usize = 20;

impl Expression {
    /// Requires a session of ours: `data` and `created` have the right type, and the format is not
    /// newer.
    fn require_ours(&mut self, layout: &Layout) {
        self.require(
            "attribute_type(#data, :map) AND attribute_type(#created, :number) \
             AND (attribute_not_exists(#format) OR #format = :format)",
        );
        self.name("#data", layout.data);
        self.name("#created", layout.created);
        self.name("#format", layout.format);
        self.value(":map", AttributeValue::S("M".to_owned()));
        self.value(":number", AttributeValue::S("N".to_owned()));
        self.value(":format", number(FORMAT));
    }

    /// Requires a live session of ours. A `ttl` of another type is never greater than a number.
    fn require_live(&mut self, layout: &Layout, now: Timestamp) {
        self.require_ours(layout);
        self.require("#ttl > :now");
        self.name("#ttl", layout.ttl);
        self.value(":now", number(now));
    }

    /// Requires that the record has not been written since that version.
    pub(crate) fn require_version(&mut self, layout: &Layout, version: u64) {
        self.name("#version", layout.version);
        if version == 0 {
            self.require("attribute_not_exists(#version)");
        } else {
            self.require("#version = :version");
            self.value(":version", number(version));
        }
    }

    /// Requires that no write has been sent again since the fence was read.
    fn require_fence(&mut self, layout: &Layout, fence: u64) {
        self.name("#fence", layout.fence);
        if fence == 0 {
            self.require("attribute_not_exists(#fence)");
        } else {
            self.require("#fence = :fence");
            self.value(":fence", number(fence));
        }
    }

    /// Extends an update that is sent again. It requires that the record was not written since it
    /// was read, and raises the fence so that the earlier attempts fail.
    pub(crate) fn repeat(&mut self, layout: &Layout, read: &Record) {
        self.require_version(layout, read.version());
        self.update.insert_str(SET.len(), RAISE);
        self.name("#fence", layout.fence);
        self.value(":raised", number(item::fence(read).saturating_add(1)));
    }

    fn require(&mut self, clause: &str) {
        if !self.condition.is_empty() {
            self.condition.push_str(" AND ");
        }
        self.condition.push_str(clause);
    }

    fn set_data(&mut self, data: &Data) {
        self.update.push_str(", #data = :data");
        self.value(":data", item::encode_all(data));
    }

    fn name(&mut self, placeholder: &str, name: &str) {
        self.names.insert(placeholder.to_owned(), name.to_owned());
    }

    fn value(&mut self, placeholder: &str, value: AttributeValue) {
        self.values.insert(placeholder.to_owned(), value);
    }
}

/// Returns the least and the greatest number to which `by` can be added within an i64.
fn addends(by: i64) -> (i64, i64) {
    (
        i64::MIN.saturating_sub(by.min(0)),
        i64::MAX.saturating_sub(by.max(0)),
    )
}

fn number(n: impl ToString) -> AttributeValue {
    AttributeValue::N(n.to_string())
}

fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(more);
}

#[cfg(test)]
mod tests;
