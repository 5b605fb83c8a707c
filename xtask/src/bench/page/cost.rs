//! What a million requests cost, computed from the measured calls and CPU time.

use crate::bench::page::Figures;
use crate::bench::page::format::{Table, dollars};
use crate::bench::parts::PartName;
use crate::bench::parts::time::LATENCY;
use crate::bench::program::{Operation, Program};

/// The list prices of on-demand capacity in us-east-1, for a million units.
const READ_UNITS: f64 = 0.125;
const WRITE_UNITS: f64 = 0.625;
/// The list price of a GB-second on arm64.
const GB_SECOND: f64 = 0.000_013_333_4;
const MEMORY_GB: f64 = 0.125;
/// A function of 1,769 MB has one vCPU, and one of 128 MB its share.
const VCPU: f64 = 128.0 / 1769.0;

/// The dollars of a million requests.
#[derive(Clone, Copy)]
pub(super) struct Cost {
    pub(super) reads: f64,
    pub(super) writes: f64,
    pub(super) compute: f64,
}

impl Cost {
    fn of(calls: f64, read_units: f64, write_units: f64, cpu_milliseconds: f64) -> Self {
        let latency = LATENCY.as_secs_f64() * 1e3;
        // Lambda bills whole milliseconds.
        let billed = (calls * latency + cpu_milliseconds / VCPU).ceil();
        Self {
            reads: read_units * READ_UNITS,
            writes: write_units * WRITE_UNITS,
            // A million requests of as many milliseconds are a thousand times as many seconds.
            compute: billed * 1e3 * MEMORY_GB * GB_SECOND,
        }
    }

    pub(super) fn measured(
        figures: &Figures,
        program: Program,
        operation: Operation,
    ) -> Option<Self> {
        let call = |metric| {
            figures.of(
                PartName::Calls,
                program,
                &format!("{} {metric}", operation.key()),
            )
        };
        let cpu = figures.of(PartName::Time, program, &format!("{} cpu", operation.key()))?;
        let calls = call("calls").or((program == Program::Floor).then_some(0.0))?;
        let reads = call("units of reads").unwrap_or(0.0);
        Some(Self::of(
            calls,
            reads,
            call("units of writes").unwrap_or(0.0),
            cpu,
        ))
    }

    fn total(self) -> f64 {
        self.reads + self.writes + self.compute
    }
}

pub(super) fn section(figures: &Figures) -> String {
    let mut table = Table::new(&[
        "A million requests",
        "DynamoDB reads",
        "DynamoDB writes",
        "Lambda",
        "total",
    ]);
    for operation in Operation::ALL {
        for program in Program::ALL
            .into_iter()
            .filter(|it| it.operations().contains(&operation))
        {
            let cost = Cost::measured(figures, program, operation);
            let cell = |cost: Option<f64>| dollars(cost);
            table.row([
                format!("{}, {}", operation.label(), program.label()),
                cell(cost.map(|cost| cost.reads)),
                cell(cost.map(|cost| cost.writes)),
                cell(cost.map(|cost| cost.compute)),
                cell(cost.map(Cost::total)),
            ]);
        }
    }
    format!(
        "\
## Cost

![The cost of a million requests](benchmarks/cost.svg)

{}
The calls and the CPU time are measured, and the rest is computed:

- List prices of us-east-1, on demand, from [DynamoDB](https://aws.amazon.com/dynamodb/pricing/on-demand/) and
  [Lambda](https://aws.amazon.com/lambda/pricing/): $0.125 for a million read units, $0.625 for a million write units,
  $0.0000133334 for a GB-second on arm64.
- The session is small: a strongly consistent read is one unit, an eventually consistent one is half a unit, and a
  write is one unit. tower-sessions and flask-dynamodb-sessions read eventually consistently.
- The function has 128 MB, and with it 128/1769 of a vCPU. Its core is as fast as that of the benchmark. A request
  takes 3 ms for each call, and its CPU time on that share. The time is rounded up to a millisecond.
- The price of the requests themselves, of API Gateway and of storage is the same for all, and is left out.
",
        table.finish()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_is_that_of_a_million_requests() {
        let cost = Cost::of(2.0, 1.0, 1.0, 0.1);
        assert_eq!((cost.reads, cost.writes), (0.125, 0.625));
        // 6 ms of waiting, and 0.1 ms on a fourteenth of a vCPU: 8 ms.
        assert!((cost.compute - 8.0 * 1e3 * 0.125 * 0.000_013_333_4).abs() < 1e-12);
    }
}
