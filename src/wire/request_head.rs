//! The parts of a request that an application's function may look at before its handler runs.

use http::header::HOST;
use http::{Extensions, HeaderMap, Method, Request, Uri};

/// The method, the URI, the headers and the extensions of a request.
///
/// The function of [`cookie_scopes`](crate::SessionLayer::cookie_scopes) gets it.
/// `lambda_http::RequestExt` works on the extensions.
///
/// ```
/// use lambda_http::RequestExt as _;
/// use lambda_sessions::layer::RequestHead;
///
/// fn is_invocation(request: &RequestHead<'_>) -> bool {
///     request.extensions.lambda_context_ref().is_some()
/// }
/// # let _ = is_invocation;
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The URI. In a Lambda function it has a host and a scheme, which come from headers.
    pub uri: &'a Uri,
    /// The headers, which include the client's cookies: do not log them.
    pub headers: &'a HeaderMap,
    /// The extensions, with the context of the request and of the invocation.
    pub extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    /// Returns the head of a request.
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// Returns the host that the client has named, in lower case and without a port.
    ///
    /// It is `None` if the request names no host. A client can send any host: compare it with the
    /// hosts that are yours, and put it nowhere else.
    ///
    /// ```
    /// use lambda_sessions::layer::RequestHead;
    ///
    /// fn is_shop(request: &RequestHead<'_>) -> bool {
    ///     request.host().as_deref() == Some("www.shop.example")
    /// }
    /// # let _ = is_shop;
    /// ```
    pub fn host(&self) -> Option<String> {
        let named = self.headers.get(HOST).and_then(|line| line.to_str().ok());
        let host = match (named, self.uri.host()) {
            (Some(line), _) => without_port(line),
            (None, Some(host)) => host,
            (None, None) => return None,
        };
        (!host.is_empty()).then(|| host.to_ascii_lowercase())
    }
}

/// The headers and the query may hold secrets.
impl std::fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", self.method)
            .finish_non_exhaustive()
    }
}

/// Returns a `Host` line without its port. The brackets of an IPv6 address stay.
fn without_port(line: &str) -> &str {
    match line.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_is_lower_case_without_a_port() {
        for (line, uri, expected) in [
            (Some("Shop.Example"), "/", Some("shop.example")),
            (Some("shop.example:8443"), "/", Some("shop.example")),
            (Some("[::1]:80"), "/", Some("[::1]")),
            (Some("[::1]"), "/", Some("[::1]")),
            (Some("a.example"), "https://b.example/", Some("a.example")),
            (None, "https://B.example:1/", Some("b.example")),
            (None, "/", None),
            (Some(""), "/", None),
            (Some("evil.example/x"), "/", Some("evil.example/x")),
        ] {
            let mut request = Request::get(uri);
            if let Some(line) = line {
                request = request.header(HOST, line);
            }
            let request = request.body(()).unwrap();
            let host = RequestHead::of(&request).host();
            assert_eq!(host.as_deref(), expected, "{line:?} {uri}");
        }
    }

    #[test]
    fn debug_of_a_head_shows_no_secret() {
        let request = Request::get("/?token=hidden").header("cookie", "sid=hidden");
        let request = request.body(()).unwrap();
        assert!(!format!("{:?}", RequestHead::of(&request)).contains("hidden"));
    }
}
