//! The calls of a takeover: a read of the old item, and one transaction.
//!
//! The transaction stores the session, puts the mark, and deletes the old item, unless the item stays.
//! Its conditions make one of several concurrent requests the only one that takes the session over:
//! there is no mark yet, and Flask has not written the item since it was read.

use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemInputBuilder;
use aws_sdk_dynamodb::operation::get_item::builders::GetItemInputBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem};

use crate::clock::Timestamp;
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::id::StorageKey;
use crate::store::arguments::RequestTime;
use crate::store::data::Data;
use crate::store::dynamodb::attribute::Item;
use crate::store::dynamodb::classify::of_foreign_table;
use crate::store::dynamodb::condition::{absent, absent_or_expired};
use crate::store::dynamodb::errors::{incomplete, key_is_taken, unforeseen};
use crate::store::dynamodb::expression::Expression;
use crate::store::dynamodb::flask::decode::{corrupt, of_bytes, of_text};
use crate::store::dynamodb::flask::sessions::{FlaskSessions, Package};
use crate::store::dynamodb::item::{self, is_written_by};
use crate::store::dynamodb::requests;
use crate::store::dynamodb::retry::Ambiguity;
use crate::store::dynamodb::store::DynamoDbStore;
use crate::store::dynamodb::table::Table;
use crate::store::dynamodb::transaction::{self, Transacted, transact};
use crate::store::dynamodb::write_id::write_id;
use crate::store::record::Record;
use crate::wire::foreign::ForeignId;

/// The sessions of a Flask application, and the session table that takes them over.
#[derive(Clone, Debug)]
pub(crate) struct FlaskImport {
    store: DynamoDbStore,
    from: FlaskSessions,
}

/// The item of an old id.
#[derive(Debug)]
pub(crate) enum Old {
    /// The item does not exist. It may have been taken over.
    Absent,
    /// The session has expired.
    Expired,
    /// The session is empty.
    Empty,
    /// The session is alive.
    Live(OldSession),
}

/// A session of Flask that is alive.
#[derive(Debug)]
pub(crate) struct OldSession {
    pub(crate) data: Data,
    /// The end of the session. flask-dynamodb-sessions does not check it, and an item without it never
    /// ends there.
    pub(crate) ttl: Option<Timestamp>,
    /// The attribute that changes with each write, and its value.
    revision: (&'static str, Option<AttributeValue>),
}

/// The result of the transaction.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The session is stored.
    Stored,
    /// There is a mark: another request was first.
    Marked,
    /// Flask has written the item, or deleted it.
    Changed,
}

impl FlaskImport {
    pub(crate) fn new(store: DynamoDbStore, from: FlaskSessions) -> Self {
        Self { store, from }
    }

    pub(crate) fn settings(&self) -> &FlaskSessions {
        &self.from
    }

    /// Reads the item of an old id.
    ///
    /// # Errors
    ///
    /// Fails with [`Corrupt`](ErrorKind::Corrupt) or [`TooLarge`](ErrorKind::TooLarge) if the session is
    /// alive and cannot be converted, unless such sessions are skipped.
    pub(crate) async fn find(&self, id: &ForeignId, at: RequestTime) -> Result<Old, Error> {
        if self.from.copied {
            return Ok(Old::Absent);
        }
        let mut budget = self.table().budget(at);
        let get = || {
            GetItemInputBuilder::default()
                .table_name(&self.from.table)
                .set_key(Some(self.key(id)))
                .consistent_read(true)
        };
        let got = self.table().read(&mut budget, get).await;
        let Some(item) = got.map_err(of_foreign_table)?.item else {
            return Ok(Old::Absent);
        };
        match self.read(&item, at.now()) {
            Err(error) if self.from.skip_unreadable => {
                tracing::warn!(%error, "a session of Flask was skipped");
                Ok(Old::Empty)
            }
            read => read,
        }
    }

    /// Stores the record under `to`, puts a mark that leads there until that time, and deletes the item
    /// unless it stays.
    pub(crate) async fn take(
        &self,
        id: &ForeignId,
        old: &OldSession,
        record: &Record,
        to: &StorageKey,
        mark: (&StorageKey, Timestamp),
        at: RequestTime,
    ) -> Result<Taken, Error> {
        let table = self.table();
        let write = write_id()?;
        let record = record.clone().at_version(1);
        let (mark, until) = mark;
        let mut writes = vec![
            transaction::put(table, item::write(to, &record, at.now(), &write)?, absent())?,
            transaction::put(
                table,
                item::redirect(mark, to, at.now(), until),
                absent_or_expired(at.now()),
            )?,
        ];
        if !self.from.keep {
            writes.push(self.delete_unchanged(id, old)?);
        }
        let mut budget = table.budget(at);
        Ok(match transact(table, &writes, &mut budget).await? {
            Transacted::Written => Taken::Stored,
            Transacted::Refused([Some(there), _]) => match there {
                Some(item) if is_written_by(&item, &write) => Taken::Stored,
                _ => return Err(key_is_taken()),
            },
            Transacted::Refused([None, Some(_)]) => Taken::Marked,
            Transacted::Refused([None, None]) => Taken::Changed,
        })
    }

    /// Replaces a mark. If several requests do so, each leads to the session.
    pub(crate) async fn mark(
        &self,
        mark: (&StorageKey, Timestamp),
        to: &StorageKey,
        at: RequestTime,
    ) -> Result<(), Error> {
        let table = self.table();
        let (mark, until) = mark;
        let item = item::redirect(mark, to, at.now(), until);
        let put = |_: &Ambiguity| requests::put_always(table, item.clone());
        let mut budget = table.budget(at);
        match table.until_response(&mut budget, put).await? {
            (Ok(_), _) => Ok(()),
            (Err(_), _) => Err(unforeseen()),
        }
    }

    /// Deletes the item of an old id, as a logout does.
    pub(crate) async fn end(&self, id: &ForeignId, at: RequestTime) -> Result<(), Error> {
        if self.from.copied {
            return Ok(());
        }
        let delete = |_: &Ambiguity| {
            DeleteItemInputBuilder::default()
                .table_name(&self.from.table)
                .set_key(Some(self.key(id)))
        };
        let mut budget = self.table().budget(at);
        let deleted = self.table().until_response(&mut budget, delete).await;
        match deleted.map_err(of_foreign_table)? {
            (Ok(_), _) => Ok(()),
            (Err(_), _) => Err(unforeseen()),
        }
    }

    fn table(&self) -> &Table {
        &self.store.table
    }

    /// Returns the key of an old item.
    fn key(&self, id: &ForeignId) -> Item {
        let key = format!("{}{}", self.from.prefix, id.expose());
        Item::from([(self.from.key.clone(), AttributeValue::S(key))])
    }

    /// Returns the deletion of an old item that is still as it was read.
    fn delete_unchanged(
        &self,
        id: &ForeignId,
        old: &OldSession,
    ) -> Result<TransactWriteItem, Error> {
        let (name, value) = &old.revision;
        let mut condition = Expression::condition(match value {
            Some(_) => "#r=:r",
            None => "attribute_exists(#k) AND attribute_not_exists(#r)",
        });
        condition.name("#r", name);
        match value {
            Some(value) => condition.value(":r", value.clone()),
            None => condition.name("#k", &self.from.key),
        }
        let delete = Delete::builder()
            .table_name(&self.from.table)
            .set_key(Some(self.key(id)))
            .condition_expression(condition.condition)
            .set_expression_attribute_names(requests::not_empty(condition.names))
            .set_expression_attribute_values(requests::not_empty(condition.values))
            .build()
            .map_err(incomplete)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Reads an item at the time `now`.
    fn read(&self, item: &Item, now: Timestamp) -> Result<Old, Error> {
        let (payload, ttl, revision) = match self.from.package {
            Package::FlaskDynamoDbSessions => ("data", "ttl", "modified"),
            Package::FlaskSession => ("val", "expiration", "expiration"),
        };
        let ttl = item.get(ttl).map(|ttl| self.ttl(ttl)).transpose()?;
        if ttl.is_some_and(|ttl| ttl <= now) {
            return Ok(Old::Expired);
        }
        let data = match (self.from.package, item.get(payload)) {
            (_, None) => return Ok(Old::Empty),
            (Package::FlaskDynamoDbSessions, Some(AttributeValue::S(text))) => of_text(text)?,
            (Package::FlaskSession, Some(AttributeValue::B(bytes))) => of_bytes(bytes.as_ref())?,
            _ => return Err(corrupt("its payload has another type in DynamoDB")),
        };
        // Both packages store an item for each visitor.
        if data.is_empty() {
            return Ok(Old::Empty);
        }
        let revision = (revision, item.get(revision).cloned());
        Ok(Old::Live(OldSession {
            data,
            ttl,
            revision,
        }))
    }

    /// Reads the end of an item, and corrects it by the offset of the zone. Flask-Session writes
    /// fractions of a second.
    fn ttl(&self, ttl: &AttributeValue) -> Result<Timestamp, Error> {
        let number = ttl.as_n().ok().and_then(|text| text.parse::<f64>().ok());
        let seconds = number.filter(|seconds| seconds.is_finite());
        let seconds = seconds.ok_or_else(|| corrupt("its expiry is no number"))?;
        let seconds = seconds + f64::from(self.from.utc_offset) * 60.0;
        // A number below zero becomes zero.
        Ok(Timestamp::from_epoch_seconds(seconds as u64))
    }
}
