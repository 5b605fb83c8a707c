//! The entries of a session: the JSON text of each value, or what only its store can read.

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
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The entry of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.0.get(key)
    }

    /// Puts an entry.
    pub fn insert(&mut self, key: impl Into<String>, entry: Entry) {
        self.0.insert(key.into(), entry);
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &str) -> Option<Entry> {
        self.0.remove(key)
    }

    /// All entries, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(key, entry)| (key.as_str(), entry))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of all keys and JSON texts: what [`max_size`](crate::SessionLayer::max_size) limits.
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

/// The value of one key: JSON text, or something that only its store can read.
#[derive(Clone, PartialEq)]
pub struct Entry(Form);

#[derive(Clone, PartialEq)]
enum Form {
    Json(String),
    Opaque(Opaque),
}

impl Entry {
    /// A value by its JSON text. The text is believed here and judged where it is read.
    pub fn from_json(text: impl Into<String>) -> Self {
        Self(Form::Json(text.into()))
    }

    /// A value that is no JSON, kept as it is. Whoever asks for its key is told so.
    #[must_use]
    pub fn opaque(what: Opaque) -> Self {
        Self(Form::Opaque(what))
    }

    /// The JSON text.
    #[must_use]
    pub fn json(&self) -> Option<&str> {
        match &self.0 {
            Form::Json(text) => Some(text),
            Form::Opaque(_) => None,
        }
    }

    /// Bytes of the JSON text; an opaque entry counts none.
    #[must_use]
    pub fn size(&self) -> usize {
        self.json().map_or(0, str::len)
    }

    /// What a store keeps as it is.
    #[must_use]
    pub fn as_opaque(&self) -> Option<&Opaque> {
        match &self.0 {
            Form::Json(_) => None,
            Form::Opaque(what) => Some(what),
        }
    }

    /// Whether the JSON text is that of an `i64` or a `u64`, to the letter: such a value can be
    /// kept as a number and counted up without being read.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        let Some(text) = self.json() else {
            return false;
        };
        // `-0`, `1e2` and `007` must come back as they are, so they are none.
        text.parse::<i64>().is_ok_and(|n| n.to_string() == text)
            || text.parse::<u64>().is_ok_and(|n| n.to_string() == text)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Json(text) => write!(f, "Entry({} bytes)", text.len()),
            Form::Opaque(_) => f.write_str("Entry(opaque)"),
        }
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Form::Json(text) => serializer.serialize_str(text),
            Form::Opaque(_) => Err(serde::ser::Error::custom(
                "an entry that only its own store can read",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from_json)
    }
}

/// Something of a store's own that a record carries, known to that store alone.
#[derive(Clone)]
pub struct Opaque(Arc<dyn Any + Send + Sync>);

impl Opaque {
    /// Wraps it.
    pub fn new<T: Any + Send + Sync>(what: T) -> Self {
        Self(Arc::new(what))
    }

    /// Gives it back to whoever knows its type.
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

/// The same thing, not an equal one: nobody but its store could tell.
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
    fn data_counts_its_entries_and_their_bytes() {
        let mut data = Data::new();
        assert_eq!((data.len(), data.size(), data.is_empty()), (0, 0, true));
        data.insert("one", Entry::from_json("1"));
        data.insert("two", Entry::from_json("22"));
        assert_eq!((data.len(), data.size(), data.is_empty()), (2, 9, false));
    }
}
