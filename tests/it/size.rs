//! The limit of a session's size.

use lambda_http::{Error, Request};
use lambda_sessions::{ErrorKind, Session, SessionExt as _};

use crate::support::{Browser, Setup, assert_refused, count, login, logout, minutes, peek};

fn put(key: &'static str, bytes: usize) -> impl Fn(Request, Session) -> Put + Clone + Send {
    move |_, session| {
        let put = session
            .insert(key, "x".repeat(bytes))
            .map(|()| String::new());
        std::future::ready(put.map_err(Error::from))
    }
}

type Put = std::future::Ready<Result<String, Error>>;

#[tokio::test]
async fn size_over_the_limit_sends_nothing() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    let before = setup.table.item().await;
    let grow = |_: Request, session: Session| async move {
        session.insert("blob", "x".repeat(70_000))?;
        let error = session.save().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(error.to_string().contains("65536"), "{error}");
        assert_eq!(
            session.get::<String>("blob")?.unwrap().len(),
            70_000,
            "the changes stay"
        );
        Ok("")
    };
    assert_refused(&ada.visit(&setup.sessions, grow).await, 503, "an update");
    assert_refused(
        &Browser::new().visit(&setup.sessions, grow).await,
        503,
        "a create",
    );
    assert_eq!(setup.kinds(), [ErrorKind::TooLarge, ErrorKind::TooLarge]);
    assert_eq!(
        setup.proxy.calls(),
        ["GetItem"],
        "nothing was sent but the read"
    );
    assert_eq!(setup.table.item().await, before);

    // With a higher limit, that of DynamoDB applies.
    let roomy = setup.sessions.clone().max_size(usize::MAX);
    let fill = |size: usize| {
        move |_: Request, session: Session| async move {
            Ok(session.insert("blob", "x".repeat(size)).map(|()| "")?)
        }
    };
    assert_eq!(ada.visit(&roomy, fill(400_000)).await.status, 200);
    assert_eq!(ada.visit(&roomy, fill(409_700)).await.status, 503);
    assert_eq!(
        Browser::new().visit(&roomy, fill(409_700)).await.status,
        503
    );
    assert_eq!(setup.kinds(), [ErrorKind::TooLarge, ErrorKind::TooLarge]);
    // The limit counts the data. Beyond it, the error of DynamoDB has the same kind.
    assert_eq!(ada.visit(&roomy, fill(409_550)).await.status, 503);
    assert_eq!(setup.kinds(), [ErrorKind::TooLarge]);
    assert_eq!(ada.visit(&roomy, peek).await.body, "Some(1)");

    // A session that is already too large may shrink.
    let shrink = |_: Request, session: Session| async move {
        Ok(session.insert("blob", "x".repeat(300_000)).map(|()| "")?)
    };
    assert_eq!(ada.visit(&setup.sessions, shrink).await.status, 200);
    let fill_again = |bytes| {
        move |_: Request, session: Session| async move {
            Ok(session.insert("blob", "y".repeat(bytes)).map(|()| "")?)
        }
    };
    let as_large = ada.visit(&setup.sessions, fill_again(300_000)).await;
    assert_eq!(as_large.status, 200, "or stay as large as it is");
    let larger = ada.visit(&setup.sessions, fill_again(300_001)).await;
    assert_refused(&larger, 503, "but not grow");
}

/// Two concurrent requests may grow a session beyond its limit.
#[tokio::test]
async fn size_over_the_limit_leaves_a_session_usable() {
    let setup = Setup::with_users().await;
    let sessions = setup.sessions.clone();
    let mut ada = setup.guest(count).await;
    let (other, elsewhere) = (&ada.clone(), &setup.elsewhere());
    let both = |request: Request, session: Session| async move {
        other.clone().visit(elsewhere, put("a", 40_000)).await;
        put("b", 40_000)(request, session).await
    };
    assert_eq!(ada.visit(&sessions, both).await.status, 200);

    assert_eq!(ada.visit(&sessions, count).await.body, "2", "an increment");
    assert_refused(&ada.visit(&sessions, put("c", 10)).await, 503, "growth");
    assert_eq!(setup.kinds(), [ErrorKind::TooLarge]);
    assert_eq!(ada.visit(&sessions, put("a", 39_999)).await.status, 200);
    let reply = ada.visit(&sessions, login).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1), "a login");
    let cycling = sessions.clone().cycle_id_after(minutes(15));
    setup.clock.advance(minutes(61));
    let reply = ada.visit(&cycling, count).await;
    assert_eq!(
        (reply.status, reply.cookies.len()),
        (200, 1),
        "a scheduled cycle"
    );
    setup.clock.advance(minutes(61));
    let reply = ada.visit(&sessions, peek).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1), "a touch");
    assert_eq!(ada.visit(&sessions, logout).await.status, 200, "a logout");
}

/// A user can log in if earlier pages have filled the session, but logins do not grow it for ever.
#[tokio::test]
async fn size_may_reach_twice_its_limit_in_a_login() {
    let setup = Setup::with_users().await;
    let sessions = setup.sessions.clone().max_size(1_000);
    let mut ada = setup.guest(count).await;
    assert_eq!(ada.visit(&sessions, put("a", 900)).await.status, 200);
    let login = |key: &'static str, bytes: usize| {
        move |request: Request, session: Session| async move {
            session.cycle_id()?;
            session.log_in("ada")?;
            put(key, bytes)(request, session).await
        }
    };
    let reply = ada.visit(&sessions, login("b", 1_000)).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1), "a login");
    assert_refused(&ada.visit(&sessions, put("c", 10)).await, 503, "growth");
    let reply = ada.visit(&sessions, login("c", 100)).await;
    assert_refused(&reply, 503, "a login beyond twice the limit");
    assert_eq!(setup.kinds(), [ErrorKind::TooLarge; 2]);
    let reply = ada.visit(&sessions, login("c", 10)).await;
    assert_eq!((reply.status, reply.cookies.len()), (200, 1), "a login");
    let size = |_: Request, session: Session| async move {
        let mut size = 0;
        for key in ["a", "b", "c"] {
            size += session.get::<String>(key)?.unwrap_or_default().len();
        }
        Ok::<_, Error>(size.to_string())
    };
    assert_eq!(ada.visit(&sessions, size).await.body, "1910");
}

/// The size of a write without a read is known before the write, and that of the session only after
/// it.
#[tokio::test]
async fn size_of_a_write_only_change_is_checked() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    let put = |key: &'static str, bytes: usize| {
        move |request: Request| async move {
            request
                .write_only_session()?
                .insert(key, "x".repeat(bytes))?;
            Ok::<_, Error>("")
        }
    };
    let reply = ada.visit_layered(&setup.sessions, put("a", 70_000)).await;
    assert_refused(&reply, 503, "more than a session may have");
    assert_eq!(setup.kinds(), [ErrorKind::TooLarge]);
    assert_eq!(setup.proxy.calls(), [""; 0]);
    for key in ["a", "b"] {
        let reply = ada.visit_layered(&setup.sessions, put(key, 40_000)).await;
        assert_eq!(reply.status, 200, "{key}");
    }
    // From here on no request that reads can grow it.
    let grow = self::put("c", 10);
    assert_refused(&ada.visit(&setup.sessions, grow).await, 503, "growth");
}
