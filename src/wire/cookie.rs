//! Reads and writes the session's cookie.
//!
//! 1. The `Cookie` header is bytes. It is split on `;`, spaces and tabs are trimmed, the name is
//!    compared exactly, and nothing is decoded. Other parsers trim Unicode white space or decode
//!    names. A sibling domain can then set a cookie that they take for ours.
//! 2. A cookie is removed with the attributes that it was set with. Otherwise browsers ignore the
//!    removal of a `__Host-` cookie.
//! 3. A cookie that a browser would refuse to keep is an error at the start ([RFC 6265bis]).
//! 4. A browser distinguishes cookies of the same name by domain, path and partition. A request
//!    shows none of these. If a name has two scopes, its values carry a hint of their own scope.
//!
//! [RFC 6265bis]: https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis

mod cookies;
mod previous;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cookie::time::{Duration, OffsetDateTime};
use cookie::{Cookie, SameSite};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind};

pub(crate) use crate::wire::cookie::cookies::Cookies;
pub use crate::wire::cookie::previous::PreviousCookie;

/// The default name if the attributes allow its prefix.
const DEFAULT_NAME: &str = "__Host-sid";
/// The default name if the attributes do not allow a prefix.
const PLAIN_NAME: &str = "sid";
/// The longest time for which browsers keep a cookie (RFC 6265bis, 5.5).
const MAX_AGE_SECONDS: u64 = 400 * 24 * 60 * 60;
/// The longest attribute that browsers do not ignore (RFC 6265bis, 5.6), in bytes.
const MAX_ATTRIBUTE_BYTES: usize = 1024;
/// The longest name that is accepted. Browsers refuse a name and value over 4096 bytes together, so
/// this leaves ample room for both.
const MAX_NAME_BYTES: usize = 256;
/// The number of hash characters that distinguish the scopes of one name. A client holds two or
/// three scopes.
const TAG_CHARS: usize = 6;

/// The settings of the cookie as they were given. Browsers might refuse to keep it.
#[derive(Clone, Debug)]
pub(crate) struct CookieSettings {
    /// The name. If it is `None`, the default depends on the other attributes.
    pub(crate) name: Option<String>,
    pub(crate) path: String,
    pub(crate) domain: Option<String>,
    pub(crate) same_site: SameSite,
    pub(crate) secure: bool,
    pub(crate) http_only: bool,
    pub(crate) partitioned: bool,
    pub(crate) browser_session: bool,
}

impl Default for CookieSettings {
    fn default() -> Self {
        Self {
            name: None,
            path: "/".to_owned(),
            domain: None,
            same_site: SameSite::Lax,
            secure: true,
            http_only: true,
            partitioned: false,
            browser_session: false,
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
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) and the reason if browsers would
    /// refuse the cookie, or if it would break the header.
    pub(crate) fn new(settings: &CookieSettings) -> Result<Self, Error> {
        let host_allowed = settings.secure && settings.domain.is_none() && settings.path == "/";
        let name = match &settings.name {
            Some(name) => name.clone(),
            None if host_allowed => DEFAULT_NAME.to_owned(),
            None => PLAIN_NAME.to_owned(),
        };
        let refuse = |reason: &str| {
            let reason = format!("the cookie `{}`: {reason}", name.escape_default());
            Err(Error::new(ErrorKind::Misconfigured, reason))
        };
        if !is_name(&name) {
            return refuse("a name is an RFC 6265 token of 1 to 256 bytes");
        }
        if !is_path(&settings.path) {
            return refuse(
                "a path begins with `/`, and has no `;`, control or non-ASCII character",
            );
        }
        if settings
            .domain
            .as_ref()
            .is_some_and(|domain| !is_domain(domain))
        {
            return refuse("a domain has letters or digits, and else `-` and `.` only");
        }
        // Browsers ignore case when they compare the prefixes.
        let prefixed = |prefix: &str| {
            name.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        let host = prefixed("__Host-");
        if host && !host_allowed {
            return refuse("`__Host-` wants `Secure`, the path `/` and no domain");
        }
        if (prefixed("__Secure-") || prefixed("__Http-")) && !settings.secure {
            return refuse("its prefix wants `Secure`");
        }
        if (prefixed("__Http-") || prefixed("__Host-Http-")) && !settings.http_only {
            return refuse("its prefix wants `HttpOnly`");
        }
        if settings.same_site == SameSite::None && !settings.secure {
            return refuse("`SameSite=None` wants `Secure`");
        }
        if settings.partitioned && !settings.secure {
            return refuse("`Partitioned` wants `Secure`");
        }
        Ok(Self {
            name,
            settings: settings.clone(),
        })
    }

    /// Returns the values of this cookie in the `Cookie` headers. HTTP/2 may split one header into
    /// several.
    pub(crate) fn read<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a [u8]> {
        headers
            .get_all(COOKIE)
            .iter()
            .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'))
            .filter_map(pair)
            .filter_map(|(name, value)| (name == self.name.as_bytes()).then_some(value))
    }

    /// Returns the header that sets this value for `seconds` seconds.
    pub(crate) fn issue(&self, value: &str, seconds: u64) -> HeaderValue {
        let mut cookie = self.bare(value);
        if !self.settings.browser_session {
            let seconds = seconds.min(MAX_AGE_SECONDS);
            cookie.set_max_age(Duration::seconds(seconds.cast_signed()));
        }
        header_value(&cookie)
    }

    /// Returns the header that removes the cookie from the client.
    pub(crate) fn removal(&self) -> HeaderValue {
        let mut cookie = self.bare("");
        cookie.set_max_age(Duration::ZERO);
        cookie.set_expires(OffsetDateTime::UNIX_EPOCH);
        header_value(&cookie)
    }

    /// Returns whether a `Set-Cookie` header of a handler sets this cookie: the name, the domain
    /// and the path are the same. A header without a path has the request's path, which may be this
    /// one.
    pub(crate) fn is_set_by(&self, header: &HeaderValue) -> bool {
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

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn has_name_of(&self, other: &Self) -> bool {
        self.name == other.name
    }

    /// Returns whether browsers treat the two as the same cookie.
    pub(crate) fn has_scope_of(&self, other: &Self) -> bool {
        self.has_name_of(other)
            && self.domain().eq_ignore_ascii_case(other.domain())
            && self.settings.path == other.settings.path
            && self.settings.partitioned == other.settings.partitioned
    }

    /// Returns a hint of the scope, for values of a name that has another scope as well.
    pub(crate) fn scope_tag(&self) -> String {
        let scope = format!(
            "{}\n{}\n{}",
            self.domain().to_ascii_lowercase(),
            self.settings.path,
            self.settings.partitioned
        );
        let mut tag = URL_SAFE_NO_PAD.encode(Sha256::digest(scope));
        tag.truncate(TAG_CHARS);
        tag
    }

    /// Returns the domain without its leading dot, or an empty text for a cookie of one host.
    fn domain(&self) -> &str {
        let domain = self.settings.domain.as_deref().unwrap_or_default();
        domain.strip_prefix('.').unwrap_or(domain)
    }

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

fn header_value(cookie: &Cookie<'_>) -> HeaderValue {
    // `SessionCookie::new` has checked the name, path and domain. A value is base64url and a dot.
    HeaderValue::try_from(cookie.to_string()).expect("checked to be visible ASCII")
}

/// Returns the name and the value of a pair, trimmed.
fn pair(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    Some((trim(&pair[..equals]), trim(&pair[equals + 1..])))
}

/// Trims spaces and tabs, as RFC 6265 says, and nothing else.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Returns whether the text can be a cookie's name: a token in the sense of RFC 9110, 5.6.2.
pub(crate) fn is_name(text: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(is_token)
}

/// Returns whether the text can be a cookie's path.
pub(crate) fn is_path(text: &str) -> bool {
    text.starts_with('/') && is_attribute(text)
}

/// Returns whether the text can be a cookie's domain.
pub(crate) fn is_domain(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        && is_attribute(text)
}

fn is_attribute(text: &str) -> bool {
    text.len() <= MAX_ATTRIBUTE_BYTES
        && text
            .bytes()
            .all(|byte| (b' '..=b'~').contains(&byte) && byte != b';')
}

#[cfg(test)]
mod tests;
