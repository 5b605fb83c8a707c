//! What a session of many KB costs, if a request changes one small value of it.

use std::time::Duration;

use anyhow::Result;

use crate::bench::Setting;
use crate::bench::browser::Browser;
use crate::bench::callgrind::Lengths;
use crate::bench::figures::Part;
use crate::bench::instance::{Instance, Start};
use crate::bench::parts::report;
use crate::bench::program::{Operation, Program};

/// The sizes of the sessions in KB, in values of 1 KB each.
pub(crate) const KILOBYTES: [usize; 4] = [1, 10, 100, 350];
pub(crate) const LARGEST: usize = KILOBYTES[KILOBYTES.len() - 1];
/// The predecessor stores base64, of which no more than 400 KB fit into an item.
const FLASK_LIMIT: usize = 250;
const LENGTHS: Lengths = [5, 25];
const REQUESTS: usize = 5;

pub(super) async fn measure(setting: &Setting) -> Result<Part> {
    setting.programs.install_flask().await?;
    let mut part = Part::default();
    let mut set = |program: Program, metric: String, value: f64| {
        report(program.key(), &metric, value);
        part.set(program.key(), metric, value);
    };
    for kilobytes in KILOBYTES {
        for program in [
            Program::Bare,
            Program::TowerSessions,
            Program::Ours,
            Program::Flask,
        ] {
            if program == Program::Flask && kilobytes > FLASK_LIMIT {
                continue;
            }
            let metrics = ["read bytes", "write bytes", "bytes returned by the write"];
            for (metric, value) in metrics
                .iter()
                .zip(bytes(setting, program, kilobytes).await?)
            {
                set(program, format!("{kilobytes} {metric}"), value);
            }
        }
        for program in Program::SESSIONS {
            let front = setting.front(Duration::ZERO, None).await?;
            for operation in program
                .operations()
                .iter()
                .filter(|it| **it != Operation::None)
            {
                let callgrind = setting.callgrind();
                let instructions = callgrind
                    .per_request(program, front.endpoint(), *operation, kilobytes, LENGTHS)
                    .await?;
                set(
                    program,
                    format!("{kilobytes} {} instructions", operation.key()),
                    instructions,
                );
            }
        }
    }
    Ok(part)
}

/// Returns the bytes of the response to the read, of the body of the write, and of its response.
async fn bytes(setting: &Setting, program: Program, kilobytes: usize) -> Result<[f64; 3]> {
    let front = setting.front(Duration::ZERO, None).await?;
    let start = Start::new(program, front.endpoint());
    let mut instance = Instance::start(&setting.programs, start, Browser::default()).await?;
    instance.start_session(kilobytes).await?;
    front.take_counts();
    instance.operate(Operation::ReadWrite, REQUESTS).await?;
    instance.end().await?;
    let (mut read, mut write, mut returned) = (0, 0, 0);
    for call in front.take_counts().calls {
        match call.operation.as_str() {
            "GetItem" | "Query" => read += call.response,
            _ => {
                write += call.request_body;
                returned += call.response;
            }
        }
    }
    Ok([read, write, returned].map(|bytes| bytes as f64 / REQUESTS as f64))
}
