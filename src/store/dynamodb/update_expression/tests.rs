use std::collections::HashMap;

use super::*;
use crate::store::dynamodb::item;
use crate::store::dynamodb::testing::{FORM, MAP, NOW, OURS, check_placeholders, m, n, s};
use crate::store::record::Found;

mod lifetimes;
mod limits;
mod properties;

const TTL_SET: Timestamp = Timestamp::from_epoch_seconds(1_700_000_500);

const STAMPED: &str = "ADD version :i SET #w=:w,modified=:m";

/// The form of a record that was read.
const SAME_FORM: &str = "created>=:i AND NOT fmt>:i";

const ALIVE: &str = "#t>:n";

fn stamp(ttl: Option<Timestamp>) -> Stamp<'static> {
    Stamp {
        now: NOW,
        write: "write-id",
        label: None,
        lifetimes: Lifetimes::default(),
        ttl,
    }
}

/// Returns changes of a session that was not read.
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

/// Returns the expression of changes of a session that was not read, if they fit in one.
fn fitting(changes: &Changes, ttl: Option<Timestamp>) -> Option<Expression> {
    by_key(changes, None, stamp(ttl)).unwrap()
}

fn update(changes: &Changes, ttl: Option<Timestamp>) -> Expression {
    let expression = fitting(changes, ttl).unwrap();
    check_placeholders(&expression);
    expression
}

#[test]
fn set_names_each_placeholder() {
    let changes = changes(|c| set(c, "na.me", "\"ada\""));
    let expression = update(&changes, None);
    assert_eq!(expression.update, format!("{STAMPED},#d.#0=:0"));
    assert_eq!(expression.condition, format!("{FORM} AND {ALIVE}"));
    let names = [
        ("#0", "na.me"),
        ("#d", "data"),
        ("#t", "ttl"),
        ("#w", "write"),
    ];
    let names = names.map(|(placeholder, name)| (placeholder.to_owned(), name.to_owned()));
    assert_eq!(expression.names, HashMap::from(names));
    let values = [
        (":0", s("\"ada\"")),
        (":c", s("N")),
        (":i", n(1)),
        (":n", n(1_700_000_000_u64)),
        (":w", s("write-id")),
        (":m", s("2023-11-14T22:13:20Z")),
    ];
    let values = values.map(|(placeholder, value)| (placeholder.to_owned(), value));
    assert_eq!(expression.values, HashMap::from(values));
}

#[test]
fn removal_removes_its_path() {
    let changes = changes(|c| c.remove(None, "k"));
    let expression = update(&changes, None);
    assert_eq!(expression.update, format!("{STAMPED} REMOVE #d.#0"));
    assert_eq!(expression.condition, format!("{FORM} AND {ALIVE}"));
    assert_eq!(expression.names["#0"], "k");
}

#[test]
fn increment_adds_within_i64() {
    let changes = changes(|c| drop(c.add(None, "k", 3)));
    let expression = update(&changes, None);
    assert_eq!(
        expression.update,
        format!("{STAMPED},#d.#0=if_not_exists(#d.#0,:z)+:0")
    );
    assert_eq!(
        expression.condition,
        format!(
            "{FORM} AND {ALIVE} \
             AND (attribute_not_exists(#d.#0) OR #d.#0 BETWEEN :l0 AND :h0)"
        )
    );
    assert_eq!(expression.values[":0"], n(3));
    assert_eq!(expression.values[":l0"], n(i64::MIN));
    assert_eq!(expression.values[":h0"], n(i64::MAX - 3));
}

#[test]
fn mixed_changes_share_one_expression() {
    let changes = changes(|c| {
        c.remove(None, "a");
        set(c, "b", "7");
        c.remove(None, "c");
        c.add(None, "d", -1).unwrap();
    });
    let expression = update(&changes, Some(TTL_SET));
    assert_eq!(
        expression.update,
        format!(
            "{STAMPED},#t=:t,#d.#1=:1,#d.#3=if_not_exists(#d.#3,:z)+:3 \
             REMOVE #d.#0,#d.#2"
        )
    );
    let keys = ["#0", "#1", "#2", "#3"].map(|k| expression.names[k].as_str());
    assert_eq!(keys, ["a", "b", "c", "d"]);
    assert_eq!(expression.values[":1"], n(7));
    assert_eq!(expression.values[":t"], n(1_700_000_500_u64));
    assert_eq!(expression.values[":n"], n(1_700_000_000_u64));
}

#[test]
fn clear_replaces_the_whole_of_data() {
    let expression = update(&cleared(|_| ()), None);
    assert_eq!(expression.update, format!("{STAMPED},#d=:d"));
    assert_eq!(expression.condition, format!("{OURS} AND {ALIVE}"));
    assert_eq!(expression.values[":d"], m([]));

    let refilled = cleared(|c| {
        set(c, "a", "\"x\"");
        c.add(None, "n", 2).unwrap();
    });
    let expression = update(&refilled, Some(TTL_SET));
    assert_eq!(expression.update, format!("{STAMPED},#t=:t,#d=:d"));
    assert_eq!(expression.values[":d"], m([("a", s("\"x\"")), ("n", n(2))]));
}

#[test]
fn touch_only_extends_the_expiry() {
    let expression = touch(TTL_SET, NOW);
    check_placeholders(&expression);
    assert_eq!(expression.update, "SET #t=:t,modified=:m");
    assert_eq!(
        expression.condition,
        format!("{OURS} AND #t>:n AND #t<:t AND NOT idle<:j AND NOT ends<:t")
    );
    assert_eq!(expression.values[":t"], n(1_700_000_500_u64));
    let extension = TTL_SET.seconds_since(NOW);
    assert_eq!(expression.values[":j"], n(extension));
}

#[test]
fn touch_of_a_load_depends_on_the_record() {
    let at = Timestamp::from_epoch_seconds;
    let expression = touch_if_due(&Touch::new(TTL_SET, at(7), at(5)), NOW);
    check_placeholders(&expression);
    let update = touch(TTL_SET, NOW).update;
    assert_eq!(expression.update, update, "it writes the same");
    assert_eq!(
        expression.condition,
        "attribute_type(#d,:p) AND created>=:e AND (attribute_not_exists(fmt) OR fmt=:i) AND #t>:n \
         AND #t<=:x AND NOT #u<:t AND NOT idle>=:i AND NOT ends>=:i"
    );
    assert_eq!(expression.values[":t"], n(1_700_000_500_u64));
    assert_eq!(expression.values[":x"], n(7));
    assert_eq!(expression.values[":e"], n(5));
}

#[test]
fn whole_data_depends_on_its_version() {
    let data = Data::from_iter([("k", Entry::from_json("1"))]);
    for (version, clause) in [(0, "attribute_not_exists(version)"), (7, "version=:v")] {
        let expression = whole(&data, version, stamp(None));
        check_placeholders(&expression);
        assert_eq!(expression.update, format!("{STAMPED},#d=:d"));
        assert_eq!(
            expression.condition,
            format!("{OURS} AND #t>:n AND {clause}")
        );
        assert_eq!(expression.values[":d"], m([("k", n(1))]));
        let value = (version > 0).then(|| n(version));
        assert_eq!(expression.values.get(":v"), value.as_ref());
    }
}

/// Returns a record as it is read from an item.
fn read(version: u64, fence: Option<u64>) -> Record {
    let mut item = Item::from([
        ("data".to_owned(), m([])),
        ("created".to_owned(), n(NOW)),
        ("ttl".to_owned(), n(TTL_SET)),
        ("version".to_owned(), n(version)),
    ]);
    item.extend(fence.map(|fence| ("fence".to_owned(), n(fence))));
    match item::read(item, NOW).unwrap() {
        Found::Live(record) => record,
        other => panic!("{other:?}"),
    }
}

#[test]
fn repetition_raises_the_fence() {
    let changes = changes(|c| {
        set(c, "k", "1");
        c.remove(None, "gone");
    });
    for (version, fence, stays, unwritten, raised) in [
        (0, None, "NOT fence>=:i", "attribute_not_exists(version)", 1),
        (7, Some(3), "fence=:f", "version=:v", 4),
    ] {
        let read = read(version, fence);
        let fits = by_key(&changes, Some(&read), stamp(None)).unwrap();
        let mut expression = fits.unwrap();
        check_placeholders(&expression);
        let first = format!("{SAME_FORM} AND {ALIVE} AND {stays}");
        assert_eq!(expression.condition, first);
        assert!(!expression.update.contains("fence"));

        repeat(&mut expression, &read);
        check_placeholders(&expression);
        assert_eq!(expression.condition, format!("{first} AND {unwritten}"));
        assert_eq!(expression.values[":r"], n(raised));
        let update = &expression.update;
        assert!(
            update.starts_with("ADD version :i SET fence=:r,#w=:w,"),
            "{update}"
        );
        assert!(update.ends_with(" REMOVE #d.#0"), "{update}");
    }
}

#[test]
fn increment_bounds_keep_the_sum_an_i64() {
    for by in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX] {
        let (low, high) = addends(by);
        assert!(low.checked_add(by).is_some(), "{by}");
        assert!(high.checked_add(by).is_some(), "{by}");
        // And no more than that is refused.
        let below = low.checked_sub(1).and_then(|n| n.checked_add(by));
        let above = high.checked_add(1).and_then(|n| n.checked_add(by));
        assert_eq!((below, above), (None, None), "{by}");
        let expression = update(&changes(|c| drop(c.add(None, "k", by))), None);
        assert_eq!(expression.values[":0"], n(by));
        assert_eq!(expression.values[":l0"], n(low));
        assert_eq!(expression.values[":h0"], n(high));
    }
}

#[test]
fn function_compares_and_sets_only_its_key() {
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
    let read = Record::new(base, NOW, TTL_SET);
    let expression = by_key(&changes, Some(&read), stamp(None)).unwrap().unwrap();
    check_placeholders(&expression);
    let sets = ",#d.#0=:0,#d.#1=:1,#d.#2=:2";
    assert!(expression.update.ends_with(sets), "{}", expression.update);
    let clauses = " AND attribute_not_exists(#d.#0) AND #d.#1=:o1 AND #d.#2=:o2";
    assert!(
        expression.condition.ends_with(clauses),
        "{}",
        expression.condition
    );
    let value = |name: &str| expression.values[name].clone();
    assert_eq!(value(":0"), AttributeValue::S("[0,0]".into()));
    assert_eq!(value(":1"), AttributeValue::S("[[1],[1]]".into()));
    assert_eq!(value(":o1"), AttributeValue::S("[1]".into()));
    assert_eq!(value(":o2"), AttributeValue::N("1".into()));
}

#[test]
fn refusal_states_its_reason() {
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
        let case = format!("{there:?}");
        let mut data = HashMap::new();
        data.extend(there.map(|there| ("k".to_owned(), there)));
        let item = Item::from([("data".to_owned(), AttributeValue::M(data))]);
        let error = refusal(&changes, &item);
        assert_eq!(error.kind(), kind, "{case}");
        assert!(!format!("{error:?}").contains("text"), "{error:?}");
    }
    let error = refusal(&by(1), &Item::new());
    assert_eq!(error.kind(), Conflict);
}

#[test]
fn condition_of_a_read_record_is_shorter() {
    let set_one = changes(|c| set(c, "k", "1"));
    let remove_one = changes(|c| c.remove(None, "k"));
    let epoch = Timestamp::from_epoch_seconds(0);
    let of_the_epoch = Record::new(Data::new(), epoch, TTL_SET).at_version(7);
    let with_map = format!("{MAP} AND {SAME_FORM}");
    for (changes, read, ours) in [
        (&set_one, read(7, None), SAME_FORM),
        (&remove_one, read(7, None), SAME_FORM),
        // Nothing is below `data`, so its type is checked.
        (&cleared(|_| ()), read(7, None), with_map.as_str()),
        (&Changes::default(), read(7, None), &with_map),
        (&set_one, of_the_epoch, FORM),
    ] {
        let expression = by_key(changes, Some(&read), stamp(None)).unwrap().unwrap();
        check_placeholders(&expression);
        let condition = format!("{ours} AND {ALIVE} AND NOT fence>=:i");
        assert_eq!(expression.condition, condition);
    }
}
