//! cargo-lambda: finds it, installs it into the target folder if it is nowhere, and runs
//! `cargo lambda watch`.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use http::StatusCode;
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::process::{self, Running, kill_and_wait, run};
use crate::workspace::{Workspace, output};

const VERSION: &str = "1.9.2";
const WATCH: &str = "cargo lambda watch";
/// The functions are compiled before, so that this is for starting them.
const START: Duration = Duration::from_secs(60);

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
            "installing cargo-lambda {VERSION} into {}",
            folder.display()
        );
        let wheel = format!("cargo-lambda=={VERSION}");
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(&folder);
        let mut pip = Command::new(folder.join("bin/pip"));
        let quiet = ["install", "--quiet", "--disable-pip-version-check"];
        pip.args(quiet).arg(&wheel);
        let mut pip_alone = Command::new("python3");
        let target = ["-m", "pip", "install", "--quiet", "--upgrade", "--target"];
        pip_alone.args(target).arg(&folder).arg(&wheel);
        let mut cargo = workspace.cargo();
        let install = ["install", "cargo-lambda", "--locked", "--version", VERSION];
        cargo.args(install).arg("--root").arg(&folder);

        for mut attempt in [vec![venv, pip], vec![pip_alone], vec![cargo]] {
            match run_all(&mut attempt).await {
                Ok(()) if works(&installed) => return Ok(Self(installed)),
                Ok(()) => println!("{} does not run", installed.display()),
                Err(error) => println!("{error:#}"),
            }
        }
        bail!("cargo-lambda could not be installed: see https://www.cargo-lambda.info")
    }

    fn watch(&self, workspace: &Workspace, example: &str, port: u16) -> Command {
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

/// An example that runs and answers.
pub(crate) struct Function {
    example: &'static str,
    url: String,
    watch: Command,
    running: Running,
}

/// What an example is started with.
pub(crate) struct Start<'a> {
    pub(crate) example: &'static str,
    pub(crate) port: u16,
    /// Where its output goes; the terminal without one.
    pub(crate) log: Option<&'a Path>,
    pub(crate) environment: &'a dyn Fn(&mut Command),
}

impl Function {
    pub(crate) async fn start(
        workspace: &Workspace,
        cargo_lambda: &CargoLambda,
        start: &Start<'_>,
    ) -> Result<Self> {
        let &Start { example, port, .. } = start;
        // `watch` builds it too, at the first request, which would then time out.
        run(workspace.cargo().args(["build", "--package", example])).await?;
        let mut watch = cargo_lambda.watch(workspace, example, port);
        (start.environment)(&mut watch);
        if let Some(log) = start.log {
            let log = File::create(log)?;
            watch.stdout(log.try_clone()?).stderr(log);
        }
        let mut function = Self {
            example,
            url: format!("http://localhost:{port}/"),
            running: Running::start(WATCH, &mut watch)?,
            watch,
        };
        function.answers().await?;
        Ok(function)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Kills the function's process, as Lambda does at any time, and starts another. `watch` does
    /// not notice a death by itself, so it is started anew too.
    pub(crate) async fn kill_and_restart(&mut self) -> Result<()> {
        self.processes()?.into_iter().try_for_each(kill_and_wait)?;
        self.running.end()?;
        self.running = Running::start(WATCH, &mut self.watch)?;
        self.answers().await
    }

    /// Stops the function's process, as Lambda does between two invocations.
    pub(crate) fn freeze(&self) -> Result<()> {
        self.processes()?.into_iter().try_for_each(process::stop)
    }

    pub(crate) fn thaw(&self) -> Result<()> {
        self.processes()?.into_iter().try_for_each(process::go_on)
    }

    fn processes(&self) -> Result<Vec<u32>> {
        let processes = self.running.descendants_named(self.example)?;
        ensure!(!processes.is_empty(), "the function has no process");
        Ok(processes)
    }

    pub(crate) fn stop(mut self) -> Result<()> {
        self.running.end()
    }

    /// Waits until it ends by itself, which it should not.
    pub(crate) async fn ended(&mut self) -> Result<()> {
        loop {
            if let Some(status) = self.running.ended()? {
                bail!("{WATCH} ended: {status}");
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn answers(&mut self) -> Result<()> {
        let deadline = Instant::now() + START;
        loop {
            // Without a cookie, so that it is nobody's visit.
            let answer = Client::new().get(&self.url).await;
            if answer.as_ref().is_ok_and(|a| a.status == StatusCode::OK) {
                return Ok(());
            }
            if let Some(status) = self.running.ended()? {
                bail!("{WATCH} ended: {status}");
            }
            if Instant::now() > deadline {
                let answer = answer.context("it does not answer")?;
                bail!("{} answers {}: {}", self.url, answer.status, answer.body);
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
}

/// A port that is free now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

async fn run_all(commands: &mut [Command]) -> Result<()> {
    for command in commands {
        run(command).await?;
    }
    Ok(())
}

fn works(program: &Path) -> bool {
    output(Command::new(program).args(["lambda", "--version"])).is_ok()
}
