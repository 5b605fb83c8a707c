use aws_sdk_dynamodb::primitives::Blob;
use proptest::prelude::*;

use super::*;
use crate::clock::Timestamp;
use crate::store::dynamodb::entry::encode_all;
use crate::store::dynamodb::item;
use crate::store::dynamodb::testing::{NOW, any_json, key, m, n, s};
use crate::store::record::Record;

const LATER: Timestamp = Timestamp::from_epoch_seconds(1_700_000_001);

#[test]
fn item_may_have_400_kib_to_the_byte() {
    let with = |bytes: usize| {
        let entry = Entry::from_json(format!("\"{}\"", "x".repeat(bytes)));
        let data: Data = [("k", entry)].into_iter().collect();
        let record = Record::new(data, NOW, LATER).at_version(1);
        item::write(&key(), &record, NOW, "w")
    };
    let overhead = item_size(&with(0).unwrap());
    let room = 409_600 - overhead;
    assert_eq!(item_size(&with(room).unwrap()), 409_600);
    let error = with(room + 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("409601 bytes"), "{error}");

    assert!(check(409_600).is_ok());
    assert!(check(409_601).is_err());
}

#[test]
fn size_is_what_dynamodb_counts() {
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
        (m([]), 3),
        (m([("key", s("ab"))]), 3 + 1 + 3 + 2),
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
    let item = Item::from([("name".to_owned(), s("abc"))]);
    assert_eq!(item_size(&item), 7);
}

#[test]
fn change_too_large_is_refused_before_sending() {
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
fn small_entries_count_with_their_overhead() {
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

proptest! {
    /// Data whose texts are under half of the limit is therefore under the limit. (Keys of one byte
    /// are few.)
    #[test]
    fn size_is_at_most_twice_that_of_the_texts(
        entries in prop::collection::btree_map("\\PC{2,5}", any_json(), 0..6),
    ) {
        let data: Data = entries
            .into_iter()
            .map(|(key, text)| (key, Entry::from_json(text)))
            .collect();
        prop_assert!(data_size(&data) <= 2 * data.size() + 3);
    }

    /// A size is counted without encoding the data, and without changing it.
    #[test]
    fn size_counts_what_is_stored(
        entries in prop::collection::btree_map("[a-d]", any_json(), 0..4),
        set in prop::collection::btree_map("[a-d]", any_json(), 0..3),
        removed in "[a-d]",
        is_cleared: bool,
    ) {
        let entry = |(key, text): (String, String)| (key, Entry::from_json(text));
        let mut data: Data = entries.into_iter().map(entry).collect();
        data.insert("native", Entry::native(n("1.50"), Some("1.50".to_owned())));
        data.insert("bytes", Entry::native(AttributeValue::B(Blob::new([0; 7])), None));
        prop_assert_eq!(data_size(&data), value_size(&encode_all(&data)));
        let mut changes = Changes::default();
        if is_cleared {
            changes.clear(&data);
        }
        changes.remove(None, &removed);
        for (key, entry) in set.into_iter().map(entry) {
            changes.set(None, &key, entry);
        }
        let after = changes.apply(&data).unwrap();
        prop_assert_eq!(EMPTY_MAP + changes.sum_after(&data, entry_size).unwrap(), data_size(&after));
    }
}
