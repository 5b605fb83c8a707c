//! Environment variables, and the only place that reads the environment of the process.
//!
//! A variable that is not set has its default. A variable that is set and does not parse is an error
//! that names the variable.

use std::time::Duration;

use crate::error::{Error, ErrorKind};

/// Environment variables, from any source.
pub(crate) struct Variables<'a>(pub(crate) &'a dyn Fn(&str) -> Option<std::ffi::OsString>);

impl Variables<'_> {
    /// Returns the variables of the process.
    #[allow(clippy::disallowed_methods)] // the one place that reads the environment
    pub(crate) fn of_process() -> Self {
        Self(&|name| std::env::var_os(name))
    }

    pub(crate) fn text(
        &self,
        name: &str,
        wanted: &str,
        is_it: impl FnOnce(&str) -> bool,
    ) -> Result<Option<String>, Error> {
        self.parsed(name, wanted, |text| is_it(text).then(|| text.to_owned()))
    }

    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        self.parsed(name, "true or false", |text| {
            match text.to_ascii_lowercase().as_str() {
                "true" | "1" => Some(true),
                "false" | "0" => Some(false),
                _ => None,
            }
        })
    }

    pub(crate) fn seconds(&self, name: &str) -> Result<Option<Duration>, Error> {
        self.parsed(name, "a whole number of seconds, 1 or more", |text| {
            let seconds = text.parse().ok().filter(|seconds| *seconds > 0)?;
            Some(Duration::from_secs(seconds))
        })
    }

    pub(crate) fn parsed<T>(
        &self,
        name: &str,
        wanted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = (self.0)(name) else {
            return Ok(None);
        };
        // The message leaves out the value, which may be a secret in the wrong place.
        value.to_str().and_then(parse).map(Some).ok_or_else(|| {
            Error::new(
                ErrorKind::Misconfigured,
                format!("{name} does not hold {wanted}"),
            )
        })
    }
}
