//! The settings, their defaults and the environment variables, all in this one place.
//!
//! 1. A variable that is not set means its default. A variable that is set and does not parse is an
//!    error that names it, never a silent default.
//! 2. The process environment and the system clock are read here and nowhere else.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use cookie::SameSite;
use http::Response;
use sha2::{Digest as _, Sha256};

use crate::clock::{Timestamp, system_clock};
use crate::env::Variables;
use crate::error::{Error, ErrorKind};
use crate::expiry::Expiry;
use crate::store::user::Pseudonym;
use crate::wire::carrier::{Transport, carrier};
use crate::wire::cookie::{CookieSettings, PreviousCookie, is_domain, is_name, is_path};
use crate::wire::response::default_on_error;
use crate::wire::signing::{Signer, SigningKey};

/// The default of `max_size`: 64 KB. That is a sixth of what an item may have, and 64 write units a
/// save.
pub(crate) const DEFAULT_MAX_SIZE: usize = 64 * 1024;
/// The default of `SESSION_DYNAMODB_HEADER_NAME`, as in the predecessor of this crate.
const DEFAULT_HEADER: &str = "X-SessionId";

pub(crate) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;
pub(crate) type OnError = Arc<dyn Fn(&Error) -> Response<String> + Send + Sync>;

/// All settings of a layer, as they were given.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) cookie: CookieSettings,
    /// The previous cookies. The first one takes precedence.
    pub(crate) previous_cookies: Vec<PreviousCookie>,
    /// The header that carries the id instead of a cookie.
    pub(crate) header: Option<String>,
    /// The signing keys, the newest first. If this is `None`, ids are not signed.
    pub(crate) signing_keys: Option<Vec<SigningKey>>,
    pub(crate) user_hash_key: Option<SigningKey>,
    /// The name of the application, if several share a table.
    pub(crate) audience: Option<String>,
    pub(crate) expiry: Expiry,
    pub(crate) max_size: usize,
    pub(crate) clock: Clock,
    pub(crate) on_error: OnError,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cookie: CookieSettings::default(),
            previous_cookies: Vec::new(),
            header: None,
            signing_keys: None,
            user_hash_key: None,
            audience: None,
            expiry: Expiry::default(),
            max_size: DEFAULT_MAX_SIZE,
            clock: Arc::new(system_clock),
            on_error: Arc::new(default_on_error),
        }
    }
}

impl Settings {
    /// Reads the settings of a layer from environment variables.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured). The error names the variable if a
    /// value does not parse. It names none if a combination cannot work.
    pub(crate) fn from_variables(variables: &Variables<'_>) -> Result<Self, Error> {
        let mut settings = Self::default();
        let cookie = &mut settings.cookie;
        cookie.name = variables.text("SESSION_COOKIE_NAME", "a cookie's name", is_name)?;
        cookie.domain = variables.text("SESSION_COOKIE_DOMAIN", "a domain", is_domain)?;
        let path = variables.text("SESSION_COOKIE_PATH", "a path beginning with `/`", is_path)?;
        set(&mut cookie.path, path);
        set(
            &mut cookie.http_only,
            variables.flag("SESSION_COOKIE_HTTPONLY")?,
        );
        set(&mut cookie.secure, variables.flag("SESSION_COOKIE_SECURE")?);
        let same_site =
            variables.parsed("SESSION_COOKIE_SAMESITE", "Lax, Strict or None", same_site)?;
        set(&mut cookie.same_site, same_site);

        let expiry = &mut settings.expiry;
        set(
            &mut expiry.idle,
            variables.seconds("SESSION_DYNAMODB_TTL_SECONDS")?,
        );
        set(
            &mut expiry.lifetime,
            variables.seconds("SESSION_LIFETIME_SECONDS")?,
        );

        let name = variables.text(
            "SESSION_DYNAMODB_HEADER_NAME",
            "the name of a header that can carry an id",
            |name| carrier(name).is_some(),
        )?;
        if variables.flag("SESSION_DYNAMODB_USE_HEADER")? == Some(true) {
            settings.header = Some(name.unwrap_or_else(|| DEFAULT_HEADER.to_owned()));
        }
        let wanted = "keys of 32 bytes or more in base64, separated by commas";
        settings.signing_keys = variables.parsed("SESSION_SIGNING_KEYS", wanted, |text| {
            text.split(',').map(|key| signing_key(key.trim())).collect()
        })?;
        let wanted = "a key of 32 bytes or more in base64";
        settings.user_hash_key =
            variables.parsed("SESSION_USER_KEY", wanted, |text| signing_key(text.trim()))?;
        let wanted = "a name of 1 to 256 bytes";
        settings.audience = variables.text("SESSION_AUDIENCE", wanted, is_audience)?;
        settings.validate()?;
        Ok(settings)
    }

    /// Checks the settings and turns them into a transport.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) and the reason.
    pub(crate) fn validate(&self) -> Result<Transport, Error> {
        self.expiry.validate()?;
        if self
            .audience
            .as_deref()
            .is_some_and(|name| !is_audience(name))
        {
            let reason = "an audience has a name of 1 to 256 bytes";
            return Err(Error::new(ErrorKind::Misconfigured, reason));
        }
        let signer = self.signing_keys.as_deref().map(Signer::new).transpose()?;
        let header = self.header.as_deref();
        Transport::new(header, &self.cookie, &self.previous_cookies, signer)
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)().into()
    }

    /// Returns the pseudonym by which the store knows a user. Each audience has a key of its own
    /// for it.
    ///
    /// # Errors
    ///
    /// Fails like [`Pseudonym::of`].
    pub(crate) fn pseudonym(&self, user: &str) -> Result<Pseudonym, Error> {
        let of_audience = match (&self.audience, &self.user_hash_key) {
            (None, _) => None,
            (Some(name), Some(key)) => Some(SigningKey::new(key.mac(name.as_bytes()))?),
            (Some(name), None) => Some(SigningKey::new(Sha256::digest(name))?),
        };
        Pseudonym::of(user, of_audience.as_ref().or(self.user_hash_key.as_ref()))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("cookie", &self.cookie)
            .field("previous_cookies", &self.previous_cookies)
            .field("header", &self.header)
            .field("signing_keys", &self.signing_keys)
            .field("user_hash_key", &self.user_hash_key)
            .field("audience", &self.audience)
            .field("expiry", &self.expiry)
            .field("max_size", &self.max_size)
            .finish_non_exhaustive()
    }
}

fn is_audience(name: &str) -> bool {
    (1..=256).contains(&name.len())
}

/// Decodes a key from base64, of either alphabet, with or without padding.
fn signing_key(text: &str) -> Option<SigningKey> {
    let any_padding =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decode = |alphabet| GeneralPurpose::new(alphabet, any_padding).decode(text);
    let bytes = decode(&alphabet::STANDARD).or_else(|_| decode(&alphabet::URL_SAFE));
    SigningKey::new(bytes.ok()?).ok()
}

fn same_site(text: &str) -> Option<SameSite> {
    match text.to_ascii_lowercase().as_str() {
        "lax" => Some(SameSite::Lax),
        "strict" => Some(SameSite::Strict),
        "none" => Some(SameSite::None),
        _ => None,
    }
}

fn set<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}

#[cfg(test)]
mod tests;
