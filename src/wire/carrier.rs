//! Carries the id in a cookie, or in a header of its own. Only the configured one is read or
//! written.

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Error, ErrorKind};
use crate::id::SessionId;
use crate::wire::cookie::cookies::Cookies;
use crate::wire::cookie::previous::PreviousCookie;
use crate::wire::cookie::settings::CookieSettings;
use crate::wire::header_name::id_header_name;
use crate::wire::hints::Hints;
use crate::wire::received::{PreviousCookies, Received};
use crate::wire::signing::Signer;
use crate::wire::token::{ParsedValues, value_of};

/// The response header that carries the id if requests carry it in `Authorization`. Its name comes
/// from the predecessor of this crate.
const RESPONSE_HEADER: HeaderName = HeaderName::from_static("x-sessionid");

/// The place in requests and responses that carries the id, and the keys that sign it.
#[derive(Clone, Debug)]
pub(crate) struct Carrier {
    place: Place,
    /// The signer of ids. If there is one, ids must be signed.
    signer: Option<Signer>,
}

#[derive(Clone, Debug)]
enum Place {
    Cookies(Cookies),
    /// A header of this name, in requests and responses.
    Header(HeaderName),
    /// The header `Authorization: Bearer` in requests ([RFC 6750], 2.1), and [`RESPONSE_HEADER`] in
    /// responses. API Gateway renames a response's `Authorization`.
    ///
    /// [RFC 6750]: https://www.rfc-editor.org/rfc/rfc6750
    Bearer,
}

impl Carrier {
    /// Creates a carrier: the named header, or the cookie if there is no name.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if a header cannot carry an id, or if
    /// browsers would reject the cookie.
    pub(crate) fn new(
        header: Option<&str>,
        cookie: &CookieSettings,
        previous: &[PreviousCookie],
        signer: Option<Signer>,
    ) -> Result<Self, Error> {
        let place = match header {
            None => Place::Cookies(Cookies::new(cookie, previous)?),
            Some(name) => match id_header_name(name) {
                Some(AUTHORIZATION) => Place::Bearer,
                Some(name) => Place::Header(name),
                None => {
                    let reason = format!(
                        "invalid id_header `{}`: the name is not a header's name or is reserved, \
                         use a name such as X-Session-Id",
                        name.escape_default()
                    );
                    return Err(Error::new(ErrorKind::Misconfigured, reason));
                }
            },
        };
        Ok(Self { place, signer })
    }

    /// Returns the ids that a request carries.
    pub(crate) fn read(&self, headers: &HeaderMap) -> Received {
        let signer = self.signer.as_ref();
        let lines = |name| headers.get_all(name).iter().map(HeaderValue::as_bytes);
        match &self.place {
            Place::Cookies(cookies) => cookies.read(headers, signer),
            Place::Header(name) => ParsedValues::read(lines(name), signer).into(),
            Place::Bearer => {
                let tokens = lines(&AUTHORIZATION).filter_map(bearer_token);
                ParsedValues::read(tokens, signer).into()
            }
        }
    }

    /// Gives the client this id for `seconds` seconds, and removes the previous cookies. A cookie also
    /// carries the hints.
    pub(crate) fn issue(
        &self,
        headers: &mut HeaderMap,
        id: &SessionId,
        hints: Hints,
        seconds: u64,
        previous: PreviousCookies,
    ) {
        let mut value = value_of(id, self.signer.as_ref());
        match &self.place {
            Place::Cookies(cookies) => {
                hints.append_to(&mut value);
                cookies.issue(headers, &value, seconds, previous);
            }
            // Clients that are not browsers may rely on a header that holds the id alone.
            Place::Header(_) | Place::Bearer => {
                let value = HeaderValue::try_from(value).expect("a value is base64url and a dot");
                headers.insert(self.response_header(), value);
            }
        }
    }

    /// Removes the id and the previous cookies from the client. In a header, the empty value does
    /// that.
    pub(crate) fn remove(&self, headers: &mut HeaderMap, previous: PreviousCookies) {
        match &self.place {
            Place::Cookies(cookies) => cookies.remove(headers, previous),
            Place::Header(_) | Place::Bearer => {
                headers.insert(self.response_header(), HeaderValue::from_static(""));
            }
        }
    }

    /// Returns the request header on which a response depends once its session was read.
    pub(crate) fn varies_on(&self) -> HeaderName {
        match &self.place {
            Place::Cookies(_) => COOKIE,
            Place::Header(name) => name.clone(),
            Place::Bearer => AUTHORIZATION,
        }
    }

    /// Returns the response header that carries the id, if it is not in a cookie.
    fn response_header(&self) -> HeaderName {
        match &self.place {
            Place::Header(name) => name.clone(),
            Place::Cookies(_) | Place::Bearer => RESPONSE_HEADER,
        }
    }
}

/// Returns the token of an `Authorization` header. A header with another scheme carries no id: it
/// may be for a proxy, or be an AWS signature.
fn bearer_token(line: &[u8]) -> Option<&[u8]> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    let (scheme, token) = line.split_at(space);
    scheme
        .eq_ignore_ascii_case(b"bearer")
        .then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests;
