//! Users: the binding of a session to a user.
//!
//! 1. A store sees a pseudonym and never the user's id. The pseudonym is the SHA-256 of the id, or
//!    its HMAC-SHA256 if a key is configured. Without a key, anyone who has the table and a list of
//!    ids can determine which of the ids are in it.
//! 2. A binding has a handle that stays the same when the id is cycled. It identifies one login for
//!    as long as the login lasts, and gives no access.
//! 3. A binding ends with the lifetime that was configured when it was made, even if the lifetime
//!    is extended later. A session therefore never outlives the entry by which it is found and
//!    revoked.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::random;
use crate::wire::signing::SigningKey;

/// The maximum length of a label in bytes. A longer one is truncated.
const MAX_LABEL_BYTES: usize = 512;
/// The length of a handle in bytes: 128 bits, so that no two logins have the same one.
const HANDLE_BYTES: usize = 16;

/// The name by which a store knows a user: base64url of the SHA-256 or HMAC-SHA256 of the user's
/// id.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pseudonym(String);

impl Pseudonym {
    /// Returns the pseudonym of a user's id.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if the id is empty. Otherwise, all
    /// users without an id would share their sessions.
    pub(crate) fn of(user: &str, key: Option<&SigningKey>) -> Result<Self, Error> {
        if user.is_empty() {
            return Err(Error::new(
                ErrorKind::Misconfigured,
                "the user's id must not be empty",
            ));
        }
        let hash = match key {
            Some(key) => key.mac(user.as_bytes()),
            None => Sha256::digest(user.as_bytes()).into(),
        };
        Ok(Self(URL_SAFE_NO_PAD.encode(hash)))
    }

    /// Creates a pseudonym from a stored text.
    #[cfg(feature = "dynamodb")]
    pub(crate) fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Creates a pseudonym that is used nowhere else.
    ///
    /// # Errors
    ///
    /// Fails with [`Unavailable`](ErrorKind::Unavailable) if the operating system cannot provide
    /// random bytes.
    #[cfg(feature = "conformance")]
    pub(crate) fn random() -> Result<Self, Error> {
        Ok(Self(URL_SAFE_NO_PAD.encode(random::<32>()?)))
    }

    /// Returns the 43 characters that are stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Pseudonym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pseudonym")
    }
}

/// The binding of a session to a user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    user: Pseudonym,
    handle: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    until: Timestamp,
}

impl Binding {
    /// Creates a binding that ends at `until`.
    pub(crate) fn new(
        user: Pseudonym,
        handle: String,
        label: Option<String>,
        until: Timestamp,
    ) -> Self {
        Self {
            user,
            handle,
            label,
            until,
        }
    }

    /// Sets the end.
    pub(crate) fn until(mut self, until: Timestamp) -> Self {
        self.until = until;
        self
    }

    /// Sets the label.
    pub(crate) fn labelled(mut self, label: &str) -> Self {
        self.label = Some(label.to_owned());
        self
    }

    /// Returns the user's pseudonym.
    #[must_use]
    pub fn user(&self) -> &Pseudonym {
        &self.user
    }

    /// Returns the handle of the login, which stays the same when the id is cycled.
    #[must_use]
    pub fn handle(&self) -> &str {
        &self.handle
    }

    /// Returns the label that the application gave to the login.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// Returns the end of the binding, after which no session with it is live.
    #[must_use]
    pub fn ends(&self) -> Timestamp {
        self.until
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Binding")
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

/// A login that binds the session.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) user: Pseudonym,
    pub(crate) label: Option<String>,
}

impl Login {
    /// Returns the binding of a session that ends at `until` at the latest. A session of the same
    /// user keeps its handle.
    ///
    /// # Errors
    ///
    /// Fails with [`Unavailable`](ErrorKind::Unavailable) if the operating system cannot provide
    /// random bytes.
    pub(crate) fn binding(
        &self,
        bound: Option<&Binding>,
        until: Timestamp,
    ) -> Result<Binding, Error> {
        let same = bound.filter(|bound| bound.user == self.user);
        let handle = match same {
            Some(same) => same.handle.clone(),
            None => URL_SAFE_NO_PAD.encode(random::<HANDLE_BYTES>()?),
        };
        let label = self.label.clone().or_else(|| same?.label.clone());
        Ok(Binding::new(self.user.clone(), handle, label, until))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

/// Truncates a label to the maximum length.
pub(crate) fn label(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_LABEL_BYTES)].to_owned()
}

/// The selection of a user's sessions to revoke.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Revoked<'a> {
    /// All sessions.
    All,
    /// All sessions except the one with this [handle](Binding::handle).
    AllBut(&'a str),
    /// Only the session with this handle.
    Only(&'a str),
}

impl Revoked<'_> {
    /// Returns whether the session with this handle is revoked.
    #[must_use]
    pub fn includes(self, handle: &str) -> bool {
        match self {
            Self::All => true,
            Self::AllBut(other) => handle != other,
            Self::Only(one) => handle == one,
        }
    }
}

impl fmt::Debug for Revoked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "All",
            Self::AllBut(_) => "AllBut(..)",
            Self::Only(_) => "Only(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::session_info::SessionInfo;

    #[test]
    fn pseudonym_is_a_hash_or_a_keyed_hash() {
        // printf ada | openssl dgst -sha256 -binary | basenc --base64url
        let plain = Pseudonym::of("ada", None).unwrap();
        assert_eq!(
            plain.as_str(),
            "_e5DDUC9V97qwYbNl5ADPQ8G-QmogG585ucXq3x9UCk"
        );
        // … -mac HMAC -macopt hexkey:0101.. …
        let key = SigningKey::new([1; 32]).unwrap();
        let keyed = Pseudonym::of("ada", Some(&key)).unwrap();
        assert_eq!(keyed.as_str().len(), 43);
        assert_ne!(keyed, plain);
        assert_eq!(keyed, Pseudonym::of("ada", Some(&key)).unwrap());
        let error = Pseudonym::of("", Some(&key)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
    }

    #[test]
    fn label_is_cut_between_characters() {
        assert_eq!(label("Firefox"), "Firefox");
        assert_eq!(label(&"a".repeat(600)).len(), 512);
        let accented = "a".to_owned() + &"é".repeat(300);
        assert_eq!(label(&accented).len(), 511);
    }

    #[test]
    fn revoked_includes_the_selected_handles() {
        for (which, one, other) in [
            (Revoked::All, true, true),
            (Revoked::AllBut("one"), false, true),
            (Revoked::Only("one"), true, false),
        ] {
            assert_eq!(which.includes("one"), one, "{which:?}");
            assert_eq!(which.includes("other"), other, "{which:?}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let at = Timestamp::from_epoch_seconds;
        let user = Pseudonym::of("secret-user", None).unwrap();
        let shown = user.as_str().to_owned();
        let handle = "secret-handle".to_owned();
        let bound = Binding::new(user.clone(), handle, None, at(8));
        let login = Login {
            user,
            label: Some("secret-label".to_owned()),
        };
        let debug = format!("{login:?}");
        let binding = login.binding(Some(&bound), at(9)).unwrap();
        assert_eq!(binding.handle(), "secret-handle");
        let info = SessionInfo::new(&binding, at(1), at(2), at(3));
        let user = binding.user();
        let only = Revoked::Only("secret-handle");
        let debug = format!("{debug} {binding:?} {info:?} {user:?} {only:?}");
        assert!(
            !debug.contains("secret") && !debug.contains(&shown),
            "{debug}"
        );
    }
}
