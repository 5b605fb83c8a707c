//! The plots of the page.

use crate::bench::page::Figures;
use crate::bench::page::cost::Cost;
use crate::bench::parts::PartName;
use crate::bench::parts::growth::KILOBYTES;
use crate::bench::program::{Operation, Program};
use crate::bench::svg::bars::{Bar, Bars, Group};
use crate::bench::svg::lines::{Curve, Lines, Panel};

/// Returns the plots with their names.
pub(super) fn all(figures: &Figures) -> [(&'static str, String); 5] {
    [
        ("cpu", cpu(figures).draw()),
        ("start", start(figures).draw()),
        ("latency", latency(figures).draw()),
        ("cost", cost(figures).draw()),
        ("growth", growth(figures).draw()),
    ]
}

fn bar(program: Program, segments: Vec<f64>) -> Bar {
    Bar {
        label: program.label().to_owned(),
        class: program.key(),
        segments,
        whisker: None,
    }
}

/// Returns a group for each operation, with a bar for each program that has one.
fn by_operation(bar: impl Fn(Program, Operation) -> Option<Bar>) -> Vec<Group> {
    let groups = Operation::ALL.map(|operation| Group {
        label: operation.label().to_owned(),
        bars: Program::ALL
            .into_iter()
            .filter_map(|program| bar(program, operation))
            .collect(),
    });
    groups
        .into_iter()
        .filter(|group| !group.bars.is_empty())
        .collect()
}

fn cpu(figures: &Figures) -> Bars {
    Bars {
        title: "CPU of a request".to_owned(),
        axis: "thousand instructions".to_owned(),
        groups: by_operation(|program, operation| {
            Some(bar(
                program,
                vec![figures.instructions(program, operation)? / 1e3],
            ))
        }),
        segments: Vec::new(),
        note: String::new(),
    }
}

fn start(figures: &Figures) -> Bars {
    let programs = [Program::Bare, Program::TowerSessions, Program::Ours];
    let time = |program, metric: &str| figures.of(PartName::Start, program, metric);
    let group = |label: &str, way: &str| Group {
        label: label.to_owned(),
        bars: programs
            .into_iter()
            .filter_map(|program| {
                let init = time(program, &format!("{way} init ms"))?;
                let both = time(program, &format!("{way} init and read ms"))?;
                Some(bar(program, vec![init, (both - init).max(0.0)]))
            })
            .collect(),
    };
    let flask = time(Program::Flask, "tls init and read ms");
    Bars {
        title: "CPU of a cold start".to_owned(),
        axis: "milliseconds of CPU time".to_owned(),
        groups: vec![
            group("plain HTTP", "plain"),
            group("TLS, all roots of the system", "tls"),
            group("TLS, as many roots as Amazon has", "tls-few-roots"),
        ],
        segments: vec!["init".to_owned(), "first read".to_owned()],
        note: flask.map_or_else(String::new, |flask| {
            format!("flask-dynamodb-sessions over TLS: {flask:.0} ms")
        }),
    }
}

fn latency(figures: &Figures) -> Bars {
    let time = |program, operation: Operation, share: &str| {
        figures.of(
            PartName::Time,
            program,
            &format!("{} {share}", operation.key()),
        )
    };
    Bars {
        title: "Latency of a request, with a DynamoDB of 3 ms".to_owned(),
        axis: "milliseconds: p50, and a line to p99".to_owned(),
        groups: by_operation(|program, operation| {
            let p50 = time(program, operation, "p50")?;
            let whisker = time(program, operation, "p99");
            Some(Bar {
                whisker,
                ..bar(program, vec![p50])
            })
        }),
        segments: Vec::new(),
        note: String::new(),
    }
}

fn cost(figures: &Figures) -> Bars {
    Bars {
        title: "Cost of a million requests".to_owned(),
        axis: "US dollars, list prices of us-east-1".to_owned(),
        groups: by_operation(|program, operation| {
            let cost = Cost::measured(figures, program, operation)?;
            Some(bar(program, vec![cost.reads, cost.writes, cost.compute]))
        }),
        segments: ["DynamoDB reads", "DynamoDB writes", "Lambda, 128 MB on arm64"].map(str::to_owned).into(),
        note: "tower-sessions and flask-dynamodb-sessions read eventually consistently, at half the price.".to_owned(),
    }
}

fn growth(figures: &Figures) -> Lines {
    let panel = |title: &str, metric: &str| Panel {
        title: title.to_owned(),
        curves: [
            Program::Bare,
            Program::TowerSessions,
            Program::Ours,
            Program::Flask,
        ]
        .into_iter()
        .map(|program| Curve {
            label: program.label(),
            class: program.key(),
            values: KILOBYTES
                .into_iter()
                .map_while(|kilobytes| {
                    figures.of(PartName::Growth, program, &format!("{kilobytes} {metric}"))
                })
                .collect(),
        })
        .filter(|curve| !curve.values.is_empty())
        .collect(),
    };
    Lines {
        title: "One changed key in a growing session".to_owned(),
        x_axis: "KB in the session".to_owned(),
        x: KILOBYTES.map(|kilobytes| kilobytes as f64).into(),
        panels: vec![
            panel("bytes sent by the write", "write bytes"),
            panel("instructions of the request", "read-write instructions"),
        ],
    }
}
