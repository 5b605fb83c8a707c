//! The header that carries an id for clients that keep no cookies.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Error, ErrorKind};
use crate::wire::header_name::id_header_name;
use crate::wire::signing::Signer;
use crate::wire::token::ParsedValues;

/// The response header that carries the id if requests carry it in `Authorization`. Its name comes
/// from the predecessor of this crate.
const RESPONSE_HEADER: HeaderName = HeaderName::from_static("x-sessionid");

/// A header that can carry an id.
#[derive(Clone, Debug)]
pub(crate) enum HeaderCarrier {
    /// A header of this name, in requests and responses.
    Named(HeaderName),
    /// The header `Authorization: Bearer` in requests ([RFC 6750], 2.1), and [`RESPONSE_HEADER`] in
    /// responses. API Gateway renames a response's `Authorization`.
    ///
    /// [RFC 6750]: https://www.rfc-editor.org/rfc/rfc6750
    Bearer,
}

impl HeaderCarrier {
    /// Creates the header of this name.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if the header cannot carry an id.
    pub(crate) fn new(name: &str) -> Result<Self, Error> {
        match id_header_name(name) {
            Some(AUTHORIZATION) => Ok(Self::Bearer),
            Some(name) => Ok(Self::Named(name)),
            None => {
                let reason = format!(
                    "invalid id_header `{}`: the name is not a header's name or is reserved, \
                     use a name such as X-Session-Id",
                    name.escape_default()
                );
                Err(Error::new(ErrorKind::Misconfigured, reason))
            }
        }
    }

    /// Returns the values that a request carries in this header.
    pub(crate) fn read(&self, headers: &HeaderMap, signer: Option<&Signer>) -> ParsedValues {
        let lines = |name| headers.get_all(name).iter().map(HeaderValue::as_bytes);
        match self {
            Self::Named(name) => ParsedValues::read(lines(name), signer),
            Self::Bearer => {
                let tokens = lines(&AUTHORIZATION).filter_map(bearer_token);
                ParsedValues::read(tokens, signer)
            }
        }
    }

    /// Returns the values that a request carries in this header, as they are.
    #[cfg(feature = "flask")]
    pub(crate) fn values<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a [u8]> {
        let is_bearer = matches!(self, Self::Bearer);
        let lines = headers.get_all(self.in_requests()).iter();
        lines.filter_map(move |line| match is_bearer {
            true => bearer_token(line.as_bytes()),
            false => Some(line.as_bytes()),
        })
    }

    /// Gives the client this value.
    pub(crate) fn issue(&self, headers: &mut HeaderMap, value: String) {
        let value = HeaderValue::try_from(value).expect("a value is base64url and a dot");
        headers.insert(self.in_responses(), value);
    }

    /// Removes the value from the client. The empty value does that.
    pub(crate) fn remove(&self, headers: &mut HeaderMap) {
        headers.insert(self.in_responses(), HeaderValue::from_static(""));
    }

    /// Returns the name of the header in requests.
    pub(crate) fn in_requests(&self) -> HeaderName {
        match self {
            Self::Named(name) => name.clone(),
            Self::Bearer => AUTHORIZATION,
        }
    }

    /// Returns the name of the header in responses.
    fn in_responses(&self) -> HeaderName {
        match self {
            Self::Named(name) => name.clone(),
            Self::Bearer => RESPONSE_HEADER,
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
