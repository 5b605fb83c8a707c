//! The throughput of one process with many requests at the same time.
//!
//! DynamoDB's responses are recorded ones, so that the emulator takes no CPU from the program.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinSet;

use crate::bench::Setting;
use crate::bench::browser::Browser;
use crate::bench::figures::{Part, median};
use crate::bench::front::Front;
use crate::bench::instance::{Instance, Start};
use crate::bench::parts::report;
use crate::bench::program::{Operation, Program};

/// The number of requests in flight.
pub(crate) const CONCURRENCY: usize = 16;
/// The number of requests of each of them.
const REQUESTS: usize = 250;
const PROGRAMS: [Program; 3] = [Program::Floor, Program::Bare, Program::Ours];

pub(super) async fn measure(setting: &Setting) -> Result<Part> {
    let mut part = Part::default();
    for operation in [Operation::None, Operation::Read, Operation::ReadWrite] {
        let programs = PROGRAMS
            .into_iter()
            .filter(|program| program.operations().contains(&operation));
        let mut measured: Vec<(Program, Vec<f64>, Vec<f64>)> = programs
            .map(|program| (program, Vec::new(), Vec::new()))
            .collect();
        for _ in 0..setting.repetitions(7, 2) {
            for (program, per_second, cpu) in &mut measured {
                let front = setting.front(Duration::ZERO, None).await?;
                let (rate, milliseconds) = round(setting, &front, *program, operation).await?;
                per_second.push(rate);
                cpu.push(milliseconds);
            }
        }
        for (program, per_second, cpu) in &measured {
            for (metric, values) in [("per second", per_second), ("cpu", cpu)] {
                let metric = format!("{} {metric}", operation.key());
                report(program.key(), &metric, median(values));
                part.set(program.key(), metric, median(values));
            }
        }
        // Each round has a ratio of its own, because the machine may be faster in another.
        if let [.., (_, bare, _), (Program::Ours, ours, _)] = &measured[..] {
            let ratios: Vec<f64> = ours
                .iter()
                .zip(bare)
                .map(|(ours, bare)| ours / bare)
                .collect();
            let metric = format!("{} ratio", operation.key());
            report(Program::Ours.key(), &metric, median(&ratios));
            part.set(Program::Ours.key(), metric, median(&ratios));
        }
    }
    Ok(part)
}

/// Returns the requests per second, and the milliseconds of CPU of one.
async fn round(
    setting: &Setting,
    front: &Front,
    program: Program,
    operation: Operation,
) -> Result<(f64, f64)> {
    let start = Start {
        concurrency: CONCURRENCY,
        ..Start::new(program, front.endpoint())
    };
    let mut instance = Instance::start(&setting.programs, start, Browser::default()).await?;
    if program != Program::Floor {
        instance.start_session(0).await?;
    }
    instance.operate(operation, CONCURRENCY).await?;
    front.respond_from_records();
    let event = instance.browser.event(&operation.path());
    send_concurrently(&instance, &event, CONCURRENCY).await?;
    let cpu = instance.cpu().await?;
    let begin = Instant::now();
    send_concurrently(&instance, &event, REQUESTS).await?;
    let seconds = begin.elapsed().as_secs_f64();
    let cpu = instance.cpu().await?.saturating_sub(cpu);
    instance.end().await?;
    let requests = (CONCURRENCY * REQUESTS) as f64;
    Ok((requests / seconds, cpu.as_secs_f64() * 1e3 / requests))
}

/// Sends this many requests one after the other, from each of several clients.
async fn send_concurrently(instance: &Instance, event: &str, number: usize) -> Result<()> {
    let mut clients = JoinSet::new();
    for _ in 0..CONCURRENCY {
        let (api, event) = (instance.api.clone(), event.to_owned());
        let mut browser = instance.browser.clone();
        clients.spawn(async move {
            for _ in 0..number {
                browser.keep(&api.invoke(event.clone()).await?.body)?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(())
}
