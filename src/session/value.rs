//! Values as the JSON text that is stored.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind};
use crate::store::data::Entry;

/// The maximum depth. serde_json reads no deeper than this, so nothing deeper is written.
const MAX_DEPTH: usize = 127;

pub(super) fn parse<T: DeserializeOwned>(entry: &Entry) -> Result<T, Error> {
    let text = entry
        .json()
        .ok_or_else(|| Error::new(ErrorKind::Deserialize, "the stored value is no JSON"))?;
    serde_json::from_str(text).map_err(|cause| {
        let reason = "a stored value is not of the type that was asked for";
        Error::json(ErrorKind::Deserialize, reason, &cause)
    })
}

pub(super) fn to_entry(value: &impl Serialize) -> Result<Entry, Error> {
    readable(to_text(value)?)
}

/// Returns the JSON text of a value.
pub(super) fn to_text(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|cause| {
        let reason = "a value has no JSON form";
        Error::json(ErrorKind::Serialize, reason, &cause)
    })
}

/// Returns the entry of a JSON text, if the text is not nested too deeply to be read back.
pub(super) fn readable(text: String) -> Result<Entry, Error> {
    // A text with at most that many opening brackets is no deeper either. Only others are parsed.
    let opened = text
        .bytes()
        .filter(|byte| matches!(byte, b'[' | b'{'))
        .count();
    if opened > MAX_DEPTH {
        // It is parsed as a `Value`, because serde_json sets no depth limit on values that it
        // skips.
        serde_json::from_str::<serde_json::Value>(&text).map_err(|cause| {
            let reason = "a value nested deeper than 127 levels could not be read back";
            Error::json(ErrorKind::Serialize, reason, &cause)
        })?;
    }
    Ok(Entry::from_json(text))
}
