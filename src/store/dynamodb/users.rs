//! A user's sessions: the rows of the second table, how they are listed, and how they are revoked.
//!
//! 1. A session that is bound to a user has a row under the user's pseudonym and its own key. The
//!    row is put in the transaction that puts the record, so that there is no record without one,
//!    and it lives as long as the session may at most.
//! 2. A renewal leaves the row of the old key there for as long as the stub of the old record, and
//!    the stub says where the session went. A `Query` is no snapshot, and may see one half of a
//!    transaction; but the row that was there when it began is there all the time. From that row on
//!    a revocation follows the session, one delete after the other, and each of them comes either
//!    before a renewal, which then finds nothing to renew, or after it, and finds the stub.
//! 3. That is done again until all of the rows are read and none is left, in case that deleting took
//!    longer than a stub lives. Nothing depends on a clock: also what has expired is deleted, rows
//!    and records.
//! 4. Rows are read and deleted a page at a time, so that a user may have any number of them: what a
//!    revocation has deleted stays deleted when its time runs out, and the next one goes on there.
//! 5. A logout and a new beginning delete the row with the record. A row without any record is passed
//!    over when the sessions are listed. If it was written a day ago or more, the list deletes it: no
//!    transaction that would put its record can be under way any more. Else it goes with its `ttl`.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, KeysAndAttributes, Put, TransactWriteItem};
use futures_util::{TryStreamExt as _, stream};

use crate::error::{Error, ErrorKind};
use crate::expiry::Timestamp;
use crate::id::StorageKey;
use crate::record::Found;
use crate::store::dynamodb::fault::{Fault, of_users_table};
use crate::store::dynamodb::item::Item;
use crate::store::dynamodb::retry::{Ambiguity, Attempt, RetryBudget};
use crate::store::dynamodb::sending::{incomplete, unforeseen};
use crate::store::dynamodb::{DynamoDbStore, Removed};
use crate::store::{Cycle, RequestTime};
use crate::user::{Binding, Pseudonym, Revoked, UserSessions};

/// The attributes of a row, beside those that are named as the record's: `ttl`, `handle`, and
/// `created`, which is when the row was written.
const USER: &str = "user";
const SESSION: &str = "session";

/// The number of rows that are read at once: as many records as one `BatchGetItem` may ask for
/// ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html)).
const PAGE: usize = 100;
/// The number of rows that are looked at for one list.
const MOST_LISTED: usize = 1_000;
/// The number of rows without a record that one list deletes.
const MOST_CLEARED: usize = 25;
/// The time after which a row that was written without a record will not get one. A request that
/// would put it is accepted for minutes; the rest is for clocks that are wrong.
const ROW_WITHOUT_RECORD: Duration = Duration::from_secs(24 * 60 * 60);
/// How many sessions are deleted at once, so that thousands take seconds.
const MOST_DELETED_AT_ONCE: usize = 16;
/// How often a session may be renewed while it is being revoked.
const MOST_RENEWALS: usize = 64;
/// How often a user may have sessions again right after all were revoked.
const MOST_PASSES: usize = 16;

impl DynamoDbStore {
    /// Returns the write of a session's row, which lives until then.
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

    /// The rows that a renewal writes: the new key's, and the old one's, which stays as long as the
    /// stub does.
    pub(super) fn rows_of_a_renewal(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        renewal: Cycle<'_>,
    ) -> Result<Vec<TransactWriteItem>, Error> {
        let now = renewal.at.now();
        let mut rows = Vec::new();
        if let Some(binding) = renewal.binding {
            rows.push(self.put_row(to, binding, now, binding.ends())?);
        }
        if let Some(binding) = renewal.read.binding() {
            let until = renewal.stub(to).ttl();
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
                // What cannot be read is no reason to hide the rest.
                let Ok(Found::Live(record)) = self.layout.read(item, at.now()) else {
                    continue;
                };
                if let Some(binding) = record.binding()
                    && binding.user() == user
                    && let Some(info) = record.info()
                {
                    // While it is being renewed it may be seen twice.
                    by_handle.insert(binding.handle().to_owned(), info);
                }
            }
            from = page.next;
            if from.is_none() || looked_at >= MOST_LISTED {
                break;
            }
        }
        let has_more = match from {
            // A page that is full says that there may be more, also where it is the last.
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

    /// Deletes some of the rows that have no record, if that succeeds and there is time: the list is
    /// made already, and the rows go with their `ttl` in any case.
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

    /// Deletes sessions of a user, wherever they go meanwhile.
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

    /// Deletes a session, and follows it where it is renewed to, as far as nobody else does.
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
                    // One of a newer format lives on, and nobody may believe that it does not.
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

    /// Reads the next rows of a user, those included that have expired.
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

    /// The records under these keys, without their data; at most as many as may be read at once.
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
                    // One table was asked, however the answer calls it: one that was asked by its ARN
                    // may answer by its name.
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
                    // Some are left where a reply would grow too large, or the table is throttled.
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

    /// Deletes the row of a session that is gone. There is nothing to lose: no other session ever
    /// has its key.
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

/// Some rows of a user.
struct Page {
    rows: Vec<Item>,
    /// The key after which the next page begins, if there may be one.
    next: Option<Item>,
}

fn too_fast() -> Error {
    let reason = "sessions were begun or renewed faster than they could be revoked";
    Error::new(ErrorKind::Conflict, reason)
}

/// Nothing of what was asked for came back.
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
