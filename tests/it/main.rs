//! The integration tests, a module for each subject.
//!
//! Each test has a table of its own, on an emulator in this process or on the DynamoDB Local at
//! `LAMBDA_SESSIONS_TEST_ENDPOINT`. No test sets variables, the current directory or a global
//! subscriber: one that must do so runs this program again, in a process of its own.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

mod axum;
mod calls;
mod concurrency;
mod cookies;
mod csrf;
mod deadlines;
mod documents;
mod environment;
mod failures;
mod faults;
mod freeze;
mod journeys;
mod logins;
mod replays;
mod revocation;
mod runtimes;
mod security;
mod snapshots;
mod stale_reads;
mod storage;
mod store_faults;
mod stores;
mod support;
mod surprises;
