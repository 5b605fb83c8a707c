//! The session of a predecessor that a client has, and how a session becomes its continuation.

use crate::clock::Timestamp;
use crate::session::handle::Session;
use crate::session::location::Location;
use crate::session::state::Load;
use crate::store::record::{Found, Record};
use crate::wire::foreign::{Foreign, ForeignId};
use crate::wire::received::Reply;

impl Session {
    /// Remembers the id of a predecessor that the client has sent.
    pub(crate) fn came_with(&self, id: ForeignId, keeps: bool, began: Timestamp) {
        self.with(|state| {
            state.began = began;
            state.foreign = Some(Foreign { id, keeps });
        });
    }

    /// Returns the id of a predecessor that the client has sent, unless the client sent several ids of
    /// ours.
    pub(crate) fn foreign(&self) -> Option<ForeignId> {
        let is_unambiguous = self.others().is_empty();
        let foreign = || self.with(|state| state.foreign.as_ref().map(|it| it.id.clone()));
        is_unambiguous.then(foreign).flatten()
    }

    /// Returns whether the client has sent the id of a predecessor.
    pub(crate) fn has_foreign(&self) -> bool {
        self.with(|state| state.foreign.is_some())
    }

    /// Returns whether the session has to be read before it is written, because the client has no id of
    /// ours, and a session of a predecessor.
    pub(crate) fn awaits_import(&self) -> bool {
        let is_new = self.received().is_none() && self.others().is_empty();
        is_new && self.with(|state| state.foreign.is_some() && matches!(state.load, Load::NotYet))
    }

    /// Adopts the record of a session that was taken over.
    pub(crate) fn imported(&self, location: Location, record: Record) {
        self.rebase(record, |state, record| {
            let (id, moved_to) = location.into_parts();
            state.id = id;
            state.loaded(Found::Live(()), record, moved_to);
        });
    }

    /// Adds the predecessor's cookie to the cookies that are removed when ours is set or removed. It
    /// stays while the predecessor uses it, except at a logout.
    pub(crate) fn with_foreign_cookie(&self, mut reply: Reply) -> Reply {
        let is_removed = self.with(|state| match &state.foreign {
            Some(foreign) => !foreign.keeps || state.history.destroyed,
            None => false,
        });
        if is_removed {
            reply.previous_cookies = reply.previous_cookies.with_foreign();
        }
        reply
    }
}
