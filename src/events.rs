//! Repairs of Lambda's events, before `lambda_http` makes requests of them.
//!
//! 1. A REST API, or a load balancer with multi-value headers, delivers the last line of a header
//!    in `headers` and all of its lines in `multiValueHeaders`. `lambda_http` 1.3 merges the two
//!    with `HeaderMap::extend`, which replaces entries: of several `Cookie` lines, one is left. It
//!    should only add the names that the second map lacks. (See `into_proxy_request`,
//!    `into_alb_request` and `into_websocket_request` in its `request.rs`.)
//! 2. An HTTP API delivers a list of cookies. `lambda_http` 1.3 joins them, and drops them all if
//!    one contains a control character. It should drop only that one. (See
//!    `into_api_gateway_v2_request`.)
//! 3. An `http::Request` no longer has the dropped lines: its extensions hold only the context and
//!    the parameters of the request. The event itself is therefore repaired.

use std::fmt::Debug;
#[cfg(feature = "concurrency-tokio")]
use std::pin::Pin;
use std::sync::Once;
#[cfg(feature = "concurrency-tokio")]
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::Response;
#[cfg(any(feature = "apigw_rest", feature = "alb"))]
use http::{HeaderMap, HeaderName};
use http_body::Body;
use lambda_http::lambda_runtime::{self, Diagnostic, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::tower::ServiceExt as _;
use lambda_http::{Adapter, Error, IntoResponse, Request, Service, StreamAdapter};

/// Serves requests like [`lambda_http::run`], but keeps all of their `Cookie` lines.
///
/// REST APIs and load balancers with multi-value headers deliver the list of all lines of a header,
/// and separately its last line. `lambda_http` keeps only the last line. A client may send its
/// cookies in several lines, as HTTP/2 allows. Such a client may lose its session with
/// `lambda_http::run`, and a second session cookie is not noticed. This function
/// [repairs](repair_event) each event first. `lambda_http::run` keeps only one line of any header.
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
/// Fails with the errors of [`lambda_http::run`].
///
/// # Panics
///
/// Panics if Lambda's own environment variables are missing.
pub async fn run<'a, R, S, E>(handler: S) -> Result<(), Error>
where
    S: Service<Request, Response = R, Error = E>,
    S::Future: Send + 'a,
    R: IntoResponse,
    E: Debug + Into<Diagnostic>,
{
    lambda_runtime::run(Adapter::from(handler).map_request(repaired)).await
}

/// Serves requests like [`lambda_http::run_with_streaming_response`], but keeps all of their
/// `Cookie` lines.
///
/// [`run`] describes the reason.
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
///     lambda_sessions::layer::run_with_streaming_response(hello).await
/// }
/// ```
///
/// # Errors
///
/// Fails with the errors of [`lambda_http::run_with_streaming_response`].
///
/// # Panics
///
/// Panics if Lambda's own environment variables are missing.
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

/// Serves several requests at once like [`lambda_http::run_concurrent`], but keeps all of their
/// `Cookie` lines, and accepts responses that are not `Sync`, such as those of axum.
///
/// Requests arrive at once only if the function has managed concurrency
/// (`AWS_LAMBDA_MAX_CONCURRENCY` is above 1). Otherwise they are served one after the other.
///
/// Requires the feature `concurrency-tokio`.
///
/// ```no_run
/// # #[cfg(feature = "axum")] mod program {
/// use axum::{Router, routing::get};
/// use lambda_sessions::layer::run_concurrent;
/// use lambda_sessions::{Error, Session, SessionLayer};
///
/// #[tokio::main]
/// async fn main() -> Result<(), lambda_http::Error> {
///     let sessions = SessionLayer::from_env().await?;
///     run_concurrent(Router::new().route("/", get(hello)).layer(sessions)).await
/// }
///
/// async fn hello(session: Session) -> Result<String, Error> {
///     Ok(format!("visit {}\n", session.increment("visits", 1)?))
/// }
/// # }
/// ```
///
/// # Errors
///
/// Fails with the errors of [`lambda_http::run_concurrent`].
///
/// # Panics
///
/// Panics if Lambda's own environment variables are missing.
#[cfg(feature = "concurrency-tokio")]
pub async fn run_concurrent<R, S, E>(handler: S) -> Result<(), Error>
where
    S: Service<Request, Response = R, Error = E> + Clone + Send + 'static,
    S::Future: Send + 'static,
    R: IntoResponse + Send + 'static,
    E: Debug + Into<Diagnostic> + Send + 'static,
{
    let handler = handler.map_response(SyncResponse::new);
    lambda_runtime::run_concurrent(Adapter::from(handler).map_request(repaired)).await
}

/// A response that is `Sync` although its body is not. `lambda_http`'s adapter requires it, and
/// never shares the response. The lock is never taken.
#[cfg(feature = "concurrency-tokio")]
struct SyncResponse<R>(Mutex<R>);

#[cfg(feature = "concurrency-tokio")]
impl<R> SyncResponse<R> {
    fn new(response: R) -> Self {
        Self(Mutex::new(response))
    }
}

#[cfg(feature = "concurrency-tokio")]
impl<R: IntoResponse> IntoResponse for SyncResponse<R> {
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<lambda_http::Body>> + Send>> {
        let response = self.0.into_inner();
        response
            .unwrap_or_else(PoisonError::into_inner)
            .into_response()
    }
}

/// Repairs an event so that `lambda_http` makes a request with all of its headers.
///
/// It is for runtime loops other than [`run`].
///
/// - For a REST API or a load balancer, all lines of a header are kept.
/// - For an HTTP API, a cookie with a control character is dropped, and the other cookies are kept.
///   No header can hold such a cookie. (In other events, such a character makes `lambda_http` fail
///   before any code of the function runs.)
///
/// Each kind of event is repaired if its feature of this crate is enabled: `apigw_http` (the
/// default), `apigw_rest` or `alb`.
///
/// An event that needs no repair costs two comparisons, or a scan of each cookie.
///
/// ```no_run
/// use lambda_http::lambda_runtime::{self, LambdaEvent};
/// use lambda_http::request::LambdaRequest;
/// use lambda_http::tower::ServiceExt as _;
/// use lambda_http::{Adapter, Error, Request};
/// use lambda_sessions::{Session, SessionLayer};
/// use lambda_sessions::layer::repair_event;
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
        #[cfg(feature = "apigw_rest")]
        LambdaRequest::ApiGatewayV1(event) => {
            drop_headers_with_several_lines(&mut event.headers, &event.multi_value_headers);
        }
        #[cfg(feature = "alb")]
        LambdaRequest::Alb(event) => {
            drop_headers_with_several_lines(&mut event.headers, &event.multi_value_headers);
        }
        #[cfg(feature = "apigw_http")]
        LambdaRequest::ApiGatewayV2(event) => {
            if let Some(cookies) = &mut event.cookies {
                let before = cookies.len();
                cookies.retain(|cookie| cookie.bytes().all(fits_header_value));
                if cookies.len() < before {
                    tracing::warn!(
                        "dropped a cookie with a control character: no header can hold it"
                    );
                }
            }
        }
        other => warn_of_missing_feature(other),
    }
}

/// Warns, once, of events that `lambda_http` accepts and this crate was not built for.
fn warn_of_missing_feature(event: &LambdaRequest) {
    static CHECKED: Once = Once::new();
    CHECKED.call_once(|| {
        // The variants exist only with their features. The text begins with the variant's name.
        let text = format!("{event:?}");
        let kind = text.split('(').next().unwrap_or_default();
        let feature = match kind {
            "ApiGatewayV1" => "apigw_rest",
            "ApiGatewayV2" => "apigw_http",
            "Alb" => "alb",
            _ => return,
        };
        tracing::warn!(
            feature,
            "this event is not repaired and may lose cookies: enable the feature of lambda-sessions"
        );
    });
}

/// Repairs the event of an invocation.
fn repaired(mut event: LambdaEvent<LambdaRequest>) -> LambdaEvent<LambdaRequest> {
    repair_event(&mut event.payload);
    event
}

/// Drops the headers that have several lines in `all`. For a header with one line, both maps hold
/// that line, and `lambda_http` reads the host and the scheme from the first map.
#[cfg(any(feature = "apigw_rest", feature = "alb"))]
fn drop_headers_with_several_lines(headers: &mut HeaderMap, all: &HeaderMap) {
    if all.len() == all.keys_len() {
        return;
    }
    let has_several = |name: &&HeaderName| all.get_all(*name).iter().nth(1).is_some();
    for name in all.keys().filter(has_several) {
        headers.remove(name);
    }
}

/// Applies the rule of `http::HeaderValue`, without the copy that it makes.
#[cfg(any(feature = "apigw_http", test))]
fn fits_header_value(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookie_byte_fits_if_http_accepts_it() {
        for byte in 0..=u8::MAX {
            let taken = http::HeaderValue::from_bytes(&[byte]).is_ok();
            assert_eq!(fits_header_value(byte), taken, "{byte:#x}");
        }
    }
}
