//! `cargo xtask bench`: the library beside the programs that it is compared with, in one run.
//!
//! 1. Each program is a release binary that is built by itself. It fetches its events from a stand-in
//!    for the Lambda Runtime API, and talks to the DynamoDB emulator through a front that counts.
//! 2. Programs run in turn and not at the same time. Times are compared as ratios of the same run,
//!    and no time is ever asserted.
//! 3. The figures of each part are kept in `target/bench/figures`. The page is made of all that were measured, so that a part
//!    can be measured again by itself.

mod browser;
mod callgrind;
mod figures;
mod front;
mod instance;
mod page;
mod parts;
mod profile;
mod program;
mod runtime_api;
mod svg;
mod symbols;
mod tls;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::bench::callgrind::Callgrind;
use crate::bench::front::Front;
use crate::bench::parts::PartName;
use crate::bench::program::Programs;
use crate::bench::tls::Tls;
use crate::emulator::Emulator;
use crate::process::run;
use crate::workspace::Workspace;

pub(crate) struct Bench {
    parts: Vec<PartName>,
    /// Fewer repetitions, for a first impression.
    quick: bool,
}

/// The programs and the emulator, which all parts share.
pub(crate) struct Setting {
    programs: Programs,
    emulator: Emulator,
    folder: PathBuf,
    quick: bool,
}

impl Bench {
    pub(crate) fn parse(options: &[&str]) -> Result<Self> {
        let mut parts = Vec::new();
        for name in options
            .iter()
            .filter(|option| !["--quick", "page"].contains(option))
        {
            let part = PartName::ALL.into_iter().find(|part| part.key() == *name);
            let known = PartName::ALL.map(PartName::key).join(", ");
            parts.push(part.with_context(|| {
                format!("bench has no part {name}; it has {known}, and page and --quick")
            })?);
        }
        if parts.is_empty() && !options.contains(&"page") {
            parts = PartName::ALL.to_vec();
        }
        Ok(Self {
            parts,
            quick: options.contains(&"--quick"),
        })
    }

    pub(crate) async fn run(&self, workspace: &Workspace, options: &[&str]) -> Result<ExitCode> {
        if cfg!(debug_assertions) && !self.parts.is_empty() {
            Callgrind::check()?;
            return run_optimized(workspace, options).await;
        }
        let folder = workspace.folder("bench/figures")?;
        if !self.parts.is_empty() {
            self.measure(workspace, folder.clone()).await?;
        }
        page::write(workspace, &folder)?;
        println!("docs/benchmarks.md is written");
        Ok(ExitCode::SUCCESS)
    }

    async fn measure(&self, workspace: &Workspace, folder: PathBuf) -> Result<()> {
        let setting = Setting {
            programs: Programs::build(workspace).await?,
            emulator: Emulator::start().await?,
            folder,
            quick: self.quick,
        };
        for part in &self.parts {
            println!("measuring {}", part.label());
            let figures = part.measure(&setting).await?;
            figures.save(&setting.folder.join(part.file()))?;
        }
        setting.emulator.stop().await
    }
}

/// Runs this task again as an optimized program.
///
/// An unoptimized one takes more CPU for its part of a request than the programs that it measures.
async fn run_optimized(workspace: &Workspace, options: &[&str]) -> Result<ExitCode> {
    println!("building the benchmark");
    let target = workspace.folder("bench")?;
    let mut cargo = workspace.cargo();
    cargo
        .args([
            "run",
            "--release",
            "--quiet",
            "--package",
            "xtask",
            "--target-dir",
        ])
        .arg(target)
        .args(["--", "bench"])
        .args(options);
    run(&mut cargo).await?;
    Ok(ExitCode::SUCCESS)
}

impl Setting {
    fn callgrind(&self) -> Callgrind<'_> {
        Callgrind {
            programs: &self.programs,
            folder: &self.folder,
        }
    }

    /// Starts a front of the emulator.
    async fn front(&self, latency: Duration, tls: Option<&Tls>) -> Result<Front> {
        let tls = tls.map(|tls| tls.acceptor.clone());
        Front::start(self.emulator.endpoint(), latency, tls).await
    }

    fn repetitions(&self, usual: usize, quick: usize) -> usize {
        if self.quick { quick } else { usual }
    }
}
