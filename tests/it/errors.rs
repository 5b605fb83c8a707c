//! Errors in a handler: which of them `on_error` answers, and which are the handler's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use lambda_http::{Body, Error, IntoResponse, Request, Response};
use lambda_sessions::{ErrorKind, Session, SessionExt as _, SessionLayer};
use tower::{ServiceBuilder, ServiceExt as _};
use tower_http::compression::CompressionLayer;

use crate::support::{Browser, Setup, Table, assert_refused, count, direct_sessions};

/// If a session's error fails the handler, the response is that of `on_error`, and not Lambda's
/// 502.
#[tokio::test]
async fn on_error_answers_a_failed_session_call() {
    let (sessions, ..) = direct_sessions().await;
    let mistyped = |session: Session| async move {
        session.insert("n", "text")?;
        session.get::<u32>("n")?;
        Ok::<_, Error>("")
    };
    let wrapped = |_: Request, session: Session| mistyped(session);
    let layered = |request: Request| async move { mistyped(request.session().await?).await };
    for reply in [
        Browser::new().visit(&sessions, wrapped).await,
        Browser::new().visit_layered(&sessions, layered).await,
    ] {
        assert_eq!((reply.status, reply.cookies.len()), (500, 0));
        assert!(!reply.body.contains("text"), "{}", reply.body);
    }

    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let custom = sessions.on_error(move |error| {
        count.fetch_add(1, Ordering::SeqCst);
        assert_eq!(error.kind(), ErrorKind::Deserialize);
        let response = http::Response::builder().status(418);
        response.body("short and stout".to_owned()).unwrap()
    });
    let reply = Browser::new().visit(&custom, wrapped).await;
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (418, "short and stout")
    );
    assert_eq!(asked.load(Ordering::SeqCst), 1);

    // An error that the handler has handled changes nothing.
    let dealt_with = |_: Request, session: Session| async move {
        session.insert("n", 1)?;
        assert!(session.insert("", 1).is_err());
        Ok("fine")
    };
    assert_eq!(Browser::new().visit(&custom, dealt_with).await.body, "fine");
}

#[derive(Debug)]
enum AppError {
    #[allow(dead_code)] // that it is held is what counts
    Session(lambda_sessions::Error),
    Other,
}

impl From<lambda_sessions::Error> for AppError {
    fn from(error: lambda_sessions::Error) -> Self {
        Self::Session(error)
    }
}

#[tokio::test]
async fn error_of_the_handler_is_returned() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    let handler = |_: Request, session: Session| async move {
        // The handler handles this error.
        let text: Option<String> = session.get("visits").unwrap_or_default();
        assert_eq!(text, None);
        Err::<String, Error>("the payment was declined".into())
    };
    let error = ada.try_visit(&setup.sessions, handler).await.unwrap_err();
    assert_eq!(error.to_string(), "the payment was declined");
    assert!(setup.errors().is_empty());
}

/// This holds for any error type of the handler.
#[tokio::test]
async fn error_of_the_session_in_any_type_is_answered() {
    let setup = Setup::new().await;
    let ada = setup.guest(count).await;
    let cookie = format!("__Host-sid={}", ada.cookie().unwrap());
    let visit = async |handler: fn(&Session) -> Result<String, AppError>| {
        let wrapped = move |_: Request, session: Session| async move { handler(&session) };
        let request = http::Request::get("/").header("cookie", &cookie);
        let request: Request = request.body(Body::Empty).unwrap();
        setup.sessions.wrap(wrapped).oneshot(request).await
    };
    let response = visit(|session| Ok(session.get::<String>("visits")?.unwrap_or_default())).await;
    assert_eq!(response.unwrap().status(), 503);
    assert_eq!(setup.kinds(), [ErrorKind::Deserialize]);
    // The handler returns the first of two errors.
    let response = visit(|session| {
        let first = session.get::<String>("visits").unwrap_err();
        let _ = session.insert("", 1);
        Err(first.into())
    });
    assert_eq!(response.await.unwrap().status(), 503);
    assert_eq!(setup.kinds(), [ErrorKind::Deserialize]);
    let response = visit(|session| {
        drop(session.get::<String>("visits"));
        Err(AppError::Other)
    });
    assert!(matches!(response.await, Err(AppError::Other)));
    assert!(setup.errors().is_empty());
}

/// Errors that the handler has handled do not hide the one that it returns.
#[tokio::test]
async fn error_returned_after_many_is_answered() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    let handler = |_: Request, session: Session| async move {
        let first = session.get::<String>("visits");
        for _ in 0..100 {
            session.insert("", 1).unwrap_err();
        }
        first?;
        Ok::<_, Error>(String::new())
    };
    assert_refused(&ada.visit(&setup.sessions, handler).await, 503, "the first");
    assert_eq!(setup.kinds(), [ErrorKind::Deserialize]);
}

/// A failed logout is logged, and the handler's error is still returned.
#[tokio::test]
async fn error_of_the_handler_survives_failed_logout() {
    use crate::support::Action;
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    setup.proxy.script(|operation, _| match operation {
        "DeleteItem" => Action::error(400, "AccessDeniedException"),
        _ => Action::Forward,
    });
    let handler = |_: Request, session: Session| async move {
        session.destroy()?;
        Err::<String, Error>("the page is broken".into())
    };
    let error = ada.try_visit(&setup.sessions, handler).await.unwrap_err();
    assert_eq!(error.to_string(), "the page is broken");
}

/// A session is saved even if the handler had to handle an error of it.
#[tokio::test]
async fn error_that_was_handled_stops_no_save() {
    let setup = Setup::new().await;
    let mut ada = setup.guest(count).await;
    let handler = |_: Request, session: Session| async move {
        let prefs: Option<Vec<u8>> = session.get_or_reset("visits")?;
        assert_eq!(prefs, None);
        session.insert("visits", [1])?;
        Ok::<_, Error>(String::new())
    };
    assert_eq!(ada.visit(&setup.sessions, handler).await.status, 200);
    let item = setup.table.item().await;
    assert_eq!(
        item["data"].as_m().unwrap()["visits"].as_s().unwrap(),
        "[1]"
    );
}

/// The text of an error response passes the other layers as a body.
#[tokio::test]
async fn error_response_is_a_body_like_any_other() {
    let sessions = SessionLayer::new(Table::named_only().await.store());
    let service = ServiceBuilder::new()
        .layer(sessions)
        .layer(CompressionLayer::new())
        .service_fn(|request: Request| async move {
            request.session().await?.insert("a", 1)?;
            Ok::<_, Error>(Response::new(Body::Empty))
        });
    let response = service.oneshot(Request::new(Body::Empty)).await.unwrap();
    assert_eq!(response.status(), 503);
    let body = response.into_response().await.into_body();
    let text = "The session is not available at the moment. Please try again.\n";
    assert_eq!(body, Body::Text(text.to_owned()));
}
