//! Increments: their sums and their errors.

use crate::error::ErrorKind;
use crate::store::changes::change_set::Changes;
use crate::store::changes::tests::steps::{Step, data, folded, shown};
use crate::store::data::Entry;

#[test]
fn increment_of_other_values_fails() {
    for text in [
        "\"5\"",
        "1.0",
        "1e2",
        "-0",
        "null",
        "true",
        "[1]",
        "9223372036854775808",
        "18446744073709551615",
        "not json",
    ] {
        let base = data(&[("k", text)]);
        let mut changes = Changes::default();
        for by in [0, 1, -1] {
            let error = changes.add(Some(&base), "k", by).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Deserialize, "{text} + {by}");
        }
        assert!(changes.is_empty(), "{text}");

        // The same for a value that this request has set without a read.
        changes.set(None, "k", Entry::from_json(text));
        let error = changes.add(None, "k", 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deserialize, "{text}");
        assert_eq!(shown(&changes), format!("k={text}"));

        // Without a read, only the store finds the value.
        let mut unread = Changes::default();
        assert_eq!(unread.add(None, "k", 1).unwrap(), None);
        let error = unread.apply(&base).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deserialize, "{text}");
        let error = unread.current(&base, "k").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deserialize, "{text}");
    }
}

#[test]
fn increment_beyond_an_i64_fails() {
    for (there, by) in [
        ("9223372036854775807", 1),
        ("-9223372036854775808", -1),
        ("1", i64::MAX),
        ("-1", i64::MIN),
    ] {
        let base = data(&[("k", there)]);
        let mut changes = Changes::default();
        let error = changes.add(Some(&base), "k", by).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Serialize, "{there} + {by}");
        assert!(changes.is_empty());

        // The same for a value that this request has set.
        changes.set(None, "k", Entry::from_json(there));
        let error = changes.add(None, "k", by).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Serialize, "{there} + {by}");
        assert_eq!(shown(&changes), format!("k={there}"));
    }
    let mut changes = folded(None, &[Step::Add("k", i64::MAX)]);
    let error = changes.add(None, "k", 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Serialize);
    assert_eq!(shown(&changes), format!("k+{}", i64::MAX));
}

#[test]
fn increment_returns_its_sum_if_it_is_known() {
    let base = data(&[("n", "5")]);
    let mut changes = Changes::default();
    assert_eq!(changes.add(Some(&base), "n", 2).unwrap(), Some(7));
    assert_eq!(changes.add(Some(&base), "n", 2).unwrap(), Some(9));
    assert_eq!(changes.add(Some(&base), "absent", -1).unwrap(), Some(-1));
    changes.remove(Some(&base), "n");
    assert_eq!(changes.add(Some(&base), "n", 2).unwrap(), Some(2));
    assert_eq!(changes.add(Some(&base), "n", 1).unwrap(), Some(3));
    changes.clear(&base);
    assert_eq!(changes.add(Some(&base), "n", 4).unwrap(), Some(4));

    let mut unread = Changes::default();
    assert_eq!(unread.add(None, "n", 2).unwrap(), None);
    assert_eq!(unread.add(None, "n", 2).unwrap(), None);
    unread.remove(None, "n");
    assert_eq!(unread.add(None, "n", 2).unwrap(), Some(2));
}
