use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::store::changes::apply::Apply;
use crate::store::dynamodb::item::LAYOUT;
use crate::store::record::Found;

const NOW: Timestamp = Timestamp::from_epoch_seconds(1_700_000_000);
const TTL: Timestamp = Timestamp::from_epoch_seconds(1_700_000_500);

const STAMPED: &str = "SET #version = if_not_exists(#version, :zero) + :one, #write = :write, \
                       #modified = :modified";
const OURS: &str = "attribute_type(#data, :map) AND attribute_type(#created, :number) \
                    AND (attribute_not_exists(#format) OR #format = :format)";

const ALIVE: &str = "#ttl > :now";

fn stamp(ttl: Option<Timestamp>) -> Stamp<'static> {
    Stamp {
        now: NOW,
        write: "write-id",
        label: None,
        ttl,
    }
}

fn n(n: impl ToString) -> AttributeValue {
    AttributeValue::N(n.to_string())
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn m<const N: usize>(entries: [(&str, AttributeValue); N]) -> AttributeValue {
    AttributeValue::M(entries.map(|(key, value)| (key.to_owned(), value)).into())
}

/// Changes of a session that nobody read.
fn changes(change: impl FnOnce(&mut Changes)) -> Changes {
    let mut changes = Changes::default();
    change(&mut changes);
    changes
}

fn set(changes: &mut Changes, key: &str, text: &str) {
    changes.set(None, key, Entry::from_json(text));
}

fn cleared(change: impl FnOnce(&mut Changes)) -> Changes {
    let base = Data::from_iter([("old", Entry::from_json("1"))]);
    changes(|changes| {
        changes.clear(&base);
        change(changes);
    })
}

/// The expression of changes that need nothing of what was read, if they fit in one.
fn fitting(changes: &Changes, ttl: Option<Timestamp>) -> Option<Expression> {
    LAYOUT.update(changes, None, stamp(ttl)).unwrap()
}

fn update(changes: &Changes, ttl: Option<Timestamp>) -> Expression {
    let expression = fitting(changes, ttl).unwrap();
    check(&expression);
    expression
}

/// Every placeholder that begins with the mark.
fn placeholders(text: &str, mark: char) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric();
    text.match_indices(mark)
        .map(|(at, _)| {
            let name = text[at + 1..].split(|c| !is_name(c)).next();
            format!("{mark}{}", name.unwrap_or_default())
        })
        .collect()
}

/// DynamoDB refuses a placeholder that is not defined, and one that is not used.
fn check(expression: &Expression) {
    let text = format!("{} {}", expression.update, expression.condition);
    let names = expression.names.keys().cloned().collect();
    let values = expression.values.keys().cloned().collect();
    assert_eq!(placeholders(&text, '#'), names, "{text}");
    assert_eq!(placeholders(&text, ':'), values, "{text}");
    // Nor may one path begin another, or be written twice.
    let (sets, removes) = match expression.update.split_once(" REMOVE ") {
        Some((sets, removes)) => (sets, removes),
        None => (expression.update.as_str(), ""),
    };
    let targets = sets
        .strip_prefix("SET ")
        .unwrap_or_default()
        .split(", #")
        .filter_map(|set| set.split_once(" = ").map(|(path, _)| path))
        .chain(removes.split(", #").filter(|path| !path.is_empty()))
        .map(|path| path.trim_start_matches('#'));
    let mut seen = BTreeSet::new();
    for target in targets {
        assert!(seen.insert(target), "{target} twice in {text}");
    }
    assert!(
        !seen.contains("data") || !seen.iter().any(|path| path.starts_with("data.")),
        "{text}"
    );
}

#[test]
fn one_set() {
    let changes = changes(|c| set(c, "na.me", "\"ada\""));
    let expression = update(&changes, None);
    assert_eq!(expression.update, format!("{STAMPED}, #data.#k0 = :v0"));
    assert_eq!(expression.condition, format!("{OURS} AND {ALIVE}"));
    let names = [
        ("#k0", "na.me"),
        ("#data", "data"),
        ("#created", "created"),
        ("#format", "format"),
        ("#ttl", "ttl"),
        ("#version", "version"),
        ("#write", "write"),
        ("#modified", "modified"),
    ];
    let names = names.map(|(placeholder, name)| (placeholder.to_owned(), name.to_owned()));
    assert_eq!(expression.names, HashMap::from(names));
    let values = [
        (":v0", s("\"ada\"")),
        (":map", s("M")),
        (":number", s("N")),
        (":format", n(1)),
        (":now", n(1_700_000_000_u64)),
        (":zero", n(0)),
        (":one", n(1)),
        (":write", s("write-id")),
        (":modified", s("2023-11-14T22:13:20Z")),
    ];
    let values = values.map(|(placeholder, value)| (placeholder.to_owned(), value));
    assert_eq!(expression.values, HashMap::from(values));
}

#[test]
fn one_removal() {
    let changes = changes(|c| c.remove(None, "k"));
    let expression = update(&changes, None);
    assert_eq!(expression.update, format!("{STAMPED} REMOVE #data.#k0"));
    assert_eq!(expression.condition, format!("{OURS} AND {ALIVE}"));
    assert_eq!(expression.names["#k0"], "k");
}

#[test]
fn one_increment() {
    let changes = changes(|c| drop(c.add(None, "k", 3)));
    let expression = update(&changes, None);
    assert_eq!(
        expression.update,
        format!("{STAMPED}, #data.#k0 = if_not_exists(#data.#k0, :zero) + :v0")
    );
    assert_eq!(
        expression.condition,
        format!(
            "{OURS} AND {ALIVE} \
             AND (attribute_not_exists(#data.#k0) OR #data.#k0 BETWEEN :l0 AND :h0)"
        )
    );
    assert_eq!(expression.values[":v0"], n(3));
    assert_eq!(expression.values[":l0"], n(i64::MIN));
    assert_eq!(expression.values[":h0"], n(i64::MAX - 3));
}

#[test]
fn a_mixture_with_an_expiry() {
    let changes = changes(|c| {
        c.remove(None, "a");
        set(c, "b", "7");
        c.remove(None, "c");
        c.add(None, "d", -1).unwrap();
    });
    let expression = update(&changes, Some(TTL));
    assert_eq!(
        expression.update,
        format!(
            "{STAMPED}, #ttl = :ttl, #data.#k1 = :v1, \
             #data.#k3 = if_not_exists(#data.#k3, :zero) + :v3 \
             REMOVE #data.#k0, #data.#k2"
        )
    );
    let keys = ["#k0", "#k1", "#k2", "#k3"].map(|k| expression.names[k].as_str());
    assert_eq!(keys, ["a", "b", "c", "d"]);
    assert_eq!(expression.values[":v1"], n(7));
    assert_eq!(expression.values[":ttl"], n(1_700_000_500_u64));
    assert_eq!(expression.values[":now"], n(1_700_000_000_u64));
}

#[test]
fn a_clear_replaces_data_whole() {
    let expression = update(&cleared(|_| ()), None);
    assert_eq!(expression.update, format!("{STAMPED}, #data = :data"));
    assert_eq!(expression.condition, format!("{OURS} AND {ALIVE}"));
    assert_eq!(expression.values[":data"], m([]));

    let refilled = cleared(|c| {
        set(c, "a", "\"x\"");
        c.add(None, "n", 2).unwrap();
    });
    let expression = update(&refilled, Some(TTL));
    assert_eq!(
        expression.update,
        format!("{STAMPED}, #ttl = :ttl, #data = :data")
    );
    assert_eq!(
        expression.values[":data"],
        m([("a", s("\"x\"")), ("n", n(2))])
    );
}

#[test]
fn a_touch_moves_the_expiry_forward_and_nothing_else() {
    let expression = LAYOUT.touch(TTL, NOW);
    check(&expression);
    assert_eq!(expression.update, "SET #ttl = :ttl, #modified = :modified");
    assert_eq!(
        expression.condition,
        format!("{OURS} AND #ttl > :now AND #ttl < :ttl")
    );
    assert_eq!(expression.values[":ttl"], n(1_700_000_500_u64));
}

#[test]
fn the_whole_of_data_depends_on_its_version() {
    let data = Data::from_iter([("k", Entry::from_json("1"))]);
    for (version, clause) in [
        (0, "attribute_not_exists(#version)"),
        (7, "#version = :version"),
    ] {
        let expression = LAYOUT.whole(&data, version, stamp(None));
        check(&expression);
        assert_eq!(expression.update, format!("{STAMPED}, #data = :data"));
        assert_eq!(
            expression.condition,
            format!("{OURS} AND #ttl > :now AND {clause}")
        );
        assert_eq!(expression.values[":data"], m([("k", n(1))]));
        let value = (version > 0).then(|| n(version));
        assert_eq!(expression.values.get(":version"), value.as_ref());
    }
}

/// A record as it is read from an item.
fn read(version: u64, fence: Option<u64>) -> Record {
    let mut item = Item::from([
        ("data".to_owned(), m([])),
        ("created".to_owned(), n(NOW)),
        ("ttl".to_owned(), n(TTL)),
        ("version".to_owned(), n(version)),
    ]);
    item.extend(fence.map(|fence| ("fence".to_owned(), n(fence))));
    match LAYOUT.read(&item, NOW).unwrap() {
        Found::Live(record) => record,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_update_that_is_sent_again_leaves_the_attempts_before_it_behind_a_fence() {
    let changes = changes(|c| {
        set(c, "k", "1");
        c.remove(None, "gone");
    });
    for (version, fence, stays, unwritten, raised) in [
        (
            0,
            None,
            "attribute_not_exists(#fence)",
            "attribute_not_exists(#version)",
            1,
        ),
        (7, Some(3), "#fence = :fence", "#version = :version", 4),
    ] {
        let read = read(version, fence);
        let fits = LAYOUT.update(&changes, Some(&read), stamp(None)).unwrap();
        let mut expression = fits.unwrap();
        check(&expression);
        let first = format!("{OURS} AND {ALIVE} AND {stays}");
        assert_eq!(expression.condition, first);
        assert!(!expression.update.contains("#fence"));

        expression.repeat(&LAYOUT, &read);
        check(&expression);
        assert_eq!(expression.condition, format!("{first} AND {unwritten}"));
        assert_eq!(expression.values[":raised"], n(raised));
        let update = &expression.update;
        assert!(
            update.starts_with("SET #fence = :raised, #version"),
            "{update}"
        );
        assert!(update.ends_with(" REMOVE #data.#k0"), "{update}");
    }
}

#[test]
fn the_conditions_of_the_other_writes() {
    let with_ttl = format!("{OURS} AND attribute_type(#ttl, :number)");
    let rows = [
        (LAYOUT.absent(), "attribute_not_exists(#id)".to_owned()),
        (
            // A logout takes what has expired too.
            LAYOUT.ours_without_fence_or_absent(),
            format!("attribute_not_exists(#id) OR ({with_ttl} AND attribute_not_exists(#fence))"),
        ),
        (LAYOUT.fenced_still(), "attribute_exists(#fence)".to_owned()),
        (
            LAYOUT.absent_or_written_by("write-id"),
            "attribute_not_exists(#id) OR #write = :write".to_owned(),
        ),
        (
            LAYOUT.unchanged(0, NOW),
            format!("{OURS} AND #ttl > :now AND attribute_not_exists(#version)"),
        ),
        (
            LAYOUT.unchanged(7, NOW),
            format!("{OURS} AND #ttl > :now AND #version = :version"),
        ),
    ];
    for (expression, condition) in rows {
        check(&expression);
        assert_eq!(expression.condition, condition);
        assert_eq!(expression.update, "");
    }
}

#[test]
fn the_bounds_of_an_increment_keep_its_sum_an_i64() {
    for by in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX] {
        let (low, high) = addends(by);
        assert!(low.checked_add(by).is_some(), "{by}");
        assert!(high.checked_add(by).is_some(), "{by}");
        // And no more than that is refused.
        let below = low.checked_sub(1).and_then(|n| n.checked_add(by));
        let above = high.checked_add(1).and_then(|n| n.checked_add(by));
        assert_eq!((below, above), (None, None), "{by}");
        let expression = update(&changes(|c| drop(c.add(None, "k", by))), None);
        assert_eq!(expression.values[":v0"], n(by));
        assert_eq!(expression.values[":l0"], n(low));
        assert_eq!(expression.values[":h0"], n(high));
    }
}

#[test]
fn what_does_not_fit_in_one_expression_is_none() {
    type Change = fn(&mut Changes, &str);
    let kinds: [Change; 3] = [
        |c, key| set(c, key, "1"),
        |c, key| c.remove(None, key),
        |c, key| drop(c.add(None, key, 1)),
    ];
    for change in kinds {
        let many = |keys: usize| changes(|c| (0..keys).for_each(|key| change(c, &key.to_string())));
        let fits = |keys: usize| fitting(&many(keys), Some(TTL)).is_some();
        let most = (1..400).take_while(|keys| fits(*keys)).last().unwrap();
        assert!((20..300).contains(&most), "{most}");
        // What fits is within DynamoDB's limits, and nothing larger fits.
        let largest = update(&many(most), Some(TTL));
        assert!(largest.update.len() <= 4_096 && largest.condition.len() <= 4_096);
        assert!((most + 1..most + 20).all(|keys| !fits(keys)));
    }
    // Operators count together, where the text would do: removals are short.
    let mixed = |sets: usize, removals: usize| {
        let mixed = changes(|c| {
            (0..sets).for_each(|key| set(c, &format!("s{key}"), "1"));
            (0..removals).for_each(|key| c.remove(None, &format!("r{key}")));
        });
        fitting(&mixed, Some(TTL))
    };
    let most = mixed(10, 265).unwrap();
    let text = most.update.len() + 10 * ", #data.#k300 = :v300".len();
    assert!(text < 4_096, "it is not the text: {text}");
    assert!(mixed(20, 265).is_none());
    let functions = changes(|c| {
        (0..30).for_each(|key| {
            let apply = Apply::new(|_| Ok(Entry::from_json("1")));
            c.update(None, &format!("f{key}"), apply).unwrap();
        });
        (0..200).for_each(|key| c.remove(None, &format!("r{key}")));
    });
    assert!(fitting(&functions, Some(TTL)).is_none());
    // A version can still be required of the largest.
    let counts = |keys: usize| {
        changes(|c| {
            for key in 0..keys {
                c.add(None, &key.to_string(), 1).unwrap();
            }
        })
    };
    let most = (1..100).rfind(|keys| fitting(&counts(*keys), Some(TTL)).is_some());
    let mut largest = update(&counts(most.unwrap()), Some(TTL));
    for version in [0, 7] {
        largest.require_version(&LAYOUT, version);
        assert!(largest.condition.len() <= 4_096);
    }
    // Long keys are names, which do not count, and neither do values.
    let long = changes(|c| set(c, &"k".repeat(60_000), &"1".repeat(60_000)));
    assert!(fitting(&long, None).is_some());
    // A clear is one value, however many keys follow it.
    let refilled = cleared(|c| (0..1_000).for_each(|key| set(c, &key.to_string(), "1")));
    assert!(fitting(&refilled, None).is_some());
}

#[test]
fn a_refusal_says_why() {
    use ErrorKind::{Conflict, Deserialize, Serialize};
    let by = |by: i64| changes(|c| drop(c.add(None, "k", by)));
    let other = changes(|c| set(c, "k", "1"));
    let rows = [
        (by(1), Some(s("\"text\"")), Deserialize),
        (by(1), Some(s("5")), Deserialize),
        (by(1), Some(AttributeValue::Bool(true)), Deserialize),
        (by(1), Some(m([])), Deserialize),
        (by(1), Some(n("1.5")), Deserialize),
        (by(1), Some(n("1E+30")), Deserialize),
        (by(-1), Some(n(u64::MAX)), Deserialize),
        (by(1), Some(n(i64::MAX)), Serialize),
        (by(-1), Some(n(i64::MIN)), Serialize),
        (by(i64::MIN), Some(n(-1)), Serialize),
        // Nothing is wrong with the key, so it was the version.
        (by(1), Some(n(5)), Conflict),
        (by(1), None, Conflict),
        (other, Some(s("\"text\"")), Conflict),
    ];
    for (changes, there, kind) in rows {
        let told = format!("{there:?}");
        let mut data = HashMap::new();
        data.extend(there.map(|there| ("k".to_owned(), there)));
        let item = Item::from([("data".to_owned(), AttributeValue::M(data))]);
        let error = LAYOUT.refusal(&changes, &item);
        assert_eq!(error.kind(), kind, "{told}");
        assert!(!format!("{error:?}").contains("text"), "{error:?}");
    }
    let error = LAYOUT.refusal(&by(1), &Item::new());
    assert_eq!(error.kind(), Conflict);
}

#[derive(Clone, Debug)]
enum Step {
    Set(String, String),
    Remove(String),
    Add(String, i64),
    Clear,
}

fn any_changes() -> impl Strategy<Value = Changes> {
    let key = || prop_oneof!["[a-c]", "\\PC{1,12}", "[#:., ()=]{1,8}"];
    let step = prop_oneof![
        8 => (key(), "\\PC{0,20}").prop_map(|(key, text)| Step::Set(key, text)),
        8 => key().prop_map(Step::Remove),
        8 => (key(), any::<i64>()).prop_map(|(key, by)| Step::Add(key, by)),
        1 => Just(Step::Clear),
    ];
    prop::collection::vec(step, 1..30).prop_map(|steps| {
        let base = Data::from_iter([("a", Entry::from_json("1"))]);
        changes(|changes| {
            for step in steps {
                match step {
                    Step::Set(key, text) => set(changes, &key, &text),
                    Step::Remove(key) => changes.remove(None, &key),
                    Step::Add(key, by) => drop(changes.add(None, &key, by)),
                    Step::Clear => changes.clear(&base),
                }
            }
        })
    })
}

proptest! {
    #[test]
    fn what_is_used_is_defined_and_what_is_defined_is_used(
        changes in any_changes(),
        with_ttl: bool,
        version in prop::option::of(0_u64..3),
    ) {
        let ttl = with_ttl.then_some(TTL);
        if let Some(mut expression) = fitting(&changes, ttl) {
            check(&expression);
            if let Some(version) = version {
                expression.require_version(&LAYOUT, version);
                check(&expression);
            }
        }
    }

    #[test]
    fn no_key_or_value_is_in_the_text(changes in any_changes()) {
        let Some(expression) = fitting(&changes, None) else {
            return Ok(());
        };
        // The text is that of other changes of the same kinds.
        let plain = self::changes(|plain| {
            if changes.is_cleared() {
                plain.clear(&Data::from_iter([("a", Entry::from_json("1"))]));
            }
            for (n, (_, change)) in changes.iter().enumerate() {
                let key = format!("{n:03}");
                match change {
                    Change::Set(_) => set(plain, &key, "0"),
                    Change::Remove => plain.remove(None, &key),
                    Change::Add(_) => drop(plain.add(None, &key, 1)),
                    Change::Apply(_) => unreachable!("none is among the random changes"),
                }
            }
        });
        let other = fitting(&plain, None).unwrap();
        prop_assert_eq!(&expression.update, &other.update);
        prop_assert_eq!(&expression.condition, &other.condition);
        // And each key is the name of its placeholder.
        if !changes.is_cleared() {
            for (n, (key, _)) in changes.iter().enumerate() {
                prop_assert_eq!(&expression.names[&format!("#k{n}")], key);
            }
        }
    }
}

#[test]
fn an_update_compares_and_sets_its_key_alone() {
    let base = Data::from_iter([
        ("list", Entry::from_json("[1]")),
        ("n", Entry::from_json("1")),
    ]);
    let double = |there: Option<&Entry>| {
        let text = there.map_or("0", |entry| entry.json().unwrap());
        Ok(Entry::from_json(format!("[{text},{text}]")))
    };
    let mut changes = Changes::default();
    for key in ["absent", "list", "n"] {
        changes
            .update(Some(&base), key, Apply::new(double))
            .unwrap();
    }
    let read = Record::new(base, NOW, TTL);
    let expression = LAYOUT
        .update(&changes, Some(&read), stamp(None))
        .unwrap()
        .unwrap();
    check(&expression);
    let sets = ", #data.#k0 = :v0, #data.#k1 = :v1, #data.#k2 = :v2";
    assert!(expression.update.ends_with(sets), "{}", expression.update);
    let clauses = " AND attribute_not_exists(#data.#k0) AND #data.#k1 = :o1 AND #data.#k2 = :o2";
    assert!(
        expression.condition.ends_with(clauses),
        "{}",
        expression.condition
    );
    let value = |name: &str| expression.values[name].clone();
    assert_eq!(value(":v0"), AttributeValue::S("[0,0]".into()));
    assert_eq!(value(":v1"), AttributeValue::S("[[1],[1]]".into()));
    assert_eq!(value(":o1"), AttributeValue::S("[1]".into()));
    assert_eq!(value(":o2"), AttributeValue::N("1".into()));
}
