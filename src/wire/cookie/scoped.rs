//! The cookies of a layer: its own, and one for each further scope of which a request chooses.

use std::sync::Once;

#[cfg(feature = "flask")]
use http::HeaderMap;

use crate::error::{Error, ErrorKind};
use crate::wire::cookie::cookies::Cookies;
use crate::wire::cookie::previous::PreviousCookie;
use crate::wire::cookie::scope::{Choice, ScopeSettings};
use crate::wire::cookie::settings::CookieSettings;
use crate::wire::received::Scope;
use crate::wire::request_head::RequestHead;

/// The cookies of all scopes. Browsers accept each of them.
#[derive(Clone, Debug)]
pub(crate) struct ScopedCookies {
    /// The cookies of the layer itself.
    default: Cookies,
    /// The cookies of the further scopes, in the order of the settings.
    others: Vec<Cookies>,
    settings: Option<ScopeSettings>,
}

impl ScopedCookies {
    /// Creates the cookies of all scopes.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) like [`Cookies::new`]. The message
    /// names the scope. It also fails if two scopes have the same name.
    pub(crate) fn new(
        cookie: &CookieSettings,
        scopes: Option<&ScopeSettings>,
        previous: &[PreviousCookie],
    ) -> Result<Self, Error> {
        let Some(settings) = scopes else {
            return Ok(Self {
                default: Cookies::new(cookie, previous)?,
                others: Vec::new(),
                settings: None,
            });
        };
        let mut others = Vec::new();
        for (position, scope) in settings.scopes.iter().enumerate() {
            let misconfigured = |reason: &str| {
                let name = scope.name.escape_default();
                let reason = format!("invalid cookie scope `{name}`: {reason}");
                Error::new(ErrorKind::Misconfigured, reason)
            };
            let mut before = settings.scopes[..position].iter();
            if before.any(|other| other.name == scope.name) {
                return Err(misconfigured("two scopes have this name"));
            }
            let cookies = Cookies::of_scope(&scope.resolve(cookie), cookie, previous);
            others.push(cookies.map_err(|error| misconfigured(error.message()))?);
        }
        Ok(Self {
            default: Cookies::of_scope(cookie, cookie, previous)?,
            others,
            settings: Some(settings.clone()),
        })
    }

    /// Adds the cookie of a predecessor to each scope.
    ///
    /// # Errors
    ///
    /// Fails like [`Cookies::with_foreign`].
    #[cfg(feature = "flask")]
    pub(crate) fn with_foreign(
        mut self,
        settings: &CookieSettings,
        cookie: &PreviousCookie,
        keeps: bool,
    ) -> Result<Self, Error> {
        let with = |cookies: Cookies| cookies.with_foreign(settings, cookie, keeps);
        self.default = with(self.default)?;
        self.others = self
            .others
            .into_iter()
            .map(with)
            .collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// Returns the values of a predecessor's cookie.
    #[cfg(feature = "flask")]
    pub(crate) fn foreign_values<'a>(
        &'a self,
        headers: &'a HeaderMap,
    ) -> impl Iterator<Item = &'a [u8]> {
        self.default.foreign_values(headers)
    }

    /// Returns the scope that the application's function chooses for a request. If it names none
    /// that exists, this is the default one.
    pub(crate) fn choose(&self, request: &RequestHead<'_>) -> Scope {
        let Some(settings) = &self.settings else {
            return Scope::default();
        };
        match settings.choose(request) {
            Choice::Default => Scope::default(),
            Choice::Scope(position) => Scope::at(position),
            Choice::Unknown => {
                warn_of_unknown_scope();
                Scope::default()
            }
        }
    }

    /// Returns the cookies of a scope.
    pub(crate) fn of(&self, scope: Scope) -> &Cookies {
        let other = scope.position().and_then(|at| self.others.get(at));
        other.unwrap_or(&self.default)
    }
}

/// Warns once, because clients may cause it: a function may return the host of the request.
fn warn_of_unknown_scope() {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        tracing::warn!(
            "the function of cookie_scopes named a scope that does not exist: \
             the layer's own cookie is used (this is logged once)"
        );
    });
}

#[cfg(test)]
mod tests;
