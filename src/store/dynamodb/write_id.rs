//! The random id of one write, or the token of one transaction.
//!
//! The id is stored with the record and tells a retry from another write.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::Error;
use crate::id::random;

const BYTES: usize = 16;

/// Returns a random id: 128 bits from the operating system, as 22 characters of base64url. A
/// user-space generator would be copied by a snapshot.
///
/// # Errors
///
/// Fails with [`Unavailable`](crate::ErrorKind::Unavailable) if the generator fails.
pub(super) fn write_id() -> Result<String, Error> {
    Ok(URL_SAFE_NO_PAD.encode(random::<BYTES>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_id_is_128_random_bits() {
        let id = write_id().unwrap();
        assert_eq!(id.len(), 22);
        assert_eq!(URL_SAFE_NO_PAD.decode(&id).unwrap().len(), BYTES);
        assert_ne!(id, write_id().unwrap());
    }
}
