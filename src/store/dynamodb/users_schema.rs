//! The names of the users table in requests and rows, with pure functions.

use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::id::StorageKey;
use crate::store::dynamodb::attribute::{Attribute, Item, key, pseudonym};
use crate::store::dynamodb::item::{CREATED, HANDLE, TTL};
use crate::store::dynamodb::schema::{Names, TableSchema, add, cut, invalid};
use crate::store::dynamodb::session_schema::SessionSchema;
use crate::store::user::Pseudonym;

/// The partition key of a row of the users table. `ttl`, `handle` and `created` are named as in the
/// record, and `created` is the time at which the row was written.
pub(super) const USER: Attribute<Pseudonym> = pseudonym("user");
/// The sort key of a row: the key of the record.
pub(super) const SESSION: Attribute<StorageKey> = key("session");

/// The names of the users table.
#[derive(Clone, Debug, Default)]
pub(super) struct UsersSchema(Option<Arc<Names>>);

impl UsersSchema {
    /// Checks the names.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if they are invalid.
    pub(super) fn new(schema: TableSchema) -> Result<Self, Error> {
        if schema == TableSchema::default() {
            return Ok(Self(None));
        }
        let is_taken = |name: &str| [CREATED.name(), HANDLE.name()].contains(&name);
        let names = Names::new(schema, USER.name(), Some(SESSION.name()), is_taken)?;
        Ok(Self(Some(names.into())))
    }

    /// Checks that sessions and users can be in one table. A schema that is not set yet cannot be
    /// compared.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if the names differ, or if rows could
    /// not be told from other items under the same key.
    pub(super) fn check_shared(&self, sessions: &SessionSchema) -> Result<(), Error> {
        let (Some(rows), Some(sessions)) = (self.0.as_deref(), sessions.names()) else {
            return Ok(());
        };
        let name = |names: &Names| names.sort_key.as_ref().map(|(name, _)| name.clone());
        if rows.partition_key != sessions.partition_key || name(rows) != name(sessions) {
            let reason = "sessions and users are in one table, but the names of its keys differ";
            return Err(invalid(reason.to_owned()));
        }
        if rows.ttl != sessions.ttl {
            let reason = "sessions and users are in one table, which has one TTL attribute";
            return Err(invalid(reason.to_owned()));
        }
        if rows.sort_key.as_ref().is_none_or(|(_, it)| it.is_empty()) {
            let reason = "in one table with the sessions, the rows of users need a value for \
                          `sort_key`";
            return Err(invalid(reason.to_owned()));
        }
        Ok(())
    }

    /// Returns the name of the partition key.
    pub(super) fn user(&self) -> &str {
        self.0.as_ref().map_or(USER.name(), |it| &it.partition_key)
    }

    /// Returns the name of the sort key.
    pub(super) fn session(&self) -> &str {
        let sort_key = self.0.as_ref().and_then(|names| names.sort_key.as_ref());
        sort_key.map_or(SESSION.name(), |(name, _)| name)
    }

    /// Returns the prefix of the sort key, if there is one.
    pub(super) fn prefix(&self) -> Option<&str> {
        let sort_key = self.0.as_ref()?.sort_key.as_ref();
        sort_key
            .map(|(_, prefix)| prefix.as_str())
            .filter(|it| !it.is_empty())
    }

    /// Returns the partition key of a user's rows.
    pub(super) fn stored_user(&self, user: &Pseudonym) -> AttributeValue {
        let stored = USER.stored(user);
        match &self.0 {
            Some(names) => names.prefixed(stored),
            None => stored,
        }
    }

    /// Returns a row, or its key, with the names of the table.
    pub(super) fn stored(&self, mut row: Item) -> Item {
        let Some(names) = &self.0 else { return row };
        let (user, session) = (row.remove(USER.name()), row.remove(SESSION.name()));
        let ttl = row.remove(TTL.name());
        let prefix = self.prefix().unwrap_or_default();
        let renamed = [
            (
                names.partition_key.as_str(),
                user.map(|it| names.prefixed(it)),
            ),
            (self.session(), session.map(|it| add(prefix, it))),
            (names.ttl.as_str(), ttl),
        ];
        for (name, value) in renamed {
            if let Some(value) = value {
                row.insert(name.to_owned(), value);
            }
        }
        row
    }

    /// Returns a row of the table with the library's name of the session's key. The other names are
    /// not read.
    pub(super) fn read(&self, mut row: Item) -> Item {
        if self.0.is_some()
            && let Some(session) = row.remove(self.session())
        {
            let prefix = self.prefix().unwrap_or_default();
            row.insert(SESSION.name().to_owned(), cut(prefix, session));
        }
        row
    }
}

impl fmt::Display for UsersSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, session) = (self.user(), self.session());
        write!(f, "a partition key `{user}` and a sort key `{session}`")
    }
}
