//! The page `docs/benchmarks.md` and its plots, made of the figures of all parts.

mod cost;
mod format;
mod machine;
mod owners;
mod plots;
mod readme;
mod tables;
mod targets;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::bench::figures::Part;
use crate::bench::parts::PartName;
use crate::bench::program::{Operation, Program};
use crate::workspace::Workspace;

/// All figures that were measured.
struct Figures(Vec<(PartName, Part)>);

impl Figures {
    fn load(folder: &Path) -> Result<Self> {
        let parts = PartName::ALL.into_iter();
        let parts = parts.map(|name| Ok((name, Part::load(&folder.join(name.file()))?)));
        Ok(Self(parts.collect::<Result<_>>()?))
    }

    fn part(&self, name: PartName) -> &Part {
        let part = self.0.iter().find(|(part, _)| *part == name);
        part.map(|(_, part)| part).expect("every part is loaded")
    }

    fn get(&self, part: PartName, program: &str, metric: &str) -> Option<f64> {
        self.part(part).get(program, metric)
    }

    fn of(&self, part: PartName, program: Program, metric: &str) -> Option<f64> {
        self.get(part, program.key(), metric)
    }

    fn instructions(&self, program: Program, operation: Operation) -> Option<f64> {
        self.of(PartName::Instructions, program, operation.key())
    }
}

/// Writes the page and the plots from the figures in this folder.
pub(crate) fn write(workspace: &Workspace, measured: &Path) -> Result<()> {
    let figures = &Figures::load(measured)?;
    let docs = workspace.root().join("docs");
    let folder = docs.join("benchmarks");
    fs::create_dir_all(&folder)?;
    for (name, plot) in plots::all(figures) {
        fs::write(folder.join(format!("{name}.svg")), plot)?;
    }
    readme::update(workspace, figures)?;
    let page = page(&machine::describe(workspace, measured)?, figures);
    fs::write(docs.join("benchmarks.md"), page).context("the page cannot be written")
}

fn page(machine: &str, figures: &Figures) -> String {
    let sections = [
        INTRODUCTION.to_owned(),
        targets::section(figures),
        tables::instructions(figures),
        tables::starts(figures),
        tables::sizes(figures),
        tables::calls(figures),
        tables::latency(figures),
        tables::throughput(figures),
        cost::section(figures),
        tables::growth(figures),
        owners::section(figures),
        owners::code(figures),
        machine.to_owned(),
        METHOD.to_owned(),
    ];
    sections.join("\n")
}

const INTRODUCTION: &str = "\
<!-- `cargo xtask bench` has written this page and its plots. Do not change them by hand. -->

# Benchmarks

Each program does the same work as a Lambda function behind an HTTP API, on one machine in one run:

| Program | Sessions |
|---|---|
| lambda_http alone | none: the floor of every Rust function |
| bare SDK | `GetItem` and `UpdateItem` of the AWS SDK by hand, with none of a library's promises |
| tower-sessions | tower-sessions with tower-sessions-dynamodb-store, behind axum |
| lambda-sessions | this library |
| flask-dynamodb-sessions | the predecessor of this library, under Flask |

The sources are in [`benchmarks`](../benchmarks). To measure again, run `cargo xtask bench` as
[CONTRIBUTING](../CONTRIBUTING.md) describes.
";

const METHOD: &str = "\
## How it is measured

- **Programs.** Each is a package with a lock file of its own, because features unify across a workspace. The Rust
  programs have the [recommended release profile](deploy.md#release-profile) and run on one thread.
- **Lambda.** A stand-in for the Runtime API sends events of an HTTP API and keeps the cookies of the responses. The
  environment is Lambda's, with a session token of 800 bytes and a trace id. For Flask, a loop of 40 lines takes the
  place of the Python runtime and calls the WSGI application.
- **DynamoDB.** An emulator runs behind a front that counts calls and bytes on the wire. A response can leave
  3 ms after its request arrived, with the emulator's own time in it.
- **Instructions.** Callgrind counts the process with 20 and with 120 requests, and the difference is divided by 100.
  Two runs differ by less than 1 %. Callgrind hides the SHA instructions of the processor, so that SHA-256 counts as
  software. On Lambda, signing is cheaper than it looks here.
- **CPU time.** The scheduler's statistics of the process, while it waits for its next event. The programs take turns
  for several rounds, and the round with the least is shown: everything else that the machine does adds to it.
- **Latency.** The percentiles of each round of 150 requests, and of these the median of the rounds.
- **Cold starts.** The median of new processes. *Init* ends with the first response, to a request that does not use
  its session. The front has TLS 1.3, an RSA leaf, an intermediate and a root of its own.
- **Trusted roots.** A program reads all roots of the system, unless it has Amazon's five built in for AWS's own
  endpoint. The front cannot have a certificate of Amazon. Each program is therefore measured twice: with a file of
  all roots, and with a file of as many roots as Amazon has. Both contain the root of the front.
- **Throughput.** One process with `AWS_LAMBDA_MAX_CONCURRENCY` and `run_concurrent`. The front repeats recorded
  responses, so that the emulator takes no CPU. Each round compares the programs one after the other.
  tower-sessions is missing, because axum's responses are not `Sync`.
  The stand-ins share the machine's cores with the program.
- **Memory.** `VmRSS` after 500 requests that read and 500 that read and write, the median of three processes.
- No test asserts a time. The calls and bytes on which these figures rest are asserted by ordinary tests.
";
