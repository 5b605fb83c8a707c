//! Tests that send thousands of requests and keep every core busy: each clause of each condition is
//! left out once, and random requests run under random faults.
//!
//! They have a program of their own, because their load would disturb tests that depend on time.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

mod conditions;
mod histories;
mod revocations;
#[path = "../it/support/mod.rs"]
mod support;
