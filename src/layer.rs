//! The types that a [`SessionLayer`] takes and makes, and the alternatives to
//! [`run`](crate::run).
//!
//! | Name | Description |
//! |---|---|
//! | [`PreviousCookie`] | a cookie that the application set before, for [`previous_cookie`] |
//! | [`CookieScope`], [`RequestHead`] | a variant of the cookie for some domains, and the parts of a request that choose it, for [`cookie_scopes`] |
//! | `FlaskSessions`, `FlaskCopy` | the sessions of a Flask application, for `import_from` (feature `flask`) |
//! | [`SessionService`], [`SessionFuture`], [`SessionBody`] | the service that the layer makes of another one, its future and its body; they are needed to name types only |
//! | `run_concurrent` (feature `concurrency-tokio`) | [`run`](crate::run) for several requests at once, also for axum |
//! | [`UpdateUserError`] | the error of [`update_user`](crate::SessionLayer::update_user) |
//! | [`run_with_streaming_response`] | [`run`](crate::run) for responses that are streamed |
//! | [`repair_event`] | the repair of an event for other runtime loops |
//!
//! Rules of the layer:
//!
//! 1. [`wrap`] is for `lambda_http`. The session is the handler's second argument and is loaded
//!    before the handler runs.
//! 2. As a [`tower_layer::Layer`], the layer applies to any `http` service. The session is loaded
//!    on request, and a request that never asks for it costs no call to the store.
//! 3. Nested layers each have their own session, cookie and store. A layer that is applied twice
//!    has one session, and the outermost application commits it.
//! 4. Invalid settings are reported when the service is built, during init, and not by the first
//!    request.
//!
//! [`cookie_scopes`]: crate::SessionLayer::cookie_scopes
//! [`previous_cookie`]: crate::SessionLayer::previous_cookie
//! [`wrap`]: crate::SessionLayer::wrap

mod authenticate;
mod carrier_settings;
mod expiry_settings;
#[cfg(feature = "flask")]
mod import;
pub(crate) mod session_layer;
mod session_settings;
mod update_user;
mod users;

#[cfg(feature = "concurrency-tokio")]
pub use crate::events::run_concurrent;
pub use crate::events::{repair_event, run_with_streaming_response};
#[cfg(feature = "flask")]
pub use crate::layer::import::FlaskCopy;
#[doc(no_inline)]
pub use crate::layer::session_layer::SessionLayer;
pub use crate::service::body::SessionBody;
pub use crate::service::future::SessionFuture;
pub use crate::service::session_service::SessionService;
pub use crate::session::update_error::UpdateUserError;
#[cfg(feature = "flask")]
pub use crate::store::dynamodb::flask::sessions::FlaskSessions;
pub use crate::wire::cookie::previous::PreviousCookie;
pub use crate::wire::cookie::scope::CookieScope;
pub use crate::wire::request_head::RequestHead;
