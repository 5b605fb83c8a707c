use http::{HeaderMap, Request};

use super::*;
use crate::wire::cookie::scope::CookieScope;
use crate::wire::cookie::session_cookie::Kept;
use crate::wire::received::{Ids, PreviousCookies};

const A: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Returns cookies with these scopes. The request's path is the name of its scope.
fn cookies(
    base: &CookieSettings,
    scopes: &[CookieScope],
    previous: &[PreviousCookie],
) -> Result<ScopedCookies, Error> {
    let by_path = |request: &RequestHead<'_>| {
        let name = request.uri.path().trim_start_matches('/').to_owned();
        (!name.is_empty()).then_some(name)
    };
    let settings = ScopeSettings::new(scopes.to_vec(), by_path);
    ScopedCookies::new(base, Some(&settings), previous)
}

fn scope(cookies: &ScopedCookies, path: &str) -> Scope {
    let request = Request::get(path).body(()).unwrap();
    cookies.choose(&RequestHead::of(&request))
}

/// Returns the `Set-Cookie` lines of a response to a request with this path.
fn issued(cookies: &ScopedCookies, path: &str, previous: PreviousCookies) -> Vec<String> {
    let mut headers = HeaderMap::new();
    let cookies = cookies.of(scope(cookies, path));
    cookies.issue(&mut headers, A, Kept::seconds(60), previous);
    let lines = headers.get_all("set-cookie").iter();
    lines
        .map(|line| line.to_str().unwrap().to_owned())
        .collect()
}

fn three() -> [CookieScope; 3] {
    [
        CookieScope::new("shop").domain("shop.example"),
        CookieScope::new("lan").secure(false),
        CookieScope::new("named").cookie_name("__Host-other"),
    ]
}

#[test]
fn scope_sets_the_attributes_of_the_cookie() {
    let cookies = cookies(&CookieSettings::default(), &three(), &[]).unwrap();
    let rest = "HttpOnly; SameSite=Lax";
    for (path, expected) in [
        (
            "/",
            format!("__Host-sid={A}; {rest}; Secure; Path=/; Max-Age=60"),
        ),
        (
            "/shop",
            format!("sid={A}; {rest}; Secure; Path=/; Domain=shop.example; Max-Age=60"),
        ),
        ("/lan", format!("sid={A}; {rest}; Path=/; Max-Age=60")),
        (
            "/named",
            format!("__Host-other={A}; {rest}; Secure; Path=/; Max-Age=60"),
        ),
        (
            "/unknown",
            format!("__Host-sid={A}; {rest}; Secure; Path=/; Max-Age=60"),
        ),
        (
            "/SHOP",
            format!("__Host-sid={A}; {rest}; Secure; Path=/; Max-Age=60"),
        ),
    ] {
        assert_eq!(
            issued(&cookies, path, PreviousCookies::NONE),
            [expected],
            "{path}"
        );
        let mut removed = HeaderMap::new();
        let cookies = cookies.of(scope(&cookies, path));
        cookies.remove(&mut removed, PreviousCookies::NONE);
        let line = removed["set-cookie"].to_str().unwrap();
        assert_eq!(
            line.contains("Domain=shop.example"),
            path == "/shop",
            "{line}"
        );
        assert_eq!(line.contains("Secure"), path != "/lan", "{line}");
    }
}

#[test]
fn scope_reads_its_own_cookie_alone() {
    let cookies = cookies(&CookieSettings::default(), &three(), &[]).unwrap();
    let line = format!("__Host-sid={A}");
    let request = Request::get("/").header("cookie", line).body(()).unwrap();
    for (path, found) in [
        ("/", true),
        ("/unknown", true),
        ("/shop", false),
        ("/lan", false),
    ] {
        let received = cookies
            .of(scope(&cookies, path))
            .read(request.headers(), None);
        assert_eq!(received.ids != Ids::Nothing, found, "{path}");
    }
}

#[test]
fn scope_that_browsers_reject_is_misconfigured() {
    let named = CookieSettings {
        name: Some("__Host-sid".to_owned()),
        ..CookieSettings::default()
    };
    let default = CookieSettings::default();
    for (base, scopes, reason) in [
        (
            &named,
            vec![CookieScope::new("shop").domain("shop.example")],
            "`shop`",
        ),
        (&named, vec![CookieScope::new("lan").secure(false)], "`lan`"),
        (
            &default,
            vec![CookieScope::new("a").domain("shop.example; x")],
            "`a`",
        ),
        (
            &default,
            vec![CookieScope::new("a").domain("https://shop.example")],
            "`a`",
        ),
        (
            &default,
            vec![CookieScope::new("b").cookie_name("a=b")],
            "`b`",
        ),
        (
            &default,
            vec![CookieScope::new("a"), CookieScope::new("a")],
            "two scopes",
        ),
    ] {
        let error = cookies(base, &scopes, &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(error.to_string().contains(reason), "{error}");
        assert_eq!(
            error.to_string().matches("misconfigured").count(),
            1,
            "{error}"
        );
    }
}

/// A cookie may have been that of all domains before it became that of one scope.
#[test]
fn previous_cookie_may_be_that_of_a_scope() {
    let before = [
        PreviousCookie::new("__Host-sid"),
        PreviousCookie::new("old"),
    ];
    let cookies = cookies(&CookieSettings::default(), &three(), &before).unwrap();
    let line = format!("__Host-sid={A}");
    let request = Request::get("/").header("cookie", line).body(()).unwrap();
    for (path, moved) in [("/", false), ("/shop", true), ("/lan", true)] {
        let received = cookies
            .of(scope(&cookies, path))
            .read(request.headers(), None);
        assert_eq!(matches!(received.ids, Ids::Reissue(_)), moved, "{path}");
        let lines = issued(&cookies, path, received.reply.previous_cookies);
        assert_eq!(lines.len(), 1 + usize::from(moved), "{path}: {lines:?}");
    }
}
