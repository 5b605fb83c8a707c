use std::sync::Mutex;

use http::header::SET_COOKIE;
use http::{Method, Version};

use super::*;

#[test]
fn default_response_of_each_error_kind() {
    use ErrorKind::{
        Conflict, Corrupt, Deserialize, Gone, InvalidKey, Misconfigured, OutcomeUnknown, Serialize,
        Throttled, Timeout, TooLarge, Unavailable,
    };
    // A kind without a row does not compile.
    let expected = |kind| match kind {
        Unavailable | Throttled | Timeout => (503, true),
        OutcomeUnknown => (503, false),
        Misconfigured | Corrupt => (503, false),
        Gone | Conflict => (409, false),
        TooLarge | InvalidKey | Serialize | Deserialize => (500, false),
    };
    for kind in [
        Unavailable,
        Throttled,
        Timeout,
        OutcomeUnknown,
        Misconfigured,
        Corrupt,
        Gone,
        Conflict,
        TooLarge,
        InvalidKey,
        Serialize,
        Deserialize,
    ] {
        let cause = std::io::Error::other("secret cause");
        let error = Error::with_source(kind, "secret message", cause);
        let response = default_response(&error);
        let (status, retry) = expected(kind);
        assert_eq!(response.status(), status, "{kind}");
        let headers = response.headers();
        let retry_after = headers.get(RETRY_AFTER).map(HeaderValue::as_bytes);
        assert_eq!(retry_after, retry.then_some(b"1".as_slice()), "{kind}");
        assert_eq!(headers[CACHE_CONTROL], "no-store", "{kind}");
        assert_eq!(headers[CONTENT_TYPE], "text/plain; charset=utf-8");
        assert!(!headers.contains_key(SET_COOKIE), "{kind}");
        let says = match status {
            _ if kind == OutcomeUnknown => "could not be determined",
            409 => "changed in the meantime",
            500 => "failed",
            _ => "not available at the moment",
        };
        assert!(response.body().contains(says), "{kind}");
        assert!(!response.body().contains("secret"), "{kind}");
    }
}

fn request() -> Request<&'static str> {
    let mut request = Request::new("body");
    *request.method_mut() = Method::POST;
    *request.uri_mut() = "https://example.com/cart?a=1".parse().unwrap();
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    headers.append("accept", HeaderValue::from_static("text/html"));
    headers.append("accept", HeaderValue::from_static("application/json"));
    request.extensions_mut().insert("extension");
    request
}

#[test]
fn head_has_no_body_and_no_extensions() {
    let seen = Arc::new(Mutex::new(None));
    let writer = Arc::clone(&seen);
    let on_error = OnError::ErrorAndRequest(Arc::new(move |error, request| {
        *writer.lock().unwrap() = Some(request.clone());
        Response::new(error.kind().to_string())
    }));
    let responder = on_error.for_request(&request());
    assert!(seen.lock().unwrap().is_none(), "only a failure calls it");
    let response = responder.respond(&Error::new(ErrorKind::Gone, "gone"));
    assert_eq!(response.body(), "gone");
    let head = seen.lock().unwrap().take().unwrap();
    let expected = request();
    assert_eq!(head.method(), expected.method());
    assert_eq!(head.uri(), expected.uri());
    assert_eq!(head.version(), expected.version());
    assert_eq!(head.headers(), expected.headers());
    assert!(head.extensions().is_empty());
}

#[test]
fn head_is_cloned_only_if_a_function_sees_it() {
    let responder = OnError::default().for_request(&request());
    assert!(matches!(responder.0, Kind::Error(_)));
}

#[test]
fn responder_debug_hides_the_request() {
    let mut request = request();
    let cookie = HeaderValue::from_static("__Host-sid=secret");
    request.headers_mut().insert("cookie", cookie);
    let on_error = OnError::ErrorAndRequest(Arc::new(|_, _| Response::default()));
    let shown = format!("{:?}", on_error.for_request(&request));
    assert!(!shown.contains("secret"), "{shown}");
}
