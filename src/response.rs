//! What a response carries of its session: the id, and what caches must know.
//!
//! 1. A response that gives or takes the id is `Cache-Control: no-store`: a shared cache would
//!    hand one client's session to the next. What a handler said stays if it keeps shared caches
//!    out (`private`, `no-store`), and is replaced if it lets them in.
//! 2. One whose session was read is `Vary: Cookie` (or the transport's header) and, unless the
//!    handler said otherwise, `Cache-Control: private`.
//! 3. The default answer to a session's failure carries no cookie and is never cached.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

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
            transport.issue(headers, &id, ttl.seconds_since(now));
            true
        }
        // There is nothing to take from who brought nothing.
        (Token::Remove, _) if session.presented_anything() => {
            transport.remove(headers);
            true
        }
        (Token::Keep | Token::Issue | Token::Remove, _) => false,
    };
    if session.was_read() {
        vary(headers, transport);
    }
    if moved && !keeps_shared_caches_out(headers) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    } else if session.was_read() && !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
    }
}

/// The answer to a failure where [`on_error`](crate::SessionLayer::on_error) was not set.
pub(crate) fn default_on_error(error: &Error) -> Response<String> {
    let (status, retry) = match error.kind() {
        ErrorKind::Unavailable
        | ErrorKind::Throttled
        | ErrorKind::Timeout
        | ErrorKind::OutcomeUnknown => (StatusCode::SERVICE_UNAVAILABLE, true),
        ErrorKind::Misconfigured | ErrorKind::Corrupt => (StatusCode::SERVICE_UNAVAILABLE, false),
        ErrorKind::Gone | ErrorKind::Conflict => (StatusCode::CONFLICT, false),
        ErrorKind::TooLarge
        | ErrorKind::InvalidKey
        | ErrorKind::Serialize
        | ErrorKind::Deserialize => (StatusCode::INTERNAL_SERVER_ERROR, false),
    };
    // The kind is for the log; the client learns what it can do.
    let text = match status {
        StatusCode::CONFLICT => "The session changed in the meantime. Please try again.\n",
        StatusCode::INTERNAL_SERVER_ERROR => "The session failed.\n",
        _ => "The session is not available at the moment. Please try again.\n",
    };
    let mut response = Response::new(text.to_owned());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if retry {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn vary(headers: &mut HeaderMap, transport: &Transport) {
    let name = transport.varies_on();
    let said = headers
        .get_all(VARY)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .any(|said| said == b"*" || said.eq_ignore_ascii_case(name.as_str().as_bytes()));
    if !said {
        // `Cookie` as people write it; any other name as `http` has it.
        let value = match name {
            http::header::COOKIE => HeaderValue::from_static("Cookie"),
            name => HeaderValue::from(name),
        };
        headers.append(VARY, value);
    }
}

/// Whether what the handler said of caching is enough for a response that carries an id.
fn keeps_shared_caches_out(headers: &HeaderMap) -> bool {
    let (mut out, mut lets_in) = (false, false);
    for directive in headers
        .get_all(CACHE_CONTROL)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|directive| directive.trim_ascii().to_ascii_lowercase())
    {
        // `private="set-cookie"` names headers and lets the rest in: it is not enough.
        match directive.as_slice() {
            b"private" | b"no-store" => out = true,
            b"public" => lets_in = true,
            other if other.starts_with(b"s-maxage") => lets_in = true,
            _ => {}
        }
    }
    out && !lets_in
}

#[cfg(test)]
mod tests;
