//! Whose instructions the requests are: a figure for each crate.

use std::time::Duration;

use anyhow::Result;

use crate::bench::Setting;
use crate::bench::figures::Part;
use crate::bench::parts::growth::LARGEST;
use crate::bench::parts::report;
use crate::bench::program::{Operation, Program};

pub(crate) const PROGRAMS: [Program; 2] = [Program::Bare, Program::Ours];

/// The requests whose instructions are counted by crate.
pub(crate) const SMALL: [Case; 3] = [
    Case::small(Operation::None),
    Case::small(Operation::Read),
    Case::small(Operation::ReadWrite),
];
/// The requests to a session of the largest size.
pub(crate) const LARGE: [Case; 2] = [
    Case::large(Operation::Read),
    Case::large(Operation::ReadWrite),
];

/// A request to a session of this many KB.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) operation: Operation,
    kilobytes: usize,
}

impl Case {
    const fn small(operation: Operation) -> Self {
        Self {
            operation,
            kilobytes: 0,
        }
    }

    const fn large(operation: Operation) -> Self {
        Self {
            operation,
            kilobytes: LARGEST,
        }
    }

    /// Returns the key of a program's profile in the figures.
    pub(crate) fn key(self, program: Program) -> String {
        format!(
            "{} {} {}",
            program.key(),
            self.operation.key(),
            self.kilobytes
        )
    }
}

pub(super) async fn measure(setting: &Setting) -> Result<Part> {
    let front = setting.front(Duration::ZERO, None).await?;
    let mut part = Part::default();
    for program in PROGRAMS {
        for case in SMALL.into_iter().chain(LARGE) {
            let profile = setting
                .callgrind()
                .profile(program, front.endpoint(), case.operation, case.kilobytes)
                .await?;
            let key = case.key(program);
            for (name, instructions) in profile.crates().filter(|(_, cost)| *cost >= 1.0) {
                report(&key, name, instructions);
                part.set(&key, name, instructions);
            }
        }
    }
    Ok(part)
}
