//! Reads and writes the value that carries an id, in a cookie or in a header:
//! `id[.signature][~hint]`.
//!
//! 1. If ids are signed, a value counts only with the signature of one of the keys, and every other
//!    value is ignored. An id that an older key signed is signed anew. If ids are not signed, a
//!    signature is ignored: a function that signs may serve the same clients.
//! 2. An unknown hint is ignored, so that old and new versions of a function can serve the same
//!    clients.
//! 3. Two different ids are both refused. An attacker may have set one of them, and it cannot be
//!    determined which.
//! 4. A refused value costs no call to the store.

use crate::id::{ID_CHARS, SessionId};
use crate::wire::signing::{SignedBy, Signer};

/// The maximum number of ids that are kept of a request that presents several. Each id costs a call
/// when it is ended, and a client chooses how many it sends.
const MOST_IDS: usize = 8;

/// The ids and previous cookies that a request presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Presented {
    pub(crate) ids: Ids,
    pub(crate) former: Former,
}

/// The ids among the values that a request presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    Nothing,
    /// No value is an id.
    Unusable,
    One(SessionId),
    /// An id that is accepted and that the client must get again. An older key signed it, or it
    /// came in a previous cookie.
    Reissue(SessionId),
    /// Several ids, or an id next to a value that is not one. None is accepted, and a logout ends
    /// each of them.
    Several(Vec<SessionId>),
}

/// The previous cookies that a request carried, by their positions in the settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Former(u8);

impl Former {
    /// The maximum number of previous cookies.
    pub(crate) const MOST: usize = 8;
    pub(crate) const NONE: Self = Self(0);
    /// All previous cookies, whether the request carried them or not.
    pub(crate) const ALL: Self = Self(u8::MAX);

    pub(crate) fn insert(&mut self, place: usize) {
        self.0 |= 1 << place;
    }

    pub(crate) fn contains(self, place: usize) -> bool {
        self.0 & (1 << place) != 0
    }
}

impl Ids {
    /// Returns several ids: at most [`MOST_IDS`] of these, each once.
    pub(crate) fn several(ids: impl IntoIterator<Item = SessionId>) -> Self {
        let mut kept = Vec::new();
        for id in ids {
            if kept.len() < MOST_IDS && !kept.contains(&id) {
                kept.push(id);
            }
        }
        Self::Several(kept)
    }
}

impl Presented {
    /// Returns the same value with ids for one of several applications on a table.
    pub(crate) fn in_audience(mut self, audience: Option<&str>) -> Self {
        if audience.is_some() {
            let of = |id: SessionId| id.in_audience(audience);
            self.ids = match self.ids {
                Ids::One(id) => Ids::One(of(id)),
                Ids::Reissue(id) => Ids::Reissue(of(id)),
                Ids::Several(ids) => Ids::Several(ids.into_iter().map(of).collect()),
                none @ (Ids::Nothing | Ids::Unusable) => none,
            };
        }
        self
    }
}

impl From<Ids> for Presented {
    /// Converts ids that came without previous cookies.
    fn from(ids: Ids) -> Self {
        Self {
            ids,
            former: Former::NONE,
        }
    }
}

/// The result for all values of one name.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) ids: Ids,
    /// `true` if there were different values, none of which was accepted.
    pub(crate) ambiguous: bool,
}

impl Found {
    pub(crate) fn among<'a>(
        values: impl Iterator<Item = &'a [u8]>,
        signer: Option<&Signer>,
    ) -> Self {
        let mut first = None;
        let (mut differ, mut malformed) = (false, false);
        let mut accepted: Option<(SessionId, SignedBy)> = None;
        let mut others = Vec::new();
        for value in values {
            match first {
                None => first = Some(value),
                Some(first) if first == value => continue,
                Some(_) => differ = true,
            }
            let Some((id, by)) = read(value, signer) else {
                malformed = true;
                continue;
            };
            match &mut accepted {
                None => accepted = Some((id, by)),
                // This is one id in two spellings: a cookie that was signed anew or moved, and the
                // previous one.
                Some((one, signed)) if *one == id => {
                    if by == SignedBy::Newest {
                        *signed = by;
                    }
                }
                Some(_) if others.len() + 1 < MOST_IDS && !others.contains(&id) => others.push(id),
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
            // Without signatures, a planted value cannot be told from the real one.
            (Some(_), Some((one, _))) if malformed && signer.is_none() => Ids::Several(vec![one]),
            (Some(_), Some((one, SignedBy::Newest))) => Ids::One(one),
            (Some(_), Some((one, SignedBy::Older))) => Ids::Reissue(one),
        };
        let ambiguous = differ && !matches!(ids, Ids::One(_) | Ids::Reissue(_));
        Self { ids, ambiguous }
    }
}

/// Returns the id in a value, if it counts. An id that needs no signature counts as signed by the
/// newest key.
fn read(value: &[u8], signer: Option<&Signer>) -> Option<(SessionId, SignedBy)> {
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

fn is_base64url(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::signing::SigningKey;

    fn signer(keys: &[u8]) -> Signer {
        let keys: Vec<_> = keys
            .iter()
            .map(|byte| SigningKey::new([*byte; 32]).unwrap())
            .collect();
        Signer::new(&keys).unwrap()
    }

    fn among(values: &[&str], signer: Option<&Signer>) -> Ids {
        Found::among(values.iter().map(|value| value.as_bytes()), signer).ids
    }

    fn read(value: &str, signer: Option<&Signer>) -> Ids {
        among(&[value], signer)
    }

    #[test]
    fn where_ids_are_signed_only_signed_ones_count() {
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
    fn where_ids_are_not_signed_a_signature_is_passed_over() {
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
    fn one_id_in_two_spellings_is_one() {
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
    fn several_ids_are_bounded_and_none_twice() {
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
    fn ambiguous_values_are_told_from_single_ones() {
        let id = SessionId::generate().unwrap();
        let ambiguous = |values: &[&str]| {
            Found::among(values.iter().map(|value| value.as_bytes()), None).ambiguous
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
