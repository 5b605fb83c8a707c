//! The place where a session is stored, and what a store holds there.

use crate::error::Error;
use crate::id::{SessionId, StorageKey};
use crate::store::record::Found;

/// The place where a session is stored.
#[derive(Clone, Debug)]
pub(crate) enum Location {
    /// The key of the id that the client has.
    Own(SessionId),
    /// Another key.
    Other {
        /// The id that the client has. It was cycled automatically, and this request used the previous
        /// one. Outside a request of the client, its id is not known.
        id: Option<SessionId>,
        key: StorageKey,
    },
}

impl Location {
    pub(crate) fn of(id: SessionId) -> Self {
        Self::Own(id)
    }

    /// Returns the location of a session whose id is not known.
    pub(crate) fn at(key: StorageKey) -> Self {
        Self::Other { id: None, key }
    }

    /// Returns the location of this id, or of the key that it has moved to.
    pub(crate) fn new(id: Option<SessionId>, moved_to: Option<StorageKey>) -> Option<Self> {
        match (id, moved_to) {
            (id, Some(key)) => Some(Self::Other { id, key }),
            (Some(id), None) => Some(Self::Own(id)),
            (None, None) => None,
        }
    }

    pub(crate) fn key(&self) -> &StorageKey {
        match self {
            Self::Own(id) => id.storage_key(),
            Self::Other { key, .. } => key,
        }
    }

    /// Returns the location at the key that a redirect leads to.
    pub(crate) fn moved_to(self, key: StorageKey) -> Self {
        let (id, _) = self.into_parts();
        Self::Other { id, key }
    }

    /// Returns whether the session is stored under the key of the client's own id.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self, Self::Own(_))
    }

    /// Returns the id that the client has, if it is known, and the key if it is not the id's own.
    pub(crate) fn into_parts(self) -> (Option<SessionId>, Option<StorageKey>) {
        match self {
            Self::Own(id) => (Some(id), None),
            Self::Other { id, key } => (id, Some(key)),
        }
    }
}

/// The result of a lookup by the id of a request, and the key at which it was found if that is not the
/// id's own.
pub(crate) type LookedUp = Result<(Found, Option<StorageKey>), Error>;
