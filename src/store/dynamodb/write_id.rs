//! The random id of one write, or the token of one transaction.
//!
//! The id is stored with the record and tells a retry from another write.

use uuid::Uuid;

use crate::error::Error;
use crate::id::random;

/// Returns a random id. It has 122 bits from the operating system. `Uuid::new_v4` may use a
/// user-space generator, which a snapshot would copy.
///
/// # Errors
///
/// Fails with [`Unavailable`](crate::ErrorKind::Unavailable) if the generator fails.
pub(super) fn write_id() -> Result<String, Error> {
    let uuid: Uuid = uuid::Builder::from_random_bytes(random()?).into_uuid();
    Ok(uuid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_id_is_a_random_uuid_of_version_4() {
        let id = write_id().unwrap();
        assert_eq!(Uuid::parse_str(&id).unwrap().get_version_num(), 4);
        assert_ne!(id, write_id().unwrap());
    }
}
