//! Converts between a struct and the values of a session: one key for each field.
//!
//! 1. A struct is given only the values of its own fields. With `#[serde(flatten)]`, serde does not
//!    tell which those are, so it is given every value that is JSON.
//! 2. A value that is not JSON is an error only for the field that it belongs to.

use std::cell::Cell;
use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::value::RawValue;

use crate::error::{Error, ErrorKind};
use crate::session::value::{readable, to_text};
use crate::store::data::{Data, Entry};

/// Returns a value of the session as a `T`, and the names of the fields that `T` reads, as far as
/// serde tells them.
pub(super) fn read<T: DeserializeOwned>(
    data: &Data,
) -> (Result<T, Error>, &'static [&'static str]) {
    let names = Cell::new(&[][..]);
    let fields = Fields {
        data,
        names: &names,
    };
    let value = T::deserialize(fields).map_err(|cause| {
        let reason = "the session lacks a field of the requested type, or holds another type there: \
                      a field that may be absent needs #[serde(default)]";
        Error::json(ErrorKind::Deserialize, reason, &cause)
    });
    (value, names.get())
}

/// Returns the fields of a value.
///
/// # Errors
///
/// Fails with [`Serialize`](ErrorKind::Serialize) if the value does not serialize to a JSON object,
/// or a field is nested deeper than 127 levels.
pub(super) fn write(value: &impl Serialize) -> Result<Data, Error> {
    let text = to_text(value)?;
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(&text).map_err(|cause| {
        let reason =
            "the type of a typed session must serialize to a JSON object, as a struct does";
        Error::json(ErrorKind::Serialize, reason, &cause)
    })?;
    members
        .into_iter()
        .map(|(key, value)| Ok((key, readable(value.get().to_owned())?)))
        .collect()
}

/// Deserializes a struct from the values of a session.
struct Fields<'de> {
    data: &'de Data,
    names: &'de Cell<&'static [&'static str]>,
}

impl<'de> Deserializer<'de> for Fields<'de> {
    type Error = serde_json::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.names.set(names);
        visitor.visit_map(Values {
            rest: self.data.iter().filter(|(key, _)| names.contains(key)),
            value: None,
        })
    }

    /// Deserializes a map, a struct with `#[serde(flatten)]`, or an enum with a tag.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_map(Values {
            rest: self.data.iter().filter(|(_, entry)| is_json(entry)),
            value: None,
        })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn is_json(entry: &Entry) -> bool {
    let text = entry.json();
    text.is_some_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

/// The keys and values of a session, as a map.
struct Values<'de, I> {
    rest: I,
    /// The value of the key that was read last.
    value: Option<&'de Entry>,
}

impl<'de, I: Iterator<Item = (&'de str, &'de Entry)>> MapAccess<'de> for Values<'de, I> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Self::Error> {
        let Some((key, entry)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(entry);
        seed.deserialize(BorrowedStrDeserializer::new(key))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, Self::Error> {
        let text = self.value.take().and_then(Entry::json);
        let text = text.ok_or_else(|| Self::Error::custom("the stored value is no JSON"))?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let value = seed.deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(value)
    }
}
