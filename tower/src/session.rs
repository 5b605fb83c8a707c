//! The data and the expiry of a session, converted between tower-sessions and the store.
//!
//! 1. Each key of a session is an entry of its own, so that the item in the table is readable.
//! 2. Nothing is stored that could not be read back.
//! 3. An expiry is cut off to the second. A session never lives longer than tower-sessions says.

use std::collections::HashMap;

use lambda_sessions::store::{Data, Entry, Timestamp};
use lambda_sessions::{Error, ErrorKind};
use serde_json::Value;
use time::{OffsetDateTime, PrimitiveDateTime};

/// The values of a session, as tower-sessions holds them.
pub(crate) type Values = HashMap<String, Value>;

/// The maximum length of a key in DynamoDB, in bytes.
const MAX_KEY_BYTES: usize = 65_535;

/// The maximum depth. serde_json reads no deeper than this.
const MAX_DEPTH: usize = 127;

/// Converts the values of a session to entries.
///
/// # Errors
///
/// Fails with [`InvalidKey`](ErrorKind::InvalidKey) if a key is empty or too long. Fails with
/// [`Serialize`](ErrorKind::Serialize) if a value is nested too deeply.
pub(crate) fn to_data(values: &Values) -> Result<Data, Error> {
    let entries = values.iter().map(|(key, value)| {
        if !(1..=MAX_KEY_BYTES).contains(&key.len()) {
            let reason = "a key must have 1 to 65,535 bytes";
            return Err(Error::new(ErrorKind::InvalidKey, reason));
        }
        if is_deeper_than(MAX_DEPTH, value) {
            let reason = "a value nested deeper than 127 levels could not be read back";
            return Err(Error::new(ErrorKind::Serialize, reason));
        }
        Ok((key.as_str(), Entry::from_json(value.to_string())))
    });
    entries.collect()
}

fn is_deeper_than(depth: usize, value: &Value) -> bool {
    let is_deeper = |inner: &Value| match depth.checked_sub(1) {
        Some(depth) => is_deeper_than(depth, inner),
        None => true,
    };
    match value {
        Value::Array(_) | Value::Object(_) if depth == 0 => true,
        Value::Array(inner) => inner.iter().any(is_deeper),
        Value::Object(inner) => inner.values().any(is_deeper),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Converts entries to the values of a session.
///
/// # Errors
///
/// Fails with [`Deserialize`](ErrorKind::Deserialize) if an entry is not JSON. tower-sessions saves
/// whole sessions, so an entry that is left out here would be lost.
pub(crate) fn to_values(data: &Data) -> Result<Values, Error> {
    let values = data.iter().map(|(key, entry)| {
        let value = entry.json().map(serde_json::from_str);
        let value = value.and_then(Result::ok).ok_or_else(|| {
            // The error of serde_json would quote the value.
            let reason = "the session has a value that another program wrote and that is not JSON";
            Error::new(ErrorKind::Deserialize, reason)
        });
        Ok((key.to_owned(), value?))
    });
    values.collect()
}

/// Converts an expiry date. One before 1970 is 1970.
pub(crate) fn to_timestamp(expiry: OffsetDateTime) -> Timestamp {
    Timestamp::from_epoch_seconds(u64::try_from(expiry.unix_timestamp()).unwrap_or(0))
}

/// Converts an expiry. One that is too late for a date is the last date.
pub(crate) fn to_date(ttl: Timestamp) -> OffsetDateTime {
    let seconds = i64::try_from(ttl.epoch_seconds()).ok();
    let date = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    date.unwrap_or(PrimitiveDateTime::MAX.assume_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use time::Duration;

    fn nested(depth: usize) -> Value {
        (0..depth).fold(json!(1), |value, n| match n % 2 {
            0 => json!([value]),
            _ => json!({ "inner": value }),
        })
    }

    #[test]
    fn values_are_read_back_as_they_were() {
        let values = Values::from([
            ("integer".to_owned(), json!(-5)),
            ("large".to_owned(), json!(u64::MAX)),
            ("float".to_owned(), json!(0.1)),
            ("text".to_owned(), json!("a \"quoted\" text")),
            ("nothing".to_owned(), Value::Null),
            ("object".to_owned(), json!({ "b": [1, 2], "a": true })),
            ("deep".to_owned(), nested(127)),
        ]);
        let data = to_data(&values).unwrap();
        assert_eq!(data.get("integer").unwrap().json(), Some("-5"));
        assert_eq!(to_values(&data).unwrap(), values);
        assert!(
            to_values(&to_data(&Values::new()).unwrap())
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn values_that_cannot_be_read_back_fail() {
        let kind = |key: &str, value| {
            let values = Values::from([(key.to_owned(), value)]);
            to_data(&values).map_err(|error| error.kind()).err()
        };
        assert_eq!(kind("deep", nested(127)), None);
        assert_eq!(kind("deep", nested(128)), Some(ErrorKind::Serialize));
        assert_eq!(kind("", json!(1)), Some(ErrorKind::InvalidKey));
        assert_eq!(kind(&"k".repeat(65_535), json!(1)), None);
        let long = kind(&"k".repeat(65_536), json!(1));
        assert_eq!(long, Some(ErrorKind::InvalidKey));
    }

    #[test]
    fn entry_that_is_not_json_is_an_error() {
        let data = Data::from_iter([("secret", Entry::from_json("secret, and no JSON"))]);
        let error = to_values(&data).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deserialize);
        assert!(
            !format!("{error} {error:?}").contains("secret"),
            "{error:?}"
        );
    }

    #[test]
    fn expiry_is_cut_off_to_the_second() {
        let date = OffsetDateTime::from_unix_timestamp(2_000_000_000).unwrap();
        let later = date + Duration::milliseconds(999);
        assert_eq!(to_date(to_timestamp(later)), date);
        assert_eq!(to_timestamp(later).epoch_seconds(), 2_000_000_000);
        // The time zone of the date does not matter.
        let elsewhere = date.to_offset(time::UtcOffset::from_hms(5, 30, 0).unwrap());
        assert_eq!(to_timestamp(elsewhere), to_timestamp(date));
    }

    #[test]
    fn expiry_outside_of_the_range_is_its_limit() {
        let before = OffsetDateTime::UNIX_EPOCH - Duration::days(1);
        assert_eq!(to_timestamp(before).epoch_seconds(), 0);
        let last = PrimitiveDateTime::MAX.assume_utc();
        for seconds in [u64::MAX, i64::MAX as u64] {
            assert_eq!(to_date(Timestamp::from_epoch_seconds(seconds)), last);
        }
    }
}
