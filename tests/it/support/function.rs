//! A function in its own process, behind a Lambda runtime API that the test provides.
//!
//! The process is the test's own program, which is told to run one test alone. That test lets
//! `lambda_http`'s real runtime poll here for invocations. The process can be frozen and thawed, as
//! Lambda does.

use std::collections::{HashMap, VecDeque};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

use super::{Browser, Reply, Table};

/// The variable that tells the process that it is a function, and which one.
pub const FUNCTION: &str = "LAMBDA_SESSIONS_TEST_FUNCTION";

/// The trace of every invocation.
pub const TRACE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1";

/// Returns the function that this process is to be, if it was started for that.
pub fn role() -> Option<String> {
    std::env::var(FUNCTION).ok()
}

/// Returns a command that runs one test of this program with these variables. The test is named by
/// its whole path, that of its crate included. The variables of this crate, the SDK and Lambda are
/// removed.
pub fn this_program(test: &str, variables: &[(&str, &str)]) -> Command {
    let (_, test) = test
        .split_once("::")
        .expect("the path begins with the crate");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["SESSION_", "AWS_", "_X_AMZN_"]
            .iter()
            .any(|ours| name.starts_with(ours))
        {
            command.env_remove(&*name);
        }
    }
    command
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .envs(variables.iter().copied());
    command
}

pub struct Function {
    process: Child,
    api: Arc<RuntimeApi>,
}

/// The result of an invocation.
#[derive(Debug)]
pub enum Outcome {
    Response(Bytes),
    /// The error that the runtime reported instead.
    Error(Value),
}

impl Function {
    /// Starts a function with this role, on the table at that endpoint. The process runs the test
    /// `function` of the given module.
    pub async fn start(module: &str, role: &str, table: &Table, endpoint: &str) -> Self {
        Self::start_with(module, role, table, endpoint, &[]).await
    }

    pub async fn start_with(
        module: &str,
        role: &str,
        table: &Table,
        endpoint: &str,
        variables: &[(&str, &str)],
    ) -> Self {
        let (api, address) = RuntimeApi::start().await;
        let lambda = [
            ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "function"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_REGION", "us-east-1"),
            ("SESSION_DYNAMODB_ENDPOINT", endpoint),
            ("SESSION_DYNAMODB_TABLE", &table.name),
            (FUNCTION, role),
        ];
        let process = this_program(&format!("{module}::function"), &lambda)
            .envs(variables.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, api }
    }

    /// Sends a request through API Gateway. The function has ten seconds for the response.
    pub async fn visit(&self, browser: &mut Browser, path: &str) -> Reply {
        match self.invoke(browser.event(path)).await {
            Outcome::Response(response) => browser.take(&read(&response)),
            Outcome::Error(error) => panic!("{path}: {error}"),
        }
    }

    pub async fn invoke(&self, event: Value) -> Outcome {
        self.invoke_within(event, Duration::from_secs(10)).await
    }

    pub async fn invoke_within(&self, event: Value, time: Duration) -> Outcome {
        let deadline = SystemTime::now() + time;
        let outcome = self.api.enqueue(event, deadline);
        let outcome = tokio::time::timeout(time + Duration::from_secs(5), outcome).await;
        outcome
            .expect("it responds before its deadline")
            .expect("the runtime API lives")
    }

    /// Returns the maximum number of invocations that the function handled at once.
    pub fn most_at_once(&self) -> usize {
        self.api.state.lock().unwrap().most
    }

    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let process = i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw);
        kill_process(process.expect("it is a process"), signal).unwrap();
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads a response, buffered or streamed. A streamed one begins with its status and headers, and
/// eight zero bytes.
fn read(response: &[u8]) -> Value {
    let zeros = response.windows(8).position(|eight| eight == [0; 8]);
    let Some(end) = zeros else {
        return serde_json::from_slice(response).unwrap();
    };
    let mut prelude: Value = serde_json::from_slice(&response[..end]).unwrap();
    let body = String::from_utf8(response[end + 8..].to_vec()).unwrap();
    prelude["body"] = body.into();
    prelude
}

/// The queue that Lambda provides for each process to poll.
#[derive(Default)]
struct RuntimeApi {
    state: Mutex<Queue>,
    arrived: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(String, Value, SystemTime)>,
    /// The senders for those who wait for the result of an invocation.
    asked: HashMap<String, oneshot::Sender<Outcome>>,
    count: usize,
    running: usize,
    most: usize,
}

impl RuntimeApi {
    async fn start() -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let api = Arc::new(Self::default());
        let serving = Arc::clone(&api);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let api = Arc::clone(&serving);
                let service = service_fn(move |request| {
                    let api = Arc::clone(&api);
                    async move { Ok::<_, hyper::Error>(api.serve(request).await) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        (api, address)
    }

    fn enqueue(&self, event: Value, deadline: SystemTime) -> oneshot::Receiver<Outcome> {
        let (sender, receiver) = oneshot::channel();
        let mut queue = self.state.lock().unwrap();
        queue.count += 1;
        let id = format!("request-{}", queue.count);
        queue.asked.insert(id.clone(), sender);
        queue.waiting.push_back((id, event, deadline));
        self.arrived.notify_one();
        receiver
    }

    async fn serve(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let steps: Vec<&str> = path.split('/').skip(4).collect();
        match steps.as_slice() {
            ["next"] => self.next().await,
            [id, what @ ("response" | "error")] => {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let outcome = match *what {
                    "error" => Outcome::Error(serde_json::from_slice(&body).unwrap()),
                    _ => Outcome::Response(body),
                };
                let mut queue = self.state.lock().unwrap();
                queue.running -= 1;
                let asked = queue.asked.remove(*id).expect("it was asked once");
                // The caller may have stopped waiting.
                let _ = asked.send(outcome);
                response(202).body(Full::default()).unwrap()
            }
            other => panic!("the runtime called {other:?}"),
        }
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        loop {
            let arrived = self.arrived.notified();
            let next = {
                let mut queue = self.state.lock().unwrap();
                let next = queue.waiting.pop_front();
                queue.running += usize::from(next.is_some());
                queue.most = queue.most.max(queue.running);
                next
            };
            let Some((id, event, deadline)) = next else {
                arrived.await;
                continue;
            };
            // One permit may stand for several arrivals.
            self.arrived.notify_one();
            let deadline = deadline.duration_since(UNIX_EPOCH).unwrap().as_millis();
            return response(200)
                .header("lambda-runtime-aws-request-id", id)
                .header("lambda-runtime-deadline-ms", deadline.to_string())
                .header("lambda-runtime-trace-id", TRACE)
                .header(
                    "lambda-runtime-invoked-function-arn",
                    "arn:aws:lambda:us-east-1:123456789012:function:function",
                )
                .body(Full::new(event.to_string().into()))
                .unwrap();
        }
    }
}

fn response(status: u16) -> http::response::Builder {
    Response::builder().status(status)
}
