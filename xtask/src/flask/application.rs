//! The Flask application, in a process of its own that reads requests from its standard input.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

/// The application in its own process.
pub(super) struct Flask {
    process: Mutex<Process>,
}

struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// A response of Flask.
pub(super) struct Reply {
    pub(super) body: String,
    pub(super) cookie: Option<String>,
}

impl Flask {
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("the application cannot be started")?;
        let stdin = child.stdin.take().context("it has no input")?;
        let stdout = BufReader::new(child.stdout.take().context("it has no output")?);
        Ok(Self {
            process: Mutex::new(Process {
                child,
                stdin,
                stdout,
            }),
        })
    }

    /// Sends a request with this cookie.
    pub(super) async fn get(self: &Arc<Self>, path: &str, cookie: Option<&str>) -> Result<Reply> {
        let request = json!({ "path": path, "cookie": cookie }).to_string();
        let flask = Arc::clone(self);
        spawn_blocking(move || flask.ask(&request)).await?
    }

    fn ask(&self, request: &str) -> Result<Reply> {
        let mut process = self.process.lock().map_err(|_| anyhow!("it is gone"))?;
        writeln!(process.stdin, "{request}")?;
        process.stdin.flush()?;
        let mut line = String::new();
        process.stdout.read_line(&mut line)?;
        let reply: Value = serde_json::from_str(&line).context("the application has failed")?;
        ensure!(
            reply["status"] == json!(200),
            "Flask responds with {}",
            reply["status"]
        );
        Ok(Reply {
            body: reply["body"].as_str().unwrap_or_default().to_owned(),
            cookie: reply["cookie"].as_str().map(str::to_owned),
        })
    }
}

impl Drop for Flask {
    fn drop(&mut self) {
        if let Ok(process) = self.process.get_mut() {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}
