//! The clients: they send requests and record the responses.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lambda_http::{Error, Request};
use lambda_sessions::{DynamoDbStore, Session, SessionExt as _, SessionLayer};

use super::checker::{Event, Observations, Outcome};
use super::scheduler::{BEGINS, Scheduler};
use crate::support::{Browser, Clock, Random, Reply, days, minutes};

pub(crate) const CLIENTS: usize = 8;
/// The number of sessions that live to the end.
pub(crate) const SESSIONS: usize = 5;
/// The number of sessions that are destroyed at some time.
pub(crate) const DOOMED: usize = 3;
/// The number of requests of each client. A request has one operation or a few.
const REQUESTS: usize = 200;
/// The number of clients that read consistently. The others may read old values, so their reads are
/// not checked.
const CONSISTENT: usize = 6;
const REGISTERS: [&str; 4] = ["r0", "r1", "r2", IDLE];
/// The register that is the session's idle timeout, in seconds above [`SHORTEST`].
const IDLE: &str = "idle";
/// The shortest idle timeout. It is longer than a history, so that no session expires.
const SHORTEST: Duration = days(10);
/// The register that says whether a session is destroyed: 0 or 1.
const DEAD: &str = "dead";
/// The response of a handler that found no session and changed nothing.
const NOBODY: &str = "nobody";

pub(crate) fn reads_consistently(client: usize) -> bool {
    client < CONSISTENT
}

pub(crate) struct World {
    pub(crate) scheduler: Scheduler,
    pub(crate) clock: Clock,
    /// An instance of the function for each client.
    pub(crate) instances: Vec<SessionLayer<DynamoDbStore>>,
    /// A browser with the cookie of each session.
    pub(crate) holders: Mutex<Vec<Browser>>,
    pub(crate) observations: Mutex<Observations>,
}

/// Sends all requests of one client.
pub(crate) async fn run(world: Arc<World>, client: usize, seed: u64) {
    let mut client = Client {
        random: Random::new(seed.wrapping_mul(1_000).wrapping_add(client as u64)),
        world,
        client,
    };
    for _ in 0..REQUESTS {
        client.world.scheduler.turn(client.client, BEGINS).await;
        client.request().await;
    }
}

struct Client {
    world: Arc<World>,
    client: usize,
    random: Random,
}

/// The other clients continue without one that has failed.
impl Drop for Client {
    fn drop(&mut self) {
        self.world.scheduler.leave();
    }
}

impl Client {
    async fn request(&mut self) {
        if self.below(20) == 0 {
            self.world.clock.advance(minutes(61));
        }
        let session = self.below(SESSIONS);
        let register = REGISTERS[self.below(REGISTERS.len())];
        // A timeout is neither removed nor set without a read.
        let value = REGISTERS[self.below(REGISTERS.len() - 1)];
        match self.below(20) {
            0..=3 if reads_consistently(self.client) => self.read(session).await,
            0..=5 => self.set(session, register, Way::Plain).await,
            6 => self.set(session, value, Way::WriteOnly).await,
            7 => self.set(session, register, Way::IfUnchanged).await,
            8 if reads_consistently(self.client) => {
                self.set(session, value, Way::Removal).await;
            }
            8 | 9 => self.set(session, register, Way::Cycling).await,
            10 => self.save(session, register).await,
            11 | 12 => self.count(session).await,
            13 => self.count_unread(session).await,
            14..=16 => self.push(session).await,
            17 => self.come_and_go().await,
            _ => {
                let doomed = SESSIONS + self.below(DOOMED);
                match self.below(15) {
                    0 => self.destroy(doomed).await,
                    1..=4 if reads_consistently(self.client) => self.look(doomed).await,
                    _ => self.keep_alive(doomed).await,
                }
            }
        }
    }

    async fn read(&mut self, session: usize) {
        for register in REGISTERS {
            self.observe(session, register, Event::Read(self.client));
        }
        let read = |_: Request, session: Session| async move {
            if session.is_new() {
                return Ok(NOBODY.to_owned());
            }
            let value = |register| Ok::<_, Error>(session.get::<u64>(register)?.unwrap_or(0));
            let idle = session
                .idle_timeout()
                .map_or(0, |it| (it - SHORTEST).as_secs());
            let values = [value("r0")?, value("r1")?, value("r2")?, idle];
            Ok(serde_json::to_string(&values)?)
        };
        let reply = self.browser(session).visit(self.instance(), read).await;
        let outcome = outcome(&reply);
        let seen: Option<[u64; 4]> = match outcome {
            Outcome::Done => Some(serde_json::from_str(&reply.body).unwrap()),
            _ => None,
        };
        for (n, register) in REGISTERS.into_iter().enumerate() {
            let event = match seen {
                Some(values) => Event::Saw(self.client, values[n]),
                None => Event::Ended(self.client, outcome),
            };
            self.observe(session, register, event);
        }
    }

    async fn set(&mut self, session: usize, register: &'static str, way: Way) {
        let value = match way {
            Way::Removal => 0,
            _ => self.observations(Observations::fresh),
        };
        self.observe(session, register, Event::Write(self.client, value));
        let before = self.browser(session);
        let mut browser = before.clone();
        let reply = match way {
            Way::WriteOnly => {
                let write = |request: Request| async move {
                    request.write_only_session()?.insert(register, value)?;
                    Ok("")
                };
                browser.visit_layered(self.instance(), write).await
            }
            _ => {
                let write = |_: Request, session: Session| async move {
                    if session.is_new() {
                        return Ok(NOBODY);
                    }
                    match way {
                        Way::Removal => session.remove(register)?,
                        _ => set(&session, register, value)?,
                    }
                    match way {
                        Way::IfUnchanged => session.require_unchanged()?,
                        Way::Cycling => {
                            session.cycle_id()?;
                            session.save().await?;
                        }
                        _ => {}
                    }
                    // Another request was faster, so this one has begun a new session.
                    Ok(if session.is_new() { NOBODY } else { "" })
                };
                browser.visit(self.instance(), write).await
            }
        };
        let outcome = match way {
            Way::WriteOnly => outcome_write_only(&reply, &before, &browser),
            _ => outcome(&reply),
        };
        self.observe(session, register, Event::Ended(self.client, outcome));
        if matches!(way, Way::Cycling) && outcome == Outcome::Done {
            self.world.holders.lock().unwrap()[session] = browser;
        }
    }

    /// Sets a register in the middle of a request, and counts at its end.
    async fn save(&mut self, session: usize, register: &'static str) {
        let value = self.observations(Observations::fresh);
        self.observe(session, register, Event::Write(self.client, value));
        let saved = &AtomicBool::new(false);
        let write = |_: Request, session: Session| async move {
            if session.is_new() {
                return Ok(NOBODY);
            }
            set(&session, register, value)?;
            session.save().await?;
            saved.store(true, Ordering::SeqCst);
            session.increment("n", 1)?;
            Ok("")
        };
        let reply = self.browser(session).visit(self.instance(), write).await;
        let (first, second) = match (saved.load(Ordering::SeqCst), outcome(&reply)) {
            (true, outcome) => (Outcome::Done, outcome),
            (false, outcome) => (outcome, Outcome::Refused),
        };
        self.observe(session, register, Event::Ended(self.client, first));
        self.observations(|observations| observations.counted(session, second));
    }

    async fn count(&mut self, session: usize) {
        let count = |_: Request, session: Session| async move {
            if session.is_new() {
                return Ok(NOBODY);
            }
            session.increment("n", 1)?;
            Ok("")
        };
        let reply = self.browser(session).visit(self.instance(), count).await;
        self.observations(|observations| observations.counted(session, outcome(&reply)));
    }

    async fn count_unread(&mut self, session: usize) {
        let count = |request: Request| async move {
            request.write_only_session()?.increment("n", 1)?;
            Ok("")
        };
        let before = self.browser(session);
        let mut browser = before.clone();
        let reply = browser.visit_layered(self.instance(), count).await;
        let outcome = outcome_write_only(&reply, &before, &browser);
        self.observations(|observations| observations.counted(session, outcome));
    }

    /// Updates a list and counts in the same save.
    async fn push(&mut self, session: usize) {
        let entry = self.observations(Observations::fresh);
        let push = |_: Request, session: Session| async move {
            if session.is_new() {
                return Ok(NOBODY);
            }
            session.update("list", move |list: &mut Vec<u64>| list.push(entry))?;
            session.increment("n", 1)?;
            Ok("")
        };
        let reply = self.browser(session).visit(self.instance(), push).await;
        self.observations(|observations| {
            observations.pushed(session, entry, outcome(&reply));
            observations.counted(session, outcome(&reply));
        });
    }

    async fn destroy(&mut self, doomed: usize) {
        self.observe(doomed, DEAD, Event::Write(self.client, 1));
        let destroy = |_: Request, session: Session| async move {
            session.destroy()?;
            Ok("")
        };
        let reply = self.browser(doomed).visit(self.instance(), destroy).await;
        self.observe(doomed, DEAD, Event::Ended(self.client, outcome(&reply)));
    }

    /// Begins a session and ends it.
    async fn come_and_go(&mut self) {
        let who = SESSIONS + DOOMED + self.observations(Observations::fresh) as usize;
        let begin = |_: Request, session: Session| async move {
            session.insert("who", who)?;
            Ok("")
        };
        let mut browser = Browser::new();
        let begun = browser.visit(self.instance(), begin).await;
        if outcome(&begun) != Outcome::Done {
            return;
        }
        self.observe(who, DEAD, Event::Write(self.client, 1));
        let destroy = |_: Request, session: Session| async move {
            session.destroy()?;
            Ok("")
        };
        let ended = browser.visit(self.instance(), destroy).await;
        self.observe(who, DEAD, Event::Ended(self.client, outcome(&ended)));
    }

    async fn look(&mut self, doomed: usize) {
        self.observe(doomed, DEAD, Event::Read(self.client));
        let look = |_: Request, session: Session| async move {
            Ok(u64::from(session.is_new()).to_string())
        };
        let reply = self.browser(doomed).visit(self.instance(), look).await;
        let event = match outcome(&reply) {
            Outcome::Done => Event::Saw(self.client, reply.body.parse().unwrap()),
            outcome => Event::Ended(self.client, outcome),
        };
        self.observe(doomed, DEAD, event);
    }

    /// Writes to a session. The response to a write, too, says whether the session exists.
    async fn keep_alive(&mut self, doomed: usize) {
        self.observe(doomed, DEAD, Event::Read(self.client));
        let count = |_: Request, session: Session| async move {
            if session.is_new() {
                return Ok(NOBODY);
            }
            session.increment("n", 1)?;
            Ok("")
        };
        let reply = self.browser(doomed).visit(self.instance(), count).await;
        let event = match (outcome(&reply), reply.body.as_str()) {
            (Outcome::Done, _) => Event::Saw(self.client, 0),
            (_, "Gone" | NOBODY) => Event::Saw(self.client, 1),
            (outcome, _) => Event::Ended(self.client, outcome),
        };
        self.observe(doomed, DEAD, event);
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random.below(limit as u64) as usize
    }

    fn browser(&self, session: usize) -> Browser {
        self.world.holders.lock().unwrap()[session].clone()
    }

    fn instance(&self) -> &SessionLayer<DynamoDbStore> {
        &self.world.instances[self.client]
    }

    fn observations<R>(&self, f: impl FnOnce(&mut Observations) -> R) -> R {
        f(&mut self.world.observations.lock().unwrap())
    }

    fn observe(&self, session: usize, register: &'static str, event: Event) {
        self.observations(|observations| observations.event((session, register), event));
    }
}

/// Sets a register to this value.
fn set(session: &Session, register: &str, value: u64) -> Result<(), lambda_sessions::Error> {
    match register {
        IDLE => session.set_idle_timeout(SHORTEST + Duration::from_secs(value)),
        _ => session.insert(register, value),
    }
}

/// The ways to set a register.
#[derive(Clone, Copy, Debug)]
enum Way {
    Plain,
    WriteOnly,
    IfUnchanged,
    Removal,
    /// The id is cycled in the same request.
    Cycling,
}

fn outcome(reply: &Reply) -> Outcome {
    match (reply.status, reply.body.as_str()) {
        (200, NOBODY) => Outcome::Refused,
        (200, _) => Outcome::Done,
        (_, "OutcomeUnknown") => Outcome::Unknown,
        _ => Outcome::Refused,
    }
}

/// Returns the outcome of a write without a read. If its session no longer exists, it has begun a
/// new one, under a new id.
fn outcome_write_only(reply: &Reply, before: &Browser, after: &Browser) -> Outcome {
    match before.id() == after.id() {
        true => outcome(reply),
        false => Outcome::Refused,
    }
}
