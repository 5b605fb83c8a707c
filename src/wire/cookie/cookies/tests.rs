use cookie::SameSite;
use http::header::COOKIE;

use super::*;
use crate::id::SessionId;
use crate::wire::hints::Hints;
use crate::wire::signing::SigningKey;
use crate::wire::tests::log_of;
use crate::wire::token::value_of;

const A: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const B: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";
const C: &str = "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCA";

fn id(text: &str) -> SessionId {
    SessionId::parse(text.as_bytes()).unwrap()
}

fn sid() -> CookieSettings {
    CookieSettings {
        name: Some("sid".to_owned()),
        ..CookieSettings::default()
    }
}

fn cookies(previous: &[PreviousCookie]) -> Cookies {
    Cookies::new(&sid(), previous).unwrap()
}

/// The cookie that the session had for all hosts of a domain, under the same name.
fn of_domain() -> PreviousCookie {
    PreviousCookie::new("sid").domain("example.com")
}

fn read_signed(cookies: &Cookies, line: &str, signer: Option<&Signer>) -> Received {
    let line = HeaderValue::try_from(line).unwrap();
    cookies.read(&[(COOKIE, line)].into_iter().collect(), signer)
}

fn read(cookies: &Cookies, line: &str) -> Received {
    read_signed(cookies, line, None)
}

fn set_of(positions: &[usize]) -> PreviousCookies {
    let mut set = PreviousCookies::NONE;
    positions.iter().for_each(|position| set.insert(*position));
    set
}

fn issued(cookies: &Cookies, previous: PreviousCookies) -> Vec<String> {
    let mut headers = HeaderMap::new();
    cookies.issue(&mut headers, A, Kept::seconds(60), previous);
    let lines = headers.get_all(SET_COOKIE).iter();
    lines
        .map(|line| line.to_str().unwrap().to_owned())
        .collect()
}

fn rejection(settings: &CookieSettings, previous: &[PreviousCookie]) -> String {
    let error = Cookies::new(settings, previous).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    error.to_string()
}

#[test]
fn previous_cookie_is_used_without_a_current_id() {
    let cookies = cookies(&["old".into(), "older".to_owned().into()]);
    let (one, moved) = (|text| Ids::One(id(text)), |text| Ids::Reissue(id(text)));
    let rows = [
        ("x=1".to_owned(), Ids::Nothing, set_of(&[])),
        (format!("sid={A}"), one(A), set_of(&[])),
        (format!("old={A}"), moved(A), set_of(&[0])),
        (format!("older={A}"), moved(A), set_of(&[1])),
        // The current one is first, then the first that is configured.
        (format!("old={B}; sid={A}"), one(A), set_of(&[0])),
        (format!("older={B}; old={A}"), moved(A), set_of(&[0, 1])),
        (format!("old=x; older={A}"), moved(A), set_of(&[0, 1])),
        (
            format!("old={B}; old={C}; older={A}"),
            moved(A),
            set_of(&[0, 1]),
        ),
        // One that holds no id hides nothing.
        (format!("sid=x; old={A}"), moved(A), set_of(&[0])),
        (format!("sid=; old={A}"), moved(A), set_of(&[0])),
        ("sid=x".to_owned(), Ids::Unusable, set_of(&[])),
        ("old=x".to_owned(), Ids::Unusable, set_of(&[0])),
        // One that holds two does: they were planted, or the previous one may have been.
        (
            format!("sid={A}; sid=x; old={B}"),
            Ids::several([id(A), id(B)]),
            PreviousCookies::ALL,
        ),
        (
            format!("sid={A}; sid={B}; old={C}"),
            Ids::several([id(A), id(B), id(C)]),
            PreviousCookies::ALL,
        ),
        (
            format!("old={A}; old={B}"),
            Ids::several([id(A), id(B)]),
            PreviousCookies::ALL,
        ),
        (
            format!("old={A}; old={B}; older={B}; older={C}"),
            Ids::several([id(A), id(B), id(C)]),
            PreviousCookies::ALL,
        ),
        (
            "old=x; old=y".to_owned(),
            Ids::Unusable,
            PreviousCookies::ALL,
        ),
    ];
    for (line, ids, previous_cookies) in rows {
        assert_eq!(
            read(&cookies, &line),
            Received {
                ids,
                hints: Hints::default(),
                reply: previous_cookies.into(),
            },
            "{line}"
        );
    }
}

#[test]
fn same_name_is_distinguished_by_scope_hint() {
    let cookies = cookies(&[of_domain(), "old".into()]);
    let pair = issued(&cookies, PreviousCookies::NONE)[0]
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let hint = pair.strip_prefix(&format!("sid={A}")).unwrap();
    assert_eq!(hint.len(), 7, "{hint}");
    let rows = [
        (format!("sid={A}{hint}"), Ids::One(id(A)), set_of(&[])),
        (format!("sid={A}"), Ids::Reissue(id(A)), set_of(&[0])),
        // That of yet another scope.
        (format!("sid={A}~abcdef"), Ids::Reissue(id(A)), set_of(&[0])),
        (
            format!("sid={B}; sid={A}{hint}"),
            Ids::One(id(A)),
            set_of(&[0]),
        ),
        (
            format!("sid={A}{hint}; sid={B}"),
            Ids::One(id(A)),
            set_of(&[0]),
        ),
        (
            format!("sid={A}{hint}; sid={A}"),
            Ids::One(id(A)),
            set_of(&[0]),
        ),
        (
            format!("sid=x{hint}; sid={A}"),
            Ids::Reissue(id(A)),
            set_of(&[0]),
        ),
        (
            format!("sid={A}; sid={B}"),
            Ids::several([id(A), id(B)]),
            PreviousCookies::ALL,
        ),
        (
            format!("sid={A}{hint}; sid={B}{hint}; sid={C}"),
            Ids::several([id(A), id(B), id(C)]),
            PreviousCookies::ALL,
        ),
    ];
    for (line, ids, previous_cookies) in rows {
        assert_eq!(
            read(&cookies, &line),
            Received {
                ids,
                hints: Hints::default(),
                reply: previous_cookies.into(),
            },
            "{line}"
        );
    }
    // Without a previous cookie of that name there is no hint, and one is ignored.
    let after = Cookies::new(&sid(), &["old".into()]).unwrap();
    assert!(issued(&after, PreviousCookies::NONE)[0].starts_with(&format!("sid={A};")));
    assert_eq!(read(&after, &format!("sid={A}{hint}")).ids, Ids::One(id(A)));
}

#[test]
fn scope_hint_differs_for_each_scope() {
    type Setter = fn(&mut CookieSettings);
    let setters: [Setter; 4] = [
        |_| (),
        |cookie| cookie.domain = Some("example.com".to_owned()),
        |cookie| cookie.path = "/app".to_owned(),
        |cookie| cookie.partitioned = true,
    ];
    let tags: std::collections::BTreeSet<_> = setters
        .iter()
        .map(|setter| {
            let mut settings = sid();
            setter(&mut settings);
            SessionCookie::new(&settings).unwrap().scope_hint()
        })
        .collect();
    assert_eq!(tags.len(), setters.len(), "{tags:?}");
    let dotted = CookieSettings {
        domain: Some(".Example.COM".to_owned()),
        ..sid()
    };
    let dotted = SessionCookie::new(&dotted).unwrap().scope_hint();
    assert!(tags.contains(&dotted), "the same scope");
}

#[test]
fn previous_cookie_with_signed_id_moves() {
    let signer = |keys: &[u8]| {
        let keys: Vec<_> = keys
            .iter()
            .map(|byte| SigningKey::new([*byte; 32]).unwrap())
            .collect();
        Signer::new(&keys).unwrap()
    };
    let (old, new) = (signer(&[1]), signer(&[2, 1]));
    let cookies = cookies(&["old".into()]);
    for by in [&old, &new] {
        let line = format!("old=garbage; old={}", value_of(&id(A), Some(by)));
        let found = read_signed(&cookies, &line, Some(&new));
        assert_eq!(found.ids, Ids::Reissue(id(A)));
        assert_eq!(found.reply.previous_cookies, set_of(&[0]));
    }
    let unsigned = read_signed(&cookies, &format!("old={A}"), Some(&new));
    assert_eq!(unsigned.ids, Ids::Unusable);
}

#[test]
fn previous_cookie_removal_keeps_attributes() {
    let previous = [
        of_domain(),
        PreviousCookie::new("old").path("/app").secure(false),
        PreviousCookie::new("__Host-sid").partitioned(true),
    ];
    let cookies = cookies(&previous);
    assert_eq!(issued(&cookies, PreviousCookies::NONE).len(), 1);
    let gone = "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
    let removals = [
        format!("sid=; HttpOnly; SameSite=Lax; Secure; Path=/; Domain=example.com; {gone}"),
        format!("old=; HttpOnly; SameSite=Lax; Path=/app; {gone}"),
        format!("__Host-sid=; HttpOnly; SameSite=Lax; Partitioned; Secure; Path=/; {gone}"),
    ];
    let all = issued(&cookies, PreviousCookies::ALL);
    assert_eq!(all[1..], removals);
    let one = issued(&cookies, set_of(&[1]));
    assert_eq!(one[1..], removals[1..2]);

    let mut headers = HeaderMap::new();
    cookies.remove(&mut headers, set_of(&[0, 2]));
    let lines: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].to_str().unwrap().starts_with("sid=; "));
    assert_eq!([lines[1], lines[2]], [&*removals[0], &*removals[2]]);
}

#[test]
fn previous_cookie_of_handler_is_dropped() {
    let cookies = cookies(&["old".into()]);
    for (previous, stays) in [(PreviousCookies::NONE, true), (PreviousCookies::ALL, false)] {
        let mut headers = HeaderMap::new();
        headers.append(SET_COOKIE, HeaderValue::from_static("old=theirs; Path=/"));
        headers.append(SET_COOKIE, HeaderValue::from_static("old=other; Path=/x"));
        cookies.issue(&mut headers, A, Kept::seconds(60), previous);
        let lines: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        let has = |line: &str| lines.iter().any(|other| *other == line);
        assert_eq!(has("old=theirs; Path=/"), stays, "only where it is removed");
        assert!(has("old=other; Path=/x"));
    }
}

#[test]
fn handler_cookie_is_logged_without_value() {
    let mut headers = HeaderMap::new();
    let cookies = cookies(&[]);
    let log = log_of(|| cookies.issue(&mut headers, A, Kept::seconds(60), PreviousCookies::NONE));
    assert_eq!(log, "", "there is nothing to drop");
    headers.append(SET_COOKIE, HeaderValue::from_static("sid=secret-value"));
    let log = log_of(|| cookies.issue(&mut headers, B, Kept::seconds(60), PreviousCookies::NONE));
    assert!(log.contains("WARN") && log.contains("dropped"), "{log}");
    assert!(!log.contains("secret-value") && !log.contains(B), "{log}");
}

/// Embedded pages may remove only what they may set.
#[test]
fn previous_cookie_removal_has_same_site() {
    let embedded = CookieSettings {
        same_site: SameSite::None,
        partitioned: true,
        ..sid()
    };
    let before = [
        PreviousCookie::new("sid"),
        PreviousCookie::new("old").secure(false),
    ];
    let cookies = Cookies::new(&embedded, &before).unwrap();
    let lines = issued(&cookies, PreviousCookies::ALL);
    assert!(lines[1].contains("SameSite=None; Secure"), "{}", lines[1]);
    assert!(lines[2].contains("SameSite=Lax"), "{}", lines[2]);
    let plain = CookieSettings {
        secure: false,
        ..sid()
    };
    let cookies = Cookies::new(&plain, &["old".into()]).unwrap();
    assert!(!issued(&cookies, PreviousCookies::ALL)[1].contains("Secure"));
}

#[test]
fn previous_cookie_invalid_is_misconfigured() {
    for previous in [
        PreviousCookie::new(""),
        PreviousCookie::new("a b"),
        PreviousCookie::new("old").path("app"),
        PreviousCookie::new("old").domain("a;b"),
        PreviousCookie::new("__Host-old").domain("example.com"),
        PreviousCookie::new("__Secure-old").secure(false),
        PreviousCookie::new("old").partitioned(true).secure(false),
    ] {
        rejection(&sid(), std::slice::from_ref(&previous));
    }
    // The current cookie itself, which its removal would remove.
    assert!(rejection(&sid(), &["sid".into()]).contains("previous_cookie `sid`"));
    let of_domain = CookieSettings {
        domain: Some("example.com".to_owned()),
        ..sid()
    };
    let same = PreviousCookie::new("sid").domain(".EXAMPLE.com");
    assert!(rejection(&of_domain, &[same]).contains("previous_cookie `sid`"));
    assert!(Cookies::new(&of_domain, &["sid".into()]).is_ok());

    // One that is named twice, which would be removed twice; not one of another path.
    assert!(
        rejection(&sid(), &["old".into(), "old".into()]).contains("`old`: it is configured twice")
    );
    let elsewhere = PreviousCookie::new("old").path("/app");
    assert!(Cookies::new(&sid(), &["old".into(), elsewhere]).is_ok());

    let many: Vec<_> = (0..9).map(|n| format!("old{n}").into()).collect();
    assert!(Cookies::new(&sid(), &many[..8]).is_ok());
    assert!(rejection(&sid(), &many).contains('8'));
}
