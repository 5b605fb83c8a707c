//! `cargo xtask histories`: random histories from twenty seeds, against the emulator in memory and
//! against Amazon's DynamoDB Local.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::dynamodb_local;
use crate::process::run;
use crate::workspace::Workspace;

const SEEDS: &str = "LAMBDA_SESSIONS_HISTORY_SEEDS";
const ARGUMENTS: [&str; 6] = [
    "--test",
    "exhaustive",
    "--",
    "--nocapture",
    "histories",
    "revocations",
];

pub(crate) struct Histories {
    seeds: u32,
}

impl Histories {
    pub(crate) fn parse(options: &[&str]) -> Result<Self> {
        let seeds = match options {
            [] => 20,
            ["--seeds", seeds] => seeds.parse().context("--seeds needs a number")?,
            _ => bail!("unknown option of histories: expected --seeds"),
        };
        Ok(Self { seeds })
    }

    pub(crate) async fn run(&self, workspace: &Workspace) -> Result<ExitCode> {
        let seeds = self.seeds.to_string();
        let mut in_memory = workspace.cargo();
        in_memory.arg("test").args(ARGUMENTS).env(SEEDS, &seeds);
        run(&mut in_memory).await?;
        dynamodb_local::test(workspace, &ARGUMENTS, &[(SEEDS, &seeds)]).await
    }
}
