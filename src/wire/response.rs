//! The headers of a response that come from its session: the id, and the instructions for caches.
//!
//! 1. A response that sets or removes the id is `Cache-Control: no-store`. A shared cache would
//!    give one client's session to the next, and a browser's cache would keep the id on the disk. A
//!    handler's own line stays if it has the same effect. Headers that overrule `Cache-Control` for
//!    some caches get the same value.
//! 2. If the session was read, the response is `Vary: Cookie` (or the transport's header). It is
//!    also `Cache-Control: private`, unless the handler said otherwise.
//! 3. The default response to a session's failure carries no cookie and is never cached.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::session::handle::Session;
use crate::session::state::Token;
use crate::wire::carrier::Transport;

/// Adds the headers of a settled session to a response.
pub(crate) fn finish(
    headers: &mut HeaderMap,
    session: &Session,
    transport: &Transport,
    now: Timestamp,
) {
    let (token, id, ttl) = session.token();
    let moved = match (token, id) {
        (Token::Issue, Some(id)) => {
            transport.issue(headers, &id, ttl.seconds_since(now), session.former());
            true
        }
        // A client that presented nothing has nothing to remove.
        (Token::Remove, _) if session.received_anything() => {
            transport.remove(headers, session.former());
            true
        }
        (Token::Keep | Token::Issue | Token::Remove, _) => false,
    };
    if session.was_read() {
        vary(headers, transport);
    }
    if moved {
        forbid_storing(headers);
    } else if session.was_read() && !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
    }
}

/// Returns the response to a failure if [`on_error`](crate::SessionLayer::on_error) was not set.
pub(crate) fn default_on_error(error: &Error) -> Response<String> {
    let (status, retry) = match error.kind() {
        ErrorKind::Unavailable | ErrorKind::Throttled | ErrorKind::Timeout => {
            (StatusCode::SERVICE_UNAVAILABLE, true)
        }
        ErrorKind::OutcomeUnknown | ErrorKind::Misconfigured | ErrorKind::Corrupt => {
            (StatusCode::SERVICE_UNAVAILABLE, false)
        }
        ErrorKind::Gone | ErrorKind::Conflict => (StatusCode::CONFLICT, false),
        ErrorKind::TooLarge
        | ErrorKind::InvalidKey
        | ErrorKind::Serialize
        | ErrorKind::Deserialize => (StatusCode::INTERNAL_SERVER_ERROR, false),
    };
    // The kind is for the log. The client only learns what it can do.
    let text = match status {
        // A client that tries again may repeat the change.
        _ if error.kind() == ErrorKind::OutcomeUnknown => {
            "It could not be determined whether the request took effect.\n"
        }
        StatusCode::CONFLICT => "The session changed in the meantime. Please try again.\n",
        StatusCode::INTERNAL_SERVER_ERROR => "The session failed.\n",
        _ => "The session is not available at the moment. Please try again.\n",
    };
    let mut response = Response::new(text.to_owned());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if retry {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

/// Adds the session's header to one `Vary` line with all values. Of several lines, API Gateway's
/// HTTP API and an ALB keep only the first.
fn vary(headers: &mut HeaderMap, transport: &Transport) {
    let name = transport.varies_on();
    let is_it = |said: &[u8]| said == b"*" || said.eq_ignore_ascii_case(name.as_str().as_bytes());
    // `Cookie` has its usual spelling. Any other name is spelled as in `http`.
    let ours = match name {
        http::header::COOKIE => "Cookie",
        ref name => name.as_str(),
    };
    let mut line = joined(headers, &VARY);
    if !line
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .any(is_it)
    {
        if !line.is_empty() {
            line.extend_from_slice(b", ");
        }
        line.extend_from_slice(ours.as_bytes());
    }
    put(headers, VARY, &line);
}

/// Joins the values of all lines of a header.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Vec<u8> {
    let lines: Vec<&[u8]> = headers
        .get_all(name)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    lines.join(&b", "[..])
}

fn put(headers: &mut HeaderMap, name: HeaderName, line: &[u8]) {
    // The line consists of values and names of headers, so it is a valid value itself.
    if let Ok(value) = HeaderValue::from_bytes(line) {
        headers.insert(name, value);
    }
}

/// Prevents every cache from storing the response, whatever the handler said.
fn forbid_storing(headers: &mut HeaderMap) {
    let said = joined(headers, &CACHE_CONTROL);
    if forbids_storing(&said) {
        put(headers, CACHE_CONTROL, &said);
    } else {
        headers.insert(CACHE_CONTROL, NO_STORE);
    }
    let targeted: Vec<HeaderName> = headers
        .keys()
        .filter(|name| overrules_cache_control(name.as_str()))
        .cloned()
        .collect();
    for name in targeted {
        headers.insert(name, NO_STORE);
    }
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

fn forbids_storing(line: &[u8]) -> bool {
    let mut no_store = false;
    for directive in line.split(|byte| *byte == b',') {
        let directive = directive.trim_ascii().to_ascii_lowercase();
        match directive.as_slice() {
            b"no-store" => no_store = true,
            // A cache that understands the status ignores `no-store` next to it (RFC 9111,
            // 5.2.2.3).
            b"must-understand" => return false,
            // A comma in a quoted argument does not separate directives.
            other if other.contains(&b'"') => return false,
            _ => {}
        }
    }
    no_store
}

/// Returns whether a cache that reads this header ignores `Cache-Control`. Such headers are those
/// of RFC 9213, for example `Cloudflare-CDN-Cache-Control`, and their predecessors.
fn overrules_cache_control(name: &str) -> bool {
    name.ends_with("cdn-cache-control") || matches!(name, "surrogate-control" | "edge-control")
}

#[cfg(test)]
mod tests;
