//! Attempts that reach DynamoDB after their own retry: they change nothing any more.

use std::time::Duration;

use lambda_http::{Error, Request};
use lambda_sessions::Session;

use crate::support::{Action, Browser, Setup, count, logout, number, peek, stored_value};

/// An attempt that reaches DynamoDB after its own retry changes nothing, whatever other requests
/// have written meanwhile.
#[tokio::test]
async fn late_attempt_does_not_count_again() {
    const LATE: Duration = Duration::from_millis(300);
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    let late = |operation: &str, before: usize| match (operation, before) {
        ("UpdateItem", 0) => Action::Late(LATE),
        _ => Action::Forward,
    };
    // One round has another request before the late attempt, and the other has none.
    for (other, visits) in [(true, "Some(3)"), (false, "Some(4)")] {
        setup.proxy.script(late);
        assert_eq!(ada.visit(&setup.sessions, count).await.status, 200);
        assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem", "UpdateItem"]);
        if other {
            assert_eq!(ada.visit(&setup.elsewhere(), count).await.status, 200);
        }
        tokio::time::sleep(2 * LATE).await;
        assert_eq!(ada.visit(&setup.sessions, peek).await.body, visits);
    }

    // A newer value stays.
    setup.proxy.script(late);
    let set = |value: i64| {
        move |_: Request, session: Session| async move {
            session.insert("visits", value)?;
            Ok("")
        }
    };
    assert_eq!(ada.visit(&setup.sessions, set(10)).await.status, 200);
    assert_eq!(ada.visit(&setup.elsewhere(), set(20)).await.status, 200);
    tokio::time::sleep(2 * LATE).await;
    assert_eq!(ada.visit(&setup.sessions, peek).await.body, "Some(20)");
}

/// An attempt to create a session that reaches DynamoDB after the logout restores nothing.
#[tokio::test]
async fn late_create_after_a_logout_revives_nothing() {
    const LATE: Duration = Duration::from_millis(300);
    let setup = Setup::new().await;
    setup
        .proxy
        .script(|operation, before| match (operation, before) {
            ("PutItem", 0) => Action::Late(LATE),
            _ => Action::Forward,
        });
    let mut ada = Browser::new();
    assert_eq!(ada.visit(&setup.sessions, count).await.status, 200);
    let mut thief = ada.clone();
    assert_eq!(ada.visit(&setup.sessions, logout).await.status, 200);
    assert_eq!(ada.cookie(), None);
    let tombstone = setup.table.item().await;
    assert_eq!(
        tombstone["ttl"].as_n().unwrap().parse(),
        Ok(setup.clock.seconds() + 15 * 60),
        "for as long as the attempt's signature is good"
    );
    tokio::time::sleep(2 * LATE).await;
    assert_eq!(thief.visit(&setup.sessions, peek).await.body, "None");
    let late = thief.clone().visit(&setup.sessions, count).await;
    assert_eq!(
        (late.body.as_str(), late.cookies.len()),
        ("1", 1),
        "a session of its own"
    );
    assert_eq!(thief.visit(&setup.sessions, peek).await.body, "None");
}

/// The values are already stored, but the first attempt is still on its way. It must not overwrite
/// later writes.
#[tokio::test]
async fn late_attempt_overwrites_nothing_after_success() {
    let set = |value: i64| {
        move |_: Request, session: Session| async move {
            session.insert("visits", value)?;
            session.save().await?;
            session.insert("other", value)?;
            Ok("")
        }
    };
    // Large changes are one write of all data.
    for large in [false, true] {
        let setup = Setup::new().await;
        let mut ada = setup.guest(count).await;
        let (elsewhere, other) = (setup.elsewhere(), ada.clone());
        setup.proxy.script(move |operation, before| {
            let (elsewhere, other) = (elsewhere.clone(), other.clone());
            match (operation, before) {
                ("UpdateItem", 0) => Action::Late(Duration::from_millis(400)),
                // Another request writes the same value, and then another key.
                ("UpdateItem", 1) => Action::Forward.after(move || {
                    let (elsewhere, mut other) = (elsewhere.clone(), other.clone());
                    async move {
                        let reply = if large {
                            other.visit(&elsewhere, fill).await;
                            other.visit(&elsewhere, set(9)).await
                        } else {
                            other.visit(&elsewhere, set(7)).await
                        };
                        assert_eq!(reply.status, 200);
                    }
                }),
                _ => Action::Forward,
            }
        });
        let write = move |_: Request, session: Session| async move {
            match large {
                true => fill_in(&session)?,
                false => session.insert("visits", 7)?,
            }
            Ok("")
        };
        assert_eq!(ada.visit(&setup.sessions, write).await.status, 200);
        let key = if large { "key-0" } else { "visits" };
        let last = |_: Request, session: Session| async move {
            session.insert(key, 8)?;
            Ok("")
        };
        assert_eq!(ada.visit(&setup.elsewhere(), last).await.status, 200);
        tokio::time::sleep(Duration::from_millis(800)).await;
        assert_eq!(stored_value(&setup.table.items().await, key), number(8));
        assert!(setup.kinds().is_empty());
    }
}

fn fill_in(session: &Session) -> Result<(), lambda_sessions::Error> {
    (0..300).try_for_each(|n| session.insert(format!("key-{n}"), n))
}

async fn fill(_: Request, session: Session) -> Result<String, Error> {
    fill_in(&session)?;
    Ok(String::new())
}

/// A value that the retry found in place is not written over a later value.
#[tokio::test]
async fn value_in_place_is_not_written_again() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    let (elsewhere, other) = (setup.elsewhere(), ada.clone());
    setup.proxy.script(move |operation, before| {
        let (elsewhere, other) = (elsewhere.clone(), other.clone());
        let writes = move |key: &'static str, value: i64| {
            Action::Forward.after(move || {
                let (elsewhere, mut other) = (elsewhere.clone(), other.clone());
                let write = move |_: Request, session: Session| async move {
                    session.insert(key, value)?;
                    Ok::<_, Error>("")
                };
                async move { assert_eq!(other.visit(&elsewhere, write).await.status, 200) }
            })
        };
        match (operation, before) {
            ("UpdateItem", 0) => Action::lost(),
            ("UpdateItem", 1) => writes("other", 1),
            ("UpdateItem", 2) => writes("visits", 8),
            _ => Action::Forward,
        }
    });
    let write = |_: Request, session: Session| async move {
        session.insert("visits", 7)?;
        Ok::<_, Error>("")
    };
    assert_eq!(ada.visit(&setup.sessions, write).await.status, 200);
    let items = setup.table.items().await;
    assert_eq!(stored_value(&items, "visits"), number(8));
    assert!(items[0].contains_key("fence"));
}
