//! Instructions, counted by callgrind.
//!
//! 1. The instructions of a request are those of a long run without those of a short run, so that
//!    the start and the end of the process do not count.
//! 2. Callgrind runs a program on a processor without SHA instructions. SHA-256 therefore counts as
//!    software.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::bench::browser::Browser;
use crate::bench::instance::{Instance, Start};
use crate::bench::profile::Profile;
use crate::bench::program::{Operation, Program, Programs};
use crate::workspace::output;

/// The number of requests of the short and of the long run.
pub(crate) type Lengths = [usize; 2];

pub(crate) const LENGTHS: Lengths = [20, 120];

pub(crate) struct Callgrind<'a> {
    pub(crate) programs: &'a Programs,
    pub(crate) folder: &'a Path,
}

impl Callgrind<'_> {
    /// Checks that valgrind is there.
    pub(crate) fn check() -> Result<()> {
        let found = output(std::process::Command::new("valgrind").arg("--version"));
        found
            .map(drop)
            .context("valgrind is missing: install it, for example with apt-get install valgrind")
    }

    /// Returns the instructions of one request to a session of this many KB.
    pub(crate) async fn per_request(
        &self,
        program: Program,
        endpoint: &str,
        operation: Operation,
        kilobytes: usize,
        lengths: Lengths,
    ) -> Result<f64> {
        let mut totals = [0, 0];
        for (total, length) in totals.iter_mut().zip(lengths) {
            let out = self
                .run(Start::new(program, endpoint), operation, kilobytes, length)
                .await?;
            *total = total_of(&out)?;
        }
        Ok(difference(totals, lengths))
    }

    /// Returns where the instructions of one request are.
    pub(crate) async fn profile(
        &self,
        program: Program,
        endpoint: &str,
        operation: Operation,
        kilobytes: usize,
    ) -> Result<Profile> {
        let mut profiles = Vec::new();
        for length in LENGTHS {
            let start = Start {
                symbols: true,
                ..Start::new(program, endpoint)
            };
            let out = self.run(start, operation, kilobytes, length).await?;
            profiles.push(Profile::parse(&out));
        }
        let [short, long] = profiles.try_into().ok().context("there are two lengths")?;
        Ok(long.without(&short).divided_by(LENGTHS[1] - LENGTHS[0]))
    }

    /// Returns the instructions of a process that serves these requests of a session that exists.
    pub(crate) async fn of_start(
        &self,
        start: Start<'_>,
        browser: Browser,
        operations: &[Operation],
    ) -> Result<f64> {
        let out = self.folder.join("callgrind.out");
        let start = Start {
            callgrind: Some(&out),
            ..start
        };
        let mut instance = Instance::start(self.programs, start, browser).await?;
        for operation in operations {
            instance.operate(*operation, 1).await?;
        }
        instance.end().await?;
        Ok(total_of(&std::fs::read_to_string(&out)?)? as f64)
    }

    async fn run(
        &self,
        start: Start<'_>,
        operation: Operation,
        kilobytes: usize,
        length: usize,
    ) -> Result<String> {
        let out = self.folder.join("callgrind.out");
        let start = Start {
            callgrind: Some(&out),
            ..start
        };
        let mut instance = Instance::start(self.programs, start, Browser::default()).await?;
        if start.program != Program::Floor {
            instance.start_session(kilobytes).await?;
        }
        instance.operate(operation, length).await?;
        instance.end().await?;
        std::fs::read_to_string(&out).context("callgrind wrote no file")
    }
}

fn difference(totals: [u64; 2], lengths: Lengths) -> f64 {
    totals[1].saturating_sub(totals[0]) as f64 / (lengths[1] - lengths[0]) as f64
}

/// Returns the instructions of a file of callgrind.
fn total_of(out: &str) -> Result<u64> {
    for line in out.lines().rev() {
        if let Some(total) = line
            .strip_prefix("totals: ")
            .or_else(|| line.strip_prefix("summary: "))
        {
            return Ok(total.trim().parse()?);
        }
    }
    bail!("callgrind wrote no total")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn total_is_the_last_line_of_the_file() {
        assert_eq!(
            total_of("summary: 1\nfn=(1) main\n3 41\n\ntotals: 42\n").unwrap(),
            42
        );
        assert!(total_of("fn=(1) main\n").is_err());
    }

    #[test]
    fn difference_is_per_request() {
        assert_eq!(difference([1_000, 2_500], [20, 120]), 15.0);
    }
}
