//! Session ids.
//!
//! 1. An id is 32 bytes (256 bits) from the operating system's generator, which is called for every
//!    id. A user-space generator, or one that is seeded at init, would repeat itself in a SnapStart
//!    copy. ASVS 7.2.3 requires 128 bits of entropy.
//! 2. Its text form is 43 characters of base64url without padding. Nothing else parses.
//! 3. The store sees the SHA-256 of the bytes and never the id: a stolen table opens no session.
//! 4. `Debug` shows the fingerprint, a prefix of that hash, which is safe to log.
//! 5. The id of another library becomes a key through HMAC-SHA-256, so that no id of ours has that
//!    key.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind};

/// The number of characters in the text form of an id.
pub(crate) const ID_CHARS: usize = 43;

const ID_BYTES: usize = 32;
const FINGERPRINT_CHARS: usize = 10;

/// A session id: the secret that gives a client its session.
#[derive(Clone)]
pub struct SessionId(Arc<Id>);

struct Id {
    text: String,
    bytes: [u8; ID_BYTES],
    audience: Option<Box<str>>,
    /// The hash, made when it is first needed. A request that does not use its session needs none.
    key: OnceLock<StorageKey>,
}

impl SessionId {
    /// Generates a new id.
    ///
    /// # Errors
    ///
    /// Fails with [`Unavailable`](ErrorKind::Unavailable) if the operating system cannot provide
    /// random bytes. There is no fallback.
    pub(crate) fn generate() -> Result<Self, Error> {
        Ok(Self::from_bytes(random()?))
    }

    /// Parses the 43 characters of an id, and returns `None` for anything else.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        if text.len() != ID_CHARS {
            return None;
        }
        let mut bytes = [0; ID_BYTES];
        // The engine rejects padding, other alphabets and stray trailing bits, so that one id has
        // one spelling.
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        (length == ID_BYTES).then(|| Self::new(text.to_owned(), bytes))
    }

    /// Returns the id as one of the given application, for a table that several applications share.
    /// Its hash is different, so it does not find the sessions of the other applications.
    pub(crate) fn in_audience(self, audience: Option<&str>) -> Self {
        let Some(audience) = audience else {
            return self;
        };
        Self(Arc::new(Id {
            text: self.0.text.clone(),
            bytes: self.0.bytes,
            audience: Some(audience.into()),
            key: OnceLock::new(),
        }))
    }

    /// Returns the id with these bytes, which must be as hard to guess as those of [`generate`].
    ///
    /// [`generate`]: Self::generate
    pub(crate) fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self::new(URL_SAFE_NO_PAD.encode(bytes), bytes)
    }

    fn new(text: String, bytes: [u8; ID_BYTES]) -> Self {
        Self(Arc::new(Id {
            text,
            bytes,
            audience: None,
            key: OnceLock::new(),
        }))
    }

    /// Returns the id itself, 43 characters.
    ///
    /// Anyone who has the id has the session, so never log it.
    ///
    /// ```
    /// use lambda_sessions::session::SessionId;
    ///
    /// /// Returns the id for a client that is no browser.
    /// fn body(id: &SessionId) -> String {
    ///     id.expose().to_owned()
    /// }
    /// # let _ = body;
    /// ```
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0.text
    }

    /// Returns ten characters that identify the session in a log and do not reveal the id.
    ///
    /// The record's `id` attribute in the table begins with them.
    ///
    /// ```
    /// use lambda_sessions::session::SessionId;
    ///
    /// fn log_line(id: &SessionId) -> String {
    ///     format!("session {}", id.fingerprint())
    /// }
    /// # let _ = log_line;
    /// ```
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        self.storage_key().fingerprint()
    }

    /// Returns the key under which the store knows the session.
    #[must_use]
    pub fn storage_key(&self) -> &StorageKey {
        self.0.key.get_or_init(|| self.0.hash())
    }
}

impl Id {
    fn hash(&self) -> StorageKey {
        let mut hash = Sha256::new_with_prefix(self.bytes);
        // The bytes come first and have a fixed length, so no two pairs hash the same input.
        if let Some(audience) = &self.audience {
            hash.update(audience.as_bytes());
        }
        StorageKey(URL_SAFE_NO_PAD.encode(hash.finalize()))
    }
}

impl PartialEq for SessionId {
    fn eq(&self, other: &Self) -> bool {
        (&self.0.bytes, &self.0.audience) == (&other.0.bytes, &other.0.audience)
    }
}

impl Eq for SessionId {}

impl Hash for SessionId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.bytes.hash(state);
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId(fingerprint {})", self.fingerprint())
    }
}

/// The key under which a store keeps an item.
///
/// The key of a session is base64url of the SHA-256 of its id. [`derived`](Self::derived) makes the
/// key of an id that another library has issued.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StorageKey(String);

impl StorageKey {
    /// Creates a key from a stored text. Any text is accepted, because an invalid key finds
    /// nothing.
    pub(crate) fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Creates the key of an id that another library has issued, for an adapter that keeps that
    /// library's sessions in a [`SessionStore`](crate::SessionStore).
    ///
    /// The key is base64url of the HMAC-SHA-256 of `id` with `scope` as its key. A store therefore
    /// never holds the id. Keys of different scopes differ, and no session of this library has such
    /// a key. The scope names the library, and the application if several share a table. The id
    /// must be random, with at least 128 bits.
    ///
    /// ```
    /// use lambda_sessions::store::StorageKey;
    ///
    /// let id = [7; 16]; // from a cookie of the other library
    /// let key = StorageKey::derived("another-library", &id);
    /// assert_eq!(key.as_str().len(), 43);
    /// assert_ne!(key, StorageKey::derived("another-application", &id));
    /// ```
    #[must_use]
    #[allow(clippy::missing_panics_doc)] // it does not panic: HMAC accepts a key of any length
    pub fn derived(scope: &str, id: &[u8]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(scope.as_bytes())
            .expect("HMAC accepts a key of any length");
        mac.update(id);
        Self(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    /// Returns the characters that are stored: 43 for a session.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the first ten characters, for logs.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        self.0.get(..FINGERPRINT_CHARS).unwrap_or(&self.0)
    }

    /// Returns the key of a new id that is used nowhere else.
    ///
    /// # Errors
    ///
    /// Fails with [`Unavailable`](ErrorKind::Unavailable), like the creation of a session's id.
    #[cfg(feature = "conformance")]
    pub(crate) fn random() -> Result<Self, Error> {
        Ok(SessionId::generate()?.storage_key().clone())
    }
}

impl fmt::Debug for StorageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorageKey({}..)", self.fingerprint())
    }
}

/// Returns bytes from the operating system's generator.
///
/// # Errors
///
/// Fails with [`Unavailable`](ErrorKind::Unavailable) if the generator fails.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|cause| {
        Error::with_source(
            ErrorKind::Unavailable,
            "the operating system's random generator failed",
            cause,
        )
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_reads_back_and_nothing_else_does() {
        let id = SessionId::generate().unwrap();
        assert_eq!(SessionId::parse(id.expose().as_bytes()), Some(id.clone()));
        assert_ne!(id, SessionId::generate().unwrap());

        let text = id.expose();
        for wrong in [
            "",
            &text[1..],
            &format!("{text}="),
            &format!("{text}A"),
            &format!("+{}", &text[1..]),
            &format!(" {}", &text[1..]),
            &format!("\u{e9}{}", &text[2..]),
        ] {
            assert_eq!(SessionId::parse(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    #[test]
    fn id_has_one_spelling() {
        // 43 characters carry 258 bits: the last two must be zero.
        let zero = "A".repeat(43);
        assert!(SessionId::parse(zero.as_bytes()).is_some());
        let stray = format!("{}B", "A".repeat(42));
        assert_eq!(SessionId::parse(stray.as_bytes()), None);
    }

    #[test]
    fn storage_key_is_the_hash_of_the_id_bytes() {
        let id = SessionId::parse("A".repeat(43).as_bytes()).unwrap();
        // printf '\0%.0s' {1..32} | openssl dgst -sha256 -binary | basenc --base64url
        assert_eq!(
            id.storage_key().as_str(),
            "Zmh6rfhivXdsj8GLjp-OIAiXFIVu4jOzkCpZHQ1fKSU"
        );
        assert_eq!(id.fingerprint(), "Zmh6rfhivX");
    }

    #[test]
    fn audience_changes_only_the_storage_key() {
        let id = SessionId::parse("A".repeat(43).as_bytes()).unwrap();
        let none = id.clone().in_audience(None);
        assert_eq!(none, id);
        let shop = id.clone().in_audience(Some("shop"));
        // { printf '\0%.0s' {1..32}; printf shop; } | openssl dgst -sha256 -binary | basenc --base64url
        assert_eq!(
            shop.storage_key().as_str(),
            "FDo8oDxVuFPZye6HolZEbw4mmkr11tPb7hUHwRZoVIE"
        );
        assert_eq!(shop.expose(), id.expose());
        let blog = id.in_audience(Some("blog"));
        assert_ne!(shop.storage_key(), blog.storage_key());
    }

    #[test]
    fn derived_key_is_the_hmac_of_the_id() {
        let key = StorageKey::derived("shop", &[0; 16]);
        // printf '\0%.0s' {1..16} | openssl dgst -sha256 -hmac shop -binary | basenc --base64url
        assert_eq!(key.as_str(), "ufXIdUa3br7ZXcyJ4vi-n3nPYT7BjV2CremzndImLt8");
        let id = SessionId::from_bytes([0; ID_BYTES]).in_audience(Some("shop"));
        assert_ne!(*id.storage_key(), StorageKey::derived("shop", &[0; 32]));
    }

    #[test]
    fn id_debug_shows_only_the_fingerprint() {
        let id = SessionId::generate().unwrap();
        let shown = format!("{id:?} {:?}", id.storage_key());
        assert!(!shown.contains(id.expose()), "{shown}");
        assert!(shown.contains(id.fingerprint()), "{shown}");
        assert!(!shown.contains(id.storage_key().as_str()), "{shown}");
    }
}
