//! Logins that fail half-way, that race each other, and that follow a login whose response was lost.

#![allow(clippy::unwrap_used)]

mod support;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use lambda_http::{Error, Request};
use lambda_sessions::{
    DynamoDbStore, ErrorKind, Session, SessionExt as _, SessionLayer, SigningKey,
};
use support::{Answer, Bench, Visitor, count, logout, minutes, peek, plain_login, who};
use tokio::sync::{Barrier, Notify};

async fn login(_: Request, session: Session) -> Result<String, Error> {
    session.log_in("ada")?;
    session.insert("name", "ada")?;
    Ok(String::new())
}

async fn sees(sessions: &SessionLayer<DynamoDbStore>, visitor: &Visitor) -> String {
    visitor.clone().visit(sessions, who).await.body
}

/// The end of a request after its login was saved.
#[derive(Clone, Copy, Debug)]
enum End {
    Well,
    InAnError,
    InA500,
    InAPanic,
    Dropped,
}

/// The client that planted the id reads nothing of the login, and the user's sessions can be revoked.
#[tokio::test]
async fn save_in_a_login_leaves_the_old_id_dead() {
    for end in [
        End::Well,
        End::InAnError,
        End::InA500,
        End::InAPanic,
        End::Dropped,
    ] {
        let bench = Bench::with_users().await;
        let attacker = bench.guest(count).await;
        let (planted, sessions) = (&attacker, &bench.sessions);
        let waits = &Notify::new();
        let handler = |_: Request, session: Session| async move {
            session.cycle_id()?;
            session.log_in("ada")?;
            session.insert("name", "ada")?;
            session.save().await?;
            assert_eq!(sees(sessions, planted).await, "nobody", "{end:?}");
            session.insert("later", "ada's")?;
            let status = match end {
                End::Well => 200,
                End::InAnError => return Err("failed".into()),
                End::InA500 => 500,
                End::InAPanic => panic!("as it is told"),
                End::Dropped => {
                    waits.notify_one();
                    std::future::pending().await
                }
            };
            let response = http::Response::builder().status(status);
            Ok::<_, Error>(response.body(String::new())?)
        };
        let mut ada = attacker.clone();
        let visit = AssertUnwindSafe(ada.try_visit(sessions, handler)).catch_unwind();
        tokio::select! {
            _ = visit => {}
            () = waits.notified() => {}
        }

        assert_eq!(sees(sessions, &attacker).await, "nobody", "{end:?}");
        let listed = sessions.user_sessions("ada").await.unwrap();
        assert_eq!(listed.len(), 1, "{end:?}");
        let gets_it = matches!(end, End::Well | End::InA500);
        assert_eq!(ada.cookie() != attacker.cookie(), gets_it, "{end:?}");
        if gets_it {
            assert_eq!(sees(sessions, &ada).await, "ada", "{end:?}");
        }
        sessions.revoke_user("ada").await.unwrap();
        let live = bench.table.items().await;
        assert!(
            live.iter().all(|item| !item.contains_key("data")),
            "{end:?}"
        );
    }
}

#[tokio::test]
async fn save_after_logout_and_login_is_bound() {
    let bench = Bench::with_users().await;
    let mut ada = bench.guest(count).await;
    let handler = |_: Request, session: Session| async move {
        session.destroy()?;
        session.log_in("ada")?;
        session.save().await?;
        session.insert("name", "ada")?;
        Ok::<_, Error>(String::new())
    };
    assert_eq!(ada.visit(&bench.sessions, handler).await.status, 200);
    assert_eq!(sees(&bench.sessions, &ada).await, "ada");
    bench.sessions.revoke_user("ada").await.unwrap();
    assert_eq!(sees(&bench.sessions, &ada).await, "nobody");
}

#[tokio::test]
async fn login_of_another_user_starts_empty() {
    let bench = Bench::with_users().await;
    let mut visitor = bench.guest(login).await;
    let before = visitor.clone();
    let grace = |_: Request, session: Session| async move {
        session.insert("before", 1)?;
        session.log_in("grace")?;
        session.insert("after", 2)?;
        Ok::<_, Error>(session.keys().join(" "))
    };
    let reply = visitor.visit(&bench.sessions, grace).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("after", 1));
    let keys =
        |_: Request, session: Session| async move { Ok::<_, Error>(session.keys().join(" ")) };
    assert_eq!(visitor.visit(&bench.sessions, keys).await.body, "after");
    assert_eq!(sees(&bench.sessions, &before).await, "nobody");
    assert_eq!(bench.sessions.user_sessions("ada").await.unwrap().len(), 0);
    assert_eq!(
        bench.sessions.user_sessions("grace").await.unwrap().len(),
        1
    );
    assert_eq!(bench.table.rows().await.len(), 1, "the former row is gone");
}

/// A login of another user that fails logs out nobody.
#[tokio::test]
async fn login_of_another_user_that_fails_is_none() {
    let bench = Bench::with_users().await;
    let mut ada = bench.guest(login).await;
    let fails = |_: Request, session: Session| async move {
        session.log_in("grace")?;
        Err::<String, Error>("the second factor was wrong".into())
    };
    ada.try_visit(&bench.sessions, fails).await.unwrap_err();
    assert_eq!(sees(&bench.sessions, &ada).await, "ada");
}

#[tokio::test]
async fn logout_after_an_invalid_login_logs_out() {
    let bench = Bench::with_users().await;
    let mut ada = bench.guest(login).await;
    let copy = ada.clone();
    let handler = |_: Request, session: Session| async move {
        let error = session.log_in("").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
        session.destroy()?;
        Ok::<_, Error>(String::new())
    };
    let reply = ada.visit(&bench.sessions, handler).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    assert_eq!(sees(&bench.sessions, &copy).await, "nobody");
    assert!(bench.table.items().await.is_empty());
}

#[tokio::test]
async fn two_logins_from_one_page_both_succeed() {
    for bound in [true, false] {
        for named in [true, false] {
            let bench = Bench::with_users().await;
            let mut ada = bench.guest(count).await;
            if named {
                // So that the login puts what is there already.
                let name = |_: Request, session: Session| async move {
                    session.insert("name", "ada")?;
                    Ok::<_, Error>(String::new())
                };
                ada.visit(&bench.sessions, name).await;
            }
            let both = Arc::new(Barrier::new(2));
            let handler = |request: Request, session: Session| {
                let both = Arc::clone(&both);
                async move {
                    both.wait().await;
                    match bound {
                        true => login(request, session).await,
                        false => plain_login(request, session).await,
                    }
                }
            };
            let (mut one, mut two) = (ada.clone(), ada.clone());
            let (first, second) = tokio::join!(
                one.visit(&bench.sessions, handler),
                two.visit(&bench.sessions, handler)
            );
            for (reply, visitor) in [(first, &one), (second, &two)] {
                assert_eq!((reply.status, reply.cookies.len()), (200, 1));
                assert_eq!(sees(&bench.sessions, visitor).await, "ada");
            }
            assert_ne!(one.cookie(), two.cookie());
            assert_eq!(sees(&bench.sessions, &ada).await, "nobody");
            // The later one began afresh.
            let mut visits = [
                one.visit(&bench.sessions, peek).await.body,
                two.visit(&bench.sessions, peek).await.body,
            ];
            visits.sort();
            assert_eq!(visits, ["None", "Some(1)"], "{bound}");
        }
    }
}

/// Another login gave the session a new id after this request had read it.
#[tokio::test]
async fn login_of_another_user_survives_a_renewal() {
    let bench = Bench::with_users().await;
    let ada = bench.guest(login).await;
    let (other, elsewhere) = (&ada.clone(), &bench.elsewhere());
    let handler = |_: Request, session: Session| async move {
        let again = |request: Request, session: Session| async move {
            session.cycle_id()?;
            login(request, session).await
        };
        let reply = other.clone().visit(elsewhere, again).await;
        assert_eq!((reply.status, reply.cookies.len()), (200, 1));
        session.cycle_id()?;
        session.log_in("grace")?;
        session.insert("name", "grace")?;
        Ok::<_, Error>(String::new())
    };
    let mut grace = ada.clone();
    let reply = grace.visit(&bench.sessions, handler).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    assert_eq!(sees(&bench.sessions, &grace).await, "grace");
    let listed = bench.sessions.user_sessions("grace").await.unwrap();
    assert_eq!(listed.len(), 1);
}

/// The renewal is saved before anything was put, so there is nothing to store yet. The next change
/// begins a new session.
#[tokio::test]
async fn saved_renewal_that_lost_its_race_begins_anew() {
    let bench = Bench::new().await;
    let ada = bench.guest(count).await;
    let (other, elsewhere) = (&ada.clone(), &bench.elsewhere());
    let handler = |request: Request, session: Session| async move {
        let reply = other.clone().visit(elsewhere, plain_login).await;
        assert_eq!((reply.status, reply.cookies.len()), (200, 1));
        session.cycle_id()?;
        session.save().await?;
        assert!(session.id().is_none() && session.is_new() && session.is_empty());
        session.insert("name", "ada")?;
        peek(request, session).await
    };
    let mut next = ada.clone();
    let reply = next.visit(&bench.sessions, handler).await;
    let told = (reply.status, reply.body.as_str(), reply.cookies.len());
    assert_eq!(told, (200, "None", 1));
    assert_eq!(sees(&bench.sessions, &next).await, "ada");
}

/// A renewal of a session that is bound to nobody counts as a login, and is not refused.
#[tokio::test]
async fn plain_login_by_the_id_before_succeeds() {
    for bound in [false, true] {
        let bench = Bench::with_users().await;
        let sessions = bench.sessions.clone().cycle_id_after(minutes(15));
        let mut ada = match bound {
            false => bench.guest(count).await,
            true => bench.guest(login).await,
        };
        let mut before = ada.clone();
        bench.clock.advance(minutes(15));
        assert_eq!(ada.visit(&sessions, peek).await.cookies.len(), 1);
        let reply = before.visit(&sessions, plain_login).await;
        let expected = if bound { (409, 0) } else { (200, 1) };
        assert_eq!((reply.status, reply.cookies.len()), expected, "{bound}");
        let name = sees(&sessions, &before).await;
        assert_eq!(name, "ada", "of the login, or of the session that goes on");
    }
}

/// A login with the id before a scheduled change, within the grace period.
#[tokio::test]
async fn login_by_the_id_before_keeps_the_session() {
    let bench = Bench::with_users().await;
    let sessions = bench.sessions.clone().cycle_id_after(minutes(15));
    let mut ada = bench.guest(count).await;
    bench.clock.advance(minutes(15));
    let mut before = ada.clone();
    assert_eq!(ada.visit(&sessions, peek).await.cookies.len(), 1);
    let reply = before.visit(&sessions, login).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    assert_eq!(before.visit(&sessions, peek).await.body, "Some(1)");
    assert_eq!(sees(&sessions, &ada).await, "nobody", "its id is dead");
}

/// The response of a login was lost, and the client has the old id still.
#[tokio::test]
async fn client_of_a_lost_login_can_go_on_at_once() {
    let bench = Bench::with_users().await;
    let client = bench.guest(count).await;
    client.clone().visit(&bench.sessions, login).await;

    let mut again = client.clone();
    let reply = again.visit(&bench.sessions, login).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    assert_eq!(sees(&bench.sessions, &again).await, "ada");

    let mut steps = client.clone();
    let token = |_: Request, session: Session| async move {
        session.insert("token", "x1")?;
        Ok::<_, Error>(String::new())
    };
    let reply = steps.visit(&bench.sessions, token).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    let reply = steps.visit(&bench.sessions, login).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));

    let reply = client.clone().visit(&bench.sessions, logout).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    let listed = bench.sessions.user_sessions("ada").await.unwrap();
    assert_eq!(listed.len(), 3, "none of that ended another login");
}

/// A request that read the live session is late. One without a read is late if it began too early.
#[tokio::test]
async fn late_write_after_a_login_is_refused() {
    let bench = Bench::with_users().await;
    let client = bench.guest(count).await;
    let (other, elsewhere) = (&client.clone(), &bench.elsewhere());
    let late = |request: Request, session: Session| async move {
        other.clone().visit(elsewhere, login).await;
        count(request, session).await
    };
    let reply = client.clone().visit(&bench.sessions, late).await;
    assert_eq!((reply.status, reply.cookies.len()), (409, 0));
    assert_eq!(bench.kinds(), [ErrorKind::Gone]);

    let unread = |request: Request| async move {
        request.write_only_session()?.increment("visits", 1)?;
        Ok::<_, Error>("")
    };
    let reply = client.clone().visit_layered(&bench.sessions, unread).await;
    assert_eq!(
        (reply.status, reply.cookies.len()),
        (409, 0),
        "in that second"
    );
    bench.clock.advance(Duration::from_secs(1));
    let reply = client.clone().visit_layered(&bench.sessions, unread).await;
    assert_eq!(
        (reply.status, reply.cookies.len()),
        (200, 1),
        "a second later"
    );
    let out = |request: Request| async move {
        request.write_only_session()?.destroy()?;
        Ok::<_, Error>("")
    };
    let reply = client.clone().visit_layered(&bench.sessions, out).await;
    assert_eq!(
        (reply.status, reply.cookies.len()),
        (200, 1),
        "and a logout"
    );
}

/// The request was running when its session was given a new id, and reads it only afterwards.
#[tokio::test]
async fn late_read_after_a_login_allows_a_login_only() {
    type Step = fn(&Session) -> Result<(), lambda_sessions::Error>;
    let two: Step = |session| {
        session.log_in("ada")?;
        session.log_in("grace")
    };
    let steps: [(&str, Step, u64); 6] = [
        ("a read", |_| Ok(()), 200),
        ("a write", |session| session.insert("a", 1), 409),
        (
            "a count",
            |session| session.increment("n", 1).map(drop),
            409,
        ),
        ("a logout", Session::destroy, 409),
        ("a login", |session| session.log_in("ada"), 200),
        ("a login, and another one", two, 200),
    ];
    for (what, step, status) in steps {
        let bench = Bench::with_users().await;
        let client = bench.guest(count).await;
        let new = Arc::new(Mutex::new(client.clone()));
        let (elsewhere, clock) = (&bench.elsewhere(), &bench.clock);
        let handler = |request: Request| {
            let new = Arc::clone(&new);
            async move {
                clock.advance(Duration::from_secs(1));
                let mut other = new.lock().unwrap().clone();
                assert_eq!(other.visit(elsewhere, login).await.cookies.len(), 1);
                *new.lock().unwrap() = other;
                step(&request.session().await?)?;
                Ok::<_, Error>("")
            }
        };
        let mut late = client.clone();
        let reply = late.visit_layered(&bench.sessions, handler).await;
        let cookies = usize::from(what.starts_with("a login"));
        let told = (reply.status, reply.cookies.len());
        assert_eq!(told, (status, cookies), "{what}");
        // The session that has the new id goes on as it was.
        let other = new.lock().unwrap().clone();
        assert_eq!(sees(&bench.sessions, &other).await, "ada", "{what}");
    }
}

/// The changes after the logout cannot be stored. The logout is still performed.
#[tokio::test]
async fn logout_succeeds_if_what_follows_fails() {
    type Step = fn(&Session) -> Result<(), lambda_sessions::Error>;
    let steps: [(Step, ErrorKind); 2] = [
        (
            |session| session.insert("a", "x".repeat(70_000)),
            ErrorKind::TooLarge,
        ),
        // There is no table of users.
        (|session| session.log_in("grace"), ErrorKind::Misconfigured),
    ];
    for (step, kind) in steps {
        let bench = Bench::new().await;
        let ada = bench.guest(plain_login).await;
        let handler = |_: Request, session: Session| async move {
            session.destroy()?;
            step(&session)?;
            Ok::<_, Error>(String::new())
        };
        let reply = ada.clone().visit(&bench.sessions, handler).await;
        assert_eq!((reply.status, reply.cookies.len()), (503, 0), "{kind}");
        assert_eq!(bench.kinds(), [kind]);
        assert_eq!(sees(&bench.sessions, &ada).await, "nobody", "{kind}");
        assert!(bench.table.items().await.is_empty(), "{kind}");
    }
}

/// A logout that left a tombstone, since a write had been sent again.
#[tokio::test]
async fn client_of_a_tombstone_can_go_on_at_once() {
    let bench = Bench::with_users().await;
    bench
        .proxy
        .answer(|operation, before| match (operation, before) {
            ("PutItem", 0) => Answer::lost(),
            _ => Answer::Forward,
        });
    let client = bench.guest(count).await;
    client.clone().visit(&bench.sessions, logout).await;
    assert!(bench.table.item().await.contains_key("retired"));
    for reply in [
        client.clone().visit(&bench.sessions, login).await,
        client.clone().visit(&bench.sessions, plain_login).await,
    ] {
        assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    }
    let reply = client.clone().visit(&bench.sessions, count).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("1", 1));
    let reply = client.clone().visit(&bench.sessions, logout).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
}

fn keys(bytes: &[u8]) -> Vec<SigningKey> {
    let key = |byte: &u8| SigningKey::new([*byte; 32]).unwrap();
    bytes.iter().map(key).collect()
}

/// A cookie is sent for an id only that the commit of its own request has seen alive.
#[tokio::test]
async fn signed_anew_is_only_an_id_that_is_alive() {
    for rotates in [false, true] {
        let bench = Bench::with_users().await;
        let old = bench.sessions.clone().signing_keys(keys(&[1]));
        let new = bench.sessions.clone().signing_keys(keys(&[2, 1]));
        let rotating = new.clone().cycle_id_after(minutes(15));
        let mut ada = Visitor::new();
        ada.visit(&old, count).await;
        bench.clock.advance(minutes(15));
        let (other, new, rotating) = (&ada.clone(), &new, &rotating);
        let slow = |request: Request, session: Session| async move {
            let mut other = other.clone();
            let reply = match rotates {
                true => other.visit(rotating, peek).await,
                false => other.visit(new, login).await,
            };
            assert_eq!(reply.cookies.len(), 1);
            peek(request, session).await
        };
        let reply = ada.clone().visit(new, slow).await;
        assert_eq!(
            (reply.status, reply.cookies.len()),
            (200, 0),
            "rotates: {rotates}"
        );
    }
}

#[tokio::test]
async fn signed_anew_costs_one_write_and_no_more() {
    let bench = Bench::new().await;
    let old = bench.sessions.clone().signing_keys(keys(&[1]));
    let new = bench.sessions.clone().signing_keys(keys(&[2, 1]));
    let mut ada = Visitor::new();
    ada.visit(&old, count).await;
    let before = ada.cookie().unwrap().to_owned();
    bench.proxy.calls();
    let reply = ada.visit(&new, peek).await;
    assert_eq!((reply.body.as_str(), reply.cookies.len()), ("Some(1)", 1));
    assert_eq!(bench.proxy.calls(), ["GetItem", "UpdateItem"]);
    let after = ada.cookie().unwrap();
    assert_eq!(before[..43], after[..43], "the same id");
    assert_ne!(before, after);
    assert_eq!(ada.visit(&new, peek).await.cookies.len(), 0);
    assert_eq!(bench.proxy.calls(), ["GetItem"]);
}

/// An early save is no proof that the id is alive at the end.
#[tokio::test]
async fn save_sends_no_cookie_of_an_id_that_died_since() {
    let bench = Bench::with_users().await;
    let ada = bench.guest(count).await;
    bench.clock.advance(minutes(61));
    let (other, elsewhere) = (&ada.clone(), &bench.elsewhere());
    let slow = |_: Request, session: Session| async move {
        session.increment("visits", 1)?;
        session.save().await?;
        other.clone().visit(elsewhere, login).await;
        Ok::<_, Error>(String::new())
    };
    let reply = ada.clone().visit(&bench.sessions, slow).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 0));
}

#[tokio::test]
async fn take_once_gives_a_value_to_one_request() {
    let bench = Bench::new().await;
    let begin = |_: Request, session: Session| async move {
        session.insert("state", "x1")?;
        Ok::<_, Error>(String::new())
    };
    let ada = bench.guest(begin).await;
    let both = Arc::new(Barrier::new(2));
    let callback = |_: Request, session: Session| {
        let both = Arc::clone(&both);
        async move {
            let state: Option<String> = session.take_once("state")?;
            both.wait().await;
            session.save().await?;
            Ok::<_, Error>(format!("{state:?}"))
        }
    };
    let (mut one, mut two) = (ada.clone(), ada.clone());
    let (first, second) = tokio::join!(
        one.visit(&bench.sessions, callback),
        two.visit(&bench.sessions, callback)
    );
    let mut told = [(first.status, first.body), (second.status, second.body)];
    told.sort();
    assert_eq!(told[0], (200, "Some(\"x1\")".to_owned()));
    assert_eq!(told[1].0, 409);
    assert_eq!(bench.kinds(), [ErrorKind::Conflict]);
    let later = |_: Request, session: Session| async move {
        Ok::<_, Error>(format!("{:?}", session.take_once::<String>("state")?))
    };
    assert_eq!(one.visit(&bench.sessions, later).await.body, "None");
}

/// Also where the callback is a login, which otherwise begins afresh.
#[tokio::test]
async fn take_once_in_a_login_is_for_one_of_two() {
    let bench = Bench::with_users().await;
    let begin = |_: Request, session: Session| async move {
        session.insert("state", "x1")?;
        Ok::<_, Error>(String::new())
    };
    let ada = bench.guest(begin).await;
    let both = Arc::new(Barrier::new(2));
    let callback = |request: Request, session: Session| {
        let both = Arc::clone(&both);
        async move {
            let state: Option<String> = session.take_once("state")?;
            assert_eq!(state.as_deref(), Some("x1"));
            both.wait().await;
            login(request, session).await
        }
    };
    let (mut one, mut two) = (ada.clone(), ada.clone());
    let (first, second) = tokio::join!(
        one.visit(&bench.sessions, callback),
        two.visit(&bench.sessions, callback)
    );
    let mut told = [first.status, second.status];
    told.sort_unstable();
    assert_eq!(told, [200, 409]);
}

/// The second request is refused, whatever it does after it has taken the value.
#[tokio::test]
async fn take_once_is_for_one_whatever_follows() {
    type Step = fn(&Session) -> Result<(), lambda_sessions::Error>;
    let renew: Step = |session| {
        session.clear()?;
        session.cycle_id()
    };
    let steps: [(&str, Step, ErrorKind); 5] = [
        ("nothing", |_| Ok(()), ErrorKind::Conflict),
        ("a clear", Session::clear, ErrorKind::Conflict),
        // The first one left no session under that id.
        ("a clear and a renewal", renew, ErrorKind::Gone),
        (
            "a login of another user",
            |session| session.log_in("grace"),
            ErrorKind::Conflict,
        ),
        ("a logout", Session::destroy, ErrorKind::Conflict),
    ];
    for (what, step, kind) in steps {
        let bench = Bench::with_users().await;
        let begin = |request: Request, session: Session| async move {
            session.insert("state", "x1")?;
            login(request, session).await
        };
        let ada = bench.guest(begin).await;
        let callback = |session: Session| async move {
            let state: Option<String> = session.take_once("state")?;
            assert_eq!(state.as_deref(), Some("x1"), "{what}");
            step(&session)?;
            session.insert("in", true)?;
            Ok::<_, Error>(String::new())
        };
        let (other, elsewhere) = (&ada.clone(), &bench.elsewhere());
        let slow = |_: Request, session: Session| async move {
            let fast = |_: Request, session: Session| callback(session);
            let reply = other.clone().visit(elsewhere, fast).await;
            assert_eq!(reply.status, 200, "{what}");
            callback(session).await
        };
        let reply = ada.clone().visit(&bench.sessions, slow).await;
        assert_eq!((reply.status, reply.cookies.len()), (409, 0), "{what}");
        assert_eq!(bench.kinds(), [kind], "{what}");
    }
}

/// The request may change the value before it takes it. The stored value is then the one to guard.
#[tokio::test]
async fn take_once_after_a_change_is_for_one() {
    type Step = fn(&Session) -> Result<(), lambda_sessions::Error>;
    let steps: [Step; 2] = [
        |session| session.update("n", |n: &mut i64| *n *= 2),
        |session| session.increment("n", 1).map(drop),
    ];
    for step in steps {
        let bench = Bench::new().await;
        let begin = |_: Request, session: Session| async move {
            session.insert("n", 1)?;
            Ok::<_, Error>(String::new())
        };
        let ada = bench.guest(begin).await;
        let drain = |session: Session| async move {
            step(&session)?;
            assert_eq!(session.take_once("n")?, Some(2));
            session.save().await?;
            Ok::<_, Error>(String::new())
        };
        let (other, elsewhere) = (&ada.clone(), &bench.elsewhere());
        let slow = |_: Request, session: Session| async move {
            let fast = |_: Request, session: Session| drain(session);
            assert_eq!(other.clone().visit(elsewhere, fast).await.status, 200);
            drain(session).await
        };
        let reply = ada.clone().visit(&bench.sessions, slow).await;
        assert_eq!((reply.status, reply.cookies.len()), (409, 0));
        assert_eq!(bench.kinds(), [ErrorKind::Conflict]);
    }
}

/// A logout that nothing follows begins no session, and leaves no cookie.
#[tokio::test]
async fn take_once_and_a_logout_are_a_logout() {
    for saves in [false, true] {
        let bench = Bench::with_users().await;
        let begin = |request: Request, session: Session| async move {
            session.insert("state", "x1")?;
            login(request, session).await
        };
        let mut ada = bench.guest(begin).await;
        let handler = |_: Request, session: Session| async move {
            session.take_once::<String>("state")?;
            session.destroy()?;
            if saves {
                session.save().await?;
            }
            Ok::<_, Error>(String::new())
        };
        let reply = ada.visit(&bench.sessions, handler).await;
        assert_eq!((reply.status, reply.cookies.len()), (200, 1), "{saves}");
        assert_eq!(ada.cookie(), None, "{saves}");
        assert!(bench.table.items().await.is_empty(), "{saves}");
    }
}

/// The value is in the session that ends, and not in the one that begins.
#[tokio::test]
async fn take_once_before_an_end_can_be_saved() {
    for logs_out in [false, true] {
        let bench = Bench::with_users().await;
        let begin = |request: Request, session: Session| async move {
            session.insert("state", "x1")?;
            login(request, session).await
        };
        let mut visitor = bench.guest(begin).await;
        let handler = |_: Request, session: Session| async move {
            session.take_once::<String>("state")?;
            if logs_out {
                session.destroy()?;
            }
            session.log_in("grace")?;
            session.insert("name", "x".repeat(70_000))?;
            let error = session.save().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge, "nothing was taken");
            session.insert("name", "grace")?;
            session.save().await?;
            Ok::<_, Error>(String::new())
        };
        let reply = visitor.visit(&bench.sessions, handler).await;
        assert_eq!((reply.status, reply.cookies.len()), (200, 1));
        assert_eq!(sees(&bench.sessions, &visitor).await, "grace");
    }
}

/// A session that begins after a logout does not need the value that was taken.
#[tokio::test]
async fn take_once_before_a_logout_stops_nothing() {
    let bench = Bench::with_users().await;
    let begin = |request: Request, session: Session| async move {
        session.insert("state", "x1")?;
        login(request, session).await
    };
    let ada = bench.guest(begin).await;
    let handler = |_: Request, session: Session| async move {
        session.take_once::<String>("state")?;
        session.destroy()?;
        session.increment("visits", i64::MAX)?;
        session.insert("later", 1)?;
        Ok::<_, Error>(String::new())
    };
    let mut next = ada.clone();
    let reply = next.visit(&bench.sessions, handler).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    assert_eq!(sees(&bench.sessions, &ada).await, "nobody");
    let keys =
        |_: Request, session: Session| async move { Ok::<_, Error>(session.keys().join(" ")) };
    assert_eq!(next.visit(&bench.sessions, keys).await.body, "later visits");
}

/// The acknowledgement of the removal is lost, and the removal still counts once.
#[tokio::test]
async fn take_once_whose_acknowledgement_is_lost() {
    let bench = Bench::new().await;
    let begin = |_: Request, session: Session| async move {
        session.insert("state", "x1")?;
        Ok::<_, Error>(String::new())
    };
    let mut ada = bench.guest(begin).await;
    bench
        .proxy
        .answer(|operation, before| match (operation, before) {
            ("UpdateItem", 0) => Answer::lost(),
            _ => Answer::Forward,
        });
    let callback = |_: Request, session: Session| async move {
        Ok::<_, Error>(format!("{:?}", session.take_once::<String>("state")?))
    };
    let reply = ada.visit(&bench.sessions, callback).await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "Some(\"x1\")"));
}

#[tokio::test]
async fn label_changes_no_id() {
    let bench = Bench::with_users().await;
    let mut ada = bench.guest(login).await;
    let label = |_: Request, session: Session| async move {
        session.set_label("laptop")?;
        Ok::<_, Error>(String::new())
    };
    let before = ada.cookie().unwrap().to_owned();
    let reply = ada.visit(&bench.sessions, label).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 0));
    assert_eq!(bench.proxy.calls(), ["GetItem", "UpdateItem"]);
    let listed = bench.sessions.user_sessions("ada").await.unwrap();
    assert_eq!(listed[0].label(), Some("laptop"));
    assert_eq!(ada.cookie(), Some(before.as_str()));
}

/// The label may be set before the login of another user, or after it.
#[tokio::test]
async fn label_before_a_login_is_the_logins() {
    let bench = Bench::with_users().await;
    let mut visitor = bench.guest(login).await;
    for (user, label) in [("ada", "one"), ("grace", "two")] {
        let handler = |_: Request, session: Session| async move {
            session.set_label(label)?;
            session.log_in(user)?;
            Ok::<_, Error>(String::new())
        };
        assert_eq!(visitor.visit(&bench.sessions, handler).await.status, 200);
        let listed = bench.sessions.user_sessions(user).await.unwrap();
        let labels: Vec<_> = listed.iter().map(|session| session.label()).collect();
        assert_eq!(labels, [Some(label)]);
    }
}
