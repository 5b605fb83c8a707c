//! Numbers and tables in Markdown.

use crate::bench::svg::short;

/// The text of a figure that was not measured.
const ABSENT: &str = "–";

/// The way in which a column is written.
pub(super) type Format = fn(Option<f64>) -> String;

/// Formats a number of instructions.
pub(super) fn instructions(value: Option<f64>) -> String {
    text(value, |value| match value {
        1e8.. => format!("{:.0} M", value / 1e6),
        1e6.. => format!("{:.2} M", value / 1e6),
        _ => format!("{:.0} k", value / 1e3),
    })
}

pub(super) fn megabytes(value: Option<f64>) -> String {
    text(value, |value| format!("{:.1} MB", value / 1e6))
}

pub(super) fn milliseconds(value: Option<f64>) -> String {
    text(value, |value| format!("{} ms", short(value)))
}

pub(super) fn microseconds_of(milliseconds: Option<f64>) -> String {
    text(milliseconds, |value| format!("{:.0} µs", value * 1e3))
}

pub(super) fn whole(value: Option<f64>) -> String {
    text(value, |value| {
        let digits = format!("{value:.0}");
        let mut grouped = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        grouped
    })
}

pub(super) fn factor(value: Option<f64>) -> String {
    text(value, |value| format!("{value:.2}"))
}

pub(super) fn dollars(value: Option<f64>) -> String {
    text(value, |value| format!("${value:.3}"))
}

pub(super) fn text(value: Option<f64>, format: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| ABSENT.to_owned(), format)
}

pub(super) fn ratio(value: Option<f64>, of: Option<f64>) -> Option<f64> {
    Some(value? / of?)
}

/// A table with its header.
pub(super) struct Table(String);

impl Table {
    pub(super) fn new(header: &[&str]) -> Self {
        let mut table = Self(String::new());
        table.row(header.iter().map(|cell| (*cell).to_owned()));
        table.0 += &format!("|---{}|\n", "|--:".repeat(header.len() - 1));
        table
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<_> = cells.into_iter().collect();
        self.0 += &format!("| {} |\n", cells.join(" | "));
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_unit_of_their_size() {
        assert_eq!(instructions(Some(309_800.0)), "310 k");
        assert_eq!(instructions(Some(20_366_993.0)), "20.37 M");
        assert_eq!(whole(Some(1_234_567.4)), "1,234,567");
        assert_eq!(whole(Some(933.0)), "933");
        assert_eq!(dollars(None), "–");
    }

    #[test]
    fn table_aligns_numbers_right() {
        let mut table = Table::new(&["", "a"]);
        table.row(["b".to_owned(), "1".to_owned()]);
        assert_eq!(table.finish(), "|  | a |\n|---|--:|\n| b | 1 |\n");
    }
}
