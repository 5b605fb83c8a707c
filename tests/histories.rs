//! Random requests at once under random faults, and what was seen of them judged afterwards.
//!
//! Several clients share several sessions. The proxy fails, resets, delays and throttles at random,
//! before and after the effect. What each client did and saw is written down, and then:
//!
//! 1. Every key that is set and read is linearizable, by stateright's checker. A write of which the
//!    client was told that its outcome is unknown may have happened, at any time after it was sent,
//!    or not; one that was refused has not.
//! 2. A counter holds at least what was acknowledged, and at most that and what is unknown. So does
//!    a list that is updated, which holds each entry once at most.
//! 3. No session that was destroyed is there in the end.
//!
//! `LAMBDA_SESSIONS_HISTORY_SEEDS` is how many seeds are tried (default 3), and
//! `LAMBDA_SESSIONS_HISTORY_SEED` which comes first (default 1). A failure names its seed.
//! The order in which requests meet is the scheduler's: a failing seed may want a few runs.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lambda_http::Request;
use lambda_sessions::{DynamoDbStore, ErrorKind, Session, SessionExt as _, SessionLayer};
use stateright::semantics::register::{Register, RegisterOp, RegisterRet};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester};
use support::{Answer, Proxy, Reply, Table, Visitor};

const CLIENTS: usize = 8;
const SESSIONS: usize = 5;
const REGISTERS: [&str; 3] = ["r0", "r1", "r2"];
/// Requests of each client, of which each is one operation or a few.
const REQUESTS: usize = 200;

/// Random numbers that come again with their seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// What one client did to one register, in the order in which it all happened.
#[derive(Clone, Debug)]
enum Event {
    Invoke(usize, RegisterOp<u64>),
    Return(usize, RegisterRet<u64>),
    /// It has not happened, and never will.
    Refuse(usize),
}

/// What came of a request, as its client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Done,
    Refused,
    Unknown,
}

fn told(reply: &Reply) -> Told {
    match reply.status {
        200 => Told::Done,
        _ if reply.body == "OutcomeUnknown" => Told::Unknown,
        _ => Told::Refused,
    }
}

/// All that was seen.
#[derive(Default)]
struct Notes {
    registers: BTreeMap<(usize, &'static str), Vec<Event>>,
    counted: BTreeMap<usize, Vec<Told>>,
    pushed: BTreeMap<usize, Vec<(u64, Told)>>,
    next: u64,
}

impl Notes {
    /// An id for an operation, or a value that nobody else writes.
    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

struct World {
    seed: u64,
    sessions: SessionLayer<DynamoDbStore>,
    /// One who has each session's cookie.
    holders: Vec<Visitor>,
    notes: Mutex<Notes>,
}

impl World {
    async fn request(&self, client: usize, dice: &mut Dice) {
        let session = dice.roll(SESSIONS as u64) as usize;
        let mut visitor = self.holders[session].clone();
        let register = REGISTERS[dice.roll(REGISTERS.len() as u64) as usize];
        match dice.roll(10) {
            0..=2 => self.read(client, session, register, &mut visitor).await,
            kind @ 3..=5 => {
                self.write(client, session, register, kind == 5, &mut visitor)
                    .await;
            }
            6 | 7 => self.count(session, dice.roll(2) == 0, &mut visitor).await,
            _ => self.push(session, &mut visitor).await,
        }
    }

    fn note(&self, session: usize, register: &'static str, event: Event) {
        let mut notes = self.notes.lock().unwrap();
        notes
            .registers
            .entry((session, register))
            .or_default()
            .push(event);
    }

    async fn read(
        &self,
        client: usize,
        session: usize,
        register: &'static str,
        visitor: &mut Visitor,
    ) {
        self.note(session, register, Event::Invoke(client, RegisterOp::Read));
        let read = |_: Request, session: Session| async move {
            Ok(session
                .get::<u64>(register)?
                .unwrap_or_default()
                .to_string())
        };
        let reply = visitor.visit(&self.sessions, read).await;
        let event = match reply.status {
            200 => Event::Return(client, RegisterRet::ReadOk(reply.body.parse().unwrap())),
            _ => Event::Refuse(client),
        };
        self.note(session, register, event);
    }

    async fn write(
        &self,
        client: usize,
        session: usize,
        register: &'static str,
        unread: bool,
        visitor: &mut Visitor,
    ) {
        let value = self.notes.lock().unwrap().fresh();
        self.note(
            session,
            register,
            Event::Invoke(client, RegisterOp::Write(value)),
        );
        let reply = if unread {
            let write = |request: Request| async move {
                request.unread_session()?.insert(register, value)?;
                Ok("")
            };
            visitor.visit_layered(&self.sessions, write).await
        } else {
            let write = |_: Request, session: Session| async move {
                session.insert(register, value)?;
                Ok("")
            };
            visitor.visit(&self.sessions, write).await
        };
        match told(&reply) {
            Told::Done => self.note(
                session,
                register,
                Event::Return(client, RegisterRet::WriteOk),
            ),
            Told::Refused => self.note(session, register, Event::Refuse(client)),
            // Nothing comes back, so that it may happen whenever it likes.
            Told::Unknown => {}
        }
    }

    async fn count(&self, session: usize, unread: bool, visitor: &mut Visitor) {
        let reply = if unread {
            let count = |request: Request| async move {
                request.unread_session()?.increment("n", 1)?;
                Ok("")
            };
            visitor.visit_layered(&self.sessions, count).await
        } else {
            let count = |_: Request, session: Session| async move {
                session.increment("n", 1)?;
                Ok("")
            };
            visitor.visit(&self.sessions, count).await
        };
        let mut notes = self.notes.lock().unwrap();
        notes.counted.entry(session).or_default().push(told(&reply));
    }

    /// A list that is updated, and a counter in the same save.
    async fn push(&self, session: usize, visitor: &mut Visitor) {
        let entry = self.notes.lock().unwrap().fresh();
        let push = |_: Request, session: Session| async move {
            session.update("list", move |list: &mut Vec<u64>| list.push(entry))?;
            session.increment("n", 1)?;
            Ok("")
        };
        let reply = visitor.visit(&self.sessions, push).await;
        let mut notes = self.notes.lock().unwrap();
        notes
            .pushed
            .entry(session)
            .or_default()
            .push((entry, told(&reply)));
        notes.counted.entry(session).or_default().push(told(&reply));
    }

    fn judge(&self, found: &[Found]) {
        let notes = self.notes.lock().unwrap();
        for ((session, register), events) in &notes.registers {
            assert!(
                is_linearizable(events),
                "seed {}: session {session}, {register}: {events:#?}",
                self.seed
            );
        }
        for (session, found) in found.iter().enumerate() {
            let seed = self.seed;
            let all = notes
                .counted
                .get(&session)
                .map(Vec::as_slice)
                .unwrap_or_default();
            let many = |what: Told| all.iter().filter(|told| **told == what).count() as i64;
            let (least, unknown) = (many(Told::Done), many(Told::Unknown));
            assert!(
                (least..=least + unknown).contains(&found.count),
                "seed {seed}: session {session} counted {}, of {least} and {unknown} unknown",
                found.count
            );
            let there: BTreeSet<u64> = found.list.iter().copied().collect();
            assert_eq!(
                there.len(),
                found.list.len(),
                "seed {seed}: an entry came twice"
            );
            for (entry, told) in notes.pushed.get(&session).into_iter().flatten() {
                let expected = match told {
                    Told::Done => true,
                    Told::Refused => false,
                    Told::Unknown => continue,
                };
                assert_eq!(
                    there.contains(entry),
                    expected,
                    "seed {seed}: {entry} was {told:?}"
                );
            }
        }
    }
}

/// What a session holds in the end.
struct Found {
    count: i64,
    list: Vec<u64>,
}

/// A client whose write is unknown has it in flight for ever, and goes on as somebody else.
fn is_linearizable(events: &[Event]) -> bool {
    let mut tester = LinearizabilityTester::new(Register(0));
    let mut somebody_else = CLIENTS;
    let mut is_now: BTreeMap<usize, usize> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        match event {
            Event::Invoke(client, op) => {
                let theirs = |later: &&Event| match later {
                    Event::Invoke(other, _) | Event::Return(other, _) | Event::Refuse(other) => {
                        other == client
                    }
                };
                let thread = *is_now.entry(*client).or_insert(*client);
                match events[at + 1..].iter().find(theirs) {
                    Some(Event::Refuse(_)) => {}
                    Some(Event::Return(..)) => {
                        tester.on_invoke(thread, op.clone()).unwrap();
                    }
                    Some(Event::Invoke(..)) | None => {
                        tester.on_invoke(thread, op.clone()).unwrap();
                        is_now.insert(*client, somebody_else);
                        somebody_else += 1;
                    }
                }
            }
            Event::Return(client, ret) => {
                tester.on_return(is_now[client], ret.clone()).unwrap();
            }
            Event::Refuse(_) => {}
        }
    }
    tester.is_consistent()
}

/// What the proxy does with one call.
fn fault(dice: &mut Dice) -> Answer {
    match dice.roll(100) {
        0..=2 => Answer::error(500, "InternalServerError"),
        3..=5 => Answer::lost(),
        6 => Answer::Reset,
        7 => Answer::ForwardThenReset,
        8..=9 => Answer::error(400, "ThrottlingException"),
        10..=19 => Answer::Delay(Duration::from_millis(dice.roll(20))),
        _ => Answer::Forward,
    }
}

async fn history(seed: u64) {
    let table = Table::new().await;
    let proxy = Proxy::start(&table.endpoint).await;
    let store = table
        .store_at(&proxy.endpoint)
        .operation_timeout(Duration::from_secs(10));
    let sessions = SessionLayer::new(store).on_error(|error| {
        let status = match error.kind() {
            ErrorKind::Gone | ErrorKind::Conflict => 409,
            _ => 503,
        };
        let response = http::Response::builder().status(status);
        response.body(format!("{:?}", error.kind())).unwrap()
    });
    let begin = |_: Request, session: Session| async move {
        session.insert("n", 0)?;
        Ok("")
    };
    let mut holders = Vec::new();
    for _ in 0..=SESSIONS {
        let mut holder = Visitor::new();
        holder.visit(&sessions, begin).await;
        holders.push(holder);
    }
    // One more, which is destroyed while others write to it.
    let doomed = holders.pop().unwrap();

    let dice = Mutex::new(Dice(seed));
    proxy.answer(move |_, _| fault(&mut dice.lock().unwrap()));
    let world = Arc::new(World {
        seed,
        sessions,
        holders,
        notes: Mutex::default(),
    });
    let running: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (world, mut doomed) = (Arc::clone(&world), doomed.clone());
            tokio::spawn(async move {
                let mut dice = Dice(seed.wrapping_mul(1_000).wrapping_add(client as u64));
                for n in 0..REQUESTS {
                    world.request(client, &mut dice).await;
                    // Not with the cookie that it may be given: all press on with the old one.
                    let leave = client == 0 && n >= REQUESTS / 2;
                    let act = |_: Request, session: Session| async move {
                        match (leave, session.is_new()) {
                            (true, false) => session.destroy(),
                            (false, false) => drop(session.increment("n", 1)?),
                            _ => {}
                        }
                        Ok("")
                    };
                    if n % 10 == 0 {
                        doomed.clone().visit(&world.sessions, act).await;
                    }
                }
                doomed.jar.clear();
            })
        })
        .collect();
    for client in running {
        client.await.unwrap();
    }
    proxy.answer(|_, _| Answer::Forward);

    let mut found = Vec::new();
    for holder in &world.holders {
        let read = |_: Request, session: Session| async move {
            let list: Vec<u64> = session.get("list")?.unwrap_or_default();
            let count = session.get::<i64>("n")?.expect("it is there");
            Ok(serde_json::to_string(&(count, list)).unwrap())
        };
        let reply = holder.clone().visit(&world.sessions, read).await;
        let (count, list) = serde_json::from_str(&reply.body).unwrap();
        found.push(Found { count, list });
    }
    world.judge(&found);
    assert_eq!(
        table.items().await.len(),
        SESSIONS,
        "seed {seed}: a session was resurrected"
    );
}

#[test]
fn every_history_is_linearizable() {
    let variable =
        |name: &str, default| std::env::var(name).map_or(default, |n| n.parse().unwrap());
    let first: u64 = variable("LAMBDA_SESSIONS_HISTORY_SEED", 1);
    let seeds: u64 = variable("LAMBDA_SESSIONS_HISTORY_SEEDS", 3);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for seed in first..first + seeds {
        runtime.block_on(history(seed));
    }
}

/// The judge sees what is wrong: a read that goes back, and one of what was refused.
#[test]
fn a_history_that_is_not_linearizable_is_found_out() {
    use RegisterOp::{Read, Write};
    use RegisterRet::{ReadOk, WriteOk};
    let done = |client, op, ret| [Event::Invoke(client, op), Event::Return(client, ret)];
    let write = |client, n| done(client, Write(n), WriteOk);
    let read = |client, n| done(client, Read, ReadOk(n));

    assert!(is_linearizable(
        &[write(0, 1), write(1, 2), read(0, 2)].concat()
    ));
    assert!(!is_linearizable(
        &[write(0, 1), write(1, 2), read(0, 1)].concat()
    ));
    let unknown = [Event::Invoke(1, Write(2))];
    assert!(is_linearizable(
        &[&write(0, 1)[..], &unknown, &read(0, 1), &read(0, 2)].concat()
    ));
    assert!(!is_linearizable(
        &[&write(0, 1)[..], &unknown, &read(0, 2), &read(0, 1)].concat()
    ));
    let refused = [Event::Invoke(1, Write(2)), Event::Refuse(1)];
    assert!(!is_linearizable(
        &[&write(0, 1)[..], &refused, &read(0, 2)].concat()
    ));
}
