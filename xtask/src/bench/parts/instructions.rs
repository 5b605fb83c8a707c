//! The instructions of a request, by what it does with its session.

use std::time::Duration;

use anyhow::Result;

use crate::bench::Setting;
use crate::bench::callgrind::LENGTHS;
use crate::bench::figures::Part;
use crate::bench::parts::report;
use crate::bench::program::Program;

pub(super) async fn measure(setting: &Setting) -> Result<Part> {
    let front = setting.front(Duration::ZERO, None).await?;
    let mut part = Part::default();
    for program in Program::RUST {
        for operation in program.operations() {
            let callgrind = setting.callgrind();
            let instructions = callgrind
                .per_request(program, front.endpoint(), *operation, 0, LENGTHS)
                .await?;
            part.set(program.key(), operation.key(), instructions);
            report(program.key(), operation.key(), instructions);
        }
    }
    Ok(part)
}
