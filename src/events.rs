//! Lambda's events, before `lambda_http` makes requests of them.
//!
//! 1. A REST API, or a load balancer with multi-value headers, delivers a header's last line in
//!    `headers` and all of its lines in `multiValueHeaders`. `lambda_http` 1.3 merges the two by
//!    `HeaderMap::extend`, which replaces: of several `Cookie` lines, one is left. It should extend
//!    only by names that the second map lacks. (`into_proxy_request`, `into_alb_request` and
//!    `into_websocket_request` in its `request.rs`.)
//! 2. An HTTP API delivers a list of cookies. `lambda_http` 1.3 joins them, and drops them all if one
//!    holds a control character. It should drop that one. (`into_api_gateway_v2_request`.)
//! 3. Once there is an `http::Request`, nothing in it has what was lost: its extensions hold the
//!    request's context and parameters alone. So the event itself is repaired.

use std::fmt::Debug;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response};
use http_body::Body;
use lambda_http::lambda_runtime::{self, Diagnostic, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::tower::ServiceExt as _;
use lambda_http::{Adapter, Error, IntoResponse, Request, Service, StreamAdapter};

/// Serves requests as [`lambda_http::run`] does, and loses no `Cookie` line of them.
///
/// REST APIs and load balancers with multi-value headers deliver a header's last line beside the
/// list of all lines, and `lambda_http` keeps the last one alone. A client that sends its cookies in
/// several lines, as HTTP/2 allows, may lose its session there, and a second session cookie remains
/// unseen. This function [repairs](repair_event) each event first. With `lambda_http::run`, several
/// lines of any header are one.
///
/// ```no_run
/// use lambda_http::{Error, Request};
/// use lambda_sessions::{Session, SessionLayer};
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Error> {
///     let sessions = SessionLayer::from_env().await?;
///     lambda_sessions::run(sessions.wrap(hello)).await
/// }
///
/// async fn hello(_request: Request, session: Session) -> Result<String, Error> {
///     Ok(format!("visit {}\n", session.increment("visits", 1)?))
/// }
/// ```
///
/// # Errors
///
/// Fails as [`lambda_http::run`] does.
///
/// # Panics
///
/// If Lambda's own environment variables are missing.
pub async fn run<'a, R, S, E>(handler: S) -> Result<(), Error>
where
    S: Service<Request, Response = R, Error = E>,
    S::Future: Send + 'a,
    R: IntoResponse,
    E: Debug + Into<Diagnostic>,
{
    lambda_runtime::run(Adapter::from(handler).map_request(repaired)).await
}

/// Serves requests as [`lambda_http::run_with_streaming_response`] does, and loses no `Cookie` line
/// of them: see [`run`].
///
/// ```no_run
/// use lambda_http::Error;
/// use lambda_sessions::{Session, SessionLayer};
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Error> {
///     let sessions = SessionLayer::from_env().await?;
///     let hello = sessions.wrap(|_, session: Session| async move {
///         Ok::<_, Error>(format!("visit {}\n", session.increment("visits", 1)?))
///     });
///     lambda_sessions::run_with_streaming_response(hello).await
/// }
/// ```
///
/// # Errors
///
/// Fails as [`lambda_http::run_with_streaming_response`] does.
///
/// # Panics
///
/// If Lambda's own environment variables are missing.
pub async fn run_with_streaming_response<'a, S, B, E>(handler: S) -> Result<(), Error>
where
    S: Service<Request, Response = Response<B>, Error = E>,
    S::Future: Send + 'a,
    E: Debug + Into<Diagnostic>,
    B: Body + Unpin + Send + 'static,
    B::Data: Into<Bytes> + Send,
    B::Error: Into<Error> + Send + Debug,
{
    lambda_runtime::run(StreamAdapter::from(handler).map_request(repaired)).await
}

/// Repairs an event so that `lambda_http` makes a request with all of its headers: for runtime loops
/// other than [`run`].
///
/// - For a REST API or a load balancer: of a header that has several lines, all lines count.
/// - For an HTTP API: a cookie that no header can hold, since it has a control character, is dropped
///   alone. (In the other events, such a character makes `lambda_http` fail before any code of a
///   function runs.)
///
/// An event without either costs two comparisons, or a look at each cookie.
///
/// ```no_run
/// use lambda_http::lambda_runtime::{self, LambdaEvent};
/// use lambda_http::request::LambdaRequest;
/// use lambda_http::tower::ServiceExt as _;
/// use lambda_http::{Adapter, Error, Request};
/// use lambda_sessions::{Session, SessionLayer, repair_event};
///
/// # async fn hello(_: Request, _: Session) -> Result<String, Error> { Ok(String::new()) }
/// # async fn f(sessions: SessionLayer) -> Result<(), Error> {
/// let service = Adapter::from(sessions.wrap(hello)).map_request(
///     |mut event: LambdaEvent<LambdaRequest>| {
///         repair_event(&mut event.payload);
///         event
///     },
/// );
/// lambda_runtime::run(service).await // or `Runtime::new(service)`, or `run_concurrent(service)`
/// # }
/// ```
pub fn repair_event(event: &mut LambdaRequest) {
    match event {
        LambdaRequest::ApiGatewayV1(event) => {
            drop_what_is_listed(&mut event.headers, &event.multi_value_headers);
        }
        LambdaRequest::Alb(event) => {
            drop_what_is_listed(&mut event.headers, &event.multi_value_headers);
        }
        LambdaRequest::ApiGatewayV2(event) => {
            if let Some(cookies) = &mut event.cookies {
                let before = cookies.len();
                cookies.retain(|cookie| cookie.bytes().all(fits_a_header));
                if cookies.len() < before {
                    tracing::warn!("a cookie with a control character was dropped");
                }
            }
        }
        _ => {}
    }
}

fn repaired(mut event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    repair_event(&mut event.payload);
    event
}

/// Drops the lines of headers that have several in `all`. Of the others both maps hold the one line,
/// and `lambda_http` reads the host and the scheme from the first map.
fn drop_what_is_listed(headers: &mut HeaderMap, all: &HeaderMap) {
    if all.len() == all.keys_len() {
        return;
    }
    let has_several = |name: &&HeaderName| all.get_all(*name).iter().nth(1).is_some();
    for name in all.keys().filter(has_several) {
        headers.remove(name);
    }
}

/// As `http::HeaderValue` has it, without the copy that it makes.
fn fits_a_header(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookie_fits_where_http_takes_it() {
        for byte in 0..=u8::MAX {
            let taken = http::HeaderValue::from_bytes(&[byte]).is_ok();
            assert_eq!(fits_a_header(byte), taken, "{byte:#x}");
        }
    }
}
