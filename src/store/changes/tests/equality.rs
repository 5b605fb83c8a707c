//! Changes that have no effect.

use crate::store::changes::apply::Apply;
use crate::store::changes::change_set::Changes;
use crate::store::changes::tests::steps::{Step, data, folded, update};
use crate::store::data::{Data, Entry};

#[test]
fn update_without_an_effect_is_no_change() {
    let with = data(&[("n", "5")]);
    let same = || Apply::new(|there| Ok(there.unwrap().clone()));
    let mut changes = Changes::default();
    assert!(update(&mut changes, Some(&with), "n", same()));
    assert!(changes.is_empty());
}

#[test]
fn equal_text_is_no_change() {
    let cases = [
        ("1", "1", true),
        ("null", "null", true),
        (r#"{"a":1,"b":[2]}"#, r#"{"a":1,"b":[2]}"#, true),
        // The order of members counts, because only texts are compared.
        (r#"{"a":1,"b":[2]}"#, r#"{"b":[2],"a":1}"#, false),
        (r#"[{"a":1,"b":2}]"#, r#"[{"b":2,"a":1}]"#, false),
        ("[1,2]", "[2,1]", false),
        ("1", "1.0", false),
        ("0.0", "-0.0", false),
        ("[0.0]", "[-0.0]", false),
        ("-0", "00", false),
        (r#"{"a":0.0}"#, r#"{"a":-0.0}"#, false),
        (r#"{"a":1,"b":2}"#, r#"{"a":1,"c":2}"#, false),
        (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, false),
        ("\"1\"", "1", false),
        // Integers that are one `f64`.
        ("18446744073709551616", "18446744073709551617", false),
        ("-9223372036854775809", "-9223372036854775810", false),
        (
            r#"{"a":340282366920938463463374607431768211455}"#,
            r#"{"a":340282366920938463463374607431768211454}"#,
            false,
        ),
        ("18446744073709551615", "18446744073709551614", false),
        ("1e308", "1e308", true),
        ("\"a\"", "\"b\"", false),
        ("true", "null", false),
        // A text that is not JSON.
        ("not json", "not json", true),
        ("not json", "nor this", false),
    ];
    for (there, put, equal) in cases {
        let base = data(&[("k", there)]);
        let changes = folded(Some(&base), &[Step::Set("k", put)]);
        assert_eq!(changes.is_empty(), equal, "{there} then {put}");
    }
}

#[test]
fn native_entry_equals_the_same_value() {
    use crate::store::native::NativeValue;
    let there = Entry::native(NativeValue::Bool(true), None);
    let base: Data = [("k", there.clone())].into_iter().collect();
    let mut changes = Changes::default();
    changes.set(Some(&base), "k", there);
    assert!(changes.is_empty());
    let other = Entry::native(NativeValue::Bool(false), None);
    changes.set(Some(&base), "k", other);
    assert_eq!(changes.iter().count(), 1);
}
