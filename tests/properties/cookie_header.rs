//! The property of reading the id from `Cookie` headers.
//!
//! 1. An id that is read is the exact value of a cookie of our name.
//! 2. Unless ids are signed, two different ids are refused, and so is an id next to a value that is
//!    not an id.
//! 3. If ids are signed, only those that were signed here are accepted, whatever other values there
//!    are.
//! 4. If a previous cookie has our name, a value without our scope's hint counts only if no value
//!    with the hint does.
//! 5. Reading again has the same result, and so does reading all lines as one.

use std::sync::LazyLock;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::id::SessionId;
use crate::wire::carrier::{Carrier, Carriers};
use crate::wire::cookie::previous::PreviousCookie;
use crate::wire::cookie::settings::CookieSettings;
use crate::wire::received::{Ids, Scope};
use crate::wire::signing::{Signer, SigningKey};
use crate::wire::token::value_of;

const NAME: &str = "__Host-sid";
const ONE: &str = "lambda-sessions_an-id-that-is-signed_543210";
const OTHER: &str = "lambda-sessions_another-that-is-signed_3210";
/// The number of lines that a server reads.
const MAX_LINES: usize = 100;
/// The number of ids that are kept from one request.
const MOST_IDS: usize = 8;
/// The hint in our cookie's values if a previous cookie has its name. This command computes it:
/// printf '\n/\nfalse' | openssl dgst -sha256 -binary | basenc --base64url | cut -c 1-6
const TAG: &str = "ieqfTx";

/// The texts that a fuzzer cannot invent.
struct Planted {
    unsigned: Carrier,
    signed: Carrier,
    /// The unsigned transport, with a previous cookie of the same name.
    moving: Carrier,
    /// The placeholders in the input, with their texts.
    texts: [(u8, String); 8],
    /// The values that are accepted if ids are signed, with the ids that are read from them.
    accepted: [(String, Ids); 3],
}

static PLANTED: LazyLock<Planted> = LazyLock::new(|| {
    let signer = |keys: &[u8]| {
        let key = |byte: &u8| SigningKey::new([*byte; 32]).expect("32 bytes are a key");
        let keys: Vec<_> = keys.iter().map(key).collect();
        Signer::new(&keys).expect("there is a key")
    };
    let transport = |previous: &[PreviousCookie], signer| {
        let cookie = CookieSettings::default();
        let carriers = Carriers::Cookie;
        Carrier::new(&carriers, &cookie, None, previous, signer)
            .expect("browsers keep the default cookie")
    };
    let before = PreviousCookie::new(NAME).partitioned(true);
    let id = |text: &str| SessionId::parse(text.as_bytes()).expect("it is an id");

    let (newest, older, strange) = (1, 2, 3);
    let by = |key, id| value_of(id, Some(&signer(&[key])));
    let (one, other) = (id(ONE), id(OTHER));
    let one_by_newest = by(newest, &one);
    let one_by_older = by(older, &one);
    let other_by_newest = by(newest, &other);
    Planted {
        texts: [
            (1, NAME.to_owned()),
            (2, ONE.to_owned()),
            (3, one_by_newest.clone()),
            (4, one_by_older.clone()),
            (5, other_by_newest.clone()),
            (6, by(strange, &one)),
            (7, one_by_newest[ONE.len() + 1..].to_owned()),
            (8, format!("~{TAG}")),
        ],
        accepted: [
            (one_by_newest, Ids::One(one.clone())),
            (one_by_older, Ids::Reissue(one)),
            (other_by_newest, Ids::One(other)),
        ],
        unsigned: transport(&[], None),
        signed: transport(&[], Some(signer(&[newest, older]))),
        moving: transport(&[before], None),
    }
});

impl Planted {
    fn fill(&self, line: &[u8]) -> Vec<u8> {
        let text = |byte: &u8| match self.texts.iter().find(|(code, _)| code == byte) {
            Some((_, text)) => text.as_bytes().to_vec(),
            None => vec![*byte],
        };
        line.iter().flat_map(text).collect()
    }
}

/// Checks the rules above for the headers in the lines of the input.
///
/// Control characters, which a header cannot hold, stand for the planted texts:
///
/// - 1: our cookie's name.
/// - 2: an id.
/// - 3: its value as the newest key signs it.
/// - 4: its value as an older key signs it.
/// - 5: the value of another id.
/// - 6: the value with a signature by a key that is not ours.
/// - 7: the newest key's signature alone.
/// - 8: the hint of our scope.
///
/// # Panics
///
/// Panics if a rule is broken.
pub fn cookie_header(bytes: &[u8]) {
    let lines: Vec<HeaderValue> = bytes
        .split(|byte| *byte == b'\n')
        .take(MAX_LINES)
        // HTTP itself refuses a line that is not a header value.
        .filter_map(|line| HeaderValue::try_from(PLANTED.fill(line)).ok())
        .collect();
    let values: Vec<String> = lines.iter().flat_map(values).collect();
    let joined: Vec<&[u8]> = lines.iter().map(HeaderValue::as_bytes).collect();
    let joined = HeaderValue::try_from(joined.join(&b"; "[..])).expect("its parts are headers");
    let (split, joined) = (headers(&lines), headers(&[joined]));

    let among = |signed| {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        expected(&values, signed)
    };
    for (transport, expected) in [
        (&PLANTED.unsigned, among(false)),
        (&PLANTED.signed, among(true)),
        (&PLANTED.moving, expected_of_moving(&values)),
    ] {
        let found = transport.read(&split, Scope::default());
        if let Ids::One(id) | Ids::Reissue(id) = &found.ids {
            let id = id.expose();
            assert!(is_43_of_base64url(id), "{lines:?}: no id");
            let is_there = values.iter().any(|value| value.starts_with(id));
            assert!(is_there, "{lines:?}: not presented");
        }
        assert_eq!(found.ids, expected, "{lines:?}");
        assert_eq!(
            found,
            transport.read(&split, Scope::default()),
            "{lines:?}: read again"
        );
        assert_eq!(
            found,
            transport.read(&joined, Scope::default()),
            "{lines:?}: as one line"
        );
    }
}

fn headers(lines: &[HeaderValue]) -> HeaderMap {
    lines.iter().cloned().map(|line| (COOKIE, line)).collect()
}

/// Returns the values of our name. Each byte is a character here, so that nothing is decoded.
fn values(line: &HeaderValue) -> Vec<String> {
    let line: String = line.as_bytes().iter().copied().map(char::from).collect();
    let trimmed = |text: &str| text.trim_matches([' ', '\t']).to_owned();
    line.split(';')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| trimmed(name) == NAME)
        .map(|(_, value)| trimmed(value))
        .collect()
}

/// Returns the ids for a value without its hint, if the value is accepted.
type Accepted = fn(&str) -> Option<Ids>;

fn expected(values: &[&str], signed: bool) -> Ids {
    let accepted: Accepted = if signed { read_signed } else { read_unsigned };
    if values.is_empty() {
        return Ids::Nothing;
    }
    let (mut ids, mut newest, mut others) = (Vec::new(), Vec::new(), 0);
    for value in values {
        let end = value.find('~').unwrap_or(value.len());
        let id = match accepted(&value[..end]) {
            Some(Ids::One(id)) => {
                newest.push(id.clone());
                id
            }
            Some(Ids::Reissue(id)) => id,
            _ => {
                others += 1;
                continue;
            }
        };
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    match ids.as_slice() {
        [] => Ids::Unusable,
        [id] if others > 0 && !signed => Ids::Several(vec![id.clone()]),
        [id] if newest.contains(id) => Ids::One(id.clone()),
        [id] => Ids::Reissue(id.clone()),
        several => Ids::Several(several.iter().take(MOST_IDS).cloned().collect()),
    }
}

fn expected_of_moving(values: &[String]) -> Ids {
    let hinted = |value: &&str| value.split('~').skip(1).any(|hint| hint == TAG);
    let all = || values.iter().map(String::as_str);
    let ours: Vec<&str> = all().filter(hinted).collect();
    let before: Vec<&str> = all().filter(|value| !hinted(value)).collect();
    let ambiguous = ours.iter().any(|value| *value != ours[0]);
    let read = |values: &[&str]| expected(values, false);
    match (read(&ours), read(&before)) {
        (Ids::One(id), _) => Ids::One(id),
        // A logout destroys all of these sessions.
        (ours, before) if ambiguous => {
            let mut all: Vec<SessionId> = Vec::new();
            for id in ids_of(ours).into_iter().chain(ids_of(before)) {
                if all.len() < MOST_IDS && !all.contains(&id) {
                    all.push(id);
                }
            }
            match all.is_empty() {
                true => Ids::Unusable,
                false => Ids::Several(all),
            }
        }
        (_, Ids::One(id)) => Ids::Reissue(id),
        (_, Ids::Several(ids)) => Ids::Several(ids),
        (Ids::Nothing, Ids::Nothing) => Ids::Nothing,
        _ => Ids::Unusable,
    }
}

fn ids_of(ids: Ids) -> Vec<SessionId> {
    match ids {
        Ids::One(id) | Ids::Reissue(id) => vec![id],
        Ids::Several(ids) => ids,
        Ids::Nothing | Ids::Unusable => Vec::new(),
    }
}

fn read_unsigned(text: &str) -> Option<Ids> {
    let (id, signature) = match text.split_once('.') {
        Some((id, signature)) => (id, Some(signature)),
        None => (text, None),
    };
    // 43 characters carry two bits more than 32 bytes have, and those bits are zero.
    let ends_in_zeros = id.ends_with(|last| "AEIMQUYcgkosw048".contains(last));
    let is_id = is_43_of_base64url(id) && ends_in_zeros;
    (is_id && signature.is_none_or(is_43_of_base64url))
        .then(|| Ids::One(SessionId::parse(id.as_bytes()).expect("it is an id")))
}

fn read_signed(text: &str) -> Option<Ids> {
    let mut accepted = PLANTED.accepted.iter();
    let (_, presented) = accepted.find(|(value, _)| value == text)?;
    Some(presented.clone())
}

fn is_43_of_base64url(text: &str) -> bool {
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.len() == 43 && text.bytes().all(is_one)
}
