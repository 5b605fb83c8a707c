//! The result of writing a session, and the errors of a write that found no session to write to.

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::SessionId;
use crate::session::decision::gone;
use crate::session::location::Location;
use crate::session::state::Token;
use crate::store::record::Record;

/// The result of writing a session.
#[allow(clippy::large_enum_variant)] // only one exists at a time, and it is consumed at once
pub(super) enum Committed {
    /// The record is stored at this location.
    Stored(Location, Record, Token),
    /// Keys of the record at this location were changed by the last write of the request. The record
    /// has the version after it, and no values.
    Changed(Location, Record, Token),
    /// Only the expiry was written, or nothing at all.
    Kept(Option<Timestamp>),
    /// There is no session, and none was begun.
    Nothing,
    /// The record was deleted, and nothing is stored any more.
    Destroyed,
}

impl Committed {
    /// Returns the result for a record under an id that its client does not know yet.
    pub(super) fn under_new_id(id: SessionId, record: Record) -> Self {
        let version = record.version().max(1);
        Self::Stored(Location::of(id), record.at_version(version), Token::Issue)
    }
}

/// Returns the error of a write to a session that no longer exists.
pub(super) fn destroyed() -> Error {
    gone("another request destroyed the session, or it expired: load it again")
}

/// Returns the error of a write to an id that another request has cycled.
pub(super) fn cycled() -> Error {
    gone("another request cycled the session's id: send the request again with the new id")
}

/// Returns whether the store could not be reached, so that another call to it is pointless.
pub(super) fn is_outage(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unavailable | ErrorKind::Throttled | ErrorKind::Timeout
    )
}
