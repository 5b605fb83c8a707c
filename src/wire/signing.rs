//! Signs ids, so that a forged id costs no call to the store.
//!
//! 1. The signature is the HMAC-SHA256 of the id's 43 characters, written as 43 more characters of
//!    base64url. The newest key signs, and every key verifies.
//! 2. Signatures are compared in constant time, and every key is tried.
//! 3. A key has at least 32 bytes, the output length of SHA-256 (RFC 2104, section 3). Keys are
//!    never shown.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::error::{Error, ErrorKind};
use crate::id::SessionId;

/// The minimum length of a key in bytes.
const MIN_KEY_BYTES: usize = 32;

/// A secret that signs ids or keys the hash of users' ids.
///
/// ```
/// use lambda_sessions::SigningKey;
///
/// let key = SigningKey::new([7; 32])?; // use 32 random bytes, such as `openssl rand -base64 32`
/// assert_eq!(format!("{key:?}"), "SigningKey");
/// assert!(SigningKey::new("too short").is_err());
/// # Ok::<_, lambda_sessions::Error>(())
/// ```
#[derive(Clone)]
pub struct SigningKey(Arc<Hmac<Sha256>>);

impl SigningKey {
    /// Creates a key from these bytes.
    ///
    /// ```
    /// use lambda_sessions::{ErrorKind, SigningKey};
    ///
    /// assert!(SigningKey::new([7; 32]).is_ok());
    /// let error = SigningKey::new([7; 31]).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Misconfigured);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if there are fewer than 32 bytes.
    #[allow(clippy::missing_panics_doc)] // it does not panic: HMAC accepts keys of any length
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, Error> {
        let bytes = bytes.as_ref();
        if bytes.len() < MIN_KEY_BYTES {
            let length = bytes.len();
            let reason = format!(
                "a signing key has {length} bytes: it must have at least {MIN_KEY_BYTES}, such as \
                 the output of `openssl rand -base64 32`"
            );
            return Err(Error::new(ErrorKind::Misconfigured, reason));
        }
        let keyed = Hmac::new_from_slice(bytes).expect("HMAC accepts a key of any length");
        Ok(Self(Arc::new(keyed)))
    }

    /// Returns the HMAC-SHA256 of a message.
    pub(crate) fn mac(&self, message: &[u8]) -> [u8; 32] {
        self.message_mac(message).finalize().into_bytes().into()
    }

    /// Returns whether this is the HMAC of the message, in constant time.
    fn verifies(&self, message: &[u8], mac: &[u8]) -> bool {
        self.message_mac(message).verify_slice(mac).is_ok()
    }

    /// Returns the computation of the HMAC, with the whole message.
    fn message_mac(&self, message: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::clone(&self.0);
        mac.update(message);
        mac
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

/// The keys of a layer: the newest one, and the older ones that still verify.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    newest: SigningKey,
    older: Vec<SigningKey>,
}

/// The age of the key that made a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignedBy {
    Newest,
    Older,
}

impl Signer {
    /// Creates a signer with these keys, the newest first.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if there is no key.
    pub(crate) fn new(keys: &[SigningKey]) -> Result<Self, Error> {
        let Some((newest, older)) = keys.split_first() else {
            let reason = "signing_keys has no key: give it at least one, or do not call it";
            return Err(Error::new(ErrorKind::Misconfigured, reason));
        };
        Ok(Self {
            newest: newest.clone(),
            older: older.to_vec(),
        })
    }

    /// Returns the signature of an id, 43 characters.
    pub(crate) fn sign(&self, id: &SessionId) -> String {
        URL_SAFE_NO_PAD.encode(self.newest.mac(id.expose().as_bytes()))
    }

    /// Returns the age of the key that made the signature, or `None` if no key did.
    pub(crate) fn verify(&self, id: &SessionId, signature: &[u8]) -> Option<SignedBy> {
        let mac = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let message = id.expose().as_bytes();
        // All keys are tried, so that the time does not reveal which one matches.
        let newest = self.newest.verifies(message, &mac);
        let older = self.older.iter().fold(false, |found, key| {
            let verifies = key.verifies(message, &mac);
            found | verifies
        });
        match (newest, older) {
            (true, _) => Some(SignedBy::Newest),
            (false, true) => Some(SignedBy::Older),
            (false, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SigningKey {
        SigningKey::new([byte; 32]).unwrap()
    }

    #[test]
    fn key_has_at_least_32_bytes_and_is_not_shown() {
        for (bytes, valid) in [(0, false), (31, false), (32, true), (1_000, true)] {
            assert_eq!(SigningKey::new(vec![1; bytes]).is_ok(), valid, "{bytes}");
        }
        let signer = Signer::new(&[key(b's'), key(b't')]).unwrap();
        assert_eq!(format!("{:?}", signer.newest), "SigningKey");
        assert!(!format!("{signer:?}").contains("115"));
        let error = Signer::new(&[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
    }

    /// printf AAA.. | openssl dgst -sha256 -mac HMAC -macopt hexkey:0101.. -binary | basenc --base64url
    #[test]
    fn signature_is_hmac_of_the_id_text() {
        let id = SessionId::parse("A".repeat(43).as_bytes()).unwrap();
        let signer = Signer::new(&[key(1)]).unwrap();
        assert_eq!(
            signer.sign(&id),
            "hVNtj2ry1Eje3wv_jE2FhdGuNeCMX0hDltjAWy2_u6c"
        );
    }

    #[test]
    fn signature_by_newest_key_and_all_verify() {
        let id = SessionId::generate().unwrap();
        let old = Signer::new(&[key(1)]).unwrap().sign(&id);
        let new = Signer::new(&[key(2), key(1)]).unwrap();
        assert_ne!(new.sign(&id), old);
        let by = |signature: &str| new.verify(&id, signature.as_bytes());
        assert_eq!(by(&new.sign(&id)), Some(SignedBy::Newest));
        assert_eq!(by(&old), Some(SignedBy::Older));
        assert_eq!(by(&Signer::new(&[key(3)]).unwrap().sign(&id)), None);

        let other = SessionId::generate().unwrap();
        assert_eq!(by(&new.sign(&other)), None, "of another id");
        for wrong in ["", "x", &old[1..], &format!("{old}A"), &"A".repeat(43)] {
            assert_eq!(by(wrong), None, "{wrong:?}");
        }
        // One signature has one spelling: the bits that no byte needs are zero.
        let stray = char::from(old.as_bytes()[42] + 1);
        assert_eq!(by(&format!("{}{stray}", &old[..42])), None);
    }
}
