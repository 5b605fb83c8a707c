//! The folders of the workspace, and commands that run in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

pub(crate) struct Workspace {
    cargo: PathBuf,
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self> {
        let cargo = std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from);
        let mut metadata = Command::new(&cargo);
        metadata.args(["metadata", "--format-version", "1", "--no-deps"]);
        let metadata: Value = serde_json::from_str(&output(&mut metadata)?)?;
        let folder = |name: &str| {
            let path = metadata.get(name).and_then(Value::as_str);
            path.map(PathBuf::from)
                .with_context(|| format!("cargo metadata has no {name}"))
        };
        Ok(Self {
            root: folder("workspace_root")?,
            target: folder("target_directory")?,
            cargo,
        })
    }

    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = Command::new(&self.cargo);
        cargo.current_dir(&self.root);
        cargo
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the folder for tools that are installed once and kept.
    pub(crate) fn tools(&self) -> Result<PathBuf> {
        self.folder("tools")
    }

    /// Returns the program of a package that was built for development.
    pub(crate) fn program(&self, package: &str) -> PathBuf {
        self.target.join("debug").join(package)
    }

    /// Returns a folder in the target folder, which is created if it is not there.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.target.join(name);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("{} cannot be created", folder.display()))?;
        Ok(folder)
    }
}

/// Runs a command to its end and returns its output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("{} cannot be started", name(command)))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("{} failed: {}", name(command), reason.trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

pub(crate) fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}
