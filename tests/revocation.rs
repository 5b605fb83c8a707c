//! Revocations that race logins, renewals, rotations, writes and logouts, and what was seen of them
//! judged right away.
//!
//! Devices of one user log in, write, renew their ids and log out; a clock that goes on makes
//! renewals on schedule due; calls are slow, fail, and lose their acknowledgements; and a `Query`
//! sees one row at a time, so that everything else goes on in between. Meanwhile the user is
//! revoked, from outside and by the devices themselves ("log out everywhere else").
//!
//! What must hold each time, once a revocation has returned: every session whose login was
//! acknowledged before it began is dead for every read that begins from then on, under each id that
//! its client has ever been told or is told later. And the device that logs out the others lives.
//!
//! `LAMBDA_SESSIONS_HISTORY_SEEDS` is how many seeds are tried (default 3), and
//! `LAMBDA_SESSIONS_HISTORY_SEED` which comes first (default 1). A failure names its seed, which
//! decides who does what, though not how long it takes.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

mod support;

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use lambda_http::{Error, Request};
use lambda_sessions::{DynamoDbStore, ErrorKind, Session, SessionLayer};
use serde_json::json;
use support::{Answer, Bench, Dice, Reply, Visitor, days, logout, seeds};

const DEVICES: usize = 6;
const STEPS: usize = 60;
const COOKIE: &str = "__Host-sid";

/// One login, and every cookie that its client has been told.
#[derive(Default)]
struct Login {
    cookies: Mutex<Vec<String>>,
    revoked: AtomicBool,
}

struct World {
    bench: Bench,
    /// By which everything is done; its calls are disturbed.
    sessions: SessionLayer<DynamoDbStore>,
    /// By which everything is looked at.
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
    // One that is dead begins no other.
    if session.contains("name") {
        session.increment("n", 1)?;
    }
    who_of(&session)
}

async fn renew(_: Request, session: Session) -> Result<String, Error> {
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
        let mut bench = Bench::with_users().await;
        let store = bench.table.store_at(&bench.proxy.endpoint);
        bench.use_store(store.operation_timeout(Duration::from_secs(20)));
        bench.proxy.edit(|operation, body| {
            if operation == "Query" {
                body["Limit"] = json!(1);
            }
        });
        let dice = Mutex::new(Dice::new(seed));
        bench.proxy.answer(move |_, _| {
            let mut dice = dice.lock().unwrap();
            match dice.roll(100) {
                0..2 => Answer::error(500, "InternalServerError"),
                2..4 => Answer::lost(),
                4..6 => Answer::ForwardThenReset,
                6..8 => Answer::error(400, "ThrottlingException"),
                _ => Answer::Delay(Duration::from_micros(dice.roll(3_000))),
            }
        });
        let sessions = bench.sessions.clone();
        Self {
            sessions: sessions.cycle_id_after(Duration::from_secs(2)),
            direct: bench.elsewhere(),
            bench,
            logins: Mutex::default(),
            revocations: AtomicUsize::new(0),
            survivals: AtomicUsize::new(0),
        }
    }

    async fn is_alive(&self, cookie: &str) -> bool {
        let mut visitor = Visitor::with_cookie(COOKIE, cookie);
        visitor.visit(&self.direct, who).await.body == "ada"
    }

    /// The logins that are acknowledged by now.
    fn acknowledged(&self) -> Vec<Arc<Login>> {
        self.logins.lock().unwrap().clone()
    }

    /// They were revoked, and that has returned.
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

    /// Revokes the user from outside, again and again.
    async fn administrator(&self, mut dice: Dice, done: &AtomicUsize) {
        while done.load(Ordering::SeqCst) < DEVICES {
            tokio::time::sleep(Duration::from_millis(dice.roll(60))).await;
            self.bench.clock.advance(Duration::from_secs(1));
            let before = self.acknowledged();
            if self.sessions.revoke_user("ada").await.is_ok() {
                self.assert_dead(&before).await;
            }
        }
    }

    async fn device(&self, mut dice: Dice, done: &AtomicUsize) {
        let mut at: Option<(Visitor, Arc<Login>)> = None;
        for _ in 0..STEPS {
            let Some((visitor, own)) = &mut at else {
                let mut visitor = Visitor::new();
                let reply = visitor.visit(&self.sessions, login).await;
                if reply.status == 200 {
                    let login = Arc::new(Login::default());
                    told(&login, &visitor);
                    self.logins.lock().unwrap().push(Arc::clone(&login));
                    at = Some((visitor, login));
                }
                continue;
            };
            let reply = match dice.roll(20) {
                0..10 => visitor.visit(&self.sessions, write).await,
                10..14 => visitor.visit(&self.sessions, renew).await,
                14..17 => self.page(visitor).await,
                17 => {
                    visitor.visit(&self.sessions, logout).await;
                    at = None;
                    continue;
                }
                _ => self.log_out_elsewhere(visitor, own).await,
            };
            told(own, visitor);
            // Gone, or empty: it was revoked, or nobody knows what became of it.
            if reply.status == 409 || (reply.status == 200 && reply.body.is_empty()) {
                at = None;
            }
        }
        done.fetch_add(1, Ordering::SeqCst);
    }

    /// Two requests at once, as a page sends them.
    async fn page(&self, visitor: &mut Visitor) -> Reply {
        let (mut one, mut two) = (visitor.clone(), visitor.clone());
        let (reply, _) = tokio::join!(
            one.visit(&self.sessions, write),
            two.visit(&self.sessions, who),
        );
        let newer = if two.cookie() == visitor.cookie() {
            one
        } else {
            two
        };
        *visitor = newer;
        reply
    }

    async fn log_out_elsewhere(&self, visitor: &mut Visitor, own: &Arc<Login>) -> Reply {
        let others: Vec<_> = self
            .acknowledged()
            .into_iter()
            .filter(|login| !Arc::ptr_eq(login, own))
            .collect();
        let reply = visitor.visit(&self.sessions, revoke_others).await;
        if reply.status == 200 && reply.body == "ada" {
            self.assert_dead(&others).await;
            self.survivals.fetch_add(1, Ordering::SeqCst);
        }
        reply
    }
}

/// What the client has been told by now.
fn told(login: &Login, visitor: &Visitor) {
    let mut cookies = login.cookies.lock().unwrap();
    if let Some(cookie) = visitor.cookie()
        && !cookies.iter().any(|known| known == cookie)
    {
        cookies.push(cookie.to_owned());
    }
}

#[tokio::test]
async fn whoever_was_logged_in_when_a_revocation_began_is_dead_when_it_returns() {
    for seed in seeds() {
        println!("seed {seed}");
        let world = World::new(seed).await;
        let done = AtomicUsize::new(0);
        let devices = (0..DEVICES).map(|n| world.device(Dice::new(seed * 100 + n as u64), &done));
        tokio::join!(
            world.administrator(Dice::new(seed), &done),
            futures_util::future::join_all(devices),
        );
        // Also by what was told only after the revocation had returned.
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

        // And a last one leaves nothing at all.
        world.direct.revoke_user("ada").await.unwrap();
        assert!(world.direct.user_sessions("ada").await.unwrap().is_empty());
        assert!(world.bench.table.rows().await.is_empty());
        for login in logins {
            let cookies = login.cookies.lock().unwrap().clone();
            for cookie in cookies {
                let mut visitor = Visitor::with_cookie(COOKIE, &cookie);
                assert_eq!(visitor.visit(&world.direct, who).await.body, "");
            }
        }
    }
}

/// Someone who is logged in, and what to do to renew the id of that session elsewhere.
async fn racing(
    bench: &Bench,
) -> (
    Visitor,
    impl Fn() -> Renewing + Clone + Send + Sync + 'static,
) {
    let mut ada = Visitor::new();
    assert_eq!(ada.visit(&bench.sessions, login).await.status, 200);
    let (elsewhere, visitor) = (
        bench.elsewhere(),
        Arc::new(tokio::sync::Mutex::new(ada.clone())),
    );
    let renew_it = move || -> Renewing {
        let (elsewhere, visitor) = (elsewhere.clone(), Arc::clone(&visitor));
        Box::pin(async move {
            let mut visitor = visitor.lock().await;
            assert_eq!(visitor.visit(&elsewhere, renew).await.status, 200);
            visitor.clone()
        })
    };
    (ada, renew_it)
}

type Renewing = std::pin::Pin<Box<dyn Future<Output = Visitor> + Send>>;

/// The session is renewed after the revocation has seen its row, and the new row is hidden from
/// it: a `Query` may see one half of a transaction.
#[tokio::test]
async fn a_revocation_follows_a_session_whose_new_row_it_cannot_see() {
    let bench = Bench::with_users().await;
    let (ada, renew_it) = racing(&bench).await;
    let renewed = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&renewed);
    bench
        .proxy
        .answer(move |operation, before| match (operation, before) {
            ("Query", 0) => Answer::Forward,
            ("Query", _) => Answer::Reply(200, r#"{"Items":[],"Count":0,"ScannedCount":0}"#.into()),
            ("DeleteItem", 0) => {
                let (renew_it, seen) = (renew_it.clone(), Arc::clone(&seen));
                Answer::Forward.after(move || {
                    let (renewing, seen) = (renew_it(), Arc::clone(&seen));
                    async move { *seen.lock().unwrap() = Some(renewing.await) }
                })
            }
            _ => Answer::Forward,
        });
    bench.sessions.revoke_user("ada").await.unwrap();
    let renewed = renewed.lock().unwrap().take().expect("it was renewed");
    assert_ne!(renewed.cookie(), ada.cookie());
    for mut visitor in [ada, renewed] {
        assert_eq!(visitor.visit(&bench.sessions, who).await.body, "");
    }
    assert!(
        bench
            .table
            .rows()
            .await
            .iter()
            .all(|row| row["ttl"].as_n().is_ok())
    );
}

/// The same, and the stub is gone by the time that it is looked for: the next `Query` has the new
/// row.
#[tokio::test]
async fn a_revocation_that_lost_its_way_asks_again() {
    let bench = Bench::with_users().await;
    let (ada, renew_it) = racing(&bench).await;
    let old = bench.table.item().await["id"].clone();
    let renewed = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&renewed);
    let (client, table) = (bench.table.client.clone(), bench.table.name.clone());
    bench
        .proxy
        .answer(move |operation, before| match (operation, before) {
            ("DeleteItem", 0) => {
                let (renew_it, seen, old) = (renew_it.clone(), Arc::clone(&seen), old.clone());
                let (client, table) = (client.clone(), table.clone());
                Answer::Forward.after(move || {
                    let (renewing, seen) = (renew_it(), Arc::clone(&seen));
                    let delete = client
                        .delete_item()
                        .table_name(&table)
                        .key("id", old.clone());
                    async move {
                        *seen.lock().unwrap() = Some(renewing.await);
                        delete.send().await.unwrap();
                    }
                })
            }
            _ => Answer::Forward,
        });
    bench.sessions.revoke_user("ada").await.unwrap();
    let renewed = renewed.lock().unwrap().take().expect("it was renewed");
    for mut visitor in [ada, renewed] {
        assert_eq!(visitor.visit(&bench.sessions, who).await.body, "");
    }
}

/// So that a `Query` that is under way finds it, wherever the new one stands.
#[tokio::test]
async fn the_row_of_a_renewed_session_stays_as_long_as_its_stub() {
    let bench = Bench::with_users().await;
    for rotated in [false, true] {
        bench.sessions.revoke_user("ada").await.unwrap();
        let (mut ada, renew_it) = racing(&bench).await;
        let old = bench.table.rows().await.remove(0);
        if rotated {
            bench.clock.advance(Duration::from_secs(60));
            let rotating = bench
                .sessions
                .clone()
                .cycle_id_after(Duration::from_secs(60));
            ada.visit(&rotating, who).await;
        } else {
            renew_it().await;
        }
        let rows = bench.table.rows().await;
        assert_eq!(rows.len(), 2);
        let stays = rows.iter().find(|row| row["session"] == old["session"]);
        let items = bench.table.items().await;
        let stub = items.iter().find(|item| item["id"] == old["session"]);
        let (stays, stub) = (stays.unwrap(), stub.unwrap());
        assert_eq!(stub["retired"].as_bool(), Ok(&true));
        assert_eq!(stays["ttl"], stub["ttl"], "{rotated}");
        assert_eq!(stays["handle"], old["handle"]);
        let new = rows.iter().find(|row| row["session"] != old["session"]);
        assert_eq!(new.unwrap()["ttl"], old["ttl"]);
    }
}

/// The stub of one that became another user's leads nobody there.
#[tokio::test]
async fn a_revocation_does_not_follow_a_session_to_another_user() {
    let bench = Bench::with_users().await;
    let (mut ada, _) = racing(&bench).await;
    let grace = async |_: Request, session: Session| -> Result<String, Error> {
        session.log_in("grace")?;
        session.insert("name", "grace")?;
        Ok(String::new())
    };
    assert_eq!(ada.visit(&bench.sessions, grace).await.cookies.len(), 1);
    bench.sessions.revoke_user("ada").await.unwrap();
    assert_eq!(ada.visit(&bench.sessions, who).await.body, "grace");
    bench.sessions.revoke_user("grace").await.unwrap();
    assert_eq!(ada.visit(&bench.sessions, who).await.body, "");
}

/// Clocks are not compared: one that is days off revokes what others take for alive, also a session of
/// which a write had to be sent again, so that it is ended in another way.
#[tokio::test]
async fn a_revocation_by_a_clock_that_is_off_revokes_all_the_same() {
    for fenced in [false, true] {
        for late in [false, true] {
            let bench = Bench::with_users().await;
            let (mut ada, _) = racing(&bench).await;
            bench
                .proxy
                .answer(move |operation, before| match (operation, before) {
                    ("UpdateItem", 0) if fenced => Answer::error(500, "InternalServerError"),
                    _ => Answer::Forward,
                });
            assert_eq!(ada.visit(&bench.sessions, write).await.body, "ada");
            let item = bench.table.item().await;
            assert_eq!(item.contains_key("fence"), fenced);

            let now = UNIX_EPOCH + Duration::from_secs(bench.clock.seconds());
            let other = if late {
                now - days(100)
            } else {
                now + days(100)
            };
            let revoker = bench.sessions.clone().clock(move || other);
            revoker.revoke_user("ada").await.unwrap();
            let reply = ada.visit(&bench.sessions, who).await;
            assert_eq!(reply.body, "", "fenced: {fenced}, late: {late}");
        }
    }
}

/// What fails half-way says so, and can be done again.
#[tokio::test]
async fn a_revocation_that_fails_says_so_and_can_be_done_again() {
    let mut bench = Bench::with_users().await;
    let store = bench.table.store_at(&bench.proxy.endpoint);
    bench.use_store(store.operation_timeout(Duration::from_millis(300)));
    for failing in ["Query", "DeleteItem"] {
        let mut visitors = vec![Visitor::new(), Visitor::new(), Visitor::new()];
        for visitor in &mut visitors {
            assert_eq!(visitor.visit(&bench.sessions, login).await.status, 200);
        }
        bench.proxy.answer(
            move |operation, before| match operation == failing && before >= 1 {
                true => Answer::error(500, "InternalServerError"),
                false => Answer::Forward,
            },
        );
        let error = bench.sessions.revoke_user("ada").await.unwrap_err();
        let expected = match failing {
            "Query" => ErrorKind::Unavailable,
            _ => ErrorKind::OutcomeUnknown,
        };
        assert_eq!(error.kind(), expected, "{failing}");
        bench.proxy.answer(|_, _| Answer::Forward);
        bench.sessions.revoke_user("ada").await.unwrap();
        for mut visitor in visitors {
            assert_eq!(visitor.visit(&bench.sessions, who).await.body, "");
        }
        assert!(bench.table.rows().await.is_empty());
    }
}

/// One of a newer version of the function is not taken for dead.
#[tokio::test]
async fn a_record_of_a_newer_format_is_not_passed_over() {
    let bench = Bench::with_users().await;
    let _ada = racing(&bench).await;
    let mut item = bench.table.item().await;
    let newer = aws_sdk_dynamodb::types::AttributeValue::N("2".to_owned());
    item.insert("format".to_owned(), newer);
    bench.table.put(item).await;
    let error = bench.sessions.revoke_user("ada").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}
