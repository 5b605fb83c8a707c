//! Cold starts: from the start of the process to the first response.
//!
//! 1. *init* ends with the first response, to a request that does not use its session.
//! 2. *first read* is what the next request costs, which reads its session. A program may open its
//!    connection in either of them, so that only their sum is compared.
//! 3. Over plain HTTP no root is configured. Over TLS, the programs run with a file of all roots that
//!    the system trusts, and again with as many as Amazon has.

use std::time::Duration;

use anyhow::Result;

use crate::bench::Setting;
use crate::bench::browser::Browser;
use crate::bench::figures::{Part, median};
use crate::bench::instance::{Instance, Start};
use crate::bench::parts::report;
use crate::bench::program::{Operation, Program};
use crate::bench::tls::Tls;

const INIT: &[Operation] = &[Operation::None];
const INIT_AND_READ: &[Operation] = &[Operation::None, Operation::Read];

pub(super) async fn measure(setting: &Setting) -> Result<Part> {
    setting.programs.install_flask().await?;
    let tls = Tls::new(&setting.folder)?;
    let plain = setting.front(Duration::ZERO, None).await?;
    let encrypted = setting.front(Duration::ZERO, Some(&tls)).await?;
    let ways = [
        ("plain", plain.endpoint(), None),
        ("tls", encrypted.endpoint(), Some(&tls.system_roots)),
        ("tls-few-roots", encrypted.endpoint(), Some(&tls.few_roots)),
    ];
    let mut part = Part::default();
    part.set("system", "roots", tls.system_roots.number as f64);
    part.set("few", "roots", tls.few_roots.number as f64);
    for (way, endpoint, roots) in ways {
        let start = |program| Start {
            roots: roots.map(|roots| roots.file.as_path()),
            ..Start::new(program, endpoint)
        };
        let programs = Program::ALL
            .into_iter()
            .filter(|program| *program != Program::Floor || way == "plain");
        let mut browsers = Vec::new();
        for program in programs {
            browsers.push((
                program,
                browser_with_session(setting, start(program)).await?,
            ));
        }
        for (program, browser) in &browsers {
            if *program == Program::Flask {
                continue;
            }
            let operations = if *program == Program::Floor {
                &[INIT][..]
            } else {
                &[INIT, INIT_AND_READ]
            };
            for (operations, metric) in operations.iter().zip(["init", "init and read"]) {
                let instructions = setting
                    .callgrind()
                    .of_start(start(*program), browser.clone(), operations)
                    .await?;
                let metric = format!("{way} {metric} instructions");
                report(program.key(), &metric, instructions);
                part.set(program.key(), metric, instructions);
            }
        }
        let mut times: Vec<[Vec<f64>; 2]> = vec![Default::default(); browsers.len()];
        for _ in 0..setting.repetitions(11, 3) {
            for ((program, browser), times) in browsers.iter().zip(&mut times) {
                let measured = cpu(setting, start(*program), browser.clone()).await?;
                for (times, time) in times.iter_mut().zip(measured) {
                    times.push(time.as_secs_f64() * 1e3);
                }
            }
        }
        for ((program, _), times) in browsers.iter().zip(&times) {
            for (times, metric) in times.iter().zip(["init", "init and read"]) {
                if !times.is_empty() {
                    let metric = format!("{way} {metric} ms");
                    report(program.key(), &metric, median(times));
                    part.set(program.key(), metric, median(times));
                }
            }
        }
    }
    Ok(part)
}

async fn browser_with_session(setting: &Setting, start: Start<'_>) -> Result<Browser> {
    if start.program == Program::Floor {
        return Ok(Browser::default());
    }
    let mut instance = Instance::start(&setting.programs, start, Browser::default()).await?;
    instance.start_session(0).await?;
    instance.end().await
}

/// Returns the CPU time of init, and of init and the first read.
async fn cpu(setting: &Setting, start: Start<'_>, browser: Browser) -> Result<Vec<Duration>> {
    let program = start.program;
    let mut instance = Instance::start(&setting.programs, start, browser).await?;
    instance.operate(Operation::None, 1).await?;
    let mut times = vec![instance.cpu().await?];
    if program != Program::Floor {
        instance.operate(Operation::Read, 1).await?;
        times.push(instance.cpu().await?);
    }
    instance.end().await?;
    Ok(times)
}
