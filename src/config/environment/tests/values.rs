use std::time::Duration;

use http::HeaderMap;

use super::*;
use crate::config::settings::SkipTouch;
use crate::id::SessionId;
use crate::wire::cookie::session_cookie::Kept;
use crate::wire::hints::Hints;
use crate::wire::received::Reply;

/// 32 bytes of 251, which the two alphabets write differently.
const KEY: &str = "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=";

#[test]
fn defaults_apply_without_variables() {
    let Settings {
        carriers,
        cookie,
        cookie_scopes,
        previous_cookies,
        signing_keys,
        user_hash_key,
        audience,
        expiry,
        max_size,
        prefetch,
        skip_touch,
        web_adapter,
        clock: _,
        on_error,
        #[cfg(feature = "flask")]
            import: _,
    } = settings(&[]).unwrap();
    assert_eq!((cookie.name, audience), (None, None));
    assert_eq!(cookie.path, "/");
    assert_eq!(cookie.domain, None);
    assert_eq!(cookie.same_site, SameSite::Lax);
    assert!(cookie.secure && cookie.http_only);
    assert!(!cookie.partitioned && !cookie.browser_session);
    assert!(previous_cookies.is_empty());
    assert_eq!(carriers, Carriers::Cookie);
    assert!(cookie_scopes.is_none());
    assert!(signing_keys.is_none() && user_hash_key.is_none());
    assert_eq!(expiry.idle, Duration::from_secs(1_209_600));
    assert_eq!(expiry.lifetime, Duration::from_secs(90 * 86_400));
    assert_eq!(expiry.touch, None);
    assert_eq!((expiry.max_idle, expiry.max_lifetime), (None, None));
    assert!(matches!(skip_touch, SkipTouch::Never));
    assert_eq!((max_size, prefetch, web_adapter), (65_536, false, false));
    let on_error = on_error.for_request(&http::Request::new(()));
    let response = on_error.respond(&Error::new(ErrorKind::Gone, "gone"));
    assert_eq!(response.status(), 409);

    let expected = TableSettings {
        table: "sessions".to_owned(),
        users_table: None,
        endpoint: None,
        region: None,
        eventually_consistent: false,
    };
    assert_eq!(table(&[]).unwrap(), expected);
}

#[test]
fn signing_keys_are_base64_of_any_kind() {
    let unpadded = KEY.trim_end_matches('=');
    let url = KEY.replace('+', "-").replace('/', "_");
    let mac = |key: &SigningKey| key.mac(b"message");
    let expected = mac(&SigningKey::new([251; 32]).unwrap());
    for (text, count) in [
        (KEY.to_owned(), 1),
        (unpadded.to_owned(), 1),
        (url.clone(), 1),
        (format!("{KEY},{url}"), 2),
        (format!(" {KEY} , {unpadded} , {url} "), 3),
    ] {
        let keys = settings(&[("SESSION_SIGNING_KEYS", &text)])
            .unwrap()
            .signing_keys;
        let keys = keys.unwrap();
        assert_eq!(keys.len(), count, "{text}");
        assert!(keys.iter().all(|key| mac(key) == expected), "{text}");
    }
    let short = "A".repeat(41);
    for text in [
        "",
        ",",
        "secret",
        &short,
        &format!("{KEY},"),
        &format!("{KEY} {KEY}"),
    ] {
        let error = rejection("SESSION_SIGNING_KEYS", text.into());
        assert!(
            error.to_string().contains("SESSION_SIGNING_KEYS"),
            "{error}"
        );
        assert!(text.is_empty() || text == "," || !error.to_string().contains(text));
    }
    let key = settings(&[("SESSION_USER_KEY", &url)])
        .unwrap()
        .user_hash_key;
    assert_eq!(mac(&key.unwrap()), expected);
    for text in ["", "secret", &short, &format!("{KEY},{KEY}")] {
        let error = rejection("SESSION_USER_KEY", text.into());
        assert!(error.to_string().contains("SESSION_USER_KEY"), "{error}");
    }
}

#[test]
fn variable_sets_its_setting() {
    type Check = fn(&Settings) -> bool;
    let rows: &[(&str, &str, Check)] = &[
        ("SESSION_COOKIE_NAME", "id", |s| {
            s.cookie.name.as_deref() == Some("id")
        }),
        ("SESSION_COOKIE_DOMAIN", "example.com", |s| {
            s.cookie.domain.as_deref() == Some("example.com")
        }),
        ("SESSION_COOKIE_PATH", "/app", |s| s.cookie.path == "/app"),
        ("SESSION_COOKIE_HTTPONLY", "false", |s| !s.cookie.http_only),
        ("SESSION_COOKIE_SECURE", "false", |s| !s.cookie.secure),
        ("SESSION_COOKIE_SAMESITE", "Strict", |s| {
            s.cookie.same_site == SameSite::Strict
        }),
        ("SESSION_COOKIE_SAMESITE", "none", |s| {
            s.cookie.same_site == SameSite::None
        }),
        ("SESSION_DYNAMODB_TTL_SECONDS", "60", |s| {
            s.expiry.idle.as_secs() == 60
        }),
        ("SESSION_SIGNING_KEYS", KEY, |s| {
            s.signing_keys.as_ref().is_some_and(|keys| keys.len() == 1)
        }),
        ("SESSION_USER_KEY", KEY, |s| s.user_hash_key.is_some()),
        ("SESSION_AUDIENCE", "shop", |s| {
            s.audience.as_deref() == Some("shop")
        }),
        ("SESSION_MAX_IDLE_TIMEOUT_SECONDS", "62", |s| {
            s.expiry.max_idle == Some(Duration::from_secs(62))
        }),
        ("SESSION_MAX_LIFETIME_SECONDS", "63", |s| {
            s.expiry.max_lifetime == Some(Duration::from_secs(63))
        }),
        ("SESSION_LIFETIME_SECONDS", "61", |s| {
            s.expiry.lifetime.as_secs() == 61
        }),
        ("SESSION_DYNAMODB_USE_HEADER", "true", |s| {
            s.carriers == Carriers::Header("X-SessionId".to_owned())
        }),
        // A name alone does not switch the header on.
        ("SESSION_DYNAMODB_HEADER_NAME", "X-Id", |s| {
            s.carriers == Carriers::Cookie
        }),
    ];
    let default = settings(&[]).unwrap();
    for (name, value, check) in rows {
        assert!(check(&settings(&[(name, value)]).unwrap()), "{name}");
        if *name != "SESSION_DYNAMODB_HEADER_NAME" {
            assert!(!check(&default), "{name} sets what is the default");
        }
    }
    let header = [
        ("SESSION_DYNAMODB_USE_HEADER", "1"),
        ("SESSION_DYNAMODB_HEADER_NAME", "X-Id"),
    ];
    let expected = Carriers::Header("X-Id".to_owned());
    assert_eq!(settings(&header).unwrap().carriers, expected);
}

#[test]
fn audience_has_its_own_pseudonyms() {
    for wrong in ["", &"a".repeat(257)] {
        let error = rejection("SESSION_AUDIENCE", wrong.into());
        assert!(error.to_string().contains("SESSION_AUDIENCE"), "{error}");
        let by_hand = Settings {
            audience: Some(wrong.to_owned()),
            ..Settings::default()
        };
        let error = by_hand.validate().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
    }
    let of = |audience: Option<&str>, key: Option<&str>| {
        let audience = audience.map(|name| ("SESSION_AUDIENCE", name));
        let key = key.map(|key| ("SESSION_USER_KEY", key));
        let all: Vec<_> = audience.into_iter().chain(key).collect();
        settings(&all).unwrap().pseudonym("ada").unwrap()
    };
    let all = [
        of(None, None),
        of(None, Some(KEY)),
        of(Some("shop"), None),
        of(Some("shop"), Some(KEY)),
        of(Some("blog"), None),
        of(Some("blog"), Some(KEY)),
    ];
    for (n, one) in all.iter().enumerate() {
        assert!(!all[..n].contains(one), "{n}");
    }
    assert_eq!(of(Some("shop"), Some(KEY)), all[3], "and they stay");
}

#[test]
fn variable_of_the_table_sets_its_setting() {
    let arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/sessions";
    let all = table(&[
        ("SESSION_DYNAMODB_TABLE", arn),
        ("SESSION_DYNAMODB_USERS_TABLE", "users"),
        ("SESSION_DYNAMODB_ENDPOINT", "http://localhost:8000"),
        ("SESSION_DYNAMODB_REGION", "eu-central-1"),
        ("SESSION_DYNAMODB_CONSISTENT_READ", "false"),
    ]);
    let expected = TableSettings {
        table: arn.to_owned(),
        users_table: Some("users".to_owned()),
        endpoint: Some("http://localhost:8000".to_owned()),
        region: Some("eu-central-1".to_owned()),
        eventually_consistent: true,
    };
    assert_eq!(all.unwrap(), expected);
}

#[test]
fn flag_is_true_false_1_or_0() {
    for (value, expected) in [
        ("true", true),
        ("True", true),
        ("TRUE", true),
        ("1", true),
        ("false", false),
        ("False", false),
        ("0", false),
    ] {
        let table = table(&[("SESSION_DYNAMODB_CONSISTENT_READ", value)]);
        assert_eq!(!table.unwrap().eventually_consistent, expected, "{value}");
        let layer = settings(&[("SESSION_COOKIE_HTTPONLY", value)]).unwrap();
        assert_eq!(layer.cookie.http_only, expected, "{value}");
    }
}

#[test]
fn variables_reach_the_cookie() {
    let settings = settings(&[
        ("SESSION_COOKIE_PATH", "/app"),
        ("SESSION_COOKIE_SAMESITE", "strict"),
    ])
    .unwrap();
    let id = SessionId::parse("A".repeat(43).as_bytes()).unwrap();
    let mut headers = HeaderMap::new();
    settings.validate().unwrap().issue(
        &mut headers,
        Reply::default(),
        &id,
        Hints::default(),
        Kept::seconds(5),
    );
    let expected = format!(
        "sid={}; HttpOnly; SameSite=Strict; Secure; Path=/app; Max-Age=5",
        id.expose()
    );
    assert_eq!(headers["set-cookie"], expected);
}
