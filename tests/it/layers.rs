//! Wrapped handlers and tower layers: nested, missing, in any order, with any body.

use lambda_http::{Body, Error, Request, Response, service_fn};
use lambda_sessions::{ErrorKind, MemoryStore, Session, SessionExt as _, SessionLayer};
use tower::{Layer as _, ServiceBuilder};
use tower_http::compression::CompressionLayer;
use tower_http::trace::TraceLayer;

use crate::support::{Browser, count};

#[tokio::test]
async fn layers_nested_have_a_session_each() {
    let visitors = SessionLayer::new(MemoryStore::new());
    let admins = SessionLayer::new(MemoryStore::new()).cookie_name("__Host-admin");
    let outer = visitors.clone();
    let handler = move |request: Request| {
        let outer = outer.clone();
        async move {
            let own = request.session().await?;
            own.increment("admins", 1)?;
            let visits = request.session_from(&outer).await?.increment("visits", 1)?;
            Ok::<_, Error>(Response::new(Body::from(format!(
                "{} {visits}",
                own.keys().join(" ")
            ))))
        }
    };
    let mut ada = Browser::new();
    for n in 1..=2 {
        let inner = admins.layer(service_fn(handler.clone()));
        let reply = ada.send(visitors.layer(inner)).await.unwrap();
        assert_eq!(reply.body, format!("admins {n}"));
        assert_eq!(reply.cookies.len(), if n == 1 { 2 } else { 0 });
    }
    let names: Vec<&str> = ada.jar.keys().map(String::as_str).collect();
    assert_eq!(names, ["__Host-admin", "__Host-sid"]);
    assert_eq!((visitors.store().len(), admins.store().len()), (1, 1));
}

/// A wrapped handler inside another layer has its own session, too.
#[tokio::test]
async fn layer_around_a_wrapped_handler_is_separate() {
    let (outer, inner) = (MemoryStore::new(), MemoryStore::new());
    let outer = SessionLayer::new(outer).cookie_name("outer");
    let inner = SessionLayer::new(inner);
    let mut ada = Browser::new();
    let reply = ada.send(outer.layer(inner.wrap(count))).await.unwrap();
    assert_eq!(reply.body, "1");
    assert_eq!((outer.store().len(), inner.store().len()), (0, 1));
}

#[tokio::test]
async fn layer_applied_twice_is_one_session() {
    let sessions = SessionLayer::new(MemoryStore::new());
    let mut ada = Browser::new();
    for expected in ["1", "2"] {
        let service = sessions.clone().layer(sessions.layer(sessions.wrap(count)));
        let reply = ada.send(service).await.unwrap();
        assert_eq!(reply.body, expected);
        assert!(reply.cookies.len() <= 1, "{:?}", reply.cookies);
    }
    assert_eq!(sessions.store().len(), 1);
}

#[tokio::test]
async fn layer_that_was_not_applied_is_misconfigured() {
    let sessions = SessionLayer::new(MemoryStore::new());
    let other = sessions.clone().cookie_name("other");
    let handler = |request: Request| {
        let other = other.clone();
        async move {
            let error = request.session_from(&other).await.unwrap_err();
            Ok::<_, Error>(Response::new(Body::from(error.to_string())))
        }
    };
    let service = sessions.layer(service_fn(handler));
    let reply = Browser::new().send(service).await.unwrap();
    assert!(reply.body.starts_with("misconfigured"), "{}", reply.body);
}

#[tokio::test]
async fn layer_missing_is_misconfigured() {
    let request: Request = lambda_http::http::Request::new(lambda_http::Body::Empty);
    assert_eq!(
        request.session().await.unwrap_err().kind(),
        ErrorKind::Misconfigured
    );
    let error = request.write_only_session().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.to_string().contains("SessionLayer"), "{error}");
}

/// A handler may borrow local variables of `main`, and its service is `Clone` for `run_concurrent`.
#[tokio::test]
async fn wrap_lets_handlers_borrow_and_clone() {
    let greeting = String::from("hello");
    let sessions = SessionLayer::new(MemoryStore::new());
    let handler = |_: Request, _: Session| async { Ok::<_, Error>(greeting.as_str()) };
    let service = sessions.wrap(handler);
    let reply = Browser::new().send(service.clone()).await.unwrap();
    assert_eq!(reply.body, "hello");
    fn concurrent<S>(_: S)
    where
        S: lambda_http::Service<Request, Response = Response<Body>, Future: Send>
            + Clone
            + Send
            + 'static,
    {
    }
    concurrent(sessions.wrap(count));

    // The handler's error type may be that of the session.
    async fn own_error(_: Request, session: Session) -> Result<String, lambda_sessions::Error> {
        Ok(session.increment("visits", 1)?.to_string())
    }
    fn runs<S, E>(_: S)
    where
        S: lambda_http::Service<Request, Response = Response<Body>, Error = E, Future: Send>,
        E: std::fmt::Debug + Into<lambda_http::lambda_runtime::Diagnostic>,
    {
    }
    runs(sessions.wrap(own_error));
}

/// The session layer may be outside or inside of layers that change the body.
#[tokio::test]
async fn body_of_any_type_passes_in_any_order() {
    let sessions = SessionLayer::new(MemoryStore::new());
    async fn handle(request: Request) -> Result<Response<Body>, Error> {
        let visits = request.session().await?.increment("visits", 1)?;
        Ok(Response::new(Body::from(format!("{visits}"))))
    }
    let outside = ServiceBuilder::new()
        .layer(sessions.clone())
        .layer(TraceLayer::new_for_http())
        .layer(CompressionLayer::new())
        .service_fn(handle);
    let inside = ServiceBuilder::new()
        .layer(CompressionLayer::new())
        .layer(TraceLayer::new_for_http())
        .layer(sessions)
        .service_fn(handle);
    let mut ada = Browser::new();
    assert_eq!(ada.send(outside).await.unwrap().body, "1");
    assert_eq!(ada.send(inside).await.unwrap().body, "2");
}

/// A completed future panics if it is polled again, and does not wait.
#[tokio::test]
async fn future_polled_after_it_was_ready_panics() {
    use futures_util::FutureExt as _;
    use std::panic::AssertUnwindSafe;
    use tower::Service as _;
    let sessions = SessionLayer::new(MemoryStore::new());
    for uses_it in [false, true] {
        let mut service = sessions.layer(service_fn(move |request: Request| async move {
            if uses_it {
                request.session().await?.insert("a", 1)?;
            }
            Ok::<_, Error>(Response::new(Body::Empty))
        }));
        let mut future = Box::pin(service.call(Request::new(Body::Empty)));
        assert_eq!((&mut future).await.unwrap().status(), 200);
        let again = AssertUnwindSafe(&mut future).catch_unwind().now_or_never();
        assert!(again.expect("it does not wait").is_err());
    }
}
