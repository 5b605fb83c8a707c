//! Each fault of DynamoDB, at each step, before and after its effect, once and for good: what the
//! client gets, what is stored, and that the same session is there once it is over.
//!
//! | Fault | once | for good |
//! |---|---|---|
//! | access denied, no table | 503, nothing written | the same |
//! | throttled | tried again: as if nothing had been | 503, nothing written |
//! | 500, reset, hang: before the effect | tried again: as if nothing had been | 503, nothing written |
//! | 500, reset, hang: after the effect | recognized: counts once | 503, and it counts once |
//! | an answer that is nonsense | as 500 | as 500 |
//!
//! A load that fails calls no handler. A touch that fails keeps the response: nothing that anybody
//! asked for is lost. No failure sends or takes a cookie.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use lambda_http::{Error, Request};
use lambda_sessions::{DynamoDbStore, Session, SessionLayer};
use support::{Answer, Clock, Proxy, Table, Visitor, minutes};

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
    Touch,
    Renew,
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

const FAULTS: [Fault; 7] = [
    Fault::AccessDenied,
    Fault::NoTable,
    Fault::Throttled,
    Fault::Error500,
    Fault::Reset,
    Fault::Hang,
    Fault::Nonsense,
];
const STEPS: [Step; 7] = [
    Step::Load,
    Step::Create,
    Step::Update,
    Step::Touch,
    Step::Renew,
    Step::Replace,
    Step::Delete,
];

#[derive(Clone, Copy, Debug)]
struct Row {
    fault: Fault,
    step: Step,
    moment: Moment,
    times: Times,
}

/// What has to come of it.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    status: u64,
    cookies: usize,
    /// Whether the step's effect is in the table, once.
    effect: bool,
}

impl Row {
    fn answer(self) -> Answer {
        let after = self.moment == Moment::After;
        let nonsense = "<html>nonsense</html>".to_owned();
        match (self.fault, after) {
            (Fault::AccessDenied, _) => Answer::error(400, "AccessDeniedException"),
            (Fault::NoTable, _) => Answer::error(400, "ResourceNotFoundException"),
            (Fault::Throttled, _) => Answer::error(400, "ThrottlingException"),
            (Fault::Error500, false) => Answer::error(500, "InternalServerError"),
            (Fault::Error500, true) => Answer::lost(),
            (Fault::Reset, false) => Answer::Reset,
            (Fault::Reset, true) => Answer::ForwardThenReset,
            (Fault::Hang, false) => Answer::Hang,
            (Fault::Hang, true) => Answer::ForwardThenHang,
            (Fault::Nonsense, false) => Answer::Reply(200, nonsense),
            (Fault::Nonsense, true) => Answer::ForwardThenReply(200, nonsense),
        }
    }

    fn operation(self) -> &'static str {
        match self.step {
            Step::Load => "GetItem",
            Step::Create => "PutItem",
            Step::Update | Step::Touch => "UpdateItem",
            Step::Renew | Step::Replace => "TransactWriteItems",
            Step::Delete => "DeleteItem",
        }
    }

    /// An answer that proves that nothing happened has no moment after the effect.
    fn exists(self) -> bool {
        let proof = matches!(
            self.fault,
            Fault::AccessDenied | Fault::NoTable | Fault::Throttled
        );
        !(proof && self.moment == Moment::After)
    }

    fn expected(self) -> Outcome {
        let refused = matches!(self.fault, Fault::AccessDenied | Fault::NoTable);
        let overcome = self.times == Times::Once && !refused;
        let cookies = match self.step {
            Step::Load | Step::Update => 0,
            Step::Create | Step::Touch | Step::Renew | Step::Replace | Step::Delete => 1,
        };
        Outcome {
            status: if overcome || self.step == Step::Touch {
                200
            } else {
                503
            },
            cookies: if overcome { cookies } else { 0 },
            effect: match self.step {
                // A load's effect is that the handler runs, and counts.
                Step::Load => overcome,
                _ => overcome || (self.moment == Moment::After && !refused),
            },
        }
    }

    async fn run(self) -> Outcome {
        let table = Table::new().await;
        let proxy = Proxy::start(&table.endpoint).await;
        let clock = Clock::new();
        let store = table
            .store_at(&proxy.endpoint)
            .attempt_timeout(Duration::from_millis(400))
            .operation_timeout(Duration::from_secs(2));
        let sessions = SessionLayer::new(store).clock(clock.reader());
        let mut ada = Visitor::new();
        if self.step != Step::Create {
            ada.visit(&sessions, count).await;
        }
        let before = table.items().await;
        if self.step == Step::Touch {
            clock.advance(minutes(61));
        }
        let brought = ada.cookie().map(str::to_owned);

        let (operation, answer, times) = (self.operation(), self.answer(), self.times);
        proxy.answer(move |called, earlier| match called == operation {
            true if times == Times::Always || earlier == 0 => answer.clone(),
            _ => Answer::Forward,
        });
        let reply = self.visit(&mut ada, &sessions).await;
        proxy.answer(|_, _| Answer::Forward);

        let after = table.items().await;
        let visits = |item: &support::Item| {
            item["data"].as_m().unwrap()["visits"]
                .as_n()
                .unwrap()
                .clone()
        };
        let effect = match self.step {
            Step::Load | Step::Update => {
                let now = visits(&after[0]);
                assert!(now == "1" || now == "2", "{self:?}: counted {now}");
                now == "2"
            }
            Step::Create => after.len() == 1,
            Step::Touch => after[0]["ttl"] != before[0]["ttl"],
            Step::Renew => after.len() == 2,
            Step::Replace => after[0]["id"] != before[0]["id"],
            Step::Delete => after.is_empty(),
        };
        if !effect {
            assert_eq!(after, before, "{self:?}: nothing was written");
        }
        if reply.status != 200 {
            assert_eq!(
                ada.cookie().map(str::to_owned),
                brought,
                "{self:?}: the cookie stays"
            );
            assert_eq!(reply.header("cache-control"), Some("no-store"), "{self:?}");
            let again = matches!(self.fault, Fault::AccessDenied | Fault::NoTable);
            assert_eq!(reply.header("retry-after").is_none(), again, "{self:?}");
        }
        self.recovers(&mut ada, &sessions, effect).await;
        Outcome {
            status: reply.status,
            cookies: reply.cookies.len(),
            effect,
        }
    }

    async fn visit(
        self,
        ada: &mut Visitor,
        sessions: &SessionLayer<DynamoDbStore>,
    ) -> support::Reply {
        match self.step {
            Step::Load | Step::Create | Step::Update => ada.visit(sessions, count).await,
            Step::Touch => ada.visit(sessions, |_, _| async { Ok("") }).await,
            Step::Renew => {
                let renew = |_: Request, session: Session| async move {
                    session.renew();
                    Ok("")
                };
                ada.visit(sessions, renew).await
            }
            Step::Replace => {
                let anew = |_: Request, session: Session| async move {
                    session.destroy();
                    session.insert("visits", 7)?;
                    Ok("")
                };
                ada.visit(sessions, anew).await
            }
            Step::Delete => {
                let logout = |_: Request, session: Session| async move {
                    session.destroy();
                    Ok("")
                };
                ada.visit(sessions, logout).await
            }
        }
    }

    /// Once it is over, whoever still has a session finds it under the same cookie.
    async fn recovers(
        self,
        ada: &mut Visitor,
        sessions: &SessionLayer<DynamoDbStore>,
        effect: bool,
    ) {
        let lost = matches!(
            self.step,
            Step::Create | Step::Renew | Step::Replace | Step::Delete
        );
        if lost && effect {
            return;
        }
        let reply = ada.visit(sessions, count).await;
        let expected = match (self.step, effect) {
            (Step::Create, _) => "1",
            (Step::Load | Step::Update, true) => "3",
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
async fn every_fault_at_every_step() {
    let mut rows = Vec::new();
    for fault in FAULTS {
        for step in STEPS {
            for moment in [Moment::Before, Moment::After] {
                for times in [Times::Once, Times::Always] {
                    let row = Row {
                        fault,
                        step,
                        moment,
                        times,
                    };
                    rows.extend(row.exists().then_some(row));
                }
            }
        }
    }
    assert_eq!(rows.len(), 7 * (3 * 2 + 4 * 4));
    // A dozen at a time: they wait for time-outs, and not for each other.
    let mut wrong = Vec::new();
    for some in rows.chunks(12) {
        let running: Vec<_> = some
            .iter()
            .map(|row| (*row, tokio::spawn(row.run())))
            .collect();
        for (row, outcome) in running {
            match outcome.await {
                Ok(outcome) if outcome == row.expected() => {}
                outcome => wrong.push(format!("{row:?}: {outcome:?}, not {:?}", row.expected())),
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
