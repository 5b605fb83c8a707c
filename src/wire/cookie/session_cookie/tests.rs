use std::collections::BTreeSet;

use super::*;
use crate::id::SessionId;
use crate::wire::received::Ids;
use crate::wire::token::ParsedValues;

mod reading;
mod validation;
mod writing;

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
    values_of(&cookie(), &headers(lines))
}

fn values_of(cookie: &SessionCookie, headers: &HeaderMap) -> Ids {
    ParsedValues::read(cookie.read(headers), None).ids
}

fn attributes(header: &HeaderValue) -> BTreeSet<String> {
    let text = header.to_str().unwrap();
    text.split("; ").skip(1).map(str::to_owned).collect()
}

fn issued(change: impl FnOnce(&mut CookieSettings)) -> HeaderValue {
    let mut settings = CookieSettings::default();
    change(&mut settings);
    SessionCookie::new(&settings)
        .unwrap()
        .issue(A, Kept::seconds(60))
}

fn rejection(settings: &CookieSettings) -> String {
    let error = SessionCookie::new(settings).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    error.to_string()
}
