//! The place where a session is stored, and what a store holds there.

use crate::error::Error;
use crate::id::{SessionId, StorageKey};
use crate::store::record::Found;

/// The place where a session is stored.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    /// The id that the client has.
    pub(crate) id: SessionId,
    /// The key of the record if it is not the id's own key. The id was cycled automatically, and
    /// this request used the previous one.
    pub(crate) moved_to: Option<StorageKey>,
}

impl Location {
    pub(crate) fn of(id: SessionId) -> Self {
        Self { id, moved_to: None }
    }

    pub(crate) fn key(&self) -> &StorageKey {
        self.moved_to.as_ref().unwrap_or(self.id.storage_key())
    }
}

/// The result of a lookup by the id of a request, and the key at which it was found if that is not the
/// id's own.
pub(crate) type LookedUp = Result<(Found, Option<StorageKey>), Error>;
