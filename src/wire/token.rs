//! Reads and writes the value that carries an id, in a cookie or in a header:
//! `id[.signature][~hint]`.
//!
//! 1. If ids are signed, a value counts only with the signature of one of the keys, and every other
//!    value is ignored. A client whose id was signed by an older key gets a new signature. If ids
//!    are not signed, a signature is ignored: a function that signs may serve the same clients.
//! 2. An unknown hint is ignored, so that old and new versions of a function can serve the same
//!    clients. The known ones are in [`hints`](crate::wire::hints).
//! 3. Two different ids are both rejected. An attacker may have set one of them, and it cannot be
//!    determined which.
//! 4. A rejected value costs no call to the store.

use crate::id::{ID_CHARS, SessionId};
use crate::wire::hints::Hints;
use crate::wire::received::{Ids, MAX_IDS, Received, Reply};
use crate::wire::signing::{SignedBy, Signer};

/// The result of reading all values of one name.
#[derive(Debug)]
pub(crate) struct ParsedValues {
    pub(crate) ids: Ids,
    /// True if there were different values, none of which was accepted.
    pub(crate) ambiguous: bool,
    /// The hints of the accepted id.
    pub(crate) hints: Hints,
}

impl ParsedValues {
    /// Reads these values. They are compared as they were sent, so that equal ones count once.
    pub(crate) fn read<'a>(
        values: impl Iterator<Item = &'a [u8]>,
        signer: Option<&Signer>,
    ) -> Self {
        let mut first = None;
        let (mut differ, mut malformed) = (false, false);
        let mut accepted: Option<(SessionId, SignedBy)> = None;
        let mut hints = Hints::default();
        let mut others = Vec::new();
        for value in values {
            match first {
                None => first = Some(value),
                Some(first) if first == value => continue,
                Some(_) => differ = true,
            }
            let Some((id, by)) = parse(value, signer) else {
                malformed = true;
                continue;
            };
            let (_, of_value) = split_hints(value);
            match &mut accepted {
                None => {
                    accepted = Some((id, by));
                    hints = Hints::read(of_value);
                }
                // This is one id in two spellings: a cookie that was signed anew or moved, and the
                // previous one.
                Some((one, signed)) if *one == id => {
                    hints = hints.and(Hints::read(of_value));
                    if by == SignedBy::Newest {
                        *signed = by;
                    }
                }
                Some(_) if others.len() + 1 < MAX_IDS && !others.contains(&id) => others.push(id),
                Some(_) => {}
            }
        }
        let ids = match (first, accepted) {
            (None, _) => Ids::Nothing,
            (Some(_), None) => Ids::Unusable,
            (Some(_), Some((one, _))) if !others.is_empty() => {
                others.insert(0, one);
                Ids::Several(others)
            }
            // Without signatures, a planted value cannot be distinguished from the real one.
            (Some(_), Some((one, _))) if malformed && signer.is_none() => Ids::Several(vec![one]),
            (Some(_), Some((one, SignedBy::Newest))) => Ids::One(one),
            (Some(_), Some((one, SignedBy::Older))) => Ids::Reissue(one),
        };
        let ambiguous = differ && !matches!(ids, Ids::One(_) | Ids::Reissue(_));
        Self {
            ids,
            ambiguous,
            hints,
        }
    }
}

/// Converts values that came without previous cookies.
impl From<ParsedValues> for Received {
    fn from(parsed: ParsedValues) -> Self {
        Self {
            ids: parsed.ids,
            hints: parsed.hints,
            reply: Reply::default(),
        }
    }
}

/// Returns the id in a value, if it is accepted. An id that needs no signature counts as signed by
/// the newest key.
fn parse(value: &[u8], signer: Option<&Signer>) -> Option<(SessionId, SignedBy)> {
    let (signed, _) = split_hints(value);
    let (id, signature) = match signed.iter().position(|byte| *byte == b'.') {
        Some(dot) => (&signed[..dot], Some(&signed[dot + 1..])),
        None => (signed, None),
    };
    let id = SessionId::parse(id)?;
    let by = match signer {
        Some(signer) => signer.verify(&id, signature?)?,
        None => {
            let is_one = |text: &[u8]| text.len() == ID_CHARS && text.iter().all(is_base64url);
            signature.is_none_or(is_one).then_some(SignedBy::Newest)?
        }
    };
    Some((id, by))
}

/// Returns whether a value carries this hint, alone or among others.
pub(crate) fn has_hint(value: &[u8], hint: &str) -> bool {
    let (_, hints) = split_hints(value);
    hints
        .split(|byte| *byte == b'~')
        .any(|other| other == hint.as_bytes())
}

/// Splits a value into the signed part and its hints.
fn split_hints(value: &[u8]) -> (&[u8], &[u8]) {
    match value.iter().position(|byte| *byte == b'~') {
        Some(end) => (&value[..end], &value[end + 1..]),
        None => (value, b""),
    }
}

/// Returns the value that gives a client this id.
pub(crate) fn value_of(id: &SessionId, signer: Option<&Signer>) -> String {
    match signer {
        Some(signer) => format!("{}.{}", id.expose(), signer.sign(id)),
        None => id.expose().to_owned(),
    }
}

/// Returns whether a byte is a character of base64url.
fn is_base64url(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::wire::signing::SigningKey;

    fn signer(keys: &[u8]) -> Signer {
        let keys: Vec<_> = keys
            .iter()
            .map(|byte| SigningKey::new([*byte; 32]).unwrap())
            .collect();
        Signer::new(&keys).unwrap()
    }

    fn among(values: &[&str], signer: Option<&Signer>) -> Ids {
        ParsedValues::read(values.iter().map(|value| value.as_bytes()), signer).ids
    }

    fn read(value: &str, signer: Option<&Signer>) -> Ids {
        among(&[value], signer)
    }

    #[test]
    fn signed_ids_only_count_if_keys_are_set() {
        let id = SessionId::generate().unwrap();
        let (old, new) = (signer(&[1]), signer(&[2, 1]));
        let value = value_of(&id, Some(&new));
        assert_eq!(value.len(), 43 + 1 + 43);
        assert_eq!(read(&value, Some(&new)), Ids::One(id.clone()));
        let hinted = format!("{value}~hint");
        assert_eq!(read(&hinted, Some(&new)), Ids::One(id.clone()));
        let outdated = value_of(&id, Some(&old));
        assert_eq!(read(&outdated, Some(&new)), Ids::Reissue(id.clone()));
        // A hint is not signed, and no part of it counts as a signature.
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
            assert_eq!(read(&forged, Some(&new)), Ids::Unusable, "{forged}");
        }
    }

    /// A function may begin to sign, or stop signing.
    #[test]
    fn signature_is_ignored_without_keys() {
        let id = SessionId::generate().unwrap();
        let signed = value_of(&id, Some(&signer(&[1])));
        assert_eq!(read(&signed, None), Ids::One(id.clone()));
        assert_eq!(read(&value_of(&id, None), None), Ids::One(id));
    }

    #[test]
    fn signed_id_beside_unsigned_ones_is_accepted() {
        let (id, other) = (
            SessionId::generate().unwrap(),
            SessionId::generate().unwrap(),
        );
        let new = signer(&[2, 1]);
        let signed = value_of(&id, Some(&new));
        let strangers = value_of(&other, Some(&signer(&[3])));
        for planted in ["", "garbage", other.expose(), id.expose(), &strangers] {
            for values in [[planted, &signed], [&signed, planted]] {
                assert_eq!(
                    among(&values, Some(&new)),
                    Ids::One(id.clone()),
                    "{planted}"
                );
            }
        }
        let before = value_of(&id, Some(&signer(&[1])));
        let found = among(&["garbage", &before], Some(&new));
        assert_eq!(found, Ids::Reissue(id.clone()));
        assert_eq!(among(&["a", "b"], Some(&new)), Ids::Unusable);
        // Two signed ids are two sessions, whichever keys signed them.
        let others = value_of(&other, Some(&signer(&[1])));
        let found = among(&[&signed, "garbage", &others], Some(&new));
        assert_eq!(found, Ids::Several(vec![id, other]));
    }

    #[test]
    fn id_with_two_signatures_is_one() {
        let id = SessionId::generate().unwrap();
        let (old, new) = (signer(&[1]), signer(&[2, 1]));
        let values = [value_of(&id, Some(&old)), value_of(&id, Some(&new))];
        for values in [[&*values[0], &*values[1]], [&*values[1], &*values[0]]] {
            assert_eq!(among(&values, Some(&new)), Ids::One(id.clone()));
            assert_eq!(among(&values, None), Ids::One(id.clone()));
        }
        let hinted = format!("{}~hint", id.expose());
        assert_eq!(among(&[id.expose(), &hinted], None), Ids::One(id));
    }

    #[test]
    fn hints_are_those_of_the_accepted_id() {
        let id = SessionId::generate().unwrap();
        let other = SessionId::generate().unwrap();
        let new = signer(&[2, 1]);
        let signed = value_of(&id, Some(&new));
        let hints = |values: &[String], signer: Option<&Signer>| {
            let values = values.iter().map(|value| value.as_bytes());
            let Hints { touch, version } = ParsedValues::read(values, signer).hints;
            (touch.map(Timestamp::epoch_seconds), version)
        };
        let one = hints(&[format!("{signed}~t2~x~v1~abcdef")], Some(&new));
        assert_eq!(one, (Some(2), Some(1)));
        // Of one id in two values, the greater numbers count.
        let old = value_of(&id, Some(&signer(&[1])));
        let two = [format!("{signed}~t1~v3"), format!("{old}~t2~v2")];
        assert_eq!(hints(&two, Some(&new)), (Some(2), Some(3)));
        // Those of values that are not accepted do not count.
        let forged = value_of(&other, Some(&signer(&[3])));
        let planted = [
            format!("{forged}~t9~v9"),
            signed,
            "garbage~t9~v9".to_owned(),
        ];
        assert_eq!(hints(&planted, Some(&new)), (None, None));
        assert_eq!(hints(&[], None), (None, None));
    }

    #[test]
    fn several_ids_are_bounded_and_distinct() {
        let ids: Vec<_> = (0..20).map(|_| SessionId::generate().unwrap()).collect();
        let values: Vec<_> = ids.iter().flat_map(|id| [id.expose(); 2]).collect();
        assert_eq!(among(&values, None), Ids::Several(ids[..8].to_vec()));
        let with_garbage = [ids[0].expose(), "garbage", ids[1].expose()];
        assert_eq!(
            among(&with_garbage, None),
            Ids::Several(ids[..2].to_vec()),
            "a logout may end both"
        );
        let one = Ids::Several(ids[..1].to_vec());
        assert_eq!(among(&with_garbage[..2], None), one, "or the one");
    }

    #[test]
    fn ambiguous_values_differ_from_single_ones() {
        let id = SessionId::generate().unwrap();
        let ambiguous = |values: &[&str]| {
            ParsedValues::read(values.iter().map(|value| value.as_bytes()), None).ambiguous
        };
        assert!(!ambiguous(&[]));
        assert!(!ambiguous(&["garbage", "garbage"]));
        assert!(!ambiguous(&[id.expose(), id.expose()]));
        assert!(ambiguous(&["garbage", "more"]));
        assert!(ambiguous(&[id.expose(), "garbage"]));
        assert!(ambiguous(&[
            id.expose(),
            SessionId::generate().unwrap().expose()
        ]));
    }

    #[test]
    fn hint_is_found_among_others() {
        let id = "A".repeat(43);
        for value in ["~tag", "~tag~x", "~x~tag", "~~tag~"] {
            assert!(
                has_hint(format!("{id}{value}").as_bytes(), "tag"),
                "{value}"
            );
        }
        for value in ["", "~", "tag", "~tagx", "~xtag", ".tag"] {
            assert!(
                !has_hint(format!("{id}{value}").as_bytes(), "tag"),
                "{value}"
            );
        }
    }
}
