//! The expressions of a request to DynamoDB: their text, and the values of their placeholders.
//!
//! 1. Every name goes through a `#` placeholder and every value through a `:` one. Keys may hold
//!    any character, and half of our attributes' names are reserved words.
//! 2. The placeholder of an attribute is its name. It is defined with the clause that uses it,
//!    because DynamoDB refuses a placeholder that is not used.
//! 3. The clauses that several writes require are defined here, each in one place.

use std::collections::HashMap;
use std::fmt::{Arguments, Write as _};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::clock::Timestamp;
use crate::store::dynamodb::attribute::{Attribute, Item};
use crate::store::dynamodb::item::{CREATED, CURRENT_FORMAT, DATA, FENCE, FORMAT, TTL, VERSION};

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
        self.require_ours_with("attribute_type(#created, :number)");
        self.value(":number", AttributeValue::S("N".to_owned()));
    }

    /// Requires a session of ours that began at this time or later. A `created` of another type is
    /// never greater than a number.
    pub(super) fn require_ours_since(&mut self, earliest: Timestamp) {
        self.require_ours_with("#created >= :earliest");
        self.value(":earliest", CREATED.stored(&earliest));
    }

    fn require_ours_with(&mut self, created: &str) {
        self.require(&format!(
            "attribute_type(#data, :map) AND {created} \
             AND (attribute_not_exists(#format) OR #format = :format)"
        ));
        self.attribute(&DATA);
        self.attribute(&CREATED);
        self.attribute(&FORMAT);
        self.value(":map", AttributeValue::S("M".to_owned()));
        self.value(":format", FORMAT.stored(&CURRENT_FORMAT));
    }

    /// Requires a live session of ours.
    pub(super) fn require_live(&mut self, now: Timestamp) {
        self.require_ours();
        self.require_not_expired(now);
    }

    /// Requires that the session has not expired. A `ttl` of another type is never greater than a
    /// number.
    pub(super) fn require_not_expired(&mut self, now: Timestamp) {
        self.require("#ttl > :now");
        self.attribute(&TTL);
        self.value(":now", TTL.stored(&now));
    }

    /// Requires that the record has not been written since that version.
    pub(super) fn require_version(&mut self, version: u64) {
        self.attribute(&VERSION);
        if version == 0 {
            self.require("attribute_not_exists(#version)");
        } else {
            self.require("#version = :version");
            self.value(":version", VERSION.stored(&version));
        }
    }

    /// Requires that no write has been sent again since the fence was read.
    pub(super) fn require_fence(&mut self, fence: u64) {
        self.attribute(&FENCE);
        if fence == 0 {
            self.require("attribute_not_exists(#fence)");
        } else {
            self.require("#fence = :fence");
            self.value(":fence", FENCE.stored(&fence));
        }
    }

    /// Defines the placeholder of an attribute.
    pub(super) fn attribute<T>(&mut self, attribute: &Attribute<T>) {
        self.name(&format!("#{}", attribute.name()), attribute.name());
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
