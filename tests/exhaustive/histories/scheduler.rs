//! Who is next: clients that run one at a time, in an order that a seed decides.
//!
//! Each client waits here before each of its requests, and its proxy for it before each of its
//! calls. Once all of them wait, one is let go on, and its call meets a fault or not. So whatever
//! happens, happens again with the same seed.
//!
//! On a free stage nobody waits: clients run at once, and calls take their time or hang.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::support::{Action, Random};

/// What a client is about to do that is about to begin a request.
pub(crate) const BEGINS: &str = "begins";

#[derive(Clone)]
pub(crate) struct Scheduler(Arc<Mutex<State>>);

/// Whether clients run one at a time or at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Seeded,
    Free,
}

struct State {
    random: Random,
    order: Order,
    /// How many clients there are.
    clients: usize,
    /// Those that wait, and what they are about to do.
    waiting: BTreeMap<usize, (String, oneshot::Sender<Action>)>,
    /// All that was let happen, in order.
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

    /// Waits until it is this client's turn, and says what becomes of its call.
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

    /// This client takes no more turns.
    pub(crate) fn leave(&self) {
        let mut state = self.0.lock().unwrap();
        state.clients -= 1;
        state.proceed();
    }

    /// All that happened, in order.
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
        let answer = self.decide(client, &what);
        go.send(answer).map_err(drop).expect("it waits");
    }

    fn decide(&mut self, client: usize, what: &str) -> Action {
        let answer = match what {
            BEGINS => Action::Forward,
            call => fault(&mut self.random, call, self.order),
        };
        self.log.push(format!("{client} {what} {}", name(&answer)));
        answer
    }
}

/// What becomes of one call.
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

fn name(answer: &Action) -> &'static str {
    match answer {
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
