//! The scheduler: clients run one at a time, in an order that a seed decides.
//!
//! Each client waits here before each of its requests, and its proxy before each of its calls. When
//! all clients wait, one of them continues, and its call may meet a fault. The same seed therefore
//! gives the same history.
//!
//! In the order `Free` no client waits: clients run concurrently, and calls are slow or hang.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::support::{Action, Random};

/// The name of the step with which a client begins a request.
pub(crate) const BEGINS: &str = "begins";

#[derive(Clone)]
pub(crate) struct Scheduler(Arc<Mutex<State>>);

/// The order of clients: one at a time, or concurrently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Seeded,
    Free,
}

struct State {
    random: Random,
    order: Order,
    /// The number of clients.
    clients: usize,
    /// The waiting clients, each with its next step.
    waiting: BTreeMap<usize, (String, oneshot::Sender<Action>)>,
    /// All steps, in order.
    log: Vec<String>,
}

impl Scheduler {
    pub(crate) fn new(seed: u64, clients: usize, order: Order) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: Random::new(seed),
            order,
            clients,
            waiting: BTreeMap::new(),
            log: Vec::new(),
        })))
    }

    /// Waits for this client's turn, and returns how its call is handled.
    pub(crate) async fn turn(&self, client: usize, what: &str) -> Action {
        let (go, outcome) = oneshot::channel();
        {
            let mut state = self.0.lock().unwrap();
            if state.order == Order::Free {
                return state.decide(client, what);
            }
            let other = state.waiting.insert(client, (what.to_owned(), go));
            assert!(other.is_none(), "client {client} does two things at once");
            state.proceed();
        }
        outcome.await.expect("the scheduler outlives its clients")
    }

    /// Removes a client, which takes no more turns.
    pub(crate) fn leave(&self) {
        let mut state = self.0.lock().unwrap();
        state.clients -= 1;
        state.proceed();
    }

    /// Returns all steps, in order.
    pub(crate) fn log(&self) -> Vec<String> {
        self.0.lock().unwrap().log.clone()
    }
}

impl State {
    fn proceed(&mut self) {
        if self.waiting.is_empty() || self.waiting.len() < self.clients {
            return;
        }
        let nth = self.random.below(self.waiting.len() as u64) as usize;
        let client = *self.waiting.keys().nth(nth).expect("there are so many");
        let (what, go) = self.waiting.remove(&client).expect("it waits");
        let action = self.decide(client, &what);
        go.send(action).map_err(drop).expect("it waits");
    }

    fn decide(&mut self, client: usize, what: &str) -> Action {
        let action = match what {
            BEGINS => Action::Forward,
            call => fault(&mut self.random, call, self.order),
        };
        self.log.push(format!("{client} {what} {}", name(&action)));
        action
    }
}

/// Draws how a call is handled.
fn fault(random: &mut Random, call: &str, order: Order) -> Action {
    let is_read = call == "GetItem";
    match (random.below(300), order) {
        (0..=8, _) => Action::error(500, "InternalServerError"),
        (9..=17, _) => Action::lost(),
        (18..=20, _) => Action::Reset,
        (21..=23, _) => Action::ForwardThenReset,
        (24..=29, _) => Action::error(400, "ThrottlingException"),
        (30..=119, _) if is_read => Action::Stale,
        (30..=38, _) => Action::Overtaken(1 + random.below(6) as usize),
        (39, Order::Free) => Action::Hang,
        (40, Order::Free) => Action::ForwardThenHang,
        (41..=59, Order::Free) => Action::Delay(Duration::from_millis(random.below(30))),
        _ => Action::Forward,
    }
}

fn name(action: &Action) -> &'static str {
    match action {
        Action::Forward => "",
        Action::Reply(..) => "refused",
        Action::ForwardThenReply(..) => "lost",
        Action::Reset => "reset",
        Action::ForwardThenReset => "reset after",
        Action::Overtaken(_) => "overtaken",
        Action::Stale => "stale",
        Action::Hang => "hangs",
        Action::ForwardThenHang => "hangs after",
        Action::Delay(_) => "slow",
        other => unreachable!("{}", std::any::type_name_of_val(other)),
    }
}
