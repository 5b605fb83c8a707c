//! An example that runs under `cargo lambda watch`, and can be killed or frozen.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use http::StatusCode;
use tokio::time::{Instant, sleep};

use crate::cargo_lambda::CargoLambda;
use crate::client::Client;
use crate::process::{self, Running, kill_and_wait, run};
use crate::workspace::Workspace;

const WATCH: &str = "cargo lambda watch";
/// The time to start a function. It does not include the build, which comes first.
const START: Duration = Duration::from_secs(60);

/// An example that runs and responds.
pub(crate) struct Function {
    example: &'static str,
    url: String,
    watch: Command,
    running: Running,
}

/// The settings of a start.
pub(crate) struct Start<'a> {
    pub(crate) example: &'static str,
    pub(crate) port: u16,
    /// The file for the output. Without one, the output goes to the terminal.
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
        // `watch` builds the example only at the first request, which would then time out.
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
        function.wait_for_response().await?;
        Ok(function)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Kills the function's process, as Lambda does at any time, and starts another.
    pub(crate) async fn kill_and_restart(&mut self) -> Result<()> {
        self.processes()?.into_iter().try_for_each(kill_and_wait)?;
        // `watch` does not notice that its function is dead.
        self.running.end()?;
        self.running = Running::start(WATCH, &mut self.watch)?;
        self.wait_for_response().await
    }

    /// Stops the function's process, as Lambda does between two invocations.
    pub(crate) fn freeze(&self) -> Result<()> {
        self.processes()?.into_iter().try_for_each(process::stop)
    }

    pub(crate) fn thaw(&self) -> Result<()> {
        self.processes()?
            .into_iter()
            .try_for_each(process::continue_)
    }

    fn processes(&self) -> Result<Vec<u32>> {
        let processes = self.running.descendants_named(self.example)?;
        ensure!(!processes.is_empty(), "the function has no process");
        Ok(processes)
    }

    pub(crate) fn stop(mut self) -> Result<()> {
        self.running.end()
    }

    /// Waits until the function ends by itself, which is an error.
    pub(crate) async fn ended(&mut self) -> Result<()> {
        loop {
            if let Some(status) = self.running.ended()? {
                bail!("{WATCH} ended: {status}");
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    async fn wait_for_response(&mut self) -> Result<()> {
        let deadline = Instant::now() + START;
        loop {
            // A client without a cookie, so that no visitor's count changes.
            let response = Client::new().get(&self.url).await;
            if response.as_ref().is_ok_and(|r| r.status == StatusCode::OK) {
                return Ok(());
            }
            if let Some(status) = self.running.ended()? {
                bail!("{WATCH} ended: {status}");
            }
            if Instant::now() > deadline {
                let response = response.context("the function does not respond")?;
                bail!("{}: {}: {}", self.url, response.status, response.body);
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
}
