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

use crate::support::{Answer, Dice};

/// What a client is about to do that is about to begin a request.
pub(crate) const BEGINS: &str = "begins";

#[derive(Clone)]
pub(crate) struct Stage(Arc<Mutex<State>>);

/// Whether clients run one at a time or at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Seeded,
    Free,
}

struct State {
    dice: Dice,
    order: Order,
    /// How many clients there are.
    clients: usize,
    /// Those that wait, and what they are about to do.
    waiting: BTreeMap<usize, (String, oneshot::Sender<Answer>)>,
    /// All that was let happen, in order.
    log: Vec<String>,
}

impl Stage {
    pub(crate) fn new(seed: u64, clients: usize, order: Order) -> Self {
        Self(Arc::new(Mutex::new(State {
            dice: Dice::new(seed),
            order,
            clients,
            waiting: BTreeMap::new(),
            log: Vec::new(),
        })))
    }

    /// Waits until it is this client's turn, and says what becomes of its call.
    pub(crate) async fn turn(&self, client: usize, what: &str) -> Answer {
        let (go, told) = oneshot::channel();
        {
            let mut state = self.0.lock().unwrap();
            if state.order == Order::Free {
                return state.decide(client, what);
            }
            let other = state.waiting.insert(client, (what.to_owned(), go));
            assert!(other.is_none(), "client {client} does two things at once");
            state.proceed();
        }
        told.await.expect("the stage outlives its clients")
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
        let nth = self.dice.roll(self.waiting.len() as u64) as usize;
        let client = *self.waiting.keys().nth(nth).expect("there are so many");
        let (what, go) = self.waiting.remove(&client).expect("it waits");
        let answer = self.decide(client, &what);
        go.send(answer).map_err(drop).expect("it waits");
    }

    fn decide(&mut self, client: usize, what: &str) -> Answer {
        let answer = match what {
            BEGINS => Answer::Forward,
            call => fault(&mut self.dice, call, self.order),
        };
        self.log.push(format!("{client} {what} {}", name(&answer)));
        answer
    }
}

/// What becomes of one call.
fn fault(dice: &mut Dice, call: &str, order: Order) -> Answer {
    let is_read = call == "GetItem";
    match (dice.roll(300), order) {
        (0..=8, _) => Answer::error(500, "InternalServerError"),
        (9..=17, _) => Answer::lost(),
        (18..=20, _) => Answer::Reset,
        (21..=23, _) => Answer::ForwardThenReset,
        (24..=29, _) => Answer::error(400, "ThrottlingException"),
        (30..=119, _) if is_read => Answer::Stale,
        (30..=38, _) => Answer::Overtaken(1 + dice.roll(6) as usize),
        (39, Order::Free) => Answer::Hang,
        (40, Order::Free) => Answer::ForwardThenHang,
        (41..=59, Order::Free) => Answer::Delay(Duration::from_millis(dice.roll(30))),
        _ => Answer::Forward,
    }
}

fn name(answer: &Answer) -> &'static str {
    match answer {
        Answer::Forward => "",
        Answer::Reply(..) => "refused",
        Answer::ForwardThenReply(..) => "lost",
        Answer::Reset => "reset",
        Answer::ForwardThenReset => "reset after",
        Answer::Overtaken(_) => "overtaken",
        Answer::Stale => "stale",
        Answer::Hang => "hangs",
        Answer::ForwardThenHang => "hangs after",
        Answer::Delay(_) => "slow",
        other => unreachable!("{}", std::any::type_name_of_val(other)),
    }
}
