//! Random changes, and the values that a session should hold after them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::error::Error;
use crate::session::handle::Session;
use crate::session::sequence_tests::gate::Save;

pub(super) const KEYS: [&str; 2] = ["a", "b"];

/// The values that the session should hold.
pub(super) type Model = BTreeMap<&'static str, i64>;

/// One change.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Insert(&'static str, i64),
    GetOrInsert(&'static str, i64),
    Remove(&'static str),
    Increment(&'static str, i64),
    /// A function that changes each value.
    Double(&'static str, i64),
    /// A function that changes only some values.
    Raise(&'static str, i64),
    Take(&'static str),
    TakeOnce(&'static str),
    Clear,
    CycleId,
    Destroy,
}

impl Step {
    /// Makes the change, and asserts that the session shows it.
    pub(super) fn run(self, session: &Session, model: &mut Model) -> Result<(), Error> {
        let sum = match self {
            Self::Increment(key, by) => Some(model.get(key).copied().unwrap_or(0) + by),
            _ => None,
        };
        let taken = match self {
            Self::Take(key) | Self::TakeOnce(key) => model.get(key).copied(),
            Self::GetOrInsert(key, n) => model.get(key).copied().or(Some(n)),
            _ => None,
        };
        let given = self.apply(session, model)?;
        assert_eq!(given, sum.or(taken), "{self:?}");
        assert_shows(session, model);
        Ok(())
    }

    /// Makes the change, and returns what the session returned.
    pub(super) fn apply(self, session: &Session, model: &mut Model) -> Result<Option<i64>, Error> {
        let mut given = None;
        match self {
            Self::Insert(key, n) => {
                session.insert(key, n)?;
                model.insert(key, n);
            }
            Self::GetOrInsert(key, n) => {
                given = Some(session.get_or_insert_with(key, || n)?);
                model.entry(key).or_insert(n);
            }
            Self::Remove(key) => {
                session.remove(key)?;
                model.remove(key);
            }
            Self::Increment(key, by) => {
                given = Some(session.increment(key, by)?);
                *model.entry(key).or_default() += by;
            }
            Self::Double(key, plus) => {
                session.update(key, move |n: &mut i64| *n = *n * 2 + plus)?;
                let n = model.entry(key).or_default();
                *n = *n * 2 + plus;
            }
            Self::Raise(key, least) => {
                session.update(key, move |n: &mut i64| *n = (*n).max(least))?;
                let n = model.entry(key).or_default();
                *n = (*n).max(least);
            }
            Self::Take(key) => {
                given = session.take(key)?;
                model.remove(key);
            }
            Self::TakeOnce(key) => {
                given = session.take_once(key)?;
                model.remove(key);
            }
            Self::Clear => {
                session.clear()?;
                model.clear();
            }
            Self::CycleId => session.cycle_id()?,
            Self::Destroy => {
                session.destroy()?;
                model.clear();
            }
        }
        Ok(given)
    }
}

#[track_caller]
pub(super) fn assert_shows(session: &Session, model: &Model) {
    assert!(
        session.keys().iter().eq(model.keys()),
        "{:?}",
        session.keys()
    );
    for key in KEYS {
        assert_eq!(session.get(key).unwrap(), model.get(key).copied(), "{key}");
        assert_eq!(session.contains(key), model.contains_key(key), "{key}");
    }
}

/// Changes, and then a save during which others are made.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) before: Vec<Step>,
    pub(super) save: Save,
    pub(super) during: Vec<Step>,
}

/// A set of steps to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kinds {
    /// The steps that change values.
    Values,
    /// The steps that change values and do not depend on what is stored.
    Blind,
    /// The steps that change values, cycle the id or end the session.
    AndEnds,
}

pub(super) fn any_step(kinds: Kinds) -> impl Strategy<Value = Step> {
    let key = || prop::sample::select(&KEYS);
    let with_n = || (key(), -1_i64..2);
    let takes = u32::from(kinds != Kinds::Blind);
    let ends = u32::from(kinds == Kinds::AndEnds);
    prop_oneof![
        4 => with_n().prop_map(|(key, n)| Step::Insert(key, n)),
        2 => key().prop_map(Step::Remove),
        2 => with_n().prop_map(|(key, n)| Step::Increment(key, n)),
        2 => with_n().prop_map(|(key, n)| Step::Double(key, n)),
        2 => with_n().prop_map(|(key, n)| Step::Raise(key, n)),
        2 * takes => prop_oneof![
            key().prop_map(Step::Take),
            with_n().prop_map(|(key, n)| Step::GetOrInsert(key, n)),
        ],
        2 * takes => key().prop_map(Step::TakeOnce),
        2 => Just(Step::Clear),
        2 * ends => Just(Step::CycleId),
        2 * ends => Just(Step::Destroy),
    ]
}

pub(super) fn any_steps(kinds: Kinds) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any_step(kinds), 0..4)
}

pub(super) fn any_part(kinds: Kinds) -> impl Strategy<Value = Part> {
    let save = prop_oneof![Just(Save::Succeeds), Just(Save::Fails)];
    (any_steps(kinds), save, any_steps(kinds)).prop_map(|(before, save, during)| Part {
        before,
        save,
        during,
    })
}

pub(super) fn any_parts(kinds: Kinds) -> impl Strategy<Value = Vec<Part>> {
    prop::collection::vec(any_part(kinds), 0..4)
}

pub(super) fn any_model() -> impl Strategy<Value = Model> {
    prop::collection::btree_map(prop::sample::select(&KEYS), Just(1), 0..=KEYS.len())
}
