//! How the id travels: in a cookie, or in a header of its own. Only the one that is configured is
//! ever read or written.

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::cookie::{CookieSettings, Cookies, PreviousCookie};
use crate::error::{Error, ErrorKind};
use crate::id::SessionId;
use crate::presented::{Former, Found, Presented, value_of};
use crate::signing::Signer;

/// The header of a response that answers `Authorization`: its name is the predecessor's.
const REPLY: HeaderName = HeaderName::from_static("x-sessionid");

#[derive(Clone, Debug)]
pub(crate) struct Transport {
    carrier: Carrier,
    /// Signs ids, and wants them signed.
    signer: Option<Signer>,
}

#[derive(Clone, Debug)]
enum Carrier {
    Cookies(Cookies),
    /// A header of this name, both ways.
    Header(HeaderName),
    /// `Authorization: Bearer` in requests ([RFC 6750], 2.1), and [`REPLY`] in responses: API Gateway
    /// renames a response's `Authorization`.
    ///
    /// [RFC 6750]: https://www.rfc-editor.org/rfc/rfc6750
    Bearer,
}

impl Transport {
    /// # Errors
    ///
    /// [`Misconfigured`](ErrorKind::Misconfigured) for a header that cannot carry an id, and for a
    /// cookie that browsers would refuse.
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

    /// What the client presented.
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

    /// Gives the client this id for so many seconds, and removes the previous cookies.
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

    /// Makes the client forget it, and the previous cookies. In a header, that is the empty value.
    pub(crate) fn remove(&self, headers: &mut HeaderMap, former: Former) {
        match &self.carrier {
            Carrier::Cookies(cookies) => cookies.remove(headers, former),
            Carrier::Header(_) | Carrier::Bearer => {
                headers.insert(self.reply(), HeaderValue::from_static(""));
            }
        }
    }

    /// The request header on which a response depends once its session was read.
    pub(crate) fn varies_on(&self) -> HeaderName {
        match &self.carrier {
            Carrier::Cookies(_) => COOKIE,
            Carrier::Header(name) => name.clone(),
            Carrier::Bearer => AUTHORIZATION,
        }
    }

    /// The response header that carries the id, where it is not a cookie.
    fn reply(&self) -> HeaderName {
        match &self.carrier {
            Carrier::Header(name) => name.clone(),
            Carrier::Cookies(_) | Carrier::Bearer => REPLY,
        }
    }
}

/// The token of an `Authorization` header. Another scheme's header presents nothing: it may be a
/// proxy's, or an AWS signature.
fn bearer_token(line: &[u8]) -> Option<&[u8]> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    let (scheme, token) = line.split_at(space);
    scheme
        .eq_ignore_ascii_case(b"bearer")
        .then(|| token.trim_ascii())
}

/// The header of that name, if it can carry an id in a request, and it or [`REPLY`] in a response.
pub(crate) fn carrier(name: &str) -> Option<HeaderName> {
    HeaderName::try_from(name)
        .ok()
        .filter(|name| *name == AUTHORIZATION || !is_taken(name.as_str()))
}

/// Whether a header of this name means something to HTTP, to browsers or to AWS. An id in it would
/// break requests or responses, or be renamed or dropped on its way:
///
/// - [REST APIs][rest] rename or restrict `Accept` to `WWW-Authenticate`;
/// - [HTTP APIs][http] reserve `Access-Control-*`, `Apigw-*`, `X-Amz-*` and others;
/// - [ALBs][alb] drop what is for one hop, and set `X-Forwarded-*` and `X-Amzn-*`, as
///   [Function URLs][url] do, which rename responses' headers as REST APIs do;
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

/// In lower case, as `http` has them.
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
