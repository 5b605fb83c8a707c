//! A proxy on the wire in front of DynamoDB: it writes down every call by its `X-Amz-Target`, and
//! answers in DynamoDB's place where a test tells it to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

/// What the proxy does with a call.
#[derive(Clone)]
pub enum Answer {
    /// Passes it on.
    Forward,
    /// Answers so, and passes nothing on.
    Reply(u16, String),
    /// Passes it on, and answers so whatever came back.
    ForwardThenReply(u16, String),
    /// Passes it on after that time.
    Delay(Duration),
    /// Takes it, and never answers.
    Hang,
    /// Takes it, and closes the connection.
    Reset,
    /// Says that it failed, and passes it on after that time all the same.
    Late(Duration),
    /// Passes it on, and never answers.
    ForwardThenHang,
    /// Passes it on, and closes the connection.
    ForwardThenReset,
}

impl Answer {
    /// DynamoDB's error of that name.
    pub fn error(status: u16, name: &str) -> Self {
        Self::Reply(status, error_body(name))
    }

    /// The call succeeds, and its acknowledgement is lost on the way.
    pub fn lost() -> Self {
        Self::ForwardThenReply(500, error_body("InternalServerError"))
    }
}

fn error_body(name: &str) -> String {
    format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{name}","message":"said {name}"}}"#)
}

type Script = Arc<dyn Fn(&str, usize) -> Answer + Send + Sync>;

#[derive(Clone)]
pub struct Proxy {
    pub endpoint: String,
    calls: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    script: Arc<Mutex<Script>>,
}

impl Proxy {
    /// In front of DynamoDB at that endpoint.
    pub async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let forward: Script = Arc::new(|_, _| Answer::Forward);
        let proxy = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            calls: Arc::default(),
            connections: Arc::default(),
            script: Arc::new(Mutex::new(forward)),
        };
        let serving = proxy.clone();
        let upstream = upstream.to_owned();
        tokio::spawn(async move {
            let client = Client::builder(TokioExecutor::new()).build_http();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                serving.connections.fetch_add(1, Ordering::SeqCst);
                let (proxy, client, upstream) = (serving.clone(), client.clone(), upstream.clone());
                let service = service_fn(move |request| {
                    let (proxy, client, upstream) =
                        (proxy.clone(), client.clone(), upstream.clone());
                    async move { proxy.pass(request, &client, &upstream).await }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        proxy
    }

    /// What it does from now on, by the operation and how many calls of it came before.
    pub fn answer(&self, script: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) {
        self.calls.lock().unwrap().clear();
        *self.script.lock().unwrap() = Arc::new(script);
    }

    /// The operations that were called since this was last asked, in order.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    /// How many connections have come in.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    async fn pass(
        &self,
        request: Request<Incoming>,
        client: &Client<HttpConnector, Full<Bytes>>,
        upstream: &str,
    ) -> Result<Response<Full<Bytes>>, Reset> {
        let target = request.headers()["x-amz-target"]
            .to_str()
            .unwrap()
            .to_owned();
        let operation = target.rsplit('.').next().unwrap().to_owned();
        let before = {
            let mut calls = self.calls.lock().unwrap();
            let before = calls.iter().filter(|call| **call == operation).count();
            calls.push(operation.clone());
            before
        };
        let script = Arc::clone(&self.script.lock().unwrap());
        let answer = script(&operation, before);
        match &answer {
            Answer::Reply(status, body) => return Ok(reply(*status, body.clone())),
            Answer::Delay(time) => tokio::time::sleep(*time).await,
            Answer::Hang => std::future::pending().await,
            Answer::Reset => return Err(Reset),
            _ => {}
        }
        let (mut parts, body) = request.into_parts();
        parts.uri = format!("{upstream}/").parse().unwrap();
        let body = Full::new(body.collect().await.unwrap().to_bytes());
        let request = Request::from_parts(parts, body);
        if let Answer::Late(time) = answer {
            let client = client.clone();
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                client.request(request).await
            });
            return Ok(reply(500, error_body("InternalServerError")));
        }
        let (parts, body) = client.request(request).await.unwrap().into_parts();
        let body = Full::new(body.collect().await.unwrap().to_bytes());
        match answer {
            Answer::ForwardThenReply(status, body) => Ok(reply(status, body)),
            Answer::ForwardThenHang => std::future::pending().await,
            Answer::ForwardThenReset => Err(Reset),
            _ => Ok(Response::from_parts(parts, body)),
        }
    }
}

/// What makes the server close a connection without an answer.
#[derive(Debug)]
struct Reset;

impl std::fmt::Display for Reset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed by the test")
    }
}

impl std::error::Error for Reset {}

fn reply(status: u16, body: String) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.0")
        .body(Full::new(body.into()))
        .unwrap()
}
