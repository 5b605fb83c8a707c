//! The settings of a layer and their defaults.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use crate::clock::{Timestamp, system_clock};
use crate::error::{Error, ErrorKind};
use crate::expiry::Expiry;
use crate::on_error::OnError;
#[cfg(feature = "flask")]
use crate::store::dynamodb::flask::import::FlaskImport;
use crate::store::user::Pseudonym;
use crate::wire::carrier::{Carrier, Carriers};
use crate::wire::cookie::previous::PreviousCookie;
use crate::wire::cookie::scope::ScopeSettings;
use crate::wire::cookie::settings::CookieSettings;
use crate::wire::request_head::RequestHead;
use crate::wire::signing::{Signer, SigningKey};

/// The default of `max_size`: 64 KB. That is a sixth of what an item may have, and 64 write units
/// for each save.
const DEFAULT_MAX_SIZE: usize = 64 * 1024;

/// The source of the time.
pub(crate) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// A function that selects requests.
pub(crate) type Selects = Arc<dyn Fn(&RequestHead<'_>) -> bool + Send + Sync>;

/// The requests that must not extend their sessions.
#[derive(Clone)]
pub(crate) enum SkipTouch {
    Never,
    Always,
    If(Selects),
}

impl SkipTouch {
    /// Returns whether this request must not extend its session.
    pub(crate) fn applies(&self, request: &RequestHead<'_>) -> bool {
        match self {
            Self::Never => false,
            Self::Always => true,
            Self::If(skips) => skips(request),
        }
    }
}

impl fmt::Debug for SkipTouch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "Never",
            Self::Always => "Always",
            Self::If(_) => "If(..)",
        })
    }
}

/// All settings of a layer, as they were given.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) carriers: Carriers,
    pub(crate) cookie: CookieSettings,
    /// The further scopes of the cookie, of which each request uses one.
    pub(crate) cookie_scopes: Option<ScopeSettings>,
    /// The previous cookies. The first one takes precedence.
    pub(crate) previous_cookies: Vec<PreviousCookie>,
    /// The signing keys, the newest first. If this is `None`, ids are not signed.
    pub(crate) signing_keys: Option<Vec<SigningKey>>,
    pub(crate) user_hash_key: Option<SigningKey>,
    /// The name of the application, if several share a table.
    pub(crate) audience: Option<String>,
    pub(crate) expiry: Expiry,
    pub(crate) max_size: usize,
    /// True if the session is looked up when the request arrives.
    pub(crate) prefetch: bool,
    pub(crate) skip_touch: SkipTouch,
    /// True if the Lambda Web Adapter's header has the deadline.
    pub(crate) web_adapter: bool,
    /// The sessions of a predecessor that are taken over.
    #[cfg(feature = "flask")]
    pub(crate) import: Option<Arc<FlaskImport>>,
    pub(crate) clock: Clock,
    pub(crate) on_error: OnError,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            carriers: Carriers::default(),
            cookie: CookieSettings::default(),
            cookie_scopes: None,
            previous_cookies: Vec::new(),
            signing_keys: None,
            user_hash_key: None,
            audience: None,
            expiry: Expiry::default(),
            max_size: DEFAULT_MAX_SIZE,
            prefetch: false,
            skip_touch: SkipTouch::Never,
            web_adapter: false,
            #[cfg(feature = "flask")]
            import: None,
            clock: Arc::new(system_clock),
            on_error: OnError::default(),
        }
    }
}

impl Settings {
    /// Checks the settings and returns the carrier that they describe.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) and the reason.
    pub(crate) fn validate(&self) -> Result<Carrier, Error> {
        self.expiry.validate()?;
        if self
            .audience
            .as_deref()
            .is_some_and(|name| !is_audience(name))
        {
            let reason = "invalid audience: the name must have 1 to 256 bytes";
            return Err(Error::new(ErrorKind::Misconfigured, reason));
        }
        let signer = self.signing_keys.as_deref().map(Signer::new).transpose()?;
        let carrier = Carrier::new(
            &self.carriers,
            &self.cookie,
            self.cookie_scopes.as_ref(),
            &self.previous_cookies,
            signer,
        )?;
        #[cfg(feature = "flask")]
        if let Some(import) = &self.import {
            let from = import.settings();
            from.validate()?;
            let (cookie, keeps) = (from.cookie_settings(), from.keeps());
            return carrier.with_foreign(&self.cookie, from.form(), cookie, keeps);
        }
        Ok(carrier)
    }

    /// Reads the clock.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)().into()
    }

    /// Returns the pseudonym under which the store knows a user. Each audience has a key of its own
    /// for it.
    ///
    /// # Errors
    ///
    /// Fails like [`Pseudonym::of`].
    pub(crate) fn pseudonym(&self, user: &str) -> Result<Pseudonym, Error> {
        let audience_key = match (&self.audience, &self.user_hash_key) {
            (None, _) => None,
            (Some(name), Some(key)) => Some(SigningKey::new(key.mac(name.as_bytes()))?),
            (Some(name), None) => Some(SigningKey::new(Sha256::digest(name))?),
        };
        Pseudonym::of(user, audience_key.as_ref().or(self.user_hash_key.as_ref()))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Settings");
        #[cfg(feature = "flask")]
        shown.field("import", &self.import);
        shown
            .field("carriers", &self.carriers)
            .field("cookie", &self.cookie)
            .field("cookie_scopes", &self.cookie_scopes)
            .field("previous_cookies", &self.previous_cookies)
            .field("signing_keys", &self.signing_keys)
            .field("user_hash_key", &self.user_hash_key)
            .field("audience", &self.audience)
            .field("expiry", &self.expiry)
            .field("max_size", &self.max_size)
            .field("prefetch", &self.prefetch)
            .field("skip_touch", &self.skip_touch)
            .field("web_adapter", &self.web_adapter)
            .finish_non_exhaustive()
    }
}

/// Returns whether the text can be the name of an audience.
pub(super) fn is_audience(name: &str) -> bool {
    (1..=256).contains(&name.len())
}

#[cfg(test)]
mod tests;
