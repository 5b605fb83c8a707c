//! Stores: where records of sessions are kept.

pub(crate) mod arguments;
pub(crate) mod changes;
#[cfg(feature = "conformance")]
pub mod conformance;
pub(crate) mod data;
#[cfg(feature = "dynamodb")]
pub(crate) mod dynamodb;
pub(crate) mod item;
pub(crate) mod memory;
pub(crate) mod native;
pub(crate) mod over_versioned;
pub(crate) mod record;
pub(crate) mod session_info;
pub(crate) mod session_store;
pub(crate) mod stored;
pub(crate) mod user;
pub(crate) mod versioned;

pub use crate::clock::Timestamp;
pub use crate::expiry::lifetimes::Lifetimes;
pub use crate::id::StorageKey;
pub use crate::store::arguments::{Cycle, Load, Replacement, RequestTime, Touch, Update};
pub use crate::store::changes::{Apply, Change, Changes};
pub use crate::store::data::{Data, Entry};
#[cfg(feature = "dynamodb")]
pub use crate::store::dynamodb::schema::TableSchema;
#[cfg(feature = "dynamodb")]
pub use crate::store::dynamodb::store::DynamoDbStore;
pub use crate::store::item::{Item, Revision, Write};
pub use crate::store::memory::MemoryStore;
pub use crate::store::record::{Found, LeftBehind, Record, Redirect, Tombstone};
pub use crate::store::session_store::SessionStore;
pub use crate::store::stored::{Stored, UserIndex};
pub use crate::store::user::{Binding, Pseudonym, Revoked};
pub use crate::store::versioned::VersionedStore;
