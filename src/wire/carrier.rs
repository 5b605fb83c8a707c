//! Carries the id in a cookie, or in a header of its own. Only the configured one is ever read or
//! written.

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Error, ErrorKind};
use crate::id::SessionId;
use crate::wire::cookie::{CookieSettings, Cookies, PreviousCookie};
use crate::wire::signing::Signer;
use crate::wire::token::{Former, Found, Presented, value_of};

/// The header of a response to a request with `Authorization`. Its name comes from the predecessor
/// of this crate.
const REPLY: HeaderName = HeaderName::from_static("x-sessionid");

#[derive(Clone, Debug)]
pub(crate) struct Transport {
    carrier: Carrier,
    /// The signer of ids. If there is one, ids must be signed.
    signer: Option<Signer>,
}

#[derive(Clone, Debug)]
enum Carrier {
    Cookies(Cookies),
    /// A header of this name, in requests and responses.
    Header(HeaderName),
    /// The header `Authorization: Bearer` in requests ([RFC 6750], 2.1), and [`REPLY`] in
    /// responses. API Gateway renames a response's `Authorization`.
    ///
    /// [RFC 6750]: https://www.rfc-editor.org/rfc/rfc6750
    Bearer,
}

impl Transport {
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if a header cannot carry an id, or if
    /// browsers would refuse the cookie.
    pub(crate) fn new(
        header: Option<&str>,
        cookie: &CookieSettings,
        previous: &[PreviousCookie],
        signer: Option<Signer>,
    ) -> Result<Self, Error> {
        let carrier = match header {
            None => Carrier::Cookies(Cookies::new(cookie, previous)?),
            Some(name) => match carrier(name) {
                Some(AUTHORIZATION) => Carrier::Bearer,
                Some(name) => Carrier::Header(name),
                None => {
                    let reason = format!("`{}` cannot carry a session's id", name.escape_default());
                    return Err(Error::new(ErrorKind::Misconfigured, reason));
                }
            },
        };
        Ok(Self { carrier, signer })
    }

    /// Returns the ids that the client presented.
    pub(crate) fn read(&self, headers: &HeaderMap) -> Presented {
        let signer = self.signer.as_ref();
        let lines = |name| headers.get_all(name).iter().map(HeaderValue::as_bytes);
        match &self.carrier {
            Carrier::Cookies(cookies) => cookies.read(headers, signer),
            Carrier::Header(name) => Found::among(lines(name), signer).ids.into(),
            Carrier::Bearer => {
                let tokens = lines(&AUTHORIZATION).filter_map(bearer_token);
                Found::among(tokens, signer).ids.into()
            }
        }
    }

    /// Gives the client this id for `seconds` seconds, and removes the previous cookies.
    pub(crate) fn issue(
        &self,
        headers: &mut HeaderMap,
        id: &SessionId,
        seconds: u64,
        former: Former,
    ) {
        let value = value_of(id, self.signer.as_ref());
        match &self.carrier {
            Carrier::Cookies(cookies) => cookies.issue(headers, &value, seconds, former),
            Carrier::Header(_) | Carrier::Bearer => {
                let value = HeaderValue::try_from(value).expect("it is base64url and a dot");
                headers.insert(self.reply(), value);
            }
        }
    }

    /// Removes the id and the previous cookies from the client. In a header, the empty value does
    /// that.
    pub(crate) fn remove(&self, headers: &mut HeaderMap, former: Former) {
        match &self.carrier {
            Carrier::Cookies(cookies) => cookies.remove(headers, former),
            Carrier::Header(_) | Carrier::Bearer => {
                headers.insert(self.reply(), HeaderValue::from_static(""));
            }
        }
    }

    /// Returns the request header on which a response depends once its session was read.
    pub(crate) fn varies_on(&self) -> HeaderName {
        match &self.carrier {
            Carrier::Cookies(_) => COOKIE,
            Carrier::Header(name) => name.clone(),
            Carrier::Bearer => AUTHORIZATION,
        }
    }

    /// Returns the response header that carries the id, if it is not in a cookie.
    fn reply(&self) -> HeaderName {
        match &self.carrier {
            Carrier::Header(name) => name.clone(),
            Carrier::Cookies(_) | Carrier::Bearer => REPLY,
        }
    }
}

/// Returns the token of an `Authorization` header. A header with another scheme presents no id: it
/// may be for a proxy, or be an AWS signature.
fn bearer_token(line: &[u8]) -> Option<&[u8]> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    let (scheme, token) = line.split_at(space);
    scheme
        .eq_ignore_ascii_case(b"bearer")
        .then(|| token.trim_ascii())
}

/// Returns the header of that name if it can carry an id in a request, and it or [`REPLY`] can in a
/// response.
pub(crate) fn carrier(name: &str) -> Option<HeaderName> {
    HeaderName::try_from(name)
        .ok()
        .filter(|name| *name == AUTHORIZATION || !is_taken(name.as_str()))
}

/// Returns whether a header of this name has a meaning for HTTP, for browsers or for AWS. An id in
/// such a header would break requests or responses, or the header would be renamed or dropped:
///
/// - [REST APIs][rest] rename or restrict `Accept` to `WWW-Authenticate`;
/// - [HTTP APIs][http] reserve `Access-Control-*`, `Apigw-*`, `X-Amz-*` and others;
/// - [ALBs][alb] drop hop-by-hop headers, and set `X-Forwarded-*` and `X-Amzn-*`;
/// - [Function URLs][url] set these too, and rename responses' headers as REST APIs do;
/// - [CloudFront][cf] sets or drops `CloudFront-*`, `X-Edge-*` and others.
///
/// [rest]: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
/// [http]: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html#http-api-mapping-reserved-headers
/// [alb]: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
/// [url]: https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
/// [cf]: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/RequestAndResponseBehaviorCustomOrigin.html
fn is_taken(name: &str) -> bool {
    TAKEN.contains(&name)
        || TAKEN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || name.ends_with("cache-control")
}

/// The names that are taken, in lower case as in `http`.
const TAKEN: [&str; 63] = [
    "accept",
    "age",
    "allow",
    "alt-svc",
    "alt-used",
    "authentication-info",
    "authorization",
    "baggage",
    "clear-site-data",
    "connection",
    "cookie",
    "cookie2",
    "date",
    "digest",
    "dnt",
    "early-data",
    "edge-control",
    "etag",
    "expect",
    "expires",
    "forwarded",
    "from",
    "host",
    "keep-alive",
    "last-modified",
    "link",
    "location",
    "max-forwards",
    "nel",
    "origin",
    "origin-agent-cluster",
    "permissions-policy",
    "pragma",
    "priority",
    "range",
    "referer",
    "referrer-policy",
    "refresh",
    "report-to",
    "reporting-endpoints",
    "retry-after",
    "save-data",
    "server",
    "server-timing",
    "set-cookie",
    "set-cookie2",
    "sourcemap",
    "strict-transport-security",
    "te",
    "timing-allow-origin",
    "traceparent",
    "tracestate",
    "trailer",
    "trailers",
    "transfer-encoding",
    "user-agent",
    "vary",
    "via",
    "warn",
    "warning",
    "www-authenticate",
    "x-accel-expires",
    "x-xss-protection",
];

const TAKEN_PREFIXES: [&str; 22] = [
    "accept-",
    "access-control-",
    "apigw-",
    "cache-",
    "cdn-",
    "cloudfront-",
    "content-",
    "cross-origin-",
    "http2-",
    "if-",
    "proxy-",
    "sec-",
    "service-worker",
    "surrogate-",
    "upgrade",
    "x-amz-",
    "x-amzn-",
    "x-content-type-",
    "x-edge-",
    "x-forwarded-",
    // lambda_http reads it from responses.
    "x-lambda-http-",
    "x-frame-",
];

#[cfg(test)]
mod tests;
