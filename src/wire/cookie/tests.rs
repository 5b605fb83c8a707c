use std::collections::BTreeSet;

use http::header::HeaderName;
use proptest::prelude::*;

use super::*;
use crate::id::SessionId;
use crate::wire::token::{Found, Ids};

const A: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const B: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";

fn id(text: &str) -> SessionId {
    SessionId::parse(text.as_bytes()).unwrap()
}

fn cookie() -> SessionCookie {
    SessionCookie::new(&CookieSettings::default()).unwrap()
}

fn named(name: &str) -> SessionCookie {
    SessionCookie::new(&CookieSettings {
        name: Some(name.to_owned()),
        ..CookieSettings::default()
    })
    .unwrap()
}

fn headers<L: AsRef<[u8]>>(lines: &[L]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(COOKIE, HeaderValue::from_bytes(line.as_ref()).unwrap());
    }
    headers
}

fn read<L: AsRef<[u8]>>(lines: &[L]) -> Ids {
    presented(&cookie(), &headers(lines))
}

fn presented(cookie: &SessionCookie, headers: &HeaderMap) -> Ids {
    Found::among(cookie.read(headers), None).ids
}

fn attributes(header: &HeaderValue) -> BTreeSet<String> {
    let text = header.to_str().unwrap();
    text.split("; ").skip(1).map(str::to_owned).collect()
}

fn issued(change: impl FnOnce(&mut CookieSettings)) -> HeaderValue {
    let mut settings = CookieSettings::default();
    change(&mut settings);
    SessionCookie::new(&settings).unwrap().issue(A, 60)
}

fn refusal(settings: &CookieSettings) -> String {
    let error = SessionCookie::new(settings).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    error.to_string()
}

#[test]
fn the_value_is_an_id_with_an_optional_signature_and_hint() {
    let sig = "s".repeat(43);
    for value in [
        A.to_owned(),
        format!("{A}.{sig}"),
        format!("{A}~"),
        format!("{A}~anything"),
        format!("{A}~with.a.dot~and~more"),
        format!("{A}.{sig}~hint"),
        format!("{A}.{sig}~"),
    ] {
        let found = read(&[format!("__Host-sid={value}")]);
        assert_eq!(found, Ids::One(id(A)), "{value}");
    }
    for value in [
        String::new(),
        "~hint".to_owned(),
        format!(".{sig}"),
        A[1..].to_owned(),
        format!("{A}A"),
        format!("{A}="),
        format!("{A}."),
        format!("{A}.{}", &sig[1..]),
        format!("{A}.{sig}s"),
        format!("{A}.{sig}.{sig}"),
        format!("{A}.{}+", &sig[1..]),
        format!("{A}~hint.{sig}")[1..].to_owned(),
        format!("\"{A}\""),
        format!("'{A}'"),
        format!("{A}%20"),
        format!("{A} x"),
        A.replace('A', "%41"),
        // The bits that belong to no byte must be zero.
        format!("{}B", &A[1..]),
    ] {
        let found = read(&[format!("__Host-sid={value}")]);
        assert_eq!(found, Ids::Unusable, "{value}");
    }
}

#[test]
fn the_cookie_is_found_among_others() {
    for line in [
        format!("__Host-sid={A}"),
        format!("a=1; __Host-sid={A}; b=2"),
        format!("a=1;__Host-sid={A};b=2"),
        format!(" \t __Host-sid \t=\t {A} \t "),
        format!(";;; ;__Host-sid={A};;"),
        format!("no-equals; =no-name; __Host-sid={A}; x=a=b=c"),
        format!("sid={B}; Host-sid={B}; __Host-sid={A}"),
    ] {
        assert_eq!(read(&[&line]), Ids::One(id(A)), "{line}");
    }
    for line in ["", ";", "a=1", "__Host-sid", "__Host-sid;", "="] {
        assert_eq!(read(&[line]), Ids::Nothing, "{line}");
    }
    assert_eq!(presented(&cookie(), &HeaderMap::new()), Ids::Nothing);
}

#[test]
fn only_the_exact_name_is_ours() {
    for name in [
        "__Host-si",
        "__Host-sid2",
        "x__Host-sid",
        "__Host-sid.x",
        "__Host-sid.",
        "__host-sid",
        "__HOST-SID",
        "__Host-Sid",
        "__Secure-sid",
        "sid",
        "%5F%5FHost-sid",
        "__Host%2Dsid",
        "__Host-s%69d",
        "\"__Host-sid\"",
        "\u{2003}__Host-sid",
        "\u{a0}__Host-sid",
        "__Host-sid\u{3000}",
        "\u{feff}__Host-sid",
        "__Host-s\u{131}d",
        "$__Host-sid",
        "_ _Host-sid",
    ] {
        let planted = format!("{name}={A}");
        assert_eq!(read(&[&planted]), Ids::Nothing, "{name:?}");
        let beside = format!("{planted}; __Host-sid={B}");
        assert_eq!(read(&[&beside]), Ids::One(id(B)), "{name:?}");
    }
    // These are single bytes that other parsers treat as white space. A header can hold 0x85 and
    // 0xA0. Of the control characters, it can hold only the tab.
    for byte in [0x85, 0xa0] {
        let line = [&[byte], format!("__Host-sid={A}").as_bytes()].concat();
        assert_eq!(read(&[line]), Ids::Nothing, "{byte:#x}");
        let line = [format!("__Host-sid={A}").as_bytes(), &[byte]].concat();
        assert_eq!(read(&[line]), Ids::Unusable, "{byte:#x}");
    }
}

#[test]
fn each_of_two_configured_names_reads_its_own() {
    let jar = headers(&[format!("sid={A}; sid2={B}; xsid={B}; si={B}")]);
    assert_eq!(presented(&named("sid"), &jar), Ids::One(id(A)));
    assert_eq!(presented(&named("sid2"), &jar), Ids::One(id(B)));
    assert_eq!(presented(&named("s"), &jar), Ids::Nothing);
}

#[test]
fn equal_duplicates_are_one_and_different_ones_are_none() {
    let (ours, other) = (format!("__Host-sid={A}"), format!("__Host-sid={B}"));
    let several = |one, other| Ids::Several(vec![id(one), id(other)]);
    let rows: &[(&[&str], Ids)] = &[
        (&[&format!("{ours}; {ours}")], Ids::One(id(A))),
        (&[&ours, &ours], Ids::One(id(A))),
        (&[&ours, "a=1", &ours], Ids::One(id(A))),
        (&[&format!("{ours}; {other}")], several(A, B)),
        (&[&format!("{other}; {ours}")], several(B, A)),
        (&[&ours, &other], several(A, B)),
        (&[&ours, &ours, &other], several(A, B)),
        // No id is accepted next to an invalid value either, but a logout ends it.
        (&[&ours, "__Host-sid="], Ids::several([id(A)])),
        (&["__Host-sid=", &ours], Ids::several([id(A)])),
        (&[&ours, "__Host-sid=garbage"], Ids::several([id(A)])),
        (&["__Host-sid=; __Host-sid="], Ids::Unusable),
        // HTTP/2 sends a line for each cookie.
        (&["a=1", &ours, "b=2"], Ids::One(id(A))),
    ];
    for (lines, expected) in rows {
        assert_eq!(read(lines), *expected, "{lines:?}");
    }
}

#[test]
fn what_others_put_into_the_header_hides_nothing() {
    let ours = format!("__Host-sid={A}");
    for other in [
        b"odd=\xff\xfe".to_vec(),
        b"\xe9=1".to_vec(),
        "umlaut=\u{fc}".as_bytes().to_vec(),
        b"quote=\"a".to_vec(),
        b"a=\"b".to_vec(),
        b"{\"json\":1}".to_vec(),
        vec![b'x'; 10_000],
        [b"x=".to_vec(), vec![0xff; 10_000]].concat(),
        b"=;".repeat(5_000),
    ] {
        for lines in [
            vec![[&other[..], b"; ", ours.as_bytes()].concat()],
            vec![[ours.as_bytes(), b"; ", &other[..]].concat()],
            vec![other.clone(), ours.clone().into_bytes()],
        ] {
            assert_eq!(read(&lines), Ids::One(id(A)), "{} bytes", other.len());
        }
    }
    let long = format!("__Host-sid={}", "A".repeat(10_000));
    assert_eq!(read(&[long]), Ids::Unusable);
}

#[test]
fn only_cookie_headers_are_read() {
    let mut headers = HeaderMap::new();
    let value = HeaderValue::try_from(format!("__Host-sid={A}")).unwrap();
    for name in ["set-cookie", "cookie2", "x-cookie", "authorization"] {
        headers.insert(HeaderName::from_static(name), value.clone());
    }
    assert_eq!(presented(&cookie(), &headers), Ids::Nothing);
}

#[test]
fn the_default_cookie_to_the_byte() {
    assert_eq!(
        cookie().issue(A, 1_209_600),
        format!("__Host-sid={A}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=1209600")
    );
    assert_eq!(
        cookie().removal(),
        "__Host-sid=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0; \
         Expires=Thu, 01 Jan 1970 00:00:00 GMT"
    );
}

#[test]
fn each_setting_is_one_attribute() {
    let default = ["HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=60"];
    let without = |gone: &str| -> BTreeSet<String> {
        let kept = default.into_iter().filter(|attribute| *attribute != gone);
        kept.map(str::to_owned).collect()
    };
    let with = |gone: &str, new: &str| {
        let mut set = without(gone);
        set.insert(new.to_owned());
        set
    };
    type Setter = fn(&mut CookieSettings);
    let rows: &[(Setter, BTreeSet<String>)] = &[
        (|_| (), without("")),
        (|c| c.http_only = false, without("HttpOnly")),
        (|c| c.secure = false, without("Secure")),
        (|c| c.browser_session = true, without("Max-Age=60")),
        (|c| c.partitioned = true, with("", "Partitioned")),
        (|c| c.path = "/app".to_owned(), with("Path=/", "Path=/app")),
        (
            |c| c.domain = Some("example.com".to_owned()),
            with("", "Domain=example.com"),
        ),
        (
            |c| c.same_site = SameSite::Strict,
            with("SameSite=Lax", "SameSite=Strict"),
        ),
        (
            |c| c.same_site = SameSite::None,
            with("SameSite=Lax", "SameSite=None"),
        ),
    ];
    for (setter, expected) in rows {
        assert_eq!(attributes(&issued(*setter)), *expected);
    }
}

#[test]
fn max_age_is_400_days_at_most() {
    const CAP: u64 = 34_560_000;
    for (seconds, sent) in [(0, 0), (1, 1), (CAP, CAP), (CAP + 1, CAP), (u64::MAX, CAP)] {
        let header = cookie().issue(A, seconds);
        assert!(attributes(&header).contains(&format!("Max-Age={sent}")));
    }
}

#[test]
fn a_cookie_is_removed_with_the_attributes_it_was_set_with() {
    type Setter = fn(&mut CookieSettings);
    let setters: [Setter; 6] = [
        |_| (),
        |c| c.browser_session = true,
        |c| c.path = "/app".to_owned(),
        |c| c.domain = Some("example.com".to_owned()),
        |c| {
            c.same_site = SameSite::None;
            c.partitioned = true;
        },
        |c| {
            c.secure = false;
            c.http_only = false;
        },
    ];
    for setter in setters {
        let mut settings = CookieSettings::default();
        setter(&mut settings);
        let cookie = SessionCookie::new(&settings).unwrap();
        let (set, removal) = (cookie.issue(A, 60), cookie.removal());
        let lasting = |header| {
            let mut attributes = attributes(header);
            attributes.retain(|text| !text.starts_with("Max-Age") && !text.starts_with("Expires"));
            attributes
        };
        assert_eq!(lasting(&set), lasting(&removal));
        assert!(attributes(&removal).contains("Max-Age=0"));
        let name = |header: &HeaderValue| {
            let text = header.to_str().unwrap().to_owned();
            text.split_once('=').unwrap().0.to_owned()
        };
        assert_eq!(name(&set), name(&removal));
        let start = format!("{}=; ", name(&removal));
        assert!(removal.to_str().unwrap().starts_with(&start));
    }
}

#[test]
fn the_default_name_has_its_prefix_only_where_browsers_allow_it() {
    let name = |change: fn(&mut CookieSettings)| {
        let header = issued(change);
        let text = header.to_str().unwrap().to_owned();
        text.split_once('=').unwrap().0.to_owned()
    };
    assert_eq!(name(|_| ()), "__Host-sid");
    assert_eq!(name(|c| c.http_only = false), "__Host-sid");
    assert_eq!(name(|c| c.same_site = SameSite::None), "__Host-sid");
    assert_eq!(name(|c| c.secure = false), "sid");
    assert_eq!(name(|c| c.path = "/app".to_owned()), "sid");
    assert_eq!(name(|c| c.domain = Some("a.example".to_owned())), "sid");
}

#[test]
fn a_combination_that_browsers_refuse_is_refused() {
    type Setter = fn(&mut CookieSettings);
    // Each row has a name, the setting that is refused with it, and the reason.
    let rows: &[(&str, Setter, &str)] = &[
        ("__Host-sid", |c| c.secure = false, "`__Host-` wants"),
        ("__Host-sid", |c| c.path = "/a".into(), "`__Host-` wants"),
        (
            "__Host-sid",
            |c| c.domain = Some("a.example".into()),
            "`__Host-` wants",
        ),
        ("__host-sid", |c| c.secure = false, "`__Host-` wants"),
        ("__HOST-", |c| c.path = "/a".into(), "`__Host-` wants"),
        ("__Secure-sid", |c| c.secure = false, "`Secure`"),
        ("__sEcUrE-sid", |c| c.secure = false, "`Secure`"),
        ("__Http-sid", |c| c.secure = false, "`Secure`"),
        ("__Http-sid", |c| c.http_only = false, "`HttpOnly`"),
        ("__Host-Http-sid", |c| c.http_only = false, "`HttpOnly`"),
        ("__Host-Http-sid", |c| c.path = "/a".into(), "`__Host-`"),
        (
            "sid",
            |c| {
                c.same_site = SameSite::None;
                c.secure = false;
            },
            "`SameSite=None` wants `Secure`",
        ),
        (
            "sid",
            |c| {
                c.partitioned = true;
                c.secure = false;
            },
            "`Partitioned` wants `Secure`",
        ),
    ];
    for (name, setter, reason) in rows {
        let mut settings = CookieSettings {
            name: Some((*name).to_owned()),
            ..CookieSettings::default()
        };
        assert!(SessionCookie::new(&settings).is_ok(), "{name}");
        setter(&mut settings);
        let refusal = refusal(&settings);
        assert!(refusal.contains(reason), "{name}: {refusal}");
        assert!(refusal.contains(name), "{name}: {refusal}");
    }
}

#[test]
fn the_neighbours_of_what_is_refused_are_accepted() {
    type Setter = fn(&mut CookieSettings);
    let rows: &[(&str, Setter)] = &[
        ("sid", |c| c.secure = false),
        ("__Host", |c| c.path = "/a".into()),
        ("x__Host-sid", |c| c.path = "/a".into()),
        ("__Secure-sid", |c| c.path = "/a".into()),
        ("__Secure-sid", |c| c.domain = Some("a.example".into())),
        ("__Secure-sid", |c| c.http_only = false),
        ("__Host-sid", |c| c.http_only = false),
        ("__Http-sid", |c| c.path = "/a".into()),
        ("__Host-sid", |c| c.same_site = SameSite::None),
        ("__Host-sid", |c| c.partitioned = true),
        ("sid", |c| {
            c.same_site = SameSite::Strict;
            c.secure = false;
        }),
    ];
    for (name, setter) in rows {
        let mut settings = CookieSettings {
            name: Some((*name).to_owned()),
            ..CookieSettings::default()
        };
        setter(&mut settings);
        assert!(SessionCookie::new(&settings).is_ok(), "{name}");
    }
}

#[test]
fn what_would_break_the_header_is_refused() {
    for name in [
        "", " ", "a b", "a=b", "a;b", "a,b", "s\u{ef}d", "a\r\nb", "a\tb", "a\"b", "(a)", "a\0",
    ] {
        refusal(&CookieSettings {
            name: Some(name.to_owned()),
            ..CookieSettings::default()
        });
    }
    for path in [
        "",
        "app",
        "/a;b",
        "/a\r\nSet-Cookie: x",
        "/\u{fc}",
        "/\0",
        "/\u{7f}",
    ] {
        refusal(&CookieSettings {
            path: path.to_owned(),
            ..CookieSettings::default()
        });
    }
    for domain in [
        "",
        "a;b",
        "a b",
        "a\r\n",
        "\u{fc}.example",
        "a_b",
        "a.example/x",
        ":80",
    ] {
        refusal(&CookieSettings {
            domain: Some(domain.to_owned()),
            ..CookieSettings::default()
        });
    }
}

#[test]
fn a_domain_is_sent_without_its_leading_dot() {
    let header = issued(|c| c.domain = Some(".example.com".to_owned()));
    assert!(attributes(&header).contains("Domain=example.com"));
    for domain in [".", "..", "-"] {
        refusal(&CookieSettings {
            domain: Some(domain.to_owned()),
            ..CookieSettings::default()
        });
    }
}

#[test]
fn the_bounds_of_names_and_attributes() {
    let with = |name: usize, path: usize, domain: usize| {
        SessionCookie::new(&CookieSettings {
            name: Some("n".repeat(name)),
            path: format!("/{}", "p".repeat(path - 1)),
            domain: Some("d".repeat(domain)),
            ..CookieSettings::default()
        })
        .is_ok()
    };
    assert!(with(256, 1024, 1024));
    assert!(!with(257, 1024, 1024));
    assert!(!with(256, 1025, 1024));
    assert!(!with(256, 1024, 1025));
}

proptest! {
    #[test]
    fn random_bytes_give_no_id_that_was_not_there(
        bytes in prop::collection::vec(prop_oneof![
            4 => prop::sample::select(b";= \t,\"~.%\n".as_slice()).prop_map(|byte| vec![byte]),
            2 => Just(b"__Host-sid".to_vec()),
            2 => Just(format!("__Host-sid={A}").into_bytes()),
            1 => Just(A.as_bytes().to_vec()),
            1 => Just(B.as_bytes().to_vec()),
            // The planted bytes stand for signed values and their parts.
            2 => (2_u8..=7).prop_map(|planted| [b"__Host-sid=", &[planted][..]].concat()),
            1 => (2_u8..=4).prop_map(|planted| [b"__Host-sid=", &[planted, 8][..]].concat()),
            2 => (1_u8..=8).prop_map(|planted| vec![planted]),
            2 => (0x80_u8..=0xff).prop_map(|byte| vec![byte]),
            2 => (b' '..=b'~').prop_map(|byte| vec![byte]),
        ], 0..24).prop_map(|parts| parts.concat()),
    ) {
        crate::fuzzing::cookie_header(&bytes);
    }

    #[test]
    fn what_is_issued_reads_back(bytes in any::<[u8; 32]>(), hint in "[ -:<-~]{0,40}") {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        let header = cookie().issue(&text, 60);
        let pair = header.to_str().unwrap().split(';').next().unwrap().to_owned();
        let hinted = format!("{pair}~{hint}");
        for line in [pair, hinted] {
            prop_assert_eq!(read(&[line]), Ids::One(id(&text)));
        }
    }
}
