//! The integration tests, a module for each subject.
//!
//! Each test has a table of its own, on an emulator in this process or on the DynamoDB Local at
//! `LAMBDA_SESSIONS_TEST_ENDPOINT`. No test sets variables, the current directory or a global
//! subscriber: one that must do so runs this program again, in a process of its own.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

mod architecture;
mod authenticate;
mod authorizers;
mod auto_traits;
mod axum;
mod callbacks;
mod calls;
mod commit;
mod concurrency;
mod cookie_scopes;
mod cookies;
mod credentials;
mod csrf;
mod cycle_id;
mod deadlines;
mod documents;
mod environment;
mod errors;
mod event_paths;
mod event_table;
mod events;
mod expiry;
mod failures;
mod faults;
mod flask;
mod freeze;
mod handles;
mod hint_faults;
mod hints;
mod id_header;
mod id_header_beside;
mod items;
mod late_attempts;
mod layers;
mod lifetime_races;
mod lifetimes;
mod login;
mod login_races;
mod logout;
mod on_error;
mod prefetch;
mod previous_cookies;
mod received_cookies;
mod remember_me;
mod request_bytes;
mod retries;
mod retries_overtaken;
mod revocation;
mod runtimes;
mod schemas;
mod sessions;
mod settings;
mod signatures;
mod signing;
mod size;
mod skip_touch;
mod snapshots;
mod stale_reads;
mod stores;
mod support;
mod take_once;
mod throttling;
mod update_user;
mod user_list;
mod users;
mod values;
mod web_adapter;
mod websockets;
mod withheld_items;
mod write_only;
