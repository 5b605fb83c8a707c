//! Converts the payload of a Flask session into the entries of a session of ours.
//!
//! 1. The packages change the form with their versions, so it is read from the payload itself.
//! 2. `_permanent` is dropped. It is Flask's note that the cookie outlives the browser.
//! 3. An error shows nothing of the payload.

use std::collections::BTreeMap;
use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::error::{Error, ErrorKind};
use crate::key::is_valid;
use crate::store::data::{Data, Entry};
use crate::store::dynamodb::flask::pickle::{self, Refused};
use crate::store::dynamodb::flask::plain::{self, Problem};

/// The key that Flask itself stores.
const PERMANENT: &str = "_permanent";

/// Converts the `data` of flask-dynamodb-sessions: JSON, or base64 of a pickle. Only JSON begins with a
/// brace.
///
/// # Errors
///
/// Fails with [`Corrupt`](ErrorKind::Corrupt) if it cannot be converted, and with
/// [`TooLarge`](ErrorKind::TooLarge) if DynamoDB could not store the result.
pub(super) fn of_text(text: &str) -> Result<Data, Error> {
    if text.trim_start().starts_with('{') {
        return of_json(text);
    }
    let base64: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let pickle = STANDARD.decode(base64);
    of_pickle(&pickle.map_err(|_| corrupt("it is neither JSON nor base64"))?)
}

/// Converts the `val` of Flask-Session: msgpack or JSON, or a pickle of versions before 0.7. An empty
/// map of msgpack is the only one that begins like a pickle.
///
/// # Errors
///
/// Fails like [`of_text`].
pub(super) fn of_bytes(bytes: &[u8]) -> Result<Data, Error> {
    match bytes {
        [b'{', ..] => match std::str::from_utf8(bytes) {
            Ok(text) => of_json(text),
            Err(_) => Err(corrupt("it is broken")),
        },
        [0x80, _, ..] => of_pickle(bytes),
        _ => of_msgpack(bytes),
    }
}

fn of_json(text: &str) -> Result<Data, Error> {
    // The entries are the texts as they are, so that no number is rounded. This also checks their depth
    // and their numbers.
    let checked = serde_json::from_str::<serde_json::Value>(text);
    let members = checked.and_then(|_| serde_json::from_str::<BTreeMap<String, &RawValue>>(text));
    let members = members.map_err(|_| corrupt("its JSON is broken, too deep, or holds NaN"))?;
    let entries = members
        .into_iter()
        .map(|(key, value)| (key, value.get().to_owned()));
    collect(entries)
}

fn of_pickle(bytes: &[u8]) -> Result<Data, Error> {
    let pickle = pickle::prepare(bytes).map_err(|refused| match refused {
        Refused::Global => corrupt(
            "its pickle holds an object of a Python class, such as a date or a Decimal; only plain \
             types can be read",
        ),
        Refused::Broken => corrupt("its pickle is broken"),
    })?;
    // Python 2 writes text as bytes.
    let options = serde_pickle::DeOptions::new().decode_strings();
    let mut deserializer = serde_pickle::Deserializer::new(Cursor::new(&*pickle), options);
    of_plain(plain::read(&mut deserializer))
}

fn of_msgpack(bytes: &[u8]) -> Result<Data, Error> {
    let mut deserializer = rmp_serde::Deserializer::new(Cursor::new(bytes));
    let members = plain::read(&mut deserializer);
    let read = deserializer.position();
    if members.is_ok() && usize::try_from(read) != Ok(bytes.len()) {
        return Err(corrupt("it goes on after its end"));
    }
    of_plain(members)
}

fn of_plain(
    members: Result<serde_json::Map<String, serde_json::Value>, Option<Problem>>,
) -> Result<Data, Error> {
    let members = members.map_err(|problem| match problem {
        Some(Problem::TooLarge) => too_large(),
        Some(Problem::TooDeep) => corrupt("it is nested deeper than 127 levels"),
        Some(Problem::NotFinite) => corrupt("it holds NaN or an infinite number"),
        Some(Problem::Extension) => {
            corrupt("it holds a date with a time zone, or another type that only msgpack has")
        }
        Some(Problem::Key) => corrupt("a dict has a tuple or the like as a key"),
        Some(Problem::SameKey) => corrupt("two keys of a dict have the same text"),
        None => corrupt(
            "it is broken, is no dict, holds an integer of more than 64 bits, or holds one list many \
             times",
        ),
    })?;
    let entries = members
        .into_iter()
        .map(|(key, value)| (key, value.to_string()));
    collect(entries)
}

/// Collects the entries without Flask's own.
fn collect(entries: impl Iterator<Item = (String, String)>) -> Result<Data, Error> {
    let entries = entries.filter(|(key, _)| key != PERMANENT);
    let entries = entries.map(|(key, json)| match is_valid(&key) {
        true => Ok((key, Entry::from_json(json))),
        false => Err(corrupt("a key is empty or longer than 65,535 bytes")),
    });
    entries.collect()
}

fn too_large() -> Error {
    let reason =
        "the session of Flask has more data than a DynamoDB item may hold: it stays where it is";
    Error::new(ErrorKind::TooLarge, reason)
}

/// Returns the error of a session that cannot be converted.
pub(super) fn corrupt(reason: &str) -> Error {
    let reason =
        format!("the session of Flask cannot be taken over, and stays where it is: {reason}");
    Error::new(ErrorKind::Corrupt, reason)
}

#[cfg(test)]
mod tests;
