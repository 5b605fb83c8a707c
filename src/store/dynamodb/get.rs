//! Reads a single item, alone or after a condition that failed on it.

use aws_sdk_dynamodb::operation::get_item::builders::GetItemInputBuilder;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::id::StorageKey;
use crate::store::dynamodb::attribute::Item;
use crate::store::dynamodb::item::found;
use crate::store::dynamodb::retry::RetryBudget;
use crate::store::dynamodb::table::Table;
use crate::store::record::Found;

/// Reads the record, redirect or tombstone at a key.
pub(super) async fn look(
    table: &Table,
    key: &StorageKey,
    now: Timestamp,
    consistent: bool,
    budget: &mut RetryBudget,
) -> Result<Found, Error> {
    let item = get_item(table, key, consistent, budget).await?;
    found(item, now)
}

/// Reads an item, and retries until there is a response.
pub(super) async fn get_item(
    table: &Table,
    key: &StorageKey,
    consistent: bool,
    budget: &mut RetryBudget,
) -> Result<Option<Item>, Error> {
    let get = || {
        GetItemInputBuilder::default()
            .table_name(&*table.name)
            .set_key(Some(table.sessions.key(key)))
            .consistent_read(consistent)
    };
    let item = table.read(budget, get).await?.item;
    Ok(item.map(|item| table.sessions.read(item)))
}

/// Returns the item that a condition failed on, if there is one. A failed condition is a response.
///
/// Not every DynamoDB returns that item: DynamoDB Local before 2.2, LocalStack and Alternator do
/// not. A write that lost a race there would look as if the record had been deleted. So a missing
/// item is trusted only after this store has returned one before. Otherwise the item is read.
pub(super) async fn failed_on(
    table: &Table,
    key: &StorageKey,
    returned: Option<Item>,
    budget: &mut RetryBudget,
) -> Result<Option<Item>, Error> {
    budget.responded();
    if let Some(item) = returned {
        table.connection.has_returned_an_item();
        return Ok(Some(table.sessions.read(item)));
    }
    if table.connection.returns_items() {
        return Ok(None);
    }
    let there = get_item(table, key, true, budget).await?;
    if there.is_some() {
        table.connection.has_withheld_an_item();
    }
    Ok(there)
}
