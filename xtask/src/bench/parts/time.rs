//! The time of requests with a DynamoDB that takes three milliseconds, and their CPU time.
//!
//! The programs take turns in several rounds, so that whatever else the machine does concerns all of
//! them.

use std::time::Duration;

use anyhow::Result;

use crate::bench::Setting;
use crate::bench::browser::Browser;
use crate::bench::figures::{Part, median, percentile};
use crate::bench::front::Front;
use crate::bench::instance::{Instance, Start};
use crate::bench::parts::report;
use crate::bench::program::{Operation, Program};

pub(crate) const LATENCY: Duration = Duration::from_millis(3);
/// The number of requests that are not measured, and of those that are, in each round.
const WARM_UP: usize = 20;
const REQUESTS: usize = 150;

const SHARES: [(&str, f64); 3] = [("p50", 0.50), ("p95", 0.95), ("p99", 0.99)];

/// The milliseconds of a kind of requests, for each round.
#[derive(Default)]
struct Times {
    /// The percentiles of the latency.
    latency: [Vec<f64>; 3],
    /// The CPU time of a request.
    cpu: Vec<f64>,
}

pub(super) async fn measure(setting: &Setting) -> Result<Part> {
    setting.programs.install_flask().await?;
    let front = setting.front(LATENCY, None).await?;
    let kinds: Vec<(Program, Operation)> = Program::ALL
        .into_iter()
        .flat_map(|program| {
            program
                .operations()
                .iter()
                .map(move |operation| (program, *operation))
        })
        .collect();
    let mut times: Vec<Times> = kinds.iter().map(|_| Times::default()).collect();
    for _ in 0..setting.repetitions(7, 2) {
        for ((program, operation), times) in kinds.iter().zip(&mut times) {
            round(setting, &front, *program, *operation, times).await?;
        }
    }
    let mut part = Part::default();
    for ((program, operation), Times { latency, cpu }) in kinds.iter().zip(&times) {
        let mut set = |metric: &str, value: f64| {
            let metric = format!("{} {metric}", operation.key());
            report(program.key(), &metric, value);
            part.set(program.key(), metric, value);
        };
        for ((metric, _), rounds) in SHARES.iter().zip(latency) {
            set(metric, median(rounds));
        }
        // What disturbs a round only adds to its CPU time.
        set("cpu", percentile(cpu, 0.0));
    }
    Ok(part)
}

async fn round(
    setting: &Setting,
    front: &Front,
    program: Program,
    operation: Operation,
    times: &mut Times,
) -> Result<()> {
    let start = Start::new(program, front.endpoint());
    let mut instance = Instance::start(&setting.programs, start, Browser::default()).await?;
    if program != Program::Floor {
        instance.start_session(0).await?;
    }
    instance.operate(operation, WARM_UP).await?;
    let before = instance.cpu().await?;
    let wall = instance.operate(operation, REQUESTS).await?;
    let cpu = instance.cpu().await?.saturating_sub(before);
    instance.end().await?;
    let wall: Vec<f64> = wall.iter().map(|time| time.as_secs_f64() * 1e3).collect();
    for ((_, share), rounds) in SHARES.iter().zip(&mut times.latency) {
        rounds.push(percentile(&wall, *share));
    }
    times.cpu.push(cpu.as_secs_f64() * 1e3 / REQUESTS as f64);
    Ok(())
}
