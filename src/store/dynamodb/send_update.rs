//! Sends an update so that it counts once, however often it is sent.
//!
//! 1. After an ambiguous attempt, the update of a record that was read also requires its `version`.
//!    If another request has written since, it cannot be determined whether the earlier attempts
//!    happened. They must not happen twice. [`resolve`] decides what the failed condition means.
//! 2. The repetition raises the record's fence. Every attempt requires the fence as it was read, so
//!    the earlier attempts fail from then on, whatever others write concurrently.
//! 3. If no record was read, there is no version to compare, and the update is not sent again. The
//!    item is read instead. If this update did not write it last, the outcome cannot be determined.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValue;

use crate::error::Error;
use crate::id::StorageKey;
use crate::store::arguments::Update;
use crate::store::dynamodb::attempt::Attempt;
use crate::store::dynamodb::attribute::Item;
use crate::store::dynamodb::errors::unforeseen;
use crate::store::dynamodb::expression::Expression;
use crate::store::dynamodb::get::{failed_on, get_item};
use crate::store::dynamodb::item::{is_written_by, read};
use crate::store::dynamodb::requests::{self, Written};
use crate::store::dynamodb::retry::{Ambiguity, RetryBudget};
use crate::store::dynamodb::table::Table;
use crate::store::dynamodb::update_expression::{raised_fence, repeat};
use crate::store::record::Found;
use crate::store::user::Binding;

/// Sends an update whose expression was made from `update.read`.
pub(super) async fn send_update(
    table: &Table,
    key: &StorageKey,
    expression: Expression,
    write: &str,
    update: &Update,
    ambiguity: &mut Ambiguity,
    budget: &mut RetryBudget,
) -> Result<Written, Error> {
    loop {
        let mut request = expression.clone();
        if let (true, Some(read)) = (ambiguity.is_there(), &update.read) {
            repeat(&mut request, read);
        }
        let request =
            requests::update(table, key, request).set_return_values(returned(table, update));
        match table.attempt(budget, request).await {
            Attempt::Done(output) => {
                budget.responded();
                let item = output.attributes.unwrap_or_default();
                return Ok(Written::Done(table.sessions.read(item)));
            }
            Attempt::Refused(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                let there = failed_on(table, key, refused.item, budget).await;
                return match there.map_err(|error| ambiguity.about(error))? {
                    Some(item) if is_written_by(&item, write) => Ok(Written::Done(item)),
                    there if !ambiguity.is_there() => Ok(Written::Refused(there)),
                    there => match resolve(there, update) {
                        Some(Resolved::NotYet(item)) => Ok(Written::Refused(Some(item))),
                        Some(Resolved::InPlace(item)) => {
                            raise_fence(table, key, ambiguity, budget).await?;
                            Ok(Written::Done(item))
                        }
                        None => Err(ambiguity.about(unforeseen())),
                    },
                };
            }
            Attempt::Refused(_) => return Err(ambiguity.about(unforeseen())),
            Attempt::Failed(fault) => {
                ambiguity.after(fault, budget).await?;
                if ambiguity.is_there() && update.read.is_none() {
                    return match get_item(table, key, true, budget).await {
                        Ok(Some(item)) if is_written_by(&item, write) => Ok(Written::Done(item)),
                        _ => Err(ambiguity.about(unforeseen())),
                    };
                }
            }
        }
    }
}

/// Returns what DynamoDB returns after an update: the whole item only if its values are used, and
/// the version only if the client is told of it.
fn returned(table: &Table, update: &Update) -> Option<ReturnValue> {
    match (
        update.discards_values && update.read.is_some(),
        table.eventually_consistent,
    ) {
        (true, false) => None,
        (true, true) => Some(ReturnValue::UpdatedNew),
        (false, _) => Some(ReturnValue::AllNew),
    }
}

/// The state of an update after a failed condition.
enum Resolved {
    /// The update has not happened.
    NotYet(Item),
    /// The values that the update was to write are there.
    InPlace(Item),
}

/// Decides what a failed condition says about an attempt whose response was lost. Returns `None` if
/// the outcome cannot be determined.
///
/// - The version is one higher than what was read. That one write is the other request's, so ours
///   has not happened yet. It is made again from the item as it is now.
/// - Every value to set is present, also the lifetimes and the label, and every value to remove is gone. The result is the same as a
///   write made just now, whichever request made it. The update must not be written again, since
///   other requests may write before it. This rule excludes updates that require an unchanged
///   record, and changes that count.
fn resolve(there: Option<Item>, update: &Update) -> Option<Resolved> {
    let (item, read_before) = (there?, update.read.as_deref()?);
    let Ok(Found::Live(there)) = read(item.clone(), update.at.now()) else {
        return None;
    };
    if there.version() == read_before.version().saturating_add(1) {
        return Some(Resolved::NotYet(item));
    }
    let label = there.binding().and_then(Binding::label);
    let is_labelled = update.label.is_none() || update.label.as_deref() == label;
    let is_there = !update.require_unchanged
        && update.changes.are_in(there.data())
        && update.lifetimes.changes_to(there.lifetimes()).is_empty()
        && is_labelled;
    is_there.then_some(Resolved::InPlace(item))
}

/// Raises the fence, so that earlier attempts at an update that are still on their way fail. They
/// would otherwise overwrite what others write from now on. If the record is gone, they find
/// nothing to write to.
async fn raise_fence(
    table: &Table,
    key: &StorageKey,
    ambiguity: &Ambiguity,
    budget: &mut RetryBudget,
) -> Result<(), Error> {
    let raise = |_: &Ambiguity| requests::update(table, key, raised_fence());
    let raised = table.until_response(budget, raise).await;
    match raised.map_err(|error| ambiguity.about(error))? {
        (Ok(_) | Err(UpdateItemError::ConditionalCheckFailedException(_)), _) => Ok(()),
        (Err(_), _) => Err(ambiguity.about(unforeseen())),
    }
}
