//! Extends the expiry of a record: one update that changes no data.
//!
//! The update may also read the record: it returns the item, and so does its failed condition.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValue;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::id::StorageKey;
use crate::store::arguments::{RequestTime, Touch};
use crate::store::dynamodb::attempt::Attempt;
use crate::store::dynamodb::classify::Fault;
use crate::store::dynamodb::errors::unforeseen;
use crate::store::dynamodb::get::failed_on;
use crate::store::dynamodb::item::found;
use crate::store::dynamodb::requests;
use crate::store::dynamodb::retry::{Ambiguity, RetryBudget};
use crate::store::dynamodb::table::Table;
use crate::store::dynamodb::update_expression;
use crate::store::record::Found;

/// Extends the expiry, as [`SessionStore::touch`](crate::SessionStore::touch) requires.
///
/// A repetition finds the expiry that the first attempt set, which has the same result: a touch is
/// not counted.
pub(super) async fn touch(
    table: &Table,
    key: &StorageKey,
    ttl: Timestamp,
    at: RequestTime,
) -> Result<bool, Error> {
    let mut budget = table.budget(at);
    let touch =
        |_: &Ambiguity| requests::update(table, key, update_expression::touch(ttl, at.now()));
    let refused = match table.until_response(&mut budget, touch).await? {
        (Ok(_), _) => return Ok(true),
        (Err(UpdateItemError::ConditionalCheckFailedException(refused)), _) => refused,
        (Err(_), ambiguity) => return Err(ambiguity.about(unforeseen())),
    };
    let there = failed_on(table, key, refused.item, &mut budget).await?;
    match found(there, at.now())? {
        Found::Live(record) => Ok(record.ttl() == ttl),
        Found::Redirect(_) | Found::Tombstone(_) | Found::Absent => Ok(false),
    }
}

/// Reads a record and extends its expiry if the touch applies to it. Returns `None` if there was no
/// response, or if the function may not write: the caller then reads the record.
///
/// There is one attempt. A touch is not worth more, because it can be made at the end of the request.
/// If its response was lost, the read finds the expiry that it has set.
pub(super) async fn touch_and_read(
    table: &Table,
    key: &StorageKey,
    touch: &Touch,
    at: RequestTime,
    budget: &mut RetryBudget,
) -> Result<Option<Found>, Error> {
    let expression = update_expression::touch_if_due(touch, at.now());
    let request = requests::update(table, key, expression).return_values(ReturnValue::AllNew);
    let item = match table.attempt(budget, request).await {
        Attempt::Done(output) => {
            budget.responded();
            output.attributes.map(|item| table.sessions.read(item))
        }
        Attempt::Refused(UpdateItemError::ConditionalCheckFailedException(refused)) => {
            failed_on(table, key, refused.item, budget).await?
        }
        Attempt::Refused(_) | Attempt::Failed(Fault::Refused(_)) => return Ok(None),
        Attempt::Failed(fault) => {
            // The read is another call, so it is sent even if this one is not worth a retry.
            let _ = budget.after_a_read(fault).await;
            return Ok(None);
        }
    };
    found(item, at.now()).map(Some)
}
