//! The random id of one write, and the token of one transaction.
//!
//! Both are from the operating system. A user-space generator would be copied by a snapshot.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::Error;
use crate::id::random;

/// The bytes of a write's id. It has to differ from the ids of the other writes to the same record
/// during one operation, and each of its characters is hashed for the signature.
const ID_BYTES: usize = 6;
/// The bytes of a token. It has to differ from those of all transactions of an account within ten
/// minutes.
const TOKEN_BYTES: usize = 16;

/// Returns the id of a write: 48 random bits as 8 characters of base64url. It is stored with the
/// record, and tells a retry from another write.
///
/// # Errors
///
/// Fails with [`Unavailable`](crate::ErrorKind::Unavailable) if the generator fails.
pub(super) fn write_id() -> Result<String, Error> {
    Ok(URL_SAFE_NO_PAD.encode(random::<ID_BYTES>()?))
}

/// Returns the token of a transaction: 128 random bits as 22 characters of base64url.
///
/// # Errors
///
/// Fails like [`write_id`].
pub(super) fn transaction_token() -> Result<String, Error> {
    Ok(URL_SAFE_NO_PAD.encode(random::<TOKEN_BYTES>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_id_is_48_random_bits() {
        let id = write_id().unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(&id).unwrap().len(), ID_BYTES);
        assert_eq!(id.len(), 8);
        assert_ne!(id, write_id().unwrap());
    }

    #[test]
    fn transaction_token_is_128_random_bits() {
        let token = transaction_token().unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(&token).unwrap().len(), TOKEN_BYTES);
        assert_eq!(token.len(), 22);
        assert_ne!(token, transaction_token().unwrap());
    }
}
