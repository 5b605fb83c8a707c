use super::*;

#[test]
fn cookie_browsers_reject_is_misconfigured() {
    type Setter = fn(&mut CookieSettings);
    // Each row has a name, the setting that is refused with it, and the reason.
    let rows: &[(&str, Setter, &str)] = &[
        ("__Host-sid", |c| c.secure = false, "`__Host-` requires"),
        ("__Host-sid", |c| c.path = "/a".into(), "`__Host-` requires"),
        (
            "__Host-sid",
            |c| c.domain = Some("a.example".into()),
            "`__Host-` requires",
        ),
        ("__host-sid", |c| c.secure = false, "`__Host-` requires"),
        ("__HOST-", |c| c.path = "/a".into(), "`__Host-` requires"),
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
            "`SameSite=None` requires `Secure`",
        ),
        (
            "sid",
            |c| {
                c.partitioned = true;
                c.secure = false;
            },
            "`Partitioned` requires `Secure`",
        ),
    ];
    for (name, setter, reason) in rows {
        let mut settings = CookieSettings {
            name: Some((*name).to_owned()),
            ..CookieSettings::default()
        };
        assert!(SessionCookie::new(&settings).is_ok(), "{name}");
        setter(&mut settings);
        let rejection = rejection(&settings);
        assert!(rejection.contains(reason), "{name}: {rejection}");
        assert!(rejection.contains(name), "{name}: {rejection}");
    }
}

#[test]
fn cookie_close_to_invalid_is_accepted() {
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
fn cookie_that_breaks_headers_is_misconfigured() {
    for name in [
        "", " ", "a b", "a=b", "a;b", "a,b", "s\u{ef}d", "a\r\nb", "a\tb", "a\"b", "(a)", "a\0",
    ] {
        rejection(&CookieSettings {
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
        rejection(&CookieSettings {
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
        rejection(&CookieSettings {
            domain: Some(domain.to_owned()),
            ..CookieSettings::default()
        });
    }
}

#[test]
fn cookie_name_and_attributes_are_bounded() {
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
