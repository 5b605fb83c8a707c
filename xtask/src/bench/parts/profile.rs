//! Whose instructions the requests are: a figure for each crate.

use std::time::Duration;

use anyhow::Result;

use crate::bench::Setting;
use crate::bench::figures::Part;
use crate::bench::parts::report;
use crate::bench::program::{Operation, Program};

pub(crate) const PROGRAMS: [Program; 2] = [Program::Bare, Program::Ours];
pub(crate) const OPERATIONS: [Operation; 3] =
    [Operation::None, Operation::Read, Operation::ReadWrite];

pub(super) async fn measure(setting: &Setting) -> Result<Part> {
    let front = setting.front(Duration::ZERO, None).await?;
    let mut part = Part::default();
    for program in PROGRAMS {
        for operation in OPERATIONS {
            let profile = setting
                .callgrind()
                .profile(program, front.endpoint(), operation)
                .await?;
            let key = key(program, operation);
            for (name, instructions) in profile.crates().filter(|(_, cost)| *cost >= 1.0) {
                report(&key, name, instructions);
                part.set(&key, name, instructions);
            }
        }
    }
    Ok(part)
}

/// Returns the key of a profile in the figures.
pub(crate) fn key(program: Program, operation: Operation) -> String {
    format!("{} {}", program.key(), operation.key())
}
