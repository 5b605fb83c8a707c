//! Changes as the tests write them.

use std::borrow::Cow;

use crate::store::changes::apply::Apply;
use crate::store::changes::change::Change;
use crate::store::changes::change_set::Changes;
use crate::store::data::{Data, Entry};

pub(super) fn data(entries: &[(&str, &str)]) -> Data {
    entries
        .iter()
        .map(|(key, text)| (*key, Entry::from_json(*text)))
        .collect()
}

/// Returns the changes as text, such as `clear a=1 b- c+2`.
pub(super) fn shown(changes: &Changes) -> String {
    let clear = changes.is_cleared().then(|| "clear".to_owned());
    let by_key = changes.iter().map(|(key, change)| match change {
        Change::Set(entry) => format!("{key}={}", entry.json().unwrap_or("native")),
        Change::Remove => format!("{key}-"),
        Change::Add(by) => format!("{key}+{by}"),
        Change::Apply(apply) => format!("{key}*{}", apply.number_of_steps()),
    });
    clear
        .into_iter()
        .chain(by_key)
        .collect::<Vec<_>>()
        .join(" ")
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    Set(&'a str, &'a str),
    Remove(&'a str),
    Add(&'a str, i64),
    /// An update that puts the value into a list.
    Wrap(&'a str),
    Clear,
}

pub(super) fn wrapped(there: Option<&Entry>) -> Entry {
    let text = there.map_or("", |entry| entry.json().unwrap());
    Entry::from_json(format!("[{text}]"))
}

/// Makes a change, and returns whether it was accepted.
pub(super) fn step(changes: &mut Changes, base: Option<&Data>, step: Step<'_>) -> bool {
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

/// Makes an update as a session does it: the function runs before.
pub(super) fn update(changes: &mut Changes, base: Option<&Data>, key: &str, apply: Apply) -> bool {
    let apply = match base {
        Some(base) => {
            let Ok(there) = changes.current(base, key) else {
                return false;
            };
            let there = there.map(Cow::into_owned);
            let made = apply.run(there.as_ref());
            apply.with_forecast(there, made)
        }
        None => apply,
    };
    changes.update(base, key, apply).is_ok()
}

pub(super) fn folded(base: Option<&Data>, steps: &[Step<'_>]) -> Changes {
    let mut changes = Changes::default();
    for one in steps {
        assert!(step(&mut changes, base, *one), "{one:?}");
    }
    changes
}
