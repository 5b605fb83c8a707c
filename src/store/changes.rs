//! The changes of a request, folded into one for each key.
//!
//! 1. Changes are folded in the order in which they were made: a removal followed by an increment
//!    becomes a set.
//! 2. A change without an effect does not count. Examples are an equal value, the removal of an
//!    absent key, an increment of a stored number by zero, and clearing an empty session.
//! 3. An increment stays an increment up to the store, so that concurrent ones add up. An update
//!    stays a function of the stored value, which may be newer than the value that was read. Each
//!    becomes a set only if its result is known, which is after a set, a removal or a clear.
//! 4. The change of a key may depend on the value that was read: this is a guard. If another
//!    request has changed that value, nothing is written.
//! 5. No function of an application runs while changes are folded. The session runs it before, and
//!    the change carries the result as its forecast.

pub(crate) mod apply;
pub(crate) mod change;
pub(crate) mod change_set;
mod effect;
mod fold;

#[cfg(test)]
mod tests;

pub use crate::store::changes::apply::Apply;
pub use crate::store::changes::change::Change;
pub use crate::store::changes::change_set::Changes;
