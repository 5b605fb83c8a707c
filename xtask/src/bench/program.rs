//! The programs that are compared, each a package with a lock file of its own in `benchmarks`.
//!
//! Features unify across a workspace, so a program that is built beside others is not the program
//! that a user has.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::bench::symbols;
use crate::process::run;
use crate::python;
use crate::workspace::{Workspace, output};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Floor,
    Bare,
    TowerSessions,
    Ours,
    Flask,
}

/// The use that a request makes of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    None,
    Read,
    ReadWrite,
    Write,
}

impl Program {
    pub(crate) const ALL: [Self; 5] = [
        Self::Floor,
        Self::Bare,
        Self::TowerSessions,
        Self::Ours,
        Self::Flask,
    ];
    pub(crate) const RUST: [Self; 4] = [Self::Floor, Self::Bare, Self::TowerSessions, Self::Ours];
    /// The Rust programs that have sessions.
    pub(crate) const SESSIONS: [Self; 3] = [Self::Bare, Self::TowerSessions, Self::Ours];

    /// Returns its key in the figures, which is also the name of its folder.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Bare => "bare",
            Self::TowerSessions => "tower-sessions",
            Self::Ours => "ours",
            Self::Flask => "flask",
        }
    }

    /// Returns its name for readers.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Floor => "lambda_http alone",
            Self::Bare => "bare SDK",
            Self::TowerSessions => "tower-sessions",
            Self::Ours => "lambda-sessions",
            Self::Flask => "flask-dynamodb-sessions",
        }
    }

    pub(crate) fn operations(self) -> &'static [Operation] {
        match self {
            Self::Floor => &[Operation::None],
            Self::Bare | Self::Ours => &Operation::ALL,
            // Neither can write without a read.
            Self::TowerSessions | Self::Flask => {
                &[Operation::None, Operation::Read, Operation::ReadWrite]
            }
        }
    }
}

impl Operation {
    pub(crate) const ALL: [Self; 4] = [Self::None, Self::Read, Self::ReadWrite, Self::Write];

    /// Returns its key in the figures, which is also the path of its requests.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::ReadWrite => "read-write",
            Self::Write => "write",
        }
    }

    /// Returns its name for readers.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::None => "untouched",
            Self::Read => "read",
            Self::ReadWrite => "read and write",
            Self::Write => "write only",
        }
    }

    pub(crate) fn path(self) -> String {
        format!("/{}", self.key())
    }
}

/// The built programs.
pub(crate) struct Programs {
    folder: PathBuf,
    python: PathBuf,
    flask: PathBuf,
}

impl Programs {
    /// Builds the Rust programs with the recommended release profile.
    ///
    /// The symbols are removed from copies, because the profile needs them and the rest does not.
    pub(crate) async fn build(workspace: &Workspace) -> Result<Self> {
        let target = workspace.folder("bench")?;
        let folder = workspace.folder("bench/programs")?;
        for program in Program::RUST {
            println!("building {}", program.label());
            let manifest = manifest(workspace, program);
            let mut build = workspace.cargo();
            build
                .args(["build", "--release", "--quiet", "--manifest-path"])
                .arg(&manifest)
                .arg("--target-dir")
                .arg(&target)
                .env("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only")
                .env("CARGO_PROFILE_RELEASE_STRIP", "none");
            run(&mut build).await?;
            let built = target.join("release");
            install(
                &built.join(format!("bench-{}", program.key())),
                &folder.join(program.key()),
            )?;
            if program == Program::Ours {
                install(&built.join("counter"), &folder.join("counter"))?;
            }
        }
        let flask = workspace.root().join("benchmarks/flask");
        Ok(Self {
            folder,
            python: python::python(workspace, "bench-flask")?,
            flask,
        })
    }

    /// Installs the packages of the Python program from PyPI.
    pub(crate) async fn install_flask(&self) -> Result<()> {
        python::install(&self.python, &self.flask.join("requirements.txt")).await
    }

    pub(crate) fn command(&self, program: Program) -> Command {
        if program == Program::Flask {
            let mut python = Command::new(&self.python);
            python.arg(self.flask.join("main.py"));
            return python;
        }
        Command::new(self.folder.join(program.key()))
    }

    /// Returns the program with its symbols.
    pub(crate) fn with_symbols(&self, program: Program) -> PathBuf {
        symbols_of(&self.folder.join(program.key()))
    }

    /// Returns the bytes of a program's functions by crate: one of the Rust programs, or `counter`.
    pub(crate) fn code(&self, name: &str) -> Result<BTreeMap<String, u64>> {
        symbols::code(&symbols_of(&self.folder.join(name)))
    }

    /// Returns the size of a program in bytes: one of the Rust programs, or `counter`.
    pub(crate) fn size(&self, name: &str) -> Result<u64> {
        Ok(fs::metadata(self.folder.join(name))?.len())
    }
}

pub(crate) fn manifest(workspace: &Workspace, program: Program) -> PathBuf {
    workspace
        .root()
        .join("benchmarks")
        .join(program.key())
        .join("Cargo.toml")
}

fn install(built: &Path, to: &Path) -> Result<()> {
    fs::copy(built, symbols_of(to))
        .with_context(|| format!("{} was not built", built.display()))?;
    output(
        Command::new("strip")
            .arg("-o")
            .arg(to)
            .arg(built)
            .stdin(Stdio::null()),
    )?;
    Ok(())
}

fn symbols_of(program: &Path) -> PathBuf {
    program.with_extension("symbols")
}
