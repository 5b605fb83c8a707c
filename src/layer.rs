//! [`SessionLayer`]: what an application sets up, and where its handlers get their sessions from.
//!
//! 1. [`wrap`](SessionLayer::wrap) is for `lambda_http`: the session is the handler's second
//!    argument, loaded before it runs.
//! 2. As a [`tower_layer::Layer`] it fits any `http` service: the session is loaded when it is
//!    asked for, and a request that never asks costs nothing.
//! 3. Nested layers each have their own session, cookie and store. The same layer, applied twice, has
//!    one session, and the outermost commits it.
//! 4. Settings that cannot work are found when the service is built, during init, and not by the
//!    first request.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cookie::SameSite;
use http::Response;
use lambda_http::{Body, IntoResponse, Service, service_fn};
use tower_layer::Layer;

use crate::budget::{self, Lost, within};
use crate::config::{Settings, Variables};
use crate::cookie::PreviousCookie;
use crate::error::Error;
use crate::request::LayerId;
use crate::service::Pipeline;
use crate::session::Session;
use crate::signing::SigningKey;
use crate::store::dynamodb::DynamoDbStore;
use crate::store::{Moment, SessionStore};
use crate::tower::SessionService;
use crate::user::{Revoked, UserSessions};

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
pub struct SessionLayer<S = DynamoDbStore> {
    id: LayerId,
    store: S,
    settings: Settings,
}

impl SessionLayer {
    /// Sessions in DynamoDB as the environment says: the `SESSION_*` variables, and the AWS
    /// environment for the client. Call it once, before `run`: one client serves all requests.
    ///
    /// # Errors
    ///
    /// [`Misconfigured`](crate::ErrorKind::Misconfigured), naming the variable, for a value that
    /// does not parse, and for a cookie that browsers would refuse. A DynamoDB that cannot be
    /// reached is no error here: the first request that needs it says so.
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
    /// Sessions in this store, with every setting at its default. No variable is read.
    pub fn new(store: S) -> Self {
        Self {
            id: LayerId::default(),
            store,
            settings: Settings::default(),
        }
    }

    /// A layer with another setting is another layer: its requests may have other sessions.
    fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut self.settings);
        self.id = LayerId::default();
        self
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Default: `__Host-sid`; `sid` where a domain, a path or the lack of `Secure` forbids that
    /// prefix. The cookie's name. After a change, [`previous_cookie`](Self::previous_cookie) names the
    /// one before.
    pub fn cookie_name(self, name: impl Into<String>) -> Self {
        self.set(|settings| settings.cookie.name = Some(name.into()))
    }

    /// Default: `/`. The path under which browsers send the cookie. After a change,
    /// [`previous_cookie`](Self::previous_cookie) names the one before.
    pub fn cookie_path(self, path: impl Into<String>) -> Self {
        self.set(|settings| settings.cookie.path = path.into())
    }

    /// Default: none, so that the cookie goes to the host that set it and to no other. With a
    /// domain it goes to all hosts below it too, and each of them can plant one. After a change,
    /// [`previous_cookie`](Self::previous_cookie) names the one before.
    pub fn cookie_domain(self, domain: impl Into<String>) -> Self {
        self.set(|settings| settings.cookie.domain = Some(domain.into()))
    }

    /// Default: [`SameSite::Lax`]. Whether other sites' requests carry the cookie.
    pub fn same_site(self, same_site: SameSite) -> Self {
        self.set(|settings| settings.cookie.same_site = same_site)
    }

    /// Default: `true`. Whether the cookie goes over HTTPS alone. Chrome, Firefox and curl make an
    /// exception for `http://localhost`, so local development needs no `false` there; Safari does.
    pub fn secure(self, yes: bool) -> Self {
        self.set(|settings| settings.cookie.secure = yes)
    }

    /// Default: `true`. Whether the cookie is kept from scripts.
    pub fn http_only(self, yes: bool) -> Self {
        self.set(|settings| settings.cookie.http_only = yes)
    }

    /// Default: `false`. Whether an embedded page has a cookie of its own for each site that
    /// embeds it (CHIPS). After a change, [`previous_cookie`](Self::previous_cookie) names the one
    /// before.
    pub fn partitioned(self, yes: bool) -> Self {
        self.set(|settings| settings.cookie.partitioned = yes)
    }

    /// Default: `false`. Whether the cookie ends with the browser's session: it has no `Max-Age`
    /// then. The server's timeouts hold all the same.
    pub fn browser_session(self, yes: bool) -> Self {
        self.set(|settings| settings.cookie.browser_session = yes)
    }

    /// Accepts sessions under a cookie that the application set before its name, domain, path or
    /// partition was changed. The default is none; several may be named, at most 8.
    ///
    /// A session that comes in a previous cookie moves to the current one, and the previous cookie is
    /// removed by the attributes that it had. The current cookie counts first. Among previous ones,
    /// the first that is configured and holds one id counts. A response to a login or a logout removes
    /// them all if the request presented more than one id.
    ///
    /// Where a previous cookie has the current one's name, values are told apart by a hint, as in
    /// `id~a1B2c3`. Versions of the function from before ignore it.
    ///
    /// The previous cookie keeps its weaknesses as long as it is accepted: other hosts below its
    /// domain can plant one. Remove the setting when its sessions have ended. It has no effect together
    /// with [`header`](Self::id_header).
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, PreviousCookie, SessionLayer};
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

    /// Carries the id in a header of this name, both ways, instead of a cookie. The default is none.
    /// A cookie is not accepted then. A logout answers with an empty value.
    ///
    /// With `Authorization`, requests carry `Authorization: Bearer <id>` ([RFC 6750]), and responses
    /// carry a new id in `X-SessionId`: API Gateway and Function URLs rename a response's
    /// `Authorization` to `x-amzn-Remapped-Authorization`. An `Authorization` of another scheme is
    /// ignored.
    ///
    /// A header that means something to HTTP, to browsers or to AWS is refused when the service is
    /// built. To let the scripts of another origin read the response's header, name it in
    /// `Access-Control-Expose-Headers`. CloudFront forwards `Authorization` only if its cache policy
    /// names it.
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

    /// Default: none, so that ids are not signed. Signs the id with the first of these keys, and
    /// accepts an id only with the signature of one of them: a forged id costs no call to the store.
    /// (It is 256 random bits, so nobody guesses one; this spares the calls.)
    ///
    /// While a new version of the function is deployed, the old one serves requests too, and it
    /// refuses what a key that it lacks has signed. Replace a key in steps, each of them deployed
    /// everywhere before the next one begins:
    ///
    /// 1. Append the new key last: `[old, new]`. All versions go on signing with the old one.
    /// 2. Move it first: `[new, old]`. A client that presents a signature of the old key gets a new
    ///    one. While both versions run, a client may get a new one several times.
    /// 3. Remove the old key: `[new]`. Sessions whose clients sent no request since step 2 are lost,
    ///    so wait for the [idle timeout](Self::idle_timeout).
    ///
    /// A rollback goes back one step at a time.
    ///
    /// Once keys are configured, sessions that were begun without are not accepted any more; once they
    /// are not, signatures are passed over, and sessions go on.
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

    /// Default: none. Keys the hash by which the store knows a [user](Session::log_in):
    /// HMAC-SHA256 instead of SHA-256. Without a key whoever has the table can try all ids that
    /// there may be, such as a list of mail addresses or all small numbers; with one, only who has
    /// the key too.
    ///
    /// With another key all sessions are nobody's: they live on, but can be neither listed nor
    /// revoked by their user's id.
    pub fn user_hash_key(self, key: SigningKey) -> Self {
        self.set(|settings| settings.user_hash_key = Some(key))
    }

    /// Sets the name of the application, for a table that several applications use. The default is
    /// none. Sessions are found by the application that began them and by no other, and so are the
    /// sessions of a [user](Session::log_in): the name is hashed with the id, at no further call.
    ///
    /// Without it two functions on one table accept each other's cookies. With another name all
    /// sessions from before are unknown.
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

    /// Default: 14 days. How long a session lives that nobody uses. Whole seconds; one at least. It may
    /// end earlier by the [touch interval](Self::touch_interval), also for a client that writes: only
    /// a touch moves the expiry.
    pub fn idle_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.expiry.idle = timeout)
    }

    /// Default: 90 days. How long a session lives at most, counted from its beginning; touches and
    /// renewals do not prolong it. Whole seconds; one at least. It may be shorter than the idle
    /// timeout: the earlier end counts.
    pub fn lifetime(self, lifetime: Duration) -> Self {
        self.set(|settings| settings.expiry.lifetime = lifetime)
    }

    /// Default: a tenth of the idle timeout, an hour at most. How stale the stored expiry may get
    /// before a request writes it anew, and sends the cookie again: a read costs no write before
    /// that. A session may end so much before its idle timeout; with an interval as long as that it
    /// is never prolonged. Whole seconds; zero is valid, and writes in every second in which the
    /// session is used.
    pub fn touch_interval(self, interval: Duration) -> Self {
        self.set(|settings| settings.expiry.touch = Some(interval))
    }

    /// Default: none, so that an id changes only where a handler says so. How old an id may get
    /// before the session is given a new one, at the end of a request that has read it and succeeded
    /// ([OWASP][owasp]). A stolen id is worth nothing after that.
    ///
    /// The requests that a page sends at once do not hurt each other: for 60 seconds the id before
    /// still leads to the session, for reads and for writes, but it is not renewed, and not given to
    /// the client again. After a [`cycle_id`](Session::cycle_id), which is for logins, it never does.
    /// Whole seconds; one at least. A renewal is one `TransactWriteItems`.
    ///
    /// A client that never gets the response with its new id, since its connection broke, has to log
    /// in again after those 60 seconds: an interval of hours costs fewer of them than one of minutes.
    ///
    /// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#renewal-timeout
    pub fn cycle_id_after(self, interval: Duration) -> Self {
        self.set(|settings| settings.expiry.renew = Some(interval))
    }

    /// Default: 65,536. How many bytes the keys and JSON values of a session may have; a save that makes
    /// it grow beyond that fails with [`TooLarge`](crate::ErrorKind::TooLarge) and writes nothing.
    /// Requests that write at once may take it further together, and a write without a read is measured
    /// by itself alone. A session that is over the limit may shrink or stay as large, and a login may
    /// grow it to twice the limit: nobody is locked out. DynamoDB
    /// holds no more than 400 KB in an item, and bills a write unit for each KB.
    pub fn max_size(self, bytes: usize) -> Self {
        self.set(|settings| settings.max_size = bytes)
    }

    /// Default: the system's clock. The time, for tests of what expires.
    pub fn clock(self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.clock = Arc::new(clock))
    }

    /// Default: 503 for a store that cannot be reached (with `Retry-After: 1` where trying again
    /// may help), 409 for a session that changed in the meantime, 500 for the rest, each with
    /// `Cache-Control: no-store`. What a client gets when its session fails.
    ///
    /// It answers when a load or a save fails, and when a handler returns an error that one of its
    /// session's methods returned, in whatever type. Any other error is the handler's own answer. (An
    /// error that the handler has put aside elsewhere counts as returned.) Nothing is added to this answer, and it carries no cookie, whatever the
    /// handler had set.
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

    /// The live sessions that are [bound](Session::log_in) to a user, the last seen first: for an
    /// administrator's page, or a job.
    ///
    /// # Errors
    ///
    /// As of [`Session::user_sessions`]; [`Misconfigured`](crate::ErrorKind::Misconfigured) also for
    /// an empty id.
    pub async fn user_sessions(&self, user: &str) -> Result<UserSessions, Error> {
        let user = self.settings.pseudonym(user)?;
        let at = self.moment();
        let listing = self.store.user_sessions(&user, at);
        let sessions = within(at.deadline(), Lost::Read, listing).await?;
        Ok(sessions.in_order(None))
    }

    /// Ends all sessions that are [bound](Session::log_in) to a user: after a password was reset,
    /// an account was closed or a device was stolen ([ASVS 7.4][asvs]).
    ///
    /// Every session whose login was acknowledged before this began is dead for every read that
    /// begins after it has returned, also if a request renews it meanwhile, on whatever instance and
    /// whatever its clock says. A login that is under way may live on.
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
    /// As of [`Session::revoke_others`]; [`Misconfigured`](crate::ErrorKind::Misconfigured) also for
    /// an empty id.
    ///
    /// [asvs]: https://github.com/OWASP/ASVS/blob/master/5.0/en/0x16-V7-Session-Management.md
    pub async fn revoke_user(&self, user: &str) -> Result<(), Error> {
        let user = self.settings.pseudonym(user)?;
        let at = self.moment();
        let revoking = self.store.revoke(&user, Revoked::All, at);
        within(at.deadline(), Lost::Write, revoking).await
    }

    /// Now, until the deadline of the request whose handler asks, if one does.
    fn moment(&self) -> Moment {
        Moment::at(self.settings.now()).until(budget::current())
    }

    /// Makes a service for [`run`](crate::run), [`lambda_http::run`] and their siblings of a handler that takes the
    /// session as its second argument.
    ///
    /// The session is loaded first; if that fails the handler is not called, and
    /// [`on_error`](Self::on_error) answers. What the handler changed is written when it has
    /// returned `Ok` with a status below 500. Otherwise nothing is, but a logout.
    ///
    /// The handler may borrow what lives in `main`:
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
    /// If the settings cannot work, with the reason: a cookie that browsers would refuse, a timeout
    /// of under a second.
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

    /// Checks the settings, and returns the layer if they can work. [`wrap`](Self::wrap) and
    /// [`layer`](Layer::layer) of a layer that was checked do not panic.
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
    /// [`Misconfigured`](crate::ErrorKind::Misconfigured) with the reason: a cookie that browsers would
    /// refuse, a header that cannot carry an id, a timeout of under a second.
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

/// Panics if the settings cannot work, with the reason; see [`SessionLayer::wrap`].
impl<S: SessionStore + Clone, Inner> Layer<Inner> for SessionLayer<S> {
    type Service = SessionService<S, Inner>;

    fn layer(&self, inner: Inner) -> Self::Service {
        SessionService::new(self.pipeline(), inner)
    }
}
