//! Sessions in DynamoDB, one item each.
//!
//! 1. Each operation is one call if nothing fails. Every write except a create requires a live
//!    record. A condition that fails returns the item that it failed on, so no second read is
//!    needed to find the reason.
//! 2. A write that is sent several times counts once. The code that sends each write states how.
//! 3. Every retry is limited in time: 3 seconds for an operation with all its attempts, and never
//!    past the invocation's deadline.
//!
//! | Part | Modules |
//! |---|---|
//! | the public type and its settings | [`store`], [`store_settings`], [`snapstart`] |
//! | sessions of a Flask application (feature `flask`) | `flask` |
//! | the operations | [`load`], [`create`], [`update`] (sent by [`send_update`]), [`touch`] (also for [`load`]), [`cycle`], [`replace`], [`delete`], [`user_list`], [`revoke`] |
//! | requests | [`get`], [`requests`], [`transaction`], [`user_rows`], [`write_id`] |
//! | items and expressions, as pure functions | [`item`], [`attribute`], [`entry`], [`size`], [`expression`], [`condition`], [`update_expression`], [`schema`], [`session_schema`], [`users_schema`] |
//! | calls | [`table`], [`attempt`], [`connection`] |
//! | sending | [`transport`], [`clock`], [`settings`] |
//! | failures | [`classify`], [`retry`], [`quota`], [`errors`] |
//!
//! A module imports only from modules in its own row and in the rows below it.

mod attempt;
pub(crate) mod attribute;
mod classify;
mod clock;
mod condition;
mod connection;
mod create;
mod cycle;
mod delete;
pub(crate) mod entry;
mod errors;
mod expression;
#[cfg(feature = "flask")]
pub(crate) mod flask;
mod get;
pub(crate) mod item;
mod load;
mod quota;
mod replace;
mod requests;
mod retry;
mod revoke;
pub(crate) mod schema;
mod send_update;
mod session_schema;
pub(crate) mod settings;
mod size;
mod snapstart;
pub(crate) mod store;
mod store_settings;
mod table;
#[cfg(test)]
mod testing;
mod touch;
mod transaction;
mod transport;
mod update;
mod update_expression;
mod user_list;
mod user_rows;
mod users_schema;
mod write_id;
