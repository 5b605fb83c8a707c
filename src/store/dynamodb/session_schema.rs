//! The names of the session table in requests and items, with pure functions.
//!
//! 1. The names of the library and those of the table are exchanged, and not only replaced. If
//!    another attribute is the TTL attribute of the table, an attribute `ttl` belongs to another
//!    program. Here it has the name of the TTL attribute instead. So it is an unknown attribute,
//!    which is kept.
//! 2. The sort key is no attribute of a record. It is added to what is sent, and taken from what
//!    comes back.

use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::id::StorageKey;
use crate::store::dynamodb::attribute::Item;
use crate::store::dynamodb::condition::NO_ITEM;
use crate::store::dynamodb::expression::Expression;
use crate::store::dynamodb::item::{ID, NAMES, TTL, primary_key};
use crate::store::dynamodb::schema::{Names, TableSchema, cut, invalid};

/// The placeholder of the partition key in a condition that is not on the default schema.
const PARTITION_KEY: &str = "#k";

/// The names of the session table.
#[derive(Clone, Debug, Default)]
pub(super) struct SessionSchema(Option<Arc<Names>>);

impl SessionSchema {
    /// Checks the names.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if they are invalid.
    pub(super) fn new(schema: TableSchema) -> Result<Self, Error> {
        if schema == TableSchema::default() {
            return Ok(Self(None));
        }
        let is_taken =
            |name: &str| NAMES.contains(&name) && ![ID.name(), TTL.name()].contains(&name);
        let names = Names::new(schema, ID.name(), None, is_taken)?;
        // The names are exchanged in pairs.
        if names.partition_key == TTL.name() || names.ttl == ID.name() {
            let reason = "the partition key must not be `ttl`, and the TTL attribute not `id`";
            return Err(invalid(reason.to_owned()));
        }
        if names.sort_key.as_ref().is_some_and(|(_, it)| it.is_empty()) {
            let reason = "the sort key of the session table has no value";
            return Err(invalid(reason.to_owned()));
        }
        Ok(Self(Some(names.into())))
    }

    /// Returns the names, if they are not the default ones.
    pub(super) fn names(&self) -> Option<&Names> {
        self.0.as_deref()
    }

    /// Returns the key of an item, as a request names it.
    pub(super) fn key(&self, key: &StorageKey) -> Item {
        self.stored(primary_key(key))
    }

    /// Returns an item, or a part of one, with the names of the table.
    pub(super) fn stored(&self, item: Item) -> Item {
        let Some(names) = &self.0 else { return item };
        let mut stored: Item = item
            .into_iter()
            .map(|(name, value)| match name == ID.name() {
                true => (names.partition_key.clone(), names.prefixed(value)),
                false => (exchange(names, &name).to_owned(), value),
            })
            .collect();
        if let Some((name, value)) = &names.sort_key {
            stored.insert(name.clone(), AttributeValue::S(value.clone()));
        }
        stored
    }

    /// Returns an item of the table with the library's names.
    pub(super) fn read(&self, mut item: Item) -> Item {
        let Some(names) = &self.0 else { return item };
        if let Some((name, _)) = &names.sort_key {
            item.remove(name);
        }
        item.into_iter()
            .map(|(name, value)| match name == names.partition_key {
                true => (ID.name().to_owned(), cut(&names.prefix, value)),
                false => (exchange(names, &name).to_owned(), value),
            })
            .collect()
    }

    /// Returns an expression with the names of the table.
    pub(super) fn expression(&self, mut expression: Expression) -> Expression {
        let Some(names) = &self.0 else {
            return expression;
        };
        if names.partition_key != ID.name() && expression.condition.contains(NO_ITEM) {
            let no_item = format!("attribute_not_exists({PARTITION_KEY})");
            expression.condition = expression.condition.replace(NO_ITEM, &no_item);
            expression.name(PARTITION_KEY, &names.partition_key);
        }
        if let Some(ttl) = TTL.placeholder()
            && let Some(name) = expression.names.get_mut(ttl)
        {
            names.ttl.clone_into(name);
        }
        expression
    }

    /// Returns the name in the table of an attribute of a record.
    pub(super) fn name<'a>(&'a self, name: &'a str) -> &'a str {
        self.0.as_ref().map_or(name, |names| exchange(names, name))
    }
}

impl fmt::Display for SessionSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(names) => names.fmt(f),
            None => write!(f, "a partition key `{}` and no sort key", ID.name()),
        }
    }
}

/// Exchanges the names of the library and those of the table, in both directions.
fn exchange<'a>(names: &'a Names, name: &'a str) -> &'a str {
    for (ours, theirs) in [
        (&ID.name(), &names.partition_key),
        (&TTL.name(), &names.ttl),
    ] {
        if name == *ours {
            return theirs;
        }
        if name == theirs {
            return ours;
        }
    }
    name
}
