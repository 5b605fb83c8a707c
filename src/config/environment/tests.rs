use std::collections::HashMap;
use std::ffi::OsString;

use super::*;
use crate::error::ErrorKind;
use crate::store::dynamodb::settings::TableSettings;

mod errors;
mod values;

const ALL: [&str; 16] = [
    "SESSION_DYNAMODB_TABLE",
    "SESSION_DYNAMODB_ENDPOINT",
    "SESSION_DYNAMODB_REGION",
    "SESSION_DYNAMODB_TTL_SECONDS",
    "SESSION_DYNAMODB_CONSISTENT_READ",
    "SESSION_DYNAMODB_USE_HEADER",
    "SESSION_DYNAMODB_HEADER_NAME",
    "SESSION_COOKIE_NAME",
    "SESSION_COOKIE_DOMAIN",
    "SESSION_COOKIE_PATH",
    "SESSION_COOKIE_HTTPONLY",
    "SESSION_COOKIE_SECURE",
    "SESSION_COOKIE_SAMESITE",
    "SESSION_LIFETIME_SECONDS",
    "SESSION_MAX_IDLE_TIMEOUT_SECONDS",
    "SESSION_MAX_LIFETIME_SECONDS",
];

fn with<T>(variables: &[(&str, OsString)], read: impl Fn(&Variables<'_>) -> T) -> T {
    let variables: HashMap<&str, OsString> = variables.iter().cloned().collect();
    read(&Variables(&|name| variables.get(name).cloned()))
}

fn settings(variables: &[(&str, &str)]) -> Result<Settings, Error> {
    let variables: Vec<_> = variables.iter().map(|(n, v)| (*n, (*v).into())).collect();
    with(&variables, Settings::from_variables)
}

fn table(variables: &[(&str, &str)]) -> Result<TableSettings, Error> {
    let variables: Vec<_> = variables.iter().map(|(n, v)| (*n, (*v).into())).collect();
    with(&variables, TableSettings::from_variables)
}

/// Returns the error of the parser that reads this variable.
fn rejection(name: &str, value: OsString) -> Error {
    let one = [(name, value)];
    let layer = with(&one, |variables| Settings::from_variables(variables).err());
    let table = with(&one, |variables| {
        TableSettings::from_variables(variables).err()
    });
    layer
        .or(table)
        .unwrap_or_else(|| panic!("{name} was accepted"))
}
