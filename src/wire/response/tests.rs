use std::sync::Arc;

use http::header::SET_COOKIE;

use super::*;
use crate::expiry::Expiry;
use crate::id::SessionId;
use crate::session::decision::Scope;
use crate::session::handle::{Backend, Boxed};
use crate::session::state::Location;
use crate::store::data::{Data, Entry};
use crate::store::record::{Found, Record};
use crate::store::user::{Pseudonym, Revoked, UserSessions};
use crate::wire::cookie::CookieSettings;
use crate::wire::token::Ids;

const NOW: Timestamp = Timestamp::from_epoch_seconds(1_000);

/// Nothing here loads or saves.
struct NoBackend;

impl Backend for NoBackend {
    fn load<'a>(&'a self, _: &'a Session) -> Boxed<'a> {
        unreachable!()
    }

    fn save<'a>(&'a self, _: &'a Session) -> Boxed<'a> {
        unreachable!()
    }

    fn pseudonym(&self, _: &str) -> Result<Pseudonym, Error> {
        unreachable!()
    }

    fn user_sessions<'a>(&'a self, _: &'a Session, _: &'a Pseudonym) -> Boxed<'a, UserSessions> {
        unreachable!()
    }

    fn revoke<'a>(&'a self, _: &'a Session, _: &'a Pseudonym, _: Revoked<'a>) -> Boxed<'a> {
        unreachable!()
    }
}

fn id() -> SessionId {
    SessionId::parse("A".repeat(43).as_bytes()).unwrap()
}

fn by_cookie() -> Transport {
    Transport::new(None, &CookieSettings::default(), &[], None).unwrap()
}

fn by_header() -> Transport {
    Transport::new(Some("X-SessionId"), &CookieSettings::default(), &[], None).unwrap()
}

fn record() -> Record {
    let data: Data = [("k", Entry::from_json("1"))].into_iter().collect();
    Record::new(data, NOW, Timestamp::from_epoch_seconds(1_060))
}

/// A session that was presented and then settled in that way.
fn settled(token: Token, read: bool) -> Session {
    let session = Session::new(Ids::One(id()).into(), Arc::new(NoBackend));
    let rules = Expiry::default();
    if read {
        session.loaded(Found::Live(record()), None, NOW, &rules);
    }
    match token {
        Token::Keep => {}
        Token::Issue => {
            session.insert("k", 2).unwrap();
            let pending = session.take_pending(Scope::Commit, NOW, &rules).unwrap();
            pending.stored(Location::of(id()), record(), Token::Issue);
        }
        Token::Remove => {
            session.destroy().unwrap();
            let pending = session.take_pending(Scope::Commit, NOW, &rules).unwrap();
            pending.destroyed(NOW, &rules, Token::Remove);
        }
    }
    session
}

fn finished(session: &Session, transport: &Transport, said: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in said {
        headers.append(*name, value.parse().unwrap());
    }
    finish(&mut headers, session, transport, NOW);
    headers
}

fn all<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let values = headers.get_all(name).iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

#[test]
fn what_a_response_tells_caches() {
    // What the handler said: what is said where the id moves, and where it was only read.
    let rows: &[(&[&str], &str, &[&str])] = &[
        (&[], "no-store", &["private"]),
        (&["no-store"], "no-store", &["no-store"]),
        (&["No-Store"], "No-Store", &["No-Store"]),
        (
            &["no-store, max-age=0"],
            "no-store, max-age=0",
            &["no-store, max-age=0"],
        ),
        (
            &["max-age=60", "no-store"],
            "max-age=60, no-store",
            &["max-age=60", "no-store"],
        ),
        // A browser's cache stores what is private.
        (&["private"], "no-store", &["private"]),
        (
            &["private, max-age=60"],
            "no-store",
            &["private, max-age=60"],
        ),
        (
            &["max-age=60", "private"],
            "no-store",
            &["max-age=60", "private"],
        ),
        (&["public"], "no-store", &["public"]),
        (&["PUBLIC, max-age=60"], "no-store", &["PUBLIC, max-age=60"]),
        (&["max-age=60"], "no-store", &["max-age=60"]),
        (&["s-maxage=60"], "no-store", &["s-maxage=60"]),
        (&["no-cache"], "no-store", &["no-cache"]),
        (&[""], "no-store", &[""]),
        // These look like it.
        (&["x-no-store"], "no-store", &["x-no-store"]),
        (&["no-store=1"], "no-store", &["no-store=1"]),
        (
            &["private=\"a, no-store, b\", public"],
            "no-store",
            &["private=\"a, no-store, b\", public"],
        ),
        (
            &["must-understand, no-store, public"],
            "no-store",
            &["must-understand, no-store, public"],
        ),
    ];
    for (said, moved, only_read) in rows {
        let said: Vec<_> = said.iter().map(|value| ("cache-control", *value)).collect();
        for transport in [by_cookie(), by_header()] {
            for token in [Token::Issue, Token::Remove] {
                for read in [true, false] {
                    let headers = finished(&settled(token, read), &transport, &said);
                    let got = all(&headers, "cache-control");
                    assert_eq!(got, [*moved], "{said:?} {token:?} read: {read}");
                }
            }
            let headers = finished(&settled(Token::Keep, true), &transport, &said);
            assert_eq!(all(&headers, "cache-control"), *only_read, "{said:?}");
        }
    }
}

#[test]
fn targeted_cache_control_becomes_no_store() {
    let said = [
        ("cdn-cache-control", "max-age=60"),
        ("cdn-cache-control", "public"),
        ("cloudflare-cdn-cache-control", "max-age=60"),
        ("netlify-cdn-cache-control", "public"),
        ("surrogate-control", "max-age=60"),
        ("edge-control", "max-age=60"),
        ("x-cdn-cache", "theirs"),
    ];
    let names = || {
        said.iter()
            .map(|(name, _)| *name)
            .filter(|name| *name != "x-cdn-cache")
    };
    for token in [Token::Issue, Token::Remove] {
        let headers = finished(&settled(token, false), &by_cookie(), &said);
        for name in names() {
            assert_eq!(all(&headers, name), ["no-store"], "{name}");
        }
        assert_eq!(all(&headers, "x-cdn-cache"), ["theirs"]);
        let headers = finished(&settled(token, true), &by_header(), &[]);
        assert!(
            names().all(|name| !headers.contains_key(name)),
            "none is added"
        );
    }
    let headers = finished(&settled(Token::Keep, true), &by_cookie(), &said);
    for (name, value) in said {
        assert!(all(&headers, name).contains(&value), "{name} stays");
    }
}

#[test]
fn a_session_that_nobody_asked_for_leaves_no_trace() {
    for said in [
        vec![],
        vec![("cache-control", "public"), ("vary", "Accept")],
    ] {
        let headers = finished(&settled(Token::Keep, false), &by_cookie(), &said);
        assert_eq!(headers.len(), said.len());
        for (name, value) in said {
            assert_eq!(headers[name], value);
        }
    }
}

#[test]
fn a_response_whose_session_was_read_varies_on_its_transport() {
    let rows: &[(&[&str], &[&str])] = &[
        (&[], &["Cookie"]),
        (&["Accept"], &["Accept, Cookie"]),
        (&["Cookie"], &["Cookie"]),
        (&["cookie"], &["cookie"]),
        (&["Accept, COOKIE"], &["Accept, COOKIE"]),
        (&["Accept", " cookie ,Origin"], &["Accept, cookie ,Origin"]),
        (&["*"], &["*"]),
        (&["Cookie2"], &["Cookie2, Cookie"]),
    ];
    for token in [Token::Keep, Token::Issue, Token::Remove] {
        for (said, expected) in rows {
            let said: Vec<_> = said.iter().map(|v| ("vary", v.trim())).collect();
            let headers = finished(&settled(token, true), &by_cookie(), &said);
            assert_eq!(all(&headers, "vary"), *expected, "{token:?}");
        }
        let headers = finished(&settled(token, true), &by_header(), &[("vary", "Cookie")]);
        assert_eq!(all(&headers, "vary"), ["Cookie, x-sessionid"]);
        let headers = finished(&settled(token, false), &by_cookie(), &[]);
        assert!(!headers.contains_key(VARY), "{token:?}");
    }
}

#[test]
fn the_cookie_is_issued_for_as_long_as_the_session_lives() {
    let theirs = [("set-cookie", "theirs=1")];
    let headers = finished(&settled(Token::Issue, true), &by_cookie(), &theirs);
    let cookies = all(&headers, "set-cookie");
    assert_eq!(cookies[1], "theirs=1");
    let (id, attributes) = cookies[0].split_once("; ").unwrap();
    assert_eq!(id, format!("__Host-sid={}", self::id().expose()));
    assert!(attributes.ends_with("Max-Age=60"), "{attributes}");

    let headers = finished(&settled(Token::Issue, true), &by_header(), &theirs);
    assert_eq!(headers["x-sessionid"], self::id().expose());
    assert_eq!(all(&headers, "set-cookie"), ["theirs=1"]);
}

#[test]
fn a_logout_takes_the_cookie_from_who_brought_one() {
    let headers = finished(&settled(Token::Remove, true), &by_cookie(), &[]);
    let cookie = headers[SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-sid=; "), "{cookie}");
    assert!(cookie.contains("Max-Age=0"), "{cookie}");

    let headers = finished(&settled(Token::Remove, true), &by_header(), &[]);
    assert_eq!(headers["x-sessionid"], "");

    // A malformed one is taken too; from who brought none nothing is taken.
    for (presented, taken) in [(Ids::Unusable, true), (Ids::Nothing, false)] {
        let session = Session::new(presented.into(), Arc::new(NoBackend));
        let rules = Expiry::default();
        session.destroy().unwrap();
        let pending = session.take_pending(Scope::Commit, NOW, &rules).unwrap();
        pending.destroyed(NOW, &rules, Token::Remove);
        let headers = finished(&session, &by_cookie(), &[]);
        assert_eq!(headers.contains_key(SET_COOKIE), taken);
        assert_eq!(headers.contains_key(CACHE_CONTROL), taken);
    }
}

#[test]
fn a_session_that_is_kept_sends_no_cookie() {
    for transport in [by_cookie(), by_header()] {
        let headers = finished(&settled(Token::Keep, true), &transport, &[]);
        assert!(!headers.contains_key(SET_COOKIE));
        assert!(!headers.contains_key("x-sessionid"));
    }
}

#[test]
fn the_default_answer_to_each_kind_of_failure() {
    use ErrorKind::{
        Conflict, Corrupt, Deserialize, Gone, InvalidKey, Misconfigured, OutcomeUnknown, Serialize,
        Throttled, Timeout, TooLarge, Unavailable,
    };
    // A kind without a row does not compile.
    let expected = |kind| match kind {
        Unavailable | Throttled | Timeout => (503, true),
        OutcomeUnknown => (503, false),
        Misconfigured | Corrupt => (503, false),
        Gone | Conflict => (409, false),
        TooLarge | InvalidKey | Serialize | Deserialize => (500, false),
    };
    for kind in [
        Unavailable,
        Throttled,
        Timeout,
        OutcomeUnknown,
        Misconfigured,
        Corrupt,
        Gone,
        Conflict,
        TooLarge,
        InvalidKey,
        Serialize,
        Deserialize,
    ] {
        let cause = std::io::Error::other("secret cause");
        let error = Error::with_source(kind, "secret message", cause);
        let response = default_on_error(&error);
        let (status, retry) = expected(kind);
        assert_eq!(response.status(), status, "{kind}");
        let headers = response.headers();
        let retry_after = headers.get(RETRY_AFTER).map(HeaderValue::as_bytes);
        assert_eq!(retry_after, retry.then_some(b"1".as_slice()), "{kind}");
        assert_eq!(headers[CACHE_CONTROL], "no-store", "{kind}");
        assert_eq!(headers[CONTENT_TYPE], "text/plain; charset=utf-8");
        assert!(!headers.contains_key(SET_COOKIE), "{kind}");
        let says = match status {
            _ if kind == OutcomeUnknown => "could not be determined",
            409 => "changed in the meantime",
            500 => "failed",
            _ => "not available at the moment",
        };
        assert!(response.body().contains(says), "{kind}");
        assert!(!response.body().contains("secret"), "{kind}");
    }
}
