use super::*;
use crate::wire::carrier::Carriers;
use crate::wire::cookie::settings::CookieSettings;
use crate::wire::tests;

fn id() -> SessionId {
    SessionId::parse("A".repeat(43).as_bytes()).unwrap()
}

fn by_cookie() -> Carrier {
    Carrier::new(
        &Carriers::Cookie,
        &CookieSettings::default(),
        None,
        &[],
        None,
    )
    .unwrap()
}

fn by_header() -> Carrier {
    let header = Carriers::Header("X-SessionId".to_owned());
    Carrier::new(&header, &CookieSettings::default(), None, &[], None).unwrap()
}

fn set() -> IdHeader {
    IdHeader::Set {
        id: id(),
        hints: Hints::default(),
        seconds: 60,
        persistent: None,
    }
}

/// Returns the headers of a handler's response after those of the session were added.
fn finished(
    id: IdHeader,
    was_read: bool,
    carrier: &Carrier,
    said: &[(&'static str, &str)],
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in said {
        headers.append(*name, value.parse().unwrap());
    }
    let session = SessionHeaders {
        id,
        reply: Reply::default(),
        was_read,
    };
    session.add_to(&mut headers, carrier);
    headers
}

fn all<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let values = headers.get_all(name).iter();
    values.map(|value| value.to_str().unwrap()).collect()
}

#[test]
fn cache_control_forbids_storing_an_id() {
    // Each row has the handler's lines, the lines if the id changes, and those if it was only read.
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
        for carrier in [by_cookie(), by_header()] {
            for token in [set(), IdHeader::Remove] {
                for read in [true, false] {
                    let headers = finished(token.clone(), read, &carrier, &said);
                    let got = all(&headers, "cache-control");
                    assert_eq!(got, [*moved], "{said:?} {token:?} read: {read}");
                }
            }
            let headers = finished(IdHeader::Unchanged, true, &carrier, &said);
            assert_eq!(all(&headers, "cache-control"), *only_read, "{said:?}");
        }
    }
}

#[test]
fn cache_control_of_a_cdn_becomes_no_store() {
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
    for token in [set(), IdHeader::Remove] {
        let headers = finished(token.clone(), false, &by_cookie(), &said);
        for name in names() {
            assert_eq!(all(&headers, name), ["no-store"], "{name}");
        }
        assert_eq!(all(&headers, "x-cdn-cache"), ["theirs"]);
        let headers = finished(token.clone(), true, &by_header(), &[]);
        assert!(
            names().all(|name| !headers.contains_key(name)),
            "none is added"
        );
    }
    let headers = finished(IdHeader::Unchanged, true, &by_cookie(), &said);
    for (name, value) in said {
        assert!(all(&headers, name).contains(&value), "{name} stays");
    }
}

#[test]
fn response_of_unused_session_is_unchanged() {
    for said in [
        vec![],
        vec![("cache-control", "public"), ("vary", "Accept")],
    ] {
        let headers = finished(IdHeader::Unchanged, false, &by_cookie(), &said);
        assert_eq!(headers.len(), said.len());
        for (name, value) in said {
            assert_eq!(headers[name], value);
        }
    }
}

#[test]
fn vary_names_the_carrier_if_session_was_read() {
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
    for token in [IdHeader::Unchanged, set(), IdHeader::Remove] {
        for (said, expected) in rows {
            let said: Vec<_> = said.iter().map(|v| ("vary", v.trim())).collect();
            let headers = finished(token.clone(), true, &by_cookie(), &said);
            assert_eq!(all(&headers, "vary"), *expected, "{token:?}");
        }
        let headers = finished(token.clone(), true, &by_header(), &[("vary", "Cookie")]);
        assert_eq!(all(&headers, "vary"), ["Cookie, x-sessionid"]);
        let headers = finished(token.clone(), false, &by_cookie(), &[]);
        assert!(!headers.contains_key(VARY), "{token:?}");
    }
}

#[test]
fn cookie_is_issued_for_the_given_seconds() {
    let theirs = [("set-cookie", "theirs=1")];
    let headers = finished(set(), true, &by_cookie(), &theirs);
    let cookies = all(&headers, "set-cookie");
    assert_eq!(cookies[1], "theirs=1");
    let (id, attributes) = cookies[0].split_once("; ").unwrap();
    assert_eq!(id, format!("__Host-sid={}", self::id().expose()));
    assert!(attributes.ends_with("Max-Age=60"), "{attributes}");

    let headers = finished(set(), true, &by_header(), &theirs);
    assert_eq!(headers["x-sessionid"], self::id().expose());
    assert_eq!(all(&headers, "set-cookie"), ["theirs=1"]);
}

#[test]
fn logout_removes_cookie_or_empties_header() {
    let headers = finished(IdHeader::Remove, true, &by_cookie(), &[]);
    let cookie = headers[SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-sid=; "), "{cookie}");
    assert!(cookie.contains("Max-Age=0"), "{cookie}");

    let headers = finished(IdHeader::Remove, true, &by_header(), &[]);
    assert_eq!(headers["x-sessionid"], "");
}

#[test]
fn response_of_read_session_sends_no_cookie() {
    for carrier in [by_cookie(), by_header()] {
        let headers = finished(IdHeader::Unchanged, true, &carrier, &[]);
        assert!(!headers.contains_key(SET_COOKIE));
        assert!(!headers.contains_key("x-sessionid"));
    }
}

/// Returns the log of a response with so many cookies of the handler, and one of the session.
fn log_of(one_cookie: Option<OneCookie>, cookies: usize, id: IdHeader) -> String {
    let session = SessionHeaders {
        id,
        reply: Reply {
            one_cookie,
            ..Reply::default()
        },
        was_read: true,
    };
    let mut headers = HeaderMap::new();
    for n in 0..cookies {
        let cookie = format!("c{n}=secret").parse().unwrap();
        headers.append(SET_COOKIE, cookie);
    }
    tests::log_of(|| session.add_to(&mut headers, &by_cookie()))
}

#[test]
fn lost_cookie_is_logged_with_its_cure() {
    let cure = "lambda.multi_value_headers.enabled";
    for (front_door, cure) in [
        (OneCookie::LoadBalancer, cure),
        (OneCookie::VpcLattice, "VPC"),
    ] {
        for (cookies, id, lost) in [
            (0, set(), false),
            (1, IdHeader::Unchanged, false),
            (1, set(), true),
            (1, IdHeader::Remove, true),
            (2, IdHeader::Unchanged, true),
        ] {
            let log = log_of(Some(front_door), cookies, id.clone());
            assert_eq!(log.contains(cure), lost, "{cookies} {id:?}: {log}");
            assert_eq!(log.matches("WARN").count(), usize::from(lost), "{log}");
            assert!(!log.contains("secret"), "{log}");
            assert_eq!(log_of(None, cookies, id), "");
        }
    }
}
