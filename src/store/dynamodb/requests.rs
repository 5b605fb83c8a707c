//! The conditional writes of single items, as requests that are not sent yet.
//!
//! Each asks for the item that its condition fails on, so that no read is needed to find the reason.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemInputBuilder;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemInputBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemInputBuilder;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld;

use crate::id::StorageKey;
use crate::store::dynamodb::attribute::Item;
use crate::store::dynamodb::expression::Expression;
use crate::store::dynamodb::table::Table;

/// The response to a conditional write.
pub(super) enum Written {
    /// The write happened. It returned this item.
    Done(Item),
    /// The condition failed. This is the item that it failed on, if there is one.
    Refused(Option<Item>),
}

/// Returns the request that puts an item.
pub(super) fn put(table: &Table, item: Item, condition: Expression) -> PutItemInputBuilder {
    let condition = table.sessions.expression(condition);
    PutItemInputBuilder::default()
        .table_name(&*table.name)
        .set_item(Some(table.sessions.stored(item)))
        .condition_expression(condition.condition)
        .set_expression_attribute_names(not_empty(condition.names))
        .set_expression_attribute_values(not_empty(condition.values))
        .return_values_on_condition_check_failure(AllOld)
}

/// Returns the request that puts an item, whatever is there.
#[cfg(feature = "flask")]
pub(super) fn put_always(table: &Table, item: Item) -> PutItemInputBuilder {
    PutItemInputBuilder::default()
        .table_name(&*table.name)
        .set_item(Some(table.sessions.stored(item)))
}

/// Returns the request that updates an item.
pub(super) fn update(
    table: &Table,
    key: &StorageKey,
    expression: Expression,
) -> UpdateItemInputBuilder {
    let expression = table.sessions.expression(expression);
    UpdateItemInputBuilder::default()
        .table_name(&*table.name)
        .set_key(Some(table.sessions.key(key)))
        .update_expression(expression.update)
        .condition_expression(expression.condition)
        .set_expression_attribute_names(Some(expression.names))
        .set_expression_attribute_values(Some(expression.values))
        .return_values_on_condition_check_failure(AllOld)
}

/// Returns the request that deletes an item.
pub(super) fn delete(
    table: &Table,
    key: &StorageKey,
    condition: Expression,
) -> DeleteItemInputBuilder {
    let condition = table.sessions.expression(condition);
    DeleteItemInputBuilder::default()
        .table_name(&*table.name)
        .set_key(Some(table.sessions.key(key)))
        .condition_expression(condition.condition)
        .set_expression_attribute_names(not_empty(condition.names))
        .set_expression_attribute_values(not_empty(condition.values))
        .return_values_on_condition_check_failure(AllOld)
}

/// Returns `None` for an empty map of placeholders, which DynamoDB would refuse.
pub(super) fn not_empty<V>(placeholders: HashMap<String, V>) -> Option<HashMap<String, V>> {
    (!placeholders.is_empty()).then_some(placeholders)
}
