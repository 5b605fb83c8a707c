//! A program that runs as an execution environment of Lambda does.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::bench::browser::Browser;
use crate::bench::program::{Operation, Program, Programs};
use crate::bench::runtime_api::RuntimeApi;
use crate::process::Running;

/// Lambda's session tokens are about as long.
const TOKEN_LENGTH: usize = 800;

/// The settings of a start.
#[derive(Clone, Copy)]
pub(crate) struct Start<'a> {
    pub(crate) program: Program,
    /// The endpoint of DynamoDB.
    pub(crate) endpoint: &'a str,
    /// The file of trusted roots. Without one, the system's are found as usual.
    pub(crate) roots: Option<&'a Path>,
    /// The number of requests at the same time.
    pub(crate) concurrency: usize,
    /// The file for the counts of callgrind, and the program with symbols if its functions matter.
    pub(crate) callgrind: Option<&'a Path>,
    pub(crate) symbols: bool,
}

impl<'a> Start<'a> {
    pub(crate) fn new(program: Program, endpoint: &'a str) -> Self {
        Self {
            program,
            endpoint,
            roots: None,
            concurrency: 1,
            callgrind: None,
            symbols: false,
        }
    }
}

pub(crate) struct Instance {
    pub(crate) api: Arc<RuntimeApi>,
    pub(crate) browser: Browser,
    concurrency: usize,
    running: Running,
}

impl Instance {
    /// Starts a program that will serve this browser.
    pub(crate) async fn start(
        programs: &Programs,
        start: Start<'_>,
        browser: Browser,
    ) -> Result<Self> {
        let api = RuntimeApi::start().await?;
        let mut command = match start.callgrind {
            Some(out) => {
                let mut valgrind = Command::new("valgrind");
                valgrind.args(["--tool=callgrind", "--quiet"]);
                valgrind.arg(format!("--callgrind-out-file={}", out.display()));
                if start.symbols {
                    valgrind.arg(programs.with_symbols(start.program));
                } else {
                    valgrind.arg(programs.command(start.program).get_program());
                }
                valgrind
            }
            None => programs.command(start.program),
        };
        environment(&mut command, &api, &start);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Ok(Self {
            running: Running::start(start.program.label(), &mut command)?,
            api: Arc::new(api),
            browser,
            concurrency: start.concurrency,
        })
    }

    /// Makes requests one after the other, and returns the time of each.
    pub(crate) async fn request(&mut self, path: &str, number: usize) -> Result<Vec<Duration>> {
        let mut times = Vec::with_capacity(number);
        for _ in 0..number {
            let answer = self.api.invoke(self.browser.event(path)).await;
            let answer = answer.with_context(|| format!("request of {path}"))?;
            self.browser.keep(&answer.body)?;
            times.push(answer.time);
        }
        Ok(times)
    }

    pub(crate) async fn operate(
        &mut self,
        operation: Operation,
        number: usize,
    ) -> Result<Vec<Duration>> {
        self.request(&operation.path(), number).await
    }

    /// Starts a session with a number and as many KB of other values.
    pub(crate) async fn start_session(&mut self, kilobytes: usize) -> Result<()> {
        self.request(&format!("/start/{kilobytes}"), 1).await?;
        Ok(())
    }

    /// Waits until the program has finished its work, and returns the CPU time since its start.
    pub(crate) async fn cpu(&self) -> Result<Duration> {
        self.api.wait_for_idle(self.concurrency).await?;
        // The kernel adds the time up when the process goes to sleep, shortly after its request.
        tokio::time::sleep(Duration::from_millis(5)).await;
        let tasks = fs::read_dir(format!("/proc/{}/task", self.running.id()))?;
        let mut nanoseconds = 0;
        for task in tasks {
            let statistics = fs::read_to_string(task?.path().join("schedstat"))?;
            let on_cpu = statistics
                .split(' ')
                .next()
                .context("the statistics are empty")?;
            nanoseconds += on_cpu.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Returns the resident memory.
    pub(crate) fn resident_memory(&self) -> Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.running.id()))?;
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
            let kilobytes = kilobytes.with_context(|| format!("the status has no {name}"))?;
            anyhow::Ok(kilobytes.parse::<u64>()? * 1024)
        };
        Ok(Memory {
            all: bytes("VmRSS:")?,
            anonymous: bytes("RssAnon:")?,
        })
    }

    /// Ends the program after its work, and returns the browser for another one.
    pub(crate) async fn end(mut self) -> Result<Browser> {
        self.api.wait_for_idle(self.concurrency).await?;
        self.running.end()?;
        Ok(self.browser)
    }
}

/// Resident memory in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Memory {
    pub(crate) all: u64,
    /// The part that is not a copy of a file, such as the heap. The rest is code that has run.
    pub(crate) anonymous: u64,
}

/// Sets the environment as Lambda does, and nothing of the caller's.
fn environment(command: &mut Command, api: &RuntimeApi, start: &Start<'_>) {
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
        .env("LANG", "en_US.UTF-8")
        .env("TZ", ":UTC")
        .env("AWS_LAMBDA_RUNTIME_API", api.address())
        .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench")
        .env(
            "AWS_LAMBDA_LOG_STREAM_NAME",
            "2026/03/10/[$LATEST]4459c970fa6d4c77aca62c95850fce54",
        )
        .env("AWS_REGION", "us-east-1")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "ASIAIOSFODNN7EXAMPLE")
        .env(
            "AWS_SECRET_ACCESS_KEY",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        )
        .env("AWS_SESSION_TOKEN", "T".repeat(TOKEN_LENGTH))
        .env("AWS_ENDPOINT_URL_DYNAMODB", start.endpoint);
    if let Some(roots) = start.roots {
        command
            .env("SSL_CERT_FILE", roots)
            .env("AWS_CA_BUNDLE", roots);
    }
    if start.concurrency > 1 {
        command.env("AWS_LAMBDA_MAX_CONCURRENCY", start.concurrency.to_string());
    }
}
