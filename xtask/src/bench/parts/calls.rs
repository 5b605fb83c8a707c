//! The calls of DynamoDB that a request makes, and their bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use crate::bench::Setting;
use crate::bench::browser::Browser;
use crate::bench::figures::Part;
use crate::bench::front::Call;
use crate::bench::instance::{Instance, Start};
use crate::bench::parts::report;
use crate::bench::program::Program;

/// The number of requests, of which the mean is taken: the number in the session grows a digit.
const REQUESTS: usize = 20;

pub(super) async fn measure(setting: &Setting) -> Result<Part> {
    setting.programs.install_flask().await?;
    let front = setting.front(Duration::ZERO, None).await?;
    let mut part = Part::default();
    for program in Program::ALL
        .into_iter()
        .filter(|program| *program != Program::Floor)
    {
        let start = Start::new(program, front.endpoint());
        let mut instance = Instance::start(&setting.programs, start, Browser::default()).await?;
        instance.start_session(0).await?;
        for operation in program.operations() {
            // The first request of a kind may open a connection.
            instance.operate(*operation, 1).await?;
            front.take_counts();
            instance.operate(*operation, REQUESTS).await?;
            let counts = front.take_counts();
            for (metric, value) in summary(&counts.calls) {
                let metric = format!("{} {metric}", operation.key());
                report(program.key(), &metric, value);
                part.set(program.key(), metric, value);
            }
        }
        instance.end().await?;
    }
    Ok(part)
}

/// Returns the means per request: for all calls, and for each operation.
fn summary(calls: &[Call]) -> BTreeMap<String, f64> {
    let mut summary = BTreeMap::from([("calls".to_owned(), 0.0)]);
    let mut add = |metric: String, value: f64| {
        *summary.entry(metric).or_default() += value / REQUESTS as f64;
    };
    for call in calls {
        let operation = &call.operation;
        add("calls".to_owned(), 1.0);
        add(format!("{operation} calls"), 1.0);
        add(format!("{operation} body"), call.request_body as f64);
        add(format!("{operation} request"), call.request as f64);
        add(format!("{operation} response"), call.response as f64);
        add("request".to_owned(), call.request as f64);
        add("response".to_owned(), call.response as f64);
        let (unit, number) = match (operation.as_str(), call.consistent) {
            ("GetItem" | "Query", true) => ("units of reads", 1.0),
            ("GetItem" | "Query", false) => ("units of reads", 0.5),
            _ => ("units of writes", 1.0),
        };
        add(unit.to_owned(), number);
    }
    summary
}
