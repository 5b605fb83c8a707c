//! How the id travels between the client and the function.

pub(crate) mod carrier;
pub(crate) mod cookie;
pub(crate) mod response;
pub(crate) mod signing;
pub(crate) mod token;
