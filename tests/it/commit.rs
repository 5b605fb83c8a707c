//! The commit at the end of a request, and saves before it.

use std::time::Duration;

use http::StatusCode;
use lambda_http::{Body, Error, Request, Response};
use lambda_sessions::Session;

use crate::support::{Browser, count, direct_sessions, peek};

/// A request that fails commits nothing but a logout.
#[tokio::test]
async fn commit_after_a_failure_is_only_a_logout() {
    let (sessions, table, _) = direct_sessions().await;
    let mut ada = Browser::new();
    ada.visit(&sessions, count).await;

    let server_error = |_: Request, session: Session| async move {
        session.increment("visits", 1)?;
        session.cycle_id()?;
        Ok(Response::builder().status(503).body(Body::Empty)?)
    };
    let reply = ada.visit(&sessions, server_error).await;
    assert_eq!((reply.status, reply.cookies.len()), (503, 0));
    let error = |_: Request, session: Session| async move {
        session.increment("visits", 1)?;
        Err::<&str, Error>("the handler's own".into())
    };
    let refused = ada.try_visit(&sessions, error).await.unwrap_err();
    assert_eq!(refused.to_string(), "the handler's own", "kept as it is");
    assert_eq!(
        ada.visit(&sessions, peek).await.body,
        "Some(1)",
        "the old id, the old data"
    );

    // A 4xx response is not a failure.
    let client_error = |_: Request, session: Session| async move {
        session.increment("visits", 1)?;
        Ok((StatusCode::NOT_FOUND, "no such page"))
    };
    assert_eq!(ada.visit(&sessions, client_error).await.status, 404);
    assert_eq!(ada.visit(&sessions, peek).await.body, "Some(2)");

    for fails_with in ["503", "Err"] {
        let mut bob = Browser::new();
        bob.visit(&sessions, count).await;
        let stored = table.items().await.len();
        let logout_then_fail = |_: Request, session: Session| async move {
            session.destroy()?;
            session.insert("never", "stored")?;
            match fails_with {
                "503" => Ok(Response::builder().status(503).body(Body::Empty)?),
                _ => Err::<Response<Body>, Error>("failed".into()),
            }
        };
        let reply = bob.try_visit(&sessions, logout_then_fail).await;
        assert_eq!(reply.is_ok(), fails_with == "503");
        assert_eq!(
            table.items().await.len(),
            stored - 1,
            "{fails_with}: still logged out"
        );
    }
}

#[tokio::test]
async fn commit_is_skipped_after_a_panic_or_drop() {
    let (sessions, table, _) = direct_sessions().await;
    let mut ada = Browser::new();
    ada.visit(&sessions, count).await;
    let before = table.item().await;

    let (panicking, mut browser) = (sessions.clone(), ada.clone());
    let task = tokio::spawn(async move {
        let panics = |_: Request, session: Session| async move {
            session.increment("visits", 1)?;
            if session.contains("visits") {
                panic!("in the handler");
            }
            Ok("")
        };
        browser.visit(&panicking, panics).await
    });
    assert!(task.await.unwrap_err().is_panic());

    let hangs = |_: Request, session: Session| async move {
        session.destroy()?;
        std::future::pending::<()>().await;
        Ok("")
    };
    let dropped = tokio::time::timeout(Duration::from_millis(300), ada.visit(&sessions, hangs));
    assert!(dropped.await.is_err());
    assert_eq!(table.item().await, before);
    assert_eq!(
        ada.visit(&sessions, count).await.body,
        "2",
        "the next request is healthy"
    );
}

#[tokio::test]
async fn save_commits_at_once() {
    let (sessions, table, _) = direct_sessions().await;
    let mut ada = Browser::new();
    let (table, sessions) = (&table, &sessions);
    let saves = |_: Request, session: Session| async move {
        session.insert("paid", true)?;
        session.save().await?;
        let stored = table.item().await;
        assert!(stored["data"].as_m().unwrap().contains_key("paid"));
        let id = session.id().unwrap();
        assert_eq!(stored["id"].as_s().unwrap(), id.storage_key().as_str());
        // Another request counts concurrently. `get` returns the committed value after the next
        // save.
        session.increment("n", 1)?;
        let mut other = Browser::with_cookie("__Host-sid", id.expose());
        other
            .visit(sessions, |_, session: Session| async move {
                session.increment("n", 10)?;
                Ok("")
            })
            .await;
        assert_eq!(session.get("n")?, Some(1), "a forecast");
        session.save().await?;
        assert_eq!(session.get("n")?, Some(11), "what is stored");
        Ok("")
    };
    let reply = ada.visit(sessions, saves).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.cookies.len(), 1, "the id of the first save");

    // A save remains if the handler fails afterwards, and the client gets the id.
    let mut bob = Browser::new();
    let fails = |_: Request, session: Session| async move {
        session.insert("a", 1)?;
        session.save().await?;
        session.insert("b", 2)?;
        Ok(Response::builder().status(500).body(Body::Empty)?)
    };
    let reply = bob.visit(sessions, fails).await;
    assert_eq!((reply.status, reply.cookies.len()), (500, 1));
    let keys = |_: Request, session: Session| async move { Ok(session.keys().join(",")) };
    assert_eq!(bob.visit(sessions, keys).await.body, "a");
}
