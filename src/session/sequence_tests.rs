//! Random sequences of changes, with saves that succeed, that fail, and during which more is changed:
//! a session always shows, and at last stores, what the changes made one after the other.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use http::header::{COOKIE, SET_COOKIE};
use lambda_http::{Body, Request, Service as _};
use proptest::prelude::*;
use tokio::sync::Notify;

use crate::error::{Error, ErrorKind};
use crate::id::StorageKey;
use crate::session::Session;
use crate::store::item::{Item, Write};
use crate::store::session_store::RequestTime;
use crate::store::versioned::VersionedStore;
use crate::{MemoryStore, SessionLayer};

/// The number of sequences that each test tries.
const CASES: u32 = 1_500;

const KEYS: [&str; 2] = ["a", "b"];

/// The values that the session should hold.
type Model = BTreeMap<&'static str, i64>;

/// One change.
#[derive(Clone, Copy, Debug)]
enum Step {
    Insert(&'static str, i64),
    Remove(&'static str),
    Increment(&'static str, i64),
    /// A function that makes something else of each value.
    Double(&'static str, i64),
    /// A function that changes some values only.
    Raise(&'static str, i64),
    Take(&'static str),
    TakeOnce(&'static str),
    Clear,
    Renew,
    Destroy,
}

impl Step {
    /// Makes the change, and sees that the session shows it.
    fn run(self, session: &Session, model: &mut Model) -> Result<(), Error> {
        let sum = match self {
            Self::Increment(key, by) => Some(model.get(key).copied().unwrap_or(0) + by),
            _ => None,
        };
        let taken = match self {
            Self::Take(key) | Self::TakeOnce(key) => model.get(key).copied(),
            _ => None,
        };
        let given = self.apply(session, model)?;
        assert_eq!(given, sum.or(taken), "{self:?}");
        assert_shows(session, model);
        Ok(())
    }

    /// Makes the change, and gives what the session returned.
    fn apply(self, session: &Session, model: &mut Model) -> Result<Option<i64>, Error> {
        let mut given = None;
        match self {
            Self::Insert(key, n) => {
                session.insert(key, n)?;
                model.insert(key, n);
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
            Self::Renew => session.cycle_id()?,
            Self::Destroy => {
                session.destroy()?;
                model.clear();
            }
        }
        Ok(given)
    }
}

#[track_caller]
fn assert_shows(session: &Session, model: &Model) {
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
struct Part {
    before: Vec<Step>,
    save: Save,
    during: Vec<Step>,
}

/// The result of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Save {
    Succeeds = 1,
    Fails,
}

/// A set of steps to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kinds {
    /// The steps that change values.
    Values,
    /// Of these, those that take nothing: what they do does not depend on what is stored.
    Blind,
    /// The steps that change values, cycle the id or end the session.
    AndEnds,
}

fn any_step(kinds: Kinds) -> impl Strategy<Value = Step> {
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
        takes => key().prop_map(Step::Take),
        2 * takes => key().prop_map(Step::TakeOnce),
        2 => Just(Step::Clear),
        2 * ends => Just(Step::Renew),
        2 * ends => Just(Step::Destroy),
    ]
}

fn any_steps(kinds: Kinds) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any_step(kinds), 0..4)
}

fn any_part(kinds: Kinds) -> impl Strategy<Value = Part> {
    let save = prop_oneof![Just(Save::Succeeds), Just(Save::Fails)];
    (any_steps(kinds), save, any_steps(kinds)).prop_map(|(before, save, during)| Part {
        before,
        save,
        during,
    })
}

fn any_parts(kinds: Kinds) -> impl Strategy<Value = Vec<Part>> {
    prop::collection::vec(any_part(kinds), 0..4)
}

fn any_model() -> impl Strategy<Value = Model> {
    prop::collection::btree_map(prop::sample::select(&KEYS), Just(1), 0..=KEYS.len())
}

/// A store whose next write waits, and may fail then.
#[derive(Clone, Default)]
struct Gate {
    store: MemoryStore,
    next: Arc<AtomicU8>,
    entered: Arc<Notify>,
    open: Arc<Notify>,
}

impl Gate {
    async fn pass(&self) -> Result<(), Error> {
        let next = self.next.swap(0, Ordering::SeqCst);
        if next == 0 {
            return Ok(());
        }
        self.entered.notify_one();
        self.open.notified().await;
        if next == Save::Fails as u8 {
            return Err(Error::new(ErrorKind::Unavailable, "as it is told"));
        }
        Ok(())
    }

    /// A save, and what is changed while the store is at it. If there was nothing to write, nothing
    /// is changed.
    async fn save(&self, session: &Session, write: Save, during: impl FnOnce()) {
        self.next.store(write as u8, Ordering::SeqCst);
        let mut save = std::pin::pin!(session.save());
        tokio::select! {
            biased;
            saved = &mut save => {
                self.next.store(0, Ordering::SeqCst);
                saved.unwrap();
                return;
            }
            () = self.entered.notified() => during(),
        }
        self.open.notify_one();
        assert_eq!(save.await.is_err(), write == Save::Fails);
    }
}

impl VersionedStore for Gate {
    async fn get(&self, key: &StorageKey, at: RequestTime) -> Result<Option<Item>, Error> {
        self.store.get(key, at).await
    }

    async fn commit(&self, writes: Vec<Write>, at: RequestTime) -> Result<bool, Error> {
        self.pass().await?;
        self.store.commit(writes, at).await
    }
}

/// Sessions in memory, and a client of theirs.
#[derive(Default)]
struct Visits {
    gate: Gate,
    cookie: String,
}

impl Visits {
    /// One whose session holds this.
    async fn begin(model: Model) -> Self {
        let mut visits = Self::default();
        let put = |session: Session| {
            let model = model.clone();
            async move {
                // An empty session is stored only after it held something.
                session.insert("a", 0)?;
                session.save().await?;
                session.clear()?;
                model
                    .iter()
                    .try_for_each(|(key, n)| session.insert(*key, n))
            }
        };
        visits.visit(put).await;
        visits
    }

    async fn visit<F>(&mut self, handler: impl Fn(Session) -> F + Send + Sync)
    where
        F: Future<Output = Result<(), Error>> + Send,
    {
        let wrapped = |_: Request, session: Session| {
            let handled = handler(session);
            async { handled.await.map(|()| String::new()) }
        };
        let request = http::Request::builder().header(COOKIE, &self.cookie);
        let request: Request = request.body(Body::Empty).unwrap();
        let sessions = SessionLayer::new(self.gate.clone());
        let response = sessions.wrap(wrapped).call(request).await.unwrap();
        assert_eq!(response.status(), 200, "{:?}", response.body());
        if let Some(cookie) = response.headers().get(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next();
            self.cookie = pair.unwrap_or_default().to_owned();
        }
    }

    /// Another request finds this.
    async fn assert_finds(&mut self, model: &Model) {
        let see = |session: Session| async move {
            assert_shows(&session, model);
            Ok(())
        };
        self.visit(see).await;
    }
}

/// The parts and then the last steps, in one request.
async fn run(stored: Model, parts: &[Part], last: &[Step]) {
    let mut visits = Visits::begin(stored.clone()).await;
    let gate = visits.gate.clone();
    let made = Mutex::new(stored);
    let (gate, made) = (&gate, &made);
    let handler = |session: Session| async move {
        let mut model = made.lock().unwrap().clone();
        for part in parts {
            for step in &part.before {
                step.run(&session, &mut model)?;
            }
            let during = || {
                for step in &part.during {
                    step.run(&session, &mut model).unwrap();
                }
            };
            gate.save(&session, part.save, during).await;
            assert_shows(&session, &model);
        }
        for step in last {
            step.run(&session, &mut model)?;
        }
        *made.lock().unwrap() = model;
        Ok(())
    };
    visits.visit(handler).await;
    let model = made.lock().unwrap().clone();
    visits.assert_finds(&model).await;
}

/// The steps in a login whose session was given a new id by another request meanwhile, so that it
/// begins a new one: what the steps make of nothing.
async fn run_afresh(stored: Model, steps: &[Step]) {
    let mut visits = Visits::begin(stored).await;
    let (gate, cookie) = (visits.gate.clone(), visits.cookie.clone());
    let made = Mutex::new(Model::new());
    let (gate, cookie, made) = (&gate, &cookie, &made);
    let handler = |session: Session| async move {
        let mut other = Visits {
            gate: gate.clone(),
            cookie: cookie.clone(),
        };
        other
            .visit(|session| async move { session.cycle_id() })
            .await;
        session.log_in("ada")?;
        let mut model = Model::new();
        for step in steps {
            step.apply(&session, &mut model)?;
        }
        *made.lock().unwrap() = model;
        Ok(())
    };
    visits.visit(handler).await;
    let model = made.lock().unwrap().clone();
    visits.assert_finds(&model).await;
}

fn block_on(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn sequence_of_changes_is_stored_in_order(
        stored in any_model(),
        parts in any_parts(Kinds::Values),
        last in any_steps(Kinds::Values),
    ) {
        block_on(run(stored, &parts, &last));
    }

    #[test]
    fn sequence_with_ends_is_stored_in_order(
        stored in any_model(),
        parts in any_parts(Kinds::AndEnds),
        last in any_steps(Kinds::AndEnds),
    ) {
        block_on(run(stored, &parts, &last));
    }

    #[test]
    fn sequence_of_a_login_that_begins_afresh(
        stored in any_model(),
        steps in prop::collection::vec(any_step(Kinds::Blind), 0..6),
    ) {
        block_on(run_afresh(stored, &steps));
    }
}
