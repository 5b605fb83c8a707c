use std::collections::HashMap;
use std::ffi::OsString;
use std::time::{Duration, UNIX_EPOCH};

use http::HeaderMap;

use super::*;
use crate::id::SessionId;
use crate::store::dynamodb::settings::TableSettings;
use crate::wire::token::Former;

const ALL: [&str; 14] = [
    "SESSION_DYNAMODB_TABLE",
    "SESSION_DYNAMODB_ENDPOINT",
    "SESSION_DYNAMODB_REGION",
    "SESSION_DYNAMODB_TTL_SECONDS",
    "SESSION_DYNAMODB_CONSISTENT_READ",
    "SESSION_DYNAMODB_USE_HEADER",
    "SESSION_DYNAMODB_HEADER_NAME",
    "SESSION_COOKIE_NAME",
    "SESSION_COOKIE_DOMAIN",
    "SESSION_COOKIE_PATH",
    "SESSION_COOKIE_HTTPONLY",
    "SESSION_COOKIE_SECURE",
    "SESSION_COOKIE_SAMESITE",
    "SESSION_LIFETIME_SECONDS",
];

fn with<T>(variables: &[(&str, OsString)], read: impl Fn(&Variables<'_>) -> T) -> T {
    let variables: HashMap<&str, OsString> = variables.iter().cloned().collect();
    read(&Variables(&|name| variables.get(name).cloned()))
}

fn settings(variables: &[(&str, &str)]) -> Result<Settings, Error> {
    let variables: Vec<_> = variables.iter().map(|(n, v)| (*n, (*v).into())).collect();
    with(&variables, Settings::from_variables)
}

fn table(variables: &[(&str, &str)]) -> Result<TableSettings, Error> {
    let variables: Vec<_> = variables.iter().map(|(n, v)| (*n, (*v).into())).collect();
    with(&variables, TableSettings::from_variables)
}

/// What both parsers say of one variable.
fn refusal(name: &str, value: OsString) -> Error {
    let one = [(name, value)];
    let layer = with(&one, |variables| Settings::from_variables(variables).err());
    let table = with(&one, |variables| {
        TableSettings::from_variables(variables).err()
    });
    layer
        .or(table)
        .unwrap_or_else(|| panic!("{name} was accepted"))
}

#[test]
fn defaults_where_nothing_is_set() {
    let Settings {
        cookie,
        previous_cookies,
        header,
        signing_keys,
        user_hash_key,
        audience,
        expiry,
        max_size,
        clock: _,
        on_error,
    } = settings(&[]).unwrap();
    assert_eq!((cookie.name, audience), (None, None));
    assert_eq!(cookie.path, "/");
    assert_eq!(cookie.domain, None);
    assert_eq!(cookie.same_site, SameSite::Lax);
    assert!(cookie.secure && cookie.http_only);
    assert!(!cookie.partitioned && !cookie.browser_session);
    assert!(previous_cookies.is_empty());
    assert_eq!(header, None);
    assert!(signing_keys.is_none() && user_hash_key.is_none());
    assert_eq!(expiry.idle, Duration::from_secs(1_209_600));
    assert_eq!(expiry.lifetime, Duration::from_secs(90 * 86_400));
    assert_eq!(expiry.touch, None);
    assert_eq!(max_size, 65_536);
    let answer = on_error(&Error::new(ErrorKind::Gone, "gone"));
    assert_eq!(answer.status(), 409);

    let expected = TableSettings {
        table: "sessions".to_owned(),
        users_table: None,
        endpoint: None,
        region: None,
        consistent_read: true,
    };
    assert_eq!(table(&[]).unwrap(), expected);
}

/// 32 bytes of 251, which the two alphabets write differently.
const KEY: &str = "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=";

#[test]
fn keys_are_base64_of_any_kind_with_commas_in_between() {
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
        let error = refusal("SESSION_SIGNING_KEYS", text.into());
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
        let error = refusal("SESSION_USER_KEY", text.into());
        assert!(error.to_string().contains("SESSION_USER_KEY"), "{error}");
    }
}

#[test]
fn each_variable_sets_its_setting() {
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
        ("SESSION_LIFETIME_SECONDS", "61", |s| {
            s.expiry.lifetime.as_secs() == 61
        }),
        ("SESSION_DYNAMODB_USE_HEADER", "true", |s| {
            s.header.as_deref() == Some("X-SessionId")
        }),
        // A name alone does not switch the header on.
        ("SESSION_DYNAMODB_HEADER_NAME", "X-Id", |s| {
            s.header.is_none()
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
    assert_eq!(settings(&header).unwrap().header.as_deref(), Some("X-Id"));
}

#[test]
fn audience_has_a_name_and_pseudonyms_of_its_own() {
    for wrong in ["", &"a".repeat(257)] {
        let error = refusal("SESSION_AUDIENCE", wrong.into());
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
fn each_variable_of_the_table_sets_its_setting() {
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
        consistent_read: false,
    };
    assert_eq!(all.unwrap(), expected);
}

#[test]
fn flags_are_true_and_false_and_their_digits() {
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
        assert_eq!(table.unwrap().consistent_read, expected, "{value}");
        let layer = settings(&[("SESSION_COOKIE_HTTPONLY", value)]).unwrap();
        assert_eq!(layer.cookie.http_only, expected, "{value}");
    }
}

#[test]
fn a_wrong_value_is_an_error_that_names_the_variable_and_not_the_value() {
    const FLAG: &[&str] = &["", "yes", "on", " true", "2", "wahr"];
    const SECONDS: &[&str] = &["", "0", "-1", "1.5", "1h", " 1", "18446744073709551616"];
    let wrong: [&[&str]; 14] = [
        &["", "ab", "no table", "arn:aws:s3:::bucket"],
        &[
            "",
            "localhost:8000",
            "ftp://host",
            "http://",
            "/path",
            "http://h/ x",
        ],
        &["", "eu central", "eu_central_1", "a.b/c"],
        SECONDS,
        FLAG,
        FLAG,
        &[
            "",
            "x y",
            "Cookie",
            "set-cookie",
            "Vary",
            "X-Amz-Date",
            "\u{fc}",
        ],
        &["", "a b", "a=b", "a;b", "\u{fc}mlaut"],
        &["", "a b", "exam;ple", "."],
        &["", "app", "/a;b", "/\u{fc}"],
        FLAG,
        FLAG,
        &["", "laxer", "Lax ", "true"],
        SECONDS,
    ];
    for (name, values) in ALL.into_iter().zip(wrong) {
        for value in values {
            let error = refusal(name, (*value).into());
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{name}={value}");
            let told = format!("{error} {error:?}");
            assert!(told.contains(name), "{name}={value}: {told}");
            // The name itself, and what the variable is to hold, may have what is short.
            if value.len() > 5 {
                let told = told.replace(name, "");
                assert!(!told.contains(value), "{name}={value}: {told}");
            }
        }
    }
}

#[test]
fn a_secret_in_the_wrong_variable_is_not_told() {
    for name in ALL {
        let error = refusal(name, "hunter 2;hunter\u{fc}".into());
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{name}");
        let told = format!("{error} {error:?}");
        assert!(told.contains(name) && !told.contains("hunter"), "{told}");
    }
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf_8_is_refused() {
    use std::os::unix::ffi::OsStringExt as _;

    for name in ALL {
        let error = refusal(name, OsString::from_vec(b"/a\xff".to_vec()));
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{name}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_combination_that_cannot_work_is_refused() {
    for variables in [
        [
            ("SESSION_COOKIE_NAME", "__Host-sid"),
            ("SESSION_COOKIE_SECURE", "false"),
        ],
        [
            ("SESSION_COOKIE_SAMESITE", "None"),
            ("SESSION_COOKIE_SECURE", "false"),
        ],
        [
            ("SESSION_COOKIE_NAME", "__Host-sid"),
            ("SESSION_COOKIE_DOMAIN", "example.com"),
        ],
    ] {
        let error = settings(&variables).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{variables:?}");
        for one in variables {
            assert!(settings(&[one]).is_ok(), "{one:?}");
        }
    }
}

#[test]
fn a_timeout_of_under_a_second_is_refused() {
    for change in [
        |s: &mut Settings| s.expiry.idle = Duration::from_millis(999),
        |s: &mut Settings| s.expiry.lifetime = Duration::ZERO,
    ] {
        let mut settings = Settings::default();
        assert!(settings.validate().is_ok());
        change(&mut settings);
        let error = settings.validate().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
    }
}

#[test]
fn the_variables_reach_the_cookie() {
    let settings = settings(&[
        ("SESSION_COOKIE_PATH", "/app"),
        ("SESSION_COOKIE_SAMESITE", "strict"),
    ])
    .unwrap();
    let id = SessionId::parse("A".repeat(43).as_bytes()).unwrap();
    let mut headers = HeaderMap::new();
    settings
        .validate()
        .unwrap()
        .issue(&mut headers, &id, 5, Former::NONE);
    let expected = format!(
        "sid={}; HttpOnly; SameSite=Strict; Secure; Path=/app; Max-Age=5",
        id.expose()
    );
    assert_eq!(headers["set-cookie"], expected);
}

#[test]
fn now_is_what_the_clock_says() {
    let settings = Settings {
        clock: Arc::new(|| UNIX_EPOCH + Duration::from_millis(7_999)),
        ..Settings::default()
    };
    assert_eq!(settings.now(), Timestamp::from_epoch_seconds(7));
}
