//! What clients do, and how they note down what they were told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use lambda_http::{Error, Request};
use lambda_sessions::{DynamoDbStore, Session, SessionExt as _, SessionLayer};

use super::judge::{Event, Notes, Told};
use super::stage::{BEGINS, Stage};
use crate::support::{Clock, Dice, Reply, Visitor, minutes};

pub(crate) const CLIENTS: usize = 8;
/// Sessions that live to the end.
pub(crate) const SESSIONS: usize = 5;
/// Sessions that are destroyed at some time.
pub(crate) const DOOMED: usize = 3;
/// Requests of each client, of which each is one operation or a few.
const REQUESTS: usize = 200;
/// The last clients read eventually consistently: what they see may be old, so they do not tell.
const CONSISTENT: usize = 6;
const REGISTERS: [&str; 3] = ["r0", "r1", "r2"];
/// Whether a session is destroyed: 0 or 1.
const DEAD: &str = "dead";
/// What a handler says that found no session. It changed nothing.
const NOBODY: &str = "nobody";

pub(crate) fn reads_consistently(client: usize) -> bool {
    client < CONSISTENT
}

pub(crate) struct World {
    pub(crate) stage: Stage,
    pub(crate) clock: Clock,
    /// An instance of the function for each client.
    pub(crate) instances: Vec<SessionLayer<DynamoDbStore>>,
    /// One who has each session's cookie.
    pub(crate) holders: Mutex<Vec<Visitor>>,
    pub(crate) notes: Mutex<Notes>,
}

/// All requests of one client.
pub(crate) async fn run(world: Arc<World>, client: usize, seed: u64) {
    let mut client = Client {
        dice: Dice::new(seed.wrapping_mul(1_000).wrapping_add(client as u64)),
        world,
        client,
    };
    for _ in 0..REQUESTS {
        client.world.stage.turn(client.client, BEGINS).await;
        client.request().await;
    }
}

struct Client {
    world: Arc<World>,
    client: usize,
    dice: Dice,
}

/// The others go on also without one that has failed.
impl Drop for Client {
    fn drop(&mut self) {
        self.world.stage.leave();
    }
}

impl Client {
    async fn request(&mut self) {
        if self.roll(20) == 0 {
            self.world.clock.advance(minutes(61));
        }
        let session = self.roll(SESSIONS);
        let register = REGISTERS[self.roll(REGISTERS.len())];
        match self.roll(20) {
            0..=3 if reads_consistently(self.client) => self.read(session).await,
            0..=5 => self.set(session, register, Way::Plain).await,
            6 => self.set(session, register, Way::Unread).await,
            7 => self.set(session, register, Way::IfUnchanged).await,
            8 if reads_consistently(self.client) => {
                self.set(session, register, Way::Removal).await;
            }
            8 | 9 => self.set(session, register, Way::Renewing).await,
            10 => self.save(session, register).await,
            11 | 12 => self.count(session).await,
            13 => self.count_unread(session).await,
            14..=16 => self.push(session).await,
            17 => self.come_and_go().await,
            _ => {
                let doomed = SESSIONS + self.roll(DOOMED);
                match self.roll(15) {
                    0 => self.destroy(doomed).await,
                    1..=4 if reads_consistently(self.client) => self.look(doomed).await,
                    _ => self.keep_alive(doomed).await,
                }
            }
        }
    }

    async fn read(&mut self, session: usize) {
        for register in REGISTERS {
            self.note(session, register, Event::Read(self.client));
        }
        let read = |_: Request, session: Session| async move {
            if session.is_new() {
                return Ok(NOBODY.to_owned());
            }
            let value = |register| Ok::<_, Error>(session.get::<u64>(register)?.unwrap_or(0));
            let values = [value("r0")?, value("r1")?, value("r2")?];
            Ok(serde_json::to_string(&values)?)
        };
        let reply = self.visitor(session).visit(self.instance(), read).await;
        let told = told(&reply);
        let seen: Option<[u64; 3]> = match told {
            Told::Done => Some(serde_json::from_str(&reply.body).unwrap()),
            _ => None,
        };
        for (n, register) in REGISTERS.into_iter().enumerate() {
            let event = match seen {
                Some(values) => Event::Saw(self.client, values[n]),
                None => Event::Told(self.client, told),
            };
            self.note(session, register, event);
        }
    }

    async fn set(&mut self, session: usize, register: &'static str, way: Way) {
        let value = match way {
            Way::Removal => 0,
            _ => self.notes(Notes::fresh),
        };
        self.note(session, register, Event::Write(self.client, value));
        let mut visitor = self.visitor(session);
        let reply = match way {
            Way::Unread => {
                let write = |request: Request| async move {
                    request.write_only_session()?.insert(register, value)?;
                    Ok("")
                };
                visitor.visit_layered(self.instance(), write).await
            }
            _ => {
                let write = |_: Request, session: Session| async move {
                    if session.is_new() {
                        return Ok(NOBODY);
                    }
                    match way {
                        Way::Removal => session.remove(register)?,
                        _ => session.insert(register, value)?,
                    }
                    match way {
                        Way::IfUnchanged => session.require_unchanged()?,
                        Way::Renewing => {
                            session.cycle_id()?;
                            session.save().await?;
                        }
                        _ => {}
                    }
                    // Another one was faster, so that this has begun a session of its own.
                    Ok(if session.is_new() { NOBODY } else { "" })
                };
                visitor.visit(self.instance(), write).await
            }
        };
        let told = match way {
            Way::Unread => told_unread(&reply),
            _ => told(&reply),
        };
        self.note(session, register, Event::Told(self.client, told));
        if matches!(way, Way::Renewing) && told == Told::Done {
            self.world.holders.lock().unwrap()[session] = visitor;
        }
    }

    /// A register in the middle of a request, and a counter at its end.
    async fn save(&mut self, session: usize, register: &'static str) {
        let value = self.notes(Notes::fresh);
        self.note(session, register, Event::Write(self.client, value));
        let saved = &AtomicBool::new(false);
        let write = |_: Request, session: Session| async move {
            if session.is_new() {
                return Ok(NOBODY);
            }
            session.insert(register, value)?;
            session.save().await?;
            saved.store(true, Ordering::SeqCst);
            session.increment("n", 1)?;
            Ok("")
        };
        let reply = self.visitor(session).visit(self.instance(), write).await;
        let (first, second) = match (saved.load(Ordering::SeqCst), told(&reply)) {
            (true, told) => (Told::Done, told),
            (false, told) => (told, Told::Refused),
        };
        self.note(session, register, Event::Told(self.client, first));
        self.notes(|notes| notes.counted(session, second));
    }

    async fn count(&mut self, session: usize) {
        let count = |_: Request, session: Session| async move {
            if session.is_new() {
                return Ok(NOBODY);
            }
            session.increment("n", 1)?;
            Ok("")
        };
        let reply = self.visitor(session).visit(self.instance(), count).await;
        self.notes(|notes| notes.counted(session, told(&reply)));
    }

    async fn count_unread(&mut self, session: usize) {
        let count = |request: Request| async move {
            request.write_only_session()?.increment("n", 1)?;
            Ok("")
        };
        let mut visitor = self.visitor(session);
        let reply = visitor.visit_layered(self.instance(), count).await;
        self.notes(|notes| notes.counted(session, told_unread(&reply)));
    }

    /// A list that is updated, and a counter in the same save.
    async fn push(&mut self, session: usize) {
        let entry = self.notes(Notes::fresh);
        let push = |_: Request, session: Session| async move {
            if session.is_new() {
                return Ok(NOBODY);
            }
            session.update("list", move |list: &mut Vec<u64>| list.push(entry))?;
            session.increment("n", 1)?;
            Ok("")
        };
        let reply = self.visitor(session).visit(self.instance(), push).await;
        self.notes(|notes| {
            notes.pushed(session, entry, told(&reply));
            notes.counted(session, told(&reply));
        });
    }

    async fn destroy(&mut self, doomed: usize) {
        self.note(doomed, DEAD, Event::Write(self.client, 1));
        let destroy = |_: Request, session: Session| async move {
            session.destroy()?;
            Ok("")
        };
        let reply = self.visitor(doomed).visit(self.instance(), destroy).await;
        self.note(doomed, DEAD, Event::Told(self.client, told(&reply)));
    }

    /// A session of its own, from its beginning to its end.
    async fn come_and_go(&mut self) {
        let who = SESSIONS + DOOMED + self.notes(Notes::fresh) as usize;
        let begin = |_: Request, session: Session| async move {
            session.insert("who", who)?;
            Ok("")
        };
        let mut visitor = Visitor::new();
        let begun = visitor.visit(self.instance(), begin).await;
        if told(&begun) != Told::Done {
            return;
        }
        self.note(who, DEAD, Event::Write(self.client, 1));
        let destroy = |_: Request, session: Session| async move {
            session.destroy()?;
            Ok("")
        };
        let ended = visitor.visit(self.instance(), destroy).await;
        self.note(who, DEAD, Event::Told(self.client, told(&ended)));
    }

    async fn look(&mut self, doomed: usize) {
        self.note(doomed, DEAD, Event::Read(self.client));
        let look = |_: Request, session: Session| async move {
            Ok(u64::from(session.is_new()).to_string())
        };
        let reply = self.visitor(doomed).visit(self.instance(), look).await;
        let event = match told(&reply) {
            Told::Done => Event::Saw(self.client, reply.body.parse().unwrap()),
            told => Event::Told(self.client, told),
        };
        self.note(doomed, DEAD, event);
    }

    /// A write says as well as a read whether there is a session: it was there, or gone.
    async fn keep_alive(&mut self, doomed: usize) {
        self.note(doomed, DEAD, Event::Read(self.client));
        let count = |_: Request, session: Session| async move {
            if session.is_new() {
                return Ok(NOBODY);
            }
            session.increment("n", 1)?;
            Ok("")
        };
        let reply = self.visitor(doomed).visit(self.instance(), count).await;
        let event = match (told(&reply), reply.body.as_str()) {
            (Told::Done, _) => Event::Saw(self.client, 0),
            (_, "Gone" | NOBODY) => Event::Saw(self.client, 1),
            (told, _) => Event::Told(self.client, told),
        };
        self.note(doomed, DEAD, event);
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.dice.roll(sides as u64) as usize
    }

    fn visitor(&self, session: usize) -> Visitor {
        self.world.holders.lock().unwrap()[session].clone()
    }

    fn instance(&self) -> &SessionLayer<DynamoDbStore> {
        &self.world.instances[self.client]
    }

    fn notes<R>(&self, f: impl FnOnce(&mut Notes) -> R) -> R {
        f(&mut self.world.notes.lock().unwrap())
    }

    fn note(&self, session: usize, register: &'static str, event: Event) {
        self.notes(|notes| notes.event((session, register), event));
    }
}

/// How a register is set.
#[derive(Clone, Copy, Debug)]
enum Way {
    Plain,
    Unread,
    IfUnchanged,
    Removal,
    /// And the session's id is renewed in the same request.
    Renewing,
}

fn told(reply: &Reply) -> Told {
    match (reply.status, reply.body.as_str()) {
        (200, NOBODY) => Told::Refused,
        (200, _) => Told::Done,
        (_, "OutcomeUnknown") => Told::Unknown,
        _ => Told::Refused,
    }
}

/// On a session that is not there any more such a write has begun another one.
fn told_unread(reply: &Reply) -> Told {
    match reply.cookies.is_empty() {
        true => told(reply),
        false => Told::Refused,
    }
}
