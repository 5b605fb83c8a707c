//! Logins that race other requests of their session, and logins whose response was lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lambda_http::{Error, Request};
use lambda_sessions::{ErrorKind, Session, SessionExt as _};
use tokio::sync::Barrier;

use crate::support::{
    Setup, count, count_write_only, login, logout, logout_write_only, name_seen, peek, plain_login,
};

#[tokio::test]
async fn login_sent_twice_succeeds_twice() {
    for bound in [true, false] {
        for named in [true, false] {
            let setup = Setup::with_users().await;
            let mut ada = setup.guest(count).await;
            if named {
                // The login then inserts a value that is already stored.
                let name = |_: Request, session: Session| async move {
                    session.insert("name", "ada")?;
                    Ok::<_, Error>(String::new())
                };
                ada.visit(&setup.sessions, name).await;
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
                one.visit(&setup.sessions, handler),
                two.visit(&setup.sessions, handler)
            );
            for (reply, browser) in [(first, &one), (second, &two)] {
                assert_eq!((reply.status, reply.cookies.len()), (200, 1));
                assert_eq!(name_seen(&setup.sessions, browser).await, "ada");
            }
            assert_ne!(one.cookie(), two.cookie());
            assert_eq!(name_seen(&setup.sessions, &ada).await, "nobody");
            // The later login began an empty session.
            let mut visits = [
                one.visit(&setup.sessions, peek).await.body,
                two.visit(&setup.sessions, peek).await.body,
            ];
            visits.sort();
            assert_eq!(visits, ["None", "Some(1)"], "{bound}");
        }
    }
}

/// Another login cycles the id after this request has read the session.
#[tokio::test]
async fn login_of_another_user_survives_a_cycle() {
    let setup = Setup::with_users().await;
    let ada = setup.guest(login).await;
    let (other, elsewhere) = (&ada.clone(), &setup.elsewhere());
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
    let reply = grace.visit(&setup.sessions, handler).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    assert_eq!(name_seen(&setup.sessions, &grace).await, "grace");
    let listed = setup.sessions.user_sessions("grace").await.unwrap();
    assert_eq!(listed.len(), 1);
}

/// The response to a login was lost, and the client still has the old id.
#[tokio::test]
async fn login_lost_response_lets_the_client_go_on() {
    let setup = Setup::with_users().await;
    let client = setup.guest(count).await;
    client.clone().visit(&setup.sessions, login).await;

    let mut again = client.clone();
    let reply = again.visit(&setup.sessions, login).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    assert_eq!(name_seen(&setup.sessions, &again).await, "ada");

    let mut steps = client.clone();
    let token = |_: Request, session: Session| async move {
        session.insert("token", "x1")?;
        Ok::<_, Error>(String::new())
    };
    let reply = steps.visit(&setup.sessions, token).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    let reply = steps.visit(&setup.sessions, login).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));

    let reply = client.clone().visit(&setup.sessions, logout).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1));
    let listed = setup.sessions.user_sessions("ada").await.unwrap();
    assert_eq!(listed.len(), 3, "none of that ended another login");
}

/// A write is late if its request read the session before the login. A write without a read is late
/// if its request began in the same second.
#[tokio::test]
async fn login_refuses_a_late_write() {
    let setup = Setup::with_users().await;
    let client = setup.guest(count).await;
    let (other, elsewhere) = (&client.clone(), &setup.elsewhere());
    let late = |request: Request, session: Session| async move {
        other.clone().visit(elsewhere, login).await;
        count(request, session).await
    };
    let reply = client.clone().visit(&setup.sessions, late).await;
    assert_eq!((reply.status, reply.cookies.len()), (409, 0));
    assert_eq!(setup.kinds(), [ErrorKind::Gone]);

    let reply = client
        .clone()
        .visit_layered(&setup.sessions, count_write_only)
        .await;
    assert_eq!(
        (reply.status, reply.cookies.len()),
        (409, 0),
        "in that second"
    );
    setup.clock.advance(Duration::from_secs(1));
    let reply = client
        .clone()
        .visit_layered(&setup.sessions, count_write_only)
        .await;
    assert_eq!(
        (reply.status, reply.cookies.len()),
        (200, 1),
        "a second later"
    );
    let reply = client
        .clone()
        .visit_layered(&setup.sessions, logout_write_only)
        .await;
    assert_eq!(
        (reply.status, reply.cookies.len()),
        (200, 1),
        "and a logout"
    );
}

/// The request was running when the id was cycled, and reads its session only afterwards.
#[tokio::test]
async fn login_lets_a_late_reader_only_log_in() {
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
        let setup = Setup::with_users().await;
        let client = setup.guest(count).await;
        let new = Arc::new(Mutex::new(client.clone()));
        let (elsewhere, clock) = (&setup.elsewhere(), &setup.clock);
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
        let reply = late.visit_layered(&setup.sessions, handler).await;
        let cookies = usize::from(what.starts_with("a login"));
        let told = (reply.status, reply.cookies.len());
        assert_eq!(told, (status, cookies), "{what}");
        // The session under the new id is unchanged.
        let other = new.lock().unwrap().clone();
        assert_eq!(name_seen(&setup.sessions, &other).await, "ada", "{what}");
    }
}
