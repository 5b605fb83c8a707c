use aws_sdk_dynamodb::primitives::Blob;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::id::SessionId;
use crate::store::record::{Redirect, Tombstone};

const NOW: Timestamp = Timestamp::from_epoch_seconds(1_700_000_000);
const LATER: Timestamp = Timestamp::from_epoch_seconds(1_700_000_001);

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(text: &str) -> AttributeValue {
    AttributeValue::N(text.to_owned())
}

fn map<const N: usize>(entries: [(&str, AttributeValue); N]) -> AttributeValue {
    AttributeValue::M(entries.map(|(key, value)| (key.to_owned(), value)).into())
}

fn key() -> StorageKey {
    let id = SessionId::parse("A".repeat(43).as_bytes()).unwrap();
    id.storage_key().clone()
}

/// An item of ours, changed.
fn item(change: impl FnOnce(&mut Item)) -> Item {
    let mut item = HashMap::from(
        [
            ("id", s("some hash")),
            ("data", map([("k", s("\"v\""))])),
            ("created", n("1600000000")),
            ("modified", s("2023-11-14T22:13:20Z")),
            ("ttl", n("1700000001")),
            ("version", n("7")),
            ("write", s("an id")),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    change(&mut item);
    item
}

fn found(change: impl FnOnce(&mut Item)) -> Result<Found<()>, ErrorKind> {
    let found = LAYOUT.read(&item(change), NOW);
    found
        .map(|found| found.map(drop))
        .map_err(|error| error.kind())
}

fn live(item: &Item) -> Record {
    match LAYOUT.read(item, NOW).unwrap() {
        Found::Live(record) => record,
        other => panic!("{other:?}"),
    }
}

fn put(name: &str, value: AttributeValue) -> impl FnOnce(&mut Item) {
    move |item| drop(item.insert(name.to_owned(), value))
}

fn written(data: Data) -> Item {
    let record = Record::new(data, NOW, LATER).at_version(1);
    LAYOUT.write(&key(), &record, NOW, "w").unwrap()
}

/// One value of each type.
fn of_each_type() -> Vec<AttributeValue> {
    vec![
        s("1700000001"),
        n("1700000001"),
        AttributeValue::B(Blob::new(b"\0\xff")),
        AttributeValue::Bool(true),
        AttributeValue::Null(true),
        AttributeValue::L(vec![n("1"), s("a")]),
        map([("a", n("1"))]),
        AttributeValue::Ss(vec!["a".to_owned()]),
        AttributeValue::Ns(vec!["1".to_owned()]),
        AttributeValue::Bs(vec![Blob::new(b"a")]),
    ]
}

#[test]
fn each_attribute_is_written_as_it_is_documented() {
    let data: Data = [
        ("visits", Entry::from_json("41")),
        ("name", Entry::from_json("\"ada\"")),
        ("", Entry::from_json("null")),
        ("a.b[0] #:\u{1f980}", Entry::from_json("{\"x\":1.0}")),
    ]
    .into_iter()
    .collect();
    let created = Timestamp::from_epoch_seconds(1_600_000_000);
    let record = Record::new(data, created, LATER).at_version(8);
    let expected = HashMap::from(
        [
            ("id", s("Zmh6rfhivXdsj8GLjp-OIAiXFIVu4jOzkCpZHQ1fKSU")),
            (
                "data",
                map([
                    ("visits", n("41")),
                    ("name", s("\"ada\"")),
                    ("", s("null")),
                    ("a.b[0] #:\u{1f980}", s("{\"x\":1.0}")),
                ]),
            ),
            ("created", n("1600000000")),
            ("modified", s("2023-11-14T22:13:20Z")),
            ("ttl", n("1700000001")),
            ("version", n("8")),
            ("write", s("write-id")),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    let written = LAYOUT.write(&key(), &record, NOW, "write-id").unwrap();
    assert_eq!(written, expected);
}

#[test]
fn an_empty_session_has_an_empty_map() {
    assert_eq!(written(Data::new())["data"], map([]));
}

#[test]
fn a_stub_has_an_id_a_ttl_and_a_mark() {
    let expected = HashMap::from(
        [
            ("id", s(key().as_str())),
            ("ttl", n("1700000001")),
            ("modified", modified(NOW)),
            ("renewed", AttributeValue::Bool(true)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    let stub = LAYOUT.stub(&key(), &LeftBehind::Tombstone(Tombstone::new(NOW, LATER)));
    assert_eq!(stub, expected);
    assert_eq!(
        LAYOUT.read(&stub, NOW).unwrap().map(drop),
        Found::Tombstone(NOW)
    );
    assert_eq!(LAYOUT.read(&stub, LATER).unwrap().map(drop), Found::Absent);
}

#[test]
fn the_stub_of_a_scheduled_renewal_says_where_the_session_went() {
    let next = StorageKey::stored("next");
    let stub = LAYOUT.stub(
        &key(),
        &LeftBehind::Redirect(Redirect::new(NOW, LATER, next.clone())),
    );
    assert_eq!(stub["next"], s("next"));
    let found = LAYOUT.read(&stub, NOW).unwrap().map(drop);
    assert_eq!(found, Found::Redirect(next));
    assert_eq!(LAYOUT.read(&stub, LATER).unwrap().map(drop), Found::Absent);
}

#[test]
fn the_time_of_a_write_is_rfc_3339_in_utc() {
    for (seconds, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (1_700_000_000, "2023-11-14T22:13:20Z"),
        (253_402_300_799, "9999-12-31T23:59:59Z"),
        (253_402_300_800, "253402300800"),
        (u64::MAX, "18446744073709551615"),
    ] {
        let now = Timestamp::from_epoch_seconds(seconds);
        assert_eq!(modified(now), s(text), "{seconds}");
    }
}

#[test]
fn an_item_of_ours_reads_as_its_record() {
    let record = live(&item(|_| ()));
    assert_eq!(record.data().get("k"), Some(&Entry::from_json("\"v\"")));
    assert_eq!(record.created().epoch_seconds(), 1_600_000_000);
    assert_eq!(record.ttl(), LATER);
    assert_eq!(record.version(), 7);
    assert!(record.carried().is_none());
}

#[test]
fn an_item_without_a_mandatory_attribute_is_absent() {
    for name in ["data", "ttl", "created"] {
        let without = found(|item| drop(item.remove(name)));
        assert_eq!(without, Ok(Found::Absent), "{name}");
    }
    assert_eq!(found(Item::clear), Ok(Found::Absent));
}

#[test]
fn an_item_with_a_mandatory_attribute_of_another_type_is_absent() {
    for name in ["data", "ttl", "created"] {
        for value in of_each_type() {
            let right = match name {
                "data" => value.is_m(),
                _ => value.is_n(),
            };
            let expected = if right {
                Found::Live(())
            } else {
                Found::Absent
            };
            let got = found(put(name, value.clone()));
            assert_eq!(got, Ok(expected), "{name}: {value:?}");
        }
    }
}

#[test]
fn what_is_optional_may_be_absent_or_of_another_type() {
    for name in ["id", "modified", "version", "write"] {
        let without = found(|item| drop(item.remove(name)));
        assert_eq!(without, Ok(Found::Live(())), "{name}");
    }
    for value in of_each_type() {
        let mark = value.as_bool() == Ok(&true);
        let expected = if mark {
            Found::Tombstone(NOW)
        } else {
            Found::Live(())
        };
        let got = found(put("renewed", value.clone()));
        assert_eq!(got, Ok(expected), "{value:?}");
    }
    let unmarked = found(put("renewed", AttributeValue::Bool(false)));
    assert_eq!(unmarked, Ok(Found::Live(())));
    let without = item(|item| drop(item.remove("version")));
    assert_eq!(live(&without).version(), 0);
}

#[test]
fn another_format_is_corrupt_until_it_has_expired() {
    assert_eq!(found(put("format", n("1"))), Ok(Found::Live(())));
    for format in [n("2"), n("0"), n("99"), n("1.5"), s("1"), s("2")] {
        let got = found(put("format", format.clone()));
        assert_eq!(got, Err(ErrorKind::Corrupt), "{format:?}");
        // It need not look like ours in anything else.
        let bare = found(|item| {
            item.clear();
            put("format", format.clone())(item);
        });
        assert_eq!(bare, Err(ErrorKind::Corrupt), "{format:?}");
        let dead = found(|item| {
            put("format", format.clone())(item);
            put("ttl", n("1700000000"))(item);
        });
        assert_eq!(dead, Ok(Found::Absent), "{format:?}");
    }
}

#[test]
fn an_item_is_dead_from_the_second_of_its_ttl_on() {
    for (ttl, expected) in [
        ("1700000001", Found::Live(())),
        ("1700000000", Found::Absent),
        ("0", Found::Absent),
        ("-1", Found::Absent),
    ] {
        assert_eq!(found(put("ttl", n(ttl))), Ok(expected), "{ttl}");
    }
}

#[test]
fn integers_are_numbers_and_all_else_is_text() {
    for number in [
        "0",
        "1",
        "-1",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
    ] {
        assert_eq!(encode(&Entry::from_json(number)), n(number));
    }
    for text in [
        "-0",
        "0.0",
        "-0.0",
        "1.0",
        "1e2",
        "1e308",
        "18446744073709551616",
        "-9223372036854775809",
        "007",
        "true",
        "null",
        "\"1\"",
        "[1]",
        "{}",
        "",
        " 1",
        "not json",
    ] {
        assert_eq!(encode(&Entry::from_json(text)), s(text));
    }
}

#[test]
fn an_entry_that_is_no_json_is_kept_as_it_is() {
    for value in of_each_type() {
        let of_one = put("data", map([("odd", value.clone()), ("k", n("1"))]));
        let record = live(&item(of_one));
        let entry = record.data().get("odd").unwrap();
        assert_eq!(entry.json().is_some(), value.is_s() || value.is_n());
        let item = LAYOUT.write(&key(), &record, NOW, "w").unwrap();
        assert_eq!(item["data"].as_m().unwrap()["odd"], value);
        assert_eq!(item["data"].as_m().unwrap()["k"], n("1"));
    }
}

#[test]
fn number_of_another_program_keeps_its_form() {
    let digits = "9".repeat(38);
    for number in [
        "1.5",
        "1.50",
        "1E+100",
        "-0",
        "18446744073709551616",
        &digits,
    ] {
        let entry = decode(&n(number));
        assert_eq!(entry.json(), Some(number));
        assert_eq!(encode(&entry), n(number));
    }
    // A text that looks like an integer is compared as a text.
    let entry = decode(&s("7"));
    assert_eq!((entry.json(), encode(&entry)), (Some("7"), s("7")));
}

#[test]
fn unknown_attributes_are_carried_along() {
    for value in of_each_type() {
        let mut record = live(&item(put("unknown", value.clone())));
        record = record.with_data(Data::new()).with_ttl(LATER).at_version(9);
        let item = LAYOUT.write(&key(), &record, NOW, "w").unwrap();
        assert_eq!(item["unknown"], value);
        assert_eq!(item["version"], n("9"));
        assert_eq!(item["data"], map([]));
        assert_eq!(item.len(), 8);
    }
}

#[test]
fn what_is_ours_is_written_anew_and_not_carried() {
    let record = live(&item(put("format", n("1"))));
    let item = LAYOUT.write(&key(), &record, NOW, "new").unwrap();
    assert_eq!(item["id"], s(key().as_str()));
    assert_eq!(item["write"], s("new"));
    assert!(!item.contains_key("format") && !item.contains_key("renewed"));
}

#[test]
fn a_write_is_known_by_its_id() {
    let item = item(|_| ());
    assert!(LAYOUT.is_written_by(&item, "an id"));
    assert!(!LAYOUT.is_written_by(&item, "another"));
    assert!(!LAYOUT.is_written_by(&Item::new(), ""));
    let odd = HashMap::from([("write".to_owned(), n("1"))]);
    assert!(!LAYOUT.is_written_by(&odd, "1"));
}

#[test]
fn an_item_may_have_400_kb_to_the_byte() {
    let with = |bytes: usize| {
        let entry = Entry::from_json(format!("\"{}\"", "x".repeat(bytes)));
        let data: Data = [("k", entry)].into_iter().collect();
        let record = Record::new(data, NOW, LATER).at_version(1);
        LAYOUT.write(&key(), &record, NOW, "w")
    };
    let overhead = item_size(&with(0).unwrap());
    let room = 409_600 - overhead;
    assert_eq!(item_size(&with(room).unwrap()), 409_600);
    let error = with(room + 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("409601 bytes"), "{error}");

    assert!(check_size(409_600).is_ok());
    assert!(check_size(409_601).is_err());
}

#[test]
fn the_size_of_an_item_is_what_dynamodb_counts() {
    let rows = [
        (s("abc\u{e9}"), 5),
        (AttributeValue::B(Blob::new([0; 7])), 7),
        (AttributeValue::Bool(true), 1),
        (AttributeValue::Null(true), 1),
        (AttributeValue::Ss(vec!["a".into(), "bc".into()]), 3),
        (AttributeValue::Bs(vec![Blob::new([0; 2])]), 2),
        (AttributeValue::Ns(vec!["1".into(), "12".into()]), 6),
        (AttributeValue::L(vec![]), 3),
        (AttributeValue::L(vec![s("ab"), s("")]), 3 + 3 + 1),
        (map([]), 3),
        (map([("key", s("ab"))]), 3 + 1 + 3 + 2),
    ];
    for (value, bytes) in rows {
        assert_eq!(value_size(&value), bytes, "{value:?}");
    }
    // A byte for two digits and one more; the sign counts.
    for (digits, at_least) in [
        ("1", 2),
        ("12", 2),
        ("-12", 3),
        ("18446744073709551615", 11),
    ] {
        let size = value_size(&n(digits));
        assert!(
            (at_least..=at_least + 1).contains(&size),
            "{digits}: {size}"
        );
    }
    let item = HashMap::from([("name".to_owned(), s("abc"))]);
    assert_eq!(item_size(&item), 7);
}

#[test]
fn a_change_too_large_for_an_item_is_refused_before_it_is_sent() {
    let change = |bytes: usize| {
        let mut changes = Changes::default();
        let entry = Entry::from_json(format!("\"{}\"", "x".repeat(bytes)));
        changes.set(None, "new", entry);
        changes
    };
    let large: Data = [(
        "old",
        Entry::from_json(format!("\"{}\"", "x".repeat(200_000))),
    )]
    .into_iter()
    .collect();
    let empty = Data::new();
    assert!(check_room(&change(10), &empty).is_ok());
    assert!(check_room(&change(400_000), &empty).is_ok());
    assert!(check_room(&change(200_000), &large).is_ok());
    for (bytes, base) in [(409_600, &empty), (220_000, &large)] {
        let error = check_room(&change(bytes), base).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }
    // What is replaced does not count.
    let mut replaced = change(220_000);
    replaced.remove(Some(&large), "old");
    assert!(check_room(&replaced, &large).is_ok());
}

#[test]
fn many_small_entries_count_with_what_dynamodb_adds_to_each() {
    // Empty texts and keys of two bytes: 3 bytes each for DynamoDB, 2 by the texts alone.
    let data: Data = (0..140_000_u32)
        .map(|n| {
            let key = char::from_u32(0x1_0000 + n).unwrap().to_string();
            (key, Entry::from_json(""))
        })
        .collect();
    assert!(data_size(&data) > data.size());
    let mut changes = Changes::default();
    for (key, entry) in data.iter() {
        changes.set(None, key, entry.clone());
    }
    let error = check_room(&changes, &Data::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
    .prop_map(|value| value.to_string())
}

proptest! {
    #[test]
    fn a_record_comes_back_as_it_was_put(
        entries in prop::collection::btree_map(any::<String>(), any_json(), 0..6),
        created: u64,
        ttl in NOW.epoch_seconds() + 1..,
        version: u64,
        write: String,
    ) {
        let data: Data = entries
            .iter()
            .map(|(key, text)| (key.as_str(), Entry::from_json(text.as_str())))
            .collect();
        let at = Timestamp::from_epoch_seconds;
        let record = Record::new(data, at(created), at(ttl)).at_version(version);
        let item = LAYOUT.write(&key(), &record, NOW, &write).unwrap();
        prop_assert!(LAYOUT.is_written_by(&item, &write));
        let back = live(&item);
        prop_assert_eq!(back.data(), record.data());
        prop_assert_eq!(back.created(), record.created());
        prop_assert_eq!(back.ttl(), record.ttl());
        prop_assert_eq!(back.version(), version);
        prop_assert!(back.carried().is_none());
        let again = LAYOUT.write(&key(), &back, NOW, &write).unwrap();
        prop_assert_eq!(again, item);
    }

    /// So data whose texts are under half of the limit are under the limit. (Keys of one byte are
    /// few.)
    #[test]
    fn dynamodb_counts_at_most_twice_what_the_texts_have(
        entries in prop::collection::btree_map("\\PC{2,5}", any_json(), 0..6),
    ) {
        let data: Data = entries
            .into_iter()
            .map(|(key, text)| (key, Entry::from_json(text)))
            .collect();
        prop_assert!(data_size(&data) <= 2 * data.size() + 3);
    }
}
