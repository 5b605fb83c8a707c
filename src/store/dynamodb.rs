//! Sessions in DynamoDB: the client, and all I/O.
//!
//! 1. One item per session, one client per process. What the items look like is in [`item`], what
//!    is asked of DynamoDB in [`expression`], what its errors mean in [`fault`].
//! 2. Each operation is one call, where nothing goes wrong. Every write but a create is
//!    conditional on the record being there and alive, and a condition that fails returns the item
//!    it failed on, so that no second read is needed to know why.
//! 3. The SDK resends blindly what may have happened already. For each write it is said below why
//!    that counts once.
//! 4. Time bounds every retry: 3 seconds for an operation, resending included.

pub(crate) mod expression;
pub(crate) mod fault;
pub(crate) mod item;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::{TimeoutConfig, TimeoutConfigBuilder};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Region;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Delete, Put, ReturnValue,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use lambda_http::{BoxFuture, SnapStartResource};
use uuid::Uuid;

use crate::config::{TableSettings, Variables, is_table};
use crate::error::{Error, ErrorKind};
use crate::expiry::Timestamp;
use crate::id::{StorageKey, random};
use crate::record::{Data, Found, Record};
use crate::store::{Renewal, SessionStore, Update};

use expression::{Expression, Stamp};
use fault::{Fault, unknown};
use item::{Item, LAYOUT, Layout};

/// How long a connection may take to come about: Lambda and DynamoDB are in one Region, where it
/// takes milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long one attempt may take; a socket that died while the environment was frozen costs one.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an operation may take, retries included.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(3);
/// Before the first retry, at most; doubled for each further one. The SDK's own base is a second.
const FIRST_BACKOFF: Duration = Duration::from_millis(25);
const LONGEST_BACKOFF: Duration = Duration::from_millis(400);

/// Sessions in a DynamoDB table: one item per session, one call per operation.
///
/// The table has a partition key `id` of type string, nothing else is required of it; TTL on the
/// attribute `ttl` makes DynamoDB delete what has expired. It needs `GetItem`, `PutItem`,
/// `UpdateItem` and `DeleteItem` (`TransactWriteItems` is allowed by those).
///
/// Build one per process, before `run`, and clone it: clones share the client and its connections.
#[derive(Clone)]
pub struct DynamoDbStore {
    /// Shared by all clones, so that a restore gives them all a new one.
    client: Arc<RwLock<Client>>,
    /// What `from_env` made the client of.
    settings: Option<TableSettings>,
    table: Arc<str>,
    layout: Layout,
    consistent_read: bool,
    operation_timeout: Duration,
}

impl DynamoDbStore {
    /// A store in that table, through a client of one's own.
    ///
    /// The client's own timeouts hold; the SDK by itself has none but for the connection. Give it
    /// some, or set them here.
    ///
    /// # Errors
    ///
    /// [`Misconfigured`](ErrorKind::Misconfigured) for what can be neither a table's name nor its
    /// ARN.
    pub fn new(client: Client, table: impl Into<String>) -> Result<Self, Error> {
        let table = table.into();
        if !is_table(&table) {
            let reason = "a table's name has 3 to 255 letters, digits, `_`, `-` and `.`";
            return Err(Error::new(ErrorKind::Misconfigured, reason));
        }
        Ok(Self {
            client: Arc::new(RwLock::new(client)),
            settings: None,
            table: table.into(),
            layout: LAYOUT,
            consistent_read: true,
            operation_timeout: OPERATION_TIMEOUT,
        })
    }

    /// A store as the environment says: `SESSION_DYNAMODB_TABLE` (default `sessions`),
    /// `SESSION_DYNAMODB_ENDPOINT`, `SESSION_DYNAMODB_REGION`, `SESSION_DYNAMODB_CONSISTENT_READ`
    /// (default `true`), and the AWS environment for everything else.
    ///
    /// The client gives a connection 1 second, an attempt 1 second, an operation 3 seconds. It is
    /// connected here, during init, when Lambda does not throttle the CPU; if that fails it is
    /// logged, and the first request connects.
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

    /// Default: `true`. Whether reads are strongly consistent, at one read unit per 4 KB. An
    /// eventually consistent read costs half of that, and may miss what was written up to about a
    /// second ago: a login may look as if it had not happened.
    #[must_use]
    pub fn consistent_read(mut self, yes: bool) -> Self {
        self.consistent_read = yes;
        self
    }

    /// Default: 1 second. How long a connection may take to come about.
    #[must_use]
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        self.with_timeouts(|timeouts| timeouts.connect_timeout(timeout))
    }

    /// Default: 1 second. How long one attempt at a call may take before it is made again on
    /// another connection: a connection that died while the environment was frozen costs this.
    #[must_use]
    pub fn attempt_timeout(self, timeout: Duration) -> Self {
        self.with_timeouts(|timeouts| timeouts.operation_attempt_timeout(timeout))
    }

    /// Default: 3 seconds. How long an operation may take, with all its attempts. On Lambda it ends
    /// 200 ms before the invocation's deadline in any case.
    #[must_use]
    pub fn operation_timeout(mut self, timeout: Duration) -> Self {
        self.operation_timeout = timeout;
        self.with_timeouts(|timeouts| timeouts.operation_timeout(timeout))
    }

    fn with_timeouts(
        mut self,
        set: impl FnOnce(TimeoutConfigBuilder) -> TimeoutConfigBuilder,
    ) -> Self {
        let client = self.client();
        let timeouts = client
            .config()
            .timeout_config()
            .map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder);
        let client = with_timeouts(&client, set(timeouts).build());
        self.client = Arc::new(RwLock::new(client));
        self
    }

    /// The client as it is now. It is never held across a restore, and a poisoned lock guards
    /// nothing broken: the client is replaced whole.
    fn client(&self) -> Client {
        let client = self.client.read().unwrap_or_else(PoisonError::into_inner);
        client.clone()
    }

    fn patience(&self, deadline: Option<Instant>) -> Patience {
        Patience::until(self.operation_timeout, deadline)
    }

    async fn connect(settings: TableSettings) -> Result<Self, Error> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let retries = RetryConfig::standard().with_initial_backoff(FIRST_BACKOFF);
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .timeout_config(timeouts)
            .retry_config(retries);
        if let Some(region) = &settings.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let shared = loader.load().await;
        if shared.region().is_none() {
            let reason = "no AWS Region: set AWS_REGION or SESSION_DYNAMODB_REGION";
            return Err(Error::new(ErrorKind::Misconfigured, reason));
        }
        let mut config = aws_sdk_dynamodb::config::Builder::from(&shared);
        if let Some(endpoint) = &settings.endpoint {
            config = config.endpoint_url(endpoint);
        }
        let mut store = Self::new(Client::from_conf(config.build()), settings.table.clone())?;
        store.consistent_read = settings.consistent_read;
        store.settings = Some(settings);
        Ok(store)
    }

    /// Opens the connection by reading a key that no session has.
    async fn warm_up(&self) {
        let read = self.get("warm-up").await;
        if let Err(error) = read {
            tracing::warn!(%error, "the connection to DynamoDB could not be warmed up");
        }
    }

    async fn get(&self, key: &str) -> Result<Option<Item>, Error> {
        self.client()
            .get_item()
            .table_name(&*self.table)
            .key(self.layout.id, AttributeValue::S(key.to_owned()))
            .consistent_read(self.consistent_read)
            .send()
            .await
            .map(|output| output.item)
            .map_err(|error| Fault::of(error).of_read())
    }

    /// One attempt at an `UpdateItem`. The SDK's own retries are off: it would resend what may have
    /// happened, and an increment would count twice.
    async fn update_once(
        &self,
        key: &StorageKey,
        expression: Expression,
    ) -> Result<UpdateItemOutput, SdkError<UpdateItemError>> {
        let once = aws_sdk_dynamodb::config::Builder::new().retry_config(RetryConfig::disabled());
        self.update_item(key, expression)
            .return_values(ReturnValue::AllNew)
            .customize()
            .config_override(once)
            .send()
            .await
    }

    fn update_item(
        &self,
        key: &StorageKey,
        expression: Expression,
    ) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        self.client()
            .update_item()
            .table_name(&*self.table)
            .key(self.layout.id, AttributeValue::S(key.as_str().to_owned()))
            .update_expression(expression.update)
            .condition_expression(expression.condition)
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// Sends an update until it is known whether it happened, or time is up.
    ///
    /// - An answer that proves that nothing happened is followed by the same request.
    /// - After anything ambiguous, a record that was read is written with its `version` as a
    ///   further condition. If that fails on an item that this very write stamped, the first one
    ///   had happened. If it fails on another's, nobody can tell: a bare `write <> mine` would
    ///   count twice there.
    /// - Where nothing was read, the item is read once: it is ours, or nobody can tell.
    async fn send_update(
        &self,
        key: &StorageKey,
        expression: Expression,
        write: &str,
        read: Option<&Record>,
        patience: &mut Patience,
    ) -> Result<Sent, Error> {
        let mut doubt: Option<Error> = None;
        loop {
            let mut request = expression.clone();
            if let (Some(_), Some(read)) = (&doubt, read) {
                request.require_version(&self.layout, read.version());
            }
            let error = match self.update_once(key, request).await {
                Ok(output) => return Ok(Sent::Written(output.attributes.unwrap_or_default())),
                Err(error) => error,
            };
            if let Some(UpdateItemError::ConditionalCheckFailedException(refused)) =
                error.as_service_error()
            {
                let found = refused.item().cloned();
                return match (doubt, found) {
                    (Some(_), Some(item)) if self.layout.is_written_by(&item, write) => {
                        Ok(Sent::Written(item))
                    }
                    (Some(cause), _) => Err(unknown(cause)),
                    (None, found) => Ok(Sent::Refused(found)),
                };
            }
            match Fault::of(error) {
                Fault::Refused(error) => return Err(doubt.map_or(error, unknown)),
                Fault::Again(error) => {
                    if !patience.wait().await? {
                        return Err(doubt.map_or(error, unknown));
                    }
                }
                Fault::Ambiguous(error) => {
                    let cause = doubt.get_or_insert(error).clone();
                    if read.is_none() {
                        return match self.get(key.as_str()).await {
                            Ok(Some(item)) if self.layout.is_written_by(&item, write) => {
                                Ok(Sent::Written(item))
                            }
                            _ => Err(unknown(cause)),
                        };
                    }
                    if !patience.wait().await? {
                        return Err(unknown(cause));
                    }
                }
            }
        }
    }

    /// Writes the whole of `data`, for changes that do not fit in one expression. It depends on the
    /// version it was made from; if that has moved on, it is made again from what is there now.
    async fn update_whole(
        &self,
        key: &StorageKey,
        update: Update<'_>,
        patience: &mut Patience,
    ) -> Result<Found, Error> {
        let mut base = match update.read {
            Some(record) => record.clone(),
            None => match self.load(key, update.now).await? {
                Found::Live(record) => record,
                other => return Ok(other),
            },
        };
        loop {
            let data = update.changes.apply(base.data())?;
            item::check_size(item::data_size(&data))?;
            let write = write_id()?;
            let stamp = Stamp {
                now: update.now,
                write: &write,
                ttl: update.ttl,
            };
            let expression = self.layout.whole(&data, base.version(), stamp);
            let sent = self
                .send_update(key, expression, &write, Some(&base), patience)
                .await?;
            let newer = match sent {
                Sent::Written(item) => return self.read_back(&item, update.now),
                Sent::Refused(item) => self.found(item.as_ref(), update.now)?,
            };
            base = match newer {
                Found::Live(record) => record,
                other => return Ok(other),
            };
            if update.if_unchanged || !patience.wait().await? {
                return Err(written_in_between());
            }
        }
    }

    fn found(&self, item: Option<&Item>, now: Timestamp) -> Result<Found, Error> {
        item.map_or(Ok(Found::Absent), |item| self.layout.read(item, now))
    }

    /// The record that a write of ours has just left.
    fn read_back(&self, item: &Item, now: Timestamp) -> Result<Found, Error> {
        match self.layout.read(item, now)? {
            Found::Live(record) => Ok(Found::Live(record)),
            Found::Renewed | Found::Absent => {
                let reason = "DynamoDB answered a write with an item that is no session";
                Err(Error::new(ErrorKind::Corrupt, reason))
            }
        }
    }

    /// Two writes in one transaction.
    ///
    /// Resending counts once: the SDK resends with the same token, and DynamoDB answers a token it
    /// has seen within ten minutes with the outcome it had.
    async fn transact(
        &self,
        first: TransactWriteItem,
        second: TransactWriteItem,
    ) -> Result<Transacted, Error> {
        let sent = self
            .client()
            .transact_write_items()
            .client_request_token(write_id()?)
            .transact_items(first)
            .transact_items(second)
            .send()
            .await;
        let error = match sent {
            Ok(_) => return Ok(Transacted::Written),
            Err(error) => error,
        };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
            error.as_service_error()
        else {
            return match Fault::of(error) {
                Fault::Again(error) => Ok(Transacted::Again(error)),
                fault => Err(fault.of_write()),
            };
        };
        judge(cancelled.cancellation_reasons())
    }

    fn put(&self, item: Item, condition: Expression) -> Result<TransactWriteItem, Error> {
        let put = Put::builder()
            .table_name(&*self.table)
            .set_item(Some(item))
            .condition_expression(condition.condition)
            .set_expression_attribute_names(Some(condition.names))
            .set_expression_attribute_values(some(condition.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(incomplete)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn delete_in_transaction(&self, key: &StorageKey) -> Result<TransactWriteItem, Error> {
        let condition = self.layout.ours_or_absent();
        let delete = Delete::builder()
            .table_name(&*self.table)
            .key(self.layout.id, AttributeValue::S(key.as_str().to_owned()))
            .condition_expression(condition.condition)
            .set_expression_attribute_names(Some(condition.names))
            .set_expression_attribute_values(some(condition.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(incomplete)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }
}

impl SessionStore for DynamoDbStore {
    async fn load(&self, key: &StorageKey, now: Timestamp) -> Result<Found, Error> {
        let item = self.get(key.as_str()).await?;
        self.found(item.as_ref(), now)
    }

    /// Resending counts once: the second put fails on the item that the first has stamped.
    async fn create(&self, key: &StorageKey, record: &Record) -> Result<(), Error> {
        let write = write_id()?;
        let record = record.clone().at_version(1);
        let item = self.layout.write(key, &record, record.created(), &write)?;
        let condition = self.layout.absent();
        let sent = self
            .client()
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item))
            .condition_expression(condition.condition)
            .set_expression_attribute_names(Some(condition.names))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = sent else { return Ok(()) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(taken)) => match taken.item() {
                Some(item) if self.layout.is_written_by(item, &write) => Ok(()),
                _ => Err(key_is_taken()),
            },
            _ => Err(Fault::of(error).of_write()),
        }
    }

    async fn update(&self, key: &StorageKey, update: Update<'_>) -> Result<Found, Error> {
        let mut patience = self.patience(update.until);
        let nothing = Data::new();
        let write = write_id()?;
        let stamp = Stamp {
            now: update.now,
            write: &write,
            ttl: update.ttl,
        };
        let mut newer: Option<Record> = None;
        loop {
            let read = newer.as_ref().or(update.read);
            let base = read.map_or(&nothing, Record::data);
            item::check_room(update.changes, base)?;
            let Some(mut expression) = self.layout.update(update.changes, base, stamp)? else {
                return self.update_whole(key, update, &mut patience).await;
            };
            if let (true, Some(read)) = (update.if_unchanged, update.read) {
                expression.require_version(&self.layout, read.version());
            }
            let sent = self
                .send_update(key, expression, &write, read, &mut patience)
                .await?;
            let item = match sent {
                Sent::Written(item) => return self.read_back(&item, update.now),
                Sent::Refused(None) => return Ok(Found::Absent),
                Sent::Refused(Some(item)) => item,
            };
            match self.layout.read(&item, update.now)? {
                Found::Live(record) => newer = Some(record),
                other => return Ok(other),
            }
            let refusal = self.layout.refusal(update.changes, &item);
            // Another request changed a key that is a function of what it was. It is made again
            // of what it is now, for as long as there is time.
            let again = refusal.kind() == ErrorKind::Conflict && !update.if_unchanged;
            if !again || !patience.wait().await? {
                return Err(refusal);
            }
        }
    }

    /// Resending counts once: the second touch finds the expiry that the first has set, which is as
    /// good as having set it. A touch whose outcome is unknown may as well have been lost.
    async fn touch(&self, key: &StorageKey, ttl: Timestamp, now: Timestamp) -> Result<bool, Error> {
        let touched = self
            .update_item(key, self.layout.touch(ttl, now))
            .send()
            .await;
        let Err(error) = touched else { return Ok(true) };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                match self.found(refused.item(), now)? {
                    Found::Live(record) => Ok(record.ttl() == ttl),
                    Found::Renewed | Found::Absent => Ok(false),
                }
            }
            _ => Err(Fault::of(error).of_write()),
        }
    }

    async fn renew(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        renewal: Renewal<'_>,
    ) -> Result<Found, Error> {
        let mut patience = self.patience(renewal.until);
        let mut base = renewal.read.clone();
        loop {
            let record = renewal.apply(&base)?;
            let item = self.layout.write(to, &record, renewal.now, &write_id()?)?;
            let stub = self.layout.stub(from, renewal.stub_ttl());
            let unchanged = self.layout.unchanged(base.version(), renewal.now);
            let transacted = self
                .transact(
                    self.put(item, self.layout.absent())?,
                    self.put(stub, unchanged)?,
                )
                .await?;
            let again = match transacted {
                Transacted::Written => return Ok(Found::Live(record)),
                Transacted::Again(error) => error,
                Transacted::Refused([Some(_), _]) => return Err(key_is_taken()),
                Transacted::Refused([None, found]) => {
                    match self.found(found.flatten().as_ref(), renewal.now)? {
                        Found::Live(_) if renewal.if_unchanged => {
                            return Err(written_in_between());
                        }
                        // Another request wrote since: its changes are copied too.
                        Found::Live(newer) => base = newer,
                        other => return Ok(other),
                    }
                    written_in_between()
                }
            };
            if !patience.wait().await? {
                return Err(again);
            }
        }
    }

    async fn replace(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        record: &Record,
    ) -> Result<bool, Error> {
        let mut patience = self.patience(None);
        let now = record.created();
        let record = record.clone().at_version(1);
        loop {
            let item = self.layout.write(to, &record, now, &write_id()?)?;
            let transacted = self
                .transact(
                    self.put(item, self.layout.absent())?,
                    self.delete_in_transaction(from)?,
                )
                .await?;
            let again = match transacted {
                Transacted::Written => return Ok(true),
                Transacted::Again(error) => error,
                Transacted::Refused([Some(_), _]) => return Err(key_is_taken()),
                Transacted::Refused([None, found]) => {
                    return match self.found(found.flatten().as_ref(), now)? {
                        Found::Renewed => Ok(false),
                        // Not ours, so it stays.
                        Found::Live(_) | Found::Absent => {
                            self.create(to, &record).await.map(|()| true)
                        }
                    };
                }
            };
            if !patience.wait().await? {
                return Err(again);
            }
        }
    }

    /// Resending counts once: what is gone stays gone, and a second delete finds nothing.
    async fn delete(&self, key: &StorageKey, now: Timestamp) -> Result<Found<()>, Error> {
        let condition = self.layout.ours();
        let sent = self
            .client()
            .delete_item()
            .table_name(&*self.table)
            .key(self.layout.id, AttributeValue::S(key.as_str().to_owned()))
            .condition_expression(condition.condition)
            .set_expression_attribute_names(Some(condition.names))
            .set_expression_attribute_values(some(condition.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = sent else {
            return Ok(Found::Live(()));
        };
        match error.as_service_error() {
            Some(DeleteItemError::ConditionalCheckFailedException(refused)) => {
                Ok(self.found(refused.item(), now)?.map(drop))
            }
            _ => Err(Fault::of(error).of_write()),
        }
    }
}

/// Gives a copy of the process connections of its own.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use lambda_http::{Error, Request};
/// use lambda_sessions::{Session, SessionLayer};
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Error> {
///     let sessions = SessionLayer::from_env().await?;
///     lambda_http::runtime(sessions.wrap(hello))
///         .register_snapstart_resource(Arc::new(sessions.store().clone()))
///         .run()
///         .await
/// }
///
/// async fn hello(_request: Request, session: Session) -> Result<String, Error> {
///     Ok(format!("visit {}\n", session.increment("visits", 1)?))
/// }
/// ```
///
/// After a restore a store that was made by `from_env`, and all its clones, have a new client, with
/// credentials of the restored environment and a connection that is warm. A client of your own is
/// made again from its configuration; a connection that it had before, and that is dead now, costs
/// one attempt.
impl SnapStartResource for DynamoDbStore {
    fn after_restore(&self) -> BoxFuture<'_, Result<(), lambda_http::Error>> {
        Box::pin(async move {
            let before = self.client();
            let after = match &self.settings {
                Some(settings) => {
                    let timeouts = before.config().timeout_config().cloned();
                    let fresh = Self::connect(settings.clone()).await?.client();
                    timeouts.map_or(fresh.clone(), |timeouts| with_timeouts(&fresh, timeouts))
                }
                None => Client::from_conf(before.config().clone()),
            };
            *self.client.write().unwrap_or_else(PoisonError::into_inner) = after;
            self.warm_up().await;
            Ok(())
        })
    }
}

impl fmt::Debug for DynamoDbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDbStore")
            .field("table", &self.table)
            .field("consistent_read", &self.consistent_read)
            .finish_non_exhaustive()
    }
}

/// What became of an update.
enum Sent {
    /// The item as it is now.
    Written(Item),
    /// The item that the condition failed on, if there was one.
    Refused(Option<Item>),
}

/// What became of a transaction of two writes.
enum Transacted {
    Written,
    /// Nothing happened, and it may succeed if it is sent again, with a new token.
    Again(Error),
    /// For each write, whether its condition failed, and the item that it failed on.
    Refused([Option<Option<Item>>; 2]),
}

/// Reads why a transaction was cancelled: a condition that failed outweighs a conflict beside it.
fn judge(reasons: &[CancellationReason]) -> Result<Transacted, Error> {
    let refused = |n: usize| {
        let reason = reasons.get(n)?;
        (reason.code() == Some("ConditionalCheckFailed")).then(|| reason.item().cloned())
    };
    let refusals = [refused(0), refused(1)];
    if refusals.iter().any(Option::is_some) {
        return Ok(Transacted::Refused(refusals));
    }
    let other = reasons
        .iter()
        .find(|reason| !matches!(reason.code(), None | Some("None")));
    let meta = aws_sdk_dynamodb::error::ErrorMetadata::builder()
        .code(
            other
                .and_then(|reason| reason.code())
                .unwrap_or("TransactionCanceledException"),
        )
        .message(
            other
                .and_then(|reason| reason.message())
                .unwrap_or_default(),
        )
        .build();
    // Cancelled is cancelled: nothing happened, whatever the reason.
    match Fault::of_answer(400, &meta) {
        Fault::Again(error) => Ok(Transacted::Again(error)),
        Fault::Refused(error) | Fault::Ambiguous(error) => Err(error),
    }
}

/// How long an operation goes on trying, and how long it waits in between.
struct Patience {
    until: Instant,
    backoff: Duration,
}

impl Patience {
    /// For that long, and not past that moment.
    fn until(time: Duration, deadline: Option<Instant>) -> Self {
        let own = Instant::now() + time;
        Self {
            until: deadline.map_or(own, |deadline| deadline.min(own)),
            backoff: FIRST_BACKOFF,
        }
    }

    /// Waits for a random part of the backoff, so that those who collided do not collide again.
    /// `false` if time is up.
    async fn wait(&mut self) -> Result<bool, Error> {
        let share = f64::from(u16::from_le_bytes(random()?)) / f64::from(u16::MAX);
        let pause = self.backoff.mul_f64(share);
        self.backoff = (self.backoff * 2).min(LONGEST_BACKOFF);
        if Instant::now() + pause >= self.until {
            return Ok(false);
        }
        tokio::time::sleep(pause).await;
        Ok(true)
    }
}

/// A random id for one write, or the token of one transaction: 122 bits, from the operating
/// system. `Uuid::new_v4` may take them from a user-space generator, which a snapshot would copy.
fn write_id() -> Result<String, Error> {
    let uuid: Uuid = uuid::Builder::from_random_bytes(random()?).into_uuid();
    Ok(uuid.to_string())
}

fn with_timeouts(client: &Client, timeouts: TimeoutConfig) -> Client {
    let config = client.config().to_builder().timeout_config(timeouts);
    Client::from_conf(config.build())
}

fn written_in_between() -> Error {
    let reason = "another request wrote the session in between";
    Error::new(ErrorKind::Conflict, reason)
}

fn key_is_taken() -> Error {
    Error::new(ErrorKind::Conflict, "a new session's key is taken")
}

fn incomplete(error: aws_sdk_dynamodb::error::BuildError) -> Error {
    let reason = "the request could not be made";
    Error::with_source(ErrorKind::Misconfigured, reason, error)
}

/// DynamoDB refuses an empty map of values.
fn some(values: Item) -> Option<HashMap<String, AttributeValue>> {
    (!values.is_empty()).then_some(values)
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
