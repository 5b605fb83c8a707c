//! The DynamoDB calls themselves, and how each of them is retried.
//!
//! The comments on each call say why repeating it has the effect of a single call. The number of
//! retries and their delays are in [`retry`](super::retry).

use std::error::Error as StdError;
use std::future::Future;

use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Delete, Put, ReturnValue,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};

use crate::error::{Error, ErrorKind};
use crate::id::StorageKey;
use crate::store::dynamodb::expression::Expression;
use crate::store::dynamodb::fault::{Fault, of_users_table};
use crate::store::dynamodb::item::Item;
use crate::store::dynamodb::retry::{Ambiguity, Attempt, RetryBudget};
use crate::store::dynamodb::{DynamoDbStore, write_id};
use crate::store::record::Found;
use crate::store::session_store::Update;

impl DynamoDbStore {
    /// Reads an item, and retries until there is a response.
    pub(super) async fn get(
        &self,
        key: &str,
        consistent: bool,
        budget: &mut RetryBudget,
    ) -> Result<Option<Item>, Error> {
        loop {
            let sending = self
                .client()
                .get_item()
                .table_name(&*self.table)
                .key(self.layout.id, AttributeValue::S(key.to_owned()))
                .consistent_read(consistent)
                .customize();
            let send = |once: Builder| sending.config_override(once).send();
            match self.attempt(budget, send).await {
                Attempt::Done(output) => {
                    budget.answered();
                    return Ok(output.item);
                }
                Attempt::Refused(_) => return Err(unforeseen()),
                Attempt::Failed(fault) => budget.after_a_read(fault).await?,
            }
        }
    }

    /// Returns the item that a condition failed on, if there is one. A failed condition is a
    /// response.
    ///
    /// Not every DynamoDB returns that item: DynamoDB Local before 2.2, LocalStack and Alternator
    /// do not. A write that lost a race there would look as if the record had been deleted. So a
    /// missing item is trusted only after this store has returned one before. Otherwise the item is
    /// read.
    async fn failed_on(
        &self,
        key: &str,
        returned: Option<Item>,
        budget: &mut RetryBudget,
    ) -> Result<Option<Item>, Error> {
        budget.answered();
        if returned.is_some() {
            self.connection.has_returned_an_item();
            return Ok(returned);
        }
        if self.connection.returns_items() {
            return Ok(None);
        }
        let there = self.get(key, true, budget).await?;
        if there.is_some() {
            self.connection.has_withheld_an_item();
        }
        Ok(there)
    }

    fn update_item(&self, key: &StorageKey, expression: Expression) -> UpdateItemFluentBuilder {
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

    fn put_item(&self, item: Item, condition: Expression) -> PutItemFluentBuilder {
        self.client()
            .put_item()
            .table_name(&*self.table)
            .set_item(Some(item))
            .condition_expression(condition.condition)
            .set_expression_attribute_names(Some(condition.names))
            .set_expression_attribute_values(some(condition.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// Sends an update that extends the expiry. A repetition finds the expiry that the first
    /// attempt set, which has the same result: a touch counts nothing.
    pub(super) async fn send_touch(
        &self,
        key: &StorageKey,
        expression: Expression,
        budget: &mut RetryBudget,
    ) -> Result<Sent, Error> {
        let sending = |_: &Ambiguity, once: Builder| {
            let touch = self.update_item(key, expression.clone());
            touch.customize().config_override(once).send()
        };
        match self.until_answered(budget, sending).await? {
            (Ok(_), _) => Ok(Sent::Written(Item::new())),
            (Err(UpdateItemError::ConditionalCheckFailedException(refused)), _) => {
                let there = self.failed_on(key.as_str(), refused.item, budget).await?;
                Ok(Sent::Refused(there))
            }
            (Err(_), ambiguity) => Err(ambiguity.about(unforeseen())),
        }
    }

    /// Sends the put of a new record. A repetition overwrites what an earlier attempt has put,
    /// unless the record was written since. No other client can have written it, because none has
    /// been told the id. The repetition leaves a fence in the record. A logout then does not make
    /// room for an attempt that is still on its way.
    pub(super) async fn send_new(
        &self,
        item: Item,
        write: &str,
        budget: &mut RetryBudget,
    ) -> Result<Sent, Error> {
        let sending = |ambiguity: &Ambiguity, once: Builder| {
            let put = match ambiguity.is_there() {
                false => self.put_item(item.clone(), self.layout.absent()),
                true => {
                    let condition = self.layout.absent_or_written_by(write);
                    self.put_item(self.layout.fenced(item.clone()), condition)
                }
            };
            put.customize().config_override(once).send()
        };
        match self.until_answered(budget, sending).await? {
            (Ok(_), _) => Ok(Sent::Written(Item::new())),
            (Err(PutItemError::ConditionalCheckFailedException(taken)), ambiguity) => {
                budget.answered();
                match ambiguity.is_there() {
                    false => Ok(Sent::Refused(taken.item)),
                    true => Err(ambiguity.about(unforeseen())),
                }
            }
            (Err(_), ambiguity) => Err(ambiguity.about(unforeseen())),
        }
    }

    /// Deletes a record if no attempt at an earlier write can still be on its way, and returns it.
    ///
    /// The record is not returned if an earlier attempt of this call has deleted it. Deleting is
    /// final: a repetition finds nothing, which has the same result. An absent record is a success
    /// too, so a failed condition always means that an item exists.
    pub(super) async fn send_delete(
        &self,
        key: &StorageKey,
        budget: &mut RetryBudget,
    ) -> Result<Sent, Error> {
        let condition = self.layout.ours_without_fence_or_absent();
        let sending = |_: &Ambiguity, once: Builder| {
            self.client()
                .delete_item()
                .table_name(&*self.table)
                .key(self.layout.id, AttributeValue::S(key.as_str().to_owned()))
                .condition_expression(&condition.condition)
                .set_expression_attribute_names(Some(condition.names.clone()))
                .set_expression_attribute_values(some(condition.values.clone()))
                .return_values(ReturnValue::AllOld)
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                )
                .customize()
                .config_override(once)
                .send()
        };
        match self.until_answered(budget, sending).await? {
            (Ok(output), _) => Ok(match output.attributes.filter(|item| !item.is_empty()) {
                Some(deleted) => Sent::Written(deleted),
                None => Sent::Refused(None),
            }),
            (Err(DeleteItemError::ConditionalCheckFailedException(refused)), _) => {
                let there = self.failed_on(key.as_str(), refused.item, budget).await?;
                Ok(Sent::Refused(there))
            }
            (Err(_), ambiguity) => Err(ambiguity.about(unforeseen())),
        }
    }

    /// Sends the put of a tombstone in place of a record that has a fence. A repetition finds that
    /// tombstone, which has the same result.
    pub(super) async fn send_stub(
        &self,
        key: &StorageKey,
        stub: Item,
        budget: &mut RetryBudget,
    ) -> Result<Sent, Error> {
        let sending = |_: &Ambiguity, once: Builder| {
            let put = self.put_item(stub.clone(), self.layout.fenced_still());
            put.customize().config_override(once).send()
        };
        match self.until_answered(budget, sending).await? {
            (Ok(_), _) => Ok(Sent::Written(Item::new())),
            (Err(PutItemError::ConditionalCheckFailedException(refused)), _) => {
                let there = self.failed_on(key.as_str(), refused.item, budget).await?;
                Ok(match there {
                    Some(item) if item == stub => Sent::Written(item),
                    found => Sent::Refused(found),
                })
            }
            (Err(_), ambiguity) => Err(ambiguity.about(unforeseen())),
        }
    }

    /// Sends the same request until there is a response. The returned [`Ambiguity`] says whether an
    /// earlier attempt may have happened.
    pub(super) async fn until_answered<T, E, Sending>(
        &self,
        budget: &mut RetryBudget,
        sending: impl Fn(&Ambiguity, Builder) -> Sending,
    ) -> Result<(Result<T, E>, Ambiguity), Error>
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
        Sending: Future<Output = Result<T, SdkError<E>>>,
    {
        let mut ambiguity = Ambiguity::default();
        loop {
            let send = |once: Builder| sending(&ambiguity, once);
            match self.attempt(budget, send).await {
                Attempt::Done(done) => {
                    budget.answered();
                    return Ok((Ok(done), ambiguity));
                }
                Attempt::Refused(refused) => return Ok((Err(refused), ambiguity)),
                Attempt::Failed(fault) => ambiguity.after(fault, budget).await?,
            }
        }
    }

    /// Sends an update whose expression was made from `update.read`.
    ///
    /// - After an ambiguous attempt, the update of a record that was read also requires its
    ///   `version`. If another request has written since, it cannot be determined whether the
    ///   earlier attempts happened. They must not happen twice. [`resolve`](Self::resolve) decides
    ///   what the failed condition means.
    /// - The repetition raises the record's fence. Every attempt requires the fence as it was read,
    ///   so the earlier attempts fail from then on, whatever others write concurrently.
    /// - If no record was read, there is no version to compare, and the update is not sent again.
    ///   The item is read instead. If this update did not write it last, the outcome cannot be
    ///   determined.
    pub(super) async fn send_update(
        &self,
        key: &StorageKey,
        expression: Expression,
        write: &str,
        update: &Update,
        ambiguity: &mut Ambiguity,
        budget: &mut RetryBudget,
    ) -> Result<Sent, Error> {
        loop {
            let mut request = expression.clone();
            if let (true, Some(read)) = (ambiguity.is_there(), &update.read) {
                request.repeat(&self.layout, read);
            }
            let sending = self
                .update_item(key, request)
                .return_values(ReturnValue::AllNew)
                .customize();
            let send = |once: Builder| sending.config_override(once).send();
            match self.attempt(budget, send).await {
                Attempt::Done(output) => {
                    budget.answered();
                    return Ok(Sent::Written(output.attributes.unwrap_or_default()));
                }
                Attempt::Refused(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    let there = self.failed_on(key.as_str(), refused.item, budget).await;
                    return match there.map_err(|error| ambiguity.about(error))? {
                        Some(item) if self.layout.is_written_by(&item, write) => {
                            Ok(Sent::Written(item))
                        }
                        found if !ambiguity.is_there() => Ok(Sent::Refused(found)),
                        found => match self.resolve(found, update) {
                            Some(Resolved::NotYet(item)) => Ok(Sent::Refused(Some(item))),
                            Some(Resolved::InPlace(item)) => {
                                self.fence_off(key, ambiguity, budget).await?;
                                Ok(Sent::Written(item))
                            }
                            None => Err(ambiguity.about(unforeseen())),
                        },
                    };
                }
                Attempt::Refused(_) => return Err(ambiguity.about(unforeseen())),
                Attempt::Failed(fault) => {
                    ambiguity.after(fault, budget).await?;
                    if ambiguity.is_there() && update.read.is_none() {
                        return match self.get(key.as_str(), true, budget).await {
                            Ok(Some(item)) if self.layout.is_written_by(&item, write) => {
                                Ok(Sent::Written(item))
                            }
                            _ => Err(ambiguity.about(unforeseen())),
                        };
                    }
                }
            }
        }
    }

    /// Decides what a failed condition says about an attempt whose response was lost. Returns
    /// `None` if the outcome cannot be determined.
    ///
    /// - The version is one higher than what was read. That one write is the other request's, so
    ///   ours has not happened yet. It is made again from the item as it is now.
    /// - Every value to set is present and every value to remove is gone. The result is the same as
    ///   a write made just now, whichever request made it. The update must not be written again,
    ///   since other requests may write before it. This rule excludes updates that require an
    ///   unchanged record, and changes that count.
    fn resolve(&self, found: Option<Item>, update: &Update) -> Option<Resolved> {
        let (item, read) = (found?, update.read.as_deref()?);
        let Ok(Found::Live(there)) = self.layout.read(&item, update.at.now()) else {
            return None;
        };
        if there.version() == read.version().saturating_add(1) {
            return Some(Resolved::NotYet(item));
        }
        let is_there = !update.require_unchanged && update.changes.are_in(there.data());
        is_there.then_some(Resolved::InPlace(item))
    }

    /// Raises the fence, so that earlier attempts at an update that are still on their way fail.
    /// They would otherwise overwrite what others write from now on. If the record is gone, they
    /// find nothing to write to.
    async fn fence_off(
        &self,
        key: &StorageKey,
        ambiguity: &Ambiguity,
        budget: &mut RetryBudget,
    ) -> Result<(), Error> {
        let sending = |_: &Ambiguity, once: Builder| {
            let raise = self.update_item(key, self.layout.raised_fence());
            raise.customize().config_override(once).send()
        };
        let raised = self.until_answered(budget, sending).await;
        match raised.map_err(|error| ambiguity.about(error))? {
            (Ok(_) | Err(UpdateItemError::ConditionalCheckFailedException(_)), _) => Ok(()),
            (Err(_), _) => Err(ambiguity.about(unforeseen())),
        }
    }

    /// Sends one or two conditional writes and the rows of users in one transaction. Every
    /// repetition has the same token. If DynamoDB has seen a token within ten minutes, it responds
    /// with the earlier outcome.
    pub(super) async fn transact(
        &self,
        writes: &[TransactWriteItem],
        budget: &mut RetryBudget,
    ) -> Result<Transacted, Error> {
        let token = write_id()?;
        let is_row = |write: &TransactWriteItem| {
            let put = write.put.as_ref().map(Put::table_name);
            let deleted = write.delete.as_ref().map(Delete::table_name);
            put.or(deleted) == Some(&*self.users_table)
        };
        let has_rows = writes.iter().any(is_row);
        let mut ambiguity = Ambiguity::default();
        loop {
            let sending = self
                .client()
                .transact_write_items()
                .client_request_token(&token)
                .set_transact_items(Some(writes.to_vec()))
                .customize();
            let send = |once: Builder| sending.config_override(once).send();
            let fault = match self.attempt(budget, send).await {
                Attempt::Done(_) => {
                    budget.answered();
                    return Ok(Transacted::Written);
                }
                Attempt::Refused(TransactWriteItemsError::TransactionCanceledException(
                    cancelled,
                )) => match judge(cancelled.cancellation_reasons.unwrap_or_default()) {
                    Ok(mut refused) => {
                        for (write, refused) in writes.iter().zip(&mut refused) {
                            if let Some(there) = refused {
                                let key = self.key_of(write);
                                let found = self.failed_on(key, there.take(), budget).await;
                                *there = found.map_err(|error| ambiguity.about(error))?;
                            }
                        }
                        return Ok(Transacted::Refused(refused));
                    }
                    Err(fault) => fault,
                },
                Attempt::Refused(_) => return Err(ambiguity.about(unforeseen())),
                Attempt::Failed(fault) => fault,
            };
            let failed = ambiguity.after(fault, budget).await;
            failed.map_err(|error| match has_rows {
                true => of_users_table(error),
                false => error,
            })?;
        }
    }

    /// Returns the key of the record that a transaction writes.
    fn key_of<'a>(&self, write: &'a TransactWriteItem) -> &'a str {
        let put = write.put.as_ref().map(Put::item);
        let key = put.or(write.delete.as_ref().map(Delete::key));
        match key.and_then(|key| key.get(self.layout.id)) {
            Some(AttributeValue::S(key)) => key,
            _ => "",
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
        let condition = self.layout.ours_without_fence_or_absent();
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

/// The state of an update after a failed condition.
enum Resolved {
    /// The update has not happened.
    NotYet(Item),
    /// The values that the update was to write are there.
    InPlace(Item),
}

/// The result of an update.
pub(super) enum Sent {
    /// The item as it is now.
    Written(Item),
    /// The item that the condition failed on, if there was one.
    Refused(Option<Item>),
}

/// The result of a transaction.
pub(super) enum Transacted {
    Written,
    Refused(Refusals),
}

/// The failed conditions of the first two writes, each with the item that it failed on.
pub(super) type Refusals = [Option<Option<Item>>; 2];

/// Reads why a transaction was cancelled. A failed condition outweighs a conflict in the same
/// response.
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
    // Nothing happened in a cancelled transaction, whatever the reason.
    Err(match Fault::of_answer(400, &meta) {
        Fault::Ambiguous(error) => Fault::Refused(error),
        fault => fault,
    })
}

pub(super) fn unforeseen() -> Error {
    let reason = "DynamoDB gave an answer that its operation does not have";
    Error::new(ErrorKind::Unavailable, reason)
}

pub(super) fn incomplete(error: aws_sdk_dynamodb::error::BuildError) -> Error {
    let reason = "the request could not be made";
    Error::with_source(ErrorKind::Misconfigured, reason, error)
}

/// Returns `None` for an empty map of values, which DynamoDB would refuse.
pub(super) fn some(values: Item) -> Option<Item> {
    (!values.is_empty()).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(code: Option<&str>) -> CancellationReason {
        CancellationReason::builder()
            .set_code(code.map(str::to_owned))
            .build()
    }

    #[test]
    fn a_condition_that_failed_outweighs_and_else_the_reason_counts_that_is_one() {
        let failed = Some("ConditionalCheckFailed");
        let conflict = Some("TransactionConflict");
        let refused = judge(vec![reason(conflict), reason(failed)]).unwrap();
        assert_eq!(refused, [None, Some(None)]);
        for reasons in [
            vec![reason(Some("None")), reason(conflict)],
            vec![reason(None), reason(Some("None")), reason(conflict)],
            vec![reason(conflict), reason(Some("None"))],
        ] {
            let fault = judge(reasons).unwrap_err();
            let Fault::Again(error) = fault else {
                panic!("{fault:?}");
            };
            assert_eq!(error.kind(), ErrorKind::Conflict);
        }
    }
}
