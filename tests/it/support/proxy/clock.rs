//! DynamoDB's clock, and the times of signatures that it rejects.

use std::time::SystemTime;

use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use hyper::header::HeaderValue;

/// Returns the time of a clock that is ahead of this machine's.
pub(super) fn ahead_by(seconds: i64) -> DateTime {
    let now = DateTime::from(SystemTime::now());
    DateTime::from_secs(now.secs() + seconds)
}

/// Returns the message with which DynamoDB refuses the time of a signature, if it does.
pub(super) fn refused_time(now: DateTime, signed: Option<&HeaderValue>) -> Option<String> {
    let text = signed?.to_str().unwrap();
    let (date, time) = (&text[..8], &text[9..15]);
    let part = |text: &str, from: usize| text[from..from + 2].to_owned();
    let rfc3339 = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &date[..4],
        part(date, 4),
        part(date, 6),
        part(time, 0),
        part(time, 2),
        part(time, 4)
    );
    let signed = DateTime::from_str(&rfc3339, DateTimeFormat::DateTime).unwrap();
    match now.secs() - signed.secs() {
        -300..=300 => None,
        301.. => Some(format!(
            "Signature expired: {text} is now earlier than it may be"
        )),
        _ => Some(format!("Signature not yet current: {text} is still later")),
    }
}
