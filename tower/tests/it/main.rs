//! The integration tests: the real layers of tower-sessions and axum-login behind the real
//! `lambda_http` adapter, on a real DynamoDB emulator behind a proxy.
//!
//! The files below `with_0_14` and `with_0_15` are the same ones. They are compiled once for each
//! version of tower-sessions whose feature is enabled.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]
#![allow(clippy::duplicate_mod)] // the files that are compiled for each version

mod harness;
#[cfg(feature = "tower-sessions-0-14")]
mod login;
#[cfg(feature = "tower-sessions-0-15")]
mod logs;
#[cfg(feature = "tower-sessions-0-15")]
mod moving;
#[path = "../../../tests/it/support/mod.rs"]
mod support;
#[cfg(all(feature = "tower-sessions-0-14", feature = "tower-sessions-0-15"))]
mod versions;
#[cfg(feature = "tower-sessions-0-14")]
mod with_0_14;
#[cfg(feature = "tower-sessions-0-15")]
mod with_0_15;
