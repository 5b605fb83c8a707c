//! A cookie that an earlier version of the application set.

use cookie::SameSite;

use crate::error::Error;
use crate::wire::cookie::session_cookie::SessionCookie;
use crate::wire::cookie::settings::CookieSettings;

/// A cookie that the session had before its name, domain, path or partition was changed.
///
/// [`SessionLayer::previous_cookie`](crate::SessionLayer::previous_cookie) accepts a session from
/// it, moves the session to the current cookie and removes this one. A browser removes a cookie
/// only if it gets the attributes that the cookie was set with, so they must be given here
/// unchanged.
///
/// ```
/// use lambda_sessions::{MemoryStore, SessionLayer};
/// use lambda_sessions::layer::PreviousCookie;
///
/// // `sid` of all hosts under example.com becomes `__Host-sid`.
/// let before = PreviousCookie::new("sid").domain("example.com");
/// let sessions = SessionLayer::new(MemoryStore::new()).previous_cookie(before);
/// # let _ = sessions;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a previous cookie does nothing until a layer has it"]
pub struct PreviousCookie {
    name: String,
    domain: Option<String>,
    path: String,
    partitioned: bool,
    secure: Option<bool>,
}

impl PreviousCookie {
    /// Creates a previous cookie with this name.
    ///
    /// By default, it has no domain, its path is `/`, it is not partitioned, and it is `Secure` if
    /// the current cookie is.
    ///
    /// ```
    /// let before = lambda_sessions::layer::PreviousCookie::new("session");
    /// # let _ = before;
    /// ```
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            domain: None,
            path: "/".to_owned(),
            partitioned: false,
            secure: None,
        }
    }

    /// Sets the domain that the cookie had.
    ///
    /// By default, it had no domain.
    ///
    /// ```
    /// let before = lambda_sessions::layer::PreviousCookie::new("sid").domain("example.com");
    /// # let _ = before;
    /// ```
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Sets the path that the cookie had.
    ///
    /// The default is `/`.
    ///
    /// ```
    /// let before = lambda_sessions::layer::PreviousCookie::new("sid").path("/app");
    /// # let _ = before;
    /// ```
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets whether the cookie was `Partitioned`.
    ///
    /// The default is `false`. A browser that does not know the attribute treats a partitioned
    /// cookie and its unpartitioned predecessor as the same cookie. Its user has to log in again.
    ///
    /// ```
    /// let before = lambda_sessions::layer::PreviousCookie::new("__Host-sid").partitioned(true);
    /// # let _ = before;
    /// ```
    pub fn partitioned(mut self, yes: bool) -> Self {
        self.partitioned = yes;
        self
    }

    /// Sets whether the cookie was `Secure`.
    ///
    /// The default is the layer's [`secure`](crate::SessionLayer::secure).
    ///
    /// ```
    /// let before = lambda_sessions::layer::PreviousCookie::new("sid").secure(false);
    /// # let _ = before;
    /// ```
    pub fn secure(mut self, yes: bool) -> Self {
        self.secure = Some(yes);
        self
    }

    /// Returns the cookie to remove. Browsers accept its removal if they accept `current`.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](crate::ErrorKind::Misconfigured) if no browser can have the
    /// cookie.
    pub(super) fn resolve(&self, current: &CookieSettings) -> Result<SessionCookie, Error> {
        let secure = self.secure.unwrap_or(current.secure);
        SessionCookie::new(&CookieSettings {
            name: Some(self.name.clone()),
            path: self.path.clone(),
            domain: self.domain.clone(),
            // Embedded pages may only set, and so only remove, cookies with `SameSite=None`, which
            // requires `Secure`.
            same_site: match current.same_site {
                SameSite::None if !secure => SameSite::Lax,
                same_site => same_site,
            },
            secure,
            // A prefix may require it, and a removal by a response works with it in any case.
            http_only: true,
            partitioned: self.partitioned,
            browser_session: false,
        })
    }
}

/// Creates a previous cookie with this name and the defaults of [`PreviousCookie::new`].
impl From<&str> for PreviousCookie {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

/// Creates a previous cookie with this name and the defaults of [`PreviousCookie::new`].
impl From<String> for PreviousCookie {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}
