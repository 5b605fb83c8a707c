//! Converts the entries of a session into attribute values and back, with pure functions.
//!
//! 1. A value whose JSON text is an integer is stored as `N`, so that DynamoDB can increment it.
//!    Any other value is stored as `S` with the JSON text. DynamoDB's own numbers are limited to 38
//!    digits, and its maps to 32 levels.
//! 2. Another program may store a value in another form (`N` 1.5, `S` 7). It is read by its text
//!    and keeps its form. Otherwise a condition that compares it would never hold.
//! 3. A value that has no text (`B`, `L`, ..) cannot be read, and is kept as it is.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::store::data::{Data, Entry};

/// Encodes all entries as the map in `data`.
pub(crate) fn encode_all(data: &Data) -> AttributeValue {
    AttributeValue::M(
        data.iter()
            .map(|(key, entry)| (key.to_owned(), encode(entry)))
            .collect(),
    )
}

/// Decodes the map in `data`, without a copy of its texts.
pub(crate) fn decode_all(map: HashMap<String, AttributeValue>) -> Data {
    map.into_iter()
        .map(|(key, value)| (key, decode(value)))
        .collect()
}

/// Encodes one entry as an attribute value.
pub(crate) fn encode(entry: &Entry) -> AttributeValue {
    if let Some(native) = entry.as_native() {
        return native.clone();
    }
    match entry.json() {
        Some(text) if entry.is_integer() => AttributeValue::N(text.to_owned()),
        Some(text) => AttributeValue::S(text.to_owned()),
        // An entry is JSON text or a native value.
        None => AttributeValue::Null(true),
    }
}

/// Decodes one entry, whatever its attribute value is.
pub(crate) fn decode(value: AttributeValue) -> Entry {
    let is_number = value.is_n();
    let text = match value {
        AttributeValue::N(text) | AttributeValue::S(text) => text,
        other => return Entry::native(other, None),
    };
    let entry = Entry::from_json(text);
    let Some(text) = entry.json().filter(|_| entry.is_integer() != is_number) else {
        return entry;
    };
    let native = match is_number {
        true => AttributeValue::N(text.to_owned()),
        false => AttributeValue::S(text.to_owned()),
    };
    Entry::native(native, Some(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::dynamodb::testing::{n, s};

    #[test]
    fn integer_is_a_number_and_all_else_text() {
        for number in [
            "0",
            "1",
            "-1",
            "9223372036854775807",
            "-9223372036854775808",
            "18446744073709551615",
        ] {
            assert_eq!(encode(&Entry::from_json(number)), n(number));
        }
        for text in [
            "-0",
            "0.0",
            "-0.0",
            "1.0",
            "1e2",
            "1e308",
            "18446744073709551616",
            "-9223372036854775809",
            "007",
            "true",
            "null",
            "\"1\"",
            "[1]",
            "{}",
            "",
            " 1",
            "not json",
        ] {
            assert_eq!(encode(&Entry::from_json(text)), s(text));
        }
    }

    #[test]
    fn number_of_another_program_keeps_its_form() {
        let digits = "9".repeat(38);
        for number in [
            "1.5",
            "1.50",
            "1E+100",
            "-0",
            "18446744073709551616",
            &digits,
        ] {
            let entry = decode(n(number));
            assert_eq!(entry.json(), Some(number));
            assert_eq!(encode(&entry), n(number));
        }
        // A text that looks like an integer is compared as a text.
        let entry = decode(s("7"));
        assert_eq!((entry.json(), encode(&entry)), (Some("7"), s("7")));
    }
}
