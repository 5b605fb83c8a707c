//! When a request began, and until when it may call its store.

use std::time::Instant;

use crate::clock::Timestamp;
use crate::session::deadline::Deadline;
use crate::session::handle::Session;

impl Session {
    /// Begins the request now.
    pub(crate) fn begin(&self, now: Timestamp, deadline: Option<Deadline>) {
        self.with(|state| (state.began, state.deadline) = (now, deadline));
    }

    /// Returns the time until which an operation that begins now may call the store.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline_of_request().map(Deadline::of_operation)
    }

    /// Returns the deadline of the request.
    pub(crate) fn deadline_of_request(&self) -> Option<Deadline> {
        self.with(|state| state.deadline)
    }
}
