//! Reads a value of plain types as JSON, from any format that serde knows.
//!
//! 1. Text, numbers, booleans, `None`, lists, tuples, sets and dicts have a JSON form. Bytes become a
//!    list of numbers, as serde writes a `Vec<u8>`. A dict's key that is a number, a boolean or `None`
//!    becomes text, as Python's `json` writes it.
//! 2. The result is limited in size and depth while it is read. A pickle may refer to one value many
//!    times, and a small one can stand for gigabytes.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The size of the JSON text at which the reading stops. An item of DynamoDB has 400 KB.
const MAX_BYTES: usize = 512 * 1024;
/// The maximum depth of a session, of which serde_json reads each value.
const MAX_DEPTH: usize = 128;

/// The reason why a value has no JSON form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    TooLarge,
    TooDeep,
    NotFinite,
    Extension,
    Key,
    SameKey,
}

/// Reads the dict of a session.
///
/// # Errors
///
/// Fails with the reason, or with `None` if the payload itself is broken.
pub(super) fn read<'de, D: Deserializer<'de>>(
    payload: D,
) -> Result<Map<String, Value>, Option<Problem>> {
    let reader = Reader::default();
    let value = Seed {
        reader: &reader,
        depth: 0,
    }
    .deserialize(payload);
    match value {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(None),
        // The error of the format may show a value, so it is dropped.
        Err(_) => Err(reader.problem.get()),
    }
}

/// The state of reading one session.
#[derive(Default)]
struct Reader {
    bytes: Cell<usize>,
    problem: Cell<Option<Problem>>,
}

impl Reader {
    /// Counts bytes of the result.
    fn spend<E: Error>(&self, bytes: usize) -> Result<(), E> {
        let all = self.bytes.get().saturating_add(bytes);
        self.bytes.set(all);
        match all <= MAX_BYTES {
            true => Ok(()),
            false => Err(self.fail(Problem::TooLarge)),
        }
    }

    fn fail<E: Error>(&self, problem: Problem) -> E {
        self.problem.set(Some(problem));
        E::custom("it has no JSON form")
    }
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    reader: &'a Reader,
    depth: usize,
}

impl Seed<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        match depth <= MAX_DEPTH {
            true => Ok(Self { depth, ..self }),
            false => Err(self.reader.fail(Problem::TooDeep)),
        }
    }

    fn number<E: Error>(self, number: impl Into<Number>) -> Result<Value, E> {
        let number = number.into();
        self.reader.spend(number.to_string().len() + 1)?;
        Ok(Value::Number(number))
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a plain type")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        self.reader.spend(6)?;
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        self.number(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        self.number(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value);
        self.number(number.ok_or_else(|| self.reader.fail::<E>(Problem::NotFinite))?)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.reader.spend(value.len() + 3)?;
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        self.reader.spend(value.len() + 3)?;
        Ok(Value::String(value))
    }

    fn visit_bytes<E: Error>(self, value: &[u8]) -> Result<Value, E> {
        self.reader.spend(value.len().saturating_mul(4) + 3)?;
        Ok(value.iter().copied().map(Value::from).collect())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        self.reader.spend(5)?;
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<Value, D::Error> {
        value.deserialize_any(self)
    }

    /// msgpack's extension types, such as a date with a zone.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, _: D) -> Result<Value, D::Error> {
        Err(self.reader.fail(Problem::Extension))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        self.reader.spend(3)?;
        let each = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(each)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        self.reader.spend(3)?;
        let each = self.deeper()?;
        let mut members = Map::new();
        while let Some(key) = map.next_key_seed(each)? {
            let key = match key {
                Value::String(text) => text,
                Value::Null | Value::Bool(_) | Value::Number(_) => key.to_string(),
                Value::Array(_) | Value::Object(_) => return Err(self.reader.fail(Problem::Key)),
            };
            if members.insert(key, map.next_value_seed(each)?).is_some() {
                return Err(self.reader.fail(Problem::SameKey));
            }
        }
        Ok(Value::Object(members))
    }
}
