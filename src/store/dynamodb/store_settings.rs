//! The settings of a [`DynamoDbStore`]: its tables, how it reads, and its time limits.
//!
//! Each setting is checked here, so that a store with an invalid one does not exist. Settings that
//! concern both tables are checked together, in any order of the calls.

use std::time::Duration;

use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::store::dynamodb::schema::TableSchema;
use crate::store::dynamodb::session_schema::SessionSchema;
use crate::store::dynamodb::settings::checked_table;
use crate::store::dynamodb::store::DynamoDbStore;
use crate::store::dynamodb::users_schema::UsersSchema;

impl DynamoDbStore {
    /// Sets the table that lists the sessions of [users](crate::Session::log_in).
    ///
    /// The default is the session table's name followed by `-users`. The table has a partition key
    /// `user` and a sort key `session`, both strings, and TTL on `ttl`. It is not used, and need
    /// not exist, until a session is bound to a user.
    ///
    /// ```no_run
    /// use lambda_sessions::{DynamoDbStore, Error};
    ///
    /// # async fn f() -> Result<(), Error> {
    /// let store = DynamoDbStore::from_env().await?.users_table("accounts")?;
    /// # let _ = store;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`new`](Self::new).
    pub fn users_table(mut self, table: impl Into<String>) -> Result<Self, Error> {
        self.table.users = checked_table(table.into())?.into();
        self.checked()
    }

    /// Sets the names of the session table's keys and of its TTL attribute.
    ///
    /// The default is a partition key `id`, no sort key, and TTL on `ttl`. See
    /// [storage][storage] for sessions and other items in one table.
    ///
    /// ```no_run
    /// use lambda_sessions::store::TableSchema;
    /// use lambda_sessions::{DynamoDbStore, Error};
    ///
    /// # async fn f() -> Result<(), Error> {
    /// let schema = TableSchema::new().partition_key("session_id", "").ttl("expires_at");
    /// let store = DynamoDbStore::from_env().await?.schema(schema)?;
    /// # let _ = store;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if a name is empty, has more than 255
    /// bytes, or is that of another attribute. Fails with the same kind if a prefix or the sort
    /// key's value has more than 255 bytes, or if that value is empty. If the table has other keys
    /// than the schema, the first read fails with that kind.
    ///
    /// [storage]: https://docs.rs/crate/lambda-sessions/latest/source/docs/storage.md
    pub fn schema(mut self, schema: TableSchema) -> Result<Self, Error> {
        self.table.sessions = SessionSchema::new(schema)?;
        self.checked()
    }

    /// Sets the names of the users table's keys and of its TTL attribute.
    ///
    /// The default is a partition key `user`, a sort key `session`, and TTL on `ttl`. The users may
    /// be in the session table: name it in [`users_table`](Self::users_table). The rows of a user
    /// then need a prefix in the sort key, so that no other item is taken for one.
    ///
    /// ```no_run
    /// use lambda_sessions::store::TableSchema;
    /// use lambda_sessions::{DynamoDbStore, Error};
    ///
    /// # async fn f() -> Result<(), Error> {
    /// let users = TableSchema::new().partition_key("PK", "USER#").sort_key("SK", "SESSION#");
    /// let store = DynamoDbStore::from_env().await?.users_table("app")?.users_schema(users)?;
    /// # let _ = store;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`schema`](Self::schema), except that the value of the sort key may
    /// be empty. Fails with [`Misconfigured`](ErrorKind::Misconfigured) if sessions and users are in
    /// one table with different names, or without a prefix in the sort key of the rows.
    pub fn users_schema(mut self, schema: TableSchema) -> Result<Self, Error> {
        self.table.rows = UsersSchema::new(schema)?;
        self.checked()
    }

    /// Checks that the settings of both tables fit if they are one table.
    fn checked(self) -> Result<Self, Error> {
        if self.table.users == self.table.name {
            self.table.rows.check_shared(&self.table.sessions)?;
        }
        Ok(self)
    }

    /// Sets whether sessions are read with eventual consistency, at half the price ([read
    /// consistency][guide]).
    ///
    /// The default is `false`: a read is strongly consistent and costs one read unit per 4 KB. An
    /// eventually consistent read may return a session as it was up to about a second ago.
    ///
    /// A client still sees its own changes. Each response to a write sets the cookie again,
    /// with a hint of the version that was written. A session that is older than the hint, or that is
    /// not found, is read again with strong consistency. A request without the hint is read so at
    /// once, for example with [`id_header`](crate::SessionLayer::id_header). A change of another
    /// device, or a logout on it, may be seen about a second later.
    ///
    /// No change is lost, because writes check the stored item. A response that sets a cookie is not
    /// stored by caches, so each response to a write becomes `Cache-Control: no-store`.
    ///
    /// ```no_run
    /// use lambda_sessions::{DynamoDbStore, Error};
    ///
    /// # async fn f() -> Result<(), Error> {
    /// let store = DynamoDbStore::from_env().await?.eventually_consistent(true);
    /// # let _ = store;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [guide]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.ReadConsistency.html
    #[must_use]
    pub fn eventually_consistent(mut self, yes: bool) -> Self {
        self.table.eventually_consistent = yes;
        self
    }

    /// Sets the time limit for opening a connection.
    ///
    /// The default is 900 milliseconds. While it is shorter than the [limit of an
    /// attempt](Self::attempt_timeout), a connection that timed out proves that a write was not
    /// sent. After this call, the store no longer shares the connections of its clones or of the
    /// client that it was created with.
    ///
    /// ```no_run
    /// use lambda_sessions::{DynamoDbStore, Error};
    /// use std::time::Duration;
    ///
    /// # async fn f() -> Result<(), Error> {
    /// let store = DynamoDbStore::from_env().await?.connect_timeout(Duration::from_millis(500));
    /// # let _ = store;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        let connection = self.table.connection.with_connect_timeout(timeout);
        self.table.connection = connection.into();
        self
    }

    /// Sets the time limit for one attempt at a call, after which it is retried on another
    /// connection.
    ///
    /// The default is 1 second. A connection that died while the environment was frozen costs this
    /// time. Time for loading credentials does not count, here or in an operation.
    ///
    /// ```no_run
    /// use lambda_sessions::{DynamoDbStore, Error};
    /// use std::time::Duration;
    ///
    /// # async fn f() -> Result<(), Error> {
    /// let store = DynamoDbStore::from_env().await?.attempt_timeout(Duration::from_millis(700));
    /// # let _ = store;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.table.attempt_timeout = timeout;
        self
    }

    /// Sets the time limit for an operation with all its attempts.
    ///
    /// The default is 3 seconds. On Lambda, an operation ends 200 ms before the end of the
    /// invocation in any case.
    ///
    /// If other requests keep changing a value first, as may happen to an
    /// [`update`](crate::Session::update), each new try is a new operation. It is retried until the
    /// deadline, or for ten times this limit if there is no deadline.
    ///
    /// ```no_run
    /// use lambda_sessions::{DynamoDbStore, Error};
    /// use std::time::Duration;
    ///
    /// # async fn f() -> Result<(), Error> {
    /// let store = DynamoDbStore::from_env().await?.operation_timeout(Duration::from_millis(2000));
    /// # let _ = store;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn operation_timeout(mut self, timeout: Duration) -> Self {
        self.table.operation_timeout = timeout;
        self
    }
}
