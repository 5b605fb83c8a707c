//! The value that carries an id, in a cookie or in a header: `id[.signature][~hint]`.
//!
//! 1. Where ids are signed, an id counts only with the signature of one of the keys; one by an older
//!    key is signed anew. Where they are not, a signature is passed over: a function that signs may
//!    serve the same clients.
//! 2. A hint that is not understood is ignored, so that old and new versions of a function serve
//!    the same clients.
//! 3. Two different values are both refused: one of them was planted.
//! 4. What is refused here costs no call to the store.

use crate::id::{ID_CHARS, SessionId};
use crate::signing::{SignedBy, Signer};

/// What a request presented where the session's id belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Presented {
    Nothing,
    /// Something that cannot be an id, or two of them.
    Unusable,
    Id(SessionId),
    /// An id that was signed with an older key.
    Outdated(SessionId),
}

impl Presented {
    /// The one id among the values that were presented.
    pub(crate) fn among<'a>(
        mut values: impl Iterator<Item = &'a [u8]>,
        signer: Option<&Signer>,
    ) -> Self {
        let Some(first) = values.next() else {
            return Self::Nothing;
        };
        if values.any(|other| other != first) {
            return Self::Unusable;
        }
        Self::read(first, signer).unwrap_or(Self::Unusable)
    }

    fn read(value: &[u8], signer: Option<&Signer>) -> Option<Self> {
        let end = value.iter().position(|byte| *byte == b'~');
        let signed = end.map_or(value, |end| &value[..end]);
        let (id, signature) = match signed.iter().position(|byte| *byte == b'.') {
            Some(dot) => (&signed[..dot], Some(&signed[dot + 1..])),
            None => (signed, None),
        };
        let id = SessionId::parse(id)?;
        let Some(signer) = signer else {
            let is_one = |text: &[u8]| text.len() == ID_CHARS && text.iter().all(is_base64url);
            return signature.is_none_or(is_one).then_some(Self::Id(id));
        };
        Some(match signer.verify(&id, signature?)? {
            SignedBy::Newest => Self::Id(id),
            SignedBy::Older => Self::Outdated(id),
        })
    }
}

/// The value that gives a client this id.
pub(crate) fn value_of(id: &SessionId, signer: Option<&Signer>) -> String {
    match signer {
        Some(signer) => format!("{}.{}", id.expose(), signer.sign(id)),
        None => id.expose().to_owned(),
    }
}

fn is_base64url(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::SigningKey;

    fn signer(keys: &[u8]) -> Signer {
        let keys: Vec<_> = keys
            .iter()
            .map(|byte| SigningKey::new([*byte; 32]).unwrap())
            .collect();
        Signer::new(&keys).unwrap()
    }

    fn read(value: &str, signer: Option<&Signer>) -> Presented {
        Presented::among([value.as_bytes()].into_iter(), signer)
    }

    #[test]
    fn where_ids_are_signed_only_signed_ones_count() {
        let id = SessionId::generate().unwrap();
        let (old, new) = (signer(&[1]), signer(&[2, 1]));
        let value = value_of(&id, Some(&new));
        assert_eq!(value.len(), 43 + 1 + 43);
        assert_eq!(read(&value, Some(&new)), Presented::Id(id.clone()));
        let hinted = format!("{value}~hint");
        assert_eq!(read(&hinted, Some(&new)), Presented::Id(id.clone()));
        let outdated = value_of(&id, Some(&old));
        assert_eq!(read(&outdated, Some(&new)), Presented::Outdated(id.clone()));
        // A hint is not signed, and nothing of it counts.
        let signature = &value[44..];
        for forged in [
            id.expose().to_owned(),
            format!("{}.", id.expose()),
            format!("{}.{}", id.expose(), "A".repeat(43)),
            format!("{}~.{signature}", id.expose()),
            format!("{}~{signature}", id.expose()),
            format!("{}.{signature}", SessionId::generate().unwrap().expose()),
            format!("{value}.{signature}"),
            value_of(&id, Some(&signer(&[3]))),
        ] {
            assert_eq!(read(&forged, Some(&new)), Presented::Unusable, "{forged}");
        }
    }

    /// Both ways: a function may begin to sign, or cease to.
    #[test]
    fn where_ids_are_not_signed_a_signature_is_passed_over() {
        let id = SessionId::generate().unwrap();
        let signed = value_of(&id, Some(&signer(&[1])));
        assert_eq!(read(&signed, None), Presented::Id(id.clone()));
        assert_eq!(read(&value_of(&id, None), None), Presented::Id(id));
    }
}
