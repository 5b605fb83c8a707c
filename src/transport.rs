//! How the id travels: in a cookie, or in a header of its own. Only the one that is configured is
//! ever read or written.

use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::cookie::{CookieSettings, SessionCookie};
use crate::error::{Error, ErrorKind};
use crate::id::SessionId;
use crate::presented::{Presented, value_of};
use crate::signing::Signer;

#[derive(Clone, Debug)]
pub(crate) struct Transport {
    carrier: Carrier,
    /// Signs ids, and wants them signed.
    signer: Option<Signer>,
}

#[derive(Clone, Debug)]
enum Carrier {
    Cookie(SessionCookie),
    Header(HeaderName),
}

impl Transport {
    /// # Errors
    ///
    /// [`Misconfigured`](ErrorKind::Misconfigured) for a header's name that is none, or is that of
    /// a cookie header, and for a cookie that browsers would refuse.
    pub(crate) fn new(
        header: Option<&str>,
        cookie: &CookieSettings,
        signer: Option<Signer>,
    ) -> Result<Self, Error> {
        let carrier = match header {
            None => Carrier::Cookie(SessionCookie::new(cookie)?),
            Some(name) => Carrier::Header(carrier(name).ok_or_else(|| {
                let reason = format!("`{}` cannot carry a session's id", name.escape_default());
                Error::new(ErrorKind::Misconfigured, reason)
            })?),
        };
        Ok(Self { carrier, signer })
    }

    /// What the client presented.
    pub(crate) fn read(&self, headers: &HeaderMap) -> Presented {
        let signer = self.signer.as_ref();
        match &self.carrier {
            Carrier::Cookie(cookie) => Presented::among(cookie.read(headers), signer),
            Carrier::Header(name) => {
                let values = headers.get_all(name).iter();
                Presented::among(values.map(HeaderValue::as_bytes), signer)
            }
        }
    }

    /// Gives the client this id for so many seconds.
    pub(crate) fn issue(&self, headers: &mut HeaderMap, id: &SessionId, seconds: u64) {
        let value = value_of(id, self.signer.as_ref());
        match &self.carrier {
            Carrier::Cookie(cookie) => add(headers, cookie, cookie.issue(&value, seconds)),
            Carrier::Header(name) => {
                let value = HeaderValue::try_from(value).expect("it is base64url and a dot");
                headers.insert(name, value);
            }
        }
    }

    /// Makes the client forget it. In a header, that is the empty value.
    pub(crate) fn remove(&self, headers: &mut HeaderMap) {
        match &self.carrier {
            Carrier::Cookie(cookie) => add(headers, cookie, cookie.removal()),
            Carrier::Header(name) => {
                headers.insert(name, HeaderValue::from_static(""));
            }
        }
    }

    /// The request header on which a response depends once its session was read.
    pub(crate) fn varies_on(&self) -> HeaderName {
        match &self.carrier {
            Carrier::Cookie(_) => COOKIE,
            Carrier::Header(name) => name.clone(),
        }
    }
}

/// The header of that name, if it can carry an id.
pub(crate) fn carrier(name: &str) -> Option<HeaderName> {
    HeaderName::try_from(name)
        .ok()
        .filter(|name| !NOT_OURS.contains(name))
}

/// Headers that mean something to HTTP itself, and would break the response.
const NOT_OURS: [HeaderName; 11] = [
    COOKIE,
    SET_COOKIE,
    HOST,
    CONNECTION,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    CONTENT_ENCODING,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Adds the session's cookie to the handler's own, which all stay. It comes first: an ALB without
/// multi-value headers keeps no other. Only one that a handler made of the same name comes before
/// it, so that a browser goes by ours.
fn add(headers: &mut HeaderMap, cookie: &SessionCookie, ours: HeaderValue) {
    let theirs: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    headers.remove(SET_COOKIE);
    let (same, others): (Vec<_>, Vec<_>) = theirs
        .into_iter()
        .partition(|theirs| cookie.is_set_by(theirs));
    for cookie in same.into_iter().chain([ours]).chain(others) {
        headers.append(SET_COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests;
