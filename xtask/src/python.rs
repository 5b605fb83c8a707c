//! Virtual environments of Python, with packages from PyPI.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::run;
use crate::workspace::Workspace;

/// Returns the Python of an environment in `target/tools`. Its packages are installed by
/// [`install`].
pub(crate) fn python(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    Ok(workspace.tools()?.join(name).join("bin/python"))
}

/// Installs the packages of a list for this Python, unless the same list is installed.
pub(crate) async fn install(python: &Path, requirements: &Path) -> Result<()> {
    let environment = python
        .parent()
        .and_then(Path::parent)
        .context("a path is too short")?;
    let installed = environment.join("requirements.txt");
    if fs::read(&installed).ok() == Some(fs::read(requirements)?) {
        return Ok(());
    }
    println!("installing the packages of {}", requirements.display());
    run(Command::new("python3")
        .args(["-m", "venv"])
        .arg(environment))
    .await
    .context("python3 with venv is missing: install python3-venv")?;
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ]);
    run(pip.arg(requirements)).await?;
    fs::copy(requirements, &installed)?;
    Ok(())
}
