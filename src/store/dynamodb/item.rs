//! The item of a session: its attributes, and how it is read and written, with pure functions.
//!
//! 1. The list `attributes!` is the only place that names an attribute. The known names, the
//!    projection of a user's list and the alphabet of the fuzzer follow from it. A new attribute is
//!    one line there, and one in each of [`read_record`] and [`write_record`] below it.
//! 2. The names are constants, also those of the partition key and of the TTL attribute. A table with
//!    other names has a [schema](super::session_schema), which exchanges them in requests and
//!    responses.
//! 3. An item without `data` (`M`), `ttl` (`N`) and `created` (`N`) does not belong to this crate.
//!    It is read as absent and never written.
//! 4. An item of a newer format is [`Corrupt`](ErrorKind::Corrupt). It is neither read as empty
//!    nor written.
//! 5. Unknown attributes are preserved with the record, and unreadable entries in their place.
//!    Cycling the id copies both. An attribute of the list whose value has another type reads as
//!    absent, and is not copied.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::expiry::lifetimes::Lifetimes;
use crate::id::StorageKey;
use crate::store::arguments::Cycle;
use crate::store::data::Data;
use crate::store::dynamodb::attribute::{
    Attribute, Item, data, date, flag, key, number, pseudonym, seconds, text,
};
use crate::store::dynamodb::entry::{decode_all, encode_all};
use crate::store::dynamodb::errors::not_read_back;
use crate::store::dynamodb::size;
use crate::store::native::NativeParts;
#[cfg(feature = "flask")]
use crate::store::record::Redirect;
use crate::store::record::{Found, LeftBehind, Record, Tombstone};
use crate::store::user::{Binding, Pseudonym};

/// The newest format that this version reads, and the format that it writes. An item without the
/// attribute has this format.
pub(crate) const CURRENT_FORMAT: u64 = 1;

/// Defines a constant for each attribute, and the list of all their names. A name that is one of
/// DynamoDB's reserved words has a placeholder, which expressions use instead.
macro_rules! attributes {
    ($($(#[doc = $doc:literal])+
    $constant:ident: $value:ty = $form:ident($name:literal $(as $placeholder:literal)?);)+) => {
        $($(#[doc = $doc])+
        pub(crate) const $constant: Attribute<$value> =
            $form($name)$(.written_as($placeholder))?;)+

        /// The names that belong to this crate. All others are unknown.
        pub(crate) const NAMES: &[&str] = &[$($name),+];

        /// Returns whether an attribute belongs to this crate.
        fn is_known(name: &str) -> bool {
            matches!(name, $($name)|+)
        }
    };
}

attributes! {
    /// The partition key.
    ID: StorageKey = key("id");
    /// The entries of the session.
    DATA: Data = data("data" as "#d");
    /// The start of the session.
    CREATED: Timestamp = seconds("created");
    /// The time of the last write.
    MODIFIED: Timestamp = date("modified");
    /// The end of the session, and DynamoDB's TTL attribute.
    TTL: Timestamp = seconds("ttl" as "#t");
    /// The number of writes.
    VERSION: u64 = number("version");
    /// The id of the last write.
    WRITE: String = text("write" as "#w");
    /// The mark of a redirect or a tombstone: the id is no longer used.
    RETIRED: bool = flag("retired");
    /// The format of the item.
    FORMAT: u64 = number("fmt");
    /// The counter that rejects late attempts at a write that was sent again.
    FENCE: u64 = number("fence");
    /// The time at which the id was issued, if it is not the start of the session.
    ISSUED: Timestamp = seconds("issued");
    /// The key to which a redirect leads.
    NEXT: StorageKey = key("next");
    /// The key that a revocation follows from a redirect or a tombstone.
    SUCCESSOR: StorageKey = key("successor");
    /// The user that the session is bound to.
    USER: Pseudonym = pseudonym("user");
    /// The name of the login.
    HANDLE: String = text("handle");
    /// The application's name for the login.
    LABEL: String = text("label");
    /// The end of the binding to the user.
    UNTIL: Timestamp = seconds("until" as "#u");
    /// The idle timeout in seconds, if it is not the layer's.
    IDLE: u64 = number("idle");
    /// The end of the lifetime, if it is not the layer's.
    ENDS: Timestamp = seconds("ends");
    /// True or false if the cookie is to be persistent or not, whatever the layer says.
    PERSISTENT: bool = flag("persistent");
}

/// Reads the record of an item, or returns `None` if a mandatory attribute is missing. The values of
/// a session may be large, so they are moved out of the item.
fn read_record(mut item: Item) -> Option<Record> {
    let data = match item.remove(DATA.name())? {
        AttributeValue::M(map) => decode_all(map),
        _ => return None,
    };
    let (created, ttl) = (CREATED.read(&item)?, TTL.read(&item)?);
    let mut record = Record::new(data, created, ttl)
        .at_version(VERSION.read(&item).unwrap_or(0))
        .bound_to(read_binding(&item))
        .with_lifetimes(read_lifetimes(&item));
    if let Some(modified) = MODIFIED.read(&item) {
        record = record.modified_at(modified);
    }
    if let Some(issued) = ISSUED.read(&item) {
        record = record.issued_at(issued);
    }
    let fence = FENCE.read(&item).unwrap_or(0);
    item.retain(|name, _| !is_known(name));
    let native = NativeParts {
        unknown: item,
        fence,
    };
    Some(match native.unknown.is_empty() && native.fence == 0 {
        true => record,
        false => record.with_native(native),
    })
}

/// Returns the attributes of a record that is written at the time `now`. The fence is not one of
/// them, because no attempt at an earlier write of a new item is on its way.
fn write_record(record: &Record, now: Timestamp) -> Item {
    let unknown = record.native().map(|native| native.unknown.clone());
    let mut item = unknown.unwrap_or_default();
    DATA.write(&mut item, record.data());
    CREATED.write(&mut item, &record.created());
    TTL.write(&mut item, &record.ttl());
    VERSION.write(&mut item, &record.version());
    if let Some(binding) = record.binding() {
        write_binding(&mut item, binding);
    }
    MODIFIED.write(&mut item, &now);
    ISSUED.write_some(&mut item, record.issued().as_ref());
    let lifetimes = record.lifetimes();
    IDLE.write_some(&mut item, lifetimes.idle.as_ref());
    ENDS.write_some(&mut item, lifetimes.ends.as_ref());
    PERSISTENT.write_some(&mut item, lifetimes.persistent.as_ref());
    item
}

/// Reads the lifetimes of an item. A zero, which this crate never writes, is no lifetime: the
/// conditions of writes treat it so.
fn read_lifetimes(item: &Item) -> Lifetimes {
    Lifetimes {
        idle: IDLE.read(item).filter(|idle| *idle > 0),
        ends: ENDS.read(item).filter(|end| end.epoch_seconds() > 0),
        persistent: PERSISTENT.read(item),
    }
}

/// Reads the user that an item is bound to. Faults in the rest of the item do not hide the user.
pub(crate) fn read_binding(item: &Item) -> Option<Binding> {
    let user = USER.read(item)?;
    let id = || ID.read(item).map(|key| key.as_str().to_owned());
    let handle = HANDLE.read(item).or_else(id)?;
    let until = UNTIL.read(item).unwrap_or(Timestamp::latest());
    Some(Binding::new(user, handle, LABEL.read(item), until))
}

fn write_binding(item: &mut Item, binding: &Binding) {
    USER.write(item, binding.user());
    HANDLE.write(item, &binding.handle().to_owned());
    UNTIL.write(item, &binding.ends());
    LABEL.write_some(item, binding.label().map(str::to_owned).as_ref());
}

/// Reads a redirect or a tombstone.
fn read_retired(item: &Item) -> Option<Found> {
    if RETIRED.read(item) != Some(true) {
        return None;
    }
    Some(match NEXT.read(item) {
        Some(next) => Found::Redirect(next),
        // A tombstone without a time may be new.
        None => Found::Tombstone(MODIFIED.read(item).unwrap_or(Timestamp::latest())),
    })
}

/// Returns the item of a redirect or a tombstone. It names the successor if there is one.
fn write_retired(key: &StorageKey, left: &LeftBehind) -> Item {
    let mut item = primary_key(key);
    TTL.write(&mut item, &left.ttl());
    MODIFIED.write(&mut item, &left.since());
    RETIRED.write(&mut item, &true);
    match left {
        LeftBehind::Redirect(redirect) => NEXT.write(&mut item, redirect.next()),
        LeftBehind::Tombstone(tombstone) => {
            SUCCESSOR.write_some(&mut item, tombstone.successor());
        }
    }
    item
}

/// Returns the tombstone of an id that was invalidated at `since`.
pub(crate) fn tombstone(key: &StorageKey, since: Timestamp, ttl: Timestamp) -> Item {
    write_retired(key, &LeftBehind::Tombstone(Tombstone::new(since, ttl)))
}

/// Returns the redirect or tombstone that cycling the id leaves at the old key.
pub(crate) fn left_by(cycle: &Cycle, from: &StorageKey, to: &StorageKey) -> Item {
    write_retired(from, &cycle.left_behind(to))
}

/// Returns the redirect from a key to another one.
#[cfg(feature = "flask")]
pub(crate) fn redirect(
    from: &StorageKey,
    to: &StorageKey,
    since: Timestamp,
    ttl: Timestamp,
) -> Item {
    write_retired(
        from,
        &LeftBehind::Redirect(Redirect::new(since, ttl, to.clone())),
    )
}

/// Returns the successor that a redirect or tombstone names, however long ago it expired.
pub(crate) fn successor(item: &Item) -> Option<StorageKey> {
    SUCCESSOR.read(item).or_else(|| NEXT.read(item))
}

/// Returns the key of an item, as a request names it.
pub(crate) fn primary_key(key: &StorageKey) -> Item {
    let mut item = Item::new();
    ID.write(&mut item, key);
    item
}

/// Reads an item at the time `now`.
///
/// # Errors
///
/// Returns [`Corrupt`](ErrorKind::Corrupt) for a newer format.
pub(crate) fn read(item: Item, now: Timestamp) -> Result<Found, Error> {
    // An expired item is dead in every format.
    if TTL.read(&item).is_some_and(|ttl| ttl <= now) {
        return Ok(Found::Absent);
    }
    let known = FORMAT.stored(&CURRENT_FORMAT);
    if item.get(FORMAT.name()).is_some_and(|it| *it != known) {
        let reason = "the record is of a format that this version does not know";
        return Err(Error::new(ErrorKind::Corrupt, reason));
    }
    if let Some(retired) = read_retired(&item) {
        return Ok(retired);
    }
    Ok(read_record(item).map_or_else(
        || {
            tracing::warn!("an item of the session table is not a session, and is left alone");
            Found::Absent
        },
        Found::Live,
    ))
}

/// Reads an item, however long ago it may have expired.
///
/// # Errors
///
/// Returns the errors of [`read`].
pub(crate) fn read_ever(item: Item) -> Result<Found, Error> {
    read(item, Timestamp::from_epoch_seconds(0))
}

/// Reads the item that a call returned, if there is one.
///
/// # Errors
///
/// Returns the errors of [`read`].
pub(crate) fn found(item: Option<Item>, now: Timestamp) -> Result<Found, Error> {
    item.map_or(Ok(Found::Absent), |item| read(item, now))
}

/// Reads the record that a write of this store has just left.
///
/// # Errors
///
/// Returns [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) if the item is not a live record.
pub(crate) fn read_back(item: Item, now: Timestamp) -> Result<Found, Error> {
    match read(item, now).map_err(|_| not_read_back())? {
        Found::Live(record) => Ok(Found::Live(record)),
        Found::Redirect(_) | Found::Tombstone(_) | Found::Absent => Err(not_read_back()),
    }
}

/// Returns the item of a record, as the write with the id `write` puts it at the time `now`.
///
/// # Errors
///
/// Returns [`TooLarge`](ErrorKind::TooLarge) if DynamoDB would refuse it.
pub(crate) fn write(
    key: &StorageKey,
    record: &Record,
    now: Timestamp,
    write: &str,
) -> Result<Item, Error> {
    let mut item = write_record(record, now);
    item.extend(primary_key(key));
    WRITE.write(&mut item, &write.to_owned());
    size::check_item(&item)?;
    Ok(item)
}

/// Returns the item with a fence, which marks that an earlier attempt may still be on its way.
pub(crate) fn fenced(mut item: Item) -> Item {
    FENCE.write(&mut item, &1);
    item
}

/// Returns `true` if an attempt at an earlier write of this session may still be on its way. An
/// expired session counts too: another clock may see it as alive.
pub(crate) fn is_fenced(item: &Item) -> bool {
    item.contains_key(FENCE.name()) && matches!(read_ever(item.clone()), Ok(Found::Live(_)))
}

/// Returns the fence of a record as it was read.
pub(crate) fn fence(record: &Record) -> u64 {
    record.native().map_or(0, |native| native.fence)
}

/// Returns `true` if the write with the id `write` was the last to write the item.
pub(crate) fn is_written_by(item: &Item, write: &str) -> bool {
    WRITE.read(item).is_some_and(|last| last == write)
}

/// Returns `true` if no condition of a write could tell the two records apart.
pub(crate) fn is_unchanged(before: &Record, after: &Record) -> bool {
    before.version() == after.version()
        && fence(before) == fence(after)
        && before.lifetimes() == after.lifetimes()
        && encode_all(before.data()) == encode_all(after.data())
}

#[cfg(test)]
mod tests;
