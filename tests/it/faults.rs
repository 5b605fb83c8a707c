//! Each fault of DynamoDB at each step, before and after its effect, once and permanently: the
//! response, the stored data, and the same session once the fault is over.
//!
//! The expected outcomes are read from the tables of `docs/faults.md`.

use std::time::Duration;

use lambda_http::{Error, Request};
use lambda_sessions::{DynamoDbStore, Session, SessionLayer};

use crate::support::{
    Action, Browser, Clock, Proxy, Table, count_write_only, cycle, logout, minutes,
};

const PAGE: &str = include_str!("../../docs/faults.md");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    AccessDenied,
    NoTable,
    Throttled,
    Error500,
    Reset,
    Hang,
    Nonsense,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Load,
    Create,
    Update,
    WriteOnly,
    Touch,
    HintedTouch,
    Cycle,
    Login,
    ScheduledCycle,
    Replace,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Before,
    After,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    Once,
    Always,
}

const FAULTS: [(&str, Fault); 7] = [
    ("access denied", Fault::AccessDenied),
    ("no table", Fault::NoTable),
    ("throttled", Fault::Throttled),
    ("500", Fault::Error500),
    ("reset", Fault::Reset),
    ("hang", Fault::Hang),
    ("nonsense", Fault::Nonsense),
];

const STEPS: [(&str, Step); 11] = [
    ("Load", Step::Load),
    ("Create", Step::Create),
    ("Update", Step::Update),
    ("Write only", Step::WriteOnly),
    ("Touch", Step::Touch),
    ("Touch with the load", Step::HintedTouch),
    ("Cycle", Step::Cycle),
    ("Login", Step::Login),
    ("Scheduled cycle", Step::ScheduledCycle),
    ("Replace", Step::Replace),
    ("Delete", Step::Delete),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    fault: Fault,
    step: Step,
    moment: Moment,
    times: Times,
}

/// The expected outcome.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: u64,
    retry: bool,
    cookie: bool,
    /// If true, the step's effect is in the table once.
    stored: bool,
}

/// Returns every row of the page twice: for a fault that occurs once, and for a permanent one.
fn rows() -> Vec<(Row, Outcome)> {
    let mut step = None;
    let mut rows = Vec::new();
    for line in PAGE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            step = Some(named(&STEPS, heading));
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let (Some(step), ["", fault, moment, once, always, ""]) = (step, cells.as_slice()) else {
            continue;
        };
        if *fault == "Fault" || fault.starts_with('-') {
            continue;
        }
        for (times, outcome) in [(Times::Once, once), (Times::Always, always)] {
            let row = Row {
                fault: named(&FAULTS, fault),
                step,
                moment: named(
                    &[("before", Moment::Before), ("after", Moment::After)],
                    moment,
                ),
                times,
            };
            rows.push((row, Outcome::read(outcome)));
        }
    }
    rows
}

fn named<T: Copy>(all: &[(&str, T)], name: &str) -> T {
    let found = all.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("there is no {name}")).1
}

impl Outcome {
    fn read(cell: &str) -> Self {
        let words: Vec<&str> = cell.split(", ").collect();
        let [status, cookie, stored] = words[..] else {
            panic!("an outcome has three parts: {cell}");
        };
        Self {
            status: status.trim_end_matches(" retry").parse().unwrap(),
            retry: status.ends_with(" retry"),
            cookie: named(&[("cookie", true), ("no cookie", false)], cookie),
            stored: named(&[("stored", true), ("not stored", false)], stored),
        }
    }
}

impl Row {
    fn action(self) -> Action {
        let after = self.moment == Moment::After;
        let nonsense = "<html>nonsense</html>".to_owned();
        match (self.fault, after) {
            (Fault::AccessDenied, _) => Action::error(400, "AccessDeniedException"),
            (Fault::NoTable, _) => Action::error(400, "ResourceNotFoundException"),
            (Fault::Throttled, _) => Action::error(400, "ThrottlingException"),
            (Fault::Error500, false) => Action::error(500, "InternalServerError"),
            (Fault::Error500, true) => Action::lost(),
            (Fault::Reset, false) => Action::Reset,
            (Fault::Reset, true) => Action::ForwardThenReset,
            (Fault::Hang, false) => Action::Hang,
            (Fault::Hang, true) => Action::ForwardThenHang,
            (Fault::Nonsense, false) => Action::Reply(200, nonsense),
            (Fault::Nonsense, true) => Action::ForwardThenReply(200, nonsense),
        }
    }

    fn operation(self) -> &'static str {
        match self.step {
            Step::Load => "GetItem",
            Step::Create => "PutItem",
            Step::Update | Step::WriteOnly | Step::Touch | Step::HintedTouch => "UpdateItem",
            Step::Cycle | Step::Login | Step::ScheduledCycle | Step::Replace => {
                "TransactWriteItems"
            }
            Step::Delete => "DeleteItem",
        }
    }

    /// Returns whether the old session ends although the new one could not be stored.
    fn is_logged_out_all_the_same(self) -> bool {
        self.step == Step::Replace && matches!(self.fault, Fault::AccessDenied | Fault::NoTable)
    }

    /// Returns whether the row exists. A fault that proves that nothing happened cannot occur after
    /// the effect.
    fn exists(self) -> bool {
        let proof = matches!(
            self.fault,
            Fault::AccessDenied | Fault::NoTable | Fault::Throttled
        );
        !(proof && self.moment == Moment::After)
    }

    async fn run(self) -> Outcome {
        let table = Table::with_users().await;
        let proxy = Proxy::start(&table.endpoint).await;
        let clock = Clock::new();
        let store = table
            .store_at(&proxy.endpoint)
            .attempt_timeout(Duration::from_secs(1))
            .operation_timeout(Duration::from_secs(4));
        let sessions = SessionLayer::new(store).clock(clock.reader());
        let sessions = match self.step {
            Step::ScheduledCycle => sessions.cycle_id_after(minutes(15)),
            _ => sessions,
        };
        let mut ada = Browser::new();
        if self.step != Step::Create {
            ada.visit(&sessions, count).await;
        }
        let before = table.items().await;
        match self.step {
            Step::Touch | Step::HintedTouch => clock.advance(minutes(61)),
            Step::ScheduledCycle => clock.advance(minutes(16)),
            _ => {}
        }
        if self.step == Step::Touch {
            ada.forget_hints();
        }
        let brought = ada.cookie().map(str::to_owned);

        let (operation, action, times) = (self.operation(), self.action(), self.times);
        proxy.script(move |called, earlier| match called == operation {
            true if times == Times::Always || earlier == 0 => action.clone(),
            _ => Action::Forward,
        });
        let reply = self.visit(&mut ada, &sessions).await;
        proxy.script(|_, _| Action::Forward);

        let after = table.items().await;
        let visits = |item: &crate::support::Item| {
            item["data"].as_m().unwrap()["visits"]
                .as_n()
                .unwrap()
                .clone()
        };
        let effect = match self.step {
            Step::Load | Step::Update | Step::WriteOnly => {
                let now = visits(&after[0]);
                assert!(now == "1" || now == "2", "{self:?}: counted {now}");
                now == "2"
            }
            Step::Create => after.len() == 1,
            Step::Touch | Step::HintedTouch => after[0]["ttl"] != before[0]["ttl"],
            Step::Cycle | Step::Login | Step::ScheduledCycle => after.len() == 2,
            Step::Replace => after
                .first()
                .is_some_and(|item| item["id"] != before[0]["id"]),
            Step::Delete => after.is_empty(),
        };
        if self.is_logged_out_all_the_same() {
            assert!(after.is_empty(), "{self:?}: a logout is one");
        } else if !effect {
            assert_eq!(after, before, "{self:?}: nothing was written");
        }
        if reply.status != 200 {
            assert_eq!(
                ada.cookie().map(str::to_owned),
                brought,
                "{self:?}: the cookie stays"
            );
            assert_eq!(reply.header("cache-control"), Some("no-store"), "{self:?}");
        }
        self.recovers(&mut ada, &sessions, effect).await;
        Outcome {
            status: reply.status,
            retry: reply.header("retry-after") == Some("1"),
            cookie: !reply.cookies.is_empty(),
            stored: effect,
        }
    }

    async fn visit(
        self,
        ada: &mut Browser,
        sessions: &SessionLayer<DynamoDbStore>,
    ) -> crate::support::Reply {
        match self.step {
            Step::Load | Step::Create | Step::Update => ada.visit(sessions, count).await,
            Step::WriteOnly => ada.visit_layered(sessions, count_write_only).await,
            Step::Touch | Step::HintedTouch | Step::ScheduledCycle => {
                ada.visit(sessions, |_, _| async { Ok("") }).await
            }
            Step::Login => {
                let login = |_: Request, session: Session| async move {
                    session.log_in("ada")?;
                    Ok("")
                };
                ada.visit(sessions, login).await
            }
            Step::Cycle => ada.visit(sessions, cycle).await,
            Step::Replace => {
                let begin_another = |_: Request, session: Session| async move {
                    session.destroy()?;
                    session.insert("visits", 7)?;
                    Ok("")
                };
                ada.visit(sessions, begin_another).await
            }
            Step::Delete => ada.visit(sessions, logout).await,
        }
    }

    /// Asserts that, once the fault is over, a client that still has a session finds it under the
    /// same cookie.
    async fn recovers(
        self,
        ada: &mut Browser,
        sessions: &SessionLayer<DynamoDbStore>,
        effect: bool,
    ) {
        let lost = matches!(
            self.step,
            Step::Create | Step::Cycle | Step::Login | Step::Replace | Step::Delete
        );
        if lost && effect {
            return;
        }
        let reply = ada.visit(sessions, count).await;
        let expected = match (self.step, effect) {
            (Step::Create, _) => "1",
            (Step::Replace, _) if self.is_logged_out_all_the_same() => "1",
            (Step::Load | Step::Update | Step::WriteOnly, true) => "3",
            _ => "2",
        };
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (200, expected),
            "{self:?}"
        );
    }
}

async fn count(_: Request, session: Session) -> Result<String, Error> {
    Ok(session.increment("visits", 1)?.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_at_each_step_has_its_outcome() {
    let rows = rows();
    for (_, fault) in FAULTS {
        for (_, step) in STEPS {
            for moment in [Moment::Before, Moment::After] {
                for times in [Times::Once, Times::Always] {
                    let row = Row {
                        fault,
                        step,
                        moment,
                        times,
                    };
                    let listed = rows.iter().filter(|(listed, _)| *listed == row).count();
                    assert_eq!(listed, usize::from(row.exists()), "{row:?} on the page");
                }
            }
        }
    }
    // Many rows run at a time, because they mostly wait for timeouts.
    let mut wrong = Vec::new();
    for some in rows.chunks(30) {
        let running: Vec<_> = some
            .iter()
            .map(|(row, expected)| (row, expected, tokio::spawn(row.run())))
            .collect();
        for (row, expected, outcome) in running {
            match outcome.await {
                Ok(outcome) if outcome == *expected => {}
                outcome => wrong.push(format!("{row:?}: {outcome:?}, not {expected:?}")),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} rows:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
