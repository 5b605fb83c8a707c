//! The entries of a session: the JSON text of each value.
//!
//! A value that another program stored in DynamoDB in another form is kept in that form, so that it
//! is compared and copied exactly. It is read by its text, or not at all if it has none.

use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::store::native::NativeValue;

/// The entries of a session, ordered by key.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Data(BTreeMap<String, Entry>);

impl Data {
    /// Creates data without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Returns the entry of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.0.get(key)
    }

    /// Stores an entry.
    pub fn insert(&mut self, key: impl Into<String>, entry: Entry) {
        self.0.insert(key.into(), entry);
    }

    /// Removes an entry and returns it.
    pub fn remove(&mut self, key: &str) -> Option<Entry> {
        self.0.remove(key)
    }

    /// Returns all entries, ordered by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(key, entry)| (key.as_str(), entry))
    }

    /// Returns the number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the size of all keys and JSON texts in bytes, which
    /// [`max_size`](crate::SessionLayer::max_size) limits.
    #[must_use]
    pub fn size(&self) -> usize {
        self.iter()
            .map(|(key, entry)| key.len() + entry.size())
            .sum()
    }
}

impl IntoIterator for Data {
    type Item = (String, Entry);
    type IntoIter = btree_map::IntoIter<String, Entry>;

    /// Returns all entries, ordered by key.
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<K: Into<String>> FromIterator<(K, Entry)> for Data {
    fn from_iter<I: IntoIterator<Item = (K, Entry)>>(entries: I) -> Self {
        Self(entries.into_iter().map(|(k, e)| (k.into(), e)).collect())
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Data({} entries, {} bytes)", self.len(), self.size())
    }
}

/// The value of one key, as JSON text.
///
/// A value that another program stored in DynamoDB may have no JSON text. It is kept unchanged.
#[derive(Clone, PartialEq)]
pub struct Entry(Form);

#[derive(Clone, PartialEq)]
enum Form {
    Json(String),
    /// A value as DynamoDB holds it, and the JSON text by which it is read.
    #[cfg_attr(not(feature = "dynamodb"), allow(dead_code))] // there are no such values
    Native(Arc<NativeValue>, Option<String>),
}

impl Entry {
    /// Creates a value from its JSON text.
    ///
    /// The text is not validated here. A read fails if it is invalid.
    pub fn from_json(text: impl Into<String>) -> Self {
        Self(Form::Json(text.into()))
    }

    /// Creates a value that DynamoDB could not restore from its JSON text, or that has none. The
    /// store compares and copies the native value.
    #[cfg(feature = "dynamodb")]
    pub(crate) fn native(value: NativeValue, json: Option<String>) -> Self {
        Self(Form::Native(value.into(), json))
    }

    /// Returns the JSON text, if there is one.
    #[must_use]
    pub fn json(&self) -> Option<&str> {
        match &self.0 {
            Form::Json(text) => Some(text),
            Form::Native(_, text) => text.as_deref(),
        }
    }

    /// Returns the size of the JSON text in bytes. An entry without a text has the size 0.
    #[must_use]
    pub fn size(&self) -> usize {
        self.json().map_or(0, str::len)
    }

    /// Returns the native value, if the entry has one.
    #[cfg(feature = "dynamodb")]
    pub(crate) fn as_native(&self) -> Option<&NativeValue> {
        match &self.0 {
            Form::Json(_) => None,
            Form::Native(value, _) => Some(value),
        }
    }

    /// Returns whether the JSON text is exactly that of an `i64` or a `u64`.
    ///
    /// Such a value can be stored as a number and incremented without a read. A value that another
    /// program stored in another form is not an integer, whatever its text.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        let Form::Json(text) = &self.0 else {
            return false;
        };
        // `-0`, `1e2` and `007` must be returned unchanged, so they do not count as integers.
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_plain = digits.starts_with(|first: char| first.is_ascii_digit())
            && (!digits.starts_with('0') || text == "0");
        is_plain && (text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok())
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Json(text) => write!(f, "Entry({} bytes)", text.len()),
            Form::Native(..) => f.write_str("Entry(native)"),
        }
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.json() {
            Some(text) => serializer.serialize_str(text),
            None => Err(serde::ser::Error::custom(
                "cannot serialize a value that only DynamoDB can hold",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from_json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_text_of_an_integer_is_one() {
        for yes in [
            "0",
            "-1",
            "9223372036854775807",
            "-9223372036854775808",
            "18446744073709551615",
        ] {
            assert!(Entry::from_json(yes).is_integer(), "{yes}");
        }
        for no in [
            "-0",
            "-0.0",
            "1.0",
            "1e2",
            "007",
            "+1",
            " 1",
            "18446744073709551616",
            "true",
            "\"1\"",
            "",
        ] {
            assert!(!Entry::from_json(no).is_integer(), "{no}");
        }
    }

    #[test]
    fn native_entry_serializes_by_its_text() {
        let five = NativeValue::S("5".to_owned());
        let entry = Entry::native(five.clone(), Some("5".to_owned()));
        assert_eq!((entry.json(), entry.size()), (Some("5"), 1));
        assert!(!entry.is_integer());
        assert_eq!(serde_json::to_string(&entry).unwrap(), "\"5\"");
        assert_eq!(entry.as_native(), Some(&five));
        let without = Entry::native(NativeValue::Bool(true), None);
        assert_eq!((without.json(), without.size()), (None, 0));
        assert!(serde_json::to_string(&without).is_err());
    }

    #[test]
    fn data_counts_its_entries_and_their_bytes() {
        let mut data = Data::new();
        assert_eq!((data.len(), data.size(), data.is_empty()), (0, 0, true));
        data.insert("one", Entry::from_json("1"));
        data.insert("two", Entry::from_json("22"));
        assert_eq!((data.len(), data.size(), data.is_empty()), (2, 9, false));
    }
}
