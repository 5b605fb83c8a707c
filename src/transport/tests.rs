use super::*;

const A: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const B: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";

fn id(text: &str) -> SessionId {
    SessionId::parse(text.as_bytes()).unwrap()
}

fn by_cookie() -> Transport {
    Transport::new(None, &CookieSettings::default(), None).unwrap()
}

fn by_header(name: &str) -> Transport {
    Transport::new(Some(name), &CookieSettings::default(), None).unwrap()
}

fn headers(lines: &[(&'static str, &[u8])]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

#[test]
fn only_the_configured_one_is_read() {
    let cookie = format!("__Host-sid={A}");
    let both = headers(&[("cookie", cookie.as_bytes()), ("x-session", B.as_bytes())]);
    assert_eq!(by_cookie().read(&both), Presented::Id(id(A)));
    assert_eq!(by_header("X-Session").read(&both), Presented::Id(id(B)));
    assert_eq!(by_header("x-sessionid").read(&both), Presented::Nothing);
}

#[test]
fn a_header_holds_one_id_and_nothing_else() {
    let hinted = format!("{A}~hint");
    let as_cookie = format!("sid={A}");
    let two = format!("{A},{A}");
    let rows: [(&[&[u8]], Presented); 9] = [
        (&[], Presented::Nothing),
        (&[A.as_bytes()], Presented::Id(id(A))),
        (&[hinted.as_bytes()], Presented::Id(id(A))),
        (&[A.as_bytes(), A.as_bytes()], Presented::Id(id(A))),
        (&[A.as_bytes(), B.as_bytes()], Presented::Unusable),
        (&[b""], Presented::Unusable),
        (&[b"\xff\xfe"], Presented::Unusable),
        (&[as_cookie.as_bytes()], Presented::Unusable),
        (&[two.as_bytes()], Presented::Unusable),
    ];
    for (values, expected) in rows {
        let lines: Vec<_> = values.iter().map(|value| ("x-session", *value)).collect();
        assert_eq!(by_header("x-session").read(&headers(&lines)), expected);
    }
}

/// An ALB without multi-value headers keeps the first; a browser goes by the last of one name.
#[test]
fn our_cookie_comes_first_but_after_one_of_its_own_name() {
    let ours = format!("__Host-sid={A}");
    let rows: [(&[&str], &[&str]); 3] = [
        (&[], &[&ours]),
        (&["theirs=1", "more=2"], &[&ours, "theirs=1", "more=2"]),
        (
            &["theirs=1", "__Host-sid=planted"],
            &["__Host-sid=planted", &ours, "theirs=1"],
        ),
    ];
    for (theirs, expected) in rows {
        let theirs: Vec<_> = theirs
            .iter()
            .map(|v| ("set-cookie", v.as_bytes()))
            .collect();
        let mut response = headers(&theirs);
        by_cookie().issue(&mut response, &id(A), 60);
        let cookies = response.get_all(SET_COOKIE).iter();
        let pairs: Vec<_> = cookies
            .map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap())
            .collect();
        assert_eq!(pairs, expected);
    }
    let mut response = headers(&[("set-cookie", b"theirs=1")]);
    by_cookie().remove(&mut response);
    assert_eq!(response.get_all(SET_COOKIE).iter().count(), 2);
}

#[test]
fn a_header_is_set_and_emptied() {
    let transport = by_header("X-Session");
    let mut response = headers(&[("x-session", b"theirs")]);
    transport.issue(&mut response, &id(A), 60);
    assert_eq!(
        response.get_all("x-session").iter().collect::<Vec<_>>(),
        [A]
    );
    transport.remove(&mut response);
    assert_eq!(
        response.get_all("x-session").iter().collect::<Vec<_>>(),
        [""]
    );
    assert!(!response.contains_key(SET_COOKIE));
}

#[test]
fn a_response_varies_on_what_is_read() {
    assert_eq!(by_cookie().varies_on(), COOKIE);
    assert_eq!(by_header("X-SessionId").varies_on(), "x-sessionid");
}

#[test]
fn a_header_that_cannot_carry_an_id_is_refused() {
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
    ] {
        let error = Transport::new(Some(name), &CookieSettings::default(), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{name:?}");
        assert!(!error.to_string().contains(['\r', '\n']), "{name:?}");
    }
}

#[test]
fn a_cookie_that_no_browser_keeps_is_refused_only_where_it_is_used() {
    let cookie = CookieSettings {
        name: Some("__Host-sid".to_owned()),
        secure: false,
        ..CookieSettings::default()
    };
    let error = Transport::new(None, &cookie, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(Transport::new(Some("x-session"), &cookie, None).is_ok());
}
