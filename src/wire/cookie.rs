//! The session's cookie, and the previous cookies of an application that changed it.
//!
//! 1. The `Cookie` header is bytes. It is split on `;`, spaces and tabs are trimmed, the name is
//!    compared exactly, and nothing is decoded. Other parsers trim Unicode white space or decode
//!    names. A sibling domain can then set a cookie that they take for the session's.
//! 2. A cookie is removed with the attributes that it was set with. Otherwise browsers ignore the
//!    removal of a `__Host-` cookie.
//! 3. A cookie that a browser would reject is an error when the service is built ([RFC 6265bis]).
//! 4. A browser distinguishes cookies of the same name by domain, path and partition, which together
//!    are the scope. A request shows none of these. If a name has two scopes, its values carry a
//!    hint of their own scope.
//! 5. A layer may have several scopes, of which each request uses one. It is read, set and removed
//!    in that scope alone.
//!
//! [RFC 6265bis]: https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis

pub(crate) mod cookies;
pub(crate) mod previous;
pub(crate) mod scope;
pub(crate) mod scoped;
pub(crate) mod session_cookie;
pub(crate) mod settings;
pub(crate) mod syntax;
