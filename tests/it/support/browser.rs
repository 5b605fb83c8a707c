//! A client that keeps cookies, in front of the real `lambda_http` adapter. It sends API Gateway's
//! event JSON and reads the response JSON.

use std::collections::BTreeMap;
use std::future::Future;

use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Error, IntoResponse, Request, Service, service_fn};
use lambda_sessions::{Session, SessionLayer, SessionStore};
use serde_json::{Value, json};
use tower::Layer;

/// The default name of the session's cookie.
pub const COOKIE: &str = "__Host-sid";

/// A client like a browser, or like `curl -b jar -c jar`.
#[derive(Clone, Debug, Default)]
pub struct Browser {
    pub jar: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
}

/// The response, as the adapter returned it.
#[derive(Debug)]
pub struct Reply {
    pub status: u64,
    pub body: String,
    pub cookies: Vec<String>,
    headers: BTreeMap<String, String>,
}

impl Browser {
    /// Creates a browser without cookies.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a browser with this cookie.
    pub fn with_cookie(name: &str, value: &str) -> Self {
        let mut browser = Self::new();
        browser.jar.insert(name.to_owned(), value.to_owned());
        browser
    }

    pub fn set_header(&mut self, name: &str, value: &str) {
        self.headers.insert(name.to_owned(), value.to_owned());
    }

    /// Returns the value of the session's cookie.
    pub fn cookie(&self) -> Option<&str> {
        self.jar.get(COOKIE).map(String::as_str)
    }

    /// Returns the id in the session's cookie, without its signature and its hints.
    pub fn id(&self) -> Option<&str> {
        let value = self.cookie()?;
        value.split(['.', '~']).next()
    }

    /// Removes the hints from the session's cookie.
    pub fn forget_hints(&mut self) {
        self.set_hints("");
    }

    /// Replaces the hints in the session's cookie.
    pub fn set_hints(&mut self, hints: &str) {
        let bare = self.cookie().and_then(|value| value.split('~').next());
        let value = format!("{}{hints}", bare.expect("there is a cookie"));
        self.jar.insert(COOKIE.to_owned(), value);
    }

    /// Sends a request to a wrapped handler.
    pub async fn visit<S, H, F, R>(&mut self, sessions: &SessionLayer<S>, handler: H) -> Reply
    where
        S: SessionStore + Clone,
        H: Fn(Request, Session) -> F + Clone + Send,
        F: Future<Output = Result<R, Error>> + Send,
        R: IntoResponse,
    {
        let reply = self.try_visit(sessions, handler).await;
        reply.expect("the handler, or `on_error`, responds")
    }

    /// Sends a request like `visit`, but returns the error that the runtime would have to report.
    pub async fn try_visit<S, H, F, R>(
        &mut self,
        sessions: &SessionLayer<S>,
        handler: H,
    ) -> Result<Reply, Error>
    where
        S: SessionStore + Clone,
        H: Fn(Request, Session) -> F + Clone + Send,
        F: Future<Output = Result<R, Error>> + Send,
        R: IntoResponse,
    {
        self.send(sessions.wrap(handler)).await
    }

    /// Sends a request to a handler behind the tower layer.
    pub async fn visit_layered<S, H, F, R>(
        &mut self,
        sessions: &SessionLayer<S>,
        handler: H,
    ) -> Reply
    where
        S: SessionStore + Clone,
        H: Fn(Request) -> F + Send + Sync,
        F: Future<Output = Result<R, Error>> + Send,
        R: IntoResponse,
    {
        let reply = self.try_visit_layered(sessions, handler).await;
        reply.expect("the handler, or `on_error`, responds")
    }

    pub async fn try_visit_layered<S, H, F, R>(
        &mut self,
        sessions: &SessionLayer<S>,
        handler: H,
    ) -> Result<Reply, Error>
    where
        S: SessionStore + Clone,
        H: Fn(Request) -> F + Send + Sync,
        F: Future<Output = Result<R, Error>> + Send,
        R: IntoResponse,
    {
        let handler = &handler;
        let inner = service_fn(move |request| async move {
            match handler(request).await.map(R::into_response) {
                Ok(response) => Ok::<_, Error>(response.await),
                Err(error) => Err(error),
            }
        });
        self.send(sessions.layer(inner)).await
    }

    /// Sends a request to any service, as API Gateway's HTTP API does.
    pub async fn send<T>(&mut self, service: T) -> Result<Reply, Error>
    where
        T: Service<Request, Error = Error>,
        T::Response: IntoResponse,
        T::Future: Send,
    {
        let request: LambdaRequest = serde_json::from_value(self.event("/")).unwrap();
        let mut adapter = Adapter::from(service);
        let response = adapter
            .call(LambdaEvent::new(request, Context::default()))
            .await?;
        Ok(self.take(&serde_json::to_value(response).unwrap()))
    }

    /// Returns the event of a request, as API Gateway's HTTP API sends it.
    pub fn event(&self, path: &str) -> Value {
        let mut event: Value =
            serde_json::from_str(include_str!("../../events/http_v2.json")).unwrap();
        event["rawPath"] = json!(path);
        event["requestContext"]["http"]["path"] = json!(path);
        let cookies: Vec<String> = self.jar.iter().map(|(n, v)| format!("{n}={v}")).collect();
        event["cookies"] = json!(cookies);
        for (name, value) in &self.headers {
            event["headers"][name] = json!(value);
        }
        event
    }

    /// Reads the response to it and stores its cookies.
    pub fn take(&mut self, response: &Value) -> Reply {
        let reply = Reply::read(response);
        for cookie in &reply.cookies {
            self.keep(cookie);
        }
        reply
    }

    fn keep(&mut self, set_cookie: &str) {
        let (pair, attributes) = set_cookie.split_once(';').unwrap_or((set_cookie, ""));
        let (name, value) = pair.split_once('=').expect("a cookie is a pair");
        if attributes.contains("Max-Age=0;") || attributes.ends_with("Max-Age=0") {
            self.jar.remove(name);
        } else {
            self.jar.insert(name.to_owned(), value.to_owned());
        }
    }
}

impl Reply {
    fn read(response: &Value) -> Self {
        let strings = |value: &Value| match value {
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
                .collect(),
            _ => BTreeMap::new(),
        };
        let mut headers: BTreeMap<String, String> = strings(&response["headers"]);
        if let Value::Object(members) = &response["multiValueHeaders"] {
            for (name, values) in members {
                let values: Vec<&str> = values
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                headers
                    .entry(name.clone())
                    .or_insert_with(|| values.join(", "));
            }
        }
        // An HTTP API has a list of cookies, and the others have lines of a header.
        let lines = [
            &response["cookies"],
            &response["multiValueHeaders"]["set-cookie"],
        ];
        let cookies = lines.into_iter().filter_map(Value::as_array).flatten();
        Self {
            status: response["statusCode"].as_u64().unwrap(),
            body: response["body"].as_str().unwrap_or_default().to_owned(),
            cookies: cookies.map(|c| c.as_str().unwrap().to_owned()).collect(),
            headers,
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}
