//! Extends the expiry of a record: one update that changes no data.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::id::StorageKey;
use crate::store::arguments::RequestTime;
use crate::store::dynamodb::errors::unforeseen;
use crate::store::dynamodb::get::failed_on;
use crate::store::dynamodb::item::found;
use crate::store::dynamodb::requests;
use crate::store::dynamodb::retry::Ambiguity;
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
