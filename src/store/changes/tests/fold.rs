//! Folding changes into one for each key.

use std::collections::BTreeMap;

use crate::error::ErrorKind;
use crate::store::changes::tests::steps::{Step, data, folded, shown};
use crate::store::data::{Data, Entry};

#[test]
fn fold_of_one_key_gives_one_change() {
    use Step::{Add, Remove, Set};
    let with = data(&[("n", "5"), ("other", "1")]);
    let without = data(&[("other", "1")]);
    // The steps, and their changes in a session with the key, without it, and unread.
    let rows: &[(&[Step<'_>], [&str; 3])] = &[
        (&[], ["", "", ""]),
        (&[Set("n", "6")], ["n=6", "n=6", "n=6"]),
        (&[Set("n", "5")], ["", "n=5", "n=5"]),
        (&[Remove("n")], ["n-", "", "n-"]),
        (&[Add("n", 2)], ["n+2", "n+2", "n+2"]),
        (&[Add("n", 0)], ["", "n+0", "n+0"]),
        (&[Set("n", "6"), Set("n", "7")], ["n=7", "n=7", "n=7"]),
        (&[Set("n", "6"), Set("n", "5")], ["", "n=5", "n=5"]),
        (&[Set("n", "6"), Remove("n")], ["n-", "", "n-"]),
        (&[Set("n", "6"), Add("n", 1)], ["n=7", "n=7", "n=7"]),
        (&[Set("n", "6"), Add("n", -1)], ["", "n=5", "n=5"]),
        (&[Remove("n"), Set("n", "6")], ["n=6", "n=6", "n=6"]),
        (&[Remove("n"), Set("n", "5")], ["", "n=5", "n=5"]),
        (&[Remove("n"), Remove("n")], ["n-", "", "n-"]),
        (&[Remove("n"), Add("n", 2)], ["n=2", "n+2", "n=2"]),
        (&[Remove("n"), Add("n", 5)], ["", "n+5", "n=5"]),
        (&[Remove("n"), Add("n", 0)], ["n=0", "n+0", "n=0"]),
        (&[Add("n", 2), Add("n", 3)], ["n+5", "n+5", "n+5"]),
        (&[Add("n", 2), Add("n", -2)], ["", "n+0", "n+0"]),
        (&[Add("n", 2), Set("n", "9")], ["n=9", "n=9", "n=9"]),
        (&[Add("n", 2), Set("n", "5")], ["", "n=5", "n=5"]),
        (&[Add("n", 2), Remove("n")], ["n-", "", "n-"]),
        (
            &[Add("n", 2), Remove("n"), Add("n", 3)],
            ["n=3", "n+3", "n=3"],
        ),
        (
            &[Set("n", "6"), Remove("n"), Set("n", "5")],
            ["", "n=5", "n=5"],
        ),
    ];
    for (steps, expected) in rows {
        let bases = [Some(&with), Some(&without), None];
        let got = bases.map(|base| shown(&folded(base, steps)));
        assert_eq!(got, *expected, "{steps:?}");
    }
}

#[test]
fn fold_of_an_update_with_other_changes() {
    use Step::{Add, Remove, Set, Wrap};
    let with = data(&[("n", "5")]);
    let rows: &[(&[Step<'_>], &str, &str)] = &[
        (&[Wrap("n")], "n*1", "[5]"),
        (&[Wrap("n"), Wrap("n")], "n*2", "[[5]]"),
        (&[Add("n", 2), Wrap("n")], "n*2", "[7]"),
        (&[Set("n", "1"), Wrap("n")], "n=[1]", "[1]"),
        (&[Remove("n"), Wrap("n")], "n=[]", "[]"),
        (&[Wrap("n"), Set("n", "1")], "n=1", "1"),
        (&[Wrap("n"), Remove("n"), Add("n", 1)], "n=1", "1"),
    ];
    for (steps, expected, value) in rows {
        let changes = folded(Some(&with), steps);
        assert_eq!(shown(&changes), *expected, "{steps:?}");
        let after = changes.apply(&with).unwrap();
        assert_eq!(after.get("n"), Some(&Entry::from_json(*value)), "{steps:?}");
    }
    // A list cannot be incremented.
    let mut changes = folded(Some(&with), &[Wrap("n")]);
    let error = changes.add(Some(&with), "n", 1).unwrap_err();
    assert_eq!(
        (error.kind(), shown(&changes).as_str()),
        (ErrorKind::Deserialize, "n*1")
    );
    // The function is applied to the value that another request has stored.
    let after = changes.apply(&data(&[("n", "6")])).unwrap();
    assert_eq!(after.get("n"), Some(&Entry::from_json("[6]")));
}

#[test]
fn fold_after_a_clear_gives_sets() {
    use Step::{Add, Clear, Remove, Set};
    let base = data(&[("n", "5"), ("other", "1")]);
    let rows: &[(&[Step<'_>], &str)] = &[
        (&[Clear], "clear"),
        (&[Clear, Clear], "clear"),
        (&[Clear, Remove("n")], "clear"),
        (&[Clear, Set("n", "6")], "clear n=6"),
        // The clear has removed the stored value, so an equal one is a change.
        (&[Clear, Set("n", "5")], "clear n=5"),
        (&[Clear, Add("n", 2)], "clear n=2"),
        (&[Clear, Add("n", 0)], "clear n=0"),
        (&[Clear, Add("n", 2), Add("n", 3)], "clear n=5"),
        (&[Clear, Add("n", 2), Add("n", -2)], "clear n=0"),
        (&[Clear, Add("n", 2), Remove("n")], "clear"),
        (&[Clear, Set("n", "6"), Remove("n")], "clear"),
        (&[Clear, Set("n", "6"), Add("n", 1)], "clear n=7"),
        (&[Set("n", "6"), Clear], "clear"),
        (&[Remove("n"), Clear], "clear"),
        (&[Add("n", 2), Clear], "clear"),
        (&[Set("n", "6"), Clear, Add("n", 1)], "clear n=1"),
        (&[Remove("n"), Clear, Set("m", "1")], "clear m=1"),
        (&[Clear, Set("n", "6"), Clear], "clear"),
    ];
    for (steps, expected) in rows {
        assert_eq!(shown(&folded(Some(&base), steps)), *expected, "{steps:?}");
    }
}

#[test]
fn clear_of_an_empty_session_drops_changes() {
    let empty = Data::new();
    let changes = folded(Some(&empty), &[Step::Set("n", "1"), Step::Clear]);
    assert!(changes.is_empty());
    assert!(!changes.is_cleared());
}

#[test]
fn rebase_drops_changes_without_an_effect() {
    use Step::{Add, Remove, Set};
    let base = data(&[("n", "5"), ("o", r#"{"a":1,"b":2}"#)]);
    let rows: &[(&[Step<'_>], &str)] = &[
        (&[Set("n", "5")], ""),
        (&[Set("n", "6")], "n=6"),
        (&[Set("o", r#"{"a":1,"b":2}"#)], ""),
        (&[Set("absent", "1")], "absent=1"),
        (&[Remove("n")], "n-"),
        (&[Remove("absent")], ""),
        (&[Add("n", 0)], ""),
        (&[Add("n", 1)], "n+1"),
        (&[Add("absent", 0)], "absent+0"),
        (&[Add("n", 1), Remove("absent"), Set("o", "1")], "n+1 o=1"),
    ];
    for (steps, expected) in rows {
        let mut changes = folded(None, steps);
        changes.rebase(&base, BTreeMap::new());
        assert_eq!(shown(&changes), *expected, "{steps:?}");
    }
}

#[test]
fn rebase_keeps_the_sets_after_a_clear() {
    let base = data(&[("n", "5")]);
    let mut changes = folded(Some(&base), &[Step::Clear, Step::Set("n", "5")]);
    changes.rebase(&base, BTreeMap::new());
    assert_eq!(shown(&changes), "clear n=5");
}

#[test]
fn followed_by_folds_later_changes() {
    use Step::{Add, Clear, Remove, Set};
    let base = data(&[("n", "5"), ("m", "1")]);
    let rows: &[(&[Step<'_>], &[Step<'_>], &str)] = &[
        (&[Set("n", "6")], &[Set("n", "7")], "n=7"),
        (&[Set("n", "6")], &[Add("n", 1)], "n=7"),
        (&[Set("n", "6")], &[Remove("n")], "n-"),
        (&[Remove("n")], &[Add("n", 2)], "n=2"),
        (&[Remove("n")], &[Set("n", "2")], "n=2"),
        (&[Add("n", 1)], &[Add("n", 2)], "n+3"),
        (&[Add("n", 1)], &[Set("n", "0")], "n=0"),
        (&[Add("n", 1)], &[Remove("n")], "n-"),
        (&[Set("n", "6")], &[Set("m", "2")], "m=2 n=6"),
        (&[Set("n", "6")], &[Clear, Set("m", "2")], "clear m=2"),
        (&[Clear], &[Add("n", 2)], "clear n=2"),
        (&[Clear, Set("n", "6")], &[Remove("n")], "clear"),
        (&[Clear, Set("n", "6")], &[Clear], "clear"),
    ];
    for (earlier, later, expected) in rows {
        let earlier = folded(Some(&base), earlier);
        let between = earlier.apply(&base).unwrap();
        let later = folded(Some(&between), later);
        let both = earlier.followed_by(later, &base);
        assert_eq!(shown(&both), *expected);
    }
}
