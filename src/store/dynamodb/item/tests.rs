use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;

use super::*;
use crate::store::data::Entry;
use crate::store::dynamodb::testing::{NOW, any_json, key, m, n, of_each_type, s};
use crate::store::record::Redirect;

const LATER: Timestamp = Timestamp::from_epoch_seconds(1_700_000_001);

/// Returns an item of ours, changed.
fn item(change: impl FnOnce(&mut Item)) -> Item {
    let mut item = HashMap::from(
        [
            ("id", s("some hash")),
            ("data", m([("k", s("\"v\""))])),
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
    let found = read(item(change), NOW);
    found
        .map(|found| found.map(drop))
        .map_err(|error| error.kind())
}

fn live(item: &Item) -> Record {
    match read(item.clone(), NOW).unwrap() {
        Found::Live(record) => record,
        other => panic!("{other:?}"),
    }
}

fn put(name: &str, value: AttributeValue) -> impl FnOnce(&mut Item) {
    move |item| drop(item.insert(name.to_owned(), value))
}

fn written(data: Data) -> Item {
    let record = Record::new(data, NOW, LATER).at_version(1);
    write(&key(), &record, NOW, "w").unwrap()
}

/// The page that describes the item names each attribute, and no other.
#[test]
fn attributes_are_those_of_the_documentation() {
    let page = include_str!("../../../../docs/storage.md");
    let table = page
        .split("## ")
        .find(|part| part.starts_with("Session table"));
    let rows = table
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeSet<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    assert_eq!(documented, NAMES.iter().copied().collect());
    assert_eq!(documented.len(), NAMES.len(), "each name is used once");
}

#[test]
fn successor_of_a_tombstone_or_redirect() {
    let to = StorageKey::stored("to");
    let left = Tombstone::new(NOW, LATER);
    let redirect = Redirect::new(NOW, LATER, to.clone());
    for (left, expected) in [
        (LeftBehind::Tombstone(left.clone()), None),
        (
            LeftBehind::Tombstone(left.succeeded_by(to.clone())),
            Some(to.clone()),
        ),
        (LeftBehind::Redirect(redirect), Some(to)),
    ] {
        assert_eq!(successor(&write_retired(&key(), &left)), expected);
    }
}

#[test]
fn record_is_written_as_documented() {
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
                m([
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
    let written = write(&key(), &record, NOW, "write-id").unwrap();
    assert_eq!(written, expected);
}

#[test]
fn empty_session_has_an_empty_map() {
    assert_eq!(written(Data::new())["data"], m([]));
}

#[test]
fn tombstone_has_an_id_a_ttl_and_a_mark() {
    let expected = HashMap::from(
        [
            ("id", s(key().as_str())),
            ("ttl", n("1700000001")),
            ("modified", MODIFIED.stored(&NOW)),
            ("retired", AttributeValue::Bool(true)),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    let left = write_retired(&key(), &LeftBehind::Tombstone(Tombstone::new(NOW, LATER)));
    assert_eq!(left, expected);
    assert_eq!(
        read(left.clone(), NOW).unwrap().map(drop),
        Found::Tombstone(NOW)
    );
    assert_eq!(read(left.clone(), LATER).unwrap().map(drop), Found::Absent);
}

#[test]
fn redirect_names_the_next_key() {
    let next = StorageKey::stored("next");
    let left = write_retired(
        &key(),
        &LeftBehind::Redirect(Redirect::new(NOW, LATER, next.clone())),
    );
    assert_eq!(left["next"], s("next"));
    let found = read(left.clone(), NOW).unwrap().map(drop);
    assert_eq!(found, Found::Redirect(next));
    assert_eq!(read(left.clone(), LATER).unwrap().map(drop), Found::Absent);
}

#[test]
fn item_reads_as_its_record() {
    let record = live(&item(|_| ()));
    assert_eq!(record.data().get("k"), Some(&Entry::from_json("\"v\"")));
    assert_eq!(record.created().epoch_seconds(), 1_600_000_000);
    assert_eq!(record.ttl(), LATER);
    assert_eq!(record.version(), 7);
    assert!(record.native().is_none());
}

#[test]
fn item_without_a_mandatory_part_is_absent() {
    for name in ["data", "ttl", "created"] {
        let without = found(|item| drop(item.remove(name)));
        assert_eq!(without, Ok(Found::Absent), "{name}");
    }
    assert_eq!(found(Item::clear), Ok(Found::Absent));
}

#[test]
fn item_with_a_part_of_another_type_is_absent() {
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
fn attribute_of_another_type_is_not_copied() {
    let odd = item(|item| drop(item.insert("issued".to_owned(), s("yesterday"))));
    let record = live(&odd);
    assert_eq!(record.issued(), None);
    assert!(record.native().is_none(), "it is not an unknown attribute");
    let copy = write(&key(), &record, NOW, "w").unwrap();
    assert!(!copy.contains_key("issued"));
}

#[test]
fn optional_attributes_may_be_absent_or_odd() {
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
        let got = found(put("retired", value.clone()));
        assert_eq!(got, Ok(expected), "{value:?}");
    }
    // A lifetime of another type, or of nothing, is that of the layer.
    for name in ["idle", "ends", "persistent"] {
        for value in of_each_type().into_iter().chain([n(0), n("0.5"), n(-1)]) {
            let is_valid = match name {
                "persistent" => value.is_bool(),
                _ => value == n("1700000001"),
            };
            let odd = item(put(name, value.clone()));
            let own = live(&odd).lifetimes();
            assert_eq!(own != Lifetimes::default(), is_valid, "{name} {value:?}");
        }
    }
    let unmarked = found(put("retired", AttributeValue::Bool(false)));
    assert_eq!(unmarked, Ok(Found::Live(())));
    let without = item(|item| drop(item.remove("version")));
    assert_eq!(live(&without).version(), 0);
}

#[test]
fn format_of_another_version_is_corrupt() {
    assert_eq!(found(put("fmt", n("1"))), Ok(Found::Live(())));
    for format in [n("2"), n("0"), n("99"), n("1.5"), s("1"), s("2")] {
        let got = found(put("fmt", format.clone()));
        assert_eq!(got, Err(ErrorKind::Corrupt), "{format:?}");
        // The rest of the item does not matter.
        let bare = found(|item| {
            item.clear();
            put("fmt", format.clone())(item);
        });
        assert_eq!(bare, Err(ErrorKind::Corrupt), "{format:?}");
        let dead = found(|item| {
            put("fmt", format.clone())(item);
            put("ttl", n("1700000000"))(item);
        });
        assert_eq!(dead, Ok(Found::Absent), "{format:?}");
    }
}

#[test]
fn item_is_dead_from_its_ttl_on() {
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
fn entry_without_json_is_kept() {
    for value in of_each_type() {
        let of_one = put("data", m([("odd", value.clone()), ("k", n("1"))]));
        let record = live(&item(of_one));
        let entry = record.data().get("odd").unwrap();
        assert_eq!(entry.json().is_some(), value.is_s() || value.is_n());
        let item = write(&key(), &record, NOW, "w").unwrap();
        assert_eq!(item["data"].as_m().unwrap()["odd"], value);
        assert_eq!(item["data"].as_m().unwrap()["k"], n("1"));
    }
}

#[test]
fn unknown_attributes_are_written_again() {
    for value in of_each_type() {
        let mut record = live(&item(put("unknown", value.clone())));
        record = record.with_data(Data::new()).with_ttl(LATER).at_version(9);
        let item = write(&key(), &record, NOW, "w").unwrap();
        assert_eq!(item["unknown"], value);
        assert_eq!(item["version"], n("9"));
        assert_eq!(item["data"], m([]));
        assert_eq!(item.len(), 8);
    }
}

#[test]
fn known_attributes_are_written_anew() {
    let record = live(&item(put("fmt", n("1"))));
    let item = write(&key(), &record, NOW, "new").unwrap();
    assert_eq!(item["id"], s(key().as_str()));
    assert_eq!(item["write"], s("new"));
    assert!(!item.contains_key("fmt") && !item.contains_key("retired"));
}

#[test]
fn write_is_recognised_by_its_id() {
    let item = item(|_| ());
    assert!(is_written_by(&item, "an id"));
    assert!(!is_written_by(&item, "another"));
    assert!(!is_written_by(&Item::new(), ""));
    let odd = HashMap::from([("write".to_owned(), n("1"))]);
    assert!(!is_written_by(&odd, "1"));
}

proptest! {
    #[test]
    fn record_reads_as_it_was_written(
        entries in prop::collection::btree_map(any::<String>(), any_json(), 0..6),
        created: u64,
        ttl in NOW.epoch_seconds() + 1..,
        version: u64,
        write: String,
        issued: Option<u64>,
        user: Option<(String, String, Option<String>, u64)>,
        lifetimes: (Option<u32>, Option<u32>, Option<bool>),
    ) {
        let data: Data = entries
            .iter()
            .map(|(key, text)| (key.as_str(), Entry::from_json(text.as_str())))
            .collect();
        let at = Timestamp::from_epoch_seconds;
        let binding = user.map(|(user, handle, label, until)| {
            Binding::new(Pseudonym::stored(user), handle, label, at(until))
        });
        let mut record = Record::new(data, at(created), at(ttl)).at_version(version).bound_to(binding);
        if let Some(issued) = issued {
            record = record.issued_at(at(issued));
        }
        let (idle, ends, persistent) = lifetimes;
        let positive = |number: Option<u32>| number.map(|number| u64::from(number) + 1);
        let lifetimes = Lifetimes {
            idle: positive(idle),
            ends: positive(ends).map(at),
            persistent,
        };
        let record = record.with_lifetimes(lifetimes);
        let item = super::write(&key(), &record, NOW, &write).unwrap();
        prop_assert!(is_written_by(&item, &write));
        let back = live(&item);
        prop_assert_eq!(back.data(), record.data());
        prop_assert_eq!(back.created(), record.created());
        prop_assert_eq!(back.ttl(), record.ttl());
        prop_assert_eq!(back.version(), version);
        prop_assert_eq!(back.modified(), NOW);
        prop_assert_eq!(back.issued(), record.issued());
        prop_assert_eq!(back.binding(), record.binding());
        prop_assert_eq!(back.lifetimes(), lifetimes);
        prop_assert!(back.native().is_none());
        let again = super::write(&key(), &back, NOW, &write).unwrap();
        prop_assert_eq!(again, item);
    }
}
