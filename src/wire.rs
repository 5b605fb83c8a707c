//! The way of an id between the client and the function, and the headers that belong to it.
//!
//! 1. A value is either exactly an id, with a valid signature if ids are signed, or it is ignored.
//!    An ignored value costs no call to the store.
//! 2. Nothing here knows a session, its store or the time. Everything is a function of headers and
//!    settings.

pub(crate) mod carrier;
pub(crate) mod cookie;
#[cfg(feature = "flask")]
pub(crate) mod foreign;
pub(crate) mod header_carrier;
pub(crate) mod header_name;
pub(crate) mod hints;
pub(crate) mod received;
pub(crate) mod request_head;
pub(crate) mod response;
pub(crate) mod signing;
pub(crate) mod token;

#[cfg(test)]
pub(crate) mod tests;
