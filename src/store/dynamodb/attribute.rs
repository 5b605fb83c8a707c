//! One attribute of an item: its name, and how its value is read and written.
//!
//! 1. The type of an attribute pairs the two directions, so a value that was written reads back.
//! 2. A value of another DynamoDB type reads as an absent one. Which attributes an item must have
//!    is decided in [`item`](super::item).

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use aws_sdk_dynamodb::types::AttributeValue;

use crate::clock::Timestamp;
use crate::id::StorageKey;
use crate::store::data::Data;
use crate::store::dynamodb::entry::{decode_all, encode_all};
use crate::store::user::Pseudonym;

/// An item: a map from the names of its attributes to their values.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// An attribute whose value is a `T`.
#[derive(Debug)]
pub(crate) struct Attribute<T> {
    name: &'static str,
    placeholder: Option<&'static str>,
    read: fn(&AttributeValue) -> Option<T>,
    write: fn(&T) -> AttributeValue,
}

impl<T> Attribute<T> {
    /// Returns the name in the table.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Sets the placeholder that stands for the name in expressions.
    pub(crate) const fn written_as(mut self, placeholder: &'static str) -> Self {
        self.placeholder = Some(placeholder);
        self
    }

    /// Returns the placeholder that stands for the name in expressions, if the name is a reserved
    /// word.
    pub(crate) const fn placeholder(&self) -> Option<&'static str> {
        self.placeholder
    }

    /// Returns the value in an item, if it is there and has the right type.
    pub(crate) fn read(&self, item: &Item) -> Option<T> {
        item.get(self.name).and_then(self.read)
    }

    /// Returns the value as it is stored.
    pub(crate) fn stored(&self, value: &T) -> AttributeValue {
        (self.write)(value)
    }

    /// Writes the value into an item.
    pub(crate) fn write(&self, item: &mut Item, value: &T) {
        item.insert(self.name.to_owned(), self.stored(value));
    }

    /// Writes the value into an item, if there is one.
    pub(crate) fn write_some(&self, item: &mut Item, value: Option<&T>) {
        if let Some(value) = value {
            self.write(item, value);
        }
    }
}

/// Returns an attribute that holds text.
pub(crate) const fn text(name: &'static str) -> Attribute<String> {
    Attribute {
        name,
        placeholder: None,
        read: |value| value.as_s().ok().cloned(),
        write: |text| AttributeValue::S(text.clone()),
    }
}

/// Returns an attribute that holds the key of a record.
pub(crate) const fn key(name: &'static str) -> Attribute<StorageKey> {
    Attribute {
        name,
        placeholder: None,
        read: |value| value.as_s().ok().map(StorageKey::stored),
        write: |key| AttributeValue::S(key.as_str().to_owned()),
    }
}

/// Returns an attribute that holds the pseudonym of a user.
pub(crate) const fn pseudonym(name: &'static str) -> Attribute<Pseudonym> {
    Attribute {
        name,
        placeholder: None,
        read: |value| value.as_s().ok().cloned().map(Pseudonym::stored),
        write: |user| AttributeValue::S(user.as_str().to_owned()),
    }
}

/// Returns an attribute that holds a number.
pub(crate) const fn number(name: &'static str) -> Attribute<u64> {
    Attribute {
        name,
        placeholder: None,
        read: nearest,
        write: |number| AttributeValue::N(number.to_string()),
    }
}

/// Returns an attribute that holds a time as a number, in epoch seconds.
pub(crate) const fn seconds(name: &'static str) -> Attribute<Timestamp> {
    Attribute {
        name,
        placeholder: None,
        read: |value| nearest(value).map(Timestamp::from_epoch_seconds),
        write: |time| AttributeValue::N(time.to_string()),
    }
}

/// Returns an attribute that holds a time as text, in RFC 3339.
pub(crate) const fn date(name: &'static str) -> Attribute<Timestamp> {
    Attribute {
        name,
        placeholder: None,
        read: |value| {
            let time = DateTime::from_str(value.as_s().ok()?, DateTimeFormat::DateTime).ok()?;
            let seconds = time.secs().try_into().ok()?;
            Some(Timestamp::from_epoch_seconds(seconds))
        },
        write: |time| {
            let seconds = time.epoch_seconds().try_into().unwrap_or(i64::MAX);
            let text = DateTime::from_secs(seconds).fmt(DateTimeFormat::DateTime);
            // A time after the year 9999 has no such form. Its seconds are still correct.
            AttributeValue::S(text.unwrap_or_else(|_| time.to_string()))
        },
    }
}

/// Returns an attribute that holds a boolean.
pub(crate) const fn flag(name: &'static str) -> Attribute<bool> {
    Attribute {
        name,
        placeholder: None,
        read: |value| value.as_bool().ok().copied(),
        write: |flag| AttributeValue::Bool(*flag),
    }
}

/// Returns an attribute that holds the entries of a session as a map.
pub(crate) const fn data(name: &'static str) -> Attribute<Data> {
    Attribute {
        name,
        placeholder: None,
        read: |value| value.as_m().ok().cloned().map(decode_all),
        write: encode_all,
    }
}

/// Returns a number as `u64`, or the nearest `u64` if it is not one. The conditions of writes
/// compare the same numbers in DynamoDB, and both must agree on which items are sessions.
fn nearest(value: &AttributeValue) -> Option<u64> {
    let text = value.as_n().ok()?;
    let nearest = || text.parse::<f64>().ok().map(|number| number as u64);
    text.parse().ok().or_else(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_is_rfc_3339_in_utc() {
        let modified = date("modified");
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
            (253_402_300_800, "253402300800"),
            (u64::MAX, "18446744073709551615"),
        ] {
            let stored = modified.stored(&Timestamp::from_epoch_seconds(seconds));
            assert_eq!(stored, AttributeValue::S(text.to_owned()), "{seconds}");
        }
    }

    #[test]
    fn number_reads_as_the_nearest_u64() {
        let version = number("version");
        for (stored, read) in [
            ("7", Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("1.9", Some(1)),
            ("-1", Some(0)),
            ("1e39", Some(u64::MAX)),
            ("", None),
        ] {
            let item = Item::from([("version".to_owned(), AttributeValue::N(stored.to_owned()))]);
            assert_eq!(version.read(&item), read, "{stored}");
        }
    }
}
