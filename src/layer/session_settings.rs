//! The settings of sessions: users, audience, cycled ids, size, time and failures.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Request, Response};

use crate::error::Error;
use crate::layer::session_layer::SessionLayer;
use crate::on_error::OnError;
#[cfg(doc)]
use crate::session::handle::Session;
use crate::store::session_store::SessionStore;
use crate::wire::signing::SigningKey;

impl<S: SessionStore> SessionLayer<S> {
    /// Sets the key of the hash that replaces the id of a [user](Session::log_in) in the store.
    ///
    /// With a key, the hash is HMAC-SHA256. By default there is no key, and the hash is SHA-256.
    /// Without a key, anyone who can read the table can try all likely ids, such as a list of mail
    /// addresses or all small numbers. With a key, they need the key as well.
    ///
    /// After a change of the key, existing sessions remain valid, but they are no longer found by
    /// their user's id. They can be neither listed nor revoked.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer, SigningKey};
    ///
    /// # fn layer(secret: [u8; 32]) -> Result<SessionLayer<MemoryStore>, lambda_sessions::Error> {
    /// let sessions = SessionLayer::new(MemoryStore::new()).user_hash_key(SigningKey::new(secret)?);
    /// # Ok(sessions)
    /// # }
    /// # layer([1; 32]).unwrap();
    /// ```
    pub fn user_hash_key(self, key: SigningKey) -> Self {
        self.set(|settings| settings.user_hash_key = Some(key))
    }

    /// Sets the name of the application, for a table that several applications share.
    ///
    /// By default there is no name. With a name, a session is found only by the application that
    /// began it. The same holds for the sessions of a [user](Session::log_in). The name is hashed
    /// together with the id and requires no further call.
    ///
    /// Without a name, two functions on one table accept each other's cookies. After a change of
    /// the name, all earlier sessions are unknown.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    ///
    /// let store = MemoryStore::new();
    /// let shop = SessionLayer::new(store.clone()).audience("shop");
    /// let admin = SessionLayer::new(store).audience("admin").cookie_name("__Host-admin");
    /// # let _ = (shop, admin);
    /// ```
    pub fn audience(self, name: impl Into<String>) -> Self {
        self.set(|settings| settings.audience = Some(name.into()))
    }

    /// Cycles the id automatically once it is older than this interval ([OWASP][owasp]).
    ///
    /// By default, an id changes only when a handler cycles it. The id is cycled at the end of a
    /// request that has read the session and succeeded. A stolen id is useless after that.
    ///
    /// Parallel requests of one page do not disturb each other. During a grace period of 60
    /// seconds, the previous id still leads to the session, for reads and for writes. It is not
    /// cycled again, and a client that used it does not get a new cookie. There is no grace period
    /// after [`cycle_id`](Session::cycle_id), which is for logins.
    ///
    /// The interval is counted in whole seconds and is at least one second. Each cycling of the id
    /// costs one `TransactWriteItems`.
    ///
    /// A client that never receives the response with its new id, because its connection broke, has
    /// to log in again after those 60 seconds. An interval of hours causes fewer such logins than
    /// one of minutes.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    /// use std::time::Duration;
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).cycle_id_after(Duration::from_secs(4 * 60 * 60));
    /// # let _ = sessions;
    /// ```
    ///
    /// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#renewal-timeout
    pub fn cycle_id_after(self, interval: Duration) -> Self {
        self.set(|settings| settings.expiry.cycle_id_after = Some(interval))
    }

    /// Sets the maximum size of a session's keys and JSON values, in bytes.
    ///
    /// The default is 65,536. A save that grows the session beyond it fails with
    /// [`TooLarge`](crate::ErrorKind::TooLarge) and writes nothing. DynamoDB holds at most 400 KB
    /// in an item, and bills one write unit for each KB.
    ///
    /// Concurrent requests may exceed the limit together. A write without a read is measured by its
    /// own size only. A session that is over the limit may shrink or keep its size, and a login may
    /// grow a session to twice the limit. A user is therefore never locked out.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).max_size(16 * 1024);
    /// # let _ = sessions;
    /// ```
    pub fn max_size(self, bytes: usize) -> Self {
        self.set(|settings| settings.max_size = bytes)
    }

    /// Sets the clock, for tests of expiry.
    ///
    /// The default is the system's clock.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    /// use std::time::{Duration, UNIX_EPOCH};
    ///
    /// let fixed = || UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    /// let sessions = SessionLayer::new(MemoryStore::new()).clock(fixed);
    /// # let _ = sessions;
    /// ```
    pub fn clock(self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.clock = Arc::new(clock))
    }

    /// Sets whether the session is loaded while the handler does other work.
    ///
    /// The default is `false`: the load starts when the handler asks for the session. With `true`, it
    /// starts when a request with an id arrives, and
    /// [`request.session()`](crate::SessionExt::session) waits for it or finds it done. This saves
    /// time in a handler that first waits for something else, such as a call to another service.
    ///
    /// A request whose handler does not ask for its session then costs a read too. Its response does
    /// not wait for the read, and a failure of the read stays without effect. Without an id that can be
    /// valid, nothing is read.
    ///
    /// Such a load does not extend the expiry. If that is due, it costs an `UpdateItem` after the
    /// handler, which a load without `prefetch` saves.
    ///
    /// The setting is for the tower layer. A [wrapped](Self::wrap) handler always gets a loaded
    /// session.
    ///
    /// ```
    /// use lambda_http::tower::{ServiceBuilder, service_fn};
    /// use lambda_http::{Body, Error, Request, Response};
    /// use lambda_sessions::{MemoryStore, SessionExt as _, SessionLayer};
    ///
    /// async fn weather() -> Result<String, Error> {
    ///     Ok("sunny".to_owned()) // a call to another service
    /// }
    ///
    /// async fn greet(request: Request) -> Result<Response<Body>, Error> {
    ///     let weather = weather().await?; // the session loads meanwhile
    ///     let name: Option<String> = request.session().await?.get("name")?;
    ///     let name = name.as_deref().unwrap_or("stranger");
    ///     Ok(Response::new(format!("hello {name}, it is {weather}").into()))
    /// }
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).prefetch(true);
    /// let service = ServiceBuilder::new().layer(sessions).service(service_fn(greet));
    /// # let _ = service;
    /// ```
    pub fn prefetch(self, prefetch: bool) -> Self {
        self.set(|settings| settings.prefetch = prefetch)
    }

    /// Sets whether the deadline of an invocation is read from the header of the [Lambda Web
    /// Adapter][adapter].
    ///
    /// The default is `false`: only `lambda_http`'s own context has a deadline. The adapter runs a
    /// plain HTTP server on Lambda. It sends the context of the invocation in
    /// `x-amzn-lambda-context`, and replaces a client's header of that name.
    ///
    /// Without the adapter, a client can send any time. The header therefore only shortens what the
    /// store's timeouts allow, and each operation has at least one second. A header is
    /// ignored if it is not the adapter's JSON, is longer than 8 KB, occurs twice, or has a time
    /// that is past or more than 15 minutes ahead.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).web_adapter(true);
    /// # let _ = sessions;
    /// ```
    ///
    /// [adapter]: https://github.com/awslabs/aws-lambda-web-adapter
    pub fn web_adapter(self, yes: bool) -> Self {
        self.set(|settings| settings.web_adapter = yes)
    }

    /// Sets the response that a client gets when its session fails.
    ///
    /// The default is 503 if the store fails or is misconfigured, 409 if another request changed
    /// the session, and 500 otherwise. [`ErrorKind`](crate::ErrorKind) lists the status of each
    /// kind. A 503 has `Retry-After: 1` if a retry may help. All of these responses have
    /// `Cache-Control: no-store`.
    ///
    /// This response is sent if a load or a save fails. It is also sent if a handler returns an
    /// error that came from a method of its session, in whatever type it is wrapped. Any other
    /// error is the handler's own response. (An error that the handler has stored elsewhere counts
    /// as returned.) Nothing is added to this response. It carries no cookie, whatever the handler
    /// has set.
    ///
    /// [`on_error_with_request`](Self::on_error_with_request) is the same for a function that also
    /// sees the request. If both are called, the later call applies.
    ///
    /// ```
    /// use lambda_http::http::Response;
    /// use lambda_sessions::{ErrorKind, MemoryStore, SessionLayer};
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).on_error(|error| {
    ///     let status = match error.kind() {
    ///         ErrorKind::Gone | ErrorKind::Conflict => 409,
    ///         _ => 503,
    ///     };
    ///     let mut response = Response::new(r#"{"error":"session"}"#.to_owned());
    ///     *response.status_mut() = status.try_into().expect("a status");
    ///     let no_store = lambda_http::http::HeaderValue::from_static("no-store");
    ///     response.headers_mut().insert("cache-control", no_store);
    ///     response
    /// });
    /// # let _ = sessions;
    /// ```
    pub fn on_error(
        self,
        respond: impl Fn(&Error) -> Response<String> + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.on_error = OnError::Error(Arc::new(respond)))
    }

    /// Sets the response that a client gets when its session fails, by a function that also sees
    /// the request.
    ///
    /// The function gets the method, the URI, the version and the headers of the request, as they
    /// were before the handler ran. It gets neither the body nor the extensions. It can add CORS
    /// headers, or choose between JSON and HTML. [`on_error`](Self::on_error) states when the
    /// response is sent. If both are called, the later call applies.
    ///
    /// With this setting, the headers of every request are cloned once, because the handler
    /// consumes the request. Without it, nothing is cloned.
    ///
    /// The headers include the client's cookie: do not log them.
    ///
    /// ```
    /// use lambda_http::http::header::{
    ///     ACCEPT, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL,
    ///     CONTENT_TYPE, ORIGIN, VARY,
    /// };
    /// use lambda_http::http::{HeaderValue, Request, Response, StatusCode};
    /// use lambda_sessions::{Error, ErrorKind, MemoryStore, SessionLayer};
    ///
    /// /// The origins whose scripts may read responses.
    /// const ORIGINS: [&str; 2] = ["https://shop.example.com", "https://admin.example.com"];
    ///
    /// fn session_failed(error: &Error, request: &Request<()>) -> Response<String> {
    ///     let status = match error.kind() {
    ///         ErrorKind::Gone | ErrorKind::Conflict => StatusCode::CONFLICT,
    ///         _ => StatusCode::SERVICE_UNAVAILABLE,
    ///     };
    ///     let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    ///     let (content_type, body) = match accept {
    ///         Some(accept) if accept.contains("application/json") => {
    ///             ("application/json", r#"{"error":"session"}"#)
    ///         }
    ///         _ => ("text/html; charset=utf-8", "<h1>Please try again</h1>"),
    ///     };
    ///     let mut response = Response::new(body.to_owned());
    ///     *response.status_mut() = status;
    ///     let headers = response.headers_mut();
    ///     headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    ///     headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    ///     headers.insert(VARY, HeaderValue::from_static("Accept, Origin"));
    ///     if let Some(origin) = request.headers().get(ORIGIN)
    ///         && ORIGINS.iter().any(|allowed| origin == allowed)
    ///     {
    ///         headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    ///         headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    ///     }
    ///     response
    /// }
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).on_error_with_request(session_failed);
    /// # let _ = sessions;
    /// # let error = Error::new(ErrorKind::Gone, "gone");
    /// # let request = Request::get("/").header("origin", ORIGINS[0]).header("accept", "application/json");
    /// # let response = session_failed(&error, &request.body(()).unwrap());
    /// # assert_eq!(response.headers()["access-control-allow-origin"], ORIGINS[0]);
    /// # assert_eq!(response.body(), r#"{"error":"session"}"#);
    /// # let request = Request::get("/").header("origin", "https://evil.example").body(()).unwrap();
    /// # assert!(!session_failed(&error, &request).headers().contains_key("access-control-allow-origin"));
    /// ```
    pub fn on_error_with_request(
        self,
        respond: impl Fn(&Error, &Request<()>) -> Response<String> + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.on_error = OnError::ErrorAndRequest(Arc::new(respond)))
    }
}
