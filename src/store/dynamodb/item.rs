//! A record as a DynamoDB item, and back: pure functions.
//!
//! 1. A value whose JSON text is an integer is `N`, so that DynamoDB can count it up; any other is
//!    `S`, holding the JSON text: DynamoDB's own numbers have 38 digits, its maps 32 levels. What
//!    another program has put there in another form (`N` 1.5, `S` 7) is read by its text and keeps
//!    its form: a condition that compares it would never hold otherwise.
//! 2. An item without `data` (`M`), `ttl` (`N`) and `created` (`N`) is not ours: it is read as
//!    absent and never written.
//! 3. An item of a newer `format` is [`Corrupt`](ErrorKind::Corrupt): neither read as empty nor
//!    written.
//! 4. What is not understood is carried: unknown attributes with the record, unreadable entries in
//!    their place. A renewal copies both.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use aws_sdk_dynamodb::types::AttributeValue;

use crate::changes::Changes;
use crate::error::{Error, ErrorKind};
use crate::expiry::Timestamp;
use crate::id::StorageKey;
use crate::record::{Data, Entry, Found, Opaque, Record, Tombstone};
use crate::user::{Binding, Pseudonym};

/// An item, by the names of its attributes.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// What DynamoDB allows an item, in bytes, names included
/// ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)).
const MAX_ITEM_BYTES: usize = 400 * 1024;
/// The newest format that this version reads, and the one that it writes. An item without the
/// attribute has it.
pub(crate) const FORMAT: u64 = 1;

/// The names of the attributes. Another layout is another value.
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

/// The predecessor's names where it had one.
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

/// What a record carries of its item that only this store understands.
#[derive(Debug)]
struct Carried {
    unknown: Item,
    /// How often a write was sent again whose earlier attempts might still arrive: they do not get
    /// past the fence, since it was lower when they were made.
    fence: u64,
}

impl Layout {
    /// The names that are ours. All others are unknown.
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

    /// What stands in an item, at that moment.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) for a newer format.
    pub(crate) fn read(&self, item: &Item, now: Timestamp) -> Result<Found, Error> {
        let number = |name: &str| item.get(name).and_then(as_u64);
        let ttl = number(self.ttl).map(Timestamp::from_epoch_seconds);
        // What is dead is dead in every format.
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
                // Of one that does not say since when, nobody knows that it is not new.
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

    /// The item of a record as a write of that moment puts it.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](ErrorKind::TooLarge) if DynamoDB would refuse it.
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

    /// Whose session an item is. What is wrong with the rest is no reason to lose sight of it.
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

    /// The stub that a renewal leaves under the old key, and where it leads, if anywhere.
    pub(crate) fn stub(&self, key: &StorageKey, stub: &Tombstone) -> Item {
        let ttl = stub.ttl().to_string();
        let mut item = HashMap::from([
            (self.id.into(), AttributeValue::S(key.as_str().into())),
            (self.ttl.into(), AttributeValue::N(ttl)),
            (self.modified.into(), modified(stub.since())),
            (self.renewed.into(), AttributeValue::Bool(true)),
        ]);
        if let Some(next) = stub.next() {
            item.insert(self.next.into(), AttributeValue::S(next.as_str().into()));
        }
        if let Some(heir) = stub.heir()
            && stub.next().is_none()
        {
            item.insert(self.heir.into(), AttributeValue::S(heir.as_str().into()));
        }
        item
    }

    /// Where the session went whose stub that is, however long ago.
    pub(crate) fn heir(&self, item: &Item) -> Option<StorageKey> {
        match item.get(self.heir).or(item.get(self.next)) {
            Some(AttributeValue::S(heir)) => Some(StorageKey::stored(heir)),
            _ => None,
        }
    }

    /// Whether an item is a session of which an attempt at an earlier write may still be on its way,
    /// expired or not: what one clock takes for expired may be alive by another.
    pub(crate) fn is_fenced(&self, item: &Item) -> bool {
        item.contains_key(self.fence) && matches!(self.read_ever(item), Ok(Found::Live(_)))
    }

    /// What stands in an item, however long ago it may have expired.
    ///
    /// # Errors
    ///
    /// As of [`read`](Self::read).
    pub(crate) fn read_ever(&self, item: &Item) -> Result<Found, Error> {
        self.read(item, Timestamp::from_epoch_seconds(0))
    }

    /// The same item, of which that may be.
    pub(crate) fn fenced(&self, mut item: Item) -> Item {
        item.insert(self.fence.into(), AttributeValue::N("1".into()));
        item
    }

    /// Whether an item was last written by the write of that id.
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

/// The fence of a record as it was read.
pub(crate) fn fence(record: &Record) -> u64 {
    carried(record).map_or(0, |carried| carried.fence)
}

fn carried(record: &Record) -> Option<&Carried> {
    record.carried()?.downcast_ref()
}

/// The time of a write, RFC 3339.
pub(crate) fn modified(now: Timestamp) -> AttributeValue {
    let seconds = now.epoch_seconds().try_into().unwrap_or(i64::MAX);
    let text = DateTime::from_secs(seconds).fmt(DateTimeFormat::DateTime);
    // A moment past the year 9999 has no such form; its seconds are still true.
    AttributeValue::S(text.unwrap_or_else(|_| now.to_string()))
}

/// All entries, as the map that `data` is.
pub(crate) fn encode_all(data: &Data) -> AttributeValue {
    AttributeValue::M(
        data.iter()
            .map(|(key, entry)| (key.to_owned(), encode(entry)))
            .collect(),
    )
}

/// One entry as an attribute value.
pub(crate) fn encode(entry: &Entry) -> AttributeValue {
    let original = entry.as_opaque().and_then(Opaque::downcast_ref);
    if let Some(original) = original {
        return AttributeValue::clone(original);
    }
    match entry.json() {
        Some(text) if entry.is_integer() => AttributeValue::N(text.to_owned()),
        Some(text) => AttributeValue::S(text.to_owned()),
        // Every opaque entry of this store was made by `decode`, of an attribute value.
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

/// A number that is no `u64` is the nearest that is: the conditions of writes see a number of
/// DynamoDB's too, and both have to agree on what is a session.
fn as_u64(value: &AttributeValue) -> Option<u64> {
    let AttributeValue::N(text) = value else {
        return None;
    };
    let nearest = || text.parse::<f64>().ok().map(|number| number as u64);
    text.parse().ok().or_else(nearest)
}

/// # Errors
///
/// [`TooLarge`](ErrorKind::TooLarge) for more bytes than an item may have.
pub(crate) fn check_size(bytes: usize) -> Result<(), Error> {
    if bytes <= MAX_ITEM_BYTES {
        return Ok(());
    }
    let reason = format!("{bytes} bytes; a DynamoDB item may have {MAX_ITEM_BYTES}");
    Err(Error::new(ErrorKind::TooLarge, reason))
}

/// Whether an item has room for what `base` becomes.
///
/// # Errors
///
/// [`TooLarge`](ErrorKind::TooLarge), before anything is sent.
pub(crate) fn check_room(changes: &Changes, base: &Data) -> Result<(), Error> {
    // Far below the limit, where all but a few sessions are, nothing has to be counted exactly.
    if changes.size_after(base) < MAX_ITEM_BYTES / 2 {
        return Ok(());
    }
    check_size(data_size(&changes.apply(base)?))
}

/// What DynamoDB counts for `data`. The rest of an item is under a kilobyte; where that matters
/// DynamoDB itself refuses.
pub(crate) fn data_size(data: &Data) -> usize {
    value_size(&encode_all(data))
}

/// What DynamoDB counts for an item
/// ([sizes](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html)).
fn item_size(item: &Item) -> usize {
    item.iter()
        .map(|(name, value)| name.len() + value_size(value))
        .sum()
}

/// Of one value. A number's is given as approximate: a byte for two digits, and one more; the
/// sign and an odd digit are counted in full here, so as not to be too low.
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
        // Booleans and nulls, and whatever DynamoDB may yet invent.
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
