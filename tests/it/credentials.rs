//! Credentials that are slow, have expired, or never load.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use lambda_http::lambda_runtime::Context;
use lambda_http::{Body, Request, RequestExt as _};
use lambda_sessions::store::{Data, Record, RequestTime, StorageKey, Timestamp};
use lambda_sessions::{DynamoDbStore, ErrorKind, SessionLayer, SessionStore as _};
use serde_json::json;
use tower::ServiceExt as _;

use crate::support::{
    Action, Browser, Proxy, Setup, Table, assert_refused, config, count, days, store, this_program,
};

/// A provider that takes this time, and returns different credentials each time.
#[derive(Clone, Debug)]
struct Loading {
    takes: Duration,
    times: Arc<AtomicUsize>,
}

impl Loading {
    fn new(takes: Duration) -> Self {
        Self {
            takes,
            times: Arc::default(),
        }
    }

    fn times(&self) -> usize {
        self.times.load(Ordering::SeqCst)
    }

    fn store(&self, endpoint: &str, table: &str) -> DynamoDbStore {
        let provider = SharedCredentialsProvider::new(self.clone());
        let config = config(endpoint).credentials_provider(provider);
        store(&config.build(), table)
    }
}

impl ProvideCredentials for Loading {
    fn provide_credentials<'a>(
        &'a self,
    ) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let n = self.times.fetch_add(1, Ordering::SeqCst);
        aws_credential_types::provider::future::ProvideCredentials::new(async move {
            tokio::time::sleep(self.takes).await;
            Ok(Credentials::new(
                format!("key{n}"),
                "secret",
                None,
                None,
                "tests",
            ))
        })
    }
}

#[tokio::test]
async fn credentials_that_expired_are_loaded_again() {
    for name in ["ExpiredTokenException", "UnrecognizedClientException"] {
        let mut setup = Setup::new().await;
        let credentials = Loading::new(Duration::ZERO);
        setup.use_store(credentials.store(&setup.proxy.endpoint, &setup.table.name));
        setup.proxy.script(move |_, before| match before {
            0 => Action::error(400, name),
            _ => Action::Forward,
        });
        let mut ada = Browser::new();
        assert_eq!(ada.visit(&setup.sessions, count).await.status, 200);
        let seen = setup.proxy.seen();
        let keys: Vec<_> = seen.iter().map(crate::support::Seen::access_key).collect();
        assert_eq!(keys, ["key0", "key1"], "{name}");
        assert_eq!(setup.proxy.connections(), 1, "{name}");
        setup.proxy.script(|_, _| Action::Forward);
        assert_eq!(ada.visit(&setup.sessions, count).await.body, "2");
        assert_eq!(credentials.times(), 2, "{name}: these are good");
    }
}

#[tokio::test]
async fn credentials_refused_twice_are_misconfigured() {
    let mut setup = Setup::new().await;
    let credentials = Loading::new(Duration::ZERO);
    setup.use_store(credentials.store(&setup.proxy.endpoint, &setup.table.name));
    setup
        .proxy
        .script(|_, _| Action::error(400, "ExpiredTokenException"));
    let reply = Browser::new().visit(&setup.sessions, count).await;
    assert_refused(&reply, 503, "they are no better");
    assert_eq!(setup.count("PutItem"), 2);
    assert_eq!(setup.kinds(), [ErrorKind::Misconfigured]);
}

/// Neither timeout begins before the credentials are loaded.
#[tokio::test]
async fn credentials_that_are_slow_are_waited_for() {
    let mut setup = Setup::new().await;
    let credentials = Loading::new(Duration::from_millis(3_000));
    let store = credentials.store(&setup.proxy.endpoint, &setup.table.name);
    let store = store.attempt_timeout(Duration::from_millis(2_000));
    setup.use_store(store.operation_timeout(Duration::from_millis(2_500)));
    let mut ada = Browser::new();
    assert_eq!(ada.visit(&setup.sessions, count).await.status, 200);
    assert_eq!(setup.proxy.calls(), ["PutItem"]);
    // This also holds when the client is replaced.
    setup
        .proxy
        .script(|operation, before| match (operation, before) {
            ("GetItem", 0) => Action::Reset,
            _ => Action::Forward,
        });
    assert_eq!(ada.visit(&setup.sessions, count).await.body, "2");
    assert_eq!(credentials.times(), 1);
}

fn a_key() -> StorageKey {
    serde_json::from_value(json!("some key")).unwrap()
}

/// The SDK's own attempt timeout does not include the credentials either.
#[tokio::test]
async fn credentials_are_no_part_of_an_attempt() {
    use aws_sdk_dynamodb::config::timeout::TimeoutConfig;

    let setup = Setup::new().await;
    let credentials = Loading::new(Duration::from_millis(3_000));
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_millis(2_000))
        .operation_timeout(Duration::from_millis(2_500));
    let config = config(&setup.proxy.endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
        .timeout_config(timeouts.build());
    let store = store(&config.build(), &setup.table.name);
    let at = RequestTime::at(Timestamp::from_epoch_seconds(setup.clock.seconds()));
    store.load(&a_key(), at).await.unwrap();
    assert_eq!(credentials.times(), 1);
}

/// Creates a session while the credentials never load, and returns how many milliseconds it took.
/// Nothing is sent, so nothing is unknown. The runtime skips the time.
async fn credentials_never_load(deadline: Option<Duration>) -> u128 {
    let credentials = Loading::new(Duration::MAX);
    let store = credentials.store("http://127.0.0.1:9", "sessions");
    let begun = tokio::time::Instant::now();
    let now = Timestamp::from_epoch_seconds(1);
    let at = RequestTime::at(now).until(deadline.map(|deadline| begun.into_std() + deadline));
    let record = Record::new(Data::new(), now, now.plus(days(1)));
    let created = store.create(&a_key(), &record, at).await;
    let error = created.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("credentials"), "{error}");
    assert_eq!(credentials.times(), 1, "loading does not start again");
    begun.elapsed().as_millis()
}

#[tokio::test(start_paused = true)]
async fn credentials_that_never_load_are_unavailable() {
    let took = credentials_never_load(None).await;
    assert!((5_000..6_000).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn credentials_are_bound_by_the_deadline() {
    let took = credentials_never_load(Some(Duration::from_millis(500))).await;
    assert!((500..1_500).contains(&took), "{took}");
}

/// The deadline ends the loading of credentials. The write was never sent, so its outcome is known.
#[tokio::test]
async fn credentials_cut_off_by_the_deadline_are_known() {
    let mut setup = Setup::new().await;
    let credentials = Loading::new(Duration::from_secs(60));
    setup.use_store(credentials.store(&setup.proxy.endpoint, &setup.table.name));
    let end = SystemTime::now() + Duration::from_millis(700);
    let mut context = Context::default();
    context.deadline = end.duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let request = Request::new(Body::Empty).with_lambda_context(context);
    let response = setup.sessions.wrap(count).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(setup.kinds(), [ErrorKind::Unavailable]);
    assert!(setup.proxy.calls().is_empty());
}

/// The variable that marks the process that calls `from_env`.
const CHILD: &str = "LAMBDA_SESSIONS_TEST_CHILD";

/// Calls `from_env` and sends a request, only in the process that is started for it.
#[tokio::test]
async fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let sessions = SessionLayer::from_env().await.unwrap();
    println!("started");
    let reply = Browser::new().visit(&sessions, count).await;
    println!("replies: {} {}", reply.status, reply.body);
}

#[tokio::test]
async fn credentials_are_loaded_by_from_env() {
    let table = Table::new().await;
    let proxy = Proxy::start(&table.endpoint).await;
    let directory = std::env::temp_dir().join(&table.name);
    std::fs::create_dir(&directory).unwrap();
    let file_of_credentials = directory.join("credentials.json");
    let credentials = json!({
        "Version": 1,
        "AccessKeyId": "SLOWKEY",
        "SecretAccessKey": "secret",
    });
    std::fs::write(&file_of_credentials, credentials.to_string()).unwrap();
    let profile = format!(
        "[default]\ncredential_process = sh -c \"sleep 1.5; cat {}\"\n",
        file_of_credentials.display()
    );
    let file = directory.join("config");
    std::fs::write(&file, profile).unwrap();
    let variables = [
        ("SESSION_DYNAMODB_ENDPOINT", proxy.endpoint.as_str()),
        ("SESSION_DYNAMODB_TABLE", &table.name),
        ("AWS_REGION", "us-east-1"),
        ("AWS_CONFIG_FILE", file.to_str().unwrap()),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        (CHILD, "1"),
    ];
    let mut command = this_program(concat!(module_path!(), "::child"), &variables);
    command.env_remove("AWS_ACCESS_KEY_ID");
    command.env_remove("AWS_SECRET_ACCESS_KEY");
    let running = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = running.await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("replies: 200 1"), "{said}");
    // The first call is that of the warm-up.
    assert_eq!(proxy.calls(), ["GetItem", "PutItem"]);
    assert_eq!(proxy.seen()[0].access_key(), "SLOWKEY");
    std::fs::remove_dir_all(directory).unwrap();
}
