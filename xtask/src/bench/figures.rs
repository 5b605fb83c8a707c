//! The measured figures, which are kept between runs of the parts.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

/// The figures of a part: a program, a metric, and its value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Part(BTreeMap<(String, String), f64>);

impl Part {
    pub(crate) fn set(&mut self, program: &str, metric: impl Into<String>, value: f64) {
        self.0.insert((program.to_owned(), metric.into()), value);
    }

    pub(crate) fn get(&self, program: &str, metric: &str) -> Option<f64> {
        self.0
            .get(&(program.to_owned(), metric.to_owned()))
            .copied()
    }

    /// Returns the metrics of a program.
    pub(crate) fn of<'a>(&'a self, program: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        let metrics = self.0.iter().filter(move |((of, _), _)| of == program);
        metrics.map(|((_, metric), value)| (metric.as_str(), *value))
    }

    pub(crate) fn save(&self, file: &Path) -> Result<()> {
        let mut programs = Map::new();
        for ((program, metric), value) in &self.0 {
            programs
                .entry(program)
                .or_insert_with(|| Value::Object(Map::new()))[metric] = (*value).into();
        }
        let text = serde_json::to_string_pretty(&programs)?;
        fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
    }

    /// Reads a part that was saved. A part that was not measured is empty.
    pub(crate) fn load(file: &Path) -> Result<Self> {
        let Ok(text) = fs::read_to_string(file) else {
            return Ok(Self::default());
        };
        let programs: BTreeMap<String, BTreeMap<String, f64>> = serde_json::from_str(&text)?;
        let mut part = Self::default();
        for (program, metrics) in programs {
            for (metric, value) in metrics {
                part.set(&program, metric, value);
            }
        }
        Ok(part)
    }
}

/// Returns the value below which this share of the values lies, by the nearest rank.
pub(crate) fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}

pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_is_the_nearest_rank() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&values, 0.5), 50.0);
        assert_eq!(percentile(&values, 0.99), 99.0);
        assert_eq!(percentile(&values, 1.0), 100.0);
        assert_eq!(percentile(&[7.0], 0.01), 7.0);
        assert!(percentile(&[], 0.5).is_nan());
    }

    #[test]
    fn part_is_read_as_it_was_saved() {
        let file = std::env::temp_dir().join(format!("part-{}.json", std::process::id()));
        let mut part = Part::default();
        part.set("ours", "read", 309_800.0);
        part.set("bare", "read", 538_800.5);
        part.save(&file).unwrap();
        assert_eq!(Part::load(&file).unwrap(), part);
        fs::remove_file(&file).unwrap();
        assert_eq!(Part::load(&file).unwrap(), Part::default());
    }
}
