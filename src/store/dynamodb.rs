//! Sessions in DynamoDB.
//!
//! 1. One item per session, one client per process. What the items look like is in [`item`], what
//!    is asked of DynamoDB in [`expression`], how it is sent in [`sending`] and sent again in
//!    [`retry`], what its errors mean in [`fault`], where the client comes from in [`connection`]. The
//!    rows of users are in [`users`].
//! 2. Each operation is one call, where nothing goes wrong. Every write but a create is
//!    conditional on the record being there and alive, and a condition that fails returns the item
//!    it failed on, so that no second read is needed to know why.
//! 3. What is sent again counts once: how each write sees to that stands beside its sending.
//! 4. Time bounds every retry: 3 seconds for an operation, resending included, and never past the
//!    invocation's deadline.

mod clock;
mod connection;
pub(crate) mod expression;
pub(crate) mod fault;
pub(crate) mod item;
mod quota;
mod retry;
mod sending;
mod update;
mod users;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use uuid::Uuid;

use crate::config::{TableSettings, Variables, is_table};
use crate::error::{Error, ErrorKind};
use crate::expiry::Timestamp;
use crate::id::{StorageKey, random};
use crate::record::{Found, Record, Stub};
use crate::store::{Moment, Renewal, Replacement, SessionStore, Update};
use crate::user::{Binding, Pseudonym, Revoked, UserSessions};

use connection::Connection;
use item::{Item, LAYOUT, Layout};
use retry::Patience;
use sending::{Sent, Transacted};

/// How long a connection may take to come about: Lambda and DynamoDB are in one Region, where it
/// takes milliseconds. A little less than an attempt, so that it is known that nothing was sent.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(900);
/// How long one attempt may take; a socket that died while the environment was frozen costs one.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
/// The limit for loading the credentials, which counts neither as an attempt nor as an operation.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an operation may take, retries included.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a signed request is accepted
/// ([signatures](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html)
/// are good for five minutes, and a clock may be as far off).
const SIGNATURE_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Sessions in a DynamoDB table: one item per session, one call per operation.
///
/// The table has a partition key `id` of type string, nothing else is required of it; TTL on the
/// attribute `ttl` makes DynamoDB delete what has expired. It needs `GetItem`, `PutItem`,
/// `UpdateItem` and `DeleteItem` (`TransactWriteItems` is allowed by those). Where sessions are bound
/// to users it needs `BatchGetItem` besides, and on the [users table](Self::users_table) `Query`,
/// `PutItem` and `DeleteItem`.
///
/// A table of another account is named by its ARN; the users table is then the ARN and `-users`. A
/// global table with multi-Region strong consistency is not supported: it has neither transactions
/// nor TTL.
///
/// A DynamoDB that does not return the item of a failed condition (DynamoDB Local before 2.2) costs
/// a read where a race was lost, and a warning in the log.
///
/// Build one per process, before `run`, and clone it: clones share the client and its connections.
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
    /// A store in that table, through a client of one's own, whose connections it shares.
    ///
    /// The timeouts that the client is configured with hold; where it has none for an attempt or
    /// an operation, those of [`from_env`](Self::from_env) do. Its retries are switched off: the
    /// store sends again by itself, since it knows which write may be repeated and how. All clones
    /// share one quota for that, with the figures of the SDK's standard retries, so that a brown-out
    /// is not made worse: 500, of which a retry costs 5, or 10 after a timeout.
    ///
    /// The store also corrects the clock by which calls are signed, where DynamoDB refuses a
    /// signature for its time, and loads the credentials again, once per operation, where DynamoDB
    /// does not accept them.
    ///
    /// After a connection is lost the store goes on over new ones, in case that the environment was
    /// frozen and all of them are dead. Of a client that was given an HTTP client of its own
    /// (`http_client`) only that can do so: otherwise each dead connection costs an attempt.
    ///
    /// # Errors
    ///
    /// [`Misconfigured`](ErrorKind::Misconfigured) for what can be neither a table's name nor its
    /// ARN.
    pub fn new(client: Client, table: impl Into<String>) -> Result<Self, Error> {
        let table = checked(table.into())?;
        Ok(Self::over(Connection::new(client, None), table))
    }

    /// Default: the session table's name and `-users`. The table that the sessions of
    /// [users](crate::Session::log_in) are listed in, with a partition key `user` and a sort key
    /// `session`, both strings, and TTL on `ttl`. It is not asked for anything, and need not exist,
    /// until a session is bound to a user.
    ///
    /// # Errors
    ///
    /// As of [`new`](Self::new).
    pub fn users_table(mut self, table: impl Into<String>) -> Result<Self, Error> {
        self.users_table = checked(table.into())?.into();
        Ok(self)
    }

    /// A store as the environment says: `SESSION_DYNAMODB_TABLE` (default `sessions`),
    /// `SESSION_DYNAMODB_USERS_TABLE` (default: that and `-users`), `SESSION_DYNAMODB_ENDPOINT`, `SESSION_DYNAMODB_REGION`, `SESSION_DYNAMODB_CONSISTENT_READ`
    /// (default `true`), and the AWS environment for everything else.
    ///
    /// The client gives a connection 900 ms, an attempt 1 second, an operation 3 seconds. It loads its
    /// credentials and connects here, during init, when Lambda does not throttle the CPU; if that
    /// fails it is logged, and the first request does both.
    ///
    /// Loading the credentials has 5 seconds of its own, and never more than the invocation has left.
    /// On Lambda they are in the environment and load at once. For a `credential_process` or SSO
    /// elsewhere, the crate `aws-config` needs its feature `credentials-process` or `sso`.
    ///
    /// # Errors
    ///
    /// [`Misconfigured`](ErrorKind::Misconfigured), naming the variable, for a value that does not
    /// parse; also where no Region is configured.
    pub async fn from_env() -> Result<Self, Error> {
        let settings = TableSettings::from_variables(&Variables::of_process())?;
        let store = Self::connect(settings).await?;
        store.warm_up().await;
        Ok(store)
    }

    /// Default: `true`. Whether reads are strongly consistent, at one read unit per 4 KB
    /// ([read consistency][guide]). An eventually consistent read costs half of that, and may show a
    /// session as it was up to about a second ago: without the last change, or not yet logged out.
    /// Nothing is lost by it, since what is written depends on what is there by then; and a session
    /// that it does not find is looked for once more, consistently, so that nobody is taken for
    /// logged out right after a login.
    ///
    /// [guide]: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.ReadConsistency.html
    #[must_use]
    pub fn consistent_read(mut self, yes: bool) -> Self {
        self.consistent_read = yes;
        self
    }

    /// Default: 900 milliseconds. How long a connection may take to come about. While it is less than
    /// an attempt may take, it is known of a write that nothing was sent. The store gets connections
    /// of its own.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connection = Arc::new(self.connection.with_connect_timeout(timeout));
        self
    }

    /// Default: 1 second. How long one attempt at a call may take before it is made again on
    /// another connection: a connection that died while the environment was frozen costs this. The
    /// time in which credentials are loaded does not count, here and in an operation.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Default: 3 seconds. How long an operation may take, with all its attempts. On Lambda it ends
    /// 200 ms before the invocation's deadline in any case.
    ///
    /// A change that other requests keep overtaking, such as an
    /// [`update`](crate::Session::update), is a new operation each time. It is tried until that
    /// deadline; where there is none, ten times as long as one operation.
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

    fn patience(&self, at: Moment) -> Patience {
        Patience::new(
            self.operation_timeout,
            at.deadline(),
            self.connection.quota(),
        )
    }

    /// What stands there.
    async fn look(
        &self,
        key: &StorageKey,
        now: Timestamp,
        consistent: bool,
        patience: &mut Patience,
    ) -> Result<Found, Error> {
        let item = self.get(key.as_str(), consistent, patience).await?;
        self.found(item.as_ref(), now)
    }

    /// What takes the place of a record that is logged out while an attempt to create it may still
    /// be on its way: for as long as DynamoDB would accept the attempt's signature.
    fn tombstone(&self, key: &StorageKey, at: Moment) -> Item {
        let stub = Stub::new(at.now(), at.now().plus(SIGNATURE_LIFETIME));
        self.layout.stub(key, &stub)
    }

    /// Deletes a record, if one is there.
    async fn remove(
        &self,
        key: &StorageKey,
        at: Moment,
        patience: &mut Patience,
    ) -> Result<Removed, Error> {
        let refused = match self.send_delete(key, patience).await? {
            Sent::Written(item) => return Ok(Removed::Gone(self.layout.binding(&item))),
            Sent::Refused(item) => item,
        };
        let item = match refused {
            Some(item) if self.layout.is_fenced(&item) => item,
            other => return Ok(Removed::Not(other)),
        };
        let stub = self.tombstone(key, at);
        Ok(match self.send_stub(key, stub, patience).await? {
            Sent::Written(_) => Removed::Gone(self.layout.binding(&item)),
            Sent::Refused(other) => Removed::Not(other),
        })
    }

    /// Deletes the row of a session that is gone. It is gone whether that succeeds or not, and the
    /// row goes with its `ttl`.
    async fn forget(&self, binding: &Binding, key: &StorageKey, patience: &mut Patience) {
        if let Err(error) = self.delete_row(binding.user(), key, patience).await {
            tracing::warn!(%error, "the row of a session that was logged out is left");
        }
    }

    fn found(&self, item: Option<&Item>, now: Timestamp) -> Result<Found, Error> {
        item.map_or(Ok(Found::Absent), |item| self.layout.read(item, now))
    }

    /// The record that a write of ours has just left.
    fn read_back(&self, item: &Item, now: Timestamp) -> Result<Found, Error> {
        match self.layout.read(item, now).map_err(|_| not_read_back())? {
            Found::Live(record) => Ok(Found::Live(record)),
            Found::Moved(_) | Found::Renewed(_) | Found::Absent => Err(not_read_back()),
        }
    }
}

impl SessionStore for DynamoDbStore {
    /// An eventually consistent read may miss a session that was begun, renewed or touched a moment
    /// ago. Nobody is taken for logged out on its word alone: what it did not find is looked for
    /// again, consistently.
    async fn load(&self, key: &StorageKey, at: Moment) -> Result<Found, Error> {
        let mut patience = self.patience(at);
        let consistent = self.consistent_read;
        match self.look(key, at.now(), consistent, &mut patience).await? {
            Found::Absent if !consistent => self.look(key, at.now(), true, &mut patience).await,
            found => Ok(found),
        }
    }

    async fn create(&self, key: &StorageKey, record: &Record, at: Moment) -> Result<(), Error> {
        let write = write_id()?;
        let record = record.clone().at_version(1);
        let item = self.layout.write(key, &record, at.now(), &write)?;
        let mut patience = self.patience(at);
        if let Some(binding) = record.binding() {
            let writes = [
                self.put(item, self.layout.absent())?,
                self.put_row(key, binding, at.now(), binding.ends())?,
            ];
            return match self.transact(&writes, &mut patience).await? {
                Transacted::Written => Ok(()),
                Transacted::Refused([there, _]) => {
                    let there = there.flatten();
                    let ours = there.is_some_and(|item| self.layout.is_written_by(&item, &write));
                    ours.then_some(()).ok_or_else(key_is_taken)
                }
            };
        }
        match self.send_new(item, &write, &mut patience).await? {
            Sent::Written(_) => Ok(()),
            Sent::Refused(_) => Err(key_is_taken()),
        }
    }

    async fn update(&self, key: &StorageKey, update: Update<'_>) -> Result<Found, Error> {
        self.update_live(key, update).await
    }

    async fn touch(&self, key: &StorageKey, ttl: Timestamp, at: Moment) -> Result<bool, Error> {
        let mut patience = self.patience(at);
        let later = self.layout.touch(ttl, at.now());
        match self.send_touch(key, later, &mut patience).await? {
            Sent::Written(_) => Ok(true),
            Sent::Refused(item) => match self.found(item.as_ref(), at.now())? {
                Found::Live(record) => Ok(record.ttl() == ttl),
                Found::Moved(_) | Found::Renewed(_) | Found::Absent => Ok(false),
            },
        }
    }

    async fn renew(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        renewal: Renewal<'_>,
    ) -> Result<Found, Error> {
        let mut patience = self.patience(renewal.at);
        let mut base = renewal.read.clone();
        // Nobody else knows the new key: what stands there with this stamp is ours.
        let write = write_id()?;
        loop {
            let record = renewal.apply(&base)?;
            let item = self.layout.write(to, &record, renewal.at.now(), &write)?;
            let stub = self.layout.stub(from, &renewal.stub(to));
            let unchanged = self.layout.unchanged(base.version(), renewal.at.now());
            let mut writes = vec![
                self.put(item, self.layout.absent())?,
                self.put(stub, unchanged)?,
            ];
            writes.extend(self.rows_of_a_renewal(from, to, renewal)?);
            let found = match self.transact(&writes, &mut patience).await? {
                Transacted::Written => return Ok(Found::Live(record)),
                Transacted::Refused([Some(there), _]) => match there {
                    Some(item) if self.layout.is_written_by(&item, &write) => {
                        return self.read_back(&item, renewal.at.now());
                    }
                    _ => return Err(key_is_taken()),
                },
                Transacted::Refused([None, found]) => found.flatten(),
            };
            let of_base = base;
            base = match self.found(found.as_ref(), renewal.at.now())? {
                // Another request wrote since: its changes are copied too.
                Found::Live(newer) => newer,
                other => return Ok(other),
            };
            if item::is_unchanged(&of_base, &base) {
                return Err(refused_for_nothing());
            }
            if renewal.require_unchanged || !patience.after_a_race().await {
                return Err(written_in_between());
            }
        }
    }

    async fn replace(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        replacement: Replacement<'_>,
    ) -> Result<Found<()>, Error> {
        let at = replacement.at;
        let mut patience = self.patience(at);
        let record = replacement.record.clone().at_version(1);
        let write = write_id()?;
        let item = self.layout.write(to, &record, at.now(), &write)?;
        let mut end = self.delete_in_transaction(from)?;
        let mut rows = Vec::new();
        if let Some(binding) = record.binding() {
            rows.push(self.put_row(to, binding, at.now(), binding.ends())?);
        }
        if let Some(binding) = replacement.read.and_then(Record::binding) {
            rows.push(self.delete_row_in_transaction(binding.user(), from)?);
        }
        loop {
            let mut writes = vec![self.put(item.clone(), self.layout.absent())?, end];
            writes.extend(rows.iter().cloned());
            let found = match self.transact(&writes, &mut patience).await? {
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
                // Not ours, so it stays.
                _ => return self.create(to, &record, at).await.map(Found::Live),
            };
            if !patience.after_a_race().await {
                return Err(written_in_between());
            }
        }
    }

    async fn delete(&self, key: &StorageKey, at: Moment) -> Result<Found<()>, Error> {
        let mut patience = self.patience(at);
        match self.remove(key, at, &mut patience).await? {
            Removed::Gone(binding) => {
                if let Some(binding) = binding {
                    self.forget(&binding, key, &mut patience).await;
                }
                Ok(Found::Live(()))
            }
            Removed::Not(there) => Ok(self.found(there.as_ref(), at.now())?.map(drop)),
        }
    }

    fn keeps_users(&self) -> bool {
        true
    }

    async fn user_sessions(&self, user: &Pseudonym, at: Moment) -> Result<UserSessions, Error> {
        self.list(user, at).await
    }

    async fn revoke(&self, user: &Pseudonym, which: Revoked<'_>, at: Moment) -> Result<(), Error> {
        self.delete_all(user, which, at).await
    }
}

/// What became of a record that was to be deleted.
enum Removed {
    /// It is gone, and was that user's, if it is known.
    Gone(Option<Binding>),
    /// What stands there instead, and stays.
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

/// A random id for one write, or the token of one transaction: 122 bits, from the operating
/// system. `Uuid::new_v4` may take them from a user-space generator, which a snapshot would copy.
fn write_id() -> Result<String, Error> {
    let uuid: Uuid = uuid::Builder::from_random_bytes(random()?).into_uuid();
    Ok(uuid.to_string())
}

/// # Errors
///
/// [`Misconfigured`](ErrorKind::Misconfigured) for what can be neither a table's name nor its ARN.
fn checked(table: String) -> Result<String, Error> {
    if is_table(&table) {
        return Ok(table);
    }
    let reason = "a table's name has 3 to 255 letters, digits, `_`, `-` and `.`";
    Err(Error::new(ErrorKind::Misconfigured, reason))
}

/// The write was acknowledged, so it must not be sent again; but what it left is not known.
fn not_read_back() -> Error {
    let reason = "DynamoDB answered a write with an item that is no session";
    Error::new(ErrorKind::OutcomeUnknown, reason)
}

/// The error for a condition that the very record it was made from does not meet. It never will: an
/// attribute of the record is of a form in which this library does not write it.
fn refused_for_nothing() -> Error {
    let reason = "DynamoDB refused to change a session that nobody else has changed";
    Error::new(ErrorKind::Corrupt, reason)
}

fn written_in_between() -> Error {
    let reason = "another request wrote the session in between";
    Error::new(ErrorKind::Conflict, reason)
}

fn key_is_taken() -> Error {
    Error::new(ErrorKind::Conflict, "a new session's key is taken")
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
