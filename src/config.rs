//! The settings, their defaults and the environment variables, all in this one place.
//!
//! 1. A variable that is not set means its default. A variable that is set and does not parse is an
//!    error that names it, never a silent default.
//! 2. The process environment and the system clock are read here and nowhere else.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use cookie::SameSite;
use http::{Response, Uri};
use sha2::{Digest as _, Sha256};

use crate::cookie::{CookieSettings, PreviousCookie, is_domain, is_name, is_path};
use crate::error::{Error, ErrorKind};
use crate::expiry::{Expiry, Timestamp};
use crate::response::default_on_error;
use crate::signing::{Signer, SigningKey};
use crate::transport::{Transport, carrier};
use crate::user::Pseudonym;

/// The default of `max_size`: 64 KB. That is a sixth of what an item may have, and 64 write units a
/// save.
pub(crate) const DEFAULT_MAX_SIZE: usize = 64 * 1024;
/// The default of `SESSION_DYNAMODB_TABLE`.
const DEFAULT_TABLE: &str = "sessions";
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

/// The table and how to reach it, as the environment variables say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableSettings {
    pub(crate) table: String,
    pub(crate) users_table: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) consistent_read: bool,
}

impl TableSettings {
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) and names the variable.
    pub(crate) fn from_variables(variables: &Variables<'_>) -> Result<Self, Error> {
        let endpoint = |text: &str| {
            let uri: Uri = text.parse().ok()?;
            let scheme = uri.scheme_str()?;
            (matches!(scheme, "http" | "https") && uri.host().is_some()).then(|| text.to_owned())
        };
        Ok(Self {
            table: variables
                .text("SESSION_DYNAMODB_TABLE", "a table's name or ARN", is_table)?
                .unwrap_or_else(|| DEFAULT_TABLE.to_owned()),
            users_table: variables.text(
                "SESSION_DYNAMODB_USERS_TABLE",
                "a table's name or ARN",
                is_table,
            )?,
            endpoint: variables.parsed("SESSION_DYNAMODB_ENDPOINT", "an http(s) URL", endpoint)?,
            region: variables.text("SESSION_DYNAMODB_REGION", "a Region", is_region)?,
            consistent_read: variables
                .flag("SESSION_DYNAMODB_CONSISTENT_READ")?
                .unwrap_or(true),
        })
    }
}

/// Environment variables, from any source.
pub(crate) struct Variables<'a>(pub(crate) &'a dyn Fn(&str) -> Option<std::ffi::OsString>);

impl Variables<'_> {
    /// Returns the variables of the process.
    #[allow(clippy::disallowed_methods)] // the one module that reads the environment
    pub(crate) fn of_process() -> Self {
        Self(&|name| std::env::var_os(name))
    }

    fn text(
        &self,
        name: &str,
        wanted: &str,
        is_it: impl FnOnce(&str) -> bool,
    ) -> Result<Option<String>, Error> {
        self.parsed(name, wanted, |text| is_it(text).then(|| text.to_owned()))
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        self.parsed(name, "true or false", |text| {
            match text.to_ascii_lowercase().as_str() {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            }
        })
    }

    fn seconds(&self, name: &str) -> Result<Option<Duration>, Error> {
        self.parsed(name, "a whole number of seconds, 1 or more", |text| {
            let seconds = text.parse().ok().filter(|seconds| *seconds > 0)?;
            Some(Duration::from_secs(seconds))
        })
    }

    fn parsed<T>(
        &self,
        name: &str,
        wanted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = (self.0)(name) else {
            return Ok(None);
        };
        // The message leaves out the value, which may be a secret in the wrong place.
        value.to_str().and_then(parse).map(Some).ok_or_else(|| {
            Error::new(
                ErrorKind::Misconfigured,
                format!("{name} does not hold {wanted}"),
            )
        })
    }
}

/// Reads the system's clock.
#[allow(clippy::disallowed_methods)] // the one module that reads the clock
pub(crate) fn system_clock() -> SystemTime {
    SystemTime::now()
}

/// Returns whether the text can be a table's name or its ARN.
pub(crate) fn is_table(table: &str) -> bool {
    let is_name = |name: &str| {
        (3..=255).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    };
    match table.strip_prefix("arn:") {
        Some(arn) => arn
            .split_once(":table/")
            .is_some_and(|(account, name)| account.contains(":dynamodb:") && is_name(name)),
        None => is_name(table),
    }
}

fn is_audience(name: &str) -> bool {
    (1..=256).contains(&name.len())
}

/// Returns whether the text can be a Region, which becomes a label of a host name.
fn is_region(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
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
