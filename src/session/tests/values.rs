//! Reading, inserting and removing values.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::session::decision::Outcome;
use crate::session::handle::Session;
use crate::session::tests::fake::{
    CREATED, Fake, NOW, TTL, at_the_end, contents, data, id, rules, unread_session,
};
use crate::session::write_only::WriteOnlySession;
use crate::store::data::Entry;
use crate::store::record::{Found, Record};

/// Returns arrays in arrays.
fn nested(depth: usize) -> Value {
    (1..depth).fold(json!([]), |inner, _| json!([inner]))
}

#[test]
fn values_are_read_back_as_inserted() {
    let session = Session::detached(());
    assert!(session.is_empty());
    session.insert("text", "caf\u{e9} \u{1f980} \0").unwrap();
    session.insert("n", u64::MAX).unwrap();
    session.insert("float", -0.0_f64).unwrap();
    session.insert("big", 1e308).unwrap();
    session.insert("list", [1, 2]).unwrap();
    session.insert("none", None::<u8>).unwrap();
    session.insert("unit", ()).unwrap();
    let map = HashMap::from([(String::new(), 1)]);
    session.insert("map", &map).unwrap();

    let text: Option<String> = session.get("text").unwrap();
    assert_eq!(text.as_deref(), Some("caf\u{e9} \u{1f980} \0"));
    assert_eq!(session.get("n").unwrap(), Some(u64::MAX));
    let zero: f64 = session.get("float").unwrap().unwrap();
    assert!(zero == 0.0 && zero.is_sign_negative());
    assert_eq!(session.get("big").unwrap(), Some(1e308));
    assert_eq!(session.get("list").unwrap(), Some(vec![1, 2]));
    assert_eq!(session.get::<Option<u8>>("none").unwrap(), Some(None));
    assert_eq!(session.get::<()>("unit").unwrap(), Some(()));
    assert_eq!(session.get("map").unwrap(), Some(map));
    assert_eq!(session.get::<u8>("absent").unwrap(), None);
    let keys = ["big", "float", "list", "map", "n", "none", "text", "unit"];
    assert_eq!(session.keys(), keys);
    assert!(session.contains("none") && !session.contains("absent"));
}

#[test]
fn key_reads_and_writes_values_of_its_type() {
    const NAME: Key<String> = Key::new("name");
    const VISITS: Key<i64> = Key::new("visits");
    let session = Session::detached(());
    session.insert(NAME, "ada").unwrap();
    session.increment(VISITS, 2).unwrap();
    assert_eq!(session.get(NAME).unwrap().as_deref(), Some("ada"));
    assert_eq!(session.take(VISITS).unwrap(), Some(2));
    assert!(session.contains(NAME));
    session.remove(NAME).unwrap();
    assert!(session.is_empty());
}

#[test]
fn take_removes_the_value() {
    let session = Session::detached(json!({ "flash": "saved", "other": 1 }));
    let taken: Option<String> = session.take("flash").unwrap();
    assert_eq!(taken.as_deref(), Some("saved"));
    assert_eq!(session.take::<String>("flash").unwrap(), None);
    assert_eq!(session.keys(), ["other"]);
}

#[test]
fn clear_keeps_later_values() {
    let session = Session::detached(json!({ "a": 1, "b": 2 }));
    session.clear().unwrap();
    assert!(session.is_empty());
    assert_eq!(session.increment("a", 5).unwrap(), 5);
    assert_eq!(session.keys(), ["a"]);
}

#[test]
fn failing_methods_change_nothing() {
    use ErrorKind::{Deserialize, InvalidKey, Serialize};
    type Attempt = fn(&Session) -> Result<(), Error>;
    let rows: &[(ErrorKind, Attempt)] = &[
        (Deserialize, |s| s.get::<u8>("text").map(drop)),
        (Deserialize, |s| s.get::<u8>("n").map(drop)),
        (Deserialize, |s| s.take::<u8>("text").map(drop)),
        (Deserialize, |s| s.increment("text", 1).map(drop)),
        (Deserialize, |s| s.increment("big", 1).map(drop)),
        (Serialize, |s| s.increment("n", i64::MAX).map(drop)),
        (Serialize, |s| s.insert("n", nested(128))),
        (Serialize, |s| s.insert("n", HashMap::from([(vec![1], 1)]))),
        (InvalidKey, |s| s.insert("", 1)),
        (InvalidKey, |s| s.get::<u8>("").map(drop)),
        (InvalidKey, |s| s.take::<u8>("").map(drop)),
        (InvalidKey, |s| s.increment("", 1).map(drop)),
        (InvalidKey, |s| s.insert("k".repeat(65_536), 1)),
    ];
    let values = json!({ "text": "a", "n": 300, "big": u64::MAX });
    for (n, (kind, attempt)) in rows.iter().enumerate() {
        let session = Session::detached(&values);
        session.insert("added", 1).unwrap();
        let before = contents(&session);
        assert!(session.failure().is_none());
        let error = attempt(&session).unwrap_err();
        assert_eq!(error.kind(), *kind, "row {n}");
        assert_eq!(contents(&session), before, "row {n}");
        assert_eq!(session.failure().unwrap().kind(), *kind, "row {n}");
    }
}

#[test]
fn remove_of_an_invalid_key_fails() {
    let session = Session::detached(json!({ "a": 1 }));
    for invalid in ["", &"k".repeat(65_536)] {
        let error = session.remove(invalid).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidKey);
        let unread = WriteOnlySession(session.clone());
        assert_eq!(
            unread.remove(invalid).unwrap_err().kind(),
            ErrorKind::InvalidKey
        );
        assert!(!session.contains(invalid));
    }
    assert_eq!(session.keys(), ["a"]);
    let longest = "k".repeat(65_535);
    session.insert(&longest, 1).unwrap();
    assert_eq!(session.get(&longest).unwrap(), Some(1));
}

#[test]
fn clones_share_one_session() {
    let session = Session::detached(());
    let clone = session.clone();
    clone.insert("a", 1).unwrap();
    session.increment("a", 1).unwrap();
    assert_eq!(clone.get("a").unwrap(), Some(2));
    session.destroy().unwrap();
    assert!(clone.is_empty());
}

#[test]
fn insert_stores_a_nan_as_null() {
    let session = Session::detached(());
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        session.insert("odd", odd).unwrap();
        assert_eq!(session.get::<Option<f64>>("odd").unwrap(), Some(None));
    }
}

#[test]
fn insert_accepts_127_levels() {
    let session = Session::detached(());
    for depth in [1, 40, 126, 127] {
        session.insert("deep", nested(depth)).unwrap();
        let back: Option<Value> = session.get("deep").unwrap();
        assert_eq!(back, Some(nested(depth)), "{depth}");
    }
    for depth in [128, 129, 500] {
        let error = session.insert("deep", nested(depth)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Serialize, "{depth}");
    }
    assert_eq!(session.get("deep").unwrap(), Some(nested(127)));
    // A wide value is not a deep one.
    let wide = vec![nested(2); 200];
    session.insert("wide", &wide).unwrap();
    assert_eq!(session.get("wide").unwrap(), Some(wide));
    session.insert("text", "[".repeat(500)).unwrap();
}

#[test]
fn debug_shows_no_secret() {
    let session = Session::detached(json!({ "secret-key": "secret-value" }));
    session.insert("secret-new", "secret-too").unwrap();
    let other = unread_session(id("A"));
    let unread = WriteOnlySession(other.clone());
    let shown = format!("{session:?} {session:#?} {other:?} {unread:?}");
    assert!(!shown.contains("secret"), "{shown}");
    assert!(!shown.contains(id("A").expose()), "{shown}");
    assert!(!shown.contains(id("A").storage_key().as_str()), "{shown}");
    assert!(shown.contains(id("A").fingerprint()), "{shown}");
}

#[test]
fn get_or_reset_removes_values_of_another_type() {
    let session = Session::detached(json!({ "prefs": "old", "n": 1 }));
    assert_eq!(session.get_or_reset::<Vec<u8>>("prefs").unwrap(), None);
    assert!(!session.contains("prefs"));
    assert_eq!(session.get_or_reset::<u8>("n").unwrap(), Some(1));
    assert_eq!(session.get_or_reset::<u8>("absent").unwrap(), None);
    let error = session.get_or_reset::<u8>("").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidKey);
    session
        .update("prefs", |prefs: &mut Vec<u8>| prefs.push(1))
        .unwrap();
    assert_eq!(session.get("prefs").unwrap(), Some(vec![1_u8]));
}

thread_local! {
    static OPEN: std::cell::RefCell<Option<Session>> = const { std::cell::RefCell::new(None) };
}

/// A value that uses the session while it is parsed.
struct Curious;

impl<'de> serde::Deserialize<'de> for Curious {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer)?;
        let session = OPEN.with_borrow(Clone::clone).unwrap();
        session.insert("parsed", true).unwrap();
        Ok(Self)
    }
}

#[tokio::test]
async fn get_and_take_parse_without_the_lock() {
    let (session, _) = Fake::holding(&[("c", "1")]).session().await;
    OPEN.set(Some(session.clone()));
    assert!(session.get::<Curious>("c").unwrap().is_some());
    assert!(session.take_once::<Curious>("c").unwrap().is_some());
    assert_eq!(contents(&session), json!({ "parsed": true }));
    OPEN.set(None);
}

#[test]
fn failure_is_an_error_that_is_still_held() {
    let session = Session::detached(json!({ "text": "a" }));
    let held = session.get::<u8>("text").unwrap_err();
    let dealt_with = session.insert("", 1).unwrap_err();
    assert_eq!(session.failure().unwrap().kind(), ErrorKind::InvalidKey);
    drop(dealt_with);
    let wrapped: Box<dyn std::error::Error + Send + Sync> = held.into();
    assert_eq!(session.failure().unwrap().kind(), ErrorKind::Deserialize);
    drop(wrapped);
    assert!(session.failure().is_none());
}

#[test]
fn get_of_a_value_without_json_fails() {
    use crate::store::native::NativeValue;
    let mut stored = data(&[("bad", "not json"), ("good", "1")]);
    stored.insert("native", Entry::native(NativeValue::Bool(true), None));
    let session = unread_session(id("A"));
    let found = Found::Live(Record::new(stored, CREATED, TTL));
    session.loaded(found, None, NOW, &rules());
    for key in ["bad", "native"] {
        let error = session.get::<Value>(key).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deserialize, "{key}");
        assert!(!format!("{error} {error:?}").contains("not json"));
        assert!(session.contains(key));
    }
    assert_eq!(session.get("good").unwrap(), Some(1));
    assert_eq!(session.keys(), ["bad", "good", "native"]);
    assert_eq!(at_the_end(&session), (Outcome::Keep, String::new()));
}

#[test]
fn get_or_insert_with_inserts_only_if_absent() {
    const THEME: Key<String> = Key::new("theme");
    let session = Session::detached(json!({ "n": 1, "null": null }));
    let theme = session.get_or_insert_with(THEME, || "light".to_owned());
    assert_eq!(theme.unwrap(), "light");
    let theme = session.get_or_insert_with(THEME, || unreachable!());
    assert_eq!(theme.unwrap(), "light");
    let null = session.get_or_insert_with("null", || Some(1));
    assert_eq!(null.unwrap(), None, "a `null` is a value");
    assert_eq!(session.get_or_insert_with("n", || 2).unwrap(), 1);
    let expected = json!({ "n": 1, "null": null, "theme": "light" });
    assert_eq!(contents(&session), expected);
}

#[test]
fn get_or_insert_with_keeps_a_racing_value() {
    let session = Session::detached(());
    let racing = session.get_or_insert_with("n", || {
        // The session is unlocked here.
        session.insert("n", 1).unwrap();
        2
    });
    assert_eq!(racing.unwrap(), 1);
    assert_eq!(session.get("n").unwrap(), Some(1));
    let racing = session.get_or_insert_with("other", || {
        session.insert("other", "text").unwrap();
        2
    });
    assert_eq!(racing.unwrap_err().kind(), ErrorKind::Deserialize);
    assert_eq!(contents(&session), json!({ "n": 1, "other": "text" }));
}

#[test]
fn get_or_insert_with_in_threads_gives_one_value() {
    let session = Session::detached(());
    let barrier = std::sync::Barrier::new(8);
    let got: Vec<usize> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let (session, barrier) = (&session, &barrier);
                scope.spawn(move || {
                    let get = session.get_or_insert_with("n", || {
                        barrier.wait();
                        n
                    });
                    get.unwrap()
                })
            })
            .collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let stored: usize = session.get("n").unwrap().unwrap();
    assert_eq!(got, [stored; 8]);
}

#[test]
fn get_or_insert_with_fails_without_a_change() {
    let session = Session::detached(json!({ "text": "a" }));
    let failed = session.get_or_insert_with::<u8>("text", || unreachable!());
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Deserialize);
    let failed = session.get_or_insert_with::<u8>("", || unreachable!());
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::InvalidKey);
    let failed = session.get_or_insert_with("deep", || nested(128));
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Serialize);
    assert_eq!(session.failure().map(|error| error.kind()), None, "dropped");
    session.close();
    let failed = session.get_or_insert_with::<u8>("late", || unreachable!());
    assert_eq!(failed.unwrap_err().kind(), ErrorKind::Misconfigured);
    let text = session.get_or_insert_with::<String>("text", || unreachable!());
    assert_eq!(text.unwrap(), "a", "nothing is to be written");
    assert_eq!(contents(&session), json!({ "text": "a" }));
}
