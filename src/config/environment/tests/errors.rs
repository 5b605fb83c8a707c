use super::*;

#[test]
fn variable_error_names_it_without_its_value() {
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
            let error = rejection(name, (*value).into());
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
fn variable_error_hides_misplaced_secret() {
    for name in ALL {
        let error = rejection(name, "hunter 2;hunter\u{fc}".into());
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{name}");
        let told = format!("{error} {error:?}");
        assert!(told.contains(name) && !told.contains("hunter"), "{told}");
    }
}

#[cfg(unix)]
#[test]
fn variable_not_utf_8_is_misconfigured() {
    use std::os::unix::ffi::OsStringExt as _;

    for name in ALL {
        let error = rejection(name, OsString::from_vec(b"/a\xff".to_vec()));
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{name}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn variables_in_conflict_are_misconfigured() {
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
