//! Sessions of a Flask application in DynamoDB, which become sessions of this library.
//!
//! 1. Nothing of a session is executed, and none of its objects is built. A pickle may hold plain types
//!    only. Everything else is an error, and the item stays.
//! 2. A session and its mark are stored, and the old item is deleted, in one transaction. The mark is a
//!    redirect at a key that is made of the old id. A client that has only the old cookie is led to
//!    the session by it: a concurrent request, or one whose predecessor's response was lost.
//! 3. While there is a mark, the old item is not taken over again. A session that has ended here stays
//!    ended, also if Flask still has its item.
//!
//! | Module | Job |
//! |---|---|
//! | [`sessions`] | the settings |
//! | [`decode`], [`pickle`], [`plain`] | convert the payload of an item, with pure functions |
//! | [`import`] | the calls |

mod decode;
pub(crate) mod import;
mod pickle;
mod plain;
pub(crate) mod sessions;
