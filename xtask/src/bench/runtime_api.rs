//! A stand-in for the Lambda Runtime API, from which a program fetches its events and to which it
//! sends its responses.
//!
//! 1. A program that asks for the next event has nothing else to do. The number of such requests
//!    shows when a program has finished its work.
//! 2. The time of an invocation begins when its event is handed over, and ends when the response is
//!    complete.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

const VERSION: &str = "/2018-06-01/runtime/";
/// The time that an invocation may take, and that the program is told.
const DEADLINE: Duration = Duration::from_secs(30);
/// The time limit for everything, which includes starts under valgrind.
const LIMIT: Duration = Duration::from_secs(300);

pub(crate) struct RuntimeApi {
    address: String,
    events: mpsc::UnboundedSender<Event>,
    next_id: AtomicU64,
    waiting: watch::Receiver<usize>,
    server: JoinHandle<()>,
}

/// The response to an event.
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    pub(crate) time: Duration,
}

struct Event {
    id: String,
    body: String,
    answer: oneshot::Sender<Result<Answer>>,
}

struct Shared {
    events: AsyncMutex<mpsc::UnboundedReceiver<Event>>,
    running: Mutex<HashMap<String, Running>>,
    waiting: watch::Sender<usize>,
}

struct Running {
    handed_over: Instant,
    answer: oneshot::Sender<Result<Answer>>,
}

impl RuntimeApi {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?.to_string();
        let (events, received) = mpsc::unbounded_channel();
        let (waiting, watched) = watch::channel(0);
        let shared = Arc::new(Shared {
            events: AsyncMutex::new(received),
            running: Mutex::default(),
            waiting,
        });
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let shared = Arc::clone(&shared);
                let respond = service_fn(move |request| respond(Arc::clone(&shared), request));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), respond);
                // An error means that the program has ended.
                tokio::spawn(async { drop(connection.await) });
            }
        });
        Ok(Self {
            address,
            events,
            next_id: AtomicU64::new(1),
            waiting: watched,
            server,
        })
    }

    /// Returns the value of `AWS_LAMBDA_RUNTIME_API`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Hands an event to the program and waits for its response.
    pub(crate) async fn invoke(&self, body: String) -> Result<Answer> {
        let number = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        let event = Event {
            id: format!("8476a536-e9f4-11e8-9739-{number:012x}"),
            body,
            answer,
        };
        self.events
            .send(event)
            .map_err(|_| anyhow!("the Runtime API has ended"))?;
        timeout(LIMIT, answered)
            .await
            .context("the program does not respond")??
    }

    /// Waits until this number of requests for an event are open.
    pub(crate) async fn wait_for_idle(&self, requests: usize) -> Result<()> {
        let mut waiting = self.waiting.clone();
        let idle = waiting.wait_for(|waiting| *waiting >= requests);
        timeout(LIMIT, idle)
            .await
            .context("the program does not ask for an event")??;
        Ok(())
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn respond(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(route(&shared, request).await.unwrap_or_else(|error| {
        eprintln!("the Runtime API: {error:#}");
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response
    }))
}

async fn route(shared: &Shared, request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
    let path = request.uri().path().to_owned();
    let path = path.strip_prefix(VERSION).context("unknown version")?;
    if (request.method(), path) == (&Method::GET, "invocation/next") {
        return next(shared).await;
    }
    let body = request.into_body().collect().await?.to_bytes();
    let Some((id, kind)) = path
        .strip_prefix("invocation/")
        .and_then(|path| path.split_once('/'))
    else {
        bail!("{path}: {}", String::from_utf8_lossy(&body));
    };
    let running = lock(&shared.running)
        .remove(id)
        .context("there is no such invocation")?;
    let answer = match kind {
        "response" => Ok(Answer {
            body,
            time: running.handed_over.elapsed(),
        }),
        _ => Err(anyhow!(
            "the function failed: {}",
            String::from_utf8_lossy(&body)
        )),
    };
    // The receiver is gone if its task has ended.
    let _ = running.answer.send(answer);
    Ok(Response::builder()
        .status(StatusCode::ACCEPTED)
        .body(Full::default())?)
}

async fn next(shared: &Shared) -> Result<Response<Full<Bytes>>> {
    let idle = Idle::new(&shared.waiting);
    let event = shared
        .events
        .lock()
        .await
        .recv()
        .await
        .context("there are no more events")?;
    drop(idle);
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH)? + DEADLINE;
    let response = Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", &event.id)
        .header(
            "lambda-runtime-deadline-ms",
            deadline.as_millis().to_string(),
        )
        .header(
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:123456789012:function:bench",
        )
        .header(
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0",
        )
        .body(Full::from(event.body))?;
    let running = Running {
        handed_over: Instant::now(),
        answer: event.answer,
    };
    lock(&shared.running).insert(event.id, running);
    Ok(response)
}

/// A request for an event that is open.
struct Idle<'a>(&'a watch::Sender<usize>);

impl<'a> Idle<'a> {
    fn new(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|waiting| *waiting += 1);
        Self(waiting)
    }
}

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
