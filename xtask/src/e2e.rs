//! `cargo xtask e2e`: the examples under `cargo lambda watch`, tested over HTTP as their users meet
//! them: cookies, event conversion, cold starts and the items of the table.

mod axum;
pub(crate) mod checks;
mod counter;
mod custom_store;
mod freeze;
mod login;

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use self::checks::Checks;
use crate::cargo_lambda::CargoLambda;
use crate::emulator::{Emulator, TABLE, point_at};
use crate::function::{Function, Start};
use crate::process::free_port;
use crate::workspace::Workspace;

const COOKIE: &str = "__Host-sid";

type Item = std::collections::HashMap<String, AttributeValue>;

/// The parts that the journeys share.
struct Setup<'a> {
    workspace: &'a Workspace,
    cargo_lambda: CargoLambda,
    emulator: Emulator,
}

pub(crate) async fn run(workspace: &Workspace) -> Result<ExitCode> {
    let setup = Setup {
        workspace,
        cargo_lambda: CargoLambda::find_or_install(workspace).await?,
        emulator: Emulator::start().await?,
    };
    let mut checks = Checks::default();
    let ended = counter::journey(&setup, &mut checks).await;
    checks.ended("counter", ended);
    let ended = login::journey(&setup, &mut checks).await;
    checks.ended("login", ended);
    let ended = axum::journey(&setup, &mut checks).await;
    checks.ended("axum", ended);
    let ended = custom_store::journey(&setup, &mut checks).await;
    checks.ended("custom_store", ended);
    let ended = freeze::journey(&setup, &mut checks).await;
    checks.ended("freeze", ended);
    checks.ended("emulator", setup.emulator.stop().await);
    Ok(checks.summary())
}

impl Setup<'_> {
    /// Starts an example that keeps its sessions in the emulator's table.
    async fn function(&self, example: &'static str) -> Result<Function> {
        let endpoint = self.emulator.endpoint();
        self.function_with(example, &|command| point_at(endpoint, command))
            .await
    }

    async fn function_with(
        &self,
        example: &'static str,
        environment: &dyn Fn(&mut Command),
    ) -> Result<Function> {
        let log = self.workspace.folder("e2e")?.join(format!("{example}.log"));
        let start = Start {
            example,
            port: free_port()?,
            log: Some(&log),
            environment,
        };
        Function::start(self.workspace, &self.cargo_lambda, &start)
            .await
            .with_context(|| format!("the log is {}", log.display()))
    }

    /// Returns the item for the session of a cookie.
    async fn item(&self, cookie: &str) -> Result<Option<Item>> {
        let key = AttributeValue::S(storage_key(cookie)?);
        let client = self.emulator.client();
        let get = client.get_item().table_name(TABLE).consistent_read(true);
        Ok(get.key("id", key).send().await?.item)
    }

    async fn items(&self) -> Result<Vec<Item>> {
        let client = self.emulator.client();
        let scan = client.scan().table_name(TABLE).consistent_read(true);
        Ok(scan.send().await?.items.unwrap_or_default())
    }
}

/// Returns the id in the value of a cookie. Hints follow it.
fn id_of(cookie: &str) -> &str {
    cookie.split('~').next().unwrap_or_default()
}

/// Computes the id under which the table keeps the session of a cookie.
fn storage_key(cookie: &str) -> Result<String> {
    let id = URL_SAFE_NO_PAD
        .decode(id_of(cookie))
        .context("the id is not base64url")?;
    Ok(URL_SAFE_NO_PAD.encode(Sha256::digest(id)))
}

/// Returns the names of an item's attributes in alphabetical order.
fn names(item: &Item) -> Vec<&str> {
    let mut names: Vec<_> = item.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}
