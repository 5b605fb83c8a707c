//! The headers of a response that come from its session: the id, and the instructions for caches.
//!
//! 1. A response that sets or removes the id is `Cache-Control: no-store`. A shared cache would
//!    give one client's session to the next, and a browser's cache would keep the id on the disk. A
//!    handler's own line stays if it has the same effect. Headers that overrule `Cache-Control` for
//!    some caches get the same value.
//! 2. If the session was read, the response has `Vary` with `Cookie`, with the header that carries
//!    the id, or with both. It is also `Cache-Control: private`, unless the handler set that header.

use http::header::{CACHE_CONTROL, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::id::SessionId;
use crate::wire::carrier::Carrier;
use crate::wire::cookie::session_cookie::Kept;
use crate::wire::hints::Hints;
use crate::wire::received::{OneCookie, Reply};

/// The part of a response that depends on its session.
#[derive(Clone, Debug)]
pub(crate) struct SessionHeaders {
    pub(crate) id: IdHeader,
    /// The places that carry the id, if it is set or removed.
    pub(crate) reply: Reply,
    /// True if the handler read the session, so that the response may depend on it.
    pub(crate) was_read: bool,
}

/// The instruction to the client about its id.
#[derive(Clone, Debug)]
pub(crate) enum IdHeader {
    /// The response carries no id.
    Unchanged,
    /// The client gets this id with these hints for `seconds` seconds, in a persistent cookie or not.
    Set {
        id: SessionId,
        hints: Hints,
        seconds: u64,
        persistent: Option<bool>,
    },
    /// The client removes its id.
    Remove,
}

impl SessionHeaders {
    /// Adds the session's headers to a response.
    pub(crate) fn add_to(&self, headers: &mut HeaderMap, carrier: &Carrier) {
        let changes_id = match &self.id {
            IdHeader::Unchanged => false,
            IdHeader::Set {
                id,
                hints,
                seconds,
                persistent,
            } => {
                let kept = Kept {
                    seconds: *seconds,
                    persistent: *persistent,
                };
                carrier.issue(headers, self.reply, id, *hints, kept);
                true
            }
            IdHeader::Remove => {
                carrier.remove(headers, self.reply);
                true
            }
        };
        if let Some(front_door) = self.reply.one_cookie
            && headers.get_all(SET_COOKIE).iter().nth(1).is_some()
        {
            warn_of_lost_cookies(front_door);
        }
        if self.was_read {
            vary(headers, carrier);
        }
        if changes_id {
            forbid_storing(headers);
        } else if self.was_read && !headers.contains_key(CACHE_CONTROL) {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
        }
    }
}

/// Warns that only the first `Set-Cookie` line reaches the client, and says what to do.
fn warn_of_lost_cookies(front_door: OneCookie) {
    let cure = match front_door {
        OneCookie::LoadBalancer => {
            "set the attribute lambda.multi_value_headers.enabled of the load balancer's target \
             group to true"
        }
        OneCookie::VpcLattice => {
            "VPC Lattice has no setting for it: set one cookie in each response, or keep the \
             values in the session"
        }
    };
    tracing::warn!("only the first Set-Cookie header of a response reaches the client: {cure}");
}

/// Adds the session's headers to one `Vary` line with all values. Of several lines, API Gateway's
/// HTTP API and an ALB keep only the first.
fn vary(headers: &mut HeaderMap, carrier: &Carrier) {
    let mut line = joined(headers, &VARY);
    for name in carrier.varies_on() {
        let covers =
            |field: &[u8]| field == b"*" || field.eq_ignore_ascii_case(name.as_str().as_bytes());
        // `Cookie` has its usual spelling. Any other name is spelled as in `http`.
        let spelling = match name {
            http::header::COOKIE => "Cookie",
            ref name => name.as_str(),
        };
        let mut fields = line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        if !fields.any(covers) {
            if !line.is_empty() {
                line.extend_from_slice(b", ");
            }
            line.extend_from_slice(spelling.as_bytes());
        }
    }
    replace(headers, VARY, &line);
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

/// Replaces all lines of a header by this one.
fn replace(headers: &mut HeaderMap, name: HeaderName, line: &[u8]) {
    // The line consists of values and names of headers, so it is a valid value itself.
    if let Ok(value) = HeaderValue::from_bytes(line) {
        headers.insert(name, value);
    }
}

/// Prevents every cache from storing the response, whatever the handler allows.
fn forbid_storing(headers: &mut HeaderMap) {
    let line = joined(headers, &CACHE_CONTROL);
    if forbids_storing(&line) {
        replace(headers, CACHE_CONTROL, &line);
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

/// Returns whether every cache that reads this `Cache-Control` line does not store the response.
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
