//! Changes to a session that is not read.

use lambda_http::Request;
use lambda_sessions::{ErrorKind, Session, SessionExt as _};

use crate::support::{
    Browser, Setup, assert_refused, count, days, direct_sessions, logout_write_only, minutes, peek,
    plain_login, who,
};

#[tokio::test]
async fn write_only_changes_a_live_session_only() {
    let (sessions, table, clock) = direct_sessions().await;
    let mut ada = Browser::new();
    ada.visit(&sessions, count).await;
    let before = table.item().await;
    clock.advance(minutes(90));
    let write = |request: Request| async move {
        let session = request.write_only_session()?;
        session.insert("a", 1)?;
        session.increment("visits", 1)?;
        Ok("")
    };
    let reply = ada.visit_layered(&sessions, write).await;
    assert!(reply.cookies.is_empty());
    assert_eq!(
        (reply.header("vary"), reply.header("cache-control")),
        (None, None)
    );
    let after = table.item().await;
    assert_eq!(
        after["ttl"], before["ttl"],
        "it does not know `created`, so the expiry stays"
    );
    assert_eq!(after["data"].as_m().unwrap()["visits"].as_n().unwrap(), "2");

    // A read in the same request sees the write.
    let write_then_read = |request: Request| async move {
        request.write_only_session()?.increment("visits", 1)?;
        Ok(format!(
            "{:?}",
            request.session().await?.get::<i64>("visits")?
        ))
    };
    assert_eq!(
        ada.visit_layered(&sessions, write_then_read).await.body,
        "Some(3)"
    );

    // If the session is dead, the write begins a new one, unless that would be empty. If the id was
    // cycled, the write is rejected.
    clock.advance(days(15));
    let old = ada.clone();
    let remove = |request: Request| async move {
        request.write_only_session()?.remove("a")?;
        Ok("")
    };
    let reply = ada.visit_layered(&sessions, remove).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 0));
    assert_eq!(table.items().await.len(), 1, "nothing but the dead one");
    let reply = ada.visit_layered(&sessions, write).await;
    assert_eq!(reply.cookies.len(), 1);
    assert_ne!(ada.cookie(), old.cookie());
    assert_eq!(ada.visit(&sessions, peek).await.body, "Some(1)");
    let mut cycled = ada.clone();
    ada.visit(&sessions, plain_login).await;
    let reply = cycled.visit_layered(&sessions, write).await;
    assert_eq!((reply.status, reply.cookies.len()), (409, 0));
    assert_eq!(
        cycled
            .visit_layered(&sessions, logout_write_only)
            .await
            .status,
        409
    );
    assert_eq!(ada.visit(&sessions, who).await.body, "ada");
}

/// The type is not known without a read, so DynamoDB rejects the increment.
#[tokio::test]
async fn write_only_increment_of_a_text_is_refused() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    let name = |_: Request, session: Session| async move {
        Ok(session.insert("name", "ada").map(|()| "")?)
    };
    ada.visit(&setup.sessions, name).await;
    let before = setup.table.item().await;
    let increment = |request: Request| async move {
        let session = request.write_only_session()?;
        session.increment("visits", 1)?;
        session.increment("name", 1)?;
        Ok("")
    };
    assert_refused(
        &ada.visit_layered(&setup.sessions, increment).await,
        503,
        "a text",
    );
    assert_eq!(setup.kinds(), [ErrorKind::Deserialize]);
    assert_eq!(setup.table.item().await, before);
}
