//! Several writes in one atomic step.
//!
//! 1. The first one or two writes are conditional and concern records. The others are rows of the
//!    users table and have no condition.
//! 2. Every repetition has the same token. If DynamoDB has seen a token within ten minutes, it
//!    responds with the earlier outcome. So a transaction that is sent several times counts once.

use aws_sdk_dynamodb::error::ErrorMetadata;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::transact_write_items::builders::TransactWriteItemsInputBuilder;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;
use aws_sdk_dynamodb::types::{CancellationReason, Delete, Put, TransactWriteItem};

use crate::error::Error;
use crate::id::StorageKey;
use crate::store::dynamodb::attempt::Attempt;
use crate::store::dynamodb::attribute::Item;
use crate::store::dynamodb::classify::Fault;
use crate::store::dynamodb::condition::ours_without_fence_or_absent;
use crate::store::dynamodb::errors::{incomplete, unforeseen};
use crate::store::dynamodb::expression::Expression;
use crate::store::dynamodb::get::failed_on;
use crate::store::dynamodb::item::ID;
use crate::store::dynamodb::requests::not_empty;
use crate::store::dynamodb::retry::{Ambiguity, RetryBudget};
use crate::store::dynamodb::table::Table;
use crate::store::dynamodb::write_id::transaction_token;

/// The result of a transaction.
pub(super) enum Transacted {
    Written,
    Refused(Refusals),
}

/// The failed conditions of the first two writes, each with the item that it failed on.
pub(super) type Refusals = [Option<Option<Item>>; 2];

/// Returns the conditional put of a record, a redirect or a tombstone.
pub(super) fn put(
    table: &Table,
    item: Item,
    condition: Expression,
) -> Result<TransactWriteItem, Error> {
    let condition = table.sessions.expression(condition);
    let put = Put::builder()
        .table_name(&*table.name)
        .set_item(Some(table.sessions.stored(item)))
        .condition_expression(condition.condition)
        .set_expression_attribute_names(not_empty(condition.names))
        .set_expression_attribute_values(not_empty(condition.values))
        .return_values_on_condition_check_failure(AllOld)
        .build()
        .map_err(incomplete)?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// Returns the conditional delete of a record.
pub(super) fn delete(table: &Table, key: &StorageKey) -> Result<TransactWriteItem, Error> {
    let condition = table.sessions.expression(ours_without_fence_or_absent());
    let delete = Delete::builder()
        .table_name(&*table.name)
        .set_key(Some(table.sessions.key(key)))
        .condition_expression(condition.condition)
        .set_expression_attribute_names(not_empty(condition.names))
        .set_expression_attribute_values(not_empty(condition.values))
        .return_values_on_condition_check_failure(AllOld)
        .build()
        .map_err(incomplete)?;
    Ok(TransactWriteItem::builder().delete(delete).build())
}

/// Sends writes in one transaction, and retries until there is a response.
pub(super) async fn transact(
    table: &Table,
    writes: &[TransactWriteItem],
    budget: &mut RetryBudget,
) -> Result<Transacted, Error> {
    let token = transaction_token()?;
    let has_rows = writes.iter().any(is_row);
    let mut ambiguity = Ambiguity::default();
    loop {
        let request = TransactWriteItemsInputBuilder::default()
            .client_request_token(&token)
            .set_transact_items(Some(writes.to_vec()));
        let fault = match table.attempt(budget, request).await {
            Attempt::Done(_) => {
                budget.responded();
                return Ok(Transacted::Written);
            }
            Attempt::Refused(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                match judge(cancelled.cancellation_reasons.unwrap_or_default()) {
                    Ok(refusals) => {
                        let met = items_met(table, writes, refusals, budget).await;
                        let met = met.map_err(|error| ambiguity.about(error))?;
                        return Ok(Transacted::Refused(met));
                    }
                    Err(fault) => fault,
                }
            }
            Attempt::Refused(_) => return Err(ambiguity.about(unforeseen())),
            Attempt::Failed(fault) => fault,
        };
        let failed = ambiguity.after(fault, budget).await;
        failed.map_err(|error| match has_rows {
            true => table.of_users_table(error),
            false => table.of_session_table(error),
        })?;
    }
}

/// Returns `true` if the write is a row of a user. Both kinds of items may be in one table, but rows
/// alone have no condition.
fn is_row(write: &TransactWriteItem) -> bool {
    let put = write.put.as_ref().and_then(Put::condition_expression);
    let deleted = write.delete.as_ref().and_then(Delete::condition_expression);
    put.or(deleted).is_none()
}

/// Adds the items that the conditions failed on, if DynamoDB has not returned them.
async fn items_met(
    table: &Table,
    writes: &[TransactWriteItem],
    mut refusals: Refusals,
    budget: &mut RetryBudget,
) -> Result<Refusals, Error> {
    for (write, refusal) in writes.iter().zip(&mut refusals) {
        if let Some(there) = refusal {
            *there = failed_on(table, &key_of(table, write), there.take(), budget).await?;
        }
    }
    Ok(refusals)
}

/// Returns the key of the record that a write of a transaction concerns.
fn key_of(table: &Table, write: &TransactWriteItem) -> StorageKey {
    let put = write.put.as_ref().map(Put::item);
    let item = put.or(write.delete.as_ref().map(Delete::key));
    let item = item.map(|item| table.sessions.read(item.clone()));
    let key = item.and_then(|item| ID.read(&item));
    // Every write of a record has a key. An empty one finds nothing.
    key.unwrap_or_else(|| StorageKey::stored(""))
}

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
    let meta = ErrorMetadata::builder()
        .code(code.unwrap_or("TransactionCanceledException"))
        .message(message.unwrap_or_default())
        .build();
    // Nothing happened in a cancelled transaction, whatever the reason.
    Err(match Fault::of_response(400, &meta) {
        Fault::Ambiguous(error) => Fault::Refused(error),
        fault => fault,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn reason(code: Option<&str>) -> CancellationReason {
        CancellationReason::builder()
            .set_code(code.map(str::to_owned))
            .build()
    }

    #[test]
    fn cancellation_reports_a_failed_condition_first() {
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
