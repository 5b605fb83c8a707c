//! How the id travels: in a cookie, or in a header of its own. Only the one that is configured is
//! ever read or written.

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::cookie::{CookieSettings, Presented, SessionCookie, one_id};
use crate::error::{Error, ErrorKind};
use crate::id::SessionId;

#[derive(Clone, Debug)]
pub(crate) enum Transport {
    Cookie(SessionCookie),
    Header(HeaderName),
}

impl Transport {
    /// # Errors
    ///
    /// [`Misconfigured`](ErrorKind::Misconfigured) for a header's name that is none, or is that of
    /// a cookie header, and for a cookie that browsers would refuse.
    pub(crate) fn new(header: Option<&str>, cookie: &CookieSettings) -> Result<Self, Error> {
        let Some(name) = header else {
            return SessionCookie::new(cookie).map(Self::Cookie);
        };
        carrier(name).map(Self::Header).ok_or_else(|| {
            let reason = format!("`{}` cannot carry a session's id", name.escape_default());
            Error::new(ErrorKind::Misconfigured, reason)
        })
    }

    /// What the client presented.
    pub(crate) fn read(&self, headers: &HeaderMap) -> Presented {
        match self {
            Self::Cookie(cookie) => cookie.read(headers),
            Self::Header(name) => one_id(headers.get_all(name).iter().map(HeaderValue::as_bytes)),
        }
    }

    /// Gives the client this id for so many seconds.
    pub(crate) fn issue(&self, headers: &mut HeaderMap, id: &SessionId, seconds: u64) {
        match self {
            // Appended: the handler's own cookies stay.
            Self::Cookie(cookie) => {
                headers.append(SET_COOKIE, cookie.issue(id, seconds));
            }
            Self::Header(name) => {
                let value = HeaderValue::from_str(id.expose()).expect("an id is base64url");
                headers.insert(name, value);
            }
        }
    }

    /// Makes the client forget it. In a header, that is the empty value.
    pub(crate) fn remove(&self, headers: &mut HeaderMap) {
        match self {
            Self::Cookie(cookie) => {
                headers.append(SET_COOKIE, cookie.removal());
            }
            Self::Header(name) => {
                headers.insert(name, HeaderValue::from_static(""));
            }
        }
    }

    /// The request header on which a response depends once its session was read.
    pub(crate) fn varies_on(&self) -> HeaderName {
        match self {
            Self::Cookie(_) => COOKIE,
            Self::Header(name) => name.clone(),
        }
    }
}

/// The header of that name, if it can carry an id.
pub(crate) fn carrier(name: &str) -> Option<HeaderName> {
    HeaderName::try_from(name)
        .ok()
        .filter(|name| name != COOKIE && name != SET_COOKIE)
}

#[cfg(test)]
mod tests;
