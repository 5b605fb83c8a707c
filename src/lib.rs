//! Server-side HTTP sessions for AWS Lambda, kept in DynamoDB.

mod changes;
mod config;
mod cookie;
mod error;
mod expiry;
#[cfg(feature = "axum")]
mod extract;
mod id;
mod key;
mod layer;
mod record;
mod request;
mod response;
mod service;
mod session;
mod store;
mod tower;
mod transport;

pub use ::cookie::SameSite;

pub use crate::changes::{Change, Changes};
pub use crate::error::{Error, ErrorKind};
pub use crate::expiry::Timestamp;
pub use crate::id::{SessionId, StorageKey};
pub use crate::key::{AsKey, Key, Takes};
pub use crate::layer::SessionLayer;
pub use crate::record::{Data, Entry, Found, Opaque, Record, Stored};
pub use crate::request::SessionExt;
pub use crate::session::{Session, UnreadSession};
#[cfg(feature = "conformance")]
pub use crate::store::conformance;
pub use crate::store::dynamodb::DynamoDbStore;
pub use crate::store::memory::MemoryStore;
pub use crate::store::{Renewal, SessionStore, Update};
pub use crate::tower::{SessionFuture, SessionService};
