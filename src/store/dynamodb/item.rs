//! Converts a record into a DynamoDB item and back, with pure functions.
//!
//! 1. A value whose JSON text is an integer is stored as `N`, so that DynamoDB can increment it.
//!    Any other value is stored as `S` with the JSON text. DynamoDB's own numbers are limited to 38
//!    digits, and its maps to 32 levels.
//! 2. Another program may store a value in another form (`N` 1.5, `S` 7). It is read by its text
//!    and keeps its form. Otherwise a condition that compares it would never hold.
//! 3. An item without `data` (`M`), `ttl` (`N`) and `created` (`N`) does not belong to this crate.
//!    It is read as absent and never written.
//! 4. An item of a newer `format` is [`Corrupt`](ErrorKind::Corrupt). It is neither read as empty
//!    nor written.
//! 5. Anything that is not understood is preserved: unknown attributes with the record, and
//!    unreadable entries in their place. Cycling the id copies both.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use aws_sdk_dynamodb::types::AttributeValue;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::StorageKey;
use crate::store::changes::change_set::Changes;
use crate::store::data::{Data, Entry, Opaque};
use crate::store::record::{Found, LeftBehind, Record};
use crate::store::user::{Binding, Pseudonym};

/// An item: a map from the names of its attributes to their values.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The maximum size of a DynamoDB item in bytes, including names
/// ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)).
const MAX_ITEM_BYTES: usize = 400 * 1024;
/// The newest format that this version reads, and the format that it writes. An item without the
/// attribute has this format.
pub(crate) const FORMAT: u64 = 1;

/// The names of the attributes. Another layout is another value of this type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// The partition key.
    pub(crate) id: &'static str,
    pub(crate) data: &'static str,
    pub(crate) created: &'static str,
    pub(crate) modified: &'static str,
    /// DynamoDB's TTL attribute.
    pub(crate) ttl: &'static str,
    pub(crate) version: &'static str,
    pub(crate) write: &'static str,
    pub(crate) renewed: &'static str,
    pub(crate) format: &'static str,
    pub(crate) fence: &'static str,
    pub(crate) issued: &'static str,
    pub(crate) next: &'static str,
    pub(crate) heir: &'static str,
    pub(crate) user: &'static str,
    pub(crate) handle: &'static str,
    pub(crate) label: &'static str,
    pub(crate) until: &'static str,
}

/// The layout in use. It keeps the predecessor's names for the attributes that the predecessor had.
pub(crate) const LAYOUT: Layout = Layout {
    id: "id",
    data: "data",
    created: "created",
    modified: "modified",
    ttl: "ttl",
    version: "version",
    write: "write",
    renewed: "renewed",
    format: "format",
    fence: "fence",
    issued: "issued",
    next: "next",
    heir: "heir",
    user: "user",
    handle: "handle",
    label: "label",
    until: "until",
};

/// The parts of an item that a record preserves and that only this store understands.
#[derive(Debug)]
struct Carried {
    unknown: Item,
    /// The number of times that a write was sent again while earlier attempts might still arrive.
    /// Those attempts fail, because they require the lower fence of their time.
    fence: u64,
}

impl Layout {
    /// Returns the names that belong to this crate. All others are unknown.
    pub(crate) fn names(&self) -> [&'static str; 17] {
        [
            self.id,
            self.data,
            self.created,
            self.modified,
            self.ttl,
            self.version,
            self.write,
            self.renewed,
            self.format,
            self.fence,
            self.issued,
            self.next,
            self.heir,
            self.user,
            self.handle,
            self.label,
            self.until,
        ]
    }

    /// Reads an item at the time `now`.
    ///
    /// # Errors
    ///
    /// Returns [`Corrupt`](ErrorKind::Corrupt) for a newer format.
    pub(crate) fn read(&self, item: &Item, now: Timestamp) -> Result<Found, Error> {
        let number = |name: &str| item.get(name).and_then(as_u64);
        let ttl = number(self.ttl).map(Timestamp::from_epoch_seconds);
        // An expired item is dead in every format.
        if ttl.is_some_and(|ttl| ttl <= now) {
            return Ok(Found::Absent);
        }
        if let Some(format) = item.get(self.format)
            && !matches!(format, AttributeValue::N(n) if *n == FORMAT.to_string())
        {
            let reason = "the record is of a format that this version does not know";
            return Err(Error::new(ErrorKind::Corrupt, reason));
        }
        if matches!(item.get(self.renewed), Some(AttributeValue::Bool(true))) {
            return Ok(match item.get(self.next) {
                Some(AttributeValue::S(next)) => Found::Redirect(StorageKey::stored(next)),
                // A tombstone without a time may be new.
                _ => Found::Tombstone(self.modified_at(item).unwrap_or(Timestamp::latest())),
            });
        }
        let (Some(AttributeValue::M(data)), Some(ttl), Some(created)) =
            (item.get(self.data), ttl, number(self.created))
        else {
            tracing::warn!("an item of the session table is not a session, and is left alone");
            return Ok(Found::Absent);
        };
        let data: Data = data
            .iter()
            .map(|(key, value)| (key.as_str(), decode(value)))
            .collect();
        let known = self.names();
        let unknown: Item = item
            .iter()
            .filter(|(name, _)| !known.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut record = Record::new(data, Timestamp::from_epoch_seconds(created), ttl)
            .at_version(number(self.version).unwrap_or(0))
            .bound_to(self.binding(item));
        if let Some(modified) = self.modified_at(item) {
            record = record.modified_at(modified);
        }
        if let Some(issued) = number(self.issued) {
            record = record.issued_at(Timestamp::from_epoch_seconds(issued));
        }
        let fence = number(self.fence).unwrap_or(0);
        Ok(Found::Live(match unknown.is_empty() && fence == 0 {
            true => record,
            false => record.carrying(Opaque::new(Carried { unknown, fence })),
        }))
    }

    /// Returns the item of a record, as a write at the time `now` puts it.
    ///
    /// # Errors
    ///
    /// Returns [`TooLarge`](ErrorKind::TooLarge) if DynamoDB would refuse it.
    pub(crate) fn write(
        &self,
        key: &StorageKey,
        record: &Record,
        now: Timestamp,
        write: &str,
    ) -> Result<Item, Error> {
        let unknown = carried(record).map(|carried| carried.unknown.clone());
        let mut item = unknown.unwrap_or_default();
        let number = |n: u64| AttributeValue::N(n.to_string());
        item.insert(self.id.into(), AttributeValue::S(key.as_str().into()));
        item.insert(self.data.into(), encode_all(record.data()));
        item.insert(
            self.created.into(),
            number(record.created().epoch_seconds()),
        );
        item.insert(self.modified.into(), modified(now));
        item.insert(self.ttl.into(), number(record.ttl().epoch_seconds()));
        item.insert(self.version.into(), number(record.version()));
        item.insert(self.write.into(), AttributeValue::S(write.into()));
        if let Some(issued) = record.issued() {
            item.insert(self.issued.into(), number(issued.epoch_seconds()));
        }
        if let Some(binding) = record.binding() {
            let text = |text: &str| AttributeValue::S(text.to_owned());
            item.insert(self.user.into(), text(binding.user().as_str()));
            item.insert(self.handle.into(), text(binding.handle()));
            item.insert(self.until.into(), number(binding.ends().epoch_seconds()));
            if let Some(label) = binding.label() {
                item.insert(self.label.into(), text(label));
            }
        }
        check_size(item_size(&item))?;
        Ok(item)
    }

    /// Returns the user that an item is bound to. Faults in the rest of the item do not hide the
    /// user.
    pub(crate) fn binding(&self, item: &Item) -> Option<Binding> {
        let text = |name: &str| match item.get(name) {
            Some(AttributeValue::S(text)) => Some(text.clone()),
            _ => None,
        };
        let user = Pseudonym::stored(text(self.user)?);
        let handle = text(self.handle).or_else(|| text(self.id))?;
        let until = item.get(self.until).and_then(as_u64).unwrap_or(u64::MAX);
        let until = Timestamp::from_epoch_seconds(until);
        Some(Binding::new(user, handle, text(self.label), until))
    }

    fn modified_at(&self, item: &Item) -> Option<Timestamp> {
        let Some(AttributeValue::S(text)) = item.get(self.modified) else {
            return None;
        };
        let time = DateTime::from_str(text, DateTimeFormat::DateTime).ok()?;
        let seconds = time.secs().try_into().ok()?;
        Some(Timestamp::from_epoch_seconds(seconds))
    }

    /// Returns the redirect or tombstone that cycling the id leaves under the old key. It names the
    /// successor if there is one.
    pub(crate) fn stub(&self, key: &StorageKey, stub: &LeftBehind) -> Item {
        let ttl = stub.ttl().to_string();
        let mut item = HashMap::from([
            (self.id.into(), AttributeValue::S(key.as_str().into())),
            (self.ttl.into(), AttributeValue::N(ttl)),
            (self.modified.into(), modified(stub.since())),
            (self.renewed.into(), AttributeValue::Bool(true)),
        ]);
        let (name, to) = match stub {
            LeftBehind::Redirect(redirect) => (self.next, Some(redirect.next())),
            LeftBehind::Tombstone(tombstone) => (self.heir, tombstone.successor()),
        };
        if let Some(to) = to {
            item.insert(name.into(), AttributeValue::S(to.as_str().into()));
        }
        item
    }

    /// Returns the successor that a redirect or tombstone names, however long ago it expired.
    pub(crate) fn heir(&self, item: &Item) -> Option<StorageKey> {
        match item.get(self.heir).or(item.get(self.next)) {
            Some(AttributeValue::S(heir)) => Some(StorageKey::stored(heir)),
            _ => None,
        }
    }

    /// Returns `true` if an attempt at an earlier write of this session may still be on its way. An
    /// expired session counts too: another clock may see it as alive.
    pub(crate) fn is_fenced(&self, item: &Item) -> bool {
        item.contains_key(self.fence) && matches!(self.read_ever(item), Ok(Found::Live(_)))
    }

    /// Reads an item, however long ago it may have expired.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`read`](Self::read).
    pub(crate) fn read_ever(&self, item: &Item) -> Result<Found, Error> {
        self.read(item, Timestamp::from_epoch_seconds(0))
    }

    /// Returns the item with a fence, which marks that an earlier attempt may still be on its way.
    pub(crate) fn fenced(&self, mut item: Item) -> Item {
        item.insert(self.fence.into(), AttributeValue::N("1".into()));
        item
    }

    /// Returns `true` if the write with the id `write` was the last to write the item.
    pub(crate) fn is_written_by(&self, item: &Item, write: &str) -> bool {
        matches!(item.get(self.write), Some(AttributeValue::S(id)) if id == write)
    }
}

/// Returns `true` if no condition of a write could tell the two records apart.
pub(crate) fn is_unchanged(before: &Record, after: &Record) -> bool {
    before.version() == after.version()
        && fence(before) == fence(after)
        && encode_all(before.data()) == encode_all(after.data())
}

/// Returns the fence of a record as it was read.
pub(crate) fn fence(record: &Record) -> u64 {
    carried(record).map_or(0, |carried| carried.fence)
}

fn carried(record: &Record) -> Option<&Carried> {
    record.carried()?.downcast_ref()
}

/// Returns the time of a write, in RFC 3339.
pub(crate) fn modified(now: Timestamp) -> AttributeValue {
    let seconds = now.epoch_seconds().try_into().unwrap_or(i64::MAX);
    let text = DateTime::from_secs(seconds).fmt(DateTimeFormat::DateTime);
    // A time after the year 9999 has no such form. Its seconds are still correct.
    AttributeValue::S(text.unwrap_or_else(|_| now.to_string()))
}

/// Encodes all entries as the map in `data`.
pub(crate) fn encode_all(data: &Data) -> AttributeValue {
    AttributeValue::M(
        data.iter()
            .map(|(key, entry)| (key.to_owned(), encode(entry)))
            .collect(),
    )
}

/// Encodes one entry as an attribute value.
pub(crate) fn encode(entry: &Entry) -> AttributeValue {
    let original = entry.as_opaque().and_then(Opaque::downcast_ref);
    if let Some(original) = original {
        return AttributeValue::clone(original);
    }
    match entry.json() {
        Some(text) if entry.is_integer() => AttributeValue::N(text.to_owned()),
        Some(text) => AttributeValue::S(text.to_owned()),
        // `decode` made every opaque entry of this store from an attribute value.
        None => AttributeValue::Null(true),
    }
}

fn decode(value: &AttributeValue) -> Entry {
    let original = || Entry::opaque(Opaque::new(value.clone()));
    match value {
        AttributeValue::N(text) | AttributeValue::S(text) => {
            let entry = Entry::from_json(text.as_str());
            match entry.is_integer() == value.is_n() {
                true => entry,
                false => original().readable_as(text.as_str()),
            }
        }
        _ => original(),
    }
}

/// Returns a number as `u64`, or the nearest `u64` if it is not one. The conditions of writes
/// compare the same numbers in DynamoDB, and both must agree on which items are sessions.
fn as_u64(value: &AttributeValue) -> Option<u64> {
    let AttributeValue::N(text) = value else {
        return None;
    };
    let nearest = || text.parse::<f64>().ok().map(|number| number as u64);
    text.parse().ok().or_else(nearest)
}

/// Checks the size of an item.
///
/// # Errors
///
/// Returns [`TooLarge`](ErrorKind::TooLarge) for more bytes than an item may have.
pub(crate) fn check_size(bytes: usize) -> Result<(), Error> {
    if bytes <= MAX_ITEM_BYTES {
        return Ok(());
    }
    let reason = format!("{bytes} bytes; a DynamoDB item may have {MAX_ITEM_BYTES}");
    Err(Error::new(ErrorKind::TooLarge, reason))
}

/// Checks that an item has room for `base` after the changes.
///
/// # Errors
///
/// Returns [`TooLarge`](ErrorKind::TooLarge), before anything is sent.
pub(crate) fn check_room(changes: &Changes, base: &Data) -> Result<(), Error> {
    // Nearly all sessions are far below the limit, where an exact count is not needed.
    if changes.size_after(base) < MAX_ITEM_BYTES / 2 {
        return Ok(());
    }
    check_size(data_size(&changes.apply(base)?))
}

/// Returns the size that DynamoDB counts for `data`. The rest of an item is under a kilobyte. If
/// that makes an item too large, DynamoDB itself refuses it.
pub(crate) fn data_size(data: &Data) -> usize {
    value_size(&encode_all(data))
}

/// Returns the size that DynamoDB counts for an item
/// ([sizes](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html)).
fn item_size(item: &Item) -> usize {
    item.iter()
        .map(|(name, value)| name.len() + value_size(value))
        .sum()
}

/// Returns the size of one value. DynamoDB documents a number's size as approximate: a byte for two
/// digits, and one more. The sign and an odd digit are counted in full here, so that the size is
/// not too low.
fn value_size(value: &AttributeValue) -> usize {
    let number = |text: &String| text.len().div_ceil(2) + 2;
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(text) => number(text),
        AttributeValue::B(blob) => blob.as_ref().len(),
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::Ns(texts) => texts.iter().map(number).sum(),
        AttributeValue::Bs(blobs) => blobs.iter().map(|blob| blob.as_ref().len()).sum(),
        AttributeValue::L(values) => 3 + values.iter().map(|v| 1 + value_size(v)).sum::<usize>(),
        AttributeValue::M(map) => {
            let entries = map.iter().map(|(name, v)| 1 + name.len() + value_size(v));
            3 + entries.sum::<usize>()
        }
        // Booleans, nulls, and types that DynamoDB may add.
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
