//! What the figures were measured on, and with which versions.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};

use crate::bench::parts::PartName;
use crate::bench::program::{Program, manifest};
use crate::workspace::{Workspace, output};

/// The crates whose versions matter, with the program whose lock file has them.
const CRATES: [(Program, &[&str]); 3] = [
    (
        Program::Ours,
        &[
            "lambda_http",
            "lambda_runtime",
            "aws-sdk-dynamodb",
            "aws-smithy-runtime",
            "rustls",
            "tokio",
        ],
    ),
    (Program::Bare, &["aws-sdk-dynamodb", "aws-config", "rustls"]),
    (
        Program::TowerSessions,
        &[
            "tower-sessions",
            "tower-sessions-dynamodb-store",
            "axum",
            "aws-sdk-dynamodb",
        ],
    ),
];

pub(super) fn describe(workspace: &Workspace, folder: &Path) -> Result<String> {
    let mut rows = vec![
        ("date".to_owned(), dates(folder)?),
        ("processor".to_owned(), processor()?),
        ("operating system".to_owned(), line("uname", &["-srm"])?),
        ("Rust".to_owned(), line("rustc", &["--version"])?),
        ("callgrind".to_owned(), line("valgrind", &["--version"])?),
        ("Python".to_owned(), line("python3", &["--version"])?),
    ];
    for (program, crates) in CRATES {
        let lock = manifest(workspace, program).with_extension("lock");
        let lock = fs::read_to_string(&lock).context("a program has no lock file")?;
        let versions = versions(&lock);
        let found = crates
            .iter()
            .filter_map(|name| Some(format!("{name} {}", versions.get(name)?)));
        rows.push((
            program.label().to_owned(),
            found.collect::<Vec<_>>().join(", "),
        ));
    }
    let requirements =
        fs::read_to_string(workspace.root().join("benchmarks/flask/requirements.txt"))?;
    let packages = requirements
        .lines()
        .filter_map(|line| line.split_once("=="));
    let packages = packages.filter(|(name, _)| {
        ["boto3", "Flask", "Werkzeug", "flask-dynamodb-sessions"].contains(name)
    });
    let packages: Vec<_> = packages
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    rows.push((Program::Flask.label().to_owned(), packages.join(", ")));

    let rows = rows
        .iter()
        .map(|(name, value)| format!("| {name} | {value} |\n"));
    Ok(format!(
        "## What it ran on\n\n| | |\n|---|---|\n{}",
        rows.collect::<String>()
    ))
}

/// Returns the dates of the figures, which are those of their files.
fn dates(folder: &Path) -> Result<String> {
    let mut dates = BTreeSet::new();
    for part in PartName::ALL {
        if let Ok(file) = fs::metadata(folder.join(part.file())) {
            let seconds = file.modified()?.duration_since(UNIX_EPOCH)?.as_secs();
            dates.insert(line("date", &["-u", "+%F", "-d", &format!("@{seconds}")])?);
        }
    }
    Ok(dates.into_iter().collect::<Vec<_>>().join(", "))
}

fn processor() -> Result<String> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |model| {
        model.trim_start_matches([' ', '\t', ':'])
    });
    let cores = std::thread::available_parallelism()?;
    Ok(format!(
        "{model}, {cores} cores, {}",
        std::env::consts::ARCH
    ))
}

fn line(program: &str, arguments: &[&str]) -> Result<String> {
    Ok(output(Command::new(program).args(arguments))?
        .trim()
        .to_owned())
}

/// Returns the versions of a lock file. Of several versions of a crate, the last one is the newest.
fn versions(lock: &str) -> BTreeMap<&str, &str> {
    let packages = lock.split("[[package]]").skip(1);
    let fields = packages.filter_map(|package| {
        let field = |name: &str| {
            let line = package.lines().find(|line| line.starts_with(name))?;
            line.split('"').nth(1)
        };
        Some((field("name")?, field("version")?))
    });
    fields.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_a_lock_file_are_found() {
        let lock = "version = 4\n\n[[package]]\nname = \"http\"\nversion = \"1.5.0\"\n\n[[package]]\nname = \"url\"\nversion = \"2.5.4\"\n";
        assert_eq!(
            versions(lock),
            BTreeMap::from([("http", "1.5.0"), ("url", "2.5.4")])
        );
    }
}
