//! The sizes of the binaries, and the memory of their processes after many requests.

use std::time::Duration;

use anyhow::Result;

use crate::bench::Setting;
use crate::bench::browser::Browser;
use crate::bench::figures::Part;
use crate::bench::instance::{Instance, Memory, Start};
use crate::bench::parts::report;
use crate::bench::program::{Operation, Program};
use crate::bench::tls::Tls;

/// The number of requests before the memory is read.
const REQUESTS: usize = 1000;
/// The README's first program, which is built beside the others.
pub(crate) const COUNTER: &str = "counter";
/// The programs whose code is counted by crate.
pub(crate) const CODE: [&str; 2] = [Program::Bare.key(), COUNTER];

pub(super) async fn measure(setting: &Setting) -> Result<Part> {
    let mut part = Part::default();
    for program in Program::RUST {
        let binary = setting.programs.size(program.key())?;
        set(&mut part, program.key(), "binary", binary);
    }
    set(
        &mut part,
        COUNTER,
        "binary",
        setting.programs.size(COUNTER)?,
    );
    for program in CODE {
        for (name, bytes) in setting.programs.code(program)? {
            set(&mut part, &code_key(program), &name, bytes);
        }
    }

    setting.programs.install_flask().await?;
    let tls = Tls::new(&setting.folder)?;
    let plain = setting.front(Duration::ZERO, None).await?;
    let encrypted = setting.front(Duration::ZERO, Some(&tls)).await?;
    for program in Program::ALL {
        let start = Start::new(program, plain.endpoint());
        let memory = median_memory(setting, start).await?;
        set(&mut part, program.key(), "memory", memory.all);
        set(
            &mut part,
            program.key(),
            "memory-anonymous",
            memory.anonymous,
        );
        if program != Program::Floor {
            let roots = Some(tls.system_roots.file.as_path());
            let start = Start {
                roots,
                ..Start::new(program, encrypted.endpoint())
            };
            let memory = median_memory(setting, start).await?;
            set(&mut part, program.key(), "memory-tls", memory.all);
        }
    }
    Ok(part)
}

fn set(part: &mut Part, program: &str, metric: &str, value: u64) {
    part.set(program, metric, value as f64);
    report(program, metric, value as f64);
}

/// Returns the key of a program's code by crate in the figures.
pub(crate) fn code_key(program: &str) -> String {
    format!("{program} code")
}

async fn median_memory(setting: &Setting, start: Start<'_>) -> Result<Memory> {
    let mut measured = Vec::new();
    for _ in 0..setting.repetitions(3, 1) {
        measured.push(memory(setting, start).await?);
    }
    measured.sort_unstable();
    Ok(measured[measured.len() / 2])
}

/// Returns the resident memory after requests that read, and as many that read and write.
async fn memory(setting: &Setting, start: Start<'_>) -> Result<Memory> {
    let program = start.program;
    let mut instance = Instance::start(&setting.programs, start, Browser::default()).await?;
    if program == Program::Floor {
        instance.operate(Operation::None, REQUESTS).await?;
    } else {
        instance.start_session(0).await?;
        for operation in [Operation::Read, Operation::ReadWrite] {
            instance.operate(operation, REQUESTS / 2).await?;
        }
    }
    let memory = instance.resident_memory()?;
    instance.end().await?;
    Ok(memory)
}
