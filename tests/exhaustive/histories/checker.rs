//! The observations of a history, and the check that they are possible.

use std::collections::{BTreeMap, BTreeSet};

use stateright::semantics::register::{Register, RegisterOp, RegisterRet};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester};

/// The outcome of a request, as its client knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Done,
    /// The request has not happened and never will.
    Refused,
    /// The request may have happened, or may still happen, at any time after it was sent.
    Unknown,
}

/// One step of a client at one register.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    Read(usize),
    Write(usize, u64),
    /// A read returned this value.
    Saw(usize, u64),
    /// A write ended, or a read ended without a value.
    Ended(usize, Outcome),
}

/// A session and the name of one of its registers.
pub(crate) type Name = (usize, &'static str);

/// Everything that clients observed.
#[derive(Default)]
pub(crate) struct Observations {
    registers: BTreeMap<Name, Vec<Event>>,
    counted: BTreeMap<usize, Vec<Outcome>>,
    pushed: BTreeMap<usize, Vec<(u64, Outcome)>>,
    next: u64,
}

/// The data of a session at the end.
#[derive(Clone, Debug)]
pub(crate) struct Left {
    pub(crate) count: i64,
    pub(crate) list: Vec<u64>,
}

impl Observations {
    /// Returns a value that no other operation writes.
    pub(crate) fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn event(&mut self, register: Name, event: Event) {
        self.registers.entry(register).or_default().push(event);
    }

    pub(crate) fn counted(&mut self, session: usize, outcome: Outcome) {
        self.counted.entry(session).or_default().push(outcome);
    }

    pub(crate) fn pushed(&mut self, session: usize, entry: u64, outcome: Outcome) {
        self.pushed
            .entry(session)
            .or_default()
            .push((entry, outcome));
    }

    /// Returns the most certain outcome among the attempts to destroy a session.
    pub(crate) fn destroyed(&self, session: usize) -> Option<Outcome> {
        let events = self.registers.get(&(session, "dead"))?;
        let mut destroying = BTreeSet::new();
        let mut best = None;
        for event in events {
            match event {
                Event::Write(client, _) => drop(destroying.insert(*client)),
                Event::Ended(client, outcome) if destroying.remove(client) => match (outcome, best)
                {
                    (Outcome::Done, _) | (_, None) => best = Some(*outcome),
                    (Outcome::Unknown, Some(Outcome::Refused)) => best = Some(*outcome),
                    _ => {}
                },
                _ => {}
            }
        }
        best
    }

    /// Returns the sessions that were destroyed or read as such.
    pub(crate) fn destroyed_at_some_time(&self) -> BTreeSet<usize> {
        let of_registers = self.registers.keys();
        let dead = of_registers.filter(|(_, register)| *register == "dead");
        dead.map(|(session, _)| *session).collect()
    }

    pub(crate) fn registers(&self) -> &BTreeMap<Name, Vec<Event>> {
        &self.registers
    }

    /// Returns the outcomes by kind of operation.
    pub(crate) fn outcome(&self) -> BTreeMap<&'static str, Vec<Outcome>> {
        let of_registers = self.registers.iter().flat_map(|((_, name), events)| {
            let outcome = events.iter().filter_map(|event| match event {
                Event::Ended(_, outcome) => Some(*outcome),
                Event::Saw(..) => Some(Outcome::Done),
                _ => None,
            });
            outcome.map(|outcome| (*name, outcome))
        });
        let counted = self.counted.values().flatten();
        let pushed = self.pushed.values().flatten();
        let mut all: BTreeMap<&'static str, Vec<Outcome>> = BTreeMap::new();
        for (kind, outcome) in of_registers
            .chain(counted.map(|outcome| ("counter", *outcome)))
            .chain(pushed.map(|(_, outcome)| ("list", *outcome)))
        {
            all.entry(kind).or_default().push(outcome);
        }
        all
    }

    /// Checks that most operations of each kind succeeded. Without operations there would be
    /// nothing to check.
    ///
    /// # Errors
    ///
    /// The first kind with too few successes.
    pub(crate) fn check_success(&self) -> Result<(), String> {
        for (kind, outcome) in self.outcome() {
            let done = outcome
                .iter()
                .filter(|outcome| **outcome == Outcome::Done)
                .count();
            if done * 4 < outcome.len() * 3 || done < 50 {
                return Err(format!("{kind}: {done} done of {}", outcome.len()));
            }
        }
        Ok(())
    }

    /// Checks that every register is linearizable.
    ///
    /// # Errors
    ///
    /// The first register that is not, with its events.
    pub(crate) fn check_registers(&self) -> Result<(), String> {
        for (register, events) in &self.registers {
            if !is_linearizable(events) {
                return Err(format!("{register:?} is not linearizable: {events:#?}"));
            }
        }
        Ok(())
    }

    /// Checks a session's counter and list. The counter is at least the number of acknowledged
    /// increments, and at most that number plus the unknown ones. The list holds each entry at most
    /// once, every acknowledged entry, and no rejected one.
    ///
    /// # Errors
    ///
    /// A description of what is wrong.
    pub(crate) fn check_session(&self, session: usize, left: &Left) -> Result<(), String> {
        let counted = self.counted.get(&session).cloned().unwrap_or_default();
        let many =
            |what: Outcome| counted.iter().filter(|outcome| **outcome == what).count() as i64;
        let (least, unknown) = (many(Outcome::Done), many(Outcome::Unknown));
        if !(least..=least + unknown).contains(&left.count) {
            let count = left.count;
            return Err(format!(
                "session {session} counted {count}, of {least} done and {unknown} unknown"
            ));
        }
        let there: BTreeSet<u64> = left.list.iter().copied().collect();
        if there.len() != left.list.len() {
            return Err(format!("session {session}: an entry came twice: {left:?}"));
        }
        for (entry, outcome) in self.pushed.get(&session).into_iter().flatten() {
            let wrong = match outcome {
                Outcome::Done => !there.contains(entry),
                Outcome::Refused => there.contains(entry),
                Outcome::Unknown => false,
            };
            if wrong {
                return Err(format!(
                    "session {session}: {entry} was {outcome:?}: {left:?}"
                ));
            }
        }
        Ok(())
    }
}

/// Returns whether the events of a register are linearizable. A write with an unknown outcome stays
/// in flight for ever, and its client continues under another number.
fn is_linearizable(events: &[Event]) -> bool {
    let mut tester = LinearizabilityTester::new(Register(0));
    let mut threads: BTreeMap<usize, usize> = BTreeMap::new();
    let mut next_thread = 1_000;
    for (at, event) in events.iter().enumerate() {
        let (client, invoked) = match event {
            Event::Read(client) => (*client, RegisterOp::Read),
            Event::Write(client, value) => (*client, RegisterOp::Write(*value)),
            Event::Saw(client, value) => {
                let ret = RegisterRet::ReadOk(*value);
                tester
                    .on_return(threads[client], ret)
                    .expect("it was invoked");
                continue;
            }
            Event::Ended(client, Outcome::Done) => {
                let ret = RegisterRet::WriteOk;
                tester
                    .on_return(threads[client], ret)
                    .expect("it was invoked");
                continue;
            }
            Event::Ended(_, Outcome::Refused | Outcome::Unknown) => continue,
        };
        let ended = events[at + 1..].iter().find_map(|later| match later {
            Event::Saw(other, _) if *other == client => Some(Outcome::Done),
            Event::Ended(other, outcome) if *other == client => Some(*outcome),
            _ => None,
        });
        let thread = *threads.entry(client).or_insert(client);
        match (ended.unwrap_or(Outcome::Unknown), &invoked) {
            (Outcome::Refused, _) | (Outcome::Unknown, RegisterOp::Read) => {}
            (Outcome::Done, _) => drop(tester.on_invoke(thread, invoked).expect("one at a time")),
            (Outcome::Unknown, _) => {
                tester.on_invoke(thread, invoked).expect("one at a time");
                threads.insert(client, next_thread);
                next_thread += 1;
            }
        }
    }
    tester.is_consistent()
}

/// The checker finds a read of an older value, and a read of a rejected value.
#[test]
fn checker_finds_a_history_not_linearizable() {
    let write = |client, n| [Event::Write(client, n), Event::Ended(client, Outcome::Done)];
    let read = |client, n| [Event::Read(client), Event::Saw(client, n)];

    let both = [write(0, 1), write(1, 2)].concat();
    assert!(is_linearizable(&[&both[..], &read(0, 2)].concat()));
    assert!(!is_linearizable(&[&both[..], &read(0, 1)].concat()));
    let unknown = [Event::Write(1, 2), Event::Ended(1, Outcome::Unknown)];
    let late = [&write(0, 1)[..], &unknown, &read(1, 1), &read(1, 2)].concat();
    assert!(is_linearizable(&late));
    let back = [&write(0, 1)[..], &unknown, &read(0, 2), &read(0, 1)].concat();
    assert!(!is_linearizable(&back));
    let refused = [Event::Write(1, 2), Event::Ended(1, Outcome::Refused)];
    assert!(!is_linearizable(
        &[&write(0, 1)[..], &refused, &read(0, 2)].concat()
    ));
    let during = [
        Event::Write(0, 1),
        Event::Read(1),
        Event::Saw(1, 1),
        Event::Read(1),
        Event::Saw(1, 0),
        Event::Ended(0, Outcome::Done),
    ];
    assert!(!is_linearizable(&during));
}

#[test]
fn checker_bounds_counters_and_lists() {
    let mut observations = Observations::default();
    observations.counted(0, Outcome::Done);
    observations.counted(0, Outcome::Unknown);
    observations.counted(0, Outcome::Refused);
    observations.pushed(0, 7, Outcome::Done);
    observations.pushed(0, 8, Outcome::Refused);
    observations.pushed(0, 9, Outcome::Unknown);
    let is_possible = |count, list: &[u64]| {
        let list = list.to_vec();
        observations.check_session(0, &Left { count, list }).is_ok()
    };
    assert!(is_possible(1, &[7]) && is_possible(2, &[9, 7]));
    assert!(!is_possible(0, &[7]) && !is_possible(3, &[7]));
    assert!(!is_possible(1, &[]) && !is_possible(1, &[7, 8]) && !is_possible(1, &[7, 7]));
}
