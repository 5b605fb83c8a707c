//! Sending: until it is known what happened, or time is up.
//!
//! 1. The SDK's own retries are off for every write but a touch: it resends blindly, and tells only
//!    of its last attempt, so that a lost acknowledgement followed by a refusal would look as if
//!    nothing had happened.
//! 2. An answer that proves that nothing happened is followed by the same request. After anything
//!    ambiguous there is a [`Doubt`], and whatever cannot dispel it in time is
//!    [`OutcomeUnknown`](ErrorKind::OutcomeUnknown).
//! 3. No attempt lasts longer than the time that is left, and none is begun that would not end in
//!    it, going by the last one: what is cut off is unknown, and what is not begun is not.

use std::error::Error as StdError;
use std::future::Future;
use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Delete, Put, ReturnValue,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};

use crate::error::{Error, ErrorKind};
use crate::id::{StorageKey, random};
use crate::record::Record;
use crate::store::dynamodb::expression::Expression;
use crate::store::dynamodb::fault::{Fault, unknown};
use crate::store::dynamodb::item::Item;
use crate::store::dynamodb::{DynamoDbStore, FIRST_BACKOFF, LONGEST_BACKOFF, write_id};

impl DynamoDbStore {
    pub(super) async fn get(&self, key: &str) -> Result<Option<Item>, Error> {
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

    pub(super) fn update_item(
        &self,
        key: &StorageKey,
        expression: Expression,
    ) -> UpdateItemFluentBuilder {
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

    /// Sends an update.
    ///
    /// - Its condition refuses an item that it has stamped already, so that an attempt which
    ///   arrives after its own repetition changes nothing.
    /// - After anything ambiguous, a record that was read is written with its `version` as a
    ///   further condition. If that fails on an item that this very write stamped, the first one
    ///   had happened. If it fails on another's, nobody can tell: a bare `write <> mine` would
    ///   count twice there.
    /// - Where nothing was read, the item is read once: it is ours, or nobody can tell.
    pub(super) async fn send_update(
        &self,
        key: &StorageKey,
        expression: Expression,
        write: &str,
        read: Option<&Record>,
        patience: &mut Patience,
    ) -> Result<Sent, Error> {
        let mut doubt = Doubt::default();
        loop {
            let mut request = expression.clone();
            if let (true, Some(read)) = (doubt.is_there(), read) {
                request.require_version(&self.layout, read.version());
            }
            let sending = self
                .update_item(key, request)
                .return_values(ReturnValue::AllNew)
                .customize()
                .config_override(once());
            match attempt(patience, sending.send()).await {
                Attempt::Done(output) => {
                    return Ok(Sent::Written(output.attributes.unwrap_or_default()));
                }
                Attempt::Answer(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    return match refused.item {
                        Some(item) if self.layout.is_written_by(&item, write) => {
                            Ok(Sent::Written(item))
                        }
                        found => doubt.dispelled_by(Sent::Refused(found)),
                    };
                }
                Attempt::Answer(_) => return Err(doubt.about(unforeseen())),
                Attempt::Failed(fault) => {
                    doubt.after(fault, patience).await?;
                    if doubt.is_there() && read.is_none() {
                        return match self.get(key.as_str()).await {
                            Ok(Some(item)) if self.layout.is_written_by(&item, write) => {
                                Ok(Sent::Written(item))
                            }
                            _ => Err(doubt.about(unforeseen())),
                        };
                    }
                }
            }
        }
    }

    /// Puts a new item. A repetition fails on the item that the first attempt has stamped.
    pub(super) async fn send_new(
        &self,
        item: Item,
        condition: Expression,
        write: &str,
        patience: &mut Patience,
    ) -> Result<Sent, Error> {
        let mut doubt = Doubt::default();
        loop {
            let sending = self
                .client()
                .put_item()
                .table_name(&*self.table)
                .set_item(Some(item.clone()))
                .condition_expression(&condition.condition)
                .set_expression_attribute_names(Some(condition.names.clone()))
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                )
                .customize()
                .config_override(once());
            match attempt(patience, sending.send()).await {
                Attempt::Done(_) => return Ok(Sent::Written(item)),
                Attempt::Answer(PutItemError::ConditionalCheckFailedException(taken)) => {
                    return match taken.item {
                        Some(there) if self.layout.is_written_by(&there, write) => {
                            Ok(Sent::Written(there))
                        }
                        found => doubt.dispelled_by(Sent::Refused(found)),
                    };
                }
                Attempt::Answer(_) => return Err(doubt.about(unforeseen())),
                Attempt::Failed(fault) => doubt.after(fault, patience).await?,
            }
        }
    }

    /// Deletes an item. What is gone stays gone: a repetition finds nothing, which is as good.
    pub(super) async fn send_delete(
        &self,
        key: &StorageKey,
        condition: Expression,
        patience: &mut Patience,
    ) -> Result<Sent, Error> {
        let mut doubt = Doubt::default();
        loop {
            let sending = self
                .client()
                .delete_item()
                .table_name(&*self.table)
                .key(self.layout.id, AttributeValue::S(key.as_str().to_owned()))
                .condition_expression(&condition.condition)
                .set_expression_attribute_names(Some(condition.names.clone()))
                .set_expression_attribute_values(some(condition.values.clone()))
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                )
                .customize()
                .config_override(once());
            match attempt(patience, sending.send()).await {
                Attempt::Done(_) => return Ok(Sent::Written(Item::new())),
                Attempt::Answer(DeleteItemError::ConditionalCheckFailedException(refused)) => {
                    return Ok(Sent::Refused(refused.item));
                }
                Attempt::Answer(_) => return Err(doubt.about(unforeseen())),
                Attempt::Failed(fault) => doubt.after(fault, patience).await?,
            }
        }
    }

    /// Sends two writes in one transaction. Every repetition has the same token, and DynamoDB
    /// answers a token that it has seen within ten minutes with the outcome it had.
    pub(super) async fn transact(
        &self,
        writes: [TransactWriteItem; 2],
        patience: &mut Patience,
    ) -> Result<Transacted, Error> {
        let token = write_id()?;
        let mut doubt = Doubt::default();
        loop {
            let sending = self
                .client()
                .transact_write_items()
                .client_request_token(&token)
                .set_transact_items(Some(writes.to_vec()))
                .customize()
                .config_override(once());
            let fault = match attempt(patience, sending.send()).await {
                Attempt::Done(_) => return Ok(Transacted::Written),
                Attempt::Answer(TransactWriteItemsError::TransactionCanceledException(
                    cancelled,
                )) => match judge(cancelled.cancellation_reasons.unwrap_or_default()) {
                    Ok(refused) => return Ok(Transacted::Refused(refused)),
                    Err(fault) => fault,
                },
                Attempt::Answer(_) => return Err(doubt.about(unforeseen())),
                Attempt::Failed(fault) => fault,
            };
            doubt.after(fault, patience).await?;
        }
    }

    pub(super) fn put(
        &self,
        item: Item,
        condition: Expression,
    ) -> Result<TransactWriteItem, Error> {
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

    pub(super) fn delete_in_transaction(
        &self,
        key: &StorageKey,
    ) -> Result<TransactWriteItem, Error> {
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

/// What became of an update.
pub(super) enum Sent {
    /// The item as it is now.
    Written(Item),
    /// The item that the condition failed on, if there was one.
    Refused(Option<Item>),
}

/// What became of a transaction of two writes.
pub(super) enum Transacted {
    Written,
    Refused(Refusals),
}

/// For each of two writes, whether its condition failed, and the item that it failed on.
pub(super) type Refusals = [Option<Option<Item>>; 2];

/// Reads why a transaction was cancelled: a condition that failed outweighs a conflict beside it.
fn judge(reasons: Vec<CancellationReason>) -> Result<Refusals, Fault> {
    let failed = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    if reasons.iter().any(failed) {
        let mut refusals = reasons
            .into_iter()
            .map(|reason| failed(&reason).then_some(reason.item));
        return Ok([refusals.next().flatten(), refusals.next().flatten()]);
    }
    let other = reasons
        .iter()
        .find(|reason| !matches!(reason.code(), None | Some("None")));
    let code = other.and_then(|reason| reason.code());
    let message = other.and_then(|reason| reason.message());
    let meta = aws_sdk_dynamodb::error::ErrorMetadata::builder()
        .code(code.unwrap_or("TransactionCanceledException"))
        .message(message.unwrap_or_default())
        .build();
    // Cancelled is cancelled: nothing happened, whatever the reason.
    Err(match Fault::of_answer(400, &meta) {
        Fault::Ambiguous(error) => Fault::Refused(error),
        fault => fault,
    })
}

/// What became of one attempt.
enum Attempt<T, E> {
    Done(T),
    /// The service's own error, of a condition that failed.
    Answer(E),
    Failed(Fault),
}

/// Makes one attempt, for no longer than the time that is left.
async fn attempt<T, E>(
    patience: &mut Patience,
    sending: impl Future<Output = Result<T, SdkError<E>>>,
) -> Attempt<T, E>
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    let begun = Instant::now();
    let sent = tokio::time::timeout_at(patience.until.into(), sending).await;
    patience.last_attempt = begun.elapsed();
    let Ok(sent) = sent else {
        let reason = "the time for the operation ran out";
        return Attempt::Failed(Fault::Ambiguous(Error::new(ErrorKind::Timeout, reason)));
    };
    let error = match sent {
        Ok(done) => return Attempt::Done(done),
        Err(error) => error,
    };
    let is_condition = error.code().is_some_and(|code| {
        matches!(
            code,
            "ConditionalCheckFailedException" | "TransactionCanceledException"
        )
    });
    match error {
        SdkError::ServiceError(answer) if is_condition => Attempt::Answer(answer.into_err()),
        error => Attempt::Failed(Fault::of(error)),
    }
}

/// Whether an earlier attempt at a write may have happened, and what makes one think so.
#[derive(Debug, Default)]
struct Doubt(Option<Error>);

impl Doubt {
    fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Waits to try again, if there is a point in it and time for it.
    ///
    /// # Errors
    ///
    /// Why there is not.
    async fn after(&mut self, fault: Fault, patience: &mut Patience) -> Result<(), Error> {
        let (error, again) = match fault {
            Fault::Refused(error) => (error, false),
            Fault::Again(error) => (error, true),
            Fault::Ambiguous(error) => (self.0.get_or_insert(error).clone(), true),
        };
        match again && patience.wait().await? {
            true => Ok(()),
            false => Err(self.about(error)),
        }
    }

    /// The error that it comes to: what may have happened is unknown, whatever came after it.
    fn about(&self, error: Error) -> Error {
        self.0.clone().map_or(error, unknown)
    }

    /// A refusal that is not of our own write says nothing of whether that happened before.
    fn dispelled_by(self, sent: Sent) -> Result<Sent, Error> {
        self.0.map_or(Ok(sent), |cause| Err(unknown(cause)))
    }
}

/// The SDK's own retries are off.
fn once() -> aws_sdk_dynamodb::config::Builder {
    aws_sdk_dynamodb::config::Builder::new().retry_config(RetryConfig::disabled())
}

fn unforeseen() -> Error {
    let reason = "DynamoDB gave an answer that its operation does not have";
    Error::new(ErrorKind::Unavailable, reason)
}

/// How long an operation goes on trying, and how long it waits in between.
pub(super) struct Patience {
    until: Instant,
    backoff: Duration,
    /// How long the last attempt took.
    last_attempt: Duration,
}

impl Patience {
    /// For that long, and not past that moment.
    pub(super) fn until(time: Duration, deadline: Option<Instant>) -> Self {
        let now = Instant::now();
        // A time that no clock can tell is as good as an hour.
        let own = now
            .checked_add(time)
            .unwrap_or(now + Duration::from_secs(3600));
        Self {
            until: deadline.map_or(own, |deadline| deadline.min(own)),
            backoff: FIRST_BACKOFF,
            last_attempt: Duration::ZERO,
        }
    }

    /// Waits for a random part of the backoff, so that those who collided do not collide again.
    /// `false` if time is up, or would be before another attempt has ended.
    pub(super) async fn wait(&mut self) -> Result<bool, Error> {
        let share = f64::from(u16::from_le_bytes(random()?)) / f64::from(u16::MAX);
        let pause = self.backoff.mul_f64(share);
        self.backoff = (self.backoff * 2).min(LONGEST_BACKOFF);
        let next_attempt = self.last_attempt + self.last_attempt / 2;
        if Instant::now() + pause + next_attempt >= self.until {
            return Ok(false);
        }
        tokio::time::sleep(pause).await;
        Ok(true)
    }
}

fn incomplete(error: aws_sdk_dynamodb::error::BuildError) -> Error {
    let reason = "the request could not be made";
    Error::with_source(ErrorKind::Misconfigured, reason, error)
}

/// DynamoDB refuses an empty map of values.
pub(super) fn some(values: Item) -> Option<Item> {
    (!values.is_empty()).then_some(values)
}
