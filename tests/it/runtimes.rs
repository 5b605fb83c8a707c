//! Each of `lambda_http`'s runtimes, in a process of its own: sessions work, no state crosses
//! requests, and a request that panics, fails or is dropped leaves the next one healthy.

use std::time::Duration;

use axum::body::Body as StreamedBody;
use http::StatusCode;
use lambda_http::{
    Body, Error, IntoResponse, Request, RequestExt as _, Response, Service, service_fn,
};
use lambda_sessions::layer::run_concurrent;
use lambda_sessions::store::RequestTime;
use lambda_sessions::{DynamoDbStore, Session, SessionExt as _, SessionLayer, SessionStore as _};
use tower::{Layer as _, ServiceExt as _};

use crate::support::{Browser, Function, Outcome, Proxy, TRACE, Table};

/// Runs as the function, in the processes that are started for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn function() {
    let Some(role) = crate::support::role() else {
        return;
    };
    let sessions = SessionLayer::from_env().await.unwrap();
    let ended = match role.as_str() {
        "run" => lambda_http::run(sessions.wrap(handle)).await,
        "run_concurrent" => lambda_http::run_concurrent(sessions.wrap(handle)).await,
        "run_with_streaming_response" => {
            lambda_http::run_with_streaming_response(sessions.wrap(handle)).await
        }
        "run_with_streaming_response_concurrent" => {
            lambda_http::run_with_streaming_response_concurrent(sessions.wrap(handle)).await
        }
        "layer" => lambda_http::run(sessions.layer(service_fn(handle_layered))).await,
        "layer, concurrent" => {
            lambda_http::run_concurrent(sessions.layer(service_fn(handle_layered))).await
        }
        "layer, streaming" => {
            let store = sessions.store().clone();
            let streams = service_fn(move |request| stream(request, store.clone()));
            lambda_http::run_with_streaming_response(sessions.layer(streams)).await
        }
        "axum, concurrent" => {
            let router = axum::Router::new().fallback(handle_in_axum);
            run_concurrent(router.layer(sessions)).await
        }
        "dropping" => lambda_http::run(dropping(sessions.wrap(handle))).await,
        "dropping, layer" => {
            lambda_http::run(dropping(sessions.layer(service_fn(handle_layered)))).await
        }
        other => panic!("there is no role {other}"),
    };
    ended.unwrap();
}

async fn handle_layered(request: Request) -> Result<Response<Body>, Error> {
    let session = request.session().await?;
    let body = handle(request, session).await?;
    Ok(Response::new(body.into()))
}

async fn handle_in_axum(
    session: Session,
    request: axum::extract::Request,
) -> Result<String, StatusCode> {
    let request = request.map(|_| Body::Empty);
    let handled = handle(request, session).await;
    handled.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn handle(request: Request, session: Session) -> Result<String, Error> {
    let path = request.raw_http_path().to_owned();
    match path.as_str() {
        "/panic" => {
            session.insert("visits", 1_000)?;
            panic!("as the test wants it");
        }
        "/fail" => {
            session.insert("visits", 1_000)?;
            Err("as the test wants it".into())
        }
        "/hang" => {
            session.insert("visits", 1_000)?;
            std::future::pending().await
        }
        // Any other path is the name of a client.
        name => {
            let known = session.get::<String>("name")?;
            session.insert("name", name)?;
            tokio::time::sleep(Duration::from_millis(20)).await;
            let visits = session.increment("visits", 1)?;
            Ok(format!("{} {visits}", known.as_deref().unwrap_or(name)))
        }
    }
}

/// Streams the stored count at the time when the body is polled, and the kind of error that a later
/// change fails with.
async fn stream(request: Request, store: DynamoDbStore) -> Result<Response<StreamedBody>, Error> {
    let session = request.session().await?;
    session.increment("visits", 1)?;
    let body = async move {
        let key = session.id().expect("it is stored").storage_key().clone();
        let now = RequestTime::at(std::time::SystemTime::now().into());
        let lambda_sessions::store::Found::Live(record) = store.load(&key, now).await.unwrap()
        else {
            panic!("it is stored");
        };
        let visits = record
            .data()
            .get("visits")
            .unwrap()
            .json()
            .unwrap()
            .to_owned();
        let late = session.insert("late", true).unwrap_err().kind();
        format!("{visits} {late}")
    };
    let stream =
        futures_util::stream::once(async { Ok::<_, std::convert::Infallible>(body.await) });
    Ok(Response::new(StreamedBody::from_stream(stream)))
}

/// Returns a service that drops its requests after two seconds.
fn dropping<S>(
    inner: S,
) -> impl Service<Request, Response = Response<Body>, Error = Error, Future: Send> + Clone
where
    S: Service<Request, Response: IntoResponse + Send, Error = Error, Future: Send> + Clone + Send,
{
    service_fn(move |request| {
        let inner = inner.clone();
        async move {
            let limit = Duration::from_secs(2);
            match tokio::time::timeout(limit, inner.oneshot(request)).await {
                Ok(Ok(response)) => Ok(response.into_response().await),
                Ok(Err(error)) => Err(error),
                Err(_) => Ok(Response::builder().status(504).body(Body::Empty)?),
            }
        }
    })
}

async fn start(role: &str, table: &Table) -> Function {
    Function::start_with(
        module_path!(),
        role,
        table,
        &table.endpoint,
        &[("AWS_LAMBDA_MAX_CONCURRENCY", "8")],
    )
    .await
}

/// Returns the count that is stored in the only session.
async fn stored(table: &Table) -> String {
    table.item().await["data"].as_m().unwrap()["visits"]
        .as_n()
        .unwrap()
        .clone()
}

const RUNTIMES: [&str; 6] = [
    "run",
    "run_concurrent",
    "run_with_streaming_response",
    "run_with_streaming_response_concurrent",
    "layer",
    "layer, concurrent",
];

#[tokio::test]
async fn runtime_survives_a_panic_or_an_error() {
    for role in RUNTIMES {
        let table = Table::new().await;
        let function = start(role, &table).await;
        let mut ada = Browser::new();
        let first = function.visit(&mut ada, "/ada").await;
        assert_eq!(
            (first.status, first.body.as_str()),
            (200, "/ada 1"),
            "{role}"
        );
        assert_eq!(first.cookies.len(), 1, "{role}");
        for (n, path) in ["/panic", "/fail"].into_iter().enumerate() {
            let outcome = function.invoke(ada.event(path)).await;
            assert!(matches!(outcome, Outcome::Error(_)), "{role}: {outcome:?}");
            assert_eq!(stored(&table).await, (n + 1).to_string(), "{role}");
            let next = function.visit(&mut ada, "/ada").await;
            let expected = format!("/ada {}", n + 2);
            assert_eq!((next.status, next.body), (200, expected), "{role}");
            assert_eq!(next.cookies.len(), 0, "{role}");
        }
    }
}

#[tokio::test]
async fn runtime_survives_a_dropped_request() {
    for role in ["dropping", "dropping, layer"] {
        let table = Table::new().await;
        let function = start(role, &table).await;
        let mut ada = Browser::new();
        assert_eq!(function.visit(&mut ada, "/ada").await.body, "/ada 1");
        let dropped = function.visit(&mut ada, "/hang").await;
        assert_eq!((dropped.status, dropped.cookies.len()), (504, 0), "{role}");
        assert_eq!(stored(&table).await, "1", "{role}");
        assert_eq!(
            function.visit(&mut ada, "/ada").await.body,
            "/ada 2",
            "{role}"
        );
    }
}

#[tokio::test]
async fn runtime_keeps_concurrent_sessions_apart() {
    for role in [
        "run_concurrent",
        "run_with_streaming_response_concurrent",
        "layer, concurrent",
        "axum, concurrent",
    ] {
        let table = Table::new().await;
        let function = &start(role, &table).await;
        let visits = (0..8).map(|browser| async move {
            let (mut browser, path) = (Browser::new(), format!("/browser-{browser}"));
            for visit in 1..=10 {
                // Other requests fail meanwhile.
                if visit % 3 == 0 {
                    let outcome = function.invoke(browser.event("/panic")).await;
                    assert!(matches!(outcome, Outcome::Error(_)));
                }
                let reply = function.visit(&mut browser, &path).await;
                assert_eq!(reply.body, format!("{path} {visit}"));
                assert_eq!(reply.cookies.len(), usize::from(visit == 1));
            }
        });
        futures_util::future::join_all(visits).await;
        assert!(function.most_at_once() >= 4, "{role}: they ran at once");
        assert_eq!(table.items().await.len(), 8, "{role}");
    }
}

/// The cookie is in the prelude, so the session is stored before the body is streamed. A change by
/// the body fails.
#[tokio::test]
async fn stream_is_committed_before_its_body() {
    let table = Table::new().await;
    let function = start("layer, streaming", &table).await;
    let mut ada = Browser::new();
    for visit in ["1", "2"] {
        let reply = function.visit(&mut ada, "/").await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body, format!("{visit} misconfigured"));
        assert_eq!(reply.cookies.len(), usize::from(visit == "1"));
    }
}

/// The first call is that of the start, which belongs to no invocation.
#[tokio::test]
async fn dynamodb_call_carries_the_trace() {
    let table = Table::new().await;
    let proxy = Proxy::start(&table.endpoint).await;
    let function = Function::start(module_path!(), "run", &table, &proxy.endpoint).await;
    function.visit(&mut Browser::new(), "/").await;
    let traces: Vec<_> = proxy
        .seen()
        .iter()
        .map(|seen| seen.headers.get("x-amzn-trace-id").cloned())
        .collect();
    assert_eq!(traces.first(), Some(&None));
    assert!(traces.len() > 1);
    assert!(
        traces[1..]
            .iter()
            .all(|trace| trace.as_ref().is_some_and(|it| it == TRACE))
    );
}
