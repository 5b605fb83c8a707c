//! `cargo xtask flask`: sessions that the real Python packages write are taken over, while they go on
//! writing.
//!
//! The packages are installed from PyPI into `target/tools`. They and this library use one emulator over
//! HTTP.

mod application;

use std::collections::BTreeSet;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use http::header::{COOKIE, SET_COOKIE};
use http::{Request, Response, StatusCode};
use lambda_sessions::layer::FlaskSessions;
use lambda_sessions::{DynamoDbStore, SessionExt as _, SessionLayer};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;
use tower::{Layer as _, ServiceExt as _, service_fn};

use self::application::Flask;
use crate::e2e::checks::Checks;
use crate::emulator::{self, Emulator, TABLE, point_at};
use crate::import_flask::{ImportFlask, Place};
use crate::python;
use crate::workspace::Workspace;

/// The packages: the list of what is installed, and the argument of the application.
const PACKAGES: [(&str, &str); 4] = [
    ("flask-dynamodb-sessions-0.1.2", "flask_dynamodb_sessions"),
    ("flask-dynamodb-sessions-0.1.8", "flask_dynamodb_sessions"),
    ("flask-session-0.8.0", "msgpack"),
    ("flask-session-0.8.0", "signed"),
];
/// The visitors of each part.
const VISITORS: usize = 12;

pub(crate) async fn run(workspace: &Workspace) -> Result<ExitCode> {
    let mut checks = Checks::default();
    for (package, kind) in PACKAGES {
        let ended = one_package(workspace, package, kind, &mut checks).await;
        checks.ended(&format!("{package} ({kind})"), ended);
    }
    Ok(checks.summary())
}

async fn one_package(
    workspace: &Workspace,
    package: &str,
    kind: &str,
    checks: &mut Checks,
) -> Result<()> {
    let folder = workspace.root().join("xtask/src/flask");
    let python = python::python(workspace, package)?;
    python::install(&python, &folder.join(format!("{package}.txt"))).await?;
    let emulator = Emulator::start().await?;
    emulator::create_table(emulator.client(), OLD_TABLE, &["id"]).await?;
    let mut command = Command::new(python);
    command.arg(folder.join("app.py")).args([kind, OLD_TABLE]);
    point_at(emulator.endpoint(), &mut command);
    command
        .env("AWS_ENDPOINT_URL_DYNAMODB", emulator.endpoint())
        .env("AWS_DEFAULT_REGION", "us-east-1");
    let flask = Flask::start(&mut command)?;
    let test = Test {
        name: format!("{package} ({kind})"),
        kind: kind.to_owned(),
        flask: Arc::new(flask),
        emulator,
    };
    test.takes_over(checks).await?;
    test.takes_over_while_flask_writes(checks).await?;
    test.serves_beside_flask(checks).await?;
    test.leaves_objects_alone(checks).await?;
    test.copies_all(workspace, checks).await?;
    test.emulator.stop().await
}

const OLD_TABLE: &str = "flask_sessions";

struct Test {
    name: String,
    kind: String,
    flask: Arc<Flask>,
    emulator: Emulator,
}

impl Test {
    fn settings(&self) -> FlaskSessions {
        match self.kind.as_str() {
            "flask_dynamodb_sessions" => FlaskSessions::table(OLD_TABLE),
            _ => FlaskSessions::flask_session(OLD_TABLE),
        }
    }

    async fn sessions(&self, from: FlaskSessions) -> Result<SessionLayer<DynamoDbStore>> {
        let config = emulator::config(self.emulator.endpoint()).await;
        let store = DynamoDbStore::from_config(&config, TABLE)?;
        Ok(SessionLayer::new(store).import_from(from).build()?)
    }

    /// Begins a session in Flask, and returns its cookie and its data.
    async fn visitor(&self) -> Result<(String, Value)> {
        let reply = self.flask.get("/start", None).await?;
        let cookie = reply.cookie.context("Flask has set no cookie")?;
        Ok((cookie, serde_json::from_str(&reply.body)?))
    }

    /// Each visitor sends three requests at once.
    async fn takes_over(&self, checks: &mut Checks) -> Result<()> {
        let sessions = self.sessions(self.settings()).await?;
        let (mut data_kept, mut one_session, mut changes_kept, mut gone) = (true, true, true, true);
        for _ in 0..VISITORS {
            let (cookie, data) = self.visitor().await?;
            let before = self.count(TABLE).await?;
            let mut requests = JoinSet::new();
            for n in 0..3 {
                let (sessions, cookie) = (sessions.clone(), cookie.clone());
                requests.spawn(async move { ours(&sessions, &cookie, Some(n)).await });
            }
            let mut cookies = BTreeSet::new();
            while let Some(reply) = requests.join_next().await {
                let reply = reply??;
                let mut shown = reply.shown.clone();
                let members = shown.as_object_mut().context("no data")?;
                members.retain(|key, _| !key.starts_with("key"));
                data_kept &= reply.status == StatusCode::OK && shown == data;
                cookies.extend(reply.cookie);
            }
            one_session &= cookies.len() == 1 && self.count(TABLE).await? == before + 1;
            let ours = ours(&sessions, &cookies.pop_first().context("no cookie")?, None).await?;
            changes_kept &= (0..3).all(|n| ours.shown[format!("key{n}")] == json!(n));
            gone &= self.flask.get("/read", Some(&cookie)).await?.body.trim() == "{}";
        }
        let name = &self.name;
        checks.holds(
            &format!("{name}: the data is the same in each of three requests"),
            data_kept,
        );
        checks.holds(
            &format!("{name}: three requests at once begin one session"),
            one_session,
        );
        checks.holds(
            &format!("{name}: the changes of all three are kept"),
            changes_kept,
        );
        checks.holds(&format!("{name}: Flask has no session any more"), gone);
        Ok(())
    }

    /// Flask writes each session again and again, while it is taken over.
    async fn takes_over_while_flask_writes(&self, checks: &mut Checks) -> Result<()> {
        let sessions = self.sessions(self.settings()).await?;
        let mut whole = true;
        for _ in 0..VISITORS {
            let (cookie, data) = self.visitor().await?;
            let (flask, old) = (Arc::clone(&self.flask), cookie.clone());
            let writing = tokio::spawn(async move {
                for _ in 0..6 {
                    flask.get("/add", Some(&old)).await?;
                }
                Ok::<_, anyhow::Error>(())
            });
            let reply = ours(&sessions, &cookie, None).await?;
            writing.await??;
            let visits = reply.shown["visits"].as_i64().unwrap_or_default();
            let mut shown = reply.shown.clone();
            shown["visits"] = data["visits"].clone();
            let again = ours(&sessions, &reply.cookie.context("no cookie")?, None).await?;
            whole &= shown == data && (1..=7).contains(&visits) && again.shown == reply.shown;
        }
        let name = &self.name;
        checks.holds(
            &format!("{name}: a session that Flask is writing is taken over whole"),
            whole,
        );
        Ok(())
    }

    async fn serves_beside_flask(&self, checks: &mut Checks) -> Result<()> {
        let sessions = self.sessions(self.settings().keep(true)).await?;
        let (cookie, data) = self.visitor().await?;
        let reply = ours(&sessions, &cookie, None).await?;
        let name = &self.name;
        checks.equal(
            &format!("{name}: a kept session is taken over"),
            &reply.shown,
            &data,
        );
        let added = self.flask.get("/add", Some(&cookie)).await?;
        let added: Value = serde_json::from_str(&added.body)?;
        checks.equal(
            &format!("{name}: Flask goes on with it"),
            added["visits"].clone(),
            json!(2),
        );
        let both = format!("{cookie}; {}", reply.cookie.context("no cookie")?);
        let shown = ours(&sessions, &both, None).await?.shown;
        checks.equal(&format!("{name}: and so do we"), shown, data);
        let logout = request(&sessions, "/logout", &both).await?;
        checks.equal(&format!("{name}: a logout"), logout.status, StatusCode::OK);
        let left = self.flask.get("/read", Some(&cookie)).await?.body;
        checks.equal(
            &format!("{name}: a logout of ours ends Flask's session"),
            left.trim(),
            "{}",
        );
        let left = ours(&sessions, &both, None).await?.shown;
        checks.equal(&format!("{name}: and ours"), left, json!({}));
        Ok(())
    }

    /// A `Decimal` is an object in a pickle. The other formats write it as text.
    async fn leaves_objects_alone(&self, checks: &mut Checks) -> Result<()> {
        let sessions = self.sessions(self.settings()).await?;
        let reply = self.flask.get("/object", None).await?;
        let cookie = reply.cookie.context("Flask has set no cookie")?;
        let ours = ours(&sessions, &cookie, None).await?;
        let name = &self.name;
        if self.name.contains("0.1.8") {
            let what = format!("{name}: an object is an error");
            checks.equal(&what, ours.status, StatusCode::SERVICE_UNAVAILABLE);
            let left = self.flask.get("/read", Some(&cookie)).await?.body;
            checks.equal(
                &format!("{name}: and it stays"),
                left.trim(),
                r#"{"price":"1.5"}"#,
            );
            self.flask.get("/logout", Some(&cookie)).await?;
        } else {
            checks.equal(
                &format!("{name}: a Decimal"),
                ours.shown,
                json!({ "price": "1.5" }),
            );
        }
        Ok(())
    }

    async fn copies_all(&self, workspace: &Workspace, checks: &mut Checks) -> Result<()> {
        let name = &self.name;
        let mut visitors = Vec::new();
        for _ in 0..VISITORS {
            visitors.push(self.visitor().await?);
        }
        let config = emulator::config(self.emulator.endpoint()).await;
        let all = u64::try_from(self.count(OLD_TABLE).await?)?;
        let place = workspace.folder("import-flask")?.join("test.next");
        let mut options = vec!["--from", OLD_TABLE, "--to", TABLE, "--rate", "1000"];
        if self.kind != "flask_dynamodb_sessions" {
            options.push("--flask-session");
        }
        let before = self.count(TABLE).await?;
        let dry = ImportFlask::parse(&options)?;
        let dry = dry.copy(&config, &Place(place.clone())).await?;
        let stored = self.count(TABLE).await?;
        let what = format!("{name}: a dry run counts all sessions, and writes none");
        let counted = dry.copied + dry.empty + dry.there;
        checks.equal(&what, (counted, dry.failed.len(), stored), (all, 0, before));
        options.push("--write");
        let import = ImportFlask::parse(&options)?;
        // Sessions that Flask has written again after their takeover are left alone.
        let all_known = dry.copied + dry.there;
        for (what, copied) in [("copies", dry.copied), ("repeats", 0)] {
            let counts = import.copy(&config, &Place(place.clone())).await?;
            let found = (counts.copied, counts.copied + counts.there);
            checks.equal(
                &format!("{name}: import-flask {what}"),
                found,
                (copied, all_known),
            );
        }
        let scan = self.emulator.client().scan().table_name(OLD_TABLE).limit(5);
        let fifth = scan.send().await?.items.unwrap_or_default().pop();
        let fifth = fifth.and_then(|item| item["id"].as_s().ok().cloned());
        Place(place.clone()).write(&fifth.context("there are no five")?)?;
        let rest = import.copy(&config, &Place(place.clone())).await?.all();
        checks.equal(
            &format!("{name}: it goes on after the fifth item"),
            rest,
            all - 5,
        );
        let left = u64::try_from(self.count(OLD_TABLE).await?)?;
        checks.equal(&format!("{name}: it deletes nothing"), left, all);
        let delete = self.emulator.client().delete_table().table_name(OLD_TABLE);
        delete.send().await?;
        let sessions = self.sessions(self.settings().copied(true)).await?;
        let mut found = true;
        for (cookie, data) in visitors {
            let reply = ours(&sessions, &cookie, None).await?;
            found &= reply.shown == data && reply.cookie.is_some();
        }
        checks.holds(
            &format!("{name}: copied sessions need no table of Flask"),
            found,
        );
        Ok(())
    }

    /// Returns the number of sessions in a table. Marks of a takeover do not count.
    async fn count(&self, table: &str) -> Result<usize> {
        let scan = self.emulator.client().scan().table_name(table);
        let items = scan
            .consistent_read(true)
            .send()
            .await?
            .items
            .unwrap_or_default();
        Ok(items
            .iter()
            .filter(|item| !item.contains_key("retired"))
            .count())
    }
}

/// A response of ours.
struct Ours {
    status: StatusCode,
    /// The session as the handler saw it.
    shown: Value,
    /// The cookie that it sets.
    cookie: Option<String>,
}

/// Shows a session, and stores a key in it if there is a number.
async fn ours(
    sessions: &SessionLayer<DynamoDbStore>,
    cookie: &str,
    key: Option<usize>,
) -> Result<Ours> {
    let path = key.map_or("/".to_owned(), |n| format!("/{n}"));
    request(sessions, &path, cookie).await
}

async fn request(sessions: &SessionLayer<DynamoDbStore>, path: &str, cookie: &str) -> Result<Ours> {
    let handler = service_fn(|request: Request<()>| async move {
        let session = request.session().await?;
        let path = request.uri().path();
        let mut shown = Map::new();
        for key in session.keys() {
            let value = session.get::<Value>(key.as_str())?;
            shown.insert(key, value.unwrap_or_default());
        }
        if path == "/logout" {
            session.destroy()?;
        } else if let Ok(n) = path[1..].parse::<usize>() {
            session.insert(format!("key{n}"), n)?;
        }
        let mut response = Response::new(());
        response.extensions_mut().insert(Shown(shown.into()));
        Ok::<_, lambda_sessions::Error>(response)
    });
    let request = Request::builder()
        .uri(path)
        .header(COOKIE, cookie)
        .body(())?;
    let response = match sessions.layer(handler).oneshot(request).await {
        Ok(response) => response,
        Err(error) => {
            let status = match error.kind() {
                lambda_sessions::ErrorKind::Corrupt => StatusCode::SERVICE_UNAVAILABLE,
                _ => bail!("{error}"),
            };
            let (shown, cookie) = (Value::Null, None);
            return Ok(Ours {
                status,
                shown,
                cookie,
            });
        }
    };
    let shown = response.extensions().get::<Shown>();
    let cookies = response.headers().get_all(SET_COOKIE).iter();
    let mut set = cookies
        .filter_map(|it| it.to_str().ok())
        .filter(|it| it.starts_with("__Host-"));
    Ok(Ours {
        status: response.status(),
        shown: shown.map_or(Value::Null, |shown| shown.0.clone()),
        cookie: set
            .next()
            .and_then(|it| it.split(';').next())
            .map(str::to_owned),
    })
}

#[derive(Clone)]
struct Shown(Value);
