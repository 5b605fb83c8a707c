//! [`SessionLayer`]: the settings of an application, applied to its handlers.
//!
//! 1. [`wrap`](SessionLayer::wrap) is for `lambda_http`. The session is the handler's second
//!    argument and is loaded before the handler runs.
//! 2. As a [`tower_layer::Layer`], it applies to any `http` service. The session is loaded on
//!    request, and a request that never asks for it costs nothing.
//! 3. Nested layers each have their own session, cookie and store. A layer that is applied twice
//!    has one session, and the outermost application commits it.
//! 4. Invalid settings are reported when the service is built, during init, and not by the first
//!    request.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cookie::SameSite;
use http::Response;
use lambda_http::{Body, IntoResponse, Service, service_fn};
use tower_layer::Layer;

use crate::attached::LayerId;
use crate::config::Settings;
#[cfg(feature = "dynamodb")]
use crate::env::Variables;
use crate::error::Error;
use crate::pipeline::Pipeline;
use crate::pipeline::deadline::{self, CutOff, within};
use crate::session::Session;
#[cfg(feature = "dynamodb")]
use crate::store::dynamodb::store::DynamoDbStore;
use crate::store::session_store::{RequestTime, SessionStore};
use crate::store::user::{Revoked, UserSessions};
use crate::wire::signing::SigningKey;

pub use crate::events::{repair_event, run_with_streaming_response};
pub use crate::service::body::SessionBody;
pub use crate::service::{SessionFuture, SessionService};
pub use crate::wire::cookie::PreviousCookie;

/// Gives every request its session.
///
/// ```no_run
/// use lambda_http::{Error, Request, run};
/// use lambda_sessions::{Session, SessionLayer};
/// use std::time::Duration;
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Error> {
///     let sessions = SessionLayer::from_env()
///         .await?
///         .idle_timeout(Duration::from_secs(30 * 60))
///         .lifetime(Duration::from_secs(12 * 60 * 60));
///     run(sessions.wrap(hello)).await
/// }
///
/// async fn hello(_request: Request, session: Session) -> Result<String, Error> {
///     let visits = session.increment("visits", 1)?;
///     Ok(format!("visit {visits}\n"))
/// }
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until it is applied"]
pub struct SessionLayer<
    #[cfg(feature = "dynamodb")] S = DynamoDbStore,
    #[cfg(not(feature = "dynamodb"))] S,
> {
    id: LayerId,
    store: S,
    settings: Settings,
}

#[cfg(feature = "dynamodb")]
impl SessionLayer {
    /// Creates a layer with sessions in DynamoDB, configured by the environment.
    ///
    /// The settings come from the `SESSION_*` variables, and the client from the AWS environment.
    /// Call it once, before `run`: one client serves all requests.
    ///
    /// ```no_run
    /// use lambda_sessions::{Error, SessionLayer};
    /// use std::time::Duration;
    ///
    /// # async fn f() -> Result<(), Error> {
    /// let sessions = SessionLayer::from_env().await?.idle_timeout(Duration::from_secs(30 * 60));
    /// # let _ = sessions;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](crate::ErrorKind::Misconfigured) if a variable does not parse,
    /// or if browsers would reject the cookie. The message names the variable. An unreachable
    /// DynamoDB is not an error here: the first request that needs it fails.
    pub async fn from_env() -> Result<Self, Error> {
        let settings = Settings::from_variables(&Variables::of_process())?;
        let store = DynamoDbStore::from_env().await?;
        Ok(Self {
            id: LayerId::default(),
            store,
            settings,
        })
    }
}

impl<S: SessionStore> SessionLayer<S> {
    /// Creates a layer with sessions in this store and every setting at its default.
    ///
    /// It reads no environment variables.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new());
    /// # let _ = sessions;
    /// ```
    pub fn new(store: S) -> Self {
        Self {
            id: LayerId::default(),
            store,
            settings: Settings::default(),
        }
    }

    /// Changes a setting and makes this a different layer, whose requests may have other sessions.
    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut self.settings);
        self.id = LayerId::default();
        self
    }

    /// Returns the store.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new());
    /// let store: &MemoryStore = sessions.store();
    /// # let _ = store;
    /// ```
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Sets the cookie's name.
    ///
    /// The default is `__Host-sid`. It is `sid` if a domain, a path or the lack of `Secure` rules
    /// out that prefix. After a change, set [`previous_cookie`](Self::previous_cookie) to the
    /// previous name.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).cookie_name("__Host-shop");
    /// # let _ = sessions;
    /// ```
    pub fn cookie_name(self, name: impl Into<String>) -> Self {
        self.set(|settings| settings.cookie.name = Some(name.into()))
    }

    /// Sets the path under which browsers send the cookie.
    ///
    /// The default is `/`. After a change, set [`previous_cookie`](Self::previous_cookie) to the
    /// cookie with the previous path.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).cookie_path("/admin");
    /// # let _ = sessions;
    /// ```
    pub fn cookie_path(self, path: impl Into<String>) -> Self {
        self.set(|settings| settings.cookie.path = path.into())
    }

    /// Sets the domain of the cookie.
    ///
    /// By default the cookie has no domain, and browsers send it only to the host that set it. With
    /// a domain, browsers also send it to all hosts below that domain, and each of those hosts can
    /// plant a cookie. After a change, set [`previous_cookie`](Self::previous_cookie) to the cookie
    /// with the previous domain.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).cookie_domain("example.com");
    /// # let _ = sessions;
    /// ```
    pub fn cookie_domain(self, domain: impl Into<String>) -> Self {
        self.set(|settings| settings.cookie.domain = Some(domain.into()))
    }

    /// Sets the cookie's `SameSite` attribute, which limits the cookie on requests from other
    /// sites.
    ///
    /// The default is [`SameSite::Lax`].
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SameSite, SessionLayer};
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).same_site(SameSite::Strict);
    /// # let _ = sessions;
    /// ```
    pub fn same_site(self, same_site: SameSite) -> Self {
        self.set(|settings| settings.cookie.same_site = same_site)
    }

    /// Sets the cookie's `Secure` attribute, with which browsers send it over HTTPS only.
    ///
    /// The default is `true`. Chrome, Firefox and curl make an exception for `http://localhost`, so
    /// local development does not need `false` there. Safari makes no exception and needs `false`.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    ///
    /// let local = SessionLayer::new(MemoryStore::new()).secure(false);
    /// # let _ = local;
    /// ```
    pub fn secure(self, yes: bool) -> Self {
        self.set(|settings| settings.cookie.secure = yes)
    }

    /// Sets the cookie's `HttpOnly` attribute, which hides the cookie from scripts.
    ///
    /// The default is `true`.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).http_only(true);
    /// # let _ = sessions;
    /// ```
    pub fn http_only(self, yes: bool) -> Self {
        self.set(|settings| settings.cookie.http_only = yes)
    }

    /// Sets the cookie's `Partitioned` attribute (CHIPS).
    ///
    /// With it, an embedded page has a separate cookie for each site that embeds it. The default is
    /// `false`. After a change, set [`previous_cookie`](Self::previous_cookie) to the cookie as it
    /// was before.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SameSite, SessionLayer};
    ///
    /// let embedded = SessionLayer::new(MemoryStore::new())
    ///     .same_site(SameSite::None)
    ///     .partitioned(true);
    /// # let _ = embedded;
    /// ```
    pub fn partitioned(self, yes: bool) -> Self {
        self.set(|settings| settings.cookie.partitioned = yes)
    }

    /// Sets whether the cookie ends with the browser's session.
    ///
    /// If `true`, the cookie has no `Max-Age`. The server's timeouts still apply. The default is
    /// `false`.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).browser_session(true);
    /// # let _ = sessions;
    /// ```
    pub fn browser_session(self, yes: bool) -> Self {
        self.set(|settings| settings.cookie.browser_session = yes)
    }

    /// Accepts sessions from a cookie that the application set before it changed the cookie's name,
    /// domain, path or partition.
    ///
    /// By default, no previous cookie is accepted. Call it once for each previous cookie, at most 8
    /// times.
    ///
    /// A session that arrives in a previous cookie moves to the current one. The previous cookie is
    /// removed with the attributes that it had. The current cookie has precedence. Among previous
    /// cookies, the first configured one that holds exactly one id is used. If the request
    /// presented more than one id, the response to a login or a logout removes all previous
    /// cookies.
    ///
    /// If a previous cookie has the current cookie's name, their values are distinguished by a
    /// hint, as in `id~a1B2c3`. Earlier versions of the function ignore the hint.
    ///
    /// The previous cookie keeps its weaknesses as long as it is accepted: other hosts below its
    /// domain can plant one. Remove the setting when its sessions have ended. It has no effect
    /// together with [`id_header`](Self::id_header).
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    /// use lambda_sessions::layer::PreviousCookie;
    ///
    /// // From `sid` of all hosts under example.com to `__Host-sid`; from `session` even earlier.
    /// let sessions = SessionLayer::new(MemoryStore::new())
    ///     .previous_cookie(PreviousCookie::new("sid").domain("example.com"))
    ///     .previous_cookie("session");
    /// # let _ = sessions;
    /// ```
    pub fn previous_cookie(self, cookie: impl Into<PreviousCookie>) -> Self {
        self.set(|settings| settings.previous_cookies.push(cookie.into()))
    }

    /// Carries the id in a header of this name, in requests and responses, instead of a cookie.
    ///
    /// By default, the id is carried in a cookie. With a header, cookies are not accepted. The
    /// response to a logout has an empty value.
    ///
    /// With `Authorization`, requests carry `Authorization: Bearer <id>` ([RFC 6750]), and
    /// responses carry a new id in `X-SessionId`. The reason is that API Gateway and Function URLs
    /// rename a response's `Authorization` to `x-amzn-Remapped-Authorization`. An `Authorization`
    /// header of another scheme is ignored.
    ///
    /// A header that has a meaning to HTTP, to browsers or to AWS is rejected when the service is
    /// built. To let scripts of another origin read the response's header, name it in
    /// `Access-Control-Expose-Headers`. CloudFront forwards `Authorization` only if its cache
    /// policy names it.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).id_header("Authorization");
    /// # let _ = sessions;
    /// ```
    ///
    /// [RFC 6750]: https://www.rfc-editor.org/rfc/rfc6750#section-2.1
    pub fn id_header(self, name: impl Into<String>) -> Self {
        self.set(|settings| settings.header = Some(name.into()))
    }

    /// Sets the keys that sign ids.
    ///
    /// By default, ids are not signed. With keys, ids are signed with the first key, and an id is
    /// accepted only with a signature by one of the keys. A forged id then costs no call to the
    /// store. (An id is 256 random bits and cannot be guessed. Signatures only save the calls.)
    ///
    /// During a deployment, the old version of the function also serves requests, and it rejects
    /// signatures of a key that it does not have. Replace a key in steps, and deploy each step
    /// everywhere before the next one:
    ///
    /// 1. Append the new key last: `[old, new]`. All versions still sign with the old key.
    /// 2. Move it first: `[new, old]`. A client that presents a signature of the old key gets a new
    ///    signature. While both versions run, a client may get a new one several times.
    /// 3. Remove the old key: `[new]`. Sessions whose clients sent no request since step 2 are
    ///    lost, so wait for the [idle timeout](Self::idle_timeout) first.
    ///
    /// Roll back one step at a time.
    ///
    /// Once keys are configured, sessions that began without a signature are no longer accepted. If
    /// the keys are removed, signatures are ignored and sessions continue.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer, SigningKey};
    ///
    /// # fn layer(newest: [u8; 32], older: [u8; 32]) -> Result<SessionLayer<MemoryStore>, lambda_sessions::Error> {
    /// let keys = [SigningKey::new(newest)?, SigningKey::new(older)?];
    /// let sessions = SessionLayer::new(MemoryStore::new()).signing_keys(keys);
    /// # Ok(sessions)
    /// # }
    /// # layer([1; 32], [2; 32]).unwrap();
    /// ```
    pub fn signing_keys(self, keys: impl IntoIterator<Item = SigningKey>) -> Self {
        self.set(|settings| settings.signing_keys = Some(keys.into_iter().collect()))
    }

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

    /// Sets the time after which an unused session expires.
    ///
    /// The default is 14 days. It is counted in whole seconds and is at least one second. A session
    /// may expire earlier by up to the [touch interval](Self::touch_interval), even if its client
    /// writes, because only a touch moves the expiry.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    /// use std::time::Duration;
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).idle_timeout(Duration::from_secs(30 * 60));
    /// # let _ = sessions;
    /// ```
    pub fn idle_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.expiry.idle = timeout)
    }

    /// Sets the maximum age of a session, counted from its beginning.
    ///
    /// The default is 90 days. It is counted in whole seconds and is at least one second. Neither a
    /// touch nor a new id extends it. It may be shorter than the idle timeout: the earlier end
    /// applies.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    /// use std::time::Duration;
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).lifetime(Duration::from_secs(12 * 60 * 60));
    /// # let _ = sessions;
    /// ```
    pub fn lifetime(self, lifetime: Duration) -> Self {
        self.set(|settings| settings.expiry.lifetime = lifetime)
    }

    /// Sets how old the stored expiry may get before a request writes it again.
    ///
    /// The default is a tenth of the idle timeout, and at most one hour. Until the interval has
    /// passed, a request that only reads costs no write. The touch also sends the cookie again.
    ///
    /// A session may expire before its idle timeout by up to this interval. If the interval is as
    /// long as the idle timeout, the session is never extended. It is counted in whole seconds.
    /// Zero is valid and writes in every second in which the session is used.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    /// use std::time::Duration;
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).touch_interval(Duration::from_secs(60));
    /// # let _ = sessions;
    /// ```
    pub fn touch_interval(self, interval: Duration) -> Self {
        self.set(|settings| settings.expiry.touch = Some(interval))
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
        self.set(|settings| settings.expiry.renew = Some(interval))
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
        answer: impl Fn(&Error) -> Response<String> + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.on_error = Arc::new(answer))
    }

    /// Lists the live sessions that are [bound](Session::log_in) to a user, the most recently seen
    /// first.
    ///
    /// It is for an administrator's page or a job.
    ///
    /// ```
    /// # use lambda_sessions::{Error, MemoryStore, SessionLayer};
    /// # async fn f(sessions: SessionLayer<MemoryStore>, account: &str) -> Result<(), Error> {
    /// for info in sessions.user_sessions(account).await?.iter() {
    ///     println!("{}", info.label().unwrap_or("unknown device"));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`Session::user_sessions`], and with
    /// [`Misconfigured`](crate::ErrorKind::Misconfigured) if the user's id is empty.
    pub async fn user_sessions(&self, user: &str) -> Result<UserSessions, Error> {
        let user = self.settings.pseudonym(user)?;
        let at = self.moment();
        let listing = self.store.user_sessions(&user, at);
        let sessions = within(at.deadline(), CutOff::Read, listing).await?;
        Ok(sessions.in_order(None))
    }

    /// Ends all sessions that are [bound](Session::log_in) to a user ([ASVS 7.4][asvs]).
    ///
    /// Call it after a password was reset, an account was closed or a device was stolen.
    ///
    /// It covers every session whose login was acknowledged before the call began. No read that
    /// begins after the call has returned finds such a session. This holds on every instance,
    /// whatever its clock says, and also if a request cycles the id concurrently. A login that is
    /// in progress may survive.
    ///
    /// ```
    /// # use lambda_sessions::{Error, MemoryStore, SessionLayer};
    /// # async fn f(sessions: SessionLayer<MemoryStore>, account: &str) -> Result<(), Error> {
    /// sessions.revoke_user(account).await?;
    /// assert!(sessions.user_sessions(account).await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`Session::revoke_others`], and with
    /// [`Misconfigured`](crate::ErrorKind::Misconfigured) if the user's id is empty.
    ///
    /// [asvs]: https://github.com/OWASP/ASVS/blob/master/5.0/en/0x16-V7-Session-Management.md
    pub async fn revoke_user(&self, user: &str) -> Result<(), Error> {
        let user = self.settings.pseudonym(user)?;
        let at = self.moment();
        let revoking = self.store.revoke(&user, Revoked::All, at);
        within(at.deadline(), CutOff::Write, revoking).await
    }

    /// Returns the current time, with the deadline of the request whose handler calls, if there is
    /// one.
    fn moment(&self) -> RequestTime {
        RequestTime::at(self.settings.now()).until(deadline::current())
    }

    /// Makes a service of a handler that takes the session as its second argument.
    ///
    /// The service is for [`run`](crate::run), [`lambda_http::run`] and their siblings.
    ///
    /// The session is loaded first. If that fails, the handler is not called, and
    /// [`on_error`](Self::on_error) makes the response. The handler's changes are written if it
    /// returns `Ok` with a status below 500. Otherwise nothing is written, except a logout.
    ///
    /// The handler may borrow from `main`:
    ///
    /// ```
    /// use lambda_http::{Error, Request};
    /// use lambda_sessions::{MemoryStore, Session, SessionLayer};
    ///
    /// struct Greetings(&'static str);
    ///
    /// let greetings = Greetings("hello");
    /// let sessions = SessionLayer::new(MemoryStore::new());
    /// let service = sessions.wrap(|_request: Request, _session: Session| async {
    ///     Ok::<_, Error>(greetings.0)
    /// });
    /// # let _ = service;
    /// ```
    ///
    /// # Panics
    ///
    /// Panics with the reason if the settings are invalid: for example, if browsers would reject
    /// the cookie or a timeout is under one second. [`build`](Self::build) returns an error
    /// instead.
    pub fn wrap<H, F, R, E>(
        &self,
        handler: H,
    ) -> impl Service<lambda_http::Request, Response = Response<Body>, Error = E, Future: Send>
    + Clone
    + use<S, H, F, R, E>
    where
        S: Clone,
        H: Fn(lambda_http::Request, Session) -> F + Clone + Send,
        F: Future<Output = Result<R, E>> + Send,
        R: IntoResponse,
        E: Send,
    {
        let pipeline = self.pipeline();
        service_fn(move |request| {
            let (pipeline, handler) = (Arc::clone(&pipeline), handler.clone());
            pipeline.serve(request, handler)
        })
    }

    /// Validates the settings and returns the layer.
    ///
    /// After it, [`wrap`](Self::wrap) and [`layer`](Layer::layer) do not panic.
    ///
    /// ```
    /// use lambda_sessions::{ErrorKind, MemoryStore, SameSite, SessionLayer};
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).same_site(SameSite::Strict).build()?;
    /// # let _ = sessions;
    /// let embedded = SessionLayer::new(MemoryStore::new()).same_site(SameSite::None).secure(false);
    /// assert_eq!(embedded.build().unwrap_err().kind(), ErrorKind::Misconfigured);
    /// # Ok::<_, lambda_sessions::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](crate::ErrorKind::Misconfigured), and gives the reason, if the
    /// settings are invalid. Examples are a cookie that browsers would reject, a header that cannot
    /// carry an id, and a timeout under one second.
    pub fn build(self) -> Result<Self, Error> {
        self.settings.validate()?;
        Ok(self)
    }

    fn pipeline(&self) -> Arc<Pipeline<S>>
    where
        S: Clone,
    {
        match Pipeline::new(self.id.clone(), self.store.clone(), self.settings.clone()) {
            Ok(pipeline) => Arc::new(pipeline),
            Err(error) => panic!("{error}"),
        }
    }
}

impl<S> SessionLayer<S> {
    pub(crate) fn id(&self) -> &LayerId {
        &self.id
    }
}

impl<S: fmt::Debug> fmt::Debug for SessionLayer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer")
            .field("store", &self.store)
            .field("settings", &self.settings)
            .finish()
    }
}

/// Applies the layer to a service. It panics with the reason if the settings are invalid; see
/// [`SessionLayer::wrap`].
impl<S: SessionStore + Clone, Inner> Layer<Inner> for SessionLayer<S> {
    type Service = SessionService<S, Inner>;

    fn layer(&self, inner: Inner) -> Self::Service {
        SessionService::new(self.pipeline(), inner)
    }
}
