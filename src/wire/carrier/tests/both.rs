//! A cookie and a header together.

use super::*;
use crate::wire::signing::SigningKey;
use crate::wire::tests::log_of;

fn signer(byte: u8) -> Signer {
    Signer::new(&[SigningKey::new([byte; 32]).unwrap()]).unwrap()
}

/// Reads a cookie and a header with `by_both`. An empty text stands for none.
fn read_both(signer: Option<Signer>, cookie: &str, header: &str) -> (Ids, ReplyBy, Hints) {
    let cookie = match cookie {
        "" => String::new(),
        value => format!("__Host-sid={value}"),
    };
    let lines = [
        ("cookie", cookie.as_bytes()),
        ("x-session", header.as_bytes()),
    ];
    let lines: Vec<_> = lines.into_iter().filter(|(_, v)| !v.is_empty()).collect();
    let received = by_both(signer).read(&headers(&lines), Scope::default());
    (received.ids, received.reply.by, received.hints)
}

#[test]
fn carrier_of_the_request_is_that_of_the_reply() {
    let hinted = format!("{A}~v7");
    let several = |ids: &[&str]| Ids::Several(ids.iter().map(|text| id(text)).collect());
    for (cookie, header, ids, by) in [
        ("", "", Ids::Nothing, ReplyBy::Both),
        (A, "", Ids::One(id(A)), ReplyBy::Cookie),
        ("garbage", "", Ids::Unusable, ReplyBy::Cookie),
        ("", A, Ids::One(id(A)), ReplyBy::Header),
        ("", "garbage", Ids::Unusable, ReplyBy::Header),
        (A, A, Ids::One(id(A)), ReplyBy::Both),
        (&hinted, A, Ids::One(id(A)), ReplyBy::Both),
        (A, B, several(&[A, B]), ReplyBy::Both),
        (A, "garbage", several(&[A]), ReplyBy::Both),
        ("garbage", B, several(&[B]), ReplyBy::Both),
        ("garbage", "rubbish", Ids::Unusable, ReplyBy::Both),
    ] {
        let found = read_both(None, cookie, header);
        assert_eq!((found.0, found.1), (ids, by), "{cookie:?} {header:?}");
    }
    assert_eq!(read_both(None, &hinted, A).2.version, Some(7));
    assert_eq!(read_both(None, &hinted, B).2, Hints::default());
}

/// A script can add a header to a request with an `HttpOnly` cookie. The response must not show it
/// the id.
#[test]
fn carrier_never_shows_a_cookie_in_a_header() {
    let signed = value_of(&id(A), Some(&signer(1)));
    let other = value_of(&id(B), Some(&signer(1)));
    let forged = value_of(&id(B), Some(&signer(2)));
    for (cookie, header, ids, by) in [
        (&*signed, &*forged, Ids::One(id(A)), ReplyBy::Cookie),
        (&signed, "garbage", Ids::One(id(A)), ReplyBy::Cookie),
        (&signed, A, Ids::One(id(A)), ReplyBy::Cookie),
        (&forged, &signed, Ids::One(id(A)), ReplyBy::Header),
        (&signed, &signed, Ids::One(id(A)), ReplyBy::Both),
        (
            &signed,
            &other,
            Ids::Several(vec![id(A), id(B)]),
            ReplyBy::Both,
        ),
    ] {
        let found = read_both(Some(signer(1)), cookie, header);
        assert_eq!((found.0, found.1), (ids, by), "{cookie:?} {header:?}");
    }
}

#[test]
fn carriers_that_differ_are_logged_without_values() {
    for (cookie, header) in [(A, A), (A, ""), ("", B)] {
        assert_eq!(log_of(|| drop(read_both(None, cookie, header))), "");
    }
    let log = log_of(|| drop(read_both(None, A, B)));
    assert!(
        log.contains("WARN") && log.contains("neither was accepted"),
        "{log}"
    );
    assert!(!log.contains(A) && !log.contains(B), "{log}");
}

#[test]
fn browser_that_is_new_gets_a_cookie_alone() {
    for site in ["none", "cross-site", ""] {
        let of_browser = headers(&[("sec-fetch-site", site.as_bytes())]);
        let received = by_both(None).read(&of_browser, Scope::default());
        assert_eq!(
            (received.ids, received.reply.by),
            (Ids::Nothing, ReplyBy::Cookie)
        );
    }
}

#[test]
fn reply_uses_the_carriers_that_it_names() {
    for (by, in_cookie, in_header) in [
        (ReplyBy::Cookie, true, false),
        (ReplyBy::Header, false, true),
        (ReplyBy::Both, true, true),
    ] {
        let reply = Reply {
            by,
            ..Reply::default()
        };
        let (mut set, mut removed) = (HeaderMap::new(), HeaderMap::new());
        let hints = Hints {
            version: Some(3),
            ..Hints::default()
        };
        by_both(None).issue(&mut set, reply, &id(A), hints, Kept::seconds(60));
        by_both(None).remove(&mut removed, reply);
        for (response, cookie, header) in [
            (&set, format!("__Host-sid={A}~v3;"), A),
            (&removed, "__Host-sid=;".to_owned(), ""),
        ] {
            assert_eq!(
                response.get("x-session").is_some_and(|v| v == header),
                in_header
            );
            let found = cookies(response);
            assert_eq!(
                found.iter().any(|c| c.starts_with(&cookie)),
                in_cookie,
                "{found:?}"
            );
            assert_eq!(
                response.len(),
                usize::from(in_cookie) + usize::from(in_header)
            );
        }
    }
}
