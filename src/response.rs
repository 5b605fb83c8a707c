//! What a response carries of its session: the id, and what caches must know.
//!
//! 1. A response that gives or takes the id is `Cache-Control: no-store`: a shared cache would
//!    hand one client's session to the next, and a browser's cache would keep the id on the disk.
//!    A handler's line stays if it says so itself. Headers that overrule `Cache-Control` for some
//!    caches say the same.
//! 2. One whose session was read is `Vary: Cookie` (or the transport's header) and, unless the
//!    handler said otherwise, `Cache-Control: private`.
//! 3. The default answer to a session's failure carries no cookie and is never cached.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use crate::error::{Error, ErrorKind};
use crate::expiry::Timestamp;
use crate::session::{Session, Token};
use crate::transport::Transport;

/// Puts on a response what its session, now settled, has to say.
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
        // There is nothing to take from who brought nothing.
        (Token::Remove, _) if session.presented_anything() => {
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

/// The answer to a failure where [`on_error`](crate::SessionLayer::on_error) was not set.
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
    // The kind is for the log; the client learns what it can do.
    let text = match status {
        // Whoever tries again may do it twice.
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

/// One line with all that there is: of several, API Gateway's HTTP API and an ALB get the first.
fn vary(headers: &mut HeaderMap, transport: &Transport) {
    let name = transport.varies_on();
    let is_it = |said: &[u8]| said == b"*" || said.eq_ignore_ascii_case(name.as_str().as_bytes());
    // `Cookie` as people write it; any other name as `http` has it.
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

/// The values of all lines of a header, as one.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Vec<u8> {
    let lines: Vec<&[u8]> = headers
        .get_all(name)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    lines.join(&b", "[..])
}

fn put(headers: &mut HeaderMap, name: HeaderName, line: &[u8]) {
    // Made of values and names of headers, it is one itself.
    if let Ok(value) = HeaderValue::from_bytes(line) {
        headers.insert(name, value);
    }
}

/// Has no cache store the response, whatever the handler said.
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
            // A cache that understands the status ignores `no-store` beside it (RFC 9111, 5.2.2.3).
            b"must-understand" => return false,
            // A comma in a quoted argument is none of the line's.
            other if other.contains(&b'"') => return false,
            _ => {}
        }
    }
    no_store
}

/// Whether a cache that looks at this header does not look at `Cache-Control`: those of RFC 9213,
/// such as `Cloudflare-CDN-Cache-Control`, and their predecessors.
fn overrules_cache_control(name: &str) -> bool {
    name.ends_with("cdn-cache-control") || matches!(name, "surrogate-control" | "edge-control")
}

#[cfg(test)]
mod tests;
