//! The session of a request, as handlers use it.
//!
//! 1. One request has one session. All clones of the handle are the same session.
//! 2. No method does I/O except [`Session::save`] and the methods that list or revoke a user's
//!    sessions. They call the `Backend` behind the session.
//! 3. The lock is held within one method and never across an await. No code of the application runs
//!    under it: values are serialized and parsed, and functions of values run, while the lock is
//!    free.
//! 4. A method that fails changes nothing. If the handler returns that error, in whatever type it
//!    is wrapped, [`on_error`](crate::SessionLayer::on_error) makes the response.
//! 5. Once the request's outcome is decided, every change fails. A change that can no longer be
//!    stored is an error and is never dropped silently.

mod concurrent;
pub(crate) mod deadline;
pub(crate) mod decision;
mod detached;
mod fields;
#[cfg(feature = "flask")]
mod foreign;
pub(crate) mod handle;
mod intent;
mod issue;
mod lifecycle;
mod lifetimes;
pub(crate) mod location;
pub(crate) mod pending;
pub(crate) mod read_only;
mod rebase;
pub(crate) mod state;
mod timing;
mod typed;
pub(crate) mod update_error;
mod users;
mod value;
mod values;
pub(crate) mod write_only;

#[cfg(test)]
mod sequence_tests;
#[cfg(test)]
mod tests;

pub use crate::id::SessionId;
pub use crate::key::{AsKey, Insert, Read};
pub use crate::session::handle::Session;
pub use crate::session::read_only::ReadOnlySession;
pub use crate::session::typed::Typed;
pub use crate::session::write_only::WriteOnlySession;
pub use crate::store::session_info::{SessionInfo, UserSessions};
