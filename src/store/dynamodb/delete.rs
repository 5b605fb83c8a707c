//! Deletes a record: one conditional delete, and the delete of its row if it was bound to a user.
//!
//! A record with a fence is replaced by a tombstone. An attempt to create it may still be on its
//! way, and would bring the session back if there were no item.

use std::time::Duration;

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::ReturnValue;

use crate::error::Error;
use crate::id::StorageKey;
use crate::store::arguments::RequestTime;
use crate::store::dynamodb::attribute::Item;
use crate::store::dynamodb::condition::{fenced_still, ours_without_fence_or_absent};
use crate::store::dynamodb::errors::unforeseen;
use crate::store::dynamodb::get::failed_on;
use crate::store::dynamodb::item::{self, found, is_fenced, read_binding};
use crate::store::dynamodb::requests::{self, Written};
use crate::store::dynamodb::retry::{Ambiguity, RetryBudget};
use crate::store::dynamodb::table::Table;
use crate::store::dynamodb::user_rows;
use crate::store::record::Found;
use crate::store::user::Binding;

/// The time for which a signed request is accepted.
/// [Signatures](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html)
/// are valid for five minutes, and a clock may be wrong by as much.
const SIGNATURE_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// The result of deleting a record.
pub(super) enum Removed {
    /// The record was deleted. It had this binding, if that is known.
    Gone(Option<Binding>),
    /// The record was not deleted, because this item is there instead.
    Not(Option<Item>),
}

/// Deletes a record, as [`SessionStore::delete`](crate::SessionStore::delete) requires.
pub(super) async fn delete(
    table: &Table,
    key: &StorageKey,
    at: RequestTime,
) -> Result<Found<()>, Error> {
    let mut budget = table.budget(at);
    match remove(table, key, at, &mut budget).await? {
        Removed::Gone(binding) => {
            if let Some(binding) = binding {
                delete_row(table, &binding, key, &mut budget).await;
            }
            Ok(Found::Live(()))
        }
        Removed::Not(there) => Ok(found(there, at.now())?.map(drop)),
    }
}

/// Deletes a record, if there is one, and leaves its row.
pub(super) async fn remove(
    table: &Table,
    key: &StorageKey,
    at: RequestTime,
    budget: &mut RetryBudget,
) -> Result<Removed, Error> {
    let refused = match send_delete(table, key, budget).await? {
        Written::Done(item) => return Ok(Removed::Gone(read_binding(&item))),
        Written::Refused(item) => item,
    };
    let item = match refused {
        Some(item) if is_fenced(&item) => item,
        other => return Ok(Removed::Not(other)),
    };
    let tombstone = tombstone(key, at);
    Ok(match put_tombstone(table, key, tombstone, budget).await? {
        Written::Done(_) => Removed::Gone(read_binding(&item)),
        Written::Refused(other) => Removed::Not(other),
    })
}

/// Returns the tombstone for a record that is logged out while an attempt to create it may still
/// arrive. It lives for as long as DynamoDB would accept that attempt's signature.
pub(super) fn tombstone(key: &StorageKey, at: RequestTime) -> Item {
    item::tombstone(key, at.now(), at.now().plus(SIGNATURE_LIFETIME))
}

/// Deletes a record if no attempt at an earlier write can still be on its way, and returns it.
///
/// The record is not returned if an earlier attempt of this call has deleted it. Deleting is final:
/// a repetition finds nothing, which has the same result. An absent record is a success too, so a
/// failed condition always means that an item exists.
async fn send_delete(
    table: &Table,
    key: &StorageKey,
    budget: &mut RetryBudget,
) -> Result<Written, Error> {
    let delete = |_: &Ambiguity| {
        requests::delete(table, key, ours_without_fence_or_absent())
            .return_values(ReturnValue::AllOld)
    };
    match table.until_response(budget, delete).await? {
        (Ok(output), _) => Ok(match output.attributes.filter(|item| !item.is_empty()) {
            Some(deleted) => Written::Done(table.sessions.read(deleted)),
            None => Written::Refused(None),
        }),
        (Err(DeleteItemError::ConditionalCheckFailedException(refused)), _) => {
            let there = failed_on(table, key, refused.item, budget).await?;
            Ok(Written::Refused(there))
        }
        (Err(_), ambiguity) => Err(ambiguity.about(unforeseen())),
    }
}

/// Puts a tombstone in place of a record that has a fence. A repetition finds that tombstone, which
/// has the same result.
async fn put_tombstone(
    table: &Table,
    key: &StorageKey,
    tombstone: Item,
    budget: &mut RetryBudget,
) -> Result<Written, Error> {
    let put = |_: &Ambiguity| requests::put(table, tombstone.clone(), fenced_still());
    match table.until_response(budget, put).await? {
        (Ok(_), _) => Ok(Written::Done(Item::new())),
        (Err(PutItemError::ConditionalCheckFailedException(refused)), _) => {
            let there = failed_on(table, key, refused.item, budget).await?;
            Ok(match there {
                Some(item) if item == tombstone => Written::Done(item),
                there => Written::Refused(there),
            })
        }
        (Err(_), ambiguity) => Err(ambiguity.about(unforeseen())),
    }
}

/// Deletes the row of a deleted session. If that fails, the session is still deleted, and the row
/// expires by its `ttl`.
async fn delete_row(table: &Table, binding: &Binding, key: &StorageKey, budget: &mut RetryBudget) {
    if let Err(error) = user_rows::delete(table, binding.user(), key, budget).await {
        tracing::warn!(%error, "the row of a logged-out session could not be deleted: it will expire by its ttl");
    }
}
