//! The settings of the DynamoDB store, from environment variables.
//!
//! A text is checked where it comes in. A table's name or a Region is valid once it is here.

use http::Uri;

use crate::env::Variables;
use crate::error::{Error, ErrorKind};

/// The default of `SESSION_DYNAMODB_TABLE`.
const DEFAULT_TABLE: &str = "sessions";

/// The table and how to reach it, as the environment variables say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableSettings {
    pub(crate) table: String,
    pub(crate) users_table: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) eventually_consistent: bool,
}

impl TableSettings {
    /// Reads the settings from variables.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) and names the variable.
    pub(crate) fn from_variables(variables: &Variables<'_>) -> Result<Self, Error> {
        let endpoint = |text: &str| {
            let uri: Uri = text.parse().ok()?;
            let scheme = uri.scheme_str()?;
            (matches!(scheme, "http" | "https") && uri.host().is_some()).then(|| text.to_owned())
        };
        Ok(Self {
            table: variables
                .text("SESSION_DYNAMODB_TABLE", "a table's name or ARN", is_table)?
                .unwrap_or_else(|| DEFAULT_TABLE.to_owned()),
            users_table: variables.text(
                "SESSION_DYNAMODB_USERS_TABLE",
                "a table's name or ARN",
                is_table,
            )?,
            endpoint: variables.parsed("SESSION_DYNAMODB_ENDPOINT", "an http(s) URL", endpoint)?,
            region: variables.text("SESSION_DYNAMODB_REGION", "a Region", is_region)?,
            eventually_consistent: variables
                .flag("SESSION_DYNAMODB_CONSISTENT_READ")?
                .is_some_and(|consistent| !consistent),
        })
    }
}

/// Returns the name or ARN of a table if it is valid.
///
/// # Errors
///
/// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if it is neither a valid table name nor
/// an ARN.
pub(super) fn checked_table(table: String) -> Result<String, Error> {
    if is_table(&table) {
        return Ok(table);
    }
    let reason =
        "invalid table name: expected an ARN, or 3 to 255 letters, digits, `_`, `-` and `.`";
    Err(Error::new(ErrorKind::Misconfigured, reason))
}

/// Returns `true` if the text can be a table's name or its ARN.
fn is_table(table: &str) -> bool {
    let is_name = |name: &str| {
        (3..=255).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    };
    match table.strip_prefix("arn:") {
        Some(arn) => arn
            .split_once(":table/")
            .is_some_and(|(account, name)| account.contains(":dynamodb:") && is_name(name)),
        None => is_name(table),
    }
}

/// Returns `true` if the text can be a Region, which becomes a label of a host name.
fn is_region(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_a_name_or_an_arn() {
        for yes in [
            "sessions",
            "a.b-c_D",
            "arn:aws:dynamodb:eu-central-1:123456789012:table/sessions",
        ] {
            assert!(is_table(yes), "{yes}");
        }
        for no in [
            "",
            "ab",
            "ses sions",
            "s/essions",
            "arn:aws:s3:::bucket",
            "é11",
        ] {
            assert!(!is_table(no), "{no}");
        }
        assert!(!is_table(&"t".repeat(256)));
    }
}
