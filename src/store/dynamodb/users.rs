//! A user's sessions: the rows of the second table, and how they are listed and revoked.
//!
//! 1. A session that is bound to a user has a row under the user's pseudonym and the session's key.
//!    One transaction puts both the row and the record, so there is no record without a row. The
//!    row lives for the longest time that the session may live.
//! 2. Cycling the id keeps the row of the old key for as long as the redirect or tombstone of the
//!    old record. That item names the successor. A `Query` is not a snapshot and may see half of a
//!    transaction. But the row that was there when it began is there all the time.
//! 3. From that row, a revocation follows the session, one delete after the other. Each delete
//!    comes before or after a cycle. If it comes before, the cycle finds no record. If it comes
//!    after, the delete finds the redirect or tombstone.
//! 4. The revocation repeats until a pass over all the rows finds none, in case that deleting took
//!    longer than a redirect or tombstone lives. Nothing depends on a clock: expired rows and
//!    records are deleted too.
//! 5. Rows are read and deleted a page at a time, so a user may have any number of them. What a
//!    revocation has deleted stays deleted when its time runs out. The next revocation continues
//!    there.
//! 6. A logout and a new session delete the row with the record. A row without a record is skipped
//!    when the sessions are listed. The list deletes it if it was written a day ago or more: no
//!    transaction that would put its record can still be under way. Otherwise its `ttl` removes it.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, KeysAndAttributes, Put, TransactWriteItem};
use futures_util::{TryStreamExt as _, stream};

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::StorageKey;
use crate::store::dynamodb::fault::{Fault, of_users_table};
use crate::store::dynamodb::item::Item;
use crate::store::dynamodb::retry::{Ambiguity, Attempt, RetryBudget};
use crate::store::dynamodb::sending::{incomplete, unforeseen};
use crate::store::dynamodb::{DynamoDbStore, Removed};
use crate::store::record::Found;
use crate::store::session_store::{Cycle, RequestTime};
use crate::store::user::{Binding, Pseudonym, Revoked, UserSessions};

/// The attributes of a row. `ttl`, `handle` and `created` are named as in the record, and `created`
/// is when the row was written.
const USER: &str = "user";
const SESSION: &str = "session";

/// The number of rows that are read at once: the limit for the records of one `BatchGetItem`
/// ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html)).
const PAGE: usize = 100;
/// The number of rows that one list reads at most.
const MOST_LISTED: usize = 1_000;
/// The number of rows without a record that one list deletes at most.
const MOST_CLEARED: usize = 25;
/// The time after which a row without a record will not get one. A request that would put the
/// record is accepted for minutes. The rest allows for clocks that are wrong.
const ROW_WITHOUT_RECORD: Duration = Duration::from_secs(24 * 60 * 60);
/// The number of sessions that are deleted concurrently, so that thousands take seconds.
const MOST_DELETED_AT_ONCE: usize = 16;
/// The number of times that the id of a session may be cycled while it is revoked.
const MOST_RENEWALS: usize = 64;
/// The number of times that a user may have new sessions right after all were revoked.
const MOST_PASSES: usize = 16;

impl DynamoDbStore {
    /// Returns the write of a session's row, which expires at `until`.
    pub(super) fn put_row(
        &self,
        key: &StorageKey,
        binding: &Binding,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<TransactWriteItem, Error> {
        let (text, number) = (
            |text: &str| AttributeValue::S(text.to_owned()),
            |at: Timestamp| AttributeValue::N(at.to_string()),
        );
        let row = HashMap::from([
            (USER.to_owned(), text(binding.user().as_str())),
            (SESSION.to_owned(), text(key.as_str())),
            (self.layout.ttl.to_owned(), number(until)),
            (self.layout.created.to_owned(), number(now)),
            (self.layout.handle.to_owned(), text(binding.handle())),
        ]);
        let put = Put::builder()
            .table_name(&*self.users_table)
            .set_item(Some(row))
            .build()
            .map_err(incomplete)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Returns the deletion of a session's row.
    pub(super) fn delete_row_in_transaction(
        &self,
        user: &Pseudonym,
        key: &StorageKey,
    ) -> Result<TransactWriteItem, Error> {
        let delete = Delete::builder()
            .table_name(&*self.users_table)
            .key(USER, AttributeValue::S(user.as_str().to_owned()))
            .key(SESSION, AttributeValue::S(key.as_str().to_owned()))
            .build()
            .map_err(incomplete)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Returns the rows that cycling the id writes. The new key's row lives as long as the session
    /// may, and the old key's row as long as the redirect or tombstone.
    pub(super) fn rows_of_a_renewal(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        cycle: &Cycle,
    ) -> Result<Vec<TransactWriteItem>, Error> {
        let now = cycle.at.now();
        let mut rows = Vec::new();
        if let Some(binding) = &cycle.binding {
            rows.push(self.put_row(to, binding, now, binding.ends())?);
        }
        if let Some(binding) = cycle.read.binding() {
            let until = cycle.left_behind(to).ttl();
            rows.push(self.put_row(from, binding, now, until)?);
        }
        Ok(rows)
    }

    /// Lists the live sessions of a user, up to a limit.
    pub(super) async fn list(
        &self,
        user: &Pseudonym,
        at: RequestTime,
    ) -> Result<UserSessions, Error> {
        let mut by_handle = HashMap::new();
        let mut stale = Vec::new();
        let (mut looked_at, mut from) = (0, None);
        loop {
            let page = self.rows(user, PAGE, from, &mut self.budget(at)).await?;
            looked_at += page.rows.len();
            let keys = page.rows.iter().filter_map(key_of).collect();
            let items = self.get_all(keys, &mut self.budget(at)).await?;
            let there: HashSet<StorageKey> = items
                .iter()
                .filter_map(|item| key_in(item, self.layout.id))
                .collect();
            let old = page.rows.iter().filter(|row| self.is_old(row, at.now()));
            stale.extend(old.filter_map(key_of).filter(|key| !there.contains(key)));
            for item in &items {
                // One unreadable record does not hide the others.
                let Ok(Found::Live(record)) = self.layout.read(item, at.now()) else {
                    continue;
                };
                if let Some(binding) = record.binding()
                    && binding.user() == user
                    && let Some(info) = record.info()
                {
                    // A session may be seen twice while its id is cycled.
                    by_handle.insert(binding.handle().to_owned(), info);
                }
            }
            from = page.next;
            if from.is_none() || looked_at >= MOST_LISTED {
                break;
            }
        }
        let has_more = match from {
            // A full page may be followed by more, even if it is the last.
            Some(_) => {
                let next = self.rows(user, 1, from, &mut self.budget(at)).await?;
                !next.rows.is_empty()
            }
            None => false,
        };
        self.clear(user, &stale, at).await;
        let sessions = UserSessions::new(by_handle.into_values().collect());
        Ok(match has_more {
            true => sessions.and_more(),
            false => sessions,
        })
    }

    /// Returns `true` if a row was written so long ago that its record cannot be on its way.
    fn is_old(&self, row: &Item, now: Timestamp) -> bool {
        let Some(AttributeValue::N(written)) = row.get(self.layout.created) else {
            return false;
        };
        let written = written.parse().map(Timestamp::from_epoch_seconds);
        written.is_ok_and(|written| written.plus(ROW_WITHOUT_RECORD) <= now)
    }

    /// Deletes some of the rows that have no record, if there is time. A failure is ignored: the
    /// list is complete already, and the `ttl` of the rows removes them in any case.
    async fn clear(&self, user: &Pseudonym, stale: &[StorageKey], at: RequestTime) {
        let enough = Instant::now() + self.attempt_timeout * 2;
        if at.deadline().is_some_and(|deadline| deadline < enough) {
            return;
        }
        let some = stale.iter().take(MOST_CLEARED).map(Ok);
        let cleared = stream::iter(some)
            .try_for_each_concurrent(MOST_DELETED_AT_ONCE, |key| async move {
                let quota = self.connection.quota();
                let mut budget = RetryBudget::new(self.attempt_timeout, at.deadline(), quota);
                self.delete_row(user, key, &mut budget).await
            })
            .await;
        if let Err(error) = cleared {
            tracing::debug!(%error, "rows without a session are left");
        }
    }

    /// Deletes sessions of a user, and their successors if an id is cycled concurrently.
    pub(super) async fn delete_all(
        &self,
        user: &Pseudonym,
        which: Revoked<'_>,
        at: RequestTime,
    ) -> Result<(), Error> {
        for _ in 0..MOST_PASSES {
            let (mut from, mut found) = (None, false);
            loop {
                let page = self.rows(user, PAGE, from, &mut self.budget(at)).await?;
                let keys: HashSet<StorageKey> = page
                    .rows
                    .iter()
                    .filter(|row| which.includes(handle_of(row, self.layout.handle)))
                    .filter_map(key_of)
                    .collect();
                found |= !keys.is_empty();
                stream::iter(keys.iter().map(Ok))
                    .try_for_each_concurrent(MOST_DELETED_AT_ONCE, |key| {
                        self.delete_with_successors(user, key, &keys, at)
                    })
                    .await?;
                from = page.next;
                if from.is_none() {
                    break;
                }
            }
            if !found {
                return Ok(());
            }
        }
        Err(too_fast())
    }

    /// Deletes a session and its successors, up to one that another delete starts from.
    async fn delete_with_successors(
        &self,
        user: &Pseudonym,
        first: &StorageKey,
        others: &HashSet<StorageKey>,
        at: RequestTime,
    ) -> Result<(), Error> {
        let mut key = first.clone();
        for _ in 0..MOST_RENEWALS {
            let there = self.remove(&key, at, &mut self.budget(at)).await?;
            self.delete_row(user, &key, &mut self.budget(at)).await?;
            let heir = match there {
                Removed::Not(Some(item)) => match self.layout.heir(&item) {
                    Some(heir) => Some(heir),
                    // A record of a newer format is still alive, and must not be reported as
                    // deleted.
                    None => self.layout.read_ever(&item).map(|_| None)?,
                },
                Removed::Not(None) | Removed::Gone(_) => None,
            };
            match heir {
                Some(heir) if !others.contains(&heir) => key = heir,
                _ => return Ok(()),
            }
        }
        Err(too_fast())
    }

    /// Reads the next rows of a user, including expired ones.
    async fn rows(
        &self,
        user: &Pseudonym,
        most: usize,
        from: Option<Item>,
        budget: &mut RetryBudget,
    ) -> Result<Page, Error> {
        loop {
            let sending = self
                .client()
                .query()
                .table_name(&*self.users_table)
                .key_condition_expression("#user = :user")
                .projection_expression("#session, #handle, #created")
                .expression_attribute_names("#user", USER)
                .expression_attribute_names("#session", SESSION)
                .expression_attribute_names("#handle", self.layout.handle)
                .expression_attribute_names("#created", self.layout.created)
                .expression_attribute_values(":user", AttributeValue::S(user.as_str().to_owned()))
                .consistent_read(true)
                .limit(i32::try_from(most).unwrap_or(i32::MAX))
                .set_exclusive_start_key(from.clone())
                .customize();
            let send = |once: Builder| sending.config_override(once).send();
            match self.attempt(budget, send).await {
                Attempt::Done(page) => {
                    budget.answered();
                    return Ok(Page {
                        rows: page.items.unwrap_or_default(),
                        next: page.last_evaluated_key,
                    });
                }
                Attempt::Refused(_) => return Err(unforeseen()),
                Attempt::Failed(fault) => {
                    budget.after_a_read(fault).await.map_err(of_users_table)?
                }
            }
        }
    }

    /// Returns the records under these keys, without their data. There are at most as many keys as
    /// one call may read.
    async fn get_all(
        &self,
        keys: Vec<StorageKey>,
        budget: &mut RetryBudget,
    ) -> Result<Vec<Item>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let layout = &self.layout;
        let names = [
            layout.id,
            layout.created,
            layout.modified,
            layout.ttl,
            layout.renewed,
            layout.format,
            layout.user,
            layout.handle,
            layout.label,
            layout.until,
        ];
        let placeholders: HashMap<String, String> = names
            .iter()
            .enumerate()
            .map(|(n, name)| (format!("#n{n}"), (*name).to_owned()))
            .collect();
        let projection: Vec<_> = placeholders.keys().cloned().collect();
        let key = |key: &StorageKey| {
            let id = AttributeValue::S(key.as_str().to_owned());
            HashMap::from([(layout.id.to_owned(), id)])
        };
        let mut asked = KeysAndAttributes::builder()
            .set_keys(Some(keys.iter().map(key).collect()))
            .consistent_read(true)
            .projection_expression(projection.join(", "))
            .set_expression_attribute_names(Some(placeholders))
            .build()
            .map_err(incomplete)?;
        let mut items = Vec::new();
        loop {
            let sending = self
                .client()
                .batch_get_item()
                .request_items(&*self.table, asked.clone())
                .customize();
            let send = |once: Builder| sending.config_override(once).send();
            match self.attempt(budget, send).await {
                Attempt::Done(output) => {
                    // Only one table was requested, so its name in the response is ignored. A table
                    // that is requested by its ARN may appear under its name.
                    let responses = output.responses.unwrap_or_default();
                    let before = items.len();
                    items.extend(responses.into_values().flatten());
                    let got = items.len() - before;
                    let left = output.unprocessed_keys.unwrap_or_default();
                    let left = left.into_values().next();
                    if got > 0 || left.is_none() {
                        budget.answered();
                    }
                    let Some(left) = left else { break };
                    // Some keys are left if a response would grow too large, or if the table is
                    // throttled.
                    asked = left;
                    match got {
                        0 => budget.after_a_read(throttled()).await?,
                        _ => budget.begin_again(),
                    }
                }
                Attempt::Refused(_) => return Err(unforeseen()),
                Attempt::Failed(fault) => budget.after_a_read(fault).await?,
            }
        }
        for item in &mut items {
            let nothing = AttributeValue::M(HashMap::new());
            item.entry(layout.data.to_owned()).or_insert(nothing);
        }
        Ok(items)
    }

    /// Deletes the row of a session that is gone. This loses nothing: no other session ever has its
    /// key.
    pub(super) async fn delete_row(
        &self,
        user: &Pseudonym,
        key: &StorageKey,
        budget: &mut RetryBudget,
    ) -> Result<(), Error> {
        let sending = |_: &Ambiguity, once: Builder| {
            self.client()
                .delete_item()
                .table_name(&*self.users_table)
                .key(USER, AttributeValue::S(user.as_str().to_owned()))
                .key(SESSION, AttributeValue::S(key.as_str().to_owned()))
                .customize()
                .config_override(once)
                .send()
        };
        match self.until_answered(budget, sending).await {
            Ok((Ok(_), _)) => Ok(()),
            Ok((Err(_), _)) => Err(unforeseen()),
            Err(error) => Err(of_users_table(error)),
        }
    }
}

/// A page of a user's rows.
struct Page {
    rows: Vec<Item>,
    /// The key after which the next page begins, if there may be one.
    next: Option<Item>,
}

fn too_fast() -> Error {
    let reason = "sessions were begun or renewed faster than they could be revoked";
    Error::new(ErrorKind::Conflict, reason)
}

/// Returns the fault for a response that held none of the requested items.
fn throttled() -> Fault {
    let reason = "DynamoDB throttled the call";
    Fault::Again(Error::new(ErrorKind::Throttled, reason))
}

fn handle_of<'a>(row: &'a Item, name: &str) -> &'a str {
    match row.get(name) {
        Some(AttributeValue::S(handle)) => handle,
        _ => "",
    }
}

fn key_of(row: &Item) -> Option<StorageKey> {
    key_in(row, SESSION)
}

fn key_in(item: &Item, name: &str) -> Option<StorageKey> {
    match item.get(name) {
        Some(AttributeValue::S(key)) => Some(StorageKey::stored(key)),
        _ => None,
    }
}
