//! Random sequences of changes, with saves that succeed, that fail, and during which more is changed.
//! A session always shows the result of the changes in their order, and stores it in the end.

mod gate;
mod steps;

use std::future::Future;
use std::sync::Mutex;

use http::header::{COOKIE, SET_COOKIE};
use lambda_http::{Body, Request, Service as _};
use proptest::prelude::*;

use crate::error::Error;
use crate::layer::SessionLayer;
use crate::session::handle::Session;
use crate::session::sequence_tests::gate::Gate;
use crate::session::sequence_tests::steps::{
    Kinds, Model, Part, Step, any_model, any_parts, any_step, any_steps, assert_shows,
};

/// The number of sequences that each test tries.
const CASES: u32 = 1_500;

/// Sessions in memory, and their client.
#[derive(Default)]
struct Visits {
    gate: Gate,
    cookie: String,
}

impl Visits {
    /// Creates a client whose session holds this.
    async fn begin(model: Model) -> Self {
        let mut visits = Self::default();
        let put = |session: Session| {
            let model = model.clone();
            async move {
                // An empty session is stored only if it held something before.
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

    /// Asserts that another request finds this.
    async fn assert_finds(&mut self, model: &Model) {
        let see = |session: Session| async move {
            assert_shows(&session, model);
            Ok(())
        };
        self.visit(see).await;
    }
}

/// Makes the parts and then the last steps in one request.
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

/// Makes the steps in a login whose id another request cycles concurrently. It begins a new session,
/// so the steps apply to an empty one.
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
    fn sequence_in_a_login_begins_afresh(
        stored in any_model(),
        steps in prop::collection::vec(any_step(Kinds::Blind), 0..6),
    ) {
        block_on(run_afresh(stored, &steps));
    }
}
