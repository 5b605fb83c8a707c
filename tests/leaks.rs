//! Tests that no secret leaks. Every kind of error is provoked with marked secrets in every place.
//! None of them may appear in the log, in a response or in `Debug` output. This file is long,
//! because its tests share the secrets.
//!
//! 1. The kinds are compared with those in the source: a new kind without a way to provoke it fails
//!    the test.
//! 2. The log is that of the whole process at `TRACE`, except for the three targets that
//!    docs/deploy.md names. Those log whole events and responses at that level.
//! 3. The output includes `Debug` of every public type, and the message of every panic of this
//!    crate.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

#[path = "it/support/mod.rs"]
mod support;

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use lambda_http::{Error as HandlerError, Request};
use lambda_sessions::store::{
    Changes, Cycle, Data, Entry, Found, Record, RequestTime, Revoked, StorageKey, Stored,
    Timestamp, Update,
};
use lambda_sessions::{
    DynamoDbStore, ErrorKind, Key, MemoryStore, Session, SessionExt as _, SessionLayer, SigningKey,
};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use support::{Action, Browser, Item, Setup};

/// The most detailed log filter that docs/deploy.md allows.
const FILTER: &str = "trace,lambda_runtime=debug,aws_smithy_runtime=debug,aws_sigv4=debug";

/// The emulator's log is off: it runs in this process, and DynamoDB does not.
const EMULATOR: &str = "dynoxide=off";

const USER: &str = "secret-user";
const LABEL: &str = "secret-label";
const KEY: &str = "secret-key";
const VALUE: &str = "secret-value";
const NUMBER: i64 = 5_270_463_811;
const SIGNING_KEY: [u8; 32] = *b"secret-signing-key-of-32-bytes!!";

type Provoking<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Provokes an error of this kind.
fn provoke(kind: ErrorKind, ada: &LoggedIn) -> Provoking<'_> {
    match kind {
        ErrorKind::Unavailable => {
            Box::pin(ada.read_meets(Action::error(500, "InternalServerError")))
        }
        ErrorKind::Throttled => Box::pin(ada.read_meets(Action::error(400, "ThrottlingException"))),
        ErrorKind::Timeout => Box::pin(ada.read_meets(Action::Hang)),
        ErrorKind::OutcomeUnknown => Box::pin(ada.write_is_lost()),
        ErrorKind::Conflict => Box::pin(ada.meanwhile(write_elsewhere, |session| {
            session.require_unchanged()?;
            session.insert(KEY, format!("{VALUE} again"))
        })),
        ErrorKind::Gone => Box::pin(ada.meanwhile(log_out_elsewhere, |session| {
            session.insert(KEY, format!("{VALUE} again"))
        })),
        ErrorKind::TooLarge => {
            Box::pin(ada.asks(|session| session.insert(KEY, VALUE.repeat(10_000))))
        }
        ErrorKind::InvalidKey => {
            Box::pin(ada.asks(|session| session.insert(KEY.repeat(10_000), VALUE)))
        }
        ErrorKind::Serialize => Box::pin(ada.asks(|session| {
            let no_json = std::collections::BTreeMap::from([((VALUE, 1), VALUE)]);
            session.insert(KEY, no_json)
        })),
        ErrorKind::Deserialize => Box::pin(ada.asks(|session| {
            session.get::<u8>(KEY).map(drop)?;
            session.get::<u8>("number").map(drop)
        })),
        ErrorKind::Corrupt => Box::pin(ada.record_is_of_a_newer_format()),
        ErrorKind::Misconfigured => {
            Box::pin(ada.read_meets(Action::error(400, "ResourceNotFoundException")))
        }
        other => panic!("nothing provokes {other:?}"),
    }
}

const KINDS: [ErrorKind; 12] = [
    ErrorKind::Unavailable,
    ErrorKind::Throttled,
    ErrorKind::Timeout,
    ErrorKind::OutcomeUnknown,
    ErrorKind::Conflict,
    ErrorKind::Gone,
    ErrorKind::TooLarge,
    ErrorKind::InvalidKey,
    ErrorKind::Serialize,
    ErrorKind::Deserialize,
    ErrorKind::Corrupt,
    ErrorKind::Misconfigured,
];

/// Returns the names of all kinds, as they stand in the source: outside its crate a `match` of them
/// need not be exhaustive.
fn kinds_in_the_source() -> Vec<&'static str> {
    let source = include_str!("../src/error.rs");
    let (_, rest) = source.split_once("pub enum ErrorKind {").unwrap();
    let (body, _) = rest.split_once("\n}").unwrap();
    let lines = body.lines().map(str::trim);
    lines.filter_map(|line| line.strip_suffix(',')).collect()
}

/// A logged-in browser, and the results of its next requests.
struct LoggedIn {
    setup: Setup,
    sessions: SessionLayer<DynamoDbStore>,
    errors: Arc<Mutex<Vec<lambda_sessions::Error>>>,
    browser: Browser,
    replies: Mutex<String>,
}

impl LoggedIn {
    async fn new() -> Self {
        let setup = Setup::with_users().await;
        let store = setup.table.store_at(&setup.proxy.endpoint);
        let store = store.operation_timeout(Duration::from_millis(300));
        let errors = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&errors);
        let key = SigningKey::new(SIGNING_KEY).unwrap();
        let sessions = SessionLayer::new(store)
            .clock(setup.clock.reader())
            .signing_keys([key.clone()])
            .user_hash_key(key)
            .on_error(move |error| {
                seen.lock().unwrap().push(error.clone());
                default_response(error)
            });
        let mut browser = Browser::new();
        let reply = browser.visit(&sessions, fill).await;
        assert_eq!(reply.status, 200);
        Self {
            setup,
            sessions,
            errors,
            browser,
            replies: Mutex::default(),
        }
    }

    /// Sends a request whose session does this.
    async fn asks(
        &self,
        act: impl Fn(&Session) -> Result<(), lambda_sessions::Error> + Clone + Send + Sync,
    ) {
        let handler = |_: Request, session: Session| {
            let act = act.clone();
            async move {
                act(&session)?;
                Ok::<_, HandlerError>(String::new())
            }
        };
        let reply = self.browser.clone().visit(&self.sessions, handler).await;
        let reply = format!("{reply:?}");
        self.replies.lock().unwrap().push_str(&reply);
    }

    async fn read_meets(&self, action: Action) {
        self.setup.proxy.script(move |_, _| action.clone());
        self.asks(|session| session.insert(KEY, VALUE)).await;
    }

    async fn write_is_lost(&self) {
        self.setup
            .proxy
            .script(|operation, before| match (operation, before) {
                ("UpdateItem", 0) => Action::lost(),
                ("UpdateItem", _) => Action::error(500, "InternalServerError"),
                _ => Action::Forward,
            });
        self.asks(|session| session.insert(KEY, format!("{VALUE} again")))
            .await;
    }

    /// Runs `elsewhere` between the read and the write of a request.
    async fn meanwhile<F>(
        &self,
        elsewhere: impl Fn(SessionLayer<DynamoDbStore>, Browser) -> F + Clone + Send + Sync + 'static,
        act: impl Fn(&Session) -> Result<(), lambda_sessions::Error> + Clone + Send + Sync,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let key = SigningKey::new(SIGNING_KEY).unwrap();
        let other = self.setup.elsewhere().signing_keys([key]);
        let browser = self.browser.clone();
        self.setup.proxy.script(move |operation, _| {
            let (elsewhere, other, browser) = (elsewhere.clone(), other.clone(), browser.clone());
            match operation {
                "UpdateItem" => {
                    Action::Forward.after(move || elsewhere(other.clone(), browser.clone()))
                }
                _ => Action::Forward,
            }
        });
        self.asks(act).await;
    }

    async fn record_is_of_a_newer_format(&self) {
        let mut item = self.setup.table.item().await;
        item.insert("fmt".to_owned(), AttributeValue::N("2".to_owned()));
        self.setup.table.put(item).await;
        self.asks(|session| session.insert(KEY, VALUE)).await;
    }

    /// Returns the row of the current session. A cycled session also has an older row, which
    /// expires earlier.
    async fn row(&self) -> Item {
        let rows = self.setup.table.rows().await;
        let latest = rows
            .into_iter()
            .max_by_key(|row| row["ttl"].as_n().cloned().ok());
        latest.expect("it has a row")
    }

    /// Returns the secrets that must not leak, each with a name that may be shown.
    async fn secrets(&self) -> Vec<(&'static str, String)> {
        let cookie = self.browser.cookie().unwrap().to_owned();
        let (id, signature) = cookie.split_once('.').unwrap();
        let row = self.row().await;
        let text = |name: &str| row[name].as_s().unwrap().clone();
        vec![
            ("the id", id.to_owned()),
            ("the signature", signature.to_owned()),
            ("the user", USER.to_owned()),
            ("the label", LABEL.to_owned()),
            ("a key", KEY.to_owned()),
            ("a value", VALUE.to_owned()),
            ("a number", NUMBER.to_string()),
            (
                "a signing key",
                String::from_utf8_lossy(&SIGNING_KEY).into_owned(),
            ),
            ("a signing key's bytes", format!("{SIGNING_KEY:?}")),
            ("the storage key", text("session")),
            ("the pseudonym", text("user")),
            ("the handle", text("handle")),
        ]
    }
}

/// Returns the response that the library sends if `on_error` is not set.
fn default_response(error: &lambda_sessions::Error) -> http::Response<String> {
    let response = axum::response::IntoResponse::into_response(error.clone());
    let (mut parts, body) = response.into_parts();
    parts.extensions.clear();
    let body = body.collect().now_or_never().expect("the body is complete");
    let body = body.unwrap().to_bytes().to_vec();
    http::Response::from_parts(parts, String::from_utf8(body).unwrap())
}

async fn fill(_: Request, session: Session) -> Result<String, HandlerError> {
    session.log_in(USER)?;
    session.set_label(LABEL)?;
    session.insert(KEY, VALUE)?;
    session.insert("number", NUMBER)?;
    Ok(String::new())
}

async fn write_elsewhere(sessions: SessionLayer<DynamoDbStore>, mut browser: Browser) {
    let write = async |_: Request, session: Session| -> Result<String, HandlerError> {
        session.increment("number", 1)?;
        Ok(String::new())
    };
    assert_eq!(browser.visit(&sessions, write).await.status, 200);
}

async fn log_out_elsewhere(sessions: SessionLayer<DynamoDbStore>, mut browser: Browser) {
    let reply = browser.visit(&sessions, support::logout).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn error_of_any_kind_leaks_no_secret() {
    let log = Log::default();
    log.listen();
    assert_eq!(
        KINDS.map(|kind| format!("{kind:?}")),
        kinds_in_the_source()[..],
        "each kind is provoked"
    );
    for this in KINDS {
        let ada = LoggedIn::new().await;
        provoke(this, &ada).await;
        let errors = ada.errors.lock().unwrap().clone();
        assert!(
            errors.iter().any(|error| error.kind() == this),
            "{this:?} was not provoked: {errors:?}"
        );
        let mut shown = ada.replies.lock().unwrap().clone();
        for error in &errors {
            shown.push_str(&everything_of(error));
        }
        let logged = log.take();
        assert!(logged.len() > 1_000, "{this:?}: hardly anything was logged");
        said_why(this, &logged);
        for (what, secret) in ada.secrets_or_known().await {
            assert!(!shown.contains(&secret), "{this:?} tells {what}: {shown}");
            let line = logged.lines().find(|line| line.contains(&secret));
            assert_eq!(line, None, "{this:?} logs {what}");
        }
    }
}

impl LoggedIn {
    /// Returns the secrets, after a new login if a logout has left no row.
    async fn secrets_or_known(&self) -> Vec<(&'static str, String)> {
        if self.setup.table.rows().await.is_empty() {
            let mut again = Browser::new();
            self.setup.proxy.script(|_, _| Action::Forward);
            assert_eq!(again.visit(&self.sessions, fill).await.status, 200);
        }
        self.secrets().await
    }
}

/// Checks that the log still says what failed, at the level for those who must look into it.
fn said_why(kind: ErrorKind, log: &str) {
    let (level, text) = match kind {
        ErrorKind::Gone | ErrorKind::Conflict => {
            ("WARN", "another request changed the session concurrently")
        }
        _ => ("ERROR", "a session failed"),
    };
    let mut lines = log.lines().filter(|line| line.contains(text));
    let line = lines
        .next()
        .unwrap_or_else(|| panic!("{kind:?}: nothing was said"));
    assert!(line.contains(level), "{kind:?}: {line}");
    if kind == ErrorKind::Unavailable {
        assert!(line.contains("InternalServerError"), "the cause: {line}");
    }
}

/// Returns every text that a log can make of an error.
fn everything_of(error: &lambda_sessions::Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut cause = error.source();
    while let Some(this) = cause {
        text.push_str(&format!(" {this} {this:?}"));
        cause = this.source();
    }
    let diagnostic = lambda_http::lambda_runtime::Diagnostic::from(error.clone());
    text + &format!(" {diagnostic:?}")
}

#[tokio::test]
async fn debug_of_public_types_leaks_no_secret() {
    let ada = LoggedIn::new().await;
    let shown = Arc::new(Mutex::new(String::new()));
    let show = |text: String| shown.lock().unwrap().push_str(&text);

    let cookie = format!("__Host-sid={}", ada.browser.cookie().unwrap());
    let read_only = ada.sessions.authenticate_cookies([&cookie]).await.unwrap();
    let read_only = read_only.expect("it is alive");
    assert_eq!(
        read_only.get::<String>(KEY).unwrap().as_deref(),
        Some(VALUE)
    );
    show(format!("{read_only:?}"));
    let fails = ada.sessions.update_user(USER, |session| {
        show(format!("{session:?}"));
        session.get::<u8>(KEY).map(drop)
    });
    let error = fails.await.unwrap_err();
    show(format!(
        "{error:?} {}",
        everything_of(&error.clone().into())
    ));

    let written = Arc::clone(&shown);
    let look = |request: Request, session: Session| {
        let written = Arc::clone(&written);
        async move {
            session.update(KEY, |value: &mut String| value.push_str(VALUE))?;
            session.insert("other", VALUE)?;
            session.log_in(USER)?;
            session.set_label("secret-label of another kind")?;
            let id = session.id();
            let key = id.as_ref().map(|id| id.storage_key());
            let sessions = session.user_sessions().await?;
            let write_only = request.write_only_session()?;
            let text =
                format!("{session:?} {id:?} {key:?} {sessions:?} {write_only:?} {session:#?}");
            written.lock().unwrap().push_str(&text);
            Ok::<_, HandlerError>(String::new())
        }
    };
    let reply = ada.browser.clone().visit(&ada.sessions, look).await;
    assert_eq!(reply.status, 200, "{:?}", ada.errors.lock().unwrap());

    let key = SigningKey::new(SIGNING_KEY).unwrap();
    let store = ada.sessions.store();
    show(format!(
        "{:?} {:?} {store:?} {key:?}",
        ada.sessions,
        MemoryStore::new()
    ));
    let at = RequestTime::at(Timestamp::from_epoch_seconds(ada.setup.clock.seconds()));
    let storage_key = ada.row().await["session"].as_s().unwrap().clone();
    let storage_key: StorageKey = serde_json::from_value(storage_key.into()).unwrap();
    let found = lambda_sessions::SessionStore::load(store, &storage_key, at).await;
    let Ok(Found::Live(record)) = found else {
        panic!("{found:?}");
    };
    // The unit tests of `Changes` show that its output holds neither keys nor values.
    let changes = Changes::default();
    let binding = record.binding().unwrap();
    let update = Update::new(changes.clone(), at);
    let cycle = Cycle::new(record.clone(), changes.clone(), record.ttl(), at);
    let left = cycle.left_behind(&storage_key);
    let entry: Option<&Entry> = record.data().get(KEY);
    let data: &Data = record.data();
    let of: &Record = &record;
    show(format!(
        "{of:?} {data:?} {entry:?} {changes:?} {update:?} {cycle:?}"
    ));
    show(format!(
        "{left:?} {:?} {:?}",
        Stored::Live(record.clone()),
        Stored::from(left.clone())
    ));
    show(format!(
        "{binding:?} {:?} {:?}",
        binding.user(),
        record
            .info()
            .map(|info| info.stored_at(storage_key.clone()))
    ));
    let handle = binding.handle();
    show(format!(
        "{:?} {:?}",
        Revoked::Only(handle),
        Revoked::AllBut(handle)
    ));
    show(format!(
        "{:?} {:?}",
        Found::Live(of),
        Found::<()>::Redirect(storage_key.clone())
    ));
    // The name of a key belongs to the program, and is in its source.
    show(format!("{:?}", Key::<String>::new("name")));
    let detached = Session::detached([(KEY, VALUE)]);
    show(format!("{detached:?}"));

    let shown = shown.lock().unwrap().clone();
    assert!(shown.len() > 2_000, "{shown}");
    for (what, secret) in ada.secrets().await {
        assert!(!shown.contains(&secret), "{what} is shown: {shown}");
    }
}

#[test]
fn panic_leaks_no_secret() {
    let key = SigningKey::new(SIGNING_KEY).unwrap();
    let sessions = SessionLayer::new(MemoryStore::new()).user_hash_key(key.clone());
    let wrong = [
        sessions.clone().signing_keys([]),
        sessions
            .clone()
            .signing_keys([key.clone()])
            .lifetime(Duration::ZERO),
        sessions.signing_keys([key]).cookie_name(""),
    ];
    for sessions in wrong {
        let wrapped = catch_unwind(AssertUnwindSafe(|| {
            let _service = sessions.wrap(fill);
        }));
        let told = wrapped.unwrap_err();
        let told = told.downcast_ref::<String>().expect("it has a message");
        assert!(!told.contains("secret"), "{told}");
    }
    let values = catch_unwind(|| Session::detached("secret-value"));
    let told = values.unwrap_err();
    let told = told.downcast_ref::<&str>().expect("it has a message");
    assert!(!told.contains("secret"), "{told}");
}

/// A log that keeps its output as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Records everything that is logged from now on, including the output of concurrent tests.
    fn listen(&self) {
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(format!("{FILTER},{EMULATOR}")))
            .with_ansi(false)
            .with_writer(self.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
    }

    fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
