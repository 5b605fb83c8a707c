//! The attributes of a cookie, before they are validated.

use cookie::SameSite;

/// The settings of a cookie as they were given. Browsers may reject a cookie with these settings.
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
