//! The effect of changes on data.

use std::sync::Arc;

use crate::store::changes::apply::Apply;
use crate::store::changes::change_set::Changes;
use crate::store::changes::tests::steps::{Step, data, folded, shown, update, wrapped};
use crate::store::data::Data;

#[test]
fn size_counts_keys_and_texts() {
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
fn debug_shows_neither_keys_nor_values() {
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

#[test]
fn update_runs_once_for_the_read_value() {
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
    // Another request has stored another value.
    assert_eq!(of(&data(&[("k", "2")])), "[2]");
    assert!(runs.load(std::sync::atomic::Ordering::SeqCst) > 1);
    assert_eq!(of(&data(&[])), "[]");
}

#[test]
fn changes_are_in_data_only_if_certain() {
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
        // A clear leaves no other key.
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
fn replacing_changes_leave_only_their_data() {
    let stored = data(&[("old", "1"), ("both", "2")]);
    let new = data(&[("both", "3"), ("new", "[4]")]);
    let changes = Changes::replacing(new.clone());
    assert!(changes.is_cleared() && !changes.is_empty());
    for before in [stored.clone(), Data::new(), new.clone()] {
        assert_eq!(changes.apply(&before).unwrap(), new);
    }
    // An empty map is a change too: it removes what another request may have stored.
    let nothing = Changes::replacing(Data::new());
    assert!(nothing.is_cleared() && !nothing.is_empty());
    assert!(nothing.apply(&stored).unwrap().is_empty());
}
