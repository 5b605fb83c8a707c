//! The errors of a store, as the kinds and texts of tower-sessions.

use std::error::Error as StdError;

use lambda_sessions::{Error, ErrorKind};

/// The kinds of errors that tower-sessions has.
pub(crate) enum Fault {
    Encode(String),
    Decode(String),
    Backend(String),
}

/// Converts an error. The text names its causes too, because tower-sessions has no `source`. None of
/// them holds an id, a key or a value.
impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(next) = cause {
            text.push_str(": ");
            text.push_str(&next.to_string());
            cause = next.source();
        }
        match error.kind() {
            ErrorKind::InvalidKey | ErrorKind::Serialize | ErrorKind::TooLarge => {
                Self::Encode(text)
            }
            ErrorKind::Corrupt | ErrorKind::Deserialize => Self::Decode(text),
            _ => Self::Backend(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_names_the_kind_and_the_causes() {
        let cause = std::io::Error::other("refused");
        let error = Error::with_source(ErrorKind::Unavailable, "no connection", cause);
        let Fault::Backend(text) = error.into() else {
            panic!("an outage is a fault of the backend");
        };
        assert_eq!(text, "unavailable: no connection: refused");
        let of = |kind| Fault::from(Error::new(kind, "reason"));
        assert!(matches!(of(ErrorKind::TooLarge), Fault::Encode(_)));
        assert!(matches!(of(ErrorKind::Corrupt), Fault::Decode(_)));
        assert!(matches!(of(ErrorKind::OutcomeUnknown), Fault::Backend(_)));
    }
}
