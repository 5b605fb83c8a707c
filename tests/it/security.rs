//! What an attacker tries, and what users are promised: journeys through the real `lambda_http`
//! adapter, with a real DynamoDB behind it.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{
    Answer, Bench, Reply, SHAPES, Shape, Table, Visitor, count, days, logout, minutes, peek, who,
};
use lambda_http::{Error, Request};
use lambda_sessions::{DynamoDbStore, ErrorKind, Session, SessionLayer, SigningKey};
use tokio::sync::Barrier;

const COOKIE: &str = "__Host-sid";

/// A login as it should be: a user, and a label.
async fn login(_: Request, session: Session) -> Result<String, Error> {
    session.log_in("ada")?;
    session.set_label("Firefox on Linux")?;
    session.insert("name", "ada")?;
    Ok(String::new())
}

async fn renew(_: Request, session: Session) -> Result<String, Error> {
    session.cycle_id()?;
    Ok(String::new())
}

/// Someone who has logged in.
async fn logged_in(bench: &Bench) -> Visitor {
    logged_in_to(&bench.sessions).await
}

async fn logged_in_to(sessions: &SessionLayer<DynamoDbStore>) -> Visitor {
    let mut visitor = Visitor::new();
    let reply = visitor.visit(sessions, login).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    visitor
}

/// Whether a client that has this cookie is logged in.
async fn sees(sessions: &SessionLayer<DynamoDbStore>, visitor: &Visitor) -> String {
    visitor.clone().visit(sessions, who).await.body
}

// ---- fixation, strict mode, logout

#[tokio::test]
async fn an_id_planted_before_the_login_is_worth_nothing_after_it() {
    let bench = Bench::with_users().await;
    // The attacker begins a session, and gets the victim's browser to send its id.
    let mut attacker = bench.guest(count).await;
    let mut victim = attacker.clone();
    let reply = victim.visit(&bench.sessions, login).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    assert_ne!(victim.cookie(), attacker.cookie());
    assert_eq!(sees(&bench.sessions, &victim).await, "ada");
    assert_eq!(victim.visit(&bench.sessions, peek).await.body, "Some(1)");

    assert_eq!(sees(&bench.sessions, &attacker).await, "nobody");
    // What the attacker writes begins a session that the victim knows nothing of.
    let write = attacker.visit(&bench.sessions, count).await;
    assert_eq!((write.body.as_str(), write.cookies.len()), ("1", 1));
    assert_eq!(sees(&bench.sessions, &attacker).await, "nobody");
    assert_eq!(sees(&bench.sessions, &victim).await, "ada");
    assert_eq!(victim.visit(&bench.sessions, peek).await.body, "Some(1)");
}

#[tokio::test]
async fn an_id_that_was_never_given_out_is_never_adopted() {
    let bench = Bench::new().await;
    for planted in ["A".repeat(43), format!("{}E", "x".repeat(42))] {
        let mut visitor = Visitor::with_cookie(COOKIE, &planted);
        let reply = visitor.visit(&bench.sessions, peek).await;
        assert_eq!((reply.body.as_str(), reply.cookies.len()), ("None", 0));
        let reply = visitor.visit(&bench.sessions, count).await;
        assert_eq!((reply.body.as_str(), reply.cookies.len()), ("1", 1));
        assert_ne!(visitor.cookie(), Some(planted.as_str()));
    }
    assert_eq!(bench.table.items().await.len(), 2);
}

#[tokio::test]
async fn a_logout_ends_the_session_on_the_server() {
    let bench = Bench::with_users().await;
    let mut ada = logged_in(&bench).await;
    let copy = ada.clone();
    let reply = ada.visit(&bench.sessions, logout).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    assert_eq!(ada.cookie(), None);
    assert!(bench.table.items().await.is_empty(), "no record is left");
    assert!(bench.table.rows().await.is_empty(), "and no row");
    assert_eq!(sees(&bench.sessions, &copy).await, "nobody");
}

/// The users table may be gone, or refuse: who logs out is logged out.
#[tokio::test]
async fn a_logout_does_not_depend_on_the_users_table() {
    let bench = Bench::with_users().await;
    let mut ada = logged_in(&bench).await;
    let copy = ada.clone();
    let users = bench.table.client.delete_table();
    users.table_name(bench.table.users()).send().await.unwrap();
    let reply = ada.visit(&bench.sessions, logout).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    assert_eq!(sees(&bench.sessions, &copy).await, "nobody");
}

// ---- both timeouts

#[tokio::test]
async fn an_idle_session_dies_to_the_second() {
    let bench = Bench::with_users().await;
    let sessions = bench.sessions.clone().idle_timeout(minutes(30));
    let sessions = sessions.touch_interval(Duration::ZERO);
    let mut ada = logged_in_to(&sessions).await;
    for _ in 0..3 {
        bench.clock.advance(minutes(30) - Duration::from_secs(1));
        assert_eq!(ada.visit(&sessions, who).await.body, "ada");
    }
    bench.clock.advance(minutes(30));
    assert!(!bench.table.items().await.is_empty(), "the record is there");
    assert_eq!(sees(&sessions, &ada).await, "nobody");
    assert!(sessions.user_sessions("ada").await.unwrap().is_empty());
}

#[tokio::test]
async fn no_session_outlives_its_lifetime() {
    let bench = Bench::with_users().await;
    let sessions = bench.sessions.clone();
    let sessions = sessions.lifetime(days(4)).idle_timeout(days(2));
    let mut ada = logged_in_to(&sessions).await;
    let again = async |_: Request, session: Session| -> Result<String, Error> {
        session.clear()?;
        session.insert("name", "ada")?;
        session.cycle_id()?;
        Ok(String::new())
    };
    // Touches, renewals, `clear` and another `log_in`: none of them makes it younger.
    bench.clock.advance(days(1));
    assert_eq!(ada.visit(&sessions, who).await.body, "ada");
    bench.clock.advance(days(1));
    assert_eq!(ada.visit(&sessions, again).await.status, 200);
    bench.clock.advance(days(1));
    assert_eq!(ada.visit(&sessions, login).await.status, 200);
    bench.clock.advance(days(1) - Duration::from_secs(1));
    assert_eq!(ada.visit(&sessions, who).await.body, "ada");
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(ada.visit(&sessions, who).await.body, "nobody");
}

// ---- cookies

#[tokio::test]
async fn a_smuggled_cookie_is_never_taken_for_ours() {
    let bench = Bench::with_users().await;
    let (victim, attacker) = (logged_in(&bench).await, bench.guest(count).await);
    let (real, planted) = (victim.cookie().unwrap(), attacker.cookie().unwrap());
    // What a sibling domain can set, or another parser would take for `__Host-sid`.
    let names = [
        "__host-sid",
        "__HOST-SID",
        "__Host-Sid",
        "__Host%2dsid",
        "%5F%5FHost-sid",
        "\u{a0}__Host-sid",
        "\u{2003}__Host-sid",
        "__Host-sid\u{a0}",
        "\u{feff}__Host-sid",
        "\u{85}__Host-sid",
        "$__Host-sid",
        "\"__Host-sid\"",
        "sid",
        "=__Host-sid",
        "x=__Host-sid",
        ",__Host-sid",
        "a,b __Host-sid",
    ];
    for name in names {
        for shape in SHAPES {
            let smuggled = format!("{name}={planted}");
            // Alone it is nothing, and nothing is asked for it.
            bench.proxy.calls();
            let alone = visit(&bench, shape, &[&smuggled]).await;
            assert_eq!(alone.body, "nobody", "{shape:?} {name:?}");
            assert_eq!(bench.proxy.calls(), [""; 0], "{shape:?} {name:?}");
            // Before or after the real one it changes nothing.
            let own = format!("{COOKIE}={real}");
            for cookies in [[&smuggled, &own], [&own, &smuggled]] {
                let cookies = cookies.map(String::as_str);
                let beside = visit(&bench, shape, &cookies).await;
                assert_eq!(beside.body, "ada", "{shape:?} {cookies:?}");
            }
        }
    }
}

#[tokio::test]
async fn garbage_beside_the_cookie_does_not_hide_it_and_garbage_alone_costs_no_call() {
    let bench = Bench::with_users().await;
    let victim = logged_in(&bench).await;
    let own = format!("{COOKIE}={}", victim.cookie().unwrap());
    let neighbours = [
        "x".repeat(10 * 1024),
        format!("n={}", "\u{e9}".repeat(100)),
        "a=\"quoted; not\"".to_owned(),
        ";;;; =; ==;a".to_owned(),
        "utm=a=b=c".to_owned(),
        "name=caf\u{e9}; \u{1f36a}=1".to_owned(),
    ];
    for neighbour in &neighbours {
        for shape in SHAPES {
            for cookies in [[neighbour, &own], [&own, neighbour]] {
                let cookies = cookies.map(String::as_str);
                let reply = visit(&bench, shape, &cookies).await;
                assert_eq!(reply.body, "ada", "{shape:?} {cookies:?}");
            }
        }
    }
    let id = victim.cookie().unwrap();
    bench.proxy.calls();
    for value in [
        String::new(),
        "x".repeat(10 * 1024),
        id[1..].to_owned(),
        format!("{id}A"),
        format!("\"{id}\""),
        format!("{id}%00"),
        id.replace(&id[..1], "%41"),
        format!("{}\u{e9}", &id[2..]),
    ] {
        for shape in SHAPES {
            let cookie = format!("{COOKIE}={value}");
            let reply = visit(&bench, shape, &[&cookie]).await;
            assert_eq!(reply.body, "nobody", "{shape:?} {value}");
        }
    }
    assert_eq!(bench.proxy.calls(), [""; 0]);
}

#[tokio::test]
async fn of_two_different_cookies_neither_is_taken() {
    let bench = Bench::with_users().await;
    let (victim, attacker) = (logged_in(&bench).await, bench.guest(count).await);
    let [own, planted] = [&victim, &attacker].map(|who| who.cookie().unwrap());
    let [own, planted] = [own, planted].map(|id| format!("{COOKIE}={id}"));
    let unknown = format!("{COOKIE}={}", "A".repeat(43));
    let garbage = format!("{COOKIE}=garbage");
    bench.proxy.calls();
    for other in [&planted, &unknown, &garbage] {
        for shape in SHAPES {
            for cookies in [[other, &own], [&own, other]] {
                let cookies = cookies.map(String::as_str);
                let reply = visit(&bench, shape, &cookies).await;
                assert_eq!(reply.body, "nobody", "{shape:?} {cookies:?}");
                assert_eq!(reply.cookies, [""; 0], "{shape:?}");
            }
        }
    }
    assert_eq!(bench.proxy.calls(), [""; 0], "nothing was asked for them");
    for shape in SHAPES {
        let twice = visit(&bench, shape, &[&own, &own]).await;
        assert_eq!(twice.body, "ada", "the same twice is one: {shape:?}");
    }
}

/// A visit to `who` with these cookies.
async fn visit(bench: &Bench, shape: Shape, cookies: &[&str]) -> Reply {
    shape.visit(&bench.sessions, cookies, who).await
}

// ---- renewal

#[tokio::test]
async fn parallel_requests_survive_a_scheduled_rotation() {
    let bench = Bench::with_users().await;
    let sessions = bench.sessions.clone().cycle_id_after(minutes(15));
    let mut ada = logged_in_to(&sessions).await;
    bench.clock.advance(minutes(15) - Duration::from_secs(1));
    let reply = ada.visit(&sessions, who).await;
    assert_eq!(reply.cookies.len(), 0, "not before it is due");
    bench.clock.advance(Duration::from_secs(1));

    // All three have read the session before the first of them is answered.
    let barrier = Arc::new(Barrier::new(3));
    let page = |n: i64| {
        let barrier = Arc::clone(&barrier);
        move |_: Request, session: Session| {
            let barrier = Arc::clone(&barrier);
            async move {
                barrier.wait().await;
                session.increment("sum", n)?;
                Ok::<_, Error>(session.get::<String>("name")?.unwrap_or_default())
            }
        }
    };
    let before = ada.clone();
    let [mut a, mut b, mut c] = [ada.clone(), ada.clone(), ada.clone()];
    let (a_reply, b_reply, c_reply) = tokio::join!(
        a.visit(&sessions, page(1)),
        b.visit(&sessions, page(10)),
        c.visit(&sessions, page(100)),
    );
    let replies = [a_reply, b_reply, c_reply];
    assert!(replies.iter().all(|reply| reply.status == 200));
    assert!(replies.iter().all(|reply| reply.body == "ada"));
    let issued: Vec<_> = replies.iter().flat_map(|reply| &reply.cookies).collect();
    assert_eq!(
        issued.len(),
        1,
        "one of them has renewed the id: {issued:?}"
    );
    let given = [a, b, c].into_iter();
    let mut given = given.filter(|visitor| visitor.cookie() != before.cookie());
    ada = given.next().unwrap();
    let sum = async |_: Request, session: Session| -> Result<String, Error> {
        Ok(format!("{:?}", session.get::<i64>("sum")?))
    };
    assert_eq!(ada.visit(&sessions, sum).await.body, "Some(111)");

    // Who still comes by the old id is let in, to read and to write, and given nothing.
    let mut late = before.clone();
    bench.clock.advance(Duration::from_secs(59));
    let reply = late.visit(&sessions, count).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("1", 0));
    let reply = late.visit(&sessions, renew).await;
    assert_eq!((reply.status, reply.cookies.len()), (409, 0));
    assert_eq!(ada.visit(&sessions, peek).await.body, "Some(1)");

    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(sees(&sessions, &before).await, "nobody", "one id lives");
    assert_eq!(sees(&sessions, &ada).await, "ada");
    let listed = sessions.user_sessions("ada").await.unwrap();
    assert_eq!(listed.len(), 1, "it is one login: {listed:?}");
}

/// An outage must not leave a client with an id that leads nowhere in a minute.
#[tokio::test]
async fn a_rotation_whose_acknowledgement_is_lost_is_looked_for() {
    let mut bench = Bench::with_users().await;
    let store = bench.table.store_at(&bench.proxy.endpoint);
    bench.use_store(store.operation_timeout(Duration::from_millis(300)));
    let sessions = bench.sessions.clone().cycle_id_after(minutes(15));
    for happened in [true, false] {
        let mut ada = logged_in_to(&sessions).await;
        bench.clock.advance(minutes(15));
        bench
            .proxy
            .answer(move |operation, before| match (operation, before) {
                ("TransactWriteItems", 0) if happened => Answer::lost(),
                ("TransactWriteItems", _) => Answer::error(500, "InternalServerError"),
                _ => Answer::Forward,
            });
        let reply = ada.visit(&sessions, who).await;
        bench.proxy.answer(|_, _| Answer::Forward);
        // Where nobody can tell, nobody is told that all is well.
        let expected = if happened { (200, 1) } else { (503, 0) };
        assert_eq!((reply.status, reply.cookies.len()), expected);
        bench.clock.advance(minutes(2));
        assert_eq!(sees(&sessions, &ada).await, "ada", "{happened}");
    }
}

#[tokio::test]
async fn a_logout_by_the_id_before_a_rotation_ends_the_session() {
    let bench = Bench::new().await;
    let sessions = bench.sessions.clone().cycle_id_after(minutes(15));
    for act in ["logout", "begin anew"] {
        let mut ada = bench.guest(count).await;
        bench.clock.advance(minutes(15));
        let mut before = ada.clone();
        assert_eq!(ada.visit(&sessions, peek).await.cookies.len(), 1);
        let end = |_: Request, session: Session| async move {
            session.destroy()?;
            if act == "begin anew" {
                session.insert("name", "grace")?;
            }
            Ok::<_, Error>(String::new())
        };
        assert_eq!(before.visit(&sessions, end).await.status, 200, "{act}");
        assert_eq!(ada.visit(&sessions, peek).await.body, "None", "{act}");
    }
}

#[tokio::test]
async fn after_an_explicit_renewal_nothing_leads_on() {
    let bench = Bench::with_users().await;
    let sessions = bench.sessions.clone().cycle_id_after(minutes(15));
    let mut ada = logged_in_to(&sessions).await;
    // Also where a renewal on schedule would be due.
    bench.clock.advance(minutes(15));
    let mut before = ada.clone();
    assert_eq!(ada.visit(&sessions, renew).await.cookies.len(), 1);
    assert_eq!(before.visit(&sessions, who).await.body, "nobody");
    let write = before.clone().visit(&sessions, count).await;
    assert_eq!((write.body.as_str(), write.cookies.len()), ("1", 1), "anew");
    let out = before.visit(&sessions, logout).await;
    assert_eq!((out.status, out.cookies.len()), (200, 1));
    assert_eq!(sees(&sessions, &ada).await, "ada");

    // Not by way of a grace either: the id before the one that was renewed leads to a stub.
    bench.clock.advance(minutes(15));
    let before = ada.clone();
    assert_eq!(ada.visit(&sessions, who).await.cookies.len(), 1, "rotated");
    assert_eq!(sees(&sessions, &before).await, "ada");
    assert_eq!(ada.visit(&sessions, renew).await.cookies.len(), 1);
    assert_eq!(sees(&sessions, &before).await, "nobody");
}

// ---- signed ids

fn key(byte: u8) -> SigningKey {
    SigningKey::new([byte; 32]).unwrap()
}

#[tokio::test]
async fn a_forged_id_costs_no_call() {
    let bench = Bench::with_users().await;
    let sessions = bench.sessions.clone().signing_keys([key(1)]);
    let mut ada = logged_in_to(&sessions).await;
    let value = ada.cookie().unwrap().to_owned();
    let (id, signature) = value.split_once('.').unwrap();
    let stranger = logged_in_to(&sessions).await;
    let (other, _) = stranger.cookie().unwrap().split_once('.').unwrap();
    bench.proxy.calls();
    for forged in [
        id.to_owned(),
        format!("{id}."),
        format!("{id}.{}", "A".repeat(43)),
        format!("{id}.{}", &signature[1..]),
        format!("{id}.{signature}A"),
        format!("{id}.{signature}.{signature}"),
        format!("{other}.{signature}"),
        format!("{}.{signature}", "A".repeat(43)),
        format!(".{signature}"),
        format!("~{id}.{signature}"),
    ] {
        let mut forger = Visitor::with_cookie(COOKIE, &forged);
        assert_eq!(forger.visit(&sessions, who).await.body, "nobody");
        assert_eq!(bench.proxy.calls(), [""; 0], "{forged}");
    }
    assert_eq!(ada.visit(&sessions, who).await.body, "ada");
    let hinted = Visitor::with_cookie(COOKIE, &format!("{value}~hint.of~the.future"));
    assert_eq!(sees(&sessions, &hinted).await, "ada");
}

#[tokio::test]
async fn a_key_is_replaced_while_sessions_live() {
    let bench = Bench::with_users().await;
    let first = bench.sessions.clone().signing_keys([key(1)]);
    let both = bench.sessions.clone().signing_keys([key(2), key(1)]);
    let second = bench.sessions.clone().signing_keys([key(2)]);
    let mut ada = logged_in_to(&first).await;
    let old = ada.clone();
    assert_eq!(sees(&second, &old).await, "nobody");

    let reply = ada.visit(&both, who).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("ada", 1));
    assert_eq!(
        ada.cookie().unwrap()[..43],
        old.cookie().unwrap()[..43],
        "the same id, signed anew"
    );
    let reply = ada.visit(&both, who).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("ada", 0));
    assert_eq!(sees(&second, &ada).await, "ada");
    assert_eq!(sees(&first, &ada).await, "nobody");
    // No one is given a signature who brings a dead session.
    let mut gone = old.clone();
    ada.visit(&both, logout).await;
    assert_eq!(gone.visit(&both, who).await.cookies.len(), 0);
}

#[tokio::test]
async fn signing_can_be_switched_on_and_off() {
    let bench = Bench::with_users().await;
    let unsigned = bench.sessions.clone();
    let signed = bench.sessions.clone().signing_keys([key(1)]);
    let before = logged_in_to(&unsigned).await;
    let after = logged_in_to(&signed).await;
    // On: who logged in before has to log in again, and keeps no claim on anything.
    let mut again = before.clone();
    assert_eq!(again.visit(&signed, who).await.body, "nobody");
    assert_eq!(again.visit(&signed, login).await.cookies.len(), 1);
    assert_eq!(sees(&signed, &again).await, "ada");
    // Off: everybody stays logged in.
    for visitor in [&before, &after, &again] {
        assert_eq!(sees(&unsigned, visitor).await, "ada");
    }
}

// ---- users

/// What `user_sessions` lists, told as a page would.
async fn devices(_: Request, session: Session) -> Result<String, Error> {
    let sessions = session.user_sessions().await?;
    let lines = sessions.iter().map(|info| {
        let mark = if info.is_current() { "*" } else { "" };
        format!("{}{mark}", info.label().unwrap_or("-"))
    });
    Ok(lines.collect::<Vec<_>>().join(", "))
}

async fn revoke_others(_: Request, session: Session) -> Result<String, Error> {
    session.revoke_others().await?;
    Ok(String::new())
}

#[tokio::test]
async fn revoke_user_ends_every_session_of_the_user() {
    let bench = Bench::with_users().await;
    let mut visitors = Vec::new();
    for _ in 0..3 {
        visitors.push(logged_in(&bench).await);
    }
    visitors[0].visit(&bench.sessions, renew).await;
    let stranger = async |_: Request, session: Session| -> Result<String, Error> {
        session.log_in("grace")?;
        session.insert("name", "grace")?;
        Ok(String::new())
    };
    let mut grace = Visitor::new();
    grace.visit(&bench.sessions, stranger).await;

    bench.elsewhere().revoke_user("ada").await.unwrap();
    for visitor in &mut visitors {
        assert_eq!(sees(&bench.sessions, visitor).await, "nobody");
    }
    assert_eq!(sees(&bench.sessions, &grace).await, "grace");
    let rows = bench.table.rows().await;
    assert_eq!(rows.len(), 1, "hers alone: {rows:?}");
    // What was under way finds nothing to write to, and a new login is one.
    assert_eq!(visitors[1].visit(&bench.sessions, login).await.status, 200);
    assert_eq!(sees(&bench.sessions, &visitors[1]).await, "ada");
    assert_eq!(sees(&bench.sessions, &visitors[0]).await, "nobody");
}

#[tokio::test]
async fn revoke_others_leaves_this_one() {
    let bench = Bench::with_users().await;
    let sessions = bench.sessions.clone().cycle_id_after(minutes(15));
    let mut here = logged_in_to(&sessions).await;
    let there = logged_in_to(&sessions).await;
    assert_eq!(here.visit(&sessions, revoke_others).await.status, 200);
    assert_eq!(sees(&sessions, &here).await, "ada");
    assert_eq!(sees(&sessions, &there).await, "nobody");

    // Also by the id before a rotation, and whatever becomes of the request.
    let there = logged_in_to(&sessions).await;
    bench.clock.advance(minutes(15));
    let mut before = here.clone();
    assert_eq!(here.visit(&sessions, who).await.cookies.len(), 1);
    let fails = async |_: Request, session: Session| -> Result<String, Error> {
        session.revoke_others().await?;
        Err("failed".into())
    };
    before.try_visit(&sessions, fails).await.unwrap_err();
    assert_eq!(sees(&sessions, &here).await, "ada");
    assert_eq!(sees(&sessions, &there).await, "nobody");
    // Of one that is nobody's there are no others.
    let mut guest = bench.guest(count).await;
    assert_eq!(guest.visit(&sessions, revoke_others).await.status, 200);
    assert_eq!(sees(&sessions, &here).await, "ada");
}

#[tokio::test]
async fn a_user_sees_and_ends_single_sessions() {
    let bench = Bench::with_users().await;
    let on = |label: &'static str| {
        async move |_: Request, session: Session| -> Result<String, Error> {
            session.log_in("ada")?;
            session.set_label(label)?;
            session.insert("name", "ada")?;
            Ok(String::new())
        }
    };
    let [mut phone, mut laptop] = [Visitor::new(), Visitor::new()];
    phone.visit(&bench.sessions, on("phone")).await;
    bench.clock.advance(minutes(1));
    laptop.visit(&bench.sessions, on("laptop")).await;
    let list = laptop.visit(&bench.sessions, devices).await;
    assert_eq!(list.body, "laptop*, phone", "the last seen first");
    // A renewal keeps the label, and the handle that a page may have shown before it.
    let phones = bench.sessions.user_sessions("ada").await.unwrap();
    let handle = phones[1].handle().to_owned();
    assert_eq!(handle.len(), 22);
    bench.clock.advance(minutes(1));
    phone.visit(&bench.sessions, renew).await;
    let list = phone.visit(&bench.sessions, devices).await;
    assert_eq!(list.body, "phone*, laptop");
    let listed = bench.sessions.user_sessions("ada").await.unwrap();
    assert_eq!(listed[0].handle(), handle);
    let age = listed[0].last_seen().duration_since(listed[0].created());
    assert_eq!(age.unwrap(), minutes(2));
    // Another label is the same login.
    phone.visit(&bench.sessions, on("telephone")).await;
    let list = phone.visit(&bench.sessions, devices).await;
    assert_eq!(list.body, "telephone*, laptop");

    let revoke = |handle: String| {
        move |_: Request, session: Session| {
            let handle = handle.clone();
            async move {
                session.revoke(&handle).await?;
                Ok::<_, Error>(String::new())
            }
        }
    };
    // Nobody ends another's, nor one that is not there.
    let mut guest = bench.guest(count).await;
    for handle in [handle.as_str(), "", "no such handle"] {
        let reply = guest.visit(&bench.sessions, revoke(handle.to_owned()));
        assert_eq!(reply.await.status, 200);
    }
    laptop
        .visit(&bench.sessions, revoke("no such handle".to_owned()))
        .await;
    assert_eq!(sees(&bench.sessions, &phone).await, "ada");

    laptop.visit(&bench.sessions, revoke(handle.clone())).await;
    assert_eq!(sees(&bench.sessions, &phone).await, "nobody");
    let list = laptop.visit(&bench.sessions, devices).await;
    assert_eq!(list.body, "laptop*");
    // One's own is a logout.
    let own = bench.sessions.user_sessions("ada").await.unwrap();
    let own = own[0].handle().to_owned();
    let reply = laptop.visit(&bench.sessions, revoke(own)).await;
    assert_eq!((reply.status, laptop.cookie()), (200, None));
    assert!(bench.table.rows().await.is_empty());
}

#[tokio::test]
async fn the_tables_hold_a_pseudonym_and_never_the_users_id() {
    let bench = Bench::with_users().await;
    logged_in(&bench).await;
    let shown = format!(
        "{:?} {:?}",
        bench.table.items().await,
        bench.table.rows().await
    );
    // printf ada | openssl dgst -sha256 -binary | basenc --base64url
    let hash = "_e5DDUC9V97qwYbNl5ADPQ8G-QmogG585ucXq3x9UCk";
    assert_eq!(shown.matches(hash).count(), 2, "{shown}");
    let (item, row) = (bench.table.item().await, bench.table.rows().await.remove(0));
    assert_eq!(row["session"], item["id"]);
    assert_eq!(row["created"], item["created"]);
    assert_eq!(item["label"].as_s().unwrap(), "Firefox on Linux");
    assert!(!row.contains_key("label"), "the record has it");
    let lifetime: u64 = row["ttl"].as_n().unwrap().parse().unwrap();
    assert_eq!(lifetime - bench.clock.seconds(), 90 * 24 * 60 * 60);

    let keyed = bench.sessions.clone().user_hash_key(key(7));
    let mut ada = logged_in_to(&keyed).await;
    assert_eq!(keyed.user_sessions("ada").await.unwrap().len(), 1);
    assert_eq!(bench.sessions.user_sessions("ada").await.unwrap().len(), 1);
    keyed.revoke_user("ada").await.unwrap();
    assert_eq!(ada.visit(&keyed, who).await.body, "nobody");
    assert_eq!(bench.sessions.user_sessions("ada").await.unwrap().len(), 1);
}

/// It is needed by those who bind users, and by nobody else.
#[tokio::test]
async fn without_the_users_table_a_login_is_misconfigured_and_nothing_is_stored() {
    let bench = Bench::new().await;
    let mut ada = bench.guest(count).await;
    let reply = ada.visit(&bench.sessions, login).await;
    assert_eq!((reply.status, reply.cookies.len()), (503, 0));
    let errors = bench.errors();
    assert_eq!(errors[0].kind(), ErrorKind::Misconfigured);
    assert!(errors[0].to_string().contains("users"), "{}", errors[0]);
    assert_eq!(sees(&bench.sessions, &ada).await, "nobody");
    let fresh = Visitor::new().visit(&bench.sessions, login).await;
    assert_eq!((fresh.status, fresh.cookies.len()), (503, 0));
    for error in [
        bench.sessions.revoke_user("ada").await.unwrap_err(),
        bench.sessions.user_sessions("ada").await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        assert!(error.to_string().contains("users"), "{error}");
    }
    assert_eq!(ada.visit(&bench.sessions, count).await.body, "2");
}

#[tokio::test]
async fn an_empty_user_is_refused_and_nothing_is_stored() {
    let bench = Bench::with_users().await;
    let nobody = async |_: Request, session: Session| -> Result<String, Error> {
        session.log_in("")?;
        session.insert("name", "nobody in particular")?;
        Ok(String::new())
    };
    let reply = Visitor::new().visit(&bench.sessions, nobody).await;
    assert_eq!((reply.status, reply.cookies.len()), (503, 0));
    assert_eq!(bench.kinds(), [ErrorKind::Misconfigured]);
    assert!(bench.table.items().await.is_empty());
    let error = bench.sessions.revoke_user("").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
}

/// A session must not outlive the row by which it is found.
#[tokio::test]
async fn a_longer_lifetime_does_not_let_a_session_outlive_its_row() {
    let bench = Bench::with_users().await;
    let short = bench.sessions.clone().lifetime(days(2));
    let mut ada = logged_in_to(&short).await;
    let longer = bench.sessions.clone().lifetime(days(30));
    bench.clock.advance(days(1));
    assert_eq!(ada.visit(&longer, count).await.body, "1");
    bench.clock.advance(days(1) - Duration::from_secs(1));
    assert_eq!(sees(&longer, &ada).await, "ada");
    // A renewal writes the row anew, and so the session may live longer.
    let mut renewed = ada.clone();
    renewed.visit(&longer, renew).await;
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(sees(&longer, &renewed).await, "ada");
    assert_eq!(sees(&longer, &ada).await, "nobody");
    bench.clock.advance(days(3));
    assert_eq!(sees(&longer, &renewed).await, "ada");
    longer.revoke_user("ada").await.unwrap();
    assert_eq!(sees(&longer, &renewed).await, "nobody");

    let mut bob = logged_in_to(&short).await;
    bench.clock.advance(days(1));
    bob.visit(&longer, who).await;
    bench.clock.advance(days(1));
    assert_eq!(sees(&longer, &bob).await, "nobody", "with its row");
}

#[tokio::test]
async fn save_performs_a_login() {
    let bench = Bench::with_users().await;
    let mut ada = bench.guest(count).await;
    let before = ada.clone();
    let saves = async |_: Request, session: Session| -> Result<String, Error> {
        session.log_in("ada")?;
        session.insert("name", "ada")?;
        session.save().await?;
        let listed = session.user_sessions().await?;
        Ok(listed.len().to_string())
    };
    let reply = ada.visit(&bench.sessions, saves).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("1", 1));
    assert_eq!(sees(&bench.sessions, &before).await, "nobody");
    assert_eq!(bench.sessions.user_sessions("ada").await.unwrap().len(), 1);
    // One that begins with it is bound at once.
    let reply = Visitor::new().visit(&bench.sessions, saves).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("2", 1));
    // And nothing at all is written where the handler fails.
    let fails = async |_: Request, session: Session| -> Result<String, Error> {
        session.log_in("grace")?;
        Err("failed".into())
    };
    let mut bob = bench.guest(count).await;
    bob.try_visit(&bench.sessions, fails).await.unwrap_err();
    assert!(
        bench
            .sessions
            .user_sessions("grace")
            .await
            .unwrap()
            .is_empty()
    );
}

/// Of a table that others keep rows in as well, and of what DynamoDB has not deleted yet.
#[tokio::test]
async fn stale_rows_are_passed_over_and_go_with_a_revocation() {
    let bench = Bench::with_users().await;
    let ada = logged_in(&bench).await;
    // As DynamoDB's TTL does, long before the row's own is due.
    bench.table.delete(&bench.table.item().await["id"]).await;
    assert_eq!(bench.table.rows().await.len(), 1, "stale");
    assert!(
        bench
            .sessions
            .user_sessions("ada")
            .await
            .unwrap()
            .is_empty()
    );
    bench.sessions.revoke_user("ada").await.unwrap();
    assert!(bench.table.rows().await.is_empty());
    assert_eq!(sees(&bench.sessions, &ada).await, "nobody");
}

#[tokio::test]
async fn the_users_table_may_have_another_name() {
    let table = Table::with_users().await;
    let store = table.store().users_table(table.users()).unwrap();
    let sessions = SessionLayer::new(store);
    logged_in_to(&sessions).await;
    assert_eq!(table.rows().await.len(), 1);
    let error = table.store().users_table("no/table").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    let elsewhere = table.store().users_table("nosuchtable").unwrap();
    let elsewhere = SessionLayer::new(elsewhere);
    let reply = Visitor::new().visit(&elsewhere, login).await;
    assert_eq!(reply.status, 503);
}
