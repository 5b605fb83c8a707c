//! A proxy on the wire in front of DynamoDB. It records every call by its `X-Amz-Target`, and
//! handles it as the test says.

mod action;
mod clock;

pub use action::Action;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use action::{error_body, error_with};
use aws_sdk_dynamodb::primitives::DateTimeFormat;
use clock::{ahead_by, refused_time};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpListener;

type Script = Arc<dyn Fn(&str, usize) -> Action + Send + Sync>;

type Edit = Arc<dyn Fn(&str, &mut Value) + Send + Sync>;

type EditReply = Arc<dyn Fn(&str, u16, &mut Value) + Send + Sync>;

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Seen {
    pub operation: String,
    pub headers: HeaderMap,
    pub body: Value,
    /// The length of the body.
    pub bytes: usize,
}

impl Seen {
    /// Returns the access key that signed the request.
    pub fn access_key(&self) -> &str {
        let authorization = self.headers["authorization"].to_str().unwrap();
        let credential = authorization.split("Credential=").nth(1).unwrap();
        credential.split('/').next().unwrap()
    }
}

#[derive(Clone)]
pub struct Proxy {
    pub endpoint: String,
    upstream: Upstream,
    calls: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    script: Arc<Mutex<Script>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    edit: Arc<Mutex<Option<Edit>>>,
    edit_reply: Arc<Mutex<Option<EditReply>>>,
    /// The seconds by which DynamoDB's clock is ahead of this machine's.
    ahead: Arc<Mutex<Option<i64>>>,
    /// The calls that are to be forwarded late, and how many others go first.
    overtaken: Arc<Mutex<Vec<(usize, Call)>>>,
    copies: Arc<Mutex<Option<Copies>>>,
}

/// The responses of `GetItem` for each item before its last write. Several proxies may share them.
pub type Copies = Arc<Mutex<HashMap<String, Bytes>>>;

impl Proxy {
    /// Starts a proxy in front of DynamoDB at that endpoint.
    pub async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let forward: Script = Arc::new(|_, _| Action::Forward);
        let proxy = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            upstream: Upstream::new(upstream),
            calls: Arc::default(),
            connections: Arc::default(),
            script: Arc::new(Mutex::new(forward)),
            seen: Arc::default(),
            edit: Arc::default(),
            edit_reply: Arc::default(),
            ahead: Arc::default(),
            overtaken: Arc::default(),
            copies: Arc::default(),
        };
        let serving = proxy.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                serving.connections.fetch_add(1, Ordering::SeqCst);
                let proxy = serving.clone();
                let service = service_fn(move |request| {
                    let proxy = proxy.clone();
                    async move { proxy.pass(request).await }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        proxy
    }

    /// Sets how calls are handled from now on, by the operation and the number of its earlier
    /// calls.
    pub fn script(&self, script: impl Fn(&str, usize) -> Action + Send + Sync + 'static) {
        self.calls.lock().unwrap().clear();
        *self.script.lock().unwrap() = Arc::new(script);
    }

    /// Edits each request, by its operation, before it is handled.
    pub fn edit(&self, edit: impl Fn(&str, &mut Value) + Send + Sync + 'static) {
        *self.edit.lock().unwrap() = Some(Arc::new(edit));
    }

    /// Changes each reply before it is passed on, by its operation and status.
    pub fn edit_replies(&self, edit: impl Fn(&str, u16, &mut Value) + Send + Sync + 'static) {
        *self.edit_reply.lock().unwrap() = Some(Arc::new(edit));
    }

    /// Sets DynamoDB's clock to this many seconds ahead of this machine's. It then refuses
    /// signatures that are more than five minutes off, and each of its replies has its date.
    pub fn set_clock(&self, ahead: i64) {
        *self.ahead.lock().unwrap() = Some(ahead);
    }

    /// Makes the proxy read each item before it forwards a write to it.
    pub fn keep_copies(&self, copies: &Copies) {
        *self.copies.lock().unwrap() = Some(Arc::clone(copies));
    }

    /// Returns the operations since the last call, in order, and clears them.
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    /// Returns the requests since the last call, in order, and clears them.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// Returns the number of connections that have come in.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    async fn pass(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Reset> {
        let signed = request.headers().get("x-amz-date").cloned();
        let operation = operation(&request.headers()["x-amz-target"]);
        let clock = (*self.ahead.lock().unwrap()).map(ahead_by);
        let mut reply = match clock.and_then(|now| refused_time(now, signed.as_ref())) {
            Some(message) => {
                self.calls.lock().unwrap().push(operation);
                reply(400, error_with("InvalidSignatureException", &message))
            }
            None => self.pass_signed(request).await?,
        };
        if let Some(now) = clock {
            let date = now.fmt(DateTimeFormat::HttpDate).unwrap();
            reply.headers_mut().insert("date", date.parse().unwrap());
        }
        Ok(reply)
    }

    async fn pass_signed(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Reset> {
        let (parts, body) = request.into_parts();
        let mut call = Call {
            operation: operation(&parts.headers["x-amz-target"]),
            parts,
            body: body.collect().await.unwrap().to_bytes(),
        };
        let edit = self.edit.lock().unwrap().clone();
        if let Some(edit) = edit {
            let mut body: Value = serde_json::from_slice(&call.body).unwrap();
            edit(&call.operation, &mut body);
            call.body = body.to_string().into();
        }
        self.seen.lock().unwrap().push(Seen {
            operation: call.operation.clone(),
            headers: call.parts.headers.clone(),
            body: serde_json::from_slice(&call.body).unwrap(),
            bytes: call.body.len(),
        });
        let before = {
            let mut calls = self.calls.lock().unwrap();
            let before = calls.iter().filter(|other| **other == call.operation);
            let before = before.count();
            calls.push(call.operation.clone());
            before
        };
        let script = Arc::clone(&self.script.lock().unwrap());
        let mut action = script(&call.operation, before);
        while let Action::Ask(question) = action {
            action = question().await;
        }
        match action {
            Action::Reply(status, body) => Ok(reply(status, body)),
            Action::Hang => std::future::pending().await,
            Action::Reset => Err(Reset),
            Action::Late(time) => {
                let proxy = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(time).await;
                    proxy.forward(call).await
                });
                Ok(reply(500, error_body("InternalServerError")))
            }
            Action::Overtaken(after) => {
                self.overtaken.lock().unwrap().push((after, call));
                Ok(reply(500, error_body("InternalServerError")))
            }
            Action::Stale => match self.copy_for(&call) {
                Some(copy) => Ok(reply(200, copy)),
                None => Ok(self.forward(call).await),
            },
            Action::Delay(time) => {
                tokio::time::sleep(time).await;
                Ok(self.forward(call).await)
            }
            Action::ForwardThenReply(status, body) => {
                self.forward(call).await;
                Ok(reply(status, body))
            }
            Action::ForwardThenHang => {
                self.forward(call).await;
                std::future::pending().await
            }
            Action::ForwardThenReset => {
                self.forward(call).await;
                Err(Reset)
            }
            Action::Forward | Action::Ask(_) => Ok(self.forward(call).await),
        }
    }

    async fn forward(&self, call: Call) -> Response<Full<Bytes>> {
        let copies = self.copies.lock().unwrap().clone();
        if let Some(copies) = copies {
            for (table, key) in call.writes() {
                let copy = self.upstream.send(call.read(&table, &key)).await;
                let copy = copy.into_body().collect().await.unwrap().to_bytes();
                copies.lock().unwrap().insert(key.to_string(), copy);
            }
        }
        let operation = call.operation.clone();
        let response = self.upstream.send(call).await;
        let response = self.edited(&operation, response).await;
        let late: Vec<(usize, Call)> = {
            let mut overtaken = self.overtaken.lock().unwrap();
            overtaken.iter_mut().for_each(|(after, _)| *after -= 1);
            overtaken.extract_if(.., |(after, _)| *after == 0).collect()
        };
        for (_, call) in late {
            self.upstream.send(call).await;
        }
        response
    }

    async fn edited(
        &self,
        operation: &str,
        response: Response<Full<Bytes>>,
    ) -> Response<Full<Bytes>> {
        let edit = self.edit_reply.lock().unwrap().clone();
        let Some(edit) = edit else { return response };
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        edit(operation, status, &mut body);
        // The checksum is left out, because it no longer matches the body.
        reply(status, body.to_string())
    }

    /// Returns the older copy that a read may be served.
    fn copy_for(&self, call: &Call) -> Option<Bytes> {
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        if call.operation != "GetItem" || body["ConsistentRead"] == json!(true) {
            return None;
        }
        let copies = self.copies.lock().unwrap().clone();
        let copies = copies.expect("copies are kept");
        copies
            .lock()
            .unwrap()
            .get(&body["Key"].to_string())
            .cloned()
    }
}

/// A call of the SDK.
struct Call {
    operation: String,
    parts: hyper::http::request::Parts,
    body: Bytes,
}

impl Call {
    /// Returns the tables and keys that the call writes.
    fn writes(&self) -> Vec<(Value, Value)> {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        let key_of = |write: &Value| match &write["Item"] {
            Value::Null => write["Key"].clone(),
            item => ["id", "PK", "SK"]
                .into_iter()
                .filter(|key| !item[key].is_null())
                .map(|key| (key.to_owned(), item[key].clone()))
                .collect(),
        };
        let one = |write: &Value| (write["TableName"].clone(), key_of(write));
        match self.operation.as_str() {
            "PutItem" | "UpdateItem" | "DeleteItem" => vec![one(&body)],
            "TransactWriteItems" => body["TransactItems"]
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|write| write.as_object().unwrap().values())
                .map(one)
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Returns a read of one of these items, by the same client.
    fn read(&self, table: &Value, key: &Value) -> Self {
        let mut parts = self.parts.clone();
        let target = HeaderValue::from_static("DynamoDB_20120810.GetItem");
        parts.headers.insert("x-amz-target", target);
        let body = json!({ "TableName": table, "Key": key, "ConsistentRead": true });
        Self {
            operation: "GetItem".to_owned(),
            parts,
            body: body.to_string().into(),
        }
    }
}

fn operation(target: &HeaderValue) -> String {
    let target = target.to_str().unwrap();
    target.rsplit('.').next().unwrap().to_owned()
}

/// The upstream DynamoDB.
#[derive(Clone)]
struct Upstream {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
}

impl Upstream {
    fn new(endpoint: &str) -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            url: format!("{endpoint}/"),
        }
    }

    async fn send(&self, call: Call) -> Response<Full<Bytes>> {
        let Call {
            mut parts, body, ..
        } = call;
        parts.uri = self.url.parse().unwrap();
        parts.headers.remove("content-length");
        let request = Request::from_parts(parts, Full::new(body));
        let (parts, body) = self.client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Response::from_parts(parts, Full::new(body))
    }
}

/// An error that makes the server close a connection without a response.
#[derive(Debug)]
struct Reset;

impl std::fmt::Display for Reset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed by the test")
    }
}

impl std::error::Error for Reset {}

fn reply(status: u16, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.0")
        .body(Full::new(body.into()))
        .unwrap()
}
