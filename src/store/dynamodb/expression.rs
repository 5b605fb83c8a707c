//! The expressions of a request to DynamoDB: their text, and the values of their placeholders.
//!
//! 1. Every value and every key of a session goes through a placeholder, because a key may hold any
//!    character. An attribute is written by its name, unless that is a reserved word.
//! 2. Texts are short, because each request is hashed for its signature. A placeholder has one or
//!    two characters, and there are no spaces where DynamoDB needs none.
//! 3. A placeholder is defined with the clause that uses it. DynamoDB refuses one that is not used.
//! 4. The clauses that several writes require are defined here, each in one place.
//!
//! | Placeholder | Meaning |
//! |---|---|
//! | `#d`, `#t`, `#w`, `#u` | `data`, `ttl`, `write`, `until`: see `attributes!` in [`item`](super::item) |
//! | `#0`, `#1`, .. | the keys that change, in order |
//! | `:0`, `:1`, .. | the value to set, or the number to add, of the same key |
//! | `:o0`, .. | the old value of a key, on which its new value depends |
//! | `:l0` and `:h0`, .. | the least and the greatest number that an increment of a key accepts |
//! | `#g0` and `:g0`, .. | the keys and values that only one request may take |
//! | `:i`, `:z` | the numbers 1 and 0 |
//! | `:p`, `:c` | the types of `data` (a map) and `created` (a number) |
//! | `:n` | the time of the write, to which `ttl` is compared |
//! | `:e`, `:x` | the earliest `created` and the latest `ttl` of a record that a load touches |
//! | `:d`, `:t`, `:m`, `:w`, `:a` | the new `data`, `ttl`, `modified`, `write` and `label` |
//! | `:j`, `:k`, `:b` | the new `idle`, `ends` and `persistent`; in a touch, `:j` is the time by which it extends |
//! | `:oj`, `:ok` | the `idle` and `ends` that were read |
//! | `:v`, `:f`, `:r` | the `version` and the `fence` that were read, and the raised fence |
//!
//! A comparison with an attribute that is absent or of another type is false, so `NOT x>=:i` also
//! holds without `x`.

use std::collections::HashMap;
use std::fmt::{Arguments, Write as _};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::clock::Timestamp;
use crate::expiry::lifetimes::Lifetimes;
use crate::store::dynamodb::attribute::{Attribute, Item};
use crate::store::dynamodb::item::{
    CREATED, CURRENT_FORMAT, DATA, ENDS, FENCE, FORMAT, IDLE, TTL, VERSION,
};

/// An expression and the values of its placeholders.
#[derive(Clone, Debug, Default)]
pub(super) struct Expression {
    /// The update expression, which is empty if the write is not an update.
    pub(super) update: String,
    pub(super) condition: String,
    pub(super) names: HashMap<String, String>,
    pub(super) values: Item,
}

impl Expression {
    /// Creates the expression of a write that is not an update.
    pub(super) fn condition(text: &str) -> Self {
        Self {
            condition: text.to_owned(),
            ..Self::default()
        }
    }

    /// Creates the expression of an update without a condition.
    pub(super) fn update(text: &str) -> Self {
        Self {
            update: text.to_owned(),
            ..Self::default()
        }
    }

    /// Adds a clause to the condition.
    pub(super) fn require(&mut self, clause: &str) {
        if !self.condition.is_empty() {
            self.condition.push_str(" AND ");
        }
        self.condition.push_str(clause);
    }

    /// Requires a session of ours: `data` and `created` have the right type, and the format is not
    /// newer.
    pub(super) fn require_ours(&mut self) {
        self.require_map();
        self.require_form();
    }

    /// Requires that `data` is a map.
    pub(super) fn require_map(&mut self) {
        self.require("attribute_type(#d,:p)");
        self.attribute(&DATA);
        self.value(":p", AttributeValue::S("M".to_owned()));
    }

    /// Requires that `created` is a number, and that the format is known.
    pub(super) fn require_form(&mut self) {
        self.require("attribute_type(created,:c) AND (attribute_not_exists(fmt) OR fmt=:i)");
        self.value(":c", AttributeValue::S("N".to_owned()));
        self.value(":i", FORMAT.stored(&CURRENT_FORMAT));
    }

    /// Requires a session of ours that began at this time or later. A `created` of another type is
    /// never greater than a number.
    pub(super) fn require_ours_since(&mut self, earliest: Timestamp) {
        self.require_map();
        self.require("created>=:e AND (attribute_not_exists(fmt) OR fmt=:i)");
        self.value(":e", CREATED.stored(&earliest));
        self.value(":i", FORMAT.stored(&CURRENT_FORMAT));
    }

    /// Requires the same of a record that was read with a `created` of at least 1, in fewer words.
    ///
    /// It has had this form, so it can only have lost it. A redirect and a tombstone have no
    /// `created`, and a newer version of the library may have written a newer format.
    pub(super) fn require_same_form(&mut self) {
        self.require("created>=:i AND NOT fmt>:i");
        self.value(":i", FORMAT.stored(&CURRENT_FORMAT));
    }

    /// Requires that the session has not expired. A `ttl` of another type is never greater than a
    /// number.
    pub(super) fn require_unexpired(&mut self, now: Timestamp) {
        self.require("#t>:n");
        self.attribute(&TTL);
        self.value(":n", TTL.stored(&now));
    }

    /// Requires a live session of ours.
    pub(super) fn require_live(&mut self, now: Timestamp) {
        self.require_ours();
        self.require_unexpired(now);
    }

    /// Requires that the record has not been written since that version.
    pub(super) fn require_version(&mut self, version: u64) {
        if version == 0 {
            self.require("attribute_not_exists(version)");
        } else {
            self.require("version=:v");
            self.value(":v", VERSION.stored(&version));
        }
    }

    /// Requires that no write has been sent again since the fence was read.
    pub(super) fn require_fence(&mut self, fence: u64) {
        if fence == 0 {
            self.require("NOT fence>=:i");
            self.value(":i", number(1));
        } else {
            self.require("fence=:f");
            self.value(":f", FENCE.stored(&fence));
        }
    }

    /// Requires that the session has no idle timeout and no end of its own.
    pub(super) fn require_no_lifetimes(&mut self) {
        self.require("NOT idle>=:i AND NOT ends>=:i");
        self.value(":i", number(1));
    }

    /// Requires the idle timeout and the end that were read, except for those that the write sets. The
    /// new expiry was computed from them.
    pub(super) fn require_lifetimes(&mut self, read: Lifetimes, set: Lifetimes) {
        match (set.idle, read.idle) {
            (Some(_), _) => {}
            (None, None) => self.require("NOT idle>=:i"),
            (None, Some(idle)) => {
                self.require("idle=:oj");
                self.value(":oj", IDLE.stored(&idle));
            }
        }
        match (set.ends, read.ends) {
            (Some(_), _) => {}
            (None, None) => self.require("NOT ends>=:i"),
            (None, Some(end)) => {
                self.require("ends=:ok");
                self.value(":ok", ENDS.stored(&end));
            }
        }
        self.value(":i", number(1));
    }

    /// Requires that the lifetimes of the session allow this expiry, as [`Lifetimes::allow`] decides.
    /// The placeholder `:t` is the expiry.
    pub(super) fn require_lifetimes_until(&mut self, ttl: Timestamp, now: Timestamp) {
        self.require("NOT idle<:j AND NOT ends<:t");
        self.value(":j", IDLE.stored(&ttl.seconds_since(now)));
    }

    /// Defines the placeholder of an attribute whose name is a reserved word.
    pub(super) fn attribute<T>(&mut self, attribute: &Attribute<T>) {
        if let Some(placeholder) = attribute.placeholder() {
            self.name(placeholder, attribute.name());
        }
    }

    /// Defines the placeholder of a name.
    pub(super) fn name(&mut self, placeholder: &str, name: &str) {
        self.names.insert(placeholder.to_owned(), name.to_owned());
    }

    /// Defines the placeholder of a value.
    pub(super) fn value(&mut self, placeholder: &str, value: AttributeValue) {
        self.values.insert(placeholder.to_owned(), value);
    }
}

/// Returns a number as it is stored.
pub(super) fn number(n: impl ToString) -> AttributeValue {
    AttributeValue::N(n.to_string())
}

/// Appends formatted text.
pub(super) fn push(text: &mut String, more: Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(more);
}
