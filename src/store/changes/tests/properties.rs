//! Random changes: the folded changes have the effect of the single ones.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::error::ErrorKind;
use crate::store::changes::change::Change;
use crate::store::changes::change_set::Changes;
use crate::store::changes::tests::steps::{Step, shown, step, wrapped};
use crate::store::data::{Data, Entry};

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

/// Applies the steps to the data, one after the other.
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

fn holds_only_sets_after_a_clear(changes: &Changes) -> bool {
    let set = |(_, change): (&str, &Change)| matches!(change, Change::Set(_));
    !changes.is_cleared() || changes.iter().all(set)
}

/// Returns whether every value after the changes is known without running a function.
fn has_all_forecasts(changes: &Changes, base: &Data) -> bool {
    let next = changes.next_without_forecast(base, &BTreeMap::new());
    next.is_none() && KEYS.iter().all(|key| changes.current(base, key).is_ok())
}

proptest! {
    #[test]
    fn fold_has_the_effect_of_the_steps(base in any_base(), steps in any_steps(true)) {
        let changes = changed(Some(&base), &steps);
        let after = changes.apply(&base).unwrap();
        prop_assert_eq!(after, done_at_once(&base, &steps));
        prop_assert!(holds_only_sets_after_a_clear(&changes));
        prop_assert!(has_all_forecasts(&changes, &base));
    }

    #[test]
    fn fold_without_a_read_has_the_same_effect(base in any_base(), steps in any_steps(false)) {
        let mut changes = changed(None, &steps);
        let expected = done_at_once(&base, &steps);
        match changes.apply(&base) {
            Ok(after) => prop_assert_eq!(&after, &expected),
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Deserialize),
        }
        // A later read changes what is written, but not the result.
        changes.rebase(&base, BTreeMap::new());
        if let Ok(after) = changes.apply(&base) {
            prop_assert_eq!(&after, &expected);
        }
    }

    #[test]
    fn fold_is_empty_only_without_an_effect(
        base in any_base(),
        steps in any_steps(true),
    ) {
        let changes = changed(Some(&base), &steps);
        if changes.is_empty() {
            prop_assert_eq!(changes.apply(&base).unwrap(), base);
        } else if !changes.is_cleared() {
            let after = changes.apply(&base).unwrap();
            prop_assert_ne!(after, base);
        }
    }

    #[test]
    fn rebase_on_the_same_data_changes_nothing(base in any_base(), steps in any_steps(true)) {
        let mut changes = changed(Some(&base), &steps);
        let before = shown(&changes);
        changes.rebase(&base, BTreeMap::new());
        prop_assert_eq!(shown(&changes), before);
    }

    #[test]
    fn current_is_the_result_of_apply(base in any_base(), steps in any_steps(true)) {
        for mut changes in [changed(Some(&base), &steps), changed(None, &steps)] {
            let Ok(after) = changes.apply(&base) else { continue };
            // A session rebases its changes when it is read.
            let mut forecasts = BTreeMap::new();
            while let Some((key, apply, there)) = changes.next_without_forecast(&base, &forecasts) {
                let result = apply.run(there.as_ref());
                forecasts.insert(key, apply.with_forecast(there, result));
            }
            changes.rebase(&base, forecasts);
            let keys: Vec<&str> = after.iter().map(|(key, _)| key).collect();
            prop_assert_eq!(changes.keys(&base), keys);
            for key in KEYS {
                let current = changes.current(&base, key).unwrap();
                prop_assert_eq!(current.as_deref(), after.get(key));
            }
        }
    }

    #[test]
    fn size_is_exact_except_for_digits_of_sums(
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
            // A sum of an absent key counts 20 bytes. Another sum counts its previous size, and can
            // grow by a sign and a digit here.
            let size = changes.size_after(&base);
            prop_assert!(size + 2 * sums(false) >= after.size());
            prop_assert!(size <= after.size() + 20 * sums(true) + 2 * sums(false));
        }
    }

    #[test]
    fn followed_by_has_the_effect_of_both(
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
        prop_assert!(has_all_forecasts(&both, &base), "{}", shown(&both));
        prop_assert_eq!(both.apply(&base).unwrap(), after);
    }

    #[test]
    fn followed_by_without_a_read_has_both_effects(
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
