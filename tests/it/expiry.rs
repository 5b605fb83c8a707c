//! The idle timeout, the lifetime, and touches.

use std::time::Duration;

use lambda_http::{Error, Request};
use lambda_sessions::Session;

use crate::support::{
    Browser, Setup, count, days, direct_sessions, logged_in, login, logout, minutes, name_seen,
    peek, plain_login, who,
};

#[tokio::test]
async fn idle_timeout_is_exact_and_every_visit_touches() {
    let (sessions, _, clock) = direct_sessions().await;
    let sessions = sessions
        .idle_timeout(minutes(30))
        .touch_interval(Duration::ZERO);
    let mut ada = Browser::new();
    ada.visit(&sessions, count).await;
    clock.advance(minutes(30) - Duration::from_secs(1));
    assert_eq!(
        ada.visit(&sessions, count).await.body,
        "2",
        "alive, and touched"
    );
    clock.advance(minutes(30) - Duration::from_secs(1));
    assert_eq!(
        ada.visit(&sessions, peek).await.body,
        "Some(2)",
        "a read touches too"
    );
    let old = ada.cookie().unwrap().to_owned();
    clock.advance(minutes(30));
    assert_eq!(
        ada.visit(&sessions, count).await.body,
        "1",
        "dead, though DynamoDB has it still"
    );
    assert_ne!(ada.cookie(), Some(old.as_str()), "its id is never adopted");
}

#[tokio::test]
async fn idle_timeout_ends_a_login_to_the_second() {
    let setup = Setup::with_users().await;
    let sessions = setup.sessions.clone().idle_timeout(minutes(30));
    let sessions = sessions.touch_interval(Duration::ZERO);
    let mut ada = logged_in(&sessions).await;
    for _ in 0..3 {
        setup.clock.advance(minutes(30) - Duration::from_secs(1));
        assert_eq!(ada.visit(&sessions, who).await.body, "ada");
    }
    setup.clock.advance(minutes(30));
    assert!(!setup.table.items().await.is_empty(), "the record is there");
    assert_eq!(name_seen(&sessions, &ada).await, "nobody");
    assert!(sessions.user_sessions("ada").await.unwrap().is_empty());
}

#[tokio::test]
async fn lifetime_caps_the_expiry() {
    let (sessions, table, clock) = direct_sessions().await;
    let sessions = sessions.lifetime(days(3)).idle_timeout(days(2));
    let mut ada = Browser::new();
    ada.visit(&sessions, count).await;
    let begun = clock.seconds();
    clock.advance(days(1));
    ada.visit(&sessions, plain_login).await;
    clock.advance(days(1));
    ada.visit(&sessions, count).await;
    let end = (begun + days(3).as_secs()).to_string();
    let ttls = table.items().await;
    assert!(
        ttls.iter().any(|item| item["ttl"].as_n().unwrap() == &end),
        "capped: {ttls:?}"
    );
    clock.advance(days(1) - Duration::from_secs(1));
    assert_eq!(ada.visit(&sessions, who).await.body, "ada");
    clock.advance(Duration::from_secs(1));
    assert_eq!(ada.visit(&sessions, who).await.body, "nobody");

    // A shorter lifetime in a new deployment ends older sessions.
    let mut bob = Browser::new();
    bob.visit(&sessions, plain_login).await;
    clock.advance(minutes(61));
    assert_eq!(bob.visit(&sessions, who).await.body, "ada");
    let shorter = sessions.lifetime(minutes(60));
    assert_eq!(bob.visit(&shorter, who).await.body, "nobody");
}

#[tokio::test]
async fn lifetime_is_extended_by_nothing() {
    let setup = Setup::with_users().await;
    let sessions = setup.sessions.clone();
    let sessions = sessions.lifetime(days(4)).idle_timeout(days(2));
    let mut ada = logged_in(&sessions).await;
    let again = async |_: Request, session: Session| -> Result<String, Error> {
        session.clear()?;
        session.insert("name", "ada")?;
        session.cycle_id()?;
        Ok(String::new())
    };
    // Touches, cycles, `clear` and another `log_in` do not extend the lifetime.
    setup.clock.advance(days(1));
    assert_eq!(ada.visit(&sessions, who).await.body, "ada");
    setup.clock.advance(days(1));
    assert_eq!(ada.visit(&sessions, again).await.status, 200);
    setup.clock.advance(days(1));
    assert_eq!(ada.visit(&sessions, login).await.status, 200);
    setup.clock.advance(days(1) - Duration::from_secs(1));
    assert_eq!(ada.visit(&sessions, who).await.body, "ada");
    setup.clock.advance(Duration::from_secs(1));
    assert_eq!(ada.visit(&sessions, who).await.body, "nobody");
}

/// A client that only read gets its response, even if the touch fails. A handler that takes a second
/// or more must not set the cookie of an id that died meanwhile.
#[tokio::test]
async fn touch_lost_race_keeps_response() {
    let (sessions, _, clock) = direct_sessions().await;
    for hinted in [true, false] {
        let mut ada = Browser::new();
        ada.visit(&sessions, count).await;
        clock.advance(minutes(90));
        if !hinted {
            ada.forget_hints();
        }
        let other = ada.clone();
        let (sessions, clock) = (&sessions, &clock);
        let slow = |_: Request, session: Session| {
            let mut other = other.clone();
            async move {
                other.visit(sessions, logout).await;
                clock.advance(Duration::from_secs(1));
                Ok(format!("{:?}", session.get::<i64>("visits")?))
            }
        };
        let reply = ada.visit(sessions, slow).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "Some(1)"));
        assert!(reply.cookies.is_empty(), "hinted: {hinted}");
    }
}
