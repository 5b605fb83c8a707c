//! Whose instructions the requests are, and whose bytes the binaries.

use std::collections::BTreeMap;

use crate::bench::page::Figures;
use crate::bench::page::format::Table;
use crate::bench::parts::PartName;
use crate::bench::parts::growth::LARGEST;
use crate::bench::parts::profile::{Case, LARGE, PROGRAMS, SMALL};
use crate::bench::parts::size::{CODE, code_key};
use crate::bench::profile::{HANDLER, IN_LIBC};
use crate::bench::program::{Operation, Program};
use crate::bench::symbols::C;

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
            C,
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

/// A column of a table: its header, and the costs by crate.
struct Column {
    header: String,
    costs: BTreeMap<String, f64>,
}

impl Column {
    fn of_request(figures: &Figures, case: Case, program: Program) -> Self {
        let header = format!("{}, {}", case.operation.label(), program.label());
        Self::new(figures, PartName::Profile, header, &case.key(program))
    }

    fn new(figures: &Figures, part: PartName, header: String, key: &str) -> Self {
        let costs = figures.part(part).of(key);
        let costs = costs.map(|(name, cost)| (name.to_owned(), cost));
        Self {
            header,
            costs: costs.collect(),
        }
    }

    fn cost(&self, name: &str) -> f64 {
        self.costs.get(name).copied().unwrap_or(0.0)
    }

    /// Returns the costs that do not belong to others too.
    fn own(&self) -> impl Iterator<Item = (&str, f64)> {
        let costs = self.costs.iter().filter(|(name, _)| *name != IN_LIBC);
        costs.map(|(name, cost)| (name.as_str(), *cost))
    }

    fn total(&self) -> f64 {
        sum(self.own())
    }
}

pub(super) fn section(figures: &Figures) -> String {
    let requests = |cases: &[Case]| {
        let columns = cases
            .iter()
            .flat_map(|case| PROGRAMS.map(|program| Column::of_request(figures, *case, program)));
        columns.collect::<Vec<_>>()
    };
    let single = SMALL
        .iter()
        .filter(|case| case.operation != Operation::None);
    let single = single.map(|case| Column {
        header: case.operation.label().to_owned(),
        ..Column::of_request(figures, *case, Program::Ours)
    });
    format!(
        "\
## Whose instructions they are

{}
An instruction belongs to the crate of its source line. Those of the standard library and of libc belong to the crate
that called them. SHA-256 counts as software.

The crates of lambda-sessions with at least 1 % of a request:

{}
In a session of {LARGEST} KB:

{}",
        groups(&requests(&SMALL)),
        crates(&single.collect::<Vec<_>>()),
        groups(&requests(&LARGE)),
    )
}

/// Returns the section on the code in the binaries.
pub(super) fn code(figures: &Figures) -> String {
    let columns = CODE.map(|program| {
        Column::new(
            figures,
            PartName::Size,
            program.to_owned(),
            &code_key(program),
        )
    });
    format!(
        "\
## Whose bytes the binaries are

The code of the bare program and of the README's first program. The rest of a binary is constants, and tables for
unwinding and relocation.

{}
The crates with at least 1 % of the code:

{}",
        groups(&columns),
        crates(&columns),
    )
}

/// Returns the table of groups of crates.
fn groups(columns: &[Column]) -> String {
    let mut table = table("", columns);
    for name in GROUPS.map(|(name, _)| name).into_iter().chain([OTHER]) {
        let costs = columns
            .iter()
            .map(|column| sum(column.own().filter(|(it, _)| group(it) == name)));
        let costs: Vec<f64> = costs.collect();
        if costs.iter().any(|cost| *cost > 0.0) {
            row(&mut table, name, costs);
        }
    }
    row(&mut table, "**all**", columns.iter().map(Column::total));
    let libc: Vec<f64> = columns.iter().map(|column| column.cost(IN_LIBC)).collect();
    if libc.iter().any(|cost| *cost > 0.0) {
        row(&mut table, "of these, in libc (`malloc`, `memcpy` …)", libc);
    }
    table.finish()
}

/// Returns the table of single crates, ordered by the last column.
fn crates(columns: &[Column]) -> String {
    let Some(last) = columns.last() else {
        return String::new();
    };
    let mut names: Vec<(&str, f64)> = last.own().collect();
    names.retain(|(_, cost)| *cost >= LISTED * last.total());
    names.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let mut table = table("Crate", columns);
    for (name, _) in names {
        let costs = columns.iter().map(|column| column.cost(name));
        row(&mut table, &format!("`{name}`"), costs);
    }
    table.finish()
}

fn sum<'a>(costs: impl Iterator<Item = (&'a str, f64)>) -> f64 {
    costs.fold(0.0, |sum, (_, cost)| sum + cost)
}

fn table(first: &str, columns: &[Column]) -> Table {
    let header = columns.iter().map(|column| column.header.as_str());
    Table::new(&[first].into_iter().chain(header).collect::<Vec<_>>())
}

fn row(table: &mut Table, name: &str, costs: impl IntoIterator<Item = f64>) {
    let cells = costs.into_iter().map(|cost| format!("{:.0} k", cost / 1e3));
    table.row([name.to_owned()].into_iter().chain(cells));
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
