//! Sessions in DynamoDB.
//!
//! 1. There is one item per session and one client per process. [`item`] defines the items,
//!    [`expression`] the requests to DynamoDB, and [`sending`] how they are sent. [`retry`] repeats
//!    them, [`fault`] interprets errors, and [`connection`] provides the client. The rows of users
//!    are in [`users`].
//! 2. Each operation is one call if nothing fails. Every write except a create requires a live
//!    record. A condition that fails returns the item that it failed on, so no second read is
//!    needed to find the reason.
//! 3. A write that is sent several times counts once. The code that sends each write states how.
//! 4. Every retry is limited in time: 3 seconds for an operation with all its attempts, and never
//!    past the invocation's deadline.

mod clock;

mod connection;
pub(crate) mod expression;
pub(crate) mod fault;
pub(crate) mod item;
mod quota;
mod retry;
mod sending;
pub(crate) mod settings;
mod update;
mod users;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::env::Variables;
use crate::error::{Error, ErrorKind};
use crate::id::{StorageKey, random};
use crate::store::dynamodb::settings::{TableSettings, is_table};
use crate::store::record::{Found, LeftBehind, Record, Tombstone};
use crate::store::session_store::{Cycle, Replacement, RequestTime, SessionStore, Update};
use crate::store::user::{Binding, Pseudonym, Revoked, UserSessions};

use connection::Connection;
use item::{Item, LAYOUT, Layout};
use retry::RetryBudget;
use sending::{Sent, Transacted};

/// The time limit for opening a connection. Lambda and DynamoDB are in one Region, where it takes
/// milliseconds. It is shorter than an attempt, so that a timeout proves that nothing was sent.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(900);
/// The time limit for one attempt, which is also the cost of a socket that died while the
/// environment was frozen.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
/// The time limit for loading the credentials, which counts neither as an attempt nor as an
/// operation.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(5);
/// The time limit for an operation, including retries.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(3);

/// The time for which a signed request is accepted.
/// [Signatures](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html)
/// are valid for five minutes, and a clock may be wrong by as much.
const SIGNATURE_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// A store in a DynamoDB table, with one item per session and one call per operation.
///
/// The table has a partition key `id` of type string, and nothing else is required. TTL on the
/// attribute `ttl` makes DynamoDB delete expired items. The function needs the permissions
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
    connection: Arc<Connection>,
    table: Arc<str>,
    users_table: Arc<str>,
    layout: Layout,
    consistent_read: bool,
    attempt_timeout: Duration,
    operation_timeout: Duration,
}

impl DynamoDbStore {
    /// Creates a store in the given table with an existing client, whose connections it shares.
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
    /// client (`http_client`), only that HTTP client can do so. Each dead connection then costs an
    /// attempt.
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
        let table = checked(table.into())?;
        Ok(Self::over(Connection::new(client, None), table))
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
        self.users_table = checked(table.into())?.into();
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
        let store = Self::connect(settings).await?;
        store.warm_up().await;
        Ok(store)
    }

    /// Sets whether reads are strongly consistent.
    ///
    /// The default is `true`, which costs one read unit per 4 KB ([read consistency][guide]). An
    /// eventually consistent read costs half as much. It may return a session as it was up to about
    /// a second ago: without the last change, or before a login.
    ///
    /// No change is lost with it, because writes check the stored item. A session that it does not
    /// find is read again with strong consistency. A user therefore does not appear logged out
    /// right after a login.
    ///
    /// ```no_run
    /// use lambda_sessions::{DynamoDbStore, Error};
    ///
    /// # async fn f() -> Result<(), Error> {
    /// let store = DynamoDbStore::from_env().await?.consistent_read(false);
    /// # let _ = store;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [guide]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.ReadConsistency.html
    #[must_use]
    pub fn consistent_read(mut self, yes: bool) -> Self {
        self.consistent_read = yes;
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
        self.connection = Arc::new(self.connection.with_connect_timeout(timeout));
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
        self.attempt_timeout = timeout;
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
        self.operation_timeout = timeout;
        self
    }

    fn over(connection: Connection, table: String) -> Self {
        let client = connection.client();
        let timeouts = client.config().timeout_config();
        let attempt = timeouts.and_then(TimeoutConfig::operation_attempt_timeout);
        let operation = timeouts.and_then(TimeoutConfig::operation_timeout);
        Self {
            attempt_timeout: attempt.unwrap_or(ATTEMPT_TIMEOUT),
            operation_timeout: operation.unwrap_or(OPERATION_TIMEOUT),
            connection: connection.into(),
            users_table: format!("{table}-users").into(),
            table: table.into(),
            layout: LAYOUT,
            consistent_read: true,
        }
    }

    fn client(&self) -> Client {
        self.connection.client()
    }

    fn budget(&self, at: RequestTime) -> RetryBudget {
        RetryBudget::new(
            self.operation_timeout,
            at.deadline(),
            self.connection.quota(),
        )
    }

    /// Reads the record or stub at a key.
    async fn look(
        &self,
        key: &StorageKey,
        now: Timestamp,
        consistent: bool,
        budget: &mut RetryBudget,
    ) -> Result<Found, Error> {
        let item = self.get(key.as_str(), consistent, budget).await?;
        self.found(item.as_ref(), now)
    }

    /// Returns the tombstone for a record that is logged out while an attempt to create it may
    /// still arrive. It lives for as long as DynamoDB would accept that attempt's signature.
    fn tombstone(&self, key: &StorageKey, at: RequestTime) -> Item {
        let stub = Tombstone::new(at.now(), at.now().plus(SIGNATURE_LIFETIME));
        self.layout.stub(key, &LeftBehind::Tombstone(stub))
    }

    /// Deletes a record, if there is one.
    async fn remove(
        &self,
        key: &StorageKey,
        at: RequestTime,
        budget: &mut RetryBudget,
    ) -> Result<Removed, Error> {
        let refused = match self.send_delete(key, budget).await? {
            Sent::Written(item) => return Ok(Removed::Gone(self.layout.binding(&item))),
            Sent::Refused(item) => item,
        };
        let item = match refused {
            Some(item) if self.layout.is_fenced(&item) => item,
            other => return Ok(Removed::Not(other)),
        };
        let stub = self.tombstone(key, at);
        Ok(match self.send_stub(key, stub, budget).await? {
            Sent::Written(_) => Removed::Gone(self.layout.binding(&item)),
            Sent::Refused(other) => Removed::Not(other),
        })
    }

    /// Deletes the row of a deleted session. If that fails, the session is still deleted, and the
    /// row expires by its `ttl`.
    async fn forget(&self, binding: &Binding, key: &StorageKey, budget: &mut RetryBudget) {
        if let Err(error) = self.delete_row(binding.user(), key, budget).await {
            tracing::warn!(%error, "the row of a logged-out session could not be deleted: it will expire by its ttl");
        }
    }

    fn found(&self, item: Option<&Item>, now: Timestamp) -> Result<Found, Error> {
        item.map_or(Ok(Found::Absent), |item| self.layout.read(item, now))
    }

    /// Returns the record that a write of this store has just left.
    fn read_back(&self, item: &Item, now: Timestamp) -> Result<Found, Error> {
        match self.layout.read(item, now).map_err(|_| not_read_back())? {
            Found::Live(record) => Ok(Found::Live(record)),
            Found::Redirect(_) | Found::Tombstone(_) | Found::Absent => Err(not_read_back()),
        }
    }
}

impl SessionStore for DynamoDbStore {
    /// Reads a record.
    ///
    /// An eventually consistent read may miss a session that was begun, moved or touched a moment
    /// ago. A record that it does not find is read again with strong consistency, so that no user
    /// appears logged out by mistake.
    async fn load(&self, key: &StorageKey, at: RequestTime) -> Result<Found, Error> {
        let mut budget = self.budget(at);
        let consistent = self.consistent_read;
        match self.look(key, at.now(), consistent, &mut budget).await? {
            Found::Absent if !consistent => self.look(key, at.now(), true, &mut budget).await,
            found => Ok(found),
        }
    }

    async fn create(
        &self,
        key: &StorageKey,
        record: &Record,
        at: RequestTime,
    ) -> Result<(), Error> {
        let write = write_id()?;
        let record = record.clone().at_version(1);
        let item = self.layout.write(key, &record, at.now(), &write)?;
        let mut budget = self.budget(at);
        if let Some(binding) = record.binding() {
            let writes = [
                self.put(item, self.layout.absent())?,
                self.put_row(key, binding, at.now(), binding.ends())?,
            ];
            return match self.transact(&writes, &mut budget).await? {
                Transacted::Written => Ok(()),
                Transacted::Refused([there, _]) => {
                    let there = there.flatten();
                    let ours = there.is_some_and(|item| self.layout.is_written_by(&item, &write));
                    ours.then_some(()).ok_or_else(key_is_taken)
                }
            };
        }
        match self.send_new(item, &write, &mut budget).await? {
            Sent::Written(_) => Ok(()),
            Sent::Refused(_) => Err(key_is_taken()),
        }
    }

    async fn update(&self, key: &StorageKey, update: Update) -> Result<Found, Error> {
        self.update_live(key, update).await
    }

    async fn touch(
        &self,
        key: &StorageKey,
        ttl: Timestamp,
        at: RequestTime,
    ) -> Result<bool, Error> {
        let mut budget = self.budget(at);
        let later = self.layout.touch(ttl, at.now());
        match self.send_touch(key, later, &mut budget).await? {
            Sent::Written(_) => Ok(true),
            Sent::Refused(item) => match self.found(item.as_ref(), at.now())? {
                Found::Live(record) => Ok(record.ttl() == ttl),
                Found::Redirect(_) | Found::Tombstone(_) | Found::Absent => Ok(false),
            },
        }
    }

    async fn cycle(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        cycle: Cycle,
    ) -> Result<Found, Error> {
        let mut budget = self.budget(cycle.at);
        let mut base = Record::clone(&cycle.read);
        // Only this request knows the new key: an item there with this write id is its own.
        let write = write_id()?;
        loop {
            let record = cycle.apply(&base)?;
            let item = self.layout.write(to, &record, cycle.at.now(), &write)?;
            let stub = self.layout.stub(from, &cycle.left_behind(to));
            let unchanged = self.layout.unchanged(base.version(), cycle.at.now());
            let mut writes = vec![
                self.put(item, self.layout.absent())?,
                self.put(stub, unchanged)?,
            ];
            writes.extend(self.rows_of_a_renewal(from, to, &cycle)?);
            let found = match self.transact(&writes, &mut budget).await? {
                Transacted::Written => return Ok(Found::Live(record)),
                Transacted::Refused([Some(there), _]) => match there {
                    Some(item) if self.layout.is_written_by(&item, &write) => {
                        return self.read_back(&item, cycle.at.now());
                    }
                    _ => return Err(key_is_taken()),
                },
                Transacted::Refused([None, found]) => found.flatten(),
            };
            let of_base = base;
            base = match self.found(found.as_ref(), cycle.at.now())? {
                // Another request wrote since: its changes are copied too.
                Found::Live(newer) => newer,
                other => return Ok(other),
            };
            if item::is_unchanged(&of_base, &base) {
                return Err(refused_for_nothing());
            }
            if cycle.require_unchanged || !budget.after_a_race().await {
                return Err(written_in_between());
            }
        }
    }

    async fn replace(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        replacement: Replacement,
    ) -> Result<Found<()>, Error> {
        let at = replacement.at;
        let mut budget = self.budget(at);
        let record = replacement.record.at_version(1);
        let write = write_id()?;
        let item = self.layout.write(to, &record, at.now(), &write)?;
        let mut end = self.delete_in_transaction(from)?;
        let mut rows = Vec::new();
        if let Some(binding) = record.binding() {
            rows.push(self.put_row(to, binding, at.now(), binding.ends())?);
        }
        if let Some(binding) = replacement.read.as_deref().and_then(Record::binding) {
            rows.push(self.delete_row_in_transaction(binding.user(), from)?);
        }
        loop {
            let mut writes = vec![self.put(item.clone(), self.layout.absent())?, end];
            writes.extend(rows.iter().cloned());
            let found = match self.transact(&writes, &mut budget).await? {
                Transacted::Written => return Ok(Found::Live(())),
                Transacted::Refused([Some(there), _]) => {
                    let ours = there.is_some_and(|item| self.layout.is_written_by(&item, &write));
                    return ours.then_some(Found::Live(())).ok_or_else(key_is_taken);
                }
                Transacted::Refused([None, found]) => found.flatten(),
            };
            match self.found(found.as_ref(), at.now())?.map(drop) {
                Found::Live(()) | Found::Absent => {}
                stub => return Ok(stub),
            }
            end = match found {
                Some(item) if self.layout.is_fenced(&item) => {
                    self.put(self.tombstone(from, at), self.layout.fenced_still())?
                }
                // Not an item of this library, so it stays.
                _ => return self.create(to, &record, at).await.map(Found::Live),
            };
            if !budget.after_a_race().await {
                return Err(written_in_between());
            }
        }
    }

    async fn delete(&self, key: &StorageKey, at: RequestTime) -> Result<Found<()>, Error> {
        let mut budget = self.budget(at);
        match self.remove(key, at, &mut budget).await? {
            Removed::Gone(binding) => {
                if let Some(binding) = binding {
                    self.forget(&binding, key, &mut budget).await;
                }
                Ok(Found::Live(()))
            }
            Removed::Not(there) => Ok(self.found(there.as_ref(), at.now())?.map(drop)),
        }
    }

    async fn user_sessions(
        &self,
        user: &Pseudonym,
        at: RequestTime,
    ) -> Result<UserSessions, Error> {
        self.list(user, at).await
    }

    async fn revoke(
        &self,
        user: &Pseudonym,
        which: Revoked<'_>,
        at: RequestTime,
    ) -> Result<(), Error> {
        self.delete_all(user, which, at).await
    }
}

/// The result of deleting a record.
enum Removed {
    /// The record was deleted. It had this binding, if that is known.
    Gone(Option<Binding>),
    /// The record was not deleted, because this item is there instead.
    Not(Option<Item>),
}

impl fmt::Debug for DynamoDbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDbStore")
            .field("table", &self.table)
            .field("consistent_read", &self.consistent_read)
            .finish_non_exhaustive()
    }
}

/// Returns a random id for one write, or the token of one transaction. It has 122 bits from the
/// operating system. `Uuid::new_v4` may use a user-space generator, which a snapshot would copy.
fn write_id() -> Result<String, Error> {
    let uuid: Uuid = uuid::Builder::from_random_bytes(random()?).into_uuid();
    Ok(uuid.to_string())
}

/// Returns the name or ARN of a table if it is valid.
///
/// # Errors
///
/// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if it is neither a valid table name nor
/// an ARN.
fn checked(table: String) -> Result<String, Error> {
    if is_table(&table) {
        return Ok(table);
    }
    let reason =
        "invalid table name: expected an ARN, or 3 to 255 letters, digits, `_`, `-` and `.`";
    Err(Error::new(ErrorKind::Misconfigured, reason))
}

/// Returns the error for a write that was acknowledged, and so must not be sent again, but whose
/// result cannot be read.
fn not_read_back() -> Error {
    let reason = "DynamoDB responded to a write with an item that is not a session";
    Error::new(ErrorKind::OutcomeUnknown, reason)
}

/// Returns the error for a condition that fails on the record that it was made from. It can never
/// succeed: an attribute of the record has a form in which this library does not write it.
fn refused_for_nothing() -> Error {
    let reason = "DynamoDB rejected a change of a session that no other request has changed";
    Error::new(ErrorKind::Corrupt, reason)
}

fn written_in_between() -> Error {
    let reason = "another request wrote the session first";
    Error::new(ErrorKind::Conflict, reason)
}

fn key_is_taken() -> Error {
    Error::new(
        ErrorKind::Conflict,
        "the key of a new session is already in use",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_arns_of_tables() {
        for yes in [
            "sessions",
            "a.b-c_D",
            "arn:aws:dynamodb:eu-central-1:123456789012:table/sessions",
        ] {
            assert!(is_table(yes), "{yes}");
        }
        for no in [
            "",
            "ab",
            "ses sions",
            "s/essions",
            "arn:aws:s3:::bucket",
            "é11",
        ] {
            assert!(!is_table(no), "{no}");
        }
        assert!(!is_table(&"t".repeat(256)));
    }

    #[test]
    fn write_ids_are_random_uuids_of_version_4() {
        let id = write_id().unwrap();
        assert_eq!(Uuid::parse_str(&id).unwrap().get_version_num(), 4);
        assert_ne!(id, write_id().unwrap());
    }
}
