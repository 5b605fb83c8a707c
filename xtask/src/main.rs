//! The project's own tasks, run with `cargo xtask`.
//!
//! When a task ends, all processes that it started are stopped. This is so on a failure and on Ctrl-C
//! too.

#![allow(clippy::print_stdout)] // a task reports to a person

mod bench;
mod cargo_lambda;
mod client;
mod demo;
mod dynamodb_local;
mod e2e;
mod emulator;
mod flask;
mod function;
mod histories;
mod import_flask;
mod process;
mod python;
#[path = "../../tests/it/support/wire.rs"]
#[allow(clippy::unwrap_used, unreachable_pub)] // the tests' own file, in which both are allowed
mod wire;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};

use crate::bench::Bench;
use crate::demo::Demo;
use crate::histories::Histories;
use crate::import_flask::ImportFlask;
use crate::workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask <task>

  demo [--example counter|login|axum_example|axum_login_example|custom_store|csrf|callbacks] [--port 9000]
          runs an example under cargo-lambda, with a DynamoDB emulator in memory
  e2e     tests the examples under cargo-lambda over HTTP, and kills their processes in between
  dynamodb-local -- <arguments of cargo test>
          runs the tests against Amazon's DynamoDB Local instead of the emulator in memory
  histories [--seeds 20]
          tests random histories under random faults, against both emulators
  flask   tests the takeover of sessions with the real Python packages
  import-flask --from TABLE --to TABLE [--write] [--flask-session] [--rate 25] [--utc-offset 0]
               [--key-attribute id] [--key-prefix P] [--audience A] [--idle-timeout S] [--lifetime S]
               [--endpoint URL]
          copies the sessions of a Flask application; without --write, it only reports
  bench [PART..] [--quick]
          measures the library beside other programs, and writes docs/benchmarks.md";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // A signal drops the task, and with it all processes that it started.
    let ended = tokio::select! {
        ended = run(&arguments) => ended,
        signal = interrupted() => signal.and_then(|()| match arguments.first() {
            // The demo has no other way to end.
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
        ["flask"] => flask::run(&Workspace::find()?).await,
        ["import-flask", options @ ..] => {
            let import = ImportFlask::parse(options)?;
            import.run(&Workspace::find()?).await
        }
        ["bench", options @ ..] => {
            let bench = Bench::parse(options)?;
            bench.run(&Workspace::find()?, options).await
        }
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("{USAGE}"),
    }
}

/// Waits for Ctrl-C, or for the signals of `kill` and of a closed terminal.
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
