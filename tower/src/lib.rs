// The README has programs for both versions of tower-sessions.
#![cfg_attr(
    all(
        feature = "dynamodb",
        feature = "tower-sessions-0-14",
        feature = "tower-sessions-0-15"
    ),
    doc = include_str!("../README.md")
)]
#![cfg_attr(
    not(all(
        feature = "dynamodb",
        feature = "tower-sessions-0-14",
        feature = "tower-sessions-0-15"
    )),
    doc = "Keeps the sessions of tower-sessions and axum-login in DynamoDB."
)]
// Without a version of tower-sessions, nothing calls the store.
#![cfg_attr(
    not(any(feature = "tower-sessions-0-14", feature = "tower-sessions-0-15")),
    allow(dead_code)
)]
// docs.rs labels each item with the feature that it requires.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod error;
mod id;
mod read_records;
mod session;
mod store;
mod traits;

pub use lambda_sessions;

pub use crate::store::TowerStore;
