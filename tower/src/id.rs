//! The ids of tower-sessions, and the keys under which their sessions are stored.
//!
//! 1. An id is 128 bits from the operating system's generator, which is called for every id. The ids
//!    of tower-sessions come from a user-space generator, which repeats itself in a SnapStart copy.
//! 2. The table holds an HMAC of the id's bytes, and never the id.

use lambda_sessions::store::StorageKey;
use lambda_sessions::{Error, ErrorKind};

/// Separates these keys from those of other adapters.
const LIBRARY: &str = "tower-sessions";

/// Generates an id.
///
/// # Errors
///
/// Fails with [`Unavailable`](ErrorKind::Unavailable) if the operating system cannot provide random
/// bytes. There is no fallback.
pub(crate) fn new_id() -> Result<i128, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|cause| {
        let reason = "the operating system's random generator failed";
        Error::with_source(ErrorKind::Unavailable, reason, cause)
    })?;
    Ok(i128::from_le_bytes(bytes))
}

/// The application whose sessions these are, as a part of every key.
#[derive(Clone)]
pub(crate) struct Scope(String);

impl Scope {
    /// Creates the scope of a table that has only one application.
    pub(crate) fn of_the_table() -> Self {
        Self(LIBRARY.to_owned())
    }

    /// Creates the scope of one of the applications that share a table.
    pub(crate) fn of_application(name: &str) -> Self {
        Self(format!("{LIBRARY}/{name}"))
    }

    /// Returns the key of an id. The bytes are those that the cookie spells.
    pub(crate) fn key(&self, id: i128) -> StorageKey {
        StorageKey::derived(&self.0, &id.to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_stays_the_same() {
        let key = Scope::of_the_table().key(1);
        // { printf '\1'; printf '\0%.0s' {1..15}; } | openssl dgst -sha256 -hmac tower-sessions -binary | basenc --base64url
        assert_eq!(key.as_str(), "l3j8CfyriPtmjNisATfgfuNWMRvi9bD6G-zYSQdJv4Q");
        let key = Scope::of_application("shop").key(1);
        // The same with `-hmac tower-sessions/shop`.
        assert_eq!(key.as_str(), "qQ0BtGJYtl4cDSXf9RWpK1UK25paVb3Ih7z63r6UYHY");
    }

    #[test]
    fn ids_are_different_each_time() {
        assert_ne!(new_id().unwrap(), new_id().unwrap());
    }
}
