//! The size of an item, as DynamoDB counts it.
//!
//! 1. A session that is too large is refused before anything is sent. The error then proves that
//!    nothing was written.
//! 2. The size is never less than what DynamoDB counts for `data`.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::error::{Error, ErrorKind};
use crate::store::changes::change_set::Changes;
use crate::store::data::{Data, Entry};
use crate::store::dynamodb::attribute::Item;

/// The maximum size of a DynamoDB item in bytes, including names
/// ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)).
const MAX_ITEM_BYTES: usize = 400 * 1024;

/// The size of a map without entries.
const EMPTY_MAP: usize = 3;

/// Checks the size of an item.
///
/// # Errors
///
/// Returns [`TooLarge`](ErrorKind::TooLarge) for more bytes than an item may have. If only the longer
/// names of a schema make the item too large, DynamoDB itself refuses it.
pub(crate) fn check_item(item: &Item) -> Result<(), Error> {
    check(item_size(item))
}

/// Checks that an item has room for `data`.
///
/// # Errors
///
/// Returns [`TooLarge`](ErrorKind::TooLarge).
pub(crate) fn check_data(data: &Data) -> Result<(), Error> {
    check(data_size(data))
}

/// Checks that an item has room for `base` after the changes.
///
/// # Errors
///
/// Returns [`TooLarge`](ErrorKind::TooLarge), and the errors of [`Changes::apply`].
pub(crate) fn check_room(changes: &Changes, base: &Data) -> Result<(), Error> {
    // Nearly all sessions are far below the limit, where an exact count is not needed.
    if changes.size_after(base) < MAX_ITEM_BYTES / 2 {
        return Ok(());
    }
    check(EMPTY_MAP + changes.sum_after(base, entry_size)?)
}

fn check(bytes: usize) -> Result<(), Error> {
    if bytes <= MAX_ITEM_BYTES {
        return Ok(());
    }
    let reason = format!("{bytes} bytes; a DynamoDB item may have {MAX_ITEM_BYTES}");
    Err(Error::new(ErrorKind::TooLarge, reason))
}

/// Returns the size that DynamoDB counts for `data`. The rest of an item is under a kilobyte. If
/// that makes an item too large, DynamoDB itself refuses it.
fn data_size(data: &Data) -> usize {
    let entries = data.iter().map(|(key, entry)| entry_size(key, entry));
    EMPTY_MAP + entries.sum::<usize>()
}

/// Returns the size that DynamoDB counts for an entry in `data`, without encoding it.
fn entry_size(key: &str, entry: &Entry) -> usize {
    let value = match (entry.as_native(), entry.json()) {
        (Some(native), _) => value_size(native),
        (None, Some(text)) if entry.is_integer() => number_size(text),
        (None, text) => text.map_or(1, str::len),
    };
    1 + key.len() + value
}

/// Returns the size that DynamoDB counts for an item
/// ([sizes](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html)).
fn item_size(item: &Item) -> usize {
    item.iter()
        .map(|(name, value)| name.len() + value_size(value))
        .sum()
}

/// Returns the size of a number. DynamoDB documents it as approximate: a byte for two digits, and one
/// more. The sign and an odd digit are counted in full here, so that the size is not too low.
fn number_size(text: &str) -> usize {
    text.len().div_ceil(2) + 2
}

/// Returns the size of one value.
fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(text) => number_size(text),
        AttributeValue::B(blob) => blob.as_ref().len(),
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::Ns(texts) => texts.iter().map(|text| number_size(text)).sum(),
        AttributeValue::Bs(blobs) => blobs.iter().map(|blob| blob.as_ref().len()).sum(),
        AttributeValue::L(values) => 3 + values.iter().map(|v| 1 + value_size(v)).sum::<usize>(),
        AttributeValue::M(map) => {
            let entries = map.iter().map(|(name, v)| 1 + name.len() + value_size(v));
            EMPTY_MAP + entries.sum::<usize>()
        }
        // Booleans, nulls, and types that DynamoDB may add.
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
