//! [`DynamoDbStore`]: how it is made, and the trait that it implements.
//!
//! Its settings are in [`store_settings`](super::store_settings), and each operation is in a file of
//! its own.

use std::fmt;

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
use crate::store::dynamodb::settings::{TableSettings, checked_table};
use crate::store::dynamodb::table::Table;
use crate::store::dynamodb::touch::touch;
use crate::store::dynamodb::update::update;
use crate::store::dynamodb::user_list::{MAX_LISTED, user_list};
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
