//! Lists the sessions of a user: a query for the rows, and a read of their records.
//!
//! A session whose id is cycled while it is listed is found too: the item that is left at the old key
//! names its successor.
//!
//! A row without a record is skipped. It is deleted if it was written a day ago or more: no
//! transaction that would put its record can still be under way. Otherwise its `ttl` removes it.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::operation::batch_get_item::builders::BatchGetItemInputBuilder;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use futures_util::{TryStreamExt as _, stream};

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::StorageKey;
use crate::store::arguments::RequestTime;
use crate::store::data::Data;
use crate::store::dynamodb::attempt::Attempt;
use crate::store::dynamodb::attribute::Item;
use crate::store::dynamodb::classify::Fault;
use crate::store::dynamodb::errors::{incomplete, unforeseen};
use crate::store::dynamodb::item::{CREATED, DATA, ID, NAMES, TTL, read, successor};
use crate::store::dynamodb::retry::RetryBudget;
use crate::store::dynamodb::session_schema::SessionSchema;
use crate::store::dynamodb::table::Table;
use crate::store::dynamodb::user_rows::{self, MAX_CONCURRENT_DELETES, PAGE, query};
use crate::store::dynamodb::users_schema::SESSION;
use crate::store::record::Found;
use crate::store::session_info::UserSessions;
use crate::store::user::Pseudonym;

/// The number of rows that one list reads at most, for a user's page.
pub(super) const MAX_LISTED: usize = 1_000;
/// The number of times that the id of a session may be cycled while it is listed.
const MAX_CYCLES: usize = 16;
/// The number of rows without a record that one list deletes at most.
const MAX_CLEARED: usize = 25;
/// The time after which a row without a record will not get one. A request that would put the
/// record is accepted for minutes. The rest allows for clocks that are wrong.
const ROW_WITHOUT_RECORD: Duration = Duration::from_secs(24 * 60 * 60);

/// Lists the live sessions of a user, as
/// [`SessionStore::user_sessions`](crate::SessionStore::user_sessions) requires. It ends after the page
/// with which this many rows were read.
pub(super) async fn user_list(
    table: &Table,
    user: &Pseudonym,
    limit: usize,
    at: RequestTime,
) -> Result<UserSessions, Error> {
    let mut by_handle = HashMap::new();
    let mut stale = Vec::new();
    let (mut listed, mut from, mut is_complete) = (0, None, true);
    loop {
        let page = query(table, user, PAGE, from, &mut table.budget(at)).await?;
        listed += page.rows.len();
        let keys = page.rows.iter().filter_map(|row| SESSION.read(row));
        let items = get_with_successors(table, keys.collect(), at).await?;
        let there: HashSet<StorageKey> = items.iter().filter_map(|item| ID.read(item)).collect();
        let old = page.rows.iter().filter(|row| is_old(row, at.now()));
        let old = old.filter_map(|row| SESSION.read(row));
        stale.extend(old.filter(|key| !there.contains(key)));
        for item in items {
            let key = ID.read(&item);
            let record = match read(item, at.now()) {
                Ok(Found::Live(record)) => record,
                Ok(_) => continue,
                // One unreadable record does not hide the others.
                Err(_) => {
                    is_complete = false;
                    continue;
                }
            };
            if let Some(binding) = record.binding()
                && binding.user() == user
                && let Some((info, key)) = record.info().zip(key)
            {
                // A session may be seen twice while its id is cycled.
                by_handle.insert(binding.handle().to_owned(), info.stored_at(key));
            }
        }
        from = page.next;
        if from.is_none() || listed >= limit {
            break;
        }
    }
    let has_more = match from {
        // A full page may be followed by more, even if it is the last.
        Some(_) => {
            let next = query(table, user, 1, from, &mut table.budget(at)).await?;
            !next.rows.is_empty()
        }
        None => false,
    };
    clear(table, user, &stale, at).await;
    let sessions = UserSessions::new(by_handle.into_values().collect());
    Ok(match has_more || !is_complete {
        true => sessions.and_more(),
        false => sessions,
    })
}

/// Returns `true` if a row was written so long ago that its record cannot be on its way.
fn is_old(row: &Item, now: Timestamp) -> bool {
    let written = CREATED.read(row);
    written.is_some_and(|written| written.plus(ROW_WITHOUT_RECORD) <= now)
}

/// Deletes some of the rows that have no record, if there is time. A failure is ignored: the list
/// is complete already, and the `ttl` of the rows removes them in any case.
async fn clear(table: &Table, user: &Pseudonym, stale: &[StorageKey], at: RequestTime) {
    let enough = Instant::now() + table.attempt_timeout * 2;
    if at.deadline().is_some_and(|deadline| deadline < enough) {
        return;
    }
    let some = stale.iter().take(MAX_CLEARED).map(Ok);
    let cleared = stream::iter(some)
        .try_for_each_concurrent(MAX_CONCURRENT_DELETES, |key| async move {
            let mut budget = table.short_budget(Some(at));
            user_rows::delete(table, user, key, &mut budget).await
        })
        .await;
    if let Err(error) = cleared {
        tracing::debug!(%error, "rows without a session are left");
    }
}

/// Returns the items under these keys, and those that their sessions have moved to meanwhile. A row that
/// was read before an id was cycled leads to the old key, and the new row may not have been read.
async fn get_with_successors(
    table: &Table,
    mut keys: Vec<StorageKey>,
    at: RequestTime,
) -> Result<Vec<Item>, Error> {
    let mut known: HashSet<StorageKey> = keys.iter().cloned().collect();
    let mut items = Vec::new();
    for _ in 0..MAX_CYCLES {
        let found = get_all(table, keys, &mut table.budget(at)).await?;
        // An item that expired was left long before the row was read.
        let recent = |item: &&Item| TTL.read(item).is_some_and(|ttl| ttl > at.now());
        let successors = found.iter().filter(recent).filter_map(successor);
        keys = successors.filter(|key| known.insert(key.clone())).collect();
        items.extend(found);
        if keys.is_empty() {
            break;
        }
    }
    Ok(items)
}

/// Returns the records under these keys, without their data. There are at most as many keys as one
/// call may read.
async fn get_all(
    table: &Table,
    keys: Vec<StorageKey>,
    budget: &mut RetryBudget,
) -> Result<Vec<Item>, Error> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut asked = without_data(&table.sessions, &keys)?;
    let mut items = Vec::new();
    loop {
        let request =
            BatchGetItemInputBuilder::default().request_items(&*table.name, asked.clone());
        match table.attempt(budget, request).await {
            Attempt::Done(output) => {
                // Only one table was requested, so its name in the response is ignored. A table
                // that is requested by its ARN may appear under its name.
                let responses = output.responses.unwrap_or_default();
                let before = items.len();
                let responses = responses.into_values().flatten();
                items.extend(responses.map(|item| table.sessions.read(item)));
                let got = items.len() - before;
                let left = output.unprocessed_keys.unwrap_or_default();
                let left = left.into_values().next();
                if got > 0 || left.is_none() {
                    budget.responded();
                }
                let Some(left) = left else { break };
                // Some keys are left if a response would grow too large, or if the table is
                // throttled.
                asked = left;
                match got {
                    0 => budget.after_a_read(throttled()).await?,
                    _ => budget.start_again(),
                }
            }
            Attempt::Refused(_) => return Err(unforeseen()),
            Attempt::Failed(fault) => budget.after_a_read(fault).await?,
        }
    }
    let none = DATA.stored(&Data::new());
    for item in &mut items {
        item.entry(DATA.name().to_owned())
            .or_insert_with(|| none.clone());
    }
    Ok(items)
}

/// Returns the request for all attributes of ours but `data`.
fn without_data(schema: &SessionSchema, keys: &[StorageKey]) -> Result<KeysAndAttributes, Error> {
    let names = NAMES.iter().filter(|name| **name != DATA.name());
    let placeholders: HashMap<String, String> = names
        .map(|name| (format!("#{name}"), schema.name(name).to_owned()))
        .collect();
    let projection: Vec<_> = placeholders.keys().cloned().collect();
    KeysAndAttributes::builder()
        .set_keys(Some(keys.iter().map(|key| schema.key(key)).collect()))
        .consistent_read(true)
        .projection_expression(projection.join(", "))
        .set_expression_attribute_names(Some(placeholders))
        .build()
        .map_err(incomplete)
}

/// Returns the fault for a response that held none of the requested items.
fn throttled() -> Fault {
    let reason = "DynamoDB throttled the call";
    Fault::Again(Error::new(ErrorKind::Throttled, reason))
}
