//! The settings of a layer, their defaults, and the environment variables that set them.
//!
//! A variable that is not set means its default. A variable that is set and does not parse is an
//! error that names it, never a silent default.

#[cfg(feature = "dynamodb")]
mod environment;
pub(crate) mod settings;
