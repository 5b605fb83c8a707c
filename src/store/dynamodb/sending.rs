//! Sending: until it is known what happened, or time is up.

use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
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

    /// One attempt at an `UpdateItem`. The SDK's own retries are off: it would resend what may have
    /// happened, and an increment would count twice.
    pub(super) async fn update_once(
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

    /// Sends an update until it is known whether it happened, or time is up.
    ///
    /// - An answer that proves that nothing happened is followed by the same request.
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

    /// Two writes in one transaction.
    ///
    /// Resending counts once: the SDK resends with the same token, and DynamoDB answers a token it
    /// has seen within ten minutes with the outcome it had.
    pub(super) async fn transact(
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
pub(super) struct Patience {
    until: Instant,
    backoff: Duration,
}

impl Patience {
    /// For that long, and not past that moment.
    pub(super) fn until(time: Duration, deadline: Option<Instant>) -> Self {
        let own = Instant::now() + time;
        Self {
            until: deadline.map_or(own, |deadline| deadline.min(own)),
            backoff: FIRST_BACKOFF,
        }
    }

    /// Waits for a random part of the backoff, so that those who collided do not collide again.
    /// `false` if time is up.
    pub(super) async fn wait(&mut self) -> Result<bool, Error> {
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

fn incomplete(error: aws_sdk_dynamodb::error::BuildError) -> Error {
    let reason = "the request could not be made";
    Error::with_source(ErrorKind::Misconfigured, reason, error)
}

/// DynamoDB refuses an empty map of values.
pub(super) fn some(values: Item) -> Option<Item> {
    (!values.is_empty()).then_some(values)
}
