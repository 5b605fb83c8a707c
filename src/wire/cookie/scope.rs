//! A cookie scope of an application that serves several domains, and the function that chooses one
//! for each request.
//!
//! 1. A request chooses among scopes that were validated when the service was built. No text of a
//!    request becomes part of a cookie.
//! 2. The application's function runs before the request has a session, and so under no lock.

use std::fmt;
use std::sync::Arc;

use crate::wire::cookie::settings::CookieSettings;
use crate::wire::request_head::RequestHead;

/// A variant of the session's cookie for some of an application's domains.
///
/// [`SessionLayer::cookie_scopes`](crate::SessionLayer::cookie_scopes) chooses one for each
/// request. Attributes that are not set here are those of the layer.
///
/// ```
/// use lambda_sessions::layer::CookieScope;
///
/// let shop = CookieScope::new("shop").cookie_name("__Secure-sid").domain("shop.example");
/// let lan = CookieScope::new("lan").secure(false);
/// # let _ = (shop, lan);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a scope does nothing until a layer has it"]
pub struct CookieScope {
    pub(super) name: String,
    cookie_name: Option<String>,
    domain: Option<String>,
    secure: Option<bool>,
}

impl CookieScope {
    /// Creates a scope that the application's function chooses by this name.
    ///
    /// Clients never see the name of a scope.
    ///
    /// ```
    /// let lan = lambda_sessions::layer::CookieScope::new("lan").secure(false);
    /// # let _ = lan;
    /// ```
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            cookie_name: None,
            domain: None,
            secure: None,
        }
    }

    /// Sets the cookie's name in this scope.
    ///
    /// The default is the layer's [`cookie_name`](crate::SessionLayer::cookie_name). If the layer
    /// has none either, it is `__Host-sid`, or `sid` if the scope rules out that prefix.
    ///
    /// ```
    /// use lambda_sessions::layer::CookieScope;
    ///
    /// let shop = CookieScope::new("shop").domain("shop.example").cookie_name("__Secure-sid");
    /// # let _ = shop;
    /// ```
    pub fn cookie_name(mut self, name: impl Into<String>) -> Self {
        self.cookie_name = Some(name.into());
        self
    }

    /// Sets the cookie's domain in this scope.
    ///
    /// The default is the layer's [`cookie_domain`](crate::SessionLayer::cookie_domain).
    ///
    /// ```
    /// let shop = lambda_sessions::layer::CookieScope::new("shop").domain("shop.example");
    /// # let _ = shop;
    /// ```
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Sets whether the cookie is `Secure` in this scope.
    ///
    /// The default is the layer's [`secure`](crate::SessionLayer::secure).
    ///
    /// ```
    /// let lan = lambda_sessions::layer::CookieScope::new("lan").secure(false);
    /// # let _ = lan;
    /// ```
    pub fn secure(mut self, yes: bool) -> Self {
        self.secure = Some(yes);
        self
    }

    /// Returns the settings of the cookie in this scope. `layer` has those that the scope does not
    /// set.
    pub(super) fn resolve(&self, layer: &CookieSettings) -> CookieSettings {
        let mut cookie = layer.clone();
        if self.cookie_name.is_some() {
            cookie.name.clone_from(&self.cookie_name);
        }
        if self.domain.is_some() {
            cookie.domain.clone_from(&self.domain);
        }
        cookie.secure = self.secure.unwrap_or(cookie.secure);
        cookie
    }
}

/// The choice of the application's function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The layer's own cookie.
    Default,
    /// The scope at this position.
    Scope(usize),
    /// A scope that does not exist.
    Unknown,
}

type Choose = dyn Fn(&RequestHead<'_>) -> Choice + Send + Sync;

/// The scopes of a layer, before they are validated, and the function that chooses one.
#[derive(Clone)]
pub(crate) struct ScopeSettings {
    pub(super) scopes: Vec<CookieScope>,
    choose: Arc<Choose>,
}

impl ScopeSettings {
    /// Creates the settings. The function returns the name of a scope.
    pub(crate) fn new<N: AsRef<str>>(
        scopes: Vec<CookieScope>,
        choose: impl Fn(&RequestHead<'_>) -> Option<N> + Send + Sync + 'static,
    ) -> Self {
        let names: Vec<String> = scopes.iter().map(|scope| scope.name.clone()).collect();
        let choose = move |request: &RequestHead<'_>| match choose(request) {
            None => Choice::Default,
            Some(chosen) => names
                .iter()
                .position(|name| name == chosen.as_ref())
                .map_or(Choice::Unknown, Choice::Scope),
        };
        Self {
            scopes,
            choose: Arc::new(choose),
        }
    }

    /// Calls the application's function.
    pub(super) fn choose(&self, request: &RequestHead<'_>) -> Choice {
        (self.choose)(request)
    }
}

impl fmt::Debug for ScopeSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeSettings")
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}
