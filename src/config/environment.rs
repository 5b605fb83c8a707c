//! The environment variables of a layer. Those of the table are read by the DynamoDB store.

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use cookie::SameSite;

use crate::config::settings::{Settings, is_audience};
use crate::env::Variables;
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::wire::carrier::Carriers;
use crate::wire::cookie::syntax::{is_domain, is_name, is_path};
use crate::wire::header_name::id_header_name;
use crate::wire::signing::SigningKey;

/// The default of `SESSION_DYNAMODB_HEADER_NAME`, as in the predecessor of this crate.
const DEFAULT_HEADER: &str = "X-SessionId";

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
        expiry.max_idle = variables.seconds("SESSION_MAX_IDLE_TIMEOUT_SECONDS")?;
        expiry.max_lifetime = variables.seconds("SESSION_MAX_LIFETIME_SECONDS")?;

        let name = variables.text(
            "SESSION_DYNAMODB_HEADER_NAME",
            "the name of a header that can carry an id",
            |name| id_header_name(name).is_some(),
        )?;
        if variables.flag("SESSION_DYNAMODB_USE_HEADER")? == Some(true) {
            // The variables keep the meaning that they have in the predecessor.
            let name = name.unwrap_or_else(|| DEFAULT_HEADER.to_owned());
            settings.carriers = Carriers::Header(name);
        }
        let expected = "keys of 32 bytes or more in base64, separated by commas";
        settings.signing_keys = variables.parsed("SESSION_SIGNING_KEYS", expected, |text| {
            text.split(',').map(|key| signing_key(key.trim())).collect()
        })?;
        let expected = "a key of 32 bytes or more in base64";
        settings.user_hash_key = variables.parsed("SESSION_USER_KEY", expected, |text| {
            signing_key(text.trim())
        })?;
        let expected = "a name of 1 to 256 bytes";
        settings.audience = variables.text("SESSION_AUDIENCE", expected, is_audience)?;
        settings.validate()?;
        Ok(settings)
    }
}

/// Decodes a key from base64, of either alphabet, with or without padding.
fn signing_key(text: &str) -> Option<SigningKey> {
    let any_padding =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decode = |alphabet| GeneralPurpose::new(alphabet, any_padding).decode(text);
    let bytes = decode(&alphabet::STANDARD).or_else(|_| decode(&alphabet::URL_SAFE));
    SigningKey::new(bytes.ok()?).ok()
}

/// Parses a `SameSite` attribute, in any case of letters.
fn same_site(text: &str) -> Option<SameSite> {
    match text.to_ascii_lowercase().as_str() {
        "lax" => Some(SameSite::Lax),
        "strict" => Some(SameSite::Strict),
        "none" => Some(SameSite::None),
        _ => None,
    }
}

/// Sets a setting if its variable is set.
fn set<T>(setting: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *setting = value;
    }
}

#[cfg(test)]
mod tests;
