//! The sections with a table of figures each.

use crate::bench::page::Figures;
use crate::bench::page::format::{
    Format, Table, factor, instructions as count, megabytes, microseconds_of, milliseconds, text,
    whole,
};
use crate::bench::parts::PartName;
use crate::bench::parts::growth::KILOBYTES;
use crate::bench::parts::throughput::CONCURRENCY;
use crate::bench::program::{Operation, Program};
use crate::bench::svg::short;

pub(super) fn instructions(figures: &Figures) -> String {
    let mut table = Table::new(&["", "untouched", "read", "read and write", "write only"]);
    for program in Program::ALL {
        let cells = Operation::ALL.map(|operation| {
            let cpu = figures.of(PartName::Time, program, &format!("{} cpu", operation.key()));
            let cpu = microseconds_of(cpu);
            match figures.instructions(program, operation) {
                Some(value) => format!("{}, {cpu}", count(Some(value))),
                None => cpu,
            }
        });
        table.row([program.label().to_owned()].into_iter().chain(cells));
    }
    format!(
        "\
## CPU of a request

![The instructions of a request](benchmarks/cpu.svg)

Instructions, and CPU time of the process:

{}
The instructions do not depend on what else the machine does. The CPU time does, and it knows the processor's SHA
instructions. tower-sessions and flask-dynamodb-sessions cannot write without a read. flask-dynamodb-sessions reads
and writes the session of every request.
",
        table.finish()
    )
}

pub(super) fn starts(figures: &Figures) -> String {
    let get = |program, metric: &str| figures.of(PartName::Start, program, metric);
    let roots = |name| whole(figures.get(PartName::Start, name, "roots"));
    let table = |what| {
        let (first_read, few) = ("and first read", "init, TLS, few roots");
        Table::new(&[
            what,
            "init",
            first_read,
            "init, TLS",
            first_read,
            few,
            first_read,
        ])
    };
    let (mut instructions, mut times) = (table("Instructions"), table("CPU time"));
    for program in Program::ALL {
        let metrics = ["plain", "tls", "tls-few-roots"]
            .map(|way| [format!("{way} init"), format!("{way} init and read")]);
        let cells = |unit: &str, format: Format| {
            let metrics = metrics.iter().flatten();
            let cells: Vec<_> = metrics
                .map(|metric| format(get(program, &format!("{metric} {unit}"))))
                .collect();
            [program.label().to_owned()].into_iter().chain(cells)
        };
        times.row(cells("ms", milliseconds));
        if program != Program::Flask {
            instructions.row(cells("instructions", count));
        }
    }
    format!(
        "\
## Cold start

![The CPU time of a cold start](benchmarks/start.svg)

{}
{}
Each second column contains the first. With all roots, the file has {} of them, and with few roots {}. Without TLS,
no file is configured. The AWS SDK then also looks for roots where the distribution has them, and some distributions
have them twice.
",
        times.finish(),
        instructions.finish(),
        roots("system"),
        roots("few"),
    )
}

pub(super) fn sizes(figures: &Figures) -> String {
    let get = |program: &str, metric: &str| megabytes(figures.get(PartName::Size, program, metric));
    let mut table = Table::new(&[
        "",
        "binary",
        "memory",
        "of this, not code",
        "memory with TLS",
    ]);
    for program in Program::ALL {
        let cells = ["binary", "memory", "memory-anonymous", "memory-tls"];
        let cells = cells.map(|metric| get(program.key(), metric));
        table.row([program.label().to_owned()].into_iter().chain(cells));
    }
    format!(
        "\
## Size and memory

{}
The README's first program has {} with the same profile.
",
        table.finish(),
        get("counter", "binary")
    )
}

pub(super) fn calls(figures: &Figures) -> String {
    let mut table = Table::new(&[
        "",
        "calls",
        "bytes sent",
        "bytes received",
        "body of the read",
        "body of the write",
    ]);
    let programs = [
        Program::Bare,
        Program::TowerSessions,
        Program::Ours,
        Program::Flask,
    ];
    for operation in Operation::ALL {
        for program in programs
            .into_iter()
            .filter(|it| it.operations().contains(&operation))
        {
            let get = |metric: &str| {
                figures.of(
                    PartName::Calls,
                    program,
                    &format!("{} {metric}", operation.key()),
                )
            };
            table.row([
                format!("{}, {}", operation.label(), program.label()),
                text(get("calls"), short),
                whole(get("request").or(Some(0.0))),
                whole(get("response").or(Some(0.0))),
                whole(get("GetItem body").or(get("Query body"))),
                whole(get("UpdateItem body").or(get("PutItem body"))),
            ]);
        }
    }
    format!(
        "\
## DynamoDB calls and bytes

{}
Bytes sent and received are whole HTTP messages, of which a session token of 800 bytes is a part.
",
        table.finish()
    )
}

pub(super) fn latency(figures: &Figures) -> String {
    let mut table = Table::new(&["", "p50", "p95", "p99"]);
    for operation in Operation::ALL {
        for program in Program::ALL
            .into_iter()
            .filter(|it| it.operations().contains(&operation))
        {
            let cells = ["p50", "p95", "p99"].map(|share| {
                let value = figures.of(
                    PartName::Time,
                    program,
                    &format!("{} {share}", operation.key()),
                );
                text(value, |value| format!("{value:.2} ms"))
            });
            let name = format!("{}, {}", operation.label(), program.label());
            table.row([name].into_iter().chain(cells));
        }
    }
    format!(
        "\
## Latency with a DynamoDB of 3 ms

![The latency of a request](benchmarks/latency.svg)

{}
The time is from the event to the complete response. A whole core of this machine serves each program. On a function
of 128 MB, the CPU part takes about 14 times as long.
",
        table.finish()
    )
}

pub(super) fn throughput(figures: &Figures) -> String {
    let mut table = Table::new(&[
        "",
        "requests per second",
        "CPU time of a request",
        "compared with bare",
    ]);
    for operation in [Operation::None, Operation::Read, Operation::ReadWrite] {
        for program in [Program::Floor, Program::Bare, Program::Ours] {
            let get = |metric: &str| {
                figures.of(
                    PartName::Throughput,
                    program,
                    &format!("{} {metric}", operation.key()),
                )
            };
            if !program.operations().contains(&operation) {
                continue;
            }
            table.row([
                format!("{}, {}", operation.label(), program.label()),
                whole(get("per second")),
                microseconds_of(get("cpu")),
                factor(get("ratio")),
            ]);
        }
    }
    format!(
        "\
## Throughput of one process

{CONCURRENCY} requests are in flight at any time:

{}",
        table.finish()
    )
}

pub(super) fn growth(figures: &Figures) -> String {
    let sizes = KILOBYTES.map(|kilobytes| format!("{kilobytes} KB"));
    let header: Vec<&str> = [""]
        .into_iter()
        .chain(sizes.iter().map(String::as_str))
        .collect();
    let mut table = Table::new(&header);
    let rows: [(&str, &str, Format); 6] = [
        ("bytes of the write", "write bytes", whole),
        (
            "bytes returned by the write",
            "bytes returned by the write",
            whole,
        ),
        ("bytes returned by the read", "read bytes", whole),
        ("instructions of a read", "read instructions", count),
        (
            "instructions of a read and a write",
            "read-write instructions",
            count,
        ),
        ("instructions of a write only", "write instructions", count),
    ];
    let programs = [
        Program::Bare,
        Program::TowerSessions,
        Program::Ours,
        Program::Flask,
    ];
    for (label, metric, format) in rows {
        for program in programs {
            let get =
                |kilobytes| figures.of(PartName::Growth, program, &format!("{kilobytes} {metric}"));
            if get(KILOBYTES[0]).is_some() {
                let cells = KILOBYTES.map(|kilobytes| format(get(kilobytes)));
                table.row(
                    [format!("{label}, {}", program.label())]
                        .into_iter()
                        .chain(cells),
                );
            }
        }
    }
    format!(
        "\
## Growth with the size of the session

![Bytes and instructions by the size of the session](benchmarks/growth.svg)

The session has a number and values of 1 KB each. A request reads the number and changes it:

{}
flask-dynamodb-sessions cannot store the largest session, because it stores base64.
",
        table.finish()
    )
}
