//! The ids of a predecessor, as its clients send them.
//!
//! 1. Only a text that the predecessor can have made is an id. Everything else costs no call.
//!    flask-dynamodb-sessions stores whatever id a client has chosen, and such a session is not taken
//!    over.
//! 2. If a request carries two ids, neither counts. An attacker may have set one of them.
//! 3. The signature of Flask-Session is not checked. An id has 256 random bits, so a forged one finds
//!    nothing, and the key need not be known here.
//! 4. An id is a secret, so `Debug` does not show it.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::id::SessionId;

/// The fewest and the most characters of an id of Flask-Session: 128 bits, and what fits in a cookie.
const TOKEN_CHARS: std::ops::RangeInclusive<usize> = 22..=1024;

/// The form of a predecessor's ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForeignForm {
    /// A UUID of version 4 in lower case, as Python writes it.
    Uuid,
    /// base64url, optionally followed by a dot and a signature.
    Token,
}

impl ForeignForm {
    /// Returns the id in a value, if it is one.
    pub(crate) fn parse(self, value: &[u8]) -> Option<ForeignId> {
        let text = std::str::from_utf8(value).ok()?;
        let id = match self {
            Self::Uuid => is_uuid(text).then_some(text)?,
            Self::Token => {
                let (id, signature) = match text.split_once('.') {
                    Some((id, signature)) => (id, Some(signature)),
                    None => (text, None),
                };
                let is_one = TOKEN_CHARS.contains(&id.len())
                    && is_base64url(id)
                    && signature.is_none_or(|it| !it.is_empty() && is_base64url(it));
                is_one.then_some(id)?
            }
        };
        Some(ForeignId(id.to_owned()))
    }

    /// Returns the only id among these values. Values that cannot be an id do not count.
    pub(super) fn only_one<'a>(self, values: impl Iterator<Item = &'a [u8]>) -> Option<ForeignId> {
        let mut ids = values.filter_map(|value| self.parse(value));
        let one = ids.next()?;
        ids.all(|other| other == one).then_some(one)
    }
}

/// The id of a predecessor's session.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ForeignId(String);

impl ForeignId {
    /// Returns the id itself, which is a secret.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the id of ours that stands for it. What is stored about the predecessor's session in
    /// our table is at its key.
    pub(crate) fn as_ours(&self, audience: Option<&str>) -> SessionId {
        let hash = Sha256::new_with_prefix("lambda-sessions/flask\n").chain_update(&self.0);
        SessionId::from_bytes(hash.finalize().into()).in_audience(audience)
    }
}

/// The session of a predecessor that a client has.
#[derive(Debug)]
pub(crate) struct Foreign {
    pub(crate) id: ForeignId,
    /// True if the predecessor still serves a part of the site.
    pub(crate) keeps: bool,
}

impl fmt::Debug for ForeignId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForeignId")
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            14 => byte == b'4',
            19 => matches!(byte, b'8' | b'9' | b'a' | b'b'),
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

fn is_base64url(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "d3ec920f-52dd-4e21-8ab9-01b592d31616";
    const SID: &str = "UDUjCPL_2vwKcKnuf4wJNaoHnJJLZtq27cb5jiiydSE";

    #[test]
    fn flask_id_is_a_uuid_of_version_4() {
        let parse = |text: &str| ForeignForm::Uuid.parse(text.as_bytes());
        assert_eq!(parse(UUID).unwrap().expose(), UUID);
        for wrong in [
            "",
            "chosen-by-the-client",
            &UUID.to_uppercase(),
            &UUID.replace('-', ""),
            &UUID.replacen("-4", "-1", 1),
            &UUID.replacen("-8", "-c", 1),
            &format!("{UUID} "),
            &format!("{{{UUID}}}"),
            &format!("{}\u{e9}", &UUID[..34]),
            SID,
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        assert_eq!(ForeignForm::Uuid.parse(&[0xff; 36]), None);
    }

    #[test]
    fn flask_session_id_may_have_a_signature() {
        let parse = |text: &str| ForeignForm::Token.parse(text.as_bytes());
        let signed = format!("{SID}.gtzxWCoGeFx7-1UVrKWNRJTCDqQ");
        assert_eq!(parse(SID).unwrap().expose(), SID);
        assert_eq!(parse(&signed), parse(SID));
        for wrong in [
            "",
            "short",
            &format!("{SID}."),
            &format!("{SID}=="),
            &format!("{signed}.x"),
            "eyJhIjoxfQ.aSW2aQ.gtzxWCoGeFx7-1UVrKWNRJTCDqQ",
            &"A".repeat(1025),
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn flask_ids_that_differ_are_all_ignored() {
        let other = UUID.replace("d3ec", "0000");
        let one = |values: &[&str]| {
            let values = values.iter().map(|value| value.as_bytes());
            ForeignForm::Uuid.only_one(values).is_some()
        };
        assert!(one(&[UUID]) && one(&[UUID, UUID]) && one(&["eyJ.a.b", UUID, ""]));
        assert!(!one(&[]) && !one(&[UUID, &other]) && !one(&["eyJ.a.b"]));
    }

    /// printf 'lambda-sessions/flask\nd3ec..' | openssl dgst -sha256 -binary | openssl dgst -sha256 -binary
    #[test]
    fn flask_id_has_a_key_in_our_table() {
        let id = ForeignForm::Uuid.parse(UUID.as_bytes()).unwrap();
        let ours = id.as_ours(None);
        assert_eq!(
            ours.storage_key().as_str(),
            "M23fzzQdp_tGxSL1L0jbcWNk18EYYuel66XX2-kiMYw"
        );
        assert_ne!(ours, id.as_ours(Some("shop")));
        let token = ForeignForm::Token.parse(SID.as_bytes()).unwrap();
        assert_ne!(ours, token.as_ours(None));
        assert!(!format!("{id:?}").contains("d3ec"));
    }
}
