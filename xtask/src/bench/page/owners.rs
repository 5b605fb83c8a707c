//! Whose instructions the requests are.

use std::collections::BTreeMap;

use crate::bench::page::Figures;
use crate::bench::page::format::Table;
use crate::bench::parts::PartName;
use crate::bench::parts::profile::{OPERATIONS, PROGRAMS, key};
use crate::bench::profile::{HANDLER, IN_LIBC};
use crate::bench::program::{Operation, Program};

/// The groups of crates, by the beginnings of their names. The first that fits holds.
const GROUPS: [(&str, &[&str]); 9] = [
    ("lambda-sessions", &["lambda_sessions"]),
    ("the handler", &[HANDLER]),
    (
        "Lambda runtime",
        &[
            "lambda_",
            "aws_lambda_events",
            "query_map",
            "async_stream",
            "encoding_rs",
            "mime",
        ],
    ),
    (
        "cryptography",
        &[
            "sha2",
            "hmac",
            "digest",
            "block_buffer",
            "hybrid_array",
            "hex",
            "ring",
            "aws_lc",
            "rustls",
            "subtle",
        ],
    ),
    ("AWS SDK", &["aws_"]),
    (
        "HTTP",
        &[
            "hyper",
            "http",
            "httparse",
            "h2",
            "tower",
            "url",
            "percent_encoding",
            "idna",
            "form_urlencoded",
        ],
    ),
    ("JSON", &["serde", "itoa", "ryu", "zmij"]),
    (
        "tokio and futures",
        &[
            "tokio",
            "mio",
            "futures",
            "bytes",
            "slab",
            "atomic_waker",
            "want",
            "pin_project",
        ],
    ),
    ("logging", &["tracing", "log"]),
];
const OTHER: &str = "other";
/// Crates with a smaller share of a request are not listed by name.
const LISTED: f64 = 0.01;

fn group(name: &str) -> &'static str {
    let found = GROUPS
        .iter()
        .find(|(_, beginnings)| beginnings.iter().any(|it| name.starts_with(it)));
    found.map_or(OTHER, |(group, _)| group)
}

pub(super) fn section(figures: &Figures) -> String {
    let part = figures.part(PartName::Profile);
    let columns: Vec<(Program, Operation)> = OPERATIONS
        .into_iter()
        .flat_map(|operation| PROGRAMS.map(|program| (program, operation)))
        .collect();
    let mut groups: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut totals = vec![0.0; columns.len()];
    let mut libc = vec![0.0; columns.len()];
    for (index, (program, operation)) in columns.iter().enumerate() {
        for (name, cost) in part.of(&key(*program, *operation)) {
            if name == IN_LIBC {
                libc[index] = cost;
                continue;
            }
            groups
                .entry(group(name))
                .or_insert_with(|| vec![0.0; columns.len()])[index] += cost;
            totals[index] += cost;
        }
    }
    let header = columns
        .iter()
        .map(|(program, operation)| format!("{}, {}", operation.label(), program.label()));
    let header: Vec<String> = [String::new()].into_iter().chain(header).collect();
    let mut table = Table::new(&header.iter().map(String::as_str).collect::<Vec<_>>());
    let mut row = |name: &str, costs: &[f64]| {
        let cells = costs.iter().map(|cost| format!("{:.0} k", cost / 1e3));
        table.row([name.to_owned()].into_iter().chain(cells));
    };
    for name in GROUPS.map(|(name, _)| name).into_iter().chain([OTHER]) {
        if let Some(costs) = groups.get(name) {
            row(name, costs);
        }
    }
    row("**all**", &totals);
    row("of these, in libc (`malloc`, `memcpy` …)", &libc);
    format!(
        "\
## Whose instructions they are

{}
An instruction belongs to the crate of its source line. Those of the standard library and of libc belong to the crate
that called them. SHA-256 counts as software.

The crates of lambda-sessions with at least 1 % of a request:

{}",
        table.finish(),
        crates(figures)
    )
}

/// Returns the table of single crates.
fn crates(figures: &Figures) -> String {
    let part = figures.part(PartName::Profile);
    let columns =
        [Operation::Read, Operation::ReadWrite].map(|operation| key(Program::Ours, operation));
    let mut names: Vec<(&str, f64)> = part
        .of(&columns[1])
        .filter(|(name, _)| *name != IN_LIBC)
        .collect();
    let total: f64 = names.iter().map(|(_, cost)| cost).sum();
    names.retain(|(_, cost)| *cost >= LISTED * total);
    names.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let mut table = Table::new(&["Crate", "read", "read and write"]);
    for (name, _) in names {
        let cost = |column: &str| format!("{:.0} k", part.get(column, name).unwrap_or(0.0) / 1e3);
        table.row([format!("`{name}`"), cost(&columns[0]), cost(&columns[1])]);
    }
    table.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_are_in_the_first_group_that_fits() {
        assert_eq!(group("aws_lambda_events"), "Lambda runtime");
        assert_eq!(group("aws_lc_rs"), "cryptography");
        assert_eq!(group("aws_sigv4"), "AWS SDK");
        assert_eq!(group("lambda_sessions"), "lambda-sessions");
        assert_eq!(group("uuid"), OTHER);
    }
}
