//! The settings of how the id travels: the cookie and its scopes, the header beside it or instead of
//! it, and signatures.

use cookie::SameSite;

use crate::layer::session_layer::SessionLayer;
use crate::store::session_store::SessionStore;
use crate::wire::carrier::Carriers;
use crate::wire::cookie::previous::PreviousCookie;
use crate::wire::cookie::scope::{CookieScope, ScopeSettings};
use crate::wire::request_head::RequestHead;
use crate::wire::signing::SigningKey;

impl<S: SessionStore> SessionLayer<S> {
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
    /// `false`. One session can differ, by [`Session::set_persistent`](crate::Session::set_persistent).
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
    /// carried more than one id and none was accepted, the response to a login or a logout removes
    /// all previous cookies.
    ///
    /// If a previous cookie has the current cookie's name, their values are distinguished by a
    /// hint, as in `id~a1B2c3`. Earlier versions of the function ignore the hint.
    ///
    /// The previous cookie keeps its weaknesses as long as it is accepted: other hosts below its
    /// domain can plant one. Remove the setting when its sessions have ended. It has no effect
    /// together with [`id_header_only`](Self::id_header_only).
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

    /// Lets each request choose the scope of its cookie, for an application that serves several
    /// domains.
    ///
    /// By default, the cookie has the same attributes in every response. The function returns the
    /// name of one of these scopes, or `None` for the layer's own cookie. A name that is not among
    /// the scopes means the layer's own cookie too, and is logged once. The cookie is read, set and
    /// removed in that scope.
    ///
    /// The scopes are validated when the service is built, so no text of a request becomes part of a
    /// cookie. A client can send any `Host`: compare it with the hosts that are yours. The
    /// function is called once for each request, before the handler.
    ///
    /// A scope does not separate sessions: an id is valid in every scope. Use layers of different
    /// [`audience`](Self::audience)s for that. The setting has no effect with
    /// [`id_header_only`](Self::id_header_only).
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    /// use lambda_sessions::layer::{CookieScope, RequestHead};
    ///
    /// fn scope(request: &RequestHead<'_>) -> Option<&'static str> {
    ///     match request.host().as_deref() {
    ///         Some("shop.example" | "www.shop.example") => Some("shop"),
    ///         Some("192.168.1.10") => Some("lan"),
    ///         _ => None, // `__Host-sid`, over HTTPS only
    ///     }
    /// }
    ///
    /// let shop = CookieScope::new("shop").cookie_name("__Secure-sid").domain("shop.example");
    /// let lan = CookieScope::new("lan").secure(false); // `sid`, also over HTTP
    /// let sessions = SessionLayer::new(MemoryStore::new()).cookie_scopes([shop, lan], scope);
    /// # sessions.build().unwrap();
    /// ```
    pub fn cookie_scopes<N: AsRef<str>>(
        self,
        scopes: impl IntoIterator<Item = CookieScope>,
        choose: impl Fn(&RequestHead<'_>) -> Option<N> + Send + Sync + 'static,
    ) -> Self {
        let scopes = ScopeSettings::new(scopes.into_iter().collect(), choose);
        self.set(|settings| settings.cookie_scopes = Some(scopes))
    }

    /// Carries the id in a header of this name too, for clients that keep no cookies.
    ///
    /// By default, the id is carried in the cookie alone. With this setting, one function serves
    /// browsers and apps:
    ///
    /// | The request has | The response sets or removes the id in |
    /// |---|---|
    /// | the cookie | the cookie |
    /// | the header | the header; a removed id is an empty value |
    /// | both, with one id | both |
    /// | both, with different values | both; neither value is accepted, which is logged |
    /// | neither, and `Sec-Fetch-Site`, as from a browser | the cookie |
    /// | neither | both |
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
    /// Requests with the cookie can be forged by other sites, and those with the header alone
    /// cannot: see [`id_header_only`](Self::id_header_only). The later call of the two applies.
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
        self.set(|settings| settings.carriers = Carriers::Both(name.into()))
    }

    /// Carries the id in a header of this name instead of the cookie.
    ///
    /// By default, the id is carried in the cookie. With this setting, cookies are neither accepted
    /// nor sent, and other sites cannot forge requests. The names that are accepted, and the meaning
    /// of `Authorization`, are those of [`id_header`](Self::id_header).
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    ///
    /// let api = SessionLayer::new(MemoryStore::new()).id_header_only("X-SessionId");
    /// # let _ = api;
    /// ```
    pub fn id_header_only(self, name: impl Into<String>) -> Self {
        self.set(|settings| settings.carriers = Carriers::Header(name.into()))
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
    /// 2. Move it first: `[new, old]`. A client that sends a signature of the old key gets a new
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
}
