use http::HeaderValue;
use http::header::SET_COOKIE;

use super::*;
use crate::error::ErrorKind;
use crate::wire::header_name::id_header_name;

const A: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const B: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";

fn id(text: &str) -> SessionId {
    SessionId::parse(text.as_bytes()).unwrap()
}

fn carrier(carriers: &Carriers, cookie: &CookieSettings) -> Result<Carrier, Error> {
    Carrier::new(carriers, cookie, None, &[], None)
}

fn by_cookie() -> Carrier {
    carrier(&Carriers::Cookie, &CookieSettings::default()).unwrap()
}

fn by_header(name: &str) -> Carrier {
    carrier(
        &Carriers::Header(name.to_owned()),
        &CookieSettings::default(),
    )
    .unwrap()
}

/// Returns a carrier by cookie and by the header `x-session`.
fn by_both(signer: Option<Signer>) -> Carrier {
    let carriers = Carriers::Both("X-Session".to_owned());
    Carrier::new(&carriers, &CookieSettings::default(), None, &[], signer).unwrap()
}

/// Returns the ids that a carrier reads, without the previous cookies.
fn read(carrier: &Carrier, headers: &HeaderMap) -> Ids {
    let received = carrier.read(headers, Scope::default());
    assert_eq!(received.reply.previous_cookies, PreviousCookies::NONE);
    received.ids
}

fn headers(lines: &[(&'static str, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

#[test]
fn carrier_reads_only_the_configured_place() {
    let cookie = format!("__Host-sid={A}");
    let both = headers(&[("cookie", cookie.as_bytes()), ("x-session", B.as_bytes())]);
    assert_eq!(read(&by_cookie(), &both), Ids::One(id(A)));
    assert_eq!(read(&by_header("X-Session"), &both), Ids::One(id(B)));
    assert_eq!(read(&by_header("x-sessionid"), &both), Ids::Nothing);
}

#[test]
fn id_header_holds_one_id_and_nothing_else() {
    let hinted = format!("{A}~hint");
    let as_cookie = format!("sid={A}");
    let two = format!("{A},{A}");
    let rows: [(&[&[u8]], Ids); 9] = [
        (&[], Ids::Nothing),
        (&[A.as_bytes()], Ids::One(id(A))),
        (&[hinted.as_bytes()], Ids::One(id(A))),
        (&[A.as_bytes(), A.as_bytes()], Ids::One(id(A))),
        (
            &[A.as_bytes(), B.as_bytes()],
            Ids::Several(vec![id(A), id(B)]),
        ),
        (&[b""], Ids::Unusable),
        (&[b"\xff\xfe"], Ids::Unusable),
        (&[as_cookie.as_bytes()], Ids::Unusable),
        (&[two.as_bytes()], Ids::Unusable),
    ];
    for (values, expected) in rows {
        let lines: Vec<_> = values.iter().map(|value| ("x-session", *value)).collect();
        assert_eq!(read(&by_header("x-session"), &headers(&lines)), expected);
    }
}

fn cookies(response: &HeaderMap) -> Vec<&str> {
    let cookies = response.get_all(SET_COOKIE).iter();
    cookies.map(|cookie| cookie.to_str().unwrap()).collect()
}

/// An ALB without multi-value headers keeps the first, and others reorder them: there is one.
#[test]
fn handler_cookie_of_same_scope_is_dropped() {
    type Setter = fn(&mut CookieSettings);
    let host: Setter = |_| ();
    let domain: Setter = |cookie| {
        cookie.name = Some("sid".to_owned());
        cookie.domain = Some(".Example.com".to_owned());
        cookie.path = "/app".to_owned();
    };
    let rows: &[(Setter, &str, bool)] = &[
        (host, "__Host-sid=theirs; Secure; Path=/", false),
        (host, "__Host-sid=theirs; pAtH=/", false),
        (host, " __Host-sid = theirs ;Path=/;Secure", false),
        (host, "__Host-sid=; Max-Age=0", false),
        (host, "__Host-sid=theirs; Path=/x; Path=/", false),
        (host, "__Host-sid=theirs; Path=", false),
        (host, "__Host-sid=theirs; Path=x", false),
        (host, "__Host-sid=theirs; Domain=; Path=/", false),
        (host, "__Host-sid=theirs; Path=/x", true),
        (host, "__Host-sid=theirs; Domain=example.com; Path=/", true),
        (host, "__host-sid=theirs; Path=/", true),
        (host, "theirs=__Host-sid=; Path=/", true),
        (host, "__Host-sid; Path=/", true),
        (host, "=__Host-sid; Path=/", true),
        (domain, "sid=theirs; Domain=example.COM; Path=/app", false),
        (domain, "sid=theirs; Domain=.example.com", false),
        (domain, "sid=theirs; Domain=example.com; Path=/", true),
        (
            domain,
            "sid=theirs; Domain=www.example.com; Path=/app",
            true,
        ),
        (domain, "sid=theirs; Path=/app", true),
    ];
    for (setter, theirs, stays) in rows {
        let mut settings = CookieSettings::default();
        setter(&mut settings);
        let carrier = carrier(&Carriers::Cookie, &settings).unwrap();
        let said = [
            ("set-cookie", b"a=1".as_slice()),
            ("set-cookie", theirs.as_bytes()),
            ("set-cookie", b"b=2"),
        ];
        let mut set = headers(&said);
        issue(&carrier, &mut set);
        let mut removed = headers(&said);
        carrier.remove(&mut removed, Reply::default());
        for response in [&set, &removed] {
            let found = cookies(response);
            let name = settings.name.as_deref().unwrap_or("__Host-sid");
            assert!(found[0].starts_with(&format!("{name}=")), "ours is first");
            assert_eq!(found.contains(theirs), *stays, "{theirs}");
            assert_eq!(found.len(), 3 + usize::from(*stays), "{theirs}");
            assert!(found.contains(&"a=1") && found.contains(&"b=2"));
        }
    }
}

#[test]
fn session_cookie_comes_first() {
    let mut response = headers(&[("set-cookie", b"theirs=1"), ("set-cookie", b"more=2")]);
    issue(&by_cookie(), &mut response);
    let names = cookies(&response);
    let names: Vec<_> = names.iter().map(|c| c.split('=').next().unwrap()).collect();
    assert_eq!(names, ["__Host-sid", "theirs", "more"]);
}

fn issue(carrier: &Carrier, response: &mut HeaderMap) {
    let hints = Hints::default();
    carrier.issue(response, Reply::default(), &id(A), hints, Kept::seconds(60));
}

#[test]
fn id_header_is_set_and_emptied() {
    let carrier = by_header("X-Session");
    let mut response = headers(&[("x-session", b"theirs")]);
    issue(&carrier, &mut response);
    assert_eq!(
        response.get_all("x-session").iter().collect::<Vec<_>>(),
        [A]
    );
    carrier.remove(&mut response, Reply::default());
    assert_eq!(
        response.get_all("x-session").iter().collect::<Vec<_>>(),
        [""]
    );
    assert!(!response.contains_key(SET_COOKIE));
}

#[test]
fn bearer_token_is_read_and_reissued() {
    let carrier = by_header("Authorization");
    let (bearer, lower) = (format!("Bearer {A}"), format!("bEARER  {A}"));
    let (basic, twice) = (format!("Basic {A}"), format!("Bearer {A},Bearer {B}"));
    let rows: [(&[&str], Ids); 12] = [
        (&[], Ids::Nothing),
        (&[&bearer], Ids::One(id(A))),
        (&[&lower], Ids::One(id(A))),
        (&[&bearer, &lower], Ids::One(id(A))),
        (&[&basic], Ids::Nothing),
        (&[&basic, &bearer], Ids::One(id(A))),
        (&["AWS4-HMAC-SHA256 Credential=x"], Ids::Nothing),
        (&["Bearer"], Ids::Nothing),
        (&["Bearer x.y.z"], Ids::Unusable),
        (&[A], Ids::Nothing),
        (&[&twice], Ids::Unusable),
        (&[&format!("Bearer{A}")], Ids::Nothing),
    ];
    for (values, expected) in rows {
        let values: Vec<_> = values
            .iter()
            .map(|value| ("authorization", value.as_bytes()))
            .collect();
        assert_eq!(read(&carrier, &headers(&values)), expected, "{values:?}");
    }
    let by_name = headers(&[("x-sessionid", A.as_bytes())]);
    assert_eq!(read(&carrier, &by_name), Ids::Nothing);

    let mut response = headers(&[("x-sessionid", b"theirs")]);
    issue(&carrier, &mut response);
    assert_eq!(response["x-sessionid"], A);
    carrier.remove(&mut response, Reply::default());
    assert_eq!(response["x-sessionid"], "");
    assert_eq!(response.len(), 1);
}

#[test]
fn carrier_varies_on_what_is_read() {
    let names = |carrier: Carrier| carrier.varies_on().collect::<Vec<_>>();
    assert_eq!(names(by_header("AUTHORIZATION")), ["authorization"]);
    assert_eq!(names(by_cookie()), ["cookie"]);
    assert_eq!(names(by_header("X-SessionId")), ["x-sessionid"]);
    assert_eq!(names(by_both(None)), ["cookie", "x-session"]);
}

#[test]
fn id_header_reserved_is_misconfigured() {
    for name in [
        "",
        "a b",
        "a:b",
        "\u{fc}",
        "a\r\n",
        "Cookie",
        "SET-COOKIE",
        "Content-Length",
        "Host",
        "transfer-encoding",
        "Vary",
        "Cache-Control",
        "CDN-Cache-Control",
        "Cloudflare-CDN-Cache-Control",
        "Surrogate-Control",
        "Date",
        "Location",
        "Server",
        "WWW-Authenticate",
        "Keep-Alive",
        "Upgrade",
        "Via",
        "Accept",
        "Accept-Language",
        "Content-MD5",
        "If-None-Match",
        "X-Amz-Date",
        "x-amzn-Remapped-Authorization",
        "X-Amzn-Trace-Id",
        "X-Forwarded-For",
        "Sec-WebSocket-Key",
        "Proxy-Authorization",
        "Access-Control-Allow-Origin",
        "Apigw-RequestId",
        "CloudFront-Viewer-Country",
        "X-Lambda-Http-Content-Encoding",
    ] {
        let name = name.to_owned();
        for carriers in [Carriers::Header(name.clone()), Carriers::Both(name)] {
            let error = carrier(&carriers, &CookieSettings::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{carriers:?}");
            assert!(!error.to_string().contains(['\r', '\n']), "{carriers:?}");
        }
    }
}

#[test]
fn cookie_invalid_is_ignored_with_id_header() {
    let cookie = CookieSettings {
        name: Some("__Host-sid".to_owned()),
        secure: false,
        ..CookieSettings::default()
    };
    let name = || "x-session".to_owned();
    for carriers in [Carriers::Cookie, Carriers::Both(name())] {
        let error = carrier(&carriers, &cookie).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
    }
    assert!(carrier(&Carriers::Header(name()), &cookie).is_ok());
}

#[test]
fn id_header_unreserved_is_accepted() {
    for name in [
        "X-SessionId",
        "Session",
        "sid",
        "x-amazing",
        "X-Api-Key",
        "iffy",
    ] {
        assert!(id_header_name(name).is_some(), "{name}");
    }
}

mod both;
