//! The names of headers that can carry an id.

use http::HeaderName;
use http::header::AUTHORIZATION;

/// Returns the header of this name if it can carry an id in requests. `Authorization` can, although
/// it cannot do so in responses.
pub(crate) fn id_header_name(name: &str) -> Option<HeaderName> {
    HeaderName::try_from(name)
        .ok()
        .filter(|name| *name == AUTHORIZATION || !is_reserved(name.as_str()))
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
fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
        || name.ends_with("cache-control")
}

/// The reserved names, in lower case as in `http`.
const RESERVED: [&str; 63] = [
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

/// The prefixes of reserved names, in lower case.
const RESERVED_PREFIXES: [&str; 22] = [
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
