//! The `custom_store` example: the same three visits, with sessions in files and without DynamoDB.

use std::fs;

use anyhow::{Context, Result};

use super::checks::Checks;
use super::{COOKIE, Setup, storage_key};
use crate::client::Client;
use crate::emulator::point_at;

pub(super) async fn journey(setup: &Setup<'_>, checks: &mut Checks) -> Result<()> {
    let directory = setup.workspace.folder("e2e")?.join("sessions");
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    let environment = |command: &mut std::process::Command| {
        // No server listens at this port, so that a call of DynamoDB would fail.
        point_at("http://127.0.0.1:1", command);
        command.env("SESSION_DIRECTORY", &directory);
    };
    let mut function = setup.function_with("custom_store", &environment).await?;
    let url = &function.url().to_owned();
    let mut client = Client::new();
    for wanted in ["visit 1\n", "visit 2\n"] {
        let what = format!("custom_store: {}", wanted.trim());
        checks.equal(&what, &*client.get(url).await?.body, wanted);
    }
    function.kill_and_restart().await?;
    let what = "custom_store: visit 3, after the process was killed";
    checks.equal(what, &*client.get(url).await?.body, "visit 3\n");

    let cookie = client.cookie(COOKIE).context("there is no cookie")?;
    let file = directory.join(format!("{}.json", storage_key(cookie)?));
    let what = "custom_store: the file's name is the SHA-256 of the cookie's bytes";
    checks.holds(what, file.is_file());
    let what = "custom_store: the file does not hold the cookie's value";
    checks.holds(what, !fs::read_to_string(file)?.contains(cookie));
    function.stop()
}
