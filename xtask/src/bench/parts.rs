//! The parts of the benchmark. Each measures all programs in turn, and returns its figures.

mod calls;
mod instructions;
mod size;
mod start;

use anyhow::Result;

use crate::bench::Setting;
use crate::bench::figures::Part;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartName {
    Size,
    Calls,
    Instructions,
    Start,
}

impl PartName {
    pub(crate) const ALL: [Self; 4] = [Self::Size, Self::Calls, Self::Instructions, Self::Start];

    /// Returns its name in commands and files.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Calls => "calls",
            Self::Instructions => "instructions",
            Self::Start => "start",
        }
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Size => "sizes and memory",
            Self::Calls => "DynamoDB calls and bytes",
            Self::Instructions => "instructions per request",
            Self::Start => "cold starts",
        }
    }

    pub(crate) async fn measure(self, setting: &Setting) -> Result<Part> {
        match self {
            Self::Size => size::measure(setting).await,
            Self::Calls => calls::measure(setting).await,
            Self::Instructions => instructions::measure(setting).await,
            Self::Start => start::measure(setting).await,
        }
    }
}

/// Prints a figure as soon as it is known.
fn report(program: &str, metric: &str, value: f64) {
    println!("  {program:<16} {metric:<32} {value:>14.1}");
}
