//! Revocations that race logins, cycled ids, writes and logouts.
//!
//! Devices of one user log in, write, cycle their ids and log out. A clock that advances makes
//! scheduled cycles due. Calls are slow, fail, and lose their responses, and a `Query` returns one
//! row at a time, so that other requests run between its pages. Meanwhile the user is revoked, from
//! outside and by the devices themselves ("log out everywhere else").
//!
//! After each revocation, every session whose login was acknowledged before it began is dead. That
//! holds for every read that begins after the revocation has returned, under each id that the
//! session's client has ever received. The device that logs out the others stays logged in.
//!
//! `LAMBDA_SESSIONS_HISTORY_SEEDS` is the number of seeds (default 3), and
//! `LAMBDA_SESSIONS_HISTORY_SEED` is the first one (default 1). A failure names its seed, which
//! decides what each device does, but not how long it takes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lambda_http::{Error, Request};
use lambda_sessions::{DynamoDbStore, Session, SessionLayer};
use serde_json::json;

use crate::support::{Action, Browser, Random, Reply, Setup, logout, seeds};

const DEVICES: usize = 6;

const STEPS: usize = 60;

const COOKIE: &str = "__Host-sid";

/// A login, and every cookie that its client has received.
#[derive(Default)]
struct Login {
    cookies: Mutex<Vec<String>>,
    revoked: AtomicBool,
}

struct World {
    setup: Setup,
    /// The sessions that the devices use. Their calls are disturbed.
    sessions: SessionLayer<DynamoDbStore>,
    /// The sessions that the checks use.
    direct: SessionLayer<DynamoDbStore>,
    logins: Mutex<Vec<Arc<Login>>>,
    revocations: AtomicUsize,
    survivals: AtomicUsize,
}

async fn login(_: Request, session: Session) -> Result<String, Error> {
    session.log_in("ada")?;
    session.insert("name", "ada")?;
    Ok(String::new())
}

async fn who(_: Request, session: Session) -> Result<String, Error> {
    let name: Option<String> = session.get("name")?;
    Ok(name.unwrap_or_default())
}

async fn write(_: Request, session: Session) -> Result<String, Error> {
    // A dead session must not begin a new one.
    if session.contains("name") {
        session.increment("n", 1)?;
    }
    who_of(&session)
}

async fn cycle(_: Request, session: Session) -> Result<String, Error> {
    session.cycle_id()?;
    who_of(&session)
}

async fn revoke_others(_: Request, session: Session) -> Result<String, Error> {
    session.revoke_others().await?;
    who_of(&session)
}

fn who_of(session: &Session) -> Result<String, Error> {
    Ok(session.get::<String>("name")?.unwrap_or_default())
}

impl World {
    async fn new(seed: u64) -> Self {
        let mut setup = Setup::with_users().await;
        let store = setup.table.store_at(&setup.proxy.endpoint);
        setup.use_store(store.operation_timeout(Duration::from_secs(20)));
        setup.proxy.edit(|operation, body| {
            if operation == "Query" {
                body["Limit"] = json!(1);
            }
        });
        let random = Mutex::new(Random::new(seed));
        setup.proxy.script(move |_, _| {
            let mut random = random.lock().unwrap();
            match random.below(100) {
                0..2 => Action::error(500, "InternalServerError"),
                2..4 => Action::lost(),
                4..6 => Action::ForwardThenReset,
                6..8 => Action::error(400, "ThrottlingException"),
                _ => Action::Delay(Duration::from_micros(random.below(3_000))),
            }
        });
        let sessions = setup.sessions.clone();
        Self {
            sessions: sessions.cycle_id_after(Duration::from_secs(2)),
            direct: setup.elsewhere(),
            setup,
            logins: Mutex::default(),
            revocations: AtomicUsize::new(0),
            survivals: AtomicUsize::new(0),
        }
    }

    async fn is_alive(&self, cookie: &str) -> bool {
        let mut browser = Browser::with_cookie(COOKIE, cookie);
        browser.visit(&self.direct, who).await.body == "ada"
    }

    /// Returns the logins that were acknowledged so far.
    fn acknowledged(&self) -> Vec<Arc<Login>> {
        self.logins.lock().unwrap().clone()
    }

    /// Asserts that these logins are dead, after their revocation has returned.
    async fn assert_dead(&self, logins: &[Arc<Login>]) {
        for login in logins {
            login.revoked.store(true, Ordering::SeqCst);
            let cookies = login.cookies.lock().unwrap().clone();
            for cookie in cookies {
                assert!(!self.is_alive(&cookie).await, "a revoked session lives");
            }
        }
        self.revocations.fetch_add(1, Ordering::SeqCst);
    }

    /// Revokes the user from outside repeatedly.
    async fn administrator(&self, mut random: Random, done: &AtomicUsize) {
        while done.load(Ordering::SeqCst) < DEVICES {
            tokio::time::sleep(Duration::from_millis(random.below(60))).await;
            self.setup.clock.advance(Duration::from_secs(1));
            let before = self.acknowledged();
            if self.sessions.revoke_user("ada").await.is_ok() {
                self.assert_dead(&before).await;
            }
        }
    }

    async fn device(&self, mut random: Random, done: &AtomicUsize) {
        let mut at: Option<(Browser, Arc<Login>)> = None;
        for _ in 0..STEPS {
            let Some((browser, own)) = &mut at else {
                let mut browser = Browser::new();
                let reply = browser.visit(&self.sessions, login).await;
                if reply.status == 200 {
                    let login = Arc::new(Login::default());
                    told(&login, &browser);
                    self.logins.lock().unwrap().push(Arc::clone(&login));
                    at = Some((browser, login));
                }
                continue;
            };
            let reply = match random.below(20) {
                0..10 => browser.visit(&self.sessions, write).await,
                10..14 => browser.visit(&self.sessions, cycle).await,
                14..17 => self.page(browser).await,
                17 => {
                    browser.visit(&self.sessions, logout).await;
                    at = None;
                    continue;
                }
                _ => self.log_out_elsewhere(browser, own).await,
            };
            told(own, browser);
            // The session was revoked, or its outcome is unknown.
            if reply.status == 409 || (reply.status == 200 && reply.body.is_empty()) {
                at = None;
            }
        }
        done.fetch_add(1, Ordering::SeqCst);
    }

    /// Sends two concurrent requests, as a page does.
    async fn page(&self, browser: &mut Browser) -> Reply {
        let (mut one, mut two) = (browser.clone(), browser.clone());
        let (reply, _) = tokio::join!(
            one.visit(&self.sessions, write),
            two.visit(&self.sessions, who),
        );
        let newer = if two.cookie() == browser.cookie() {
            one
        } else {
            two
        };
        *browser = newer;
        reply
    }

    async fn log_out_elsewhere(&self, browser: &mut Browser, own: &Arc<Login>) -> Reply {
        let others: Vec<_> = self
            .acknowledged()
            .into_iter()
            .filter(|login| !Arc::ptr_eq(login, own))
            .collect();
        let reply = browser.visit(&self.sessions, revoke_others).await;
        if reply.status == 200 && reply.body == "ada" {
            self.assert_dead(&others).await;
            self.survivals.fetch_add(1, Ordering::SeqCst);
        }
        reply
    }
}

/// Records the cookie that the client has now.
fn told(login: &Login, browser: &Browser) {
    let mut cookies = login.cookies.lock().unwrap();
    if let Some(cookie) = browser.cookie()
        && !cookies.iter().any(|known| known == cookie)
    {
        cookies.push(cookie.to_owned());
    }
}

#[tokio::test]
async fn revocation_ends_every_earlier_login() {
    for seed in seeds() {
        println!("seed {seed}");
        let world = World::new(seed).await;
        let done = AtomicUsize::new(0);
        let devices = (0..DEVICES).map(|n| world.device(Random::new(seed * 100 + n as u64), &done));
        tokio::join!(
            world.administrator(Random::new(seed), &done),
            futures_util::future::join_all(devices),
        );
        // This includes cookies that arrived after the revocation had returned.
        let logins = world.acknowledged();
        let revoked = logins.iter().filter(|l| l.revoked.load(Ordering::SeqCst));
        let revoked: Vec<_> = revoked.cloned().collect();
        world.assert_dead(&revoked).await;
        let revocations = world.revocations.load(Ordering::SeqCst);
        let survivals = world.survivals.load(Ordering::SeqCst);
        println!(
            "{} logins, {revocations} revocations, {survivals} by a device",
            logins.len()
        );
        assert!(revocations > 10 && logins.len() > 20 && revoked.len() > 15);

        // A last revocation leaves nothing.
        world.direct.revoke_user("ada").await.unwrap();
        assert!(world.direct.user_sessions("ada").await.unwrap().is_empty());
        assert!(world.setup.table.rows().await.is_empty());
        for login in logins {
            let cookies = login.cookies.lock().unwrap().clone();
            for cookie in cookies {
                let mut browser = Browser::with_cookie(COOKIE, &cookie);
                assert_eq!(browser.visit(&world.direct, who).await.body, "");
            }
        }
    }
}
