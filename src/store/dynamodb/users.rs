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
//! 3. That is done again until a `Query` finds nothing, in case that deleting took longer than a
//!    stub lives. Nothing depends on a clock: also what has expired is deleted, rows and records.
//! 4. A row without a record is stale, and is passed over when the sessions are listed. It goes with
//!    its `ttl`. A list never deletes one: the record may be about to be there.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Put, TransactWriteItem};
use futures_util::{TryStreamExt as _, stream};

use crate::error::{Error, ErrorKind};
use crate::expiry::Timestamp;
use crate::id::StorageKey;
use crate::record::Found;
use crate::store::dynamodb::fault::{Fault, of_users_table};
use crate::store::dynamodb::item::Item;
use crate::store::dynamodb::retry::{Attempt, Doubt, Patience};
use crate::store::dynamodb::sending::{incomplete, unforeseen};
use crate::store::dynamodb::{DynamoDbStore, Removed};
use crate::store::{Moment, Renewal};
use crate::user::{Binding, Pseudonym, Revoked, SessionInfo};

/// The attributes of a row, beside those that are named as the record's: `ttl`, `created`, `label`
/// and `handle`.
const USER: &str = "user";
const SESSION: &str = "session";

/// What one `BatchGetItem` may ask for
/// ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html)).
const MOST_READ_AT_ONCE: usize = 100;
/// How many sessions are deleted at once, so that thousands take seconds.
const MOST_DELETED_AT_ONCE: usize = 16;
/// How often a session may be renewed while it is being revoked.
const MOST_RENEWALS: usize = 64;
/// How often a user may have sessions again right after all were revoked.
const MOST_PASSES: usize = 16;

impl DynamoDbStore {
    /// The row of a session that began at `created`; it lives until then.
    pub(super) fn put_row(
        &self,
        key: &StorageKey,
        binding: &Binding,
        created: Timestamp,
        until: Timestamp,
    ) -> Result<TransactWriteItem, Error> {
        let (text, number) = (
            |text: &str| AttributeValue::S(text.to_owned()),
            |at: Timestamp| AttributeValue::N(at.to_string()),
        );
        let mut row = HashMap::from([
            (USER.to_owned(), text(binding.user().as_str())),
            (SESSION.to_owned(), text(key.as_str())),
            (self.layout.ttl.to_owned(), number(until)),
            (self.layout.created.to_owned(), number(created)),
            (self.layout.handle.to_owned(), text(binding.handle())),
        ]);
        if let Some(label) = binding.label() {
            row.insert(self.layout.label.to_owned(), text(label));
        }
        let put = Put::builder()
            .table_name(&*self.users_table)
            .set_item(Some(row))
            .build()
            .map_err(incomplete)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// The rows that a renewal writes: the new key's, and the old one's, which stays as long as the
    /// stub does.
    pub(super) fn rows_of_a_renewal(
        &self,
        from: &StorageKey,
        to: &StorageKey,
        renewal: Renewal<'_>,
    ) -> Result<Vec<TransactWriteItem>, Error> {
        let created = renewal.read.created();
        let mut rows = Vec::new();
        if let Some(binding) = renewal.binding {
            rows.push(self.put_row(to, binding, created, binding.ends())?);
        }
        if let Some(binding) = renewal.read.binding() {
            let until = renewal.stub(to).ttl();
            rows.push(self.put_row(from, binding, created, until)?);
        }
        Ok(rows)
    }

    /// The live sessions of a user.
    pub(super) async fn list(
        &self,
        user: &Pseudonym,
        at: Moment,
    ) -> Result<Vec<SessionInfo>, Error> {
        let rows = self.rows(user, &mut self.patience(at)).await?;
        let mut keys: Vec<StorageKey> = rows.iter().filter_map(key_of).collect();
        let mut by_handle = HashMap::new();
        while !keys.is_empty() {
            let rest = keys.split_off(keys.len().min(MOST_READ_AT_ONCE));
            for item in self.get_all(keys, &mut self.patience(at)).await? {
                // What cannot be read is no reason to hide the rest.
                let Ok(Found::Live(record)) = self.layout.read(&item, at.now()) else {
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
            keys = rest;
        }
        Ok(by_handle.into_values().collect())
    }

    /// Deletes sessions of a user, wherever they go meanwhile.
    pub(super) async fn delete_all(
        &self,
        user: &Pseudonym,
        which: Revoked<'_>,
        at: Moment,
    ) -> Result<(), Error> {
        for _ in 0..MOST_PASSES {
            let rows = self.rows(user, &mut self.patience(at)).await?;
            let keys: HashSet<StorageKey> = rows
                .iter()
                .filter(|row| which.includes(handle_of(row, self.layout.handle)))
                .filter_map(key_of)
                .collect();
            if keys.is_empty() {
                return Ok(());
            }
            stream::iter(keys.iter().map(Ok))
                .try_for_each_concurrent(MOST_DELETED_AT_ONCE, |key| {
                    self.delete_with_heirs(user, key, &keys, at)
                })
                .await?;
        }
        Err(too_fast())
    }

    /// Deletes a session, and follows it where it is renewed to, as far as nobody else does.
    async fn delete_with_heirs(
        &self,
        user: &Pseudonym,
        first: &StorageKey,
        others: &HashSet<StorageKey>,
        at: Moment,
    ) -> Result<(), Error> {
        let mut key = first.clone();
        for _ in 0..MOST_RENEWALS {
            let there = self.remove(&key, at, &mut self.patience(at)).await?;
            self.delete_row(user, &key, &mut self.patience(at)).await?;
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

    /// All rows of a user, those included that have expired.
    async fn rows(&self, user: &Pseudonym, patience: &mut Patience) -> Result<Vec<Item>, Error> {
        let mut rows = Vec::new();
        let mut from = None;
        loop {
            let sending = self
                .client()
                .query()
                .table_name(&*self.users_table)
                .key_condition_expression("#user = :user")
                .expression_attribute_names("#user", USER)
                .expression_attribute_values(":user", AttributeValue::S(user.as_str().to_owned()))
                .consistent_read(true)
                .set_exclusive_start_key(from.clone())
                .customize();
            let send = |once: Builder| sending.config_override(once).send();
            match self.attempt(patience, send).await {
                Attempt::Done(page) => {
                    rows.extend(page.items.unwrap_or_default());
                    from = page.last_evaluated_key;
                    if from.is_none() {
                        return Ok(rows);
                    }
                    // A page is an answer, and the next one has the time of an operation again.
                    patience.begin_again();
                }
                Attempt::Refused(_) => return Err(unforeseen()),
                Attempt::Failed(fault) => {
                    patience.after_a_read(fault).await.map_err(of_users_table)?
                }
            }
        }
    }

    /// The records under these keys, without their data; at most as many as may be read at once.
    async fn get_all(
        &self,
        keys: Vec<StorageKey>,
        patience: &mut Patience,
    ) -> Result<Vec<Item>, Error> {
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
            match self.attempt(patience, send).await {
                Attempt::Done(output) => {
                    let mut responses = output.responses.unwrap_or_default();
                    let these = responses.remove(&*self.table).unwrap_or_default();
                    let got = these.len();
                    items.extend(these);
                    let left = output
                        .unprocessed_keys
                        .unwrap_or_default()
                        .remove(&*self.table);
                    let Some(left) = left else { break };
                    // Some are left where a reply would grow too large, or the table is throttled.
                    asked = left;
                    match got {
                        0 => patience.after_a_read(throttled()).await?,
                        _ => patience.begin_again(),
                    }
                }
                Attempt::Refused(_) => return Err(unforeseen()),
                Attempt::Failed(fault) => patience.after_a_read(fault).await?,
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
        patience: &mut Patience,
    ) -> Result<(), Error> {
        let sending = |_: &Doubt, once: Builder| {
            self.client()
                .delete_item()
                .table_name(&*self.users_table)
                .key(USER, AttributeValue::S(user.as_str().to_owned()))
                .key(SESSION, AttributeValue::S(key.as_str().to_owned()))
                .customize()
                .config_override(once)
                .send()
        };
        match self.until_answered(patience, sending).await {
            Ok((Ok(_), _)) => Ok(()),
            Ok((Err(_), _)) => Err(unforeseen()),
            Err(error) => Err(of_users_table(error)),
        }
    }
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
    match row.get(SESSION) {
        Some(AttributeValue::S(key)) => Some(StorageKey::stored(key)),
        _ => None,
    }
}
