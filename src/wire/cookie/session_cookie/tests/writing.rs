use super::*;

#[test]
fn cookie_default_is_exact() {
    assert_eq!(
        cookie().issue(A, Kept::seconds(1_209_600)),
        format!("__Host-sid={A}; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=1209600")
    );
    assert_eq!(
        cookie().removal(),
        "__Host-sid=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0; \
         Expires=Thu, 01 Jan 1970 00:00:00 GMT"
    );
}

#[test]
fn cookie_setting_is_one_attribute() {
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
fn cookie_max_age_is_at_most_400_days() {
    const CAP: u64 = 34_560_000;
    for (seconds, sent) in [(0, 0), (1, 1), (CAP, CAP), (CAP + 1, CAP), (u64::MAX, CAP)] {
        let header = cookie().issue(A, Kept::seconds(seconds));
        assert!(attributes(&header).contains(&format!("Max-Age={sent}")));
    }
}

#[test]
fn cookie_removal_keeps_the_attributes() {
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
        let (set, removal) = (cookie.issue(A, Kept::seconds(60)), cookie.removal());
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
fn cookie_default_name_has_allowed_prefix() {
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
fn cookie_domain_loses_its_leading_dot() {
    let header = issued(|c| c.domain = Some(".example.com".to_owned()));
    assert!(attributes(&header).contains("Domain=example.com"));
    for domain in [".", "..", "-"] {
        rejection(&CookieSettings {
            domain: Some(domain.to_owned()),
            ..CookieSettings::default()
        });
    }
}
