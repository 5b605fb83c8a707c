//! The parts of the benchmark. Each measures all programs in turn, and returns its figures.

mod calls;
pub(crate) mod growth;
mod instructions;
pub(crate) mod profile;
pub(crate) mod size;
mod start;
pub(crate) mod throughput;
pub(crate) mod time;

use anyhow::Result;

use crate::bench::Setting;
use crate::bench::figures::Part;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartName {
    Size,
    Calls,
    Instructions,
    Start,
    Time,
    Throughput,
    Growth,
    Profile,
}

impl PartName {
    pub(crate) const ALL: [Self; 8] = [
        Self::Size,
        Self::Calls,
        Self::Instructions,
        Self::Start,
        Self::Time,
        Self::Throughput,
        Self::Growth,
        Self::Profile,
    ];

    /// Returns its name in commands and files.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Calls => "calls",
            Self::Instructions => "instructions",
            Self::Start => "start",
            Self::Time => "time",
            Self::Throughput => "throughput",
            Self::Growth => "growth",
            Self::Profile => "profile",
        }
    }

    /// Returns the name of the file with its figures.
    pub(crate) fn file(self) -> String {
        format!("{}.json", self.key())
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Size => "sizes and memory",
            Self::Calls => "DynamoDB calls and bytes",
            Self::Instructions => "instructions per request",
            Self::Start => "cold starts",
            Self::Time => "latency and CPU time",
            Self::Throughput => "throughput",
            Self::Growth => "growth with the size of the session",
            Self::Profile => "instructions by crate",
        }
    }

    pub(crate) async fn measure(self, setting: &Setting) -> Result<Part> {
        match self {
            Self::Size => size::measure(setting).await,
            Self::Calls => calls::measure(setting).await,
            Self::Instructions => instructions::measure(setting).await,
            Self::Start => start::measure(setting).await,
            Self::Time => time::measure(setting).await,
            Self::Throughput => throughput::measure(setting).await,
            Self::Growth => growth::measure(setting).await,
            Self::Profile => profile::measure(setting).await,
        }
    }
}

/// Prints a figure as soon as it is known.
fn report(program: &str, metric: &str, value: f64) {
    let digits = if value < 1000.0 { 3 } else { 0 };
    println!("  {program:<16} {metric:<36} {value:>14.digits$}");
}
