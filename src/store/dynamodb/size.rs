//! The size of an item, as DynamoDB counts it.
//!
//! 1. A session that is too large is refused before anything is sent. The error then proves that
//!    nothing was written.
//! 2. The size is never less than what DynamoDB counts for `data`.

use aws_sdk_dynamodb::types::AttributeValue;

use crate::error::{Error, ErrorKind};
use crate::store::changes::change_set::Changes;
use crate::store::data::Data;
use crate::store::dynamodb::attribute::Item;
use crate::store::dynamodb::entry::encode_all;

/// The maximum size of a DynamoDB item in bytes, including names
/// ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)).
const MAX_ITEM_BYTES: usize = 400 * 1024;

/// Checks the size of an item.
///
/// # Errors
///
/// Returns [`TooLarge`](ErrorKind::TooLarge) for more bytes than an item may have.
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
    check_data(&changes.apply(base)?)
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
