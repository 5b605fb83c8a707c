//! One cookie that browsers accept, with its values in requests and its `Set-Cookie` header.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::time::{Duration, OffsetDateTime};
use cookie::{Cookie, SameSite};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind};
use crate::wire::cookie::settings::CookieSettings;
use crate::wire::cookie::syntax::{is_domain, is_name, is_path, pair};
use crate::wire::hints::SCOPE_HINT_CHARS;

/// The default name if the attributes allow its prefix.
const DEFAULT_NAME: &str = "__Host-sid";
/// The default name if the attributes do not allow a prefix.
const PLAIN_NAME: &str = "sid";
/// The longest time for which browsers keep a cookie (RFC 6265bis, 5.5).
const MAX_AGE_SECONDS: u64 = 400 * 24 * 60 * 60;

/// The time for which a client keeps its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) seconds: u64,
    /// True or false if the cookie outlives the browser or does not, whatever the layer says.
    pub(crate) persistent: Option<bool>,
}

#[cfg(test)]
impl Kept {
    /// Returns the time of a cookie whose persistence the layer decides.
    pub(crate) const fn seconds(seconds: u64) -> Self {
        Self {
            seconds,
            persistent: None,
        }
    }
}

/// A cookie that browsers keep.
#[derive(Clone, Debug)]
pub(crate) struct SessionCookie {
    name: String,
    settings: CookieSettings,
}

impl SessionCookie {
    /// Creates a cookie with these settings.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) and the reason if browsers would
    /// reject the cookie, or if it would break the header.
    pub(super) fn new(settings: &CookieSettings) -> Result<Self, Error> {
        let name = match &settings.name {
            Some(name) => name.clone(),
            None if allows_host_prefix(settings) => DEFAULT_NAME.to_owned(),
            None => PLAIN_NAME.to_owned(),
        };
        match problem(&name, settings) {
            None => Ok(Self {
                name,
                settings: settings.clone(),
            }),
            Some(reason) => {
                let reason = format!("invalid cookie `{}`: {reason}", name.escape_default());
                Err(Error::new(ErrorKind::Misconfigured, reason))
            }
        }
    }

    /// Returns the values of this cookie in the `Cookie` headers. HTTP/2 may split one header into
    /// several.
    pub(super) fn read<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a [u8]> {
        headers
            .get_all(COOKIE)
            .iter()
            .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'))
            .filter_map(pair)
            .filter_map(|(name, value)| (name == self.name.as_bytes()).then_some(value))
    }

    /// Returns the header that sets this value, to be kept as long as `kept` says.
    pub(super) fn issue(&self, value: &str, kept: Kept) -> HeaderValue {
        let mut cookie = self.bare(value);
        if kept.persistent.unwrap_or(!self.settings.browser_session) {
            let seconds = kept.seconds.min(MAX_AGE_SECONDS);
            cookie.set_max_age(Duration::seconds(seconds.cast_signed()));
        }
        header_value(&cookie)
    }

    /// Returns the header that removes the cookie from the client.
    pub(super) fn removal(&self) -> HeaderValue {
        let mut cookie = self.bare("");
        cookie.set_max_age(Duration::ZERO);
        cookie.set_expires(OffsetDateTime::UNIX_EPOCH);
        header_value(&cookie)
    }

    /// Returns whether a `Set-Cookie` header of a handler sets this cookie: the name, the domain
    /// and the path are the same. A header without a path has the request's path, which may be this
    /// one.
    pub(super) fn is_set_by(&self, header: &HeaderValue) -> bool {
        let mut parts = header.as_bytes().split(|byte| *byte == b';');
        if parts.next().and_then(pair).map(|(name, _)| name) != Some(self.name.as_bytes()) {
            return false;
        }
        let (mut domain, mut path) = (&b""[..], &b""[..]);
        // If an attribute occurs twice, the last one counts.
        for (name, value) in parts.filter_map(pair) {
            if name.eq_ignore_ascii_case(b"domain") {
                domain = value;
            } else if name.eq_ignore_ascii_case(b"path") {
                path = value;
            }
        }
        let domain = domain.strip_prefix(b".").unwrap_or(domain);
        domain.eq_ignore_ascii_case(self.domain().as_bytes())
            && (!path.starts_with(b"/") || path == self.settings.path.as_bytes())
    }

    /// Returns the name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether the two have the same name.
    pub(super) fn has_name_of(&self, other: &Self) -> bool {
        self.name == other.name
    }

    /// Returns whether browsers treat the two as the same cookie.
    pub(super) fn has_scope_of(&self, other: &Self) -> bool {
        self.has_name_of(other)
            && self.domain().eq_ignore_ascii_case(other.domain())
            && self.settings.path == other.settings.path
            && self.settings.partitioned == other.settings.partitioned
    }

    /// Returns a hint of the scope, for values of a name that has another scope as well.
    pub(super) fn scope_hint(&self) -> String {
        let scope = format!(
            "{}\n{}\n{}",
            self.domain().to_ascii_lowercase(),
            self.settings.path,
            self.settings.partitioned
        );
        let mut hint = URL_SAFE_NO_PAD.encode(Sha256::digest(scope));
        hint.truncate(SCOPE_HINT_CHARS);
        hint
    }

    /// Returns the domain without its leading dot, or an empty text for a cookie of one host.
    fn domain(&self) -> &str {
        let domain = self.settings.domain.as_deref().unwrap_or_default();
        domain.strip_prefix('.').unwrap_or(domain)
    }

    /// Returns the cookie with this value and the attributes that do not change.
    fn bare<'a>(&'a self, value: &'a str) -> Cookie<'a> {
        let settings = &self.settings;
        let mut cookie = Cookie::build((self.name.as_str(), value))
            .path(settings.path.as_str())
            .same_site(settings.same_site)
            .build();
        // `secure` is set only when it is true, because `SameSite=None` overrides an explicit
        // `false`.
        if settings.secure {
            cookie.set_secure(true);
        }
        if settings.http_only {
            cookie.set_http_only(true);
        }
        if settings.partitioned {
            cookie.set_partitioned(true);
        }
        if let Some(domain) = &settings.domain {
            cookie.set_domain(domain.as_str());
        }
        cookie
    }
}

/// Returns whether browsers accept a cookie with these settings under a name with `__Host-`.
fn allows_host_prefix(settings: &CookieSettings) -> bool {
    settings.secure && settings.domain.is_none() && settings.path == "/"
}

/// Returns the reason for which browsers reject the cookie, or why it would break the header.
fn problem(name: &str, settings: &CookieSettings) -> Option<&'static str> {
    if !is_name(name) {
        return Some("a name must be an RFC 6265 token of 1 to 256 bytes");
    }
    if !is_path(&settings.path) {
        return Some(
            "a path must begin with `/` and have only printable ASCII characters except `;`",
        );
    }
    let domain = settings.domain.as_deref();
    if domain.is_some_and(|domain| !is_domain(domain)) {
        return Some("a domain must consist of letters, digits, `-` and `.`");
    }
    // Browsers ignore case when they compare the prefixes.
    let has_prefix = |prefix: &str| {
        name.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    if has_prefix("__Host-") && !allows_host_prefix(settings) {
        return Some("the prefix `__Host-` requires `Secure`, the path `/` and no domain");
    }
    if (has_prefix("__Secure-") || has_prefix("__Http-")) && !settings.secure {
        return Some("the prefix of the name requires `Secure`");
    }
    if (has_prefix("__Http-") || has_prefix("__Host-Http-")) && !settings.http_only {
        return Some("the prefix of the name requires `HttpOnly`");
    }
    if settings.same_site == SameSite::None && !settings.secure {
        return Some("`SameSite=None` requires `Secure`");
    }
    if settings.partitioned && !settings.secure {
        return Some("`Partitioned` requires `Secure`");
    }
    None
}

/// Returns the `Set-Cookie` header of a cookie.
fn header_value(cookie: &Cookie<'_>) -> HeaderValue {
    // `SessionCookie::new` has checked the name, path and domain. A value is base64url, `.` and `~`.
    HeaderValue::try_from(cookie.to_string()).expect("a cookie is printable ASCII")
}

#[cfg(test)]
mod tests;
