//! The entries of a session: the JSON text of each value, or a value that only its store can write
//! again.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

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

/// The value of one key: JSON text, or an opaque value of its store.
///
/// An opaque value may also have a JSON text by which it is read.
#[derive(Clone, PartialEq)]
pub struct Entry(Form);

#[derive(Clone, PartialEq)]
enum Form {
    Json(String),
    Opaque(Opaque, Option<String>),
}

impl Entry {
    /// Creates a value from its JSON text.
    ///
    /// The text is not validated here. A read fails if it is invalid.
    pub fn from_json(text: impl Into<String>) -> Self {
        Self(Form::Json(text.into()))
    }

    /// Creates a value that is not JSON and is kept unchanged.
    ///
    /// A read of its key fails.
    #[must_use]
    pub fn opaque(what: Opaque) -> Self {
        Self(Form::Opaque(what, None))
    }

    /// Adds a JSON text to an [opaque](Self::opaque) entry, by which it is read. The store still
    /// compares and copies its original.
    ///
    /// It is for a value that the store could not restore from its JSON text, such as a number that
    /// another program has written. An entry that is JSON text is returned unchanged.
    ///
    /// ```
    /// use lambda_sessions::store::{Entry, Opaque};
    ///
    /// let entry = Entry::opaque(Opaque::new(1.5_f64)).readable_as("1.5");
    /// assert_eq!(entry.json(), Some("1.5"));
    /// let original = entry.as_opaque().and_then(|what| what.downcast_ref::<f64>());
    /// assert_eq!(original, Some(&1.5));
    /// ```
    #[must_use]
    pub fn readable_as(self, text: impl Into<String>) -> Self {
        match self.0 {
            Form::Opaque(what, _) => Self(Form::Opaque(what, Some(text.into()))),
            json @ Form::Json(_) => Self(json),
        }
    }

    /// Returns the JSON text, if there is one.
    #[must_use]
    pub fn json(&self) -> Option<&str> {
        match &self.0 {
            Form::Json(text) => Some(text),
            Form::Opaque(_, text) => text.as_deref(),
        }
    }

    /// Returns the size of the JSON text in bytes. An entry without a text has the size 0.
    #[must_use]
    pub fn size(&self) -> usize {
        self.json().map_or(0, str::len)
    }

    /// Returns the value that a store keeps unchanged, if the entry is opaque.
    #[must_use]
    pub fn as_opaque(&self) -> Option<&Opaque> {
        match &self.0 {
            Form::Json(_) => None,
            Form::Opaque(what, _) => Some(what),
        }
    }

    /// Returns whether the JSON text is exactly that of an `i64` or a `u64`.
    ///
    /// Such a value can be stored as a number and incremented without a read. An opaque entry is
    /// never an integer, whatever its text, because its store keeps it in another form.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        let Form::Json(text) = &self.0 else {
            return false;
        };
        // `-0`, `1e2` and `007` must be returned unchanged, so they do not count as integers.
        text.parse::<i64>().is_ok_and(|n| n.to_string() == *text)
            || text.parse::<u64>().is_ok_and(|n| n.to_string() == *text)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Json(text) => write!(f, "Entry({} bytes)", text.len()),
            Form::Opaque(..) => f.write_str("Entry(opaque)"),
        }
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.json() {
            Some(text) => serializer.serialize_str(text),
            None => Err(serde::ser::Error::custom(
                "cannot serialize an entry that only its own store can read",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from_json)
    }
}

/// Data of a store that a record carries and that only this store understands.
#[derive(Clone)]
pub struct Opaque(Arc<dyn Any + Send + Sync>);

impl Opaque {
    /// Wraps a value.
    pub fn new<T: Any + Send + Sync>(what: T) -> Self {
        Self(Arc::new(what))
    }

    /// Returns the value, if it is of type `T`.
    #[must_use]
    pub fn downcast_ref<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opaque")
    }
}

/// Compares by identity, because only the store could compare the values.
impl PartialEq for Opaque {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
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
    fn readable_opaque_is_no_integer() {
        let entry = Entry::opaque(Opaque::new(5_u8)).readable_as("5");
        assert_eq!((entry.json(), entry.size()), (Some("5"), 1));
        assert!(!entry.is_integer());
        assert_eq!(serde_json::to_string(&entry).unwrap(), "\"5\"");
        let json = Entry::from_json("1").readable_as("2");
        assert_eq!(json.json(), Some("1"));
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
