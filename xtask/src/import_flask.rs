//! `cargo xtask import-flask`: copies all sessions of a Flask application into a session table, so that
//! Flask's table can be deleted.
//!
//! 1. Without `--write`, it only reads, and reports what would happen.
//! 2. Nothing is deleted or changed at the source. A session that was copied before is left alone, so the
//!    task can be repeated, and goes on where it was interrupted.
//! 3. An id is a secret. None is printed; the place to go on from is in a file that only its owner can
//!    read, and it is deleted at the end.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use lambda_sessions::layer::{FlaskCopy, FlaskSessions};
use lambda_sessions::{DynamoDbStore, SessionLayer};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::workspace::Workspace;

/// The sessions that one page of the scan has.
const PAGE: i32 = 100;
/// The time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(5);

/// The options of the command line.
pub(crate) struct ImportFlask {
    from: String,
    to: String,
    package: Package,
    key: String,
    prefix: Option<String>,
    endpoint: Option<String>,
    audience: Option<String>,
    idle: Option<Duration>,
    lifetime: Option<Duration>,
    utc_offset: i16,
    rate: u32,
    write: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Package {
    FlaskDynamoDbSessions,
    FlaskSession,
}

impl ImportFlask {
    pub(crate) fn parse(options: &[&str]) -> Result<Self> {
        let mut this = Self {
            from: String::new(),
            to: String::new(),
            package: Package::FlaskDynamoDbSessions,
            key: "id".to_owned(),
            prefix: None,
            endpoint: None,
            audience: None,
            idle: None,
            lifetime: None,
            utc_offset: 0,
            rate: 25,
            write: false,
        };
        let mut rest = options.iter().copied();
        while let Some(option) = rest.next() {
            let mut value = || {
                let value = rest.next().filter(|value| !value.starts_with("--"));
                value.with_context(|| format!("{option} needs a value"))
            };
            match option {
                "--from" => this.from = value()?.to_owned(),
                "--to" => this.to = value()?.to_owned(),
                "--flask-session" => this.package = Package::FlaskSession,
                "--key-attribute" => this.key = value()?.to_owned(),
                "--key-prefix" => this.prefix = Some(value()?.to_owned()),
                "--endpoint" => this.endpoint = Some(value()?.to_owned()),
                "--audience" => this.audience = Some(value()?.to_owned()),
                "--idle-timeout" => this.idle = Some(seconds(value()?)?),
                "--lifetime" => this.lifetime = Some(seconds(value()?)?),
                "--utc-offset" => {
                    let minutes = rest.next().context("--utc-offset needs minutes")?;
                    this.utc_offset = minutes.parse().context("--utc-offset needs minutes")?;
                }
                "--rate" => this.rate = value()?.parse().context("--rate needs a number")?,
                "--write" => this.write = true,
                "--dry-run" => this.write = false,
                other => bail!("unknown option of import-flask: {other}"),
            }
        }
        if this.from.is_empty() || this.to.is_empty() {
            bail!("import-flask needs --from TABLE and --to TABLE");
        }
        if this.rate == 0 {
            bail!("--rate needs a number of sessions per second, at least 1");
        }
        Ok(this)
    }

    pub(crate) async fn run(&self, workspace: &Workspace) -> Result<ExitCode> {
        let mut config = aws_config::defaults(BehaviorVersion::latest());
        if let Some(endpoint) = &self.endpoint {
            config = config
                .endpoint_url(endpoint)
                .http_client(crate::emulator::plain_http());
        } else {
            config = config.http_client(https());
        }
        let name: String = self
            .from
            .chars()
            .map(|it| if it.is_ascii_alphanumeric() { it } else { '-' })
            .collect();
        let mode = if self.write { "write" } else { "dry-run" };
        let place = workspace.folder("import-flask")?;
        let place = Place(place.join(format!("{name}.{mode}.next")));
        let counts = self.copy(&config.load().await, &place).await?;
        println!("{}", counts.report(self.write));
        Ok(match counts.failed.is_empty() {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        })
    }

    /// Copies all sessions, from the place where the task was interrupted.
    pub(crate) async fn copy(&self, config: &SdkConfig, place: &Place) -> Result<Counts> {
        let client = Client::new(config);
        let sessions = self.sessions(config)?;
        let mut next = place.read()?;
        if next.is_some() {
            println!("going on where the last run was interrupted");
        }
        let mut counts = Counts::default();
        let mut ticks = interval(Duration::from_secs(1) / self.rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reported = Instant::now();
        loop {
            let start = next
                .take()
                .map(|key| [(self.key.clone(), AttributeValue::S(key))].into());
            let page = client
                .scan()
                .table_name(&self.from)
                .projection_expression("#k")
                .expression_attribute_names("#k", &self.key)
                .set_exclusive_start_key(start)
                .limit(PAGE)
                .send()
                .await
                .with_context(|| format!("the table {} cannot be read", self.from))?;
            for item in page.items() {
                ticks.tick().await;
                let key = item.get(&self.key).and_then(|key| key.as_s().ok());
                counts.add(self.copy_one(&sessions, key).await);
                if reported.elapsed() >= PROGRESS {
                    reported = Instant::now();
                    println!("{}", counts.progress());
                }
            }
            let last = page.last_evaluated_key().and_then(|key| key.get(&self.key));
            let Some(last) = last.and_then(|key| key.as_s().ok()) else {
                place.remove()?;
                return Ok(counts);
            };
            place.write(last)?;
            next = Some(last.clone());
        }
    }

    /// Copies the session of a key. A key without the prefix is not of a session.
    async fn copy_one(
        &self,
        sessions: &SessionLayer<DynamoDbStore>,
        key: Option<&String>,
    ) -> Result<FlaskCopy, lambda_sessions::Error> {
        let id = key.and_then(|key| key.strip_prefix(self.prefix()));
        match id {
            Some(id) => sessions.copy_flask_session(id, self.write).await,
            None => Ok(FlaskCopy::Absent),
        }
    }

    fn prefix(&self) -> &str {
        let default = match self.package {
            Package::FlaskDynamoDbSessions => "",
            Package::FlaskSession => "session:",
        };
        self.prefix.as_deref().unwrap_or(default)
    }

    fn sessions(&self, config: &SdkConfig) -> Result<SessionLayer<DynamoDbStore>> {
        let from = match self.package {
            Package::FlaskDynamoDbSessions => FlaskSessions::table(&self.from),
            Package::FlaskSession => FlaskSessions::flask_session(&self.from),
        };
        let from = from
            .key_attribute(&self.key)
            .key_prefix(self.prefix())
            .utc_offset(self.utc_offset);
        let store = DynamoDbStore::from_config(config, &self.to)?;
        let mut sessions = SessionLayer::new(store).import_from(from);
        if let Some(audience) = &self.audience {
            sessions = sessions.audience(audience);
        }
        if let Some(idle) = self.idle {
            sessions = sessions.idle_timeout(idle);
        }
        if let Some(lifetime) = self.lifetime {
            sessions = sessions.lifetime(lifetime);
        }
        Ok(sessions.build()?)
    }
}

fn seconds(text: &str) -> Result<Duration> {
    let seconds = text.parse().context("a timeout is a number of seconds")?;
    Ok(Duration::from_secs(seconds))
}

/// Returns a client for DynamoDB itself.
fn https() -> aws_smithy_runtime_api::client::http::SharedHttpClient {
    use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}

/// The numbers of sessions by what became of them.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) copied: u64,
    pub(crate) there: u64,
    pub(crate) expired: u64,
    pub(crate) empty: u64,
    pub(crate) other: u64,
    /// By the error, which does not name the session.
    pub(crate) failed: BTreeMap<String, u64>,
}

impl Counts {
    fn add(&mut self, result: Result<FlaskCopy, lambda_sessions::Error>) {
        let count = match result {
            Ok(FlaskCopy::Copied) => &mut self.copied,
            Ok(FlaskCopy::AlreadyThere) => &mut self.there,
            Ok(FlaskCopy::Expired) => &mut self.expired,
            Ok(FlaskCopy::Empty) => &mut self.empty,
            Ok(_) => &mut self.other,
            Err(error) => self.failed.entry(error.to_string()).or_default(),
        };
        *count += 1;
    }

    fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Returns the number of all items.
    pub(crate) fn all(&self) -> u64 {
        self.copied + self.there + self.expired + self.empty + self.other + self.failures()
    }

    fn progress(&self) -> String {
        format!(
            "{} items, {} copied, {} failed",
            self.all(),
            self.copied,
            self.failures()
        )
    }

    fn report(&self, write: bool) -> String {
        let copied = match write {
            true => "copied",
            false => "can be copied (dry run: nothing was written)",
        };
        let mut lines = vec![
            format!("{:>8} items", self.all()),
            format!("{:>8} {copied}", self.copied),
            format!("{:>8} were copied before", self.there),
            format!("{:>8} have expired", self.expired),
            format!("{:>8} are empty", self.empty),
            format!("{:>8} are no sessions of the package", self.other),
            format!("{:>8} failed", self.failures()),
        ];
        let failed = self.failed.iter();
        lines.extend(failed.map(|(error, count)| format!("{count:>12} {error}")));
        lines.join("\n")
    }
}

/// The file that says from where to go on.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    fn read(&self) -> Result<Option<String>> {
        match fs::read_to_string(&self.0) {
            Ok(key) => Ok(Some(key)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("the place to go on from cannot be read"),
        }
    }

    /// Remembers the last key that was copied.
    pub(crate) fn write(&self, key: &str) -> Result<()> {
        // A crash leaves the old file or the new one.
        let new = self.0.with_extension("new");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(key.as_bytes())?;
        Ok(fs::rename(&new, &self.0)?)
    }

    fn remove(&self) -> Result<()> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: [&str; 4] = ["--from", "flask_sessions", "--to", "sessions"];

    fn parse(more: &[&str]) -> Result<ImportFlask> {
        ImportFlask::parse(&[&TABLES, more].concat())
    }

    #[test]
    fn import_flask_writes_only_if_told_to() {
        assert!(!parse(&[]).unwrap().write && !parse(&["--dry-run"]).unwrap().write);
        let options = [
            "--write",
            "--rate",
            "100",
            "--utc-offset",
            "-60",
            "--flask-session",
        ];
        let import = parse(&options).unwrap();
        assert!(import.write && import.prefix() == "session:");
        assert_eq!((import.rate, import.utc_offset), (100, -60));
        for wrong in [
            &["--rate", "0"][..],
            &["--rate"],
            &["--key-prefix", "--write"],
            &["--all"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(ImportFlask::parse(&TABLES[..2]).is_err());
    }

    #[test]
    fn import_flask_goes_on_from_its_place() {
        let name = format!("import-flask-{}", std::process::id());
        let place = Place(std::env::temp_dir().join(name));
        assert_eq!(place.read().unwrap(), None);
        for key in ["a", "b"] {
            place.write(key).unwrap();
            assert_eq!(place.read().unwrap().as_deref(), Some(key));
        }
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&place.0).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "an id is a secret");
        place.remove().unwrap();
        place.remove().unwrap();
        assert_eq!(place.read().unwrap(), None);
    }
}
