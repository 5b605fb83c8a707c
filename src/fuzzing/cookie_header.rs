//! Reading the id out of `Cookie` headers.
//!
//! 1. An id that is read is the value of a cookie of our name, to the byte.
//! 2. Two different values of our name are refused.
//! 3. Where ids are signed, none is accepted but those that were signed here.
//! 4. Reading again reads the same, and so does reading all lines as one.

use std::sync::LazyLock;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::cookie::CookieSettings;
use crate::id::SessionId;
use crate::presented::{Presented, value_of};
use crate::signing::{Signer, SigningKey};
use crate::transport::Transport;

const NAME: &str = "__Host-sid";
const ONE: &str = "lambda-sessions_an-id-that-is-signed_543210";
const OTHER: &str = "lambda-sessions_another-that-is-signed_3210";
/// As many as a server reads.
const MAX_LINES: usize = 100;

/// What no fuzzer makes up.
struct Planted {
    unsigned: Transport,
    signed: Transport,
    /// What stands for it in the input.
    texts: [(u8, String); 7],
    /// What is accepted where ids are signed, and as what.
    accepted: [(String, Presented); 3],
}

static PLANTED: LazyLock<Planted> = LazyLock::new(|| {
    let signer = |keys: &[u8]| {
        let key = |byte: &u8| SigningKey::new([*byte; 32]).expect("32 bytes are a key");
        let keys: Vec<_> = keys.iter().map(key).collect();
        Signer::new(&keys).expect("there is a key")
    };
    let transport = |signer| {
        let cookie = CookieSettings::default();
        Transport::new(None, &cookie, signer).expect("browsers keep the default cookie")
    };
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
        ],
        accepted: [
            (one_by_newest, Presented::Id(one.clone())),
            (one_by_older, Presented::Outdated(one)),
            (other_by_newest, Presented::Id(other)),
        ],
        unsigned: transport(None),
        signed: transport(Some(signer(&[newest, older]))),
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

/// The rules above, for the headers that the input's lines are. Control characters, which a header
/// cannot hold, stand for what is planted: 1 for our cookie's name, 2 for an id, 3 for its value as
/// the newest key signs it, 4 for that of an older key, 5 for that of another id, 6 for that of a
/// key which is not ours, 7 for the newest key's signature alone.
///
/// # Panics
///
/// If a rule is broken.
pub fn cookie_header(bytes: &[u8]) {
    let lines: Vec<HeaderValue> = bytes
        .split(|byte| *byte == b'\n')
        .take(MAX_LINES)
        // What is none never gets here: HTTP itself refuses it.
        .filter_map(|line| HeaderValue::try_from(PLANTED.fill(line)).ok())
        .collect();
    let values: Vec<String> = lines.iter().flat_map(values).collect();
    let joined: Vec<&[u8]> = lines.iter().map(HeaderValue::as_bytes).collect();
    let joined = HeaderValue::try_from(joined.join(&b"; "[..])).expect("its parts are headers");
    let (split, joined) = (headers(&lines), headers(&[joined]));

    for (transport, accepted) in [
        (&PLANTED.unsigned, read_unsigned as Accepted),
        (&PLANTED.signed, read_signed),
    ] {
        let found = transport.read(&split);
        if let Presented::Id(id) | Presented::Outdated(id) = &found {
            let id = id.expose();
            assert!(is_43_of_base64url(id), "{lines:?}: no id");
            let all_are = values.iter().all(|value| value.starts_with(id));
            assert!(!values.is_empty() && all_are, "{lines:?}: not presented");
        }
        assert_eq!(found, expected(&values, accepted), "{lines:?}");
        assert_eq!(found, transport.read(&split), "{lines:?}: read again");
        assert_eq!(found, transport.read(&joined), "{lines:?}: as one line");
    }
}

fn headers(lines: &[HeaderValue]) -> HeaderMap {
    lines.iter().cloned().map(|line| (COOKIE, line)).collect()
}

/// The values of our name. Each byte is a character here, so that nothing is decoded.
fn values(line: &HeaderValue) -> Vec<String> {
    let line: String = line.as_bytes().iter().copied().map(char::from).collect();
    let trimmed = |text: &str| text.trim_matches([' ', '\t']).to_owned();
    line.split(';')
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| trimmed(name) == NAME)
        .map(|(_, value)| trimmed(value))
        .collect()
}

/// What a value without its hint is, if it is accepted.
type Accepted = fn(&str) -> Option<Presented>;

fn expected(values: &[String], accepted: Accepted) -> Presented {
    let Some(value) = values.first() else {
        return Presented::Nothing;
    };
    if values.iter().any(|other| other != value) {
        return Presented::Unusable;
    }
    let end = value.find('~').unwrap_or(value.len());
    accepted(&value[..end]).unwrap_or(Presented::Unusable)
}

fn read_unsigned(text: &str) -> Option<Presented> {
    let (id, signature) = match text.split_once('.') {
        Some((id, signature)) => (id, Some(signature)),
        None => (text, None),
    };
    // 43 characters carry two bits more than 32 bytes have, and those are zero.
    let ends_in_zeros = id.ends_with(|last| "AEIMQUYcgkosw048".contains(last));
    let is_id = is_43_of_base64url(id) && ends_in_zeros;
    (is_id && signature.is_none_or(is_43_of_base64url))
        .then(|| Presented::Id(SessionId::parse(id.as_bytes()).expect("it is an id")))
}

fn read_signed(text: &str) -> Option<Presented> {
    let mut accepted = PLANTED.accepted.iter();
    let (_, presented) = accepted.find(|(value, _)| value == text)?;
    Some(presented.clone())
}

fn is_43_of_base64url(text: &str) -> bool {
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.len() == 43 && text.bytes().all(is_one)
}
