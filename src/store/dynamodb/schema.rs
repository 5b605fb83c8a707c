//! [`TableSchema`]: the names of a table's keys and of its TTL attribute, which are settings.
//!
//! 1. The rest of this folder knows only the library's own names. Requests get the names of the
//!    table last, and items lose them first. So no condition and no attribute depends on a setting.
//! 2. With the default schema, requests and items pass through unchanged.
//! 3. The prefix is a part of the stored key only. No other attribute has it.

use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::error::{Error, ErrorKind};
use crate::store::dynamodb::item::TTL;

/// The maximum length of a key's name in DynamoDB, in bytes. Prefixes and the value of the sort key
/// have the same limit, which is far below those of keys.
const MAX_LENGTH: usize = 255;
/// The keys and the TTL attribute of a table, for a table that is shared with other items.
///
/// What is not set keeps its default: the session table has a partition key `id`, and the users
/// table a partition key `user` and a sort key `session`. Both have TTL on `ttl`. Keys are strings.
///
/// The example keeps the sessions in a table with the keys `PK` and `SK`. An item of a session has
/// the keys `SESSION#<key>` and `SESSION`, and a row of a user has `USER#<pseudonym>` and
/// `SESSION#<key>`.
///
/// ```no_run
/// use aws_config::BehaviorVersion;
/// use lambda_sessions::store::TableSchema;
/// use lambda_sessions::{DynamoDbStore, Error};
///
/// # async fn f() -> Result<(), Error> {
/// let table = TableSchema::new().ttl("expires_at");
/// let sessions = table.clone().partition_key("PK", "SESSION#").sort_key("SK", "SESSION");
/// let users = table.partition_key("PK", "USER#").sort_key("SK", "SESSION#");
///
/// let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
/// let store = DynamoDbStore::from_config(&config, "app")?
///     .schema(sessions)?
///     .users_table("app")?
///     .users_schema(users)?;
/// # let _ = store;
/// # Ok(())
/// # }
/// ```
#[must_use]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableSchema {
    partition_key: Option<(String, String)>,
    sort_key: Option<(String, String)>,
    ttl: Option<String>,
}

impl TableSchema {
    /// Creates a schema with the default names.
    ///
    /// ```
    /// use lambda_sessions::store::TableSchema;
    ///
    /// let schema = TableSchema::new();
    /// # let _ = schema;
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the name of the partition key, and the prefix of its values.
    ///
    /// The value is the prefix followed by the key of the session, or by the pseudonym of the user
    /// in the users table. The prefix may be empty.
    ///
    /// ```
    /// use lambda_sessions::store::TableSchema;
    ///
    /// let schema = TableSchema::new().partition_key("PK", "SESSION#");
    /// # let _ = schema;
    /// ```
    pub fn partition_key(mut self, name: impl Into<String>, prefix: impl Into<String>) -> Self {
        self.partition_key = Some((name.into(), prefix.into()));
        self
    }

    /// Sets the name of the sort key, and its value.
    ///
    /// In the session table, all items have this value, which must not be empty. By default, the
    /// table has no sort key. In the users table, the value is a prefix: the key of the session
    /// follows. A list of a user's sessions reads only the rows with the prefix.
    ///
    /// ```
    /// use lambda_sessions::store::TableSchema;
    ///
    /// let sessions = TableSchema::new().partition_key("PK", "").sort_key("SK", "SESSION");
    /// let users = TableSchema::new().partition_key("PK", "").sort_key("SK", "SESSION#");
    /// # let _ = (sessions, users);
    /// ```
    pub fn sort_key(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.sort_key = Some((name.into(), value.into()));
        self
    }

    /// Sets the name of the TTL attribute.
    ///
    /// An attribute `ttl` is then one of another program, and is kept.
    ///
    /// ```
    /// use lambda_sessions::store::TableSchema;
    ///
    /// let schema = TableSchema::new().ttl("expires_at");
    /// # let _ = schema;
    /// ```
    pub fn ttl(mut self, name: impl Into<String>) -> Self {
        self.ttl = Some(name.into());
        self
    }
}

/// The valid names of a table that does not have the default ones.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) partition_key: String,
    pub(super) prefix: String,
    /// The name of the sort key, and its value or its prefix.
    pub(super) sort_key: Option<(String, String)>,
    pub(super) ttl: String,
}

impl Names {
    /// Checks all that can be checked without a call. `taken` are the other attributes.
    pub(super) fn new(
        schema: TableSchema,
        partition_key: &str,
        sort_key: Option<&str>,
        taken: impl Fn(&str) -> bool,
    ) -> Result<Self, Error> {
        let (partition_key, prefix) = schema
            .partition_key
            .unwrap_or_else(|| (partition_key.to_owned(), String::new()));
        let default = || sort_key.map(|name| (name.to_owned(), String::new()));
        let names = Self {
            partition_key,
            prefix,
            sort_key: schema.sort_key.or_else(default),
            ttl: schema.ttl.unwrap_or_else(|| TTL.name().to_owned()),
        };
        let sort_key = names.sort_key.as_ref();
        let all = [
            ("the partition key", Some(names.partition_key.as_str())),
            ("the sort key", sort_key.map(|(name, _)| name.as_str())),
            ("the TTL attribute", Some(names.ttl.as_str())),
        ];
        for (n, (what, name)) in all.into_iter().enumerate() {
            let Some(name) = name else { continue };
            if name.is_empty() || name.len() > MAX_LENGTH {
                return Err(invalid(format!(
                    "the name of {what} must have 1 to {MAX_LENGTH} bytes"
                )));
            }
            if taken(name) {
                return Err(invalid(format!(
                    "{what} must not be `{name}`, another attribute of the library"
                )));
            }
            if let Some((other, _)) = all.iter().take(n).find(|(_, other)| *other == Some(name)) {
                return Err(invalid(format!(
                    "{other} and {what} are both named `{name}`"
                )));
            }
        }
        let values = [Some(&names.prefix), sort_key.map(|(_, value)| value)];
        if values.into_iter().flatten().any(|it| it.len() > MAX_LENGTH) {
            let reason = "a prefix or a sort key's value has at most 255 bytes";
            return Err(invalid(reason.to_owned()));
        }
        Ok(names)
    }

    /// Returns `key` with the prefix of the partition key.
    pub(super) fn prefixed(&self, key: AttributeValue) -> AttributeValue {
        add(&self.prefix, key)
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a partition key `{}`", self.partition_key)?;
        match &self.sort_key {
            Some((name, _)) => write!(f, " and a sort key `{name}`"),
            None => f.write_str(" and no sort key"),
        }
    }
}

/// Adds a prefix to a key.
pub(super) fn add(prefix: &str, key: AttributeValue) -> AttributeValue {
    match key {
        AttributeValue::S(key) => AttributeValue::S(format!("{prefix}{key}")),
        other => other,
    }
}

/// Removes a prefix from a key that has it.
pub(super) fn cut(prefix: &str, key: AttributeValue) -> AttributeValue {
    match key {
        AttributeValue::S(key) => match key.strip_prefix(prefix) {
            Some(rest) => AttributeValue::S(rest.to_owned()),
            None => AttributeValue::S(key),
        },
        other => other,
    }
}

/// Returns the error of an invalid schema.
pub(super) fn invalid(reason: String) -> Error {
    let reason = format!("invalid table schema: {reason}");
    Error::new(ErrorKind::Misconfigured, reason)
}
