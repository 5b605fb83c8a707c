//! Environment variables.
//!
//! 1. No other file reads the environment of the process.
//! 2. A variable that is not set means its default. A variable that is set and does not parse is an
//!    error that names the variable.
//! 3. An error never shows a value, which may be a secret in the wrong variable.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// The environment variables of the process, or those of a test.
pub(crate) struct Variables<'a>(pub(crate) &'a dyn Fn(&str) -> Option<std::ffi::OsString>);

impl Variables<'_> {
    /// Returns the variables of the process.
    #[allow(clippy::disallowed_methods)] // this is the function that others must call
    pub(crate) fn of_process() -> Self {
        Self(&|name| std::env::var_os(name))
    }

    /// Returns the text of a variable, if it is set.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if `is_valid` rejects the text.
    pub(crate) fn text(
        &self,
        name: &str,
        expected: &str,
        is_valid: impl FnOnce(&str) -> bool,
    ) -> Result<Option<String>, Error> {
        self.parsed(name, expected, |text| {
            is_valid(text).then(|| text.to_owned())
        })
    }

    /// Returns the value of a variable that is `true` or `false` (or 1 or 0), in any case of letters.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) for any other text.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        self.parsed(name, "true or false", |text| {
            match text.to_ascii_lowercase().as_str() {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            }
        })
    }

    /// Returns the value of a variable that is a number of seconds.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) for zero and for any other text.
    pub(crate) fn seconds(&self, name: &str) -> Result<Option<Duration>, Error> {
        self.parsed(name, "a whole number of seconds, 1 or more", |text| {
            let seconds = text.parse().ok().filter(|seconds| *seconds > 0)?;
            Some(Duration::from_secs(seconds))
        })
    }

    /// Returns the value of a variable as `parse` reads it, if the variable is set. `expected` says
    /// in an error what the variable must be.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if `parse` returns `None`, or if the
    /// value is not UTF-8.
    pub(crate) fn parsed<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = (self.0)(name) else {
            return Ok(None);
        };
        value.to_str().and_then(parse).map(Some).ok_or_else(|| {
            Error::new(
                ErrorKind::Misconfigured,
                format!("invalid {name}: expected {expected}"),
            )
        })
    }
}
