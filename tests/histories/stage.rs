//! Who is next: clients that run one at a time, in an order that a seed decides.
//!
//! Each client waits here before each of its requests, and its proxy for it before each of its
//! calls. Once all of them wait, one is let go on, and its call meets a fault or not. So whatever
//! happens, happens again with the same seed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use crate::support::Answer;

/// Random numbers that come again with their seed (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

#[derive(Clone)]
pub(crate) struct Stage(Arc<Mutex<State>>);

struct State {
    dice: Dice,
    /// How many clients there are.
    clients: usize,
    /// Those that wait, and what they are about to do.
    waiting: BTreeMap<usize, (String, oneshot::Sender<Answer>)>,
    faults: bool,
    /// All that was let happen, in order.
    log: Vec<String>,
}

impl Stage {
    pub(crate) fn new(seed: u64, clients: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            dice: Dice::new(seed),
            clients,
            waiting: BTreeMap::new(),
            faults: true,
            log: Vec::new(),
        })))
    }

    /// Waits until it is this client's turn, and says what becomes of its call.
    pub(crate) async fn turn(&self, client: usize, what: &str) -> Answer {
        let (go, told) = oneshot::channel();
        {
            let mut state = self.0.lock().unwrap();
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
        let answer = match self.faults {
            true => fault(&mut self.dice, &what),
            false => Answer::Forward,
        };
        self.log.push(format!("{client} {what} {}", name(&answer)));
        go.send(answer).map_err(drop).expect("it waits");
    }
}

/// What becomes of one call.
fn fault(dice: &mut Dice, what: &str) -> Answer {
    let is_read = what == "GetItem";
    match dice.roll(100) {
        0..=2 => Answer::error(500, "InternalServerError"),
        3..=5 => Answer::lost(),
        6 => Answer::Reset,
        7 => Answer::ForwardThenReset,
        8 | 9 => Answer::error(400, "ThrottlingException"),
        10 | 11 if !is_read => Answer::Overtaken,
        10..=39 if is_read => Answer::Stale,
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
        Answer::Overtaken => "overtaken",
        Answer::Stale => "stale",
        _ => "?",
    }
}
