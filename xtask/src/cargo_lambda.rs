//! cargo-lambda, which runs an example as Lambda does.
//!
//! 1. A cargo-lambda in `target/tools` is used, else the one on the `PATH`.
//! 2. If there is neither, cargo builds it into `target/tools`. That needs only Rust and crates.io.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use crate::process::run;
use crate::workspace::{Workspace, output};

const VERSION: &str = "1.9.2";

pub(crate) struct CargoLambda(PathBuf);

impl CargoLambda {
    pub(crate) async fn find_or_install(workspace: &Workspace) -> Result<Self> {
        let folder = workspace.tools()?.join("cargo-lambda");
        let installed = folder.join("bin/cargo-lambda");
        for place in [installed.clone(), "cargo-lambda".into()] {
            if works(&place) {
                return Ok(Self(place));
            }
        }
        println!(
            "building cargo-lambda {VERSION} into {}: this happens once and can take 5 minutes",
            folder.display()
        );
        let mut install = workspace.cargo();
        install
            .args(["install", "cargo-lambda", "--locked", "--version", VERSION])
            // The build takes less time without optimization, which `watch` does not need.
            .args(["--debug", "--quiet", "--force", "--root"])
            .arg(&folder)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            // With assertions, cargo-lambda 1.9.2 panics at an option that conflicts with a missing one.
            .env("CARGO_PROFILE_DEV_DEBUG_ASSERTIONS", "false");
        run(&mut install).await?;
        ensure!(works(&installed), "{} does not run", installed.display());
        Ok(Self(installed))
    }

    /// Returns the command that serves an example at a port.
    pub(crate) fn watch(&self, workspace: &Workspace, example: &str, port: u16) -> Command {
        let mut watch = Command::new(&self.0);
        watch
            .args(["lambda", "watch", "--ignore-changes", "--disable-cors"])
            .args(["--invoke-address", "127.0.0.1"])
            .args(["--invoke-port", &port.to_string()])
            .args(["--package", example])
            .current_dir(workspace.root())
            .stdin(Stdio::null());
        watch
    }
}

fn works(program: &Path) -> bool {
    output(Command::new(program).args(["lambda", "--version"])).is_ok()
}
