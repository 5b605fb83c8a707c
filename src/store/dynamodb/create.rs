//! Creates a record: one put that requires an absent item.
//!
//! A record that is bound to a user is put in one transaction with its row.

use aws_sdk_dynamodb::operation::put_item::PutItemError;

use crate::error::Error;
use crate::id::StorageKey;
use crate::store::arguments::RequestTime;
use crate::store::dynamodb::attribute::Item;
use crate::store::dynamodb::condition::{absent, absent_or_written_by};
use crate::store::dynamodb::errors::{key_is_taken, unforeseen};
use crate::store::dynamodb::item::{self, fenced, is_written_by};
use crate::store::dynamodb::requests;
use crate::store::dynamodb::retry::{Ambiguity, RetryBudget};
use crate::store::dynamodb::table::Table;
use crate::store::dynamodb::transaction::{self, Transacted, transact};
use crate::store::dynamodb::user_rows;
use crate::store::dynamodb::write_id::write_id;
use crate::store::record::Record;

/// Stores a new record, as [`SessionStore::create`](crate::SessionStore::create) requires.
pub(super) async fn create(
    table: &Table,
    key: &StorageKey,
    record: &Record,
    at: RequestTime,
) -> Result<(), Error> {
    let write = write_id()?;
    let record = record.clone().at_version(1);
    let item = item::write(key, &record, at.now(), &write)?;
    let mut budget = table.budget(at);
    let Some(binding) = record.binding() else {
        return put(table, item, &write, &mut budget).await;
    };
    let writes = [
        transaction::put(table, item, absent())?,
        user_rows::put(table, key, binding, at.now(), binding.ends())?,
    ];
    match transact(table, &writes, &mut budget).await? {
        Transacted::Written => Ok(()),
        Transacted::Refused([there, _]) => {
            let there = there.flatten();
            let is_ours = there.is_some_and(|item| is_written_by(&item, &write));
            is_ours.then_some(()).ok_or_else(key_is_taken)
        }
    }
}

/// Puts a new record. A repetition overwrites what an earlier attempt has put, unless the record
/// was written since. No other client can have written it, because no response has sent the id yet. The
/// repetition leaves a fence in the record. A logout then does not make room for an attempt that is
/// still on its way.
async fn put(
    table: &Table,
    item: Item,
    write: &str,
    budget: &mut RetryBudget,
) -> Result<(), Error> {
    let put = |ambiguity: &Ambiguity| match ambiguity.is_there() {
        false => requests::put(table, item.clone(), absent()),
        true => requests::put(table, fenced(item.clone()), absent_or_written_by(write)),
    };
    match table.until_response(budget, put).await? {
        (Ok(_), _) => Ok(()),
        (Err(PutItemError::ConditionalCheckFailedException(_)), ambiguity) => {
            budget.responded();
            match ambiguity.is_there() {
                false => Err(key_is_taken()),
                true => Err(ambiguity.about(unforeseen())),
            }
        }
        (Err(_), ambiguity) => Err(ambiguity.about(unforeseen())),
    }
}
