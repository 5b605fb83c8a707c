//! The project's own tasks, run with `cargo xtask`.
//!
//! Whatever a task starts is stopped when it ends, on failure and on Ctrl-C too.

#![allow(clippy::print_stdout)] // it talks to a person

mod cargo_lambda;
mod client;
mod demo;
mod dynamodb_local;
mod e2e;
mod emulator;
mod histories;
mod process;
#[path = "../../tests/it/support/wire.rs"]
#[allow(clippy::unwrap_used, unreachable_pub)] // it is the tests', where both may be
mod wire;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::demo::Demo;
use crate::histories::Histories;
use crate::workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask <task>

  demo [--example counter|login|custom_store|csrf] [--port 9000]
          an example behind cargo-lambda, with a DynamoDB in memory
  e2e     the examples behind cargo-lambda, over HTTP, function processes killed in between
  dynamodb-local -- <arguments of cargo test>
          the tests on Amazon's DynamoDB Local instead of the DynamoDB in memory
  histories [--seeds 20]
          random histories under random faults, on both";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Losing the race drops the task, and with it all that it started.
    let ended = tokio::select! {
        ended = run(&arguments) => ended,
        signal = interrupted() => signal.and_then(|()| match arguments.first() {
            // There is no other way to end it.
            Some(task) if task == "demo" => Ok(ExitCode::SUCCESS),
            _ => bail!("interrupted"),
        }),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

async fn run(arguments: &[String]) -> Result<ExitCode> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["demo", options @ ..] => {
            let demo = Demo::parse(options)?;
            demo.run(&Workspace::find()?).await
        }
        ["e2e"] => e2e::run(&Workspace::find()?).await,
        ["dynamodb-local", "--", arguments @ ..] | ["dynamodb-local", arguments @ ..] => {
            dynamodb_local::test(&Workspace::find()?, arguments, &[]).await
        }
        ["histories", options @ ..] => {
            let histories = Histories::parse(options)?;
            histories.run(&Workspace::find()?).await
        }
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("{USAGE}"),
    }
}

/// Waits for Ctrl-C, or for what `kill` and a closed terminal send.
async fn interrupted() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = terminate.recv() => (),
        _ = hang_up.recv() => (),
    }
    Ok(())
}
