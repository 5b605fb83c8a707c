//! [`DynamoDbStore`]: its settings, and the trait that it implements.
//!
//! Each operation is in a file of its own. This file is long because most of it is the documentation
//! of the settings.

use std::fmt;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;

use crate::clock::Timestamp;
use crate::env::Variables;
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::id::StorageKey;
use crate::store::arguments::{Cycle, Load, Replacement, RequestTime, Update};
use crate::store::dynamodb::classify::is_of_wrong_keys;
use crate::store::dynamodb::connection::Connection;
use crate::store::dynamodb::create::create;
use crate::store::dynamodb::cycle::cycle;
use crate::store::dynamodb::delete::delete;
use crate::store::dynamodb::get::get_item;
use crate::store::dynamodb::load::load;
use crate::store::dynamodb::replace::replace;
use crate::store::dynamodb::revoke::revoke;
use crate::store::dynamodb::schema::TableSchema;
use crate::store::dynamodb::session_schema::SessionSchema;
use crate::store::dynamodb::settings::{TableSettings, checked_table};
use crate::store::dynamodb::table::Table;
use crate::store::dynamodb::touch::touch;
use crate::store::dynamodb::update::update;
use crate::store::dynamodb::user_list::{MAX_LISTED, user_list};
use crate::store::dynamodb::users_schema::UsersSchema;
use crate::store::record::{Found, Record};
use crate::store::session_info::UserSessions;
use crate::store::session_store::SessionStore;
use crate::store::user::{Pseudonym, Revoked};

/// A store in a DynamoDB table, with one item per session and one call per operation.
///
/// The table has a partition key `id` of type string, and nothing else is required. TTL on the
/// attribute `ttl` makes DynamoDB delete expired items. A table with other names, and one that is
/// shared with other items, has a [`schema`](Self::schema). The function needs the permissions
/// `GetItem`, `PutItem`, `UpdateItem` and `DeleteItem`, which also allow `TransactWriteItems`. If
/// sessions are bound to users, it also needs `BatchGetItem`, and on the [users
/// table](Self::users_table) `Query`, `PutItem` and `DeleteItem`.
///
/// Name a table of another account by its ARN. The users table is then that ARN followed by
/// `-users`. A global table with multi-Region strong consistency is not supported: it has neither
/// transactions nor TTL.
///
/// DynamoDB Local before 2.2 does not return the item of a failed condition. There, a lost race
/// costs an additional read and a warning in the log.
///
/// Create one store per process, before `run`, and clone it. Clones share the client and its
/// connections.
///
/// ```no_run
/// use lambda_sessions::{DynamoDbStore, Error, SessionLayer};
///
/// # async fn f() -> Result<(), Error> {
/// let store = DynamoDbStore::from_env().await?.users_table("accounts")?;
/// let sessions = SessionLayer::new(store);
/// # let _ = sessions;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DynamoDbStore {
    pub(super) table: Table,
}

impl DynamoDbStore {
    /// Creates a store in the given table with the configuration that the application has loaded.
    ///
    /// The store makes its own connections, and sends its requests without the layers of the SDK's
    /// client, which costs less CPU ([design][design]). The credentials, the Region, the endpoint,
    /// FIPS, dual stack, the application's name and the HTTP client are those of the
    /// configuration. So are its timeouts. If it has none for an attempt or an operation, the
    /// defaults of [`from_env`](Self::from_env) apply.
    ///
    /// ```no_run
    /// use aws_config::BehaviorVersion;
    /// use lambda_sessions::{DynamoDbStore, Error};
    ///
    /// # async fn f() -> Result<(), Error> {
    /// let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    /// let store = DynamoDbStore::from_config(&config, "sessions")?;
    /// # let _ = store;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if the configuration has no Region, or
    /// if `table` is neither a valid table name nor an ARN.
    ///
    /// [design]: https://docs.rs/crate/lambda-sessions/latest/source/docs/design.md
    pub fn from_config(config: &SdkConfig, table: impl Into<String>) -> Result<Self, Error> {
        let name = checked_table(table.into())?;
        let table = Table::new(Connection::of_config(config, None)?, name);
        Ok(Self { table })
    }

    /// Creates a store in the given table with an existing client.
    ///
    /// Use it for a client with interceptors or other settings that [`from_config`](Self::from_config)
    /// does not know. Its requests go through a client of the SDK that is made from this one, and cost
    /// about twice the CPU. The two clients share their connections if this one was built with an
    /// HTTP client (`http_client`).
    ///
    /// The client's configured timeouts apply. If it has none for an attempt or an operation, the
    /// defaults of [`from_env`](Self::from_env) apply. The client's own retries are disabled. The
    /// store retries instead, because it knows which write may be repeated and how.
    ///
    /// All clones share one retry quota, so that retries do not make an outage worse. It has the
    /// values of the SDK's standard retries: 500 in total, of which a retry costs 5, or 10 after a
    /// timeout.
    ///
    /// The store corrects the clock for signing calls if DynamoDB rejects a signature because of
    /// its time. It loads the credentials again, once per operation, if DynamoDB does not accept
    /// them.
    ///
    /// After a connection is lost, the store opens new connections. The environment may have been
    /// frozen, and all of the old ones may be dead. If the client was built with its own HTTP
    /// client, only that HTTP client can do so. Each dead connection then costs an attempt.
    ///
    /// ```no_run
    /// use aws_config::BehaviorVersion;
    /// use lambda_sessions::{DynamoDbStore, Error};
    ///
    /// # async fn f() -> Result<(), Error> {
    /// let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    /// let store = DynamoDbStore::new(aws_sdk_dynamodb::Client::new(&config), "sessions")?;
    /// # let _ = store;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if `table` is neither a valid table
    /// name nor an ARN.
    pub fn new(client: Client, table: impl Into<String>) -> Result<Self, Error> {
        let name = checked_table(table.into())?;
        let table = Table::new(Connection::of_client(&client), name);
        Ok(Self { table })
    }

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

    /// Creates a store that is configured by the environment.
    ///
    /// | Variable | Default |
    /// |---|---|
    /// | `SESSION_DYNAMODB_TABLE` | `sessions` |
    /// | `SESSION_DYNAMODB_USERS_TABLE` | the session table's name followed by `-users` |
    /// | `SESSION_DYNAMODB_ENDPOINT` | that of the AWS environment |
    /// | `SESSION_DYNAMODB_REGION` | that of the AWS environment |
    /// | `SESSION_DYNAMODB_CONSISTENT_READ` | `true` |
    ///
    /// Everything else comes from the AWS environment.
    ///
    /// The client's time limits are 900 ms for a connection, 1 second for an attempt and 3 seconds
    /// for an operation. The client loads its credentials and connects in this call, during init,
    /// when Lambda does not throttle the CPU. If that fails, it is logged, and the first request
    /// does both.
    ///
    /// Loading the credentials has a separate limit of 5 seconds, and never takes longer than the
    /// invocation has left. On Lambda, the credentials are in the environment and load at once. For
    /// a `credential_process` or SSO elsewhere, the crate `aws-config` needs its feature
    /// `credentials-process` or `sso`.
    ///
    /// ```no_run
    /// use lambda_sessions::{DynamoDbStore, Error};
    ///
    /// # async fn f() -> Result<(), Error> {
    /// let store = DynamoDbStore::from_env().await?;
    /// # let _ = store;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if a variable does not parse, and
    /// names the variable. Fails with the same kind if no Region is configured.
    pub async fn from_env() -> Result<Self, Error> {
        let settings = TableSettings::from_variables(&Variables::of_process())?;
        let (name, users) = (settings.table.clone(), settings.users_table.clone());
        let eventually_consistent = settings.eventually_consistent;
        let table = Table::new(Connection::of_settings(settings).await?, name);
        let mut store = Self { table }.eventually_consistent(eventually_consistent);
        if let Some(users) = users {
            store = store.users_table(users)?;
        }
        store.warm_up().await;
        Ok(store)
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

    /// Loads the credentials and opens the connection, by reading a key that no session has.
    ///
    /// It takes no longer than one attempt may take. An error is only logged: the first request
    /// reports it.
    pub(super) async fn warm_up(&self) {
        let mut budget = self.table.short_budget(None);
        let key = StorageKey::stored("warm-up");
        match get_item(&self.table, &key, false, &mut budget).await {
            Ok(_) => {}
            // The connection is open. `from_env` does not know the schema that is set after it.
            Err(error) if is_of_wrong_keys(&error) => {
                tracing::debug!(%error, "the table has other keys than the default ones");
            }
            Err(error) => {
                tracing::warn!(%error, "the connection to DynamoDB could not be warmed up");
            }
        }
    }
}

impl SessionStore for DynamoDbStore {
    async fn load(&self, key: &StorageKey, at: RequestTime) -> Result<Found, Error> {
        load(&self.table, key, Load::new(at)).await
    }

    async fn load_with(&self, key: &StorageKey, arguments: Load) -> Result<Found, Error> {
        load(&self.table, key, arguments).await
    }

    fn reads_may_be_stale(&self) -> bool {
        self.table.eventually_consistent
    }

    async fn create(
        &self,
        key: &StorageKey,
        record: &Record,
        at: RequestTime,
    ) -> Result<(), Error> {
        create(&self.table, key, record, at).await
    }

    async fn update(&self, key: &StorageKey, changes: Update) -> Result<Found, Error> {
        update(&self.table, key, changes).await
    }

    async fn touch(
        &self,
        key: &StorageKey,
        ttl: Timestamp,
        at: RequestTime,
    ) -> Result<bool, Error> {
        touch(&self.table, key, ttl, at).await
    }

    async fn cycle(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        arguments: Cycle,
    ) -> Result<Found, Error> {
        cycle(&self.table, from, to, arguments).await
    }

    async fn replace(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        replacement: Replacement,
    ) -> Result<Found<()>, Error> {
        replace(&self.table, from, to, replacement).await
    }

    async fn delete(&self, key: &StorageKey, at: RequestTime) -> Result<Found<()>, Error> {
        delete(&self.table, key, at).await
    }

    async fn user_sessions(
        &self,
        user: &Pseudonym,
        at: RequestTime,
    ) -> Result<UserSessions, Error> {
        user_list(&self.table, user, MAX_LISTED, at).await
    }

    async fn all_user_sessions(
        &self,
        user: &Pseudonym,
        at: RequestTime,
    ) -> Result<UserSessions, Error> {
        user_list(&self.table, user, usize::MAX, at).await
    }

    async fn revoke(
        &self,
        user: &Pseudonym,
        which: Revoked<'_>,
        at: RequestTime,
    ) -> Result<(), Error> {
        revoke(&self.table, user, which, at).await
    }
}

impl fmt::Debug for DynamoDbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDbStore")
            .field("table", &self.table.name)
            .field("eventually_consistent", &self.table.eventually_consistent)
            .finish_non_exhaustive()
    }
}
