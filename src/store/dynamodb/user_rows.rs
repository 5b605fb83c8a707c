//! The rows of the users table: one for each session that is bound to a user.
//!
//! 1. A row is under the user's pseudonym and the session's key. One transaction puts both the row
//!    and the record, so there is no record without a row. The row lives for the longest time that
//!    the session may live.
//! 2. Cycling the id keeps the row of the old key for as long as the redirect or tombstone of the
//!    old record. That item names the successor.
//! 3. A logout and a new session delete the row with the record. A row without a record is ignored
//!    by all readers.

use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemInputBuilder;
use aws_sdk_dynamodb::operation::query::builders::QueryInputBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};

use crate::clock::Timestamp;
use crate::error::Error;
use crate::id::StorageKey;
use crate::store::dynamodb::attribute::Item;
use crate::store::dynamodb::errors::{incomplete, unforeseen};
use crate::store::dynamodb::item::{CREATED, HANDLE, TTL};
use crate::store::dynamodb::retry::{Ambiguity, RetryBudget};
use crate::store::dynamodb::table::Table;
use crate::store::dynamodb::users_schema::{SESSION, USER};
use crate::store::user::{Binding, Pseudonym};

/// The number of rows that are read at once: the limit for the records of one `BatchGetItem`
/// ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html)).
pub(super) const PAGE: usize = 100;
/// The number of items that are deleted concurrently, so that thousands take seconds.
pub(super) const MAX_CONCURRENT_DELETES: usize = 16;

/// A page of a user's rows.
pub(super) struct Page {
    pub(super) rows: Vec<Item>,
    /// The key after which the next page begins, if there may be one.
    pub(super) next: Option<Item>,
}

/// Returns the write of a session's row, which expires at `until`.
pub(super) fn put(
    table: &Table,
    key: &StorageKey,
    binding: &Binding,
    now: Timestamp,
    until: Timestamp,
) -> Result<TransactWriteItem, Error> {
    let mut row = library_key(binding.user(), key);
    TTL.write(&mut row, &until);
    CREATED.write(&mut row, &now);
    HANDLE.write(&mut row, &binding.handle().to_owned());
    let put = Put::builder()
        .table_name(&*table.users)
        .set_item(Some(table.rows.stored(row)))
        .build()
        .map_err(incomplete)?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// Returns the deletion of a session's row.
pub(super) fn delete_in_transaction(
    table: &Table,
    user: &Pseudonym,
    key: &StorageKey,
) -> Result<TransactWriteItem, Error> {
    let delete = Delete::builder()
        .table_name(&*table.users)
        .set_key(Some(row_key(table, user, key)))
        .build()
        .map_err(incomplete)?;
    Ok(TransactWriteItem::builder().delete(delete).build())
}

/// Deletes the row of a session that is gone. This loses nothing: no other session ever has its
/// key.
pub(super) async fn delete(
    table: &Table,
    user: &Pseudonym,
    key: &StorageKey,
    budget: &mut RetryBudget,
) -> Result<(), Error> {
    let delete = |_: &Ambiguity| {
        DeleteItemInputBuilder::default()
            .table_name(&*table.users)
            .set_key(Some(row_key(table, user, key)))
    };
    match table.until_response(budget, delete).await {
        Ok((Ok(_), _)) => Ok(()),
        Ok((Err(_), _)) => Err(unforeseen()),
        Err(error) => Err(table.of_users_table(error)),
    }
}

/// Reads the next rows of a user, including expired ones.
pub(super) async fn query(
    table: &Table,
    user: &Pseudonym,
    most: usize,
    from: Option<Item>,
    budget: &mut RetryBudget,
) -> Result<Page, Error> {
    let schema = &table.rows;
    let request = || {
        let request = QueryInputBuilder::default();
        let request = match schema.prefix() {
            None => request.key_condition_expression("#user = :user"),
            // The user's partition may hold other items.
            Some(prefix) => request
                .key_condition_expression("#user = :user AND begins_with(#session, :session)")
                .expression_attribute_values(":session", AttributeValue::S(prefix.to_owned())),
        };
        request
            .table_name(&*table.users)
            .projection_expression("#session, #handle, #created")
            .expression_attribute_names("#user", schema.user())
            .expression_attribute_names("#session", schema.session())
            .expression_attribute_names("#handle", HANDLE.name())
            .expression_attribute_names("#created", CREATED.name())
            .expression_attribute_values(":user", schema.stored_user(user))
            .consistent_read(true)
            .limit(i32::try_from(most).unwrap_or(i32::MAX))
            .set_exclusive_start_key(from.clone())
    };
    let page = table.read(budget, request).await;
    let page = page.map_err(|error| table.of_users_table(error))?;
    let rows = page.items.unwrap_or_default().into_iter();
    Ok(Page {
        rows: rows.map(|row| schema.read(row)).collect(),
        next: page.last_evaluated_key,
    })
}

/// Returns the key of a row, as a request names it.
fn row_key(table: &Table, user: &Pseudonym, key: &StorageKey) -> Item {
    table.rows.stored(library_key(user, key))
}

/// Returns the key of a row with the library's names.
fn library_key(user: &Pseudonym, key: &StorageKey) -> Item {
    let mut row = Item::new();
    USER.write(&mut row, user);
    SESSION.write(&mut row, key);
    row
}
