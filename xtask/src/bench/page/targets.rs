//! The targets of the library, and whether they are met.

use crate::bench::page::Figures;
use crate::bench::page::format::{
    Format, factor, instructions, megabytes, milliseconds, ratio, whole,
};
use crate::bench::parts::PartName;
use crate::bench::parts::growth::{KILOBYTES, LARGEST};
use crate::bench::program::{Operation, Program};

/// A measure that has a target.
struct Target {
    measure: &'static str,
    bare: String,
    ours: String,
    /// The figure that is compared with the limit.
    compared: Option<f64>,
    limit: Limit,
}

#[derive(Clone, Copy)]
enum Limit {
    /// At most this share of the bare program's figure.
    Ratio(f64),
    /// At least this share of the bare program's figure.
    RatioAtLeast(f64),
    /// At most this value, in its unit.
    Value(f64, &'static str),
    /// The figure of the largest session is at most this multiple of that of the smallest.
    Growth(f64),
}

impl Limit {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::Ratio(limit) | Self::Value(limit, _) | Self::Growth(limit) => value <= limit,
            Self::RatioAtLeast(limit) => value >= limit,
        }
    }

    fn label(self) -> String {
        match self {
            Self::Ratio(limit) => format!("≤ {limit} × bare"),
            Self::RatioAtLeast(limit) => format!("≥ {limit} × bare"),
            Self::Value(limit, unit) => format!("≤ {limit} {unit}"),
            Self::Growth(_) => "constant".to_owned(),
        }
    }
}

pub(super) fn section(figures: &Figures) -> String {
    let mut text = "\
## Targets

| Measure | bare SDK | lambda-sessions | compared | target | |
|---|--:|--:|--:|--:|---|
"
    .to_owned();
    for target in all(figures) {
        let compared = match target.limit {
            Limit::Ratio(_) | Limit::RatioAtLeast(_) => {
                format!("{} × bare", factor(target.compared))
            }
            Limit::Value(..) => target.ours.clone(),
            Limit::Growth(_) => format!("grows {} ×", factor(target.compared)),
        };
        let met = match target.compared {
            Some(value) if target.limit.is_met(value) => "met",
            Some(_) => "**missed**",
            None => "not measured",
        };
        text += &format!(
            "| {} | {} | {} | {compared} | {} | {met} |\n",
            target.measure,
            target.bare,
            target.ours,
            target.limit.label()
        );
    }
    let few = figures.get(PartName::Start, "few", "roots");
    text += &format!(
        "\n\
The instructions are those of one request. \"Constant\" compares sessions of {} KB and of {} KB. The CPU time over TLS
is that with {} trusted roots for lambda-sessions, and with all roots of the system for the bare SDK: see [How it is
measured](#how-it-is-measured). [Whose instructions](#whose-instructions-they-are) shows where the rest goes.

Where a target is missed, this is known of the reason:

- **Untouched request.** The layer reads the cookie with its hints, and makes the session that the handler may ask for.
- **Binary.** [Most of the code](#whose-bytes-the-binaries-are) is that of others. Two parts of it are hardly used by a
  function on Lambda: the SDK's chain of credentials for other places, about 1.2 MB, and the SDK's client as the
  fallback, about 1.1 MB.
- **Memory.** [All but the smallest part](#size-and-memory) is code that has run, and what the kernel has read with it. It
  shrinks with the binary only. The heap and the stacks are smaller than those of the bare program.
- **Large sessions.** DynamoDB returns the whole item, and the SDK decodes all of it, which is
  [nearly the whole cost](#whose-instructions-they-are). A text of a session is JSON with quotes. They are escaped in the
  response, so that the SDK's parser takes a slower path than for the bare program's plain texts.
- **The write after a read.** It grows for the bare program too, though neither write depends on what was read. The
  difference is in the crates that collect the body of the read. An HTTP connection that has just received a small
  response reads the next large one in more pieces, which are then copied.
",
        KILOBYTES[0],
        LARGEST,
        whole(few),
    );
    text
}

fn all(figures: &Figures) -> Vec<Target> {
    let (bare, ours) = (Program::Bare, Program::Ours);
    let requests = [
        (
            "instructions of an untouched request",
            Operation::None,
            1.02,
        ),
        ("instructions of a read", Operation::Read, 0.65),
        (
            "instructions of a read and a write",
            Operation::ReadWrite,
            0.65,
        ),
    ];
    let mut targets: Vec<Target> = requests
        .into_iter()
        .map(|(measure, operation, limit)| {
            let [bare, ours] = [bare, ours].map(|program| figures.instructions(program, operation));
            relative(measure, bare, ours, Limit::Ratio(limit), instructions)
        })
        .collect();

    let init =
        [bare, ours].map(|program| figures.of(PartName::Start, program, "plain init instructions"));
    targets.push(relative(
        "instructions of init, plain HTTP",
        init[0],
        init[1],
        Limit::Ratio(0.15),
        instructions,
    ));

    let start = |program, way: &str| {
        figures.of(PartName::Start, program, &format!("{way} init and read ms"))
    };
    targets.push(absolute(
        "CPU time of init and the first read over TLS",
        milliseconds(start(bare, "tls")),
        milliseconds(start(ours, "tls-few-roots")),
        start(ours, "tls-few-roots"),
        Limit::Value(6.0, "ms"),
    ));

    let size = |program: &str, metric: &str| figures.get(PartName::Size, program, metric);
    let megabyte = |value: Option<f64>| value.map(|bytes| bytes / 1e6);
    let counter = size("counter", "binary");
    targets.push(absolute(
        "binary of the counter",
        megabytes(size(bare.key(), "binary")),
        megabytes(counter),
        megabyte(counter),
        Limit::Value(6.0, "MB"),
    ));
    let memory = size(ours.key(), "memory");
    targets.push(absolute(
        "resident memory after 1,000 requests",
        megabytes(size(bare.key(), "memory")),
        megabytes(memory),
        megabyte(memory),
        Limit::Value(7.0, "MB"),
    ));

    let body = |program| figures.of(PartName::Calls, program, "read-write UpdateItem body");
    targets.push(absolute(
        "bytes of the update of one key",
        whole(body(bare)),
        whole(body(ours)),
        body(ours),
        Limit::Value(500.0, "bytes"),
    ));
    targets.extend(growth(figures));

    for (measure, operation) in [
        ("reads per second, 16 in flight", Operation::Read),
        (
            "reads and writes per second, 16 in flight",
            Operation::ReadWrite,
        ),
    ] {
        let rate = format!("{} per second", operation.key());
        let ratio = format!("{} ratio", operation.key());
        targets.push(Target {
            measure,
            bare: whole(figures.of(PartName::Throughput, bare, &rate)),
            ours: whole(figures.of(PartName::Throughput, ours, &rate)),
            compared: figures.of(PartName::Throughput, ours, &ratio),
            limit: Limit::RatioAtLeast(1.0),
        });
    }
    targets
}

/// The metric of a read and a write, without the read.
const WRITE: &str = "write after a read";

/// Returns what must not depend on the size of the session.
fn growth(figures: &Figures) -> Vec<Target> {
    let [small, large] = [KILOBYTES[0], LARGEST];
    let of = |program, kilobytes: usize, metric: &str| {
        let figure =
            |metric: &str| figures.of(PartName::Growth, program, &format!("{kilobytes} {metric}"));
        match metric {
            WRITE => Some(figure("read-write instructions")? - figure("read instructions")?),
            _ => figure(metric),
        }
    };
    // Five bytes are those of a number with more digits.
    let measures = [
        (
            "bytes of the update of one key in a large session",
            "write bytes",
            1.01,
        ),
        (
            "instructions of the write after a read, in a large session",
            WRITE,
            1.05,
        ),
    ];
    let mut targets: Vec<Target> = measures
        .into_iter()
        .map(|(measure, metric, limit)| Target {
            measure,
            bare: range(
                of(Program::Bare, small, metric),
                of(Program::Bare, large, metric),
            ),
            ours: range(
                of(Program::Ours, small, metric),
                of(Program::Ours, large, metric),
            ),
            compared: ratio(
                of(Program::Ours, large, metric),
                of(Program::Ours, small, metric),
            ),
            limit: Limit::Growth(limit),
        })
        .collect();
    // The SDK reads all values of an item. A library that parses them once more needs more than it does.
    let read = |program| of(program, large, "read instructions");
    targets.push(relative(
        "instructions of a read of one key in a large session",
        read(Program::Bare),
        read(Program::Ours),
        Limit::Ratio(1.0),
        instructions,
    ));
    targets
}

fn range(small: Option<f64>, large: Option<f64>) -> String {
    let format = |value: Option<f64>| match value {
        Some(value) if value >= 1e5 => instructions(Some(value)),
        value => whole(value),
    };
    format!("{} to {}", format(small), format(large))
}

fn relative(
    measure: &'static str,
    bare: Option<f64>,
    ours: Option<f64>,
    limit: Limit,
    format: Format,
) -> Target {
    Target {
        measure,
        bare: format(bare),
        ours: format(ours),
        compared: ratio(ours, bare),
        limit,
    }
}

fn absolute(
    measure: &'static str,
    bare: String,
    ours: String,
    compared: Option<f64>,
    limit: Limit,
) -> Target {
    Target {
        measure,
        bare,
        ours,
        compared,
        limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_met_on_their_side() {
        assert!(Limit::Ratio(0.65).is_met(0.65));
        assert!(!Limit::Ratio(0.65).is_met(0.66));
        assert!(Limit::RatioAtLeast(1.0).is_met(1.01));
        assert!(!Limit::RatioAtLeast(1.0).is_met(0.99));
    }
}
