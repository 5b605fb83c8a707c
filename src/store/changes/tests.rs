use proptest::prelude::*;

use super::*;

fn data(entries: &[(&str, &str)]) -> Data {
    entries
        .iter()
        .map(|(key, text)| (*key, Entry::from_json(*text)))
        .collect()
}

/// `clear a=1 b- c+2`.
fn shown(changes: &Changes) -> String {
    let clear = changes.is_cleared().then(|| "clear".to_owned());
    let by_key = changes.iter().map(|(key, change)| match change {
        Change::Set(entry) => format!("{key}={}", entry.json().unwrap_or("native")),
        Change::Remove => format!("{key}-"),
        Change::Add(by) => format!("{key}+{by}"),
        Change::Apply(apply) => format!("{key}*{}", apply.steps.len()),
    });
    clear
        .into_iter()
        .chain(by_key)
        .collect::<Vec<_>>()
        .join(" ")
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Set(&'a str, &'a str),
    Remove(&'a str),
    Add(&'a str, i64),
    /// An update that makes a list of what is there.
    Wrap(&'a str),
    Clear,
}

fn wrapped(there: Option<&Entry>) -> Entry {
    let text = there.map_or("", |entry| entry.json().unwrap());
    Entry::from_json(format!("[{text}]"))
}

/// Gives whether the step was accepted.
fn step(changes: &mut Changes, base: Option<&Data>, step: Step<'_>) -> bool {
    match step {
        Step::Set(key, text) => changes.set(base, key, Entry::from_json(text)),
        Step::Remove(key) => changes.remove(base, key),
        Step::Add(key, by) => return changes.add(base, key, by).is_ok(),
        Step::Wrap(key) => {
            return update(changes, base, key, Apply::new(|there| Ok(wrapped(there))));
        }
        Step::Clear => changes.clear(base.unwrap_or(&Data::new())),
    }
    true
}

/// As a session does it: the function is run before.
fn update(changes: &mut Changes, base: Option<&Data>, key: &str, apply: Apply) -> bool {
    let apply = match base {
        Some(base) => {
            let Ok(there) = changes.current(base, key) else {
                return false;
            };
            let there = there.map(Cow::into_owned);
            let made = apply.run(there.as_ref());
            apply.foreseeing(there, made)
        }
        None => apply,
    };
    changes.update(base, key, apply).is_ok()
}

fn folded(base: Option<&Data>, steps: &[Step<'_>]) -> Changes {
    let mut changes = Changes::default();
    for one in steps {
        assert!(step(&mut changes, base, *one), "{one:?}");
    }
    changes
}

#[test]
fn changes_of_one_key_fold_to_one() {
    use Step::{Add, Remove, Set};
    let with = data(&[("n", "5"), ("other", "1")]);
    let without = data(&[("other", "1")]);
    // The steps, and what they come to on a session with the key, without it, and unread.
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
fn an_update_folds_with_what_comes_before_and_after() {
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
    for (steps, come_to, value) in rows {
        let changes = folded(Some(&with), steps);
        assert_eq!(shown(&changes), *come_to, "{steps:?}");
        let after = changes.apply(&with).unwrap();
        assert_eq!(after.get("n"), Some(&Entry::from_json(*value)), "{steps:?}");
    }
    // A list cannot be counted up, and is not.
    let mut changes = folded(Some(&with), &[Wrap("n")]);
    let error = changes.add(Some(&with), "n", 1).unwrap_err();
    assert_eq!(
        (error.kind(), shown(&changes).as_str()),
        (ErrorKind::Deserialize, "n*1")
    );
    // On what another request has put there since, it is made of that.
    let after = changes.apply(&data(&[("n", "6")])).unwrap();
    assert_eq!(after.get("n"), Some(&Entry::from_json("[6]")));
}

#[test]
fn an_update_that_changes_nothing_is_none() {
    let with = data(&[("n", "5")]);
    let same = || Apply::new(|there| Ok(there.unwrap().clone()));
    let mut changes = Changes::default();
    assert!(update(&mut changes, Some(&with), "n", same()));
    assert!(changes.is_empty());
}

#[test]
fn after_a_clear_all_changes_are_sets() {
    use Step::{Add, Clear, Remove, Set};
    let base = data(&[("n", "5"), ("other", "1")]);
    let rows: &[(&[Step<'_>], &str)] = &[
        (&[Clear], "clear"),
        (&[Clear, Clear], "clear"),
        (&[Clear, Remove("n")], "clear"),
        (&[Clear, Set("n", "6")], "clear n=6"),
        // What was there is gone, so an equal value is not there either.
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
fn clearing_an_empty_session_only_drops_what_was_changed() {
    let empty = Data::new();
    let changes = folded(Some(&empty), &[Step::Set("n", "1"), Step::Clear]);
    assert!(changes.is_empty());
    assert!(!changes.is_cleared());
}

#[test]
fn an_equal_value_is_no_change() {
    let cases = [
        ("1", "1", true),
        ("null", "null", true),
        (r#"{"a":1,"b":[2]}"#, r#"{"b":[2],"a":1}"#, true),
        (r#"[{"a":1,"b":2}]"#, r#"[{"b":2,"a":1}]"#, true),
        ("[1,2]", "[2,1]", false),
        ("1", "1.0", false),
        ("0.0", "-0.0", false),
        ("[0.0]", "[-0.0]", false),
        ("-0", "00", false),
        (r#"{"a":0.0}"#, r#"{"a":-0.0}"#, false),
        (r#"{"a":1,"b":2}"#, r#"{"a":1,"c":2}"#, false),
        (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, false),
        ("\"1\"", "1", false),
        // Integers of 128 bits, which are one f64.
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
        // What does not parse equals itself only.
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

#[test]
fn an_increment_of_what_is_no_i64_fails_and_changes_nothing() {
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

        // The same on a value that was set by this request, where nothing was read.
        changes.set(None, "k", Entry::from_json(text));
        let error = changes.add(None, "k", 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deserialize, "{text}");
        assert_eq!(shown(&changes), format!("k={text}"));

        // Unread, only the store can tell.
        let mut unread = Changes::default();
        assert_eq!(unread.add(None, "k", 1).unwrap(), None);
        let error = unread.apply(&base).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deserialize, "{text}");
        let error = unread.current(&base, "k").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deserialize, "{text}");
    }
}

#[test]
fn a_sum_that_is_no_i64_fails_and_changes_nothing() {
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

        // On a value that this request set.
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
fn an_increment_forecasts_its_sum_as_far_as_it_is_known() {
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

#[test]
fn a_read_drops_what_turns_out_to_change_nothing() {
    use Step::{Add, Remove, Set};
    let base = data(&[("n", "5"), ("o", r#"{"a":1,"b":2}"#)]);
    let rows: &[(&[Step<'_>], &str)] = &[
        (&[Set("n", "5")], ""),
        (&[Set("n", "6")], "n=6"),
        (&[Set("o", r#"{"b":2,"a":1}"#)], ""),
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
        changes.settle_on(&base);
        assert_eq!(shown(&changes), *expected, "{steps:?}");
    }
}

#[test]
fn a_clear_keeps_its_sets_when_it_settles() {
    let base = data(&[("n", "5")]);
    let mut changes = folded(Some(&base), &[Step::Clear, Step::Set("n", "5")]);
    changes.settle_on(&base);
    assert_eq!(shown(&changes), "clear n=5");
}

#[test]
fn later_changes_fold_onto_earlier_ones() {
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

#[test]
fn the_size_counts_keys_and_texts_and_a_new_sum_with_its_most() {
    use Step::{Add, Clear, Remove, Set};
    let base = data(&[("n", "5"), ("text", "\"abc\"")]);
    assert_eq!(base.size(), 2 + 9);
    let rows: &[(&[Step<'_>], usize)] = &[
        (&[], 11),
        (&[Set("n", "123")], 13),
        (&[Set("new", "true")], 18),
        (&[Remove("text")], 2),
        (&[Add("new", 1)], 11 + 3 + 20),
        (&[Add("n", 1)], 11),
        (&[Clear], 0),
        (&[Clear, Set("n", "123")], 4),
    ];
    for (steps, expected) in rows {
        let changes = folded(Some(&base), steps);
        assert_eq!(changes.size_after(&base), *expected, "{steps:?}");
    }
}

#[test]
fn debug_tells_neither_keys_nor_values() {
    let changes = folded(
        None,
        &[
            Step::Set("secret-key", "\"secret-value\""),
            Step::Remove("secret-removed"),
            Step::Add("secret-sum", 424_242),
        ],
    );
    let mut all = format!("{changes:?} {changes:#?}");
    for (_, change) in changes.iter() {
        all += &format!(" {change:?}");
    }
    assert!(!all.contains("secret") && !all.contains("424242"), "{all}");
    assert!(all.contains("keys: 3"), "{all}");
}

const KEYS: [&str; 4] = ["a", "b", "c", ""];
const TEXTS: [&str; 10] = [
    "0",
    "1",
    "-3",
    "1.0",
    "-0.0",
    "null",
    "\"s\"",
    "[1,{}]",
    r#"{"a":1,"b":2}"#,
    r#"{"b":2,"a":1}"#,
];

fn any_base() -> impl Strategy<Value = Data> {
    prop::collection::btree_map(prop::sample::select(&KEYS), 0..TEXTS.len(), 0..4).prop_map(
        |entries| {
            entries
                .into_iter()
                .map(|(key, n)| (key, Entry::from_json(TEXTS[n])))
                .collect()
        },
    )
}

fn any_step(clears: bool) -> impl Strategy<Value = Step<'static>> {
    let key = || prop::sample::select(&KEYS);
    prop_oneof![
        4 => (key(), prop::sample::select(&TEXTS)).prop_map(|(key, text)| Step::Set(key, text)),
        3 => key().prop_map(Step::Remove),
        4 => (key(), -3_i64..4).prop_map(|(key, by)| Step::Add(key, by)),
        3 => key().prop_map(Step::Wrap),
        u32::from(clears) => Just(Step::Clear),
    ]
}

fn any_steps(clears: bool) -> impl Strategy<Value = Vec<Step<'static>>> {
    prop::collection::vec(any_step(clears), 0..12)
}

fn changed(base: Option<&Data>, steps: &[Step<'_>]) -> Changes {
    let mut changes = Changes::default();
    for one in steps {
        step(&mut changes, base, *one);
    }
    changes
}

/// What the steps do, one after the other, to the data themselves.
fn done_at_once(base: &Data, steps: &[Step<'_>]) -> Data {
    let mut data = base.clone();
    for one in steps {
        match *one {
            Step::Set(key, text) => data.insert(key, Entry::from_json(text)),
            Step::Remove(key) => drop(data.remove(key)),
            Step::Clear => data = Data::new(),
            Step::Wrap(key) => {
                let entry = wrapped(data.get(key));
                data.insert(key, entry);
            }
            Step::Add(key, by) => {
                let there = data.get(key).map_or("0", |entry| entry.json().unwrap());
                if let Ok(n) = there.parse::<i64>() {
                    data.insert(key, Entry::from_json((n + by).to_string()));
                }
            }
        }
    }
    data
}

/// The values, whatever the order of an object's members.
fn values(data: &Data) -> Vec<(String, String)> {
    data.iter()
        .map(|(key, entry)| {
            let value: Value = serde_json::from_str(entry.json().unwrap()).unwrap();
            let members = value.as_object().map(|members| {
                let mut members: Vec<_> = members.iter().map(|m| format!("{m:?}")).collect();
                members.sort();
                members.concat()
            });
            (key.to_owned(), members.unwrap_or_else(|| value.to_string()))
        })
        .collect()
}

fn holds_only_sets_after_a_clear(changes: &Changes) -> bool {
    let set = |(_, change): (&str, &Change)| matches!(change, Change::Set(_));
    !changes.is_cleared() || changes.iter().all(set)
}

proptest! {
    #[test]
    fn folded_changes_do_what_the_steps_did(base in any_base(), steps in any_steps(true)) {
        let changes = changed(Some(&base), &steps);
        let after = changes.apply(&base).unwrap();
        prop_assert_eq!(values(&after), values(&done_at_once(&base, &steps)));
        prop_assert!(holds_only_sets_after_a_clear(&changes));
    }

    #[test]
    fn without_a_read_they_do_too(base in any_base(), steps in any_steps(false)) {
        let mut changes = changed(None, &steps);
        let expected = done_at_once(&base, &steps);
        match changes.apply(&base) {
            Ok(after) => prop_assert_eq!(values(&after), values(&expected)),
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Deserialize),
        }
        // A read in the end changes what is written and not what comes of it.
        changes.settle_on(&base);
        if let Ok(after) = changes.apply(&base) {
            prop_assert_eq!(values(&after), values(&expected));
        }
    }

    #[test]
    fn changes_that_are_none_change_nothing_and_others_do(
        base in any_base(),
        steps in any_steps(true),
    ) {
        let changes = changed(Some(&base), &steps);
        if changes.is_empty() {
            prop_assert_eq!(changes.apply(&base).unwrap(), base);
        } else if !changes.is_cleared() {
            let after = changes.apply(&base).unwrap();
            prop_assert_ne!(values(&after), values(&base));
        }
    }

    #[test]
    fn settling_again_drops_nothing_more(base in any_base(), steps in any_steps(true)) {
        let mut changes = changed(Some(&base), &steps);
        let before = shown(&changes);
        changes.settle_on(&base);
        prop_assert_eq!(shown(&changes), before);
    }

    #[test]
    fn what_is_current_is_what_apply_gives(base in any_base(), steps in any_steps(true)) {
        for mut changes in [changed(Some(&base), &steps), changed(None, &steps)] {
            let Ok(after) = changes.apply(&base) else { continue };
            // A session sees to that before it asks.
            while let Some((key, apply, there)) = changes.unforeseen(&base) {
                let made = apply.run(there.as_ref());
                changes.foresee(&key, apply.foreseeing(there, made));
            }
            let keys: Vec<&str> = after.iter().map(|(key, _)| key).collect();
            prop_assert_eq!(changes.keys(&base), keys);
            for key in KEYS {
                let current = changes.current(&base, key).unwrap();
                prop_assert_eq!(current.as_deref(), after.get(key));
            }
        }
    }

    #[test]
    fn the_size_is_exact_but_for_the_digits_of_sums(
        base in any_base(),
        steps in any_steps(true),
    ) {
        for changes in [changed(Some(&base), &steps), changed(None, &steps)] {
            let Ok(after) = changes.apply(&base) else { continue };
            let sums = |new: bool| {
                let is_sum = |(key, change): &(&str, &Change)| {
                    matches!(change, Change::Add(_)) && base.get(key).is_none() == new
                };
                changes.iter().filter(is_sum).count()
            };
            // One that is new counts with 20 bytes; one that was there as it was, and here it can
            // grow by a sign and a digit.
            let size = changes.size_after(&base);
            prop_assert!(size + 2 * sums(false) >= after.size());
            prop_assert!(size <= after.size() + 20 * sums(true) + 2 * sums(false));
        }
    }

    #[test]
    fn earlier_and_then_later_is_both_at_once(
        base in any_base(),
        earlier in any_steps(true),
        later in any_steps(true),
    ) {
        let earlier = changed(Some(&base), &earlier);
        let between = earlier.apply(&base).unwrap();
        let later = changed(Some(&between), &later);
        let after = later.apply(&between).unwrap();
        let both = earlier.followed_by(later, &base);
        prop_assert!(holds_only_sets_after_a_clear(&both), "{}", shown(&both));
        prop_assert_eq!(both.apply(&base).unwrap(), after);
    }

    #[test]
    fn earlier_and_then_later_is_both_at_once_without_a_read(
        base in any_base(),
        earlier in any_steps(false),
        later in any_steps(false),
    ) {
        let (earlier, later) = (changed(None, &earlier), changed(None, &later));
        let apart = earlier.apply(&base).and_then(|between| later.apply(&between));
        if let Ok(after) = apart {
            prop_assert_eq!(earlier.followed_by(later, &base).apply(&base).unwrap(), after);
        }
    }
}

#[test]
fn update_is_foreseen_for_what_was_read() {
    let runs = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let apply = Apply::new(move |there| {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(wrapped(there))
    });
    let base = data(&[("k", "1")]);
    let mut changes = Changes::default();
    assert!(update(&mut changes, Some(&base), "k", apply));
    let of = |base: &Data| {
        let made = changes.apply(base).unwrap();
        assert!(changes.size_after(base) > 0);
        made.get("k").unwrap().json().unwrap().to_owned()
    };
    assert_eq!((of(&base), of(&base)), ("[1]".to_owned(), "[1]".to_owned()));
    assert_eq!(runs.load(std::sync::atomic::Ordering::SeqCst), 1);
    // Another request was faster.
    assert_eq!(of(&data(&[("k", "2")])), "[2]");
    assert!(runs.load(std::sync::atomic::Ordering::SeqCst) > 1);
    assert_eq!(of(&data(&[])), "[]");
}

#[test]
fn changes_that_are_there_and_changes_that_count() {
    let there = data(&[("a", "1"), ("b", "2")]);
    let unread = |steps: &[Step<'_>]| folded(None, steps);
    let clear = |steps: &[Step<'_>]| folded(Some(&there), &[&[Step::Clear], steps].concat());
    let (set_a, set_b) = (Step::Set("a", "1"), Step::Set("b", "2"));
    for yes in [
        unread(&[]),
        unread(&[set_a]),
        unread(&[set_a, set_b, Step::Remove("c")]),
        clear(&[set_a, set_b]),
    ] {
        assert!(yes.are_in(&there), "{}", shown(&yes));
    }
    for no in [
        unread(&[Step::Set("a", "2")]),
        unread(&[Step::Set("c", "1")]),
        unread(&[set_a, Step::Remove("b")]),
        unread(&[Step::Add("a", 1)]),
        unread(&[Step::Wrap("a")]),
        // Something else is there too, that is not of this clear.
        clear(&[set_a]),
        clear(&[]),
        clear(&[set_a, Step::Set("b", "3")]),
        clear(&[set_a, set_b, Step::Set("c", "3")]),
    ] {
        assert!(!no.are_in(&there), "{}", shown(&no));
    }
    assert!(unread(&[Step::Remove("a")]).are_in(&Data::new()));
    assert!(clear(&[]).are_in(&Data::new()));
}

#[test]
fn floats_in_another_order_are_no_change() {
    let there = data(&[("a", r#"{"x":1.5,"y":2}"#)]);
    let same = folded(Some(&there), &[Step::Set("a", r#"{"y":2,"x":1.5}"#)]);
    assert!(same.is_empty());
    let other = folded(Some(&there), &[Step::Set("a", r#"{"y":2,"x":2.5}"#)]);
    assert!(!other.is_empty());
}
