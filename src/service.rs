//! The `tower` service that gives an `http` service its sessions.
//!
//! 1. The inner service is called at once. Nothing is awaited before it, and a request that never
//!    asks for its session costs one lookup of a header.
//! 2. A session that was used is committed after the inner service has responded and before the
//!    response leaves. A future that is dropped or panics commits nothing.
//! 3. The types of the inner service have no additional bounds. The service and its future are
//!    `Send` or `'static` if the inner types are.

pub(crate) mod body;
pub(crate) mod future;
pub(crate) mod session_service;
