//! One request, from its id to its response.
//!
//! | File | Job |
//! |---|---|
//! | `core` | the store, the settings and the carrier that all requests of a layer use |
//! | `serve` | reads the id, begins the session, and runs a wrapped handler |
//! | `load` | reads the record |
//! | `authenticate` | reads the session of headers, outside a request |
//! | `import` | takes over the session of a Flask application (feature `flask`) |
//! | `redirects` | follows the redirects that automatic cycling leaves |
//! | `commit` | decides what is written after the handler has returned |
//! | `apply`, `cycle`, `destroy`, `new_record` | call the store, one function for each [`Outcome`] |
//! | `committed` | the result of these calls |
//! | `respond` | makes the response of the session and the handler |
//! | `users` | lists and revokes the sessions of a user |
//! | `update_user` | changes the sessions of a user |
//! | `backend` | lets a [`Session`] call this pipeline without knowing the type of the store |
//! | `front_door` | the front doors that deliver one cookie of a response |
//! | `deadline`, `log` | the time that is left for the store, and the log |
//!
//! 1. Nothing is written before the handler has returned, except by [`Session::save`], by a
//!    revocation, and by a touch or the takeover of a predecessor's session that is part of the load.
//! 2. If a handler fails or responds with 5xx, only a logout is committed. If it panics or is
//!    dropped, nothing is committed.
//! 3. A failed load never looks like an empty session. A wrapped handler is not called, and nothing
//!    is written over the stored data.
//! 4. The response leaves only after its write was acknowledged. If the write failed,
//!    [`on_error`](crate::SessionLayer::on_error) makes the response, and no cookie is set or
//!    removed. If the handler fails for a reason of its own, its error stays the response.
//! 5. The time is that of [`SessionLayer::clock`](crate::SessionLayer::clock). It is read anew for
//!    each load and each write, because a handler may take long.
//!
//! [`Outcome`]: crate::session::decision::Outcome
//! [`Session`]: crate::session::Session
//! [`Session::save`]: crate::session::Session::save

mod apply;
mod authenticate;
mod backend;
mod commit;
mod committed;
pub(crate) mod core;
mod cycle;
pub(crate) mod deadline;
mod destroy;
mod front_door;
pub(crate) mod handler_outcome;
#[cfg(feature = "flask")]
mod import;
mod load;
mod log;
mod new_record;
mod redirects;
mod respond;
pub(crate) mod serve;
pub(crate) mod update_user;
pub(crate) mod users;
