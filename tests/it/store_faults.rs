//! Faults of the way to DynamoDB that a store recovers from by itself, and tables that differ from
//! the ordinary: wrong clocks, credentials that are slow or have expired, throttling, numbers of
//! other programs, stores that do not return the item of a failed condition, users with very many
//! sessions.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::{
    Answer, Bench, Item, Proxy, Table, Visitor, assert_refused, config, count, days, peek,
    this_program,
};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use lambda_http::{Body, Context, Error, Request, RequestExt as _};
use lambda_sessions::store::{Data, Record, RequestTime, StorageKey, Timestamp};
use lambda_sessions::{
    DynamoDbStore, ErrorKind, Session, SessionExt as _, SessionLayer, SessionStore as _,
};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Says so where this is the process that was started to call `from_env`.
const CHILD: &str = "LAMBDA_SESSIONS_TEST_CHILD";

fn number(n: impl ToString) -> AttributeValue {
    AttributeValue::N(n.to_string())
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn a_key() -> StorageKey {
    serde_json::from_value(json!("some key")).unwrap()
}

// ---- the clock

#[tokio::test]
async fn signature_expired_is_signed_again() {
    for ahead in [600, -600, 86_400] {
        let bench = Bench::new().await;
        bench.proxy.set_clock(ahead);
        let mut ada = Visitor::new();
        let reply = ada.visit(&bench.sessions, count).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "1"), "{ahead}");
        assert_eq!(bench.proxy.calls(), ["PutItem", "PutItem"], "{ahead}");
        assert_eq!(ada.visit(&bench.sessions, count).await.body, "2");
        let calls = bench.proxy.calls();
        assert_eq!(calls, ["GetItem", "UpdateItem"], "{ahead}: it is kept");
        assert!(bench.kinds().is_empty(), "{ahead}");
    }
}

#[tokio::test]
async fn signature_skew_outlives_the_client() {
    let bench = Bench::new().await;
    bench.proxy.set_clock(600);
    let mut ada = bench.guest(count).await;
    // The store replaces its client, and with it all connections.
    bench
        .proxy
        .answer(|operation, before| match (operation, before) {
            ("GetItem", 0) => Answer::Reset,
            _ => Answer::Forward,
        });
    assert_eq!(ada.visit(&bench.sessions, peek).await.body, "Some(1)");
    assert_eq!(bench.proxy.calls(), ["GetItem", "GetItem"]);
    bench.proxy.answer(|_, _| Answer::Forward);
    let clone = bench.sessions.store().clone();
    let clone = clone.connect_timeout(Duration::from_millis(800));
    let sessions = SessionLayer::new(clone).clock(bench.clock.reader());
    assert_eq!(ada.visit(&sessions, peek).await.body, "Some(1)");
    assert_eq!(bench.proxy.calls(), ["GetItem"]);
}

/// The clock is put right meanwhile, so that the correction is wrong.
#[tokio::test]
async fn signature_skew_is_learned_anew() {
    let bench = Bench::new().await;
    let mut ada = Visitor::new();
    for (ahead, calls) in [(600, 2), (0, 2), (0, 1), (-600, 2)] {
        bench.proxy.set_clock(ahead);
        ada.visit(&bench.sessions, peek).await;
        let mut ada = Visitor::with_cookie("__Host-sid", &"A".repeat(43));
        ada.visit(&bench.sessions, peek).await;
        assert_eq!(bench.count("GetItem"), calls, "{ahead}");
    }
    assert!(bench.kinds().is_empty());
}

const EXPIRED: &str = "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z";
const WRONG: &str =
    "The request signature we calculated does not match the signature you provided.";

#[tokio::test]
async fn signature_refused_twice_is_misconfigured() {
    for (name, message, calls) in [
        ("InvalidSignatureException", EXPIRED, 2),
        ("RequestTimeTooSkewed", "", 2),
        // The secret is wrong: the same again would be refused again.
        ("InvalidSignatureException", WRONG, 1),
    ] {
        let bench = Bench::new().await;
        bench
            .proxy
            .answer(move |_, _| Answer::error_saying(400, name, message));
        let reply = Visitor::new().visit(&bench.sessions, count).await;
        assert_refused(&reply, 503, message);
        assert_eq!(bench.count("PutItem"), calls, "{message}");
        assert_eq!(bench.kinds(), [ErrorKind::Misconfigured], "{message}");
        assert!(bench.table.items().await.is_empty());
    }
}

/// A refusal says nothing of the attempt before it.
#[tokio::test]
async fn signature_refused_after_a_loss_is_unknown() {
    let bench = Bench::new().await;
    bench.proxy.answer(|_, before| match before {
        0 => Answer::lost(),
        _ => Answer::error_saying(400, "InvalidSignatureException", EXPIRED),
    });
    let reply = Visitor::new().visit(&bench.sessions, count).await;
    assert_refused(&reply, 503, "it was written");
    assert_eq!(bench.count("PutItem"), 3);
    assert_eq!(bench.kinds(), [ErrorKind::OutcomeUnknown]);
}

// ---- credentials

/// Credentials that are loaded in that time, and are others each time.
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
        DynamoDbStore::new(Client::from_conf(config.build()), table).unwrap()
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
        let mut bench = Bench::new().await;
        let credentials = Loading::new(Duration::ZERO);
        bench.use_store(credentials.store(&bench.proxy.endpoint, &bench.table.name));
        bench.proxy.answer(move |_, before| match before {
            0 => Answer::error(400, name),
            _ => Answer::Forward,
        });
        let mut ada = Visitor::new();
        assert_eq!(ada.visit(&bench.sessions, count).await.status, 200);
        let seen = bench.proxy.seen();
        let keys: Vec<_> = seen.iter().map(crate::support::Seen::access_key).collect();
        assert_eq!(keys, ["key0", "key1"], "{name}");
        assert_eq!(bench.proxy.connections(), 1, "{name}");
        bench.proxy.answer(|_, _| Answer::Forward);
        assert_eq!(ada.visit(&bench.sessions, count).await.body, "2");
        assert_eq!(credentials.times(), 2, "{name}: these are good");
    }
}

#[tokio::test]
async fn credentials_refused_twice_are_misconfigured() {
    let mut bench = Bench::new().await;
    let credentials = Loading::new(Duration::ZERO);
    bench.use_store(credentials.store(&bench.proxy.endpoint, &bench.table.name));
    bench
        .proxy
        .answer(|_, _| Answer::error(400, "ExpiredTokenException"));
    let reply = Visitor::new().visit(&bench.sessions, count).await;
    assert_refused(&reply, 503, "they are no better");
    assert_eq!(bench.count("PutItem"), 2);
    assert_eq!(bench.kinds(), [ErrorKind::Misconfigured]);
}

/// Neither the time of an attempt nor that of an operation counts before they are there.
#[tokio::test]
async fn credentials_that_are_slow_are_waited_for() {
    let mut bench = Bench::new().await;
    let credentials = Loading::new(Duration::from_millis(3_000));
    let store = credentials.store(&bench.proxy.endpoint, &bench.table.name);
    let store = store.attempt_timeout(Duration::from_millis(2_000));
    bench.use_store(store.operation_timeout(Duration::from_millis(2_500)));
    let mut ada = Visitor::new();
    assert_eq!(ada.visit(&bench.sessions, count).await.status, 200);
    assert_eq!(bench.proxy.calls(), ["PutItem"]);
    // Also when the client is replaced.
    bench
        .proxy
        .answer(|operation, before| match (operation, before) {
            ("GetItem", 0) => Answer::Reset,
            _ => Answer::Forward,
        });
    assert_eq!(ada.visit(&bench.sessions, count).await.body, "2");
    assert_eq!(credentials.times(), 1);
}

/// The SDK's own limit for an attempt, of the client that the store is made of, counts no more than
/// the store's.
#[tokio::test]
async fn credentials_are_no_part_of_an_attempt() {
    use aws_sdk_dynamodb::config::timeout::TimeoutConfig;

    let bench = Bench::new().await;
    let credentials = Loading::new(Duration::from_millis(3_000));
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_millis(2_000))
        .operation_timeout(Duration::from_millis(2_500));
    let config = config(&bench.proxy.endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
        .timeout_config(timeouts.build());
    let store = DynamoDbStore::new(Client::from_conf(config.build()), &bench.table.name).unwrap();
    let at = RequestTime::at(Timestamp::from_epoch_seconds(bench.clock.seconds()));
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
    assert_eq!(credentials.times(), 1, "they are not begun anew");
    begun.elapsed().as_millis()
}

#[tokio::test(start_paused = true)]
async fn credentials_that_never_load_fail_typed() {
    let took = credentials_never_load(None).await;
    assert!((5_000..6_000).contains(&took), "{took}");
}

#[tokio::test(start_paused = true)]
async fn credentials_are_bound_by_the_deadline() {
    let took = credentials_never_load(Some(Duration::from_millis(500))).await;
    assert!((500..1_500).contains(&took), "{took}");
}

/// The invocation's end cuts the loading off, and not the write: that was never sent.
#[tokio::test]
async fn credentials_cut_off_by_the_deadline_are_known() {
    let mut bench = Bench::new().await;
    let credentials = Loading::new(Duration::from_secs(60));
    bench.use_store(credentials.store(&bench.proxy.endpoint, &bench.table.name));
    let end = SystemTime::now() + Duration::from_millis(700);
    let mut context = Context::default();
    context.deadline = end.duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let request = Request::new(Body::Empty).with_lambda_context(context);
    let response = bench.sessions.wrap(count).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(bench.kinds(), [ErrorKind::Unavailable]);
    assert!(bench.proxy.calls().is_empty());
}

/// Calls `from_env` and visits; only in the process that is started for it.
#[tokio::test]
async fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let sessions = SessionLayer::from_env().await.unwrap();
    println!("started");
    let reply = Visitor::new().visit(&sessions, count).await;
    println!("answers: {} {}", reply.status, reply.body);
}

#[tokio::test]
async fn credentials_are_loaded_by_from_env() {
    let table = Table::new().await;
    let proxy = Proxy::start(&table.endpoint).await;
    let directory = std::env::temp_dir().join(&table.name);
    std::fs::create_dir(&directory).unwrap();
    let answer = directory.join("credentials.json");
    let credentials = json!({
        "Version": 1,
        "AccessKeyId": "SLOWKEY",
        "SecretAccessKey": "secret",
    });
    std::fs::write(&answer, credentials.to_string()).unwrap();
    let profile = format!(
        "[default]\ncredential_process = sh -c \"sleep 1.5; cat {}\"\n",
        answer.display()
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
    assert!(said.contains("answers: 200 1"), "{said}");
    // The first is the warm-up's.
    assert_eq!(proxy.calls(), ["GetItem", "PutItem"]);
    assert_eq!(proxy.seen()[0].access_key(), "SLOWKEY");
    std::fs::remove_dir_all(directory).unwrap();
}

// ---- throttling

#[tokio::test]
async fn throttled_requests_share_one_quota() {
    let bench = Bench::new().await;
    bench
        .proxy
        .answer(|_, _| Answer::error(400, "ThrottlingException"));
    let visits = (0..200).map(|_| async {
        let mut visitor = Visitor::with_cookie("__Host-sid", &"A".repeat(43));
        visitor.visit(&bench.sessions.clone(), peek).await.status
    });
    let statuses = futures_util::future::join_all(visits).await;
    assert!(statuses.iter().all(|status| *status == 503));
    // One attempt each, and all that 500 pay for, at 5 a retry.
    assert_eq!(bench.count("GetItem"), 200 + 100);

    // An answer gives back what its retry has cost.
    let first = AtomicUsize::new(0);
    bench.proxy.answer(move |operation, _| {
        match (operation, first.fetch_add(1, Ordering::SeqCst) % 2) {
            ("GetItem", 0) => Answer::error(400, "ThrottlingException"),
            _ => Answer::Forward,
        }
    });
    let visit = async || {
        let mut visitor = Visitor::with_cookie("__Host-sid", &"A".repeat(43));
        visitor.visit(&bench.sessions, peek).await.status
    };
    assert_eq!(visit().await, 503, "there is nothing left");
    bench.proxy.answer(|_, _| Answer::Forward);
    for _ in 0..5 {
        assert_eq!(visit().await, 200);
    }
    for _ in 0..3 {
        bench.proxy.answer(|_, before| match before {
            0 => Answer::error(400, "ThrottlingException"),
            _ => Answer::Forward,
        });
        assert_eq!(visit().await, 200, "the same 5 pay for each");
    }
}

/// A transaction that is throttled is cancelled, which looks like a condition that failed.
#[tokio::test]
async fn throttled_transactions_share_one_quota() {
    let bench = Bench::with_users().await;
    let cancelled = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "message": "Transaction cancelled",
        "CancellationReasons": [{ "Code": "ThrottlingError" }, { "Code": "None" }],
    });
    bench
        .proxy
        .answer(move |_, _| Answer::Reply(400, cancelled.to_string()));
    let visits = (0..200).map(|_| async {
        let mut visitor = Visitor::new();
        visitor.visit(&bench.sessions.clone(), login).await.status
    });
    let statuses = futures_util::future::join_all(visits).await;
    assert!(statuses.iter().all(|status| *status == 503));
    assert_eq!(bench.count("TransactWriteItems"), 200 + 100);
    assert!(
        bench
            .kinds()
            .iter()
            .all(|kind| *kind == ErrorKind::Throttled)
    );
}

/// A batch of which nothing was processed is a success by its status.
#[tokio::test]
async fn throttled_lists_share_one_quota() {
    let bench = Bench::with_users().await;
    logged_in(&bench).await;
    let keys = json!({ "Keys": [{ "id": { "S": "a key" } }] });
    let nothing = json!({ "Responses": {}, "UnprocessedKeys": { &bench.table.name: keys } });
    bench.proxy.answer(move |operation, _| match operation {
        "BatchGetItem" => Answer::Reply(200, nothing.to_string()),
        _ => Answer::Forward,
    });
    let lists = (0..40).map(|_| bench.sessions.user_sessions("ada"));
    let lists = futures_util::future::join_all(lists).await;
    for list in lists {
        assert_eq!(list.unwrap_err().kind(), ErrorKind::Throttled);
    }
    // Each list begins with a query that is answered, which gives 1 to a quota that is not full.
    let batches = bench.count("BatchGetItem");
    assert!((140..=140 + 8).contains(&batches), "{batches}");
}

// ---- values that another program has put there

/// A session with that value under `n`.
async fn with_value(bench: &Bench, value: AttributeValue) -> Visitor {
    let ada = bench.guest(count).await;
    let mut item = bench.table.item().await;
    let AttributeValue::M(data) = item.get_mut("data").unwrap() else {
        panic!("data is a map");
    };
    data.insert("n".to_owned(), value);
    bench.table.put(item).await;
    ada
}

fn stored(items: &[Item], key: &str) -> AttributeValue {
    let live = items.iter().find_map(|item| item.get("data"));
    live.unwrap().as_m().unwrap()[key].clone()
}

#[tokio::test]
async fn number_of_another_program_is_updated_once() {
    let digits = "12345678901234567890123456789012345678";
    for value in [
        number("1.5"),
        number("1.50"),
        number("1E+100"),
        number(digits),
        number(-3.25),
        // A text that looks like an integer.
        text("7"),
    ] {
        let bench = Bench::new().await;
        let mut ada = with_value(&bench, value.clone()).await;
        let before = stored(&bench.table.items().await, "n");
        let look = |_: Request, session: Session| async move {
            Ok(session.get::<f64>("n")?.unwrap().to_string())
        };
        let read: f64 = ada.visit(&bench.sessions, look).await.body.parse().unwrap();
        // What is not changed keeps its form, also under another id.
        let renew = |_: Request, session: Session| async move {
            session.cycle_id()?;
            Ok("")
        };
        assert_eq!(ada.visit(&bench.sessions, renew).await.status, 200);
        assert_eq!(stored(&bench.table.items().await, "n"), before);
        bench.proxy.calls();
        let halve = |_: Request, session: Session| async move {
            session.update("n", |n: &mut f64| *n /= 2.0)?;
            Ok("")
        };
        let reply = ada.visit(&bench.sessions, halve).await;
        assert_eq!((reply.status, bench.kinds().len()), (200, 0), "{value:?}");
        assert_eq!(bench.proxy.calls(), ["GetItem", "UpdateItem"], "{value:?}");
        let now: f64 = ada.visit(&bench.sessions, look).await.body.parse().unwrap();
        assert_eq!(now.to_bits(), (read / 2.0).to_bits(), "{value:?}");
    }
}

/// The record is read as one of version 0, whose version does not exist: no condition that is made
/// from it ever holds.
#[tokio::test]
async fn malformed_version_fails_at_once() {
    let many = |_: Request, session: Session| async move {
        for n in 0..300 {
            session.insert(format!("key-{n}"), n)?;
        }
        Ok("")
    };
    let renew = |_: Request, session: Session| async move {
        session.cycle_id()?;
        Ok("")
    };
    for renews in [false, true] {
        let bench = Bench::new().await;
        let mut ada = bench.guest(count).await;
        let mut item = bench.table.item().await;
        item.insert("version".to_owned(), text("1"));
        bench.table.put(item.clone()).await;
        let reply = match renews {
            true => ada.visit(&bench.sessions, renew).await,
            false => ada.visit(&bench.sessions, many).await,
        };
        assert_refused(&reply, 503, "it cannot be written");
        assert_eq!(bench.proxy.calls().len(), 2, "renews: {renews}");
        assert_eq!(bench.kinds(), [ErrorKind::Corrupt]);
        assert_eq!(bench.table.item().await, item);
    }
}

// ---- DynamoDBs that do not return the item of a failed condition

/// As DynamoDB Local before 2.2 answers.
fn withhold_items(proxy: &Proxy) {
    proxy.edit_replies(|_, status, body| {
        if status == 400 {
            body.as_object_mut().unwrap().remove("Item");
            for reason in body["CancellationReasons"]
                .as_array_mut()
                .into_iter()
                .flatten()
            {
                reason.as_object_mut().unwrap().remove("Item");
            }
        }
    });
}

async fn renew(_: Request, session: Session) -> Result<String, Error> {
    session.cycle_id()?;
    Ok(String::new())
}

#[tokio::test]
async fn withheld_item_fails_a_logout_that_lost() {
    let bench = Bench::new().await;
    withhold_items(&bench.proxy);
    let logout_unread = |request: Request| async move {
        request.write_only_session()?.destroy()?;
        Ok("")
    };
    let anew = |_: Request, session: Session| async move {
        session.destroy()?;
        session.insert("visits", 7)?;
        Ok("")
    };
    for begins_anew in [false, true] {
        let mut ada = bench.guest(count).await;
        let (elsewhere, other) = (bench.elsewhere(), ada.clone());
        bench.proxy.answer(move |operation, before| {
            let (elsewhere, other) = (elsewhere.clone(), other.clone());
            match (operation, before) {
                ("DeleteItem" | "TransactWriteItems", 0) => Answer::Forward.after(move || {
                    let (elsewhere, mut other) = (elsewhere.clone(), other.clone());
                    async move { drop(other.visit(&elsewhere, renew).await) }
                }),
                _ => Answer::Forward,
            }
        });
        let reply = match begins_anew {
            true => ada.visit(&bench.sessions, anew).await,
            false => ada.visit_layered(&bench.sessions, logout_unread).await,
        };
        assert_refused(&reply, 409, "the session goes on under another id");
        assert_eq!(bench.kinds(), [ErrorKind::Gone]);
    }
}

#[tokio::test]
async fn withheld_item_leaves_a_lost_race_a_race() {
    let push = |n: u32| {
        move |_: Request, session: Session| async move {
            session.update("list", move |list: &mut Vec<u32>| list.push(n))?;
            Ok("")
        }
    };
    for renews in [false, true] {
        let bench = Bench::new().await;
        withhold_items(&bench.proxy);
        let mut ada = bench.guest(count).await;
        let (elsewhere, other) = (bench.elsewhere(), ada.clone());
        bench.proxy.answer(move |operation, before| {
            let (elsewhere, other) = (elsewhere.clone(), other.clone());
            match (operation, before) {
                ("UpdateItem" | "TransactWriteItems", 0) => Answer::Forward.after(move || {
                    let (elsewhere, mut other) = (elsewhere.clone(), other.clone());
                    async move { drop(other.visit(&elsewhere, push(1)).await) }
                }),
                _ => Answer::Forward,
            }
        });
        let reply = match renews {
            true => ada.visit(&bench.sessions, renew).await,
            false => ada.visit(&bench.sessions, push(2)).await,
        };
        assert_eq!((reply.status, bench.kinds().len()), (200, 0));
        let write = if renews {
            "TransactWriteItems"
        } else {
            "UpdateItem"
        };
        assert_eq!(bench.proxy.calls(), ["GetItem", write, "GetItem", write]);
        let list = stored(&bench.table.items().await, "list");
        let grown = if renews { "[1]" } else { "[1,2]" };
        assert_eq!(list, text(grown));
    }
}

/// Once the store has returned an item, a missing item means that no record is there.
#[tokio::test]
async fn absent_item_is_read_until_one_was_returned() {
    let bench = Bench::new().await;
    let write_stale = async || {
        let mut stale = Visitor::with_cookie("__Host-sid", &"A".repeat(43));
        let write = |request: Request| async move {
            request.write_only_session()?.insert("a", 1)?;
            Ok("")
        };
        let reply = stale.visit_layered(&bench.sessions, write).await;
        assert_eq!(reply.status, 200);
        bench.proxy.calls()
    };
    assert_eq!(write_stale().await, ["UpdateItem", "GetItem", "PutItem"]);
    // The stub that is met is returned.
    let mut ada = bench.guest(count).await;
    let mut late = ada.clone();
    assert_eq!(ada.visit(&bench.sessions, renew).await.status, 200);
    let write = |request: Request| async move {
        request.write_only_session()?.insert("a", 1)?;
        Ok("")
    };
    assert_eq!(late.visit_layered(&bench.sessions, write).await.status, 409);
    bench.proxy.calls();
    assert_eq!(write_stale().await, ["UpdateItem", "PutItem"]);
    // A logout never has to ask.
    let fresh = Bench::new().await;
    let mut stale = Visitor::with_cookie("__Host-sid", &"A".repeat(43));
    let logout = |request: Request| async move {
        request.write_only_session()?.destroy()?;
        Ok("")
    };
    assert_eq!(
        stale.visit_layered(&fresh.sessions, logout).await.status,
        200
    );
    assert_eq!(fresh.proxy.calls(), ["DeleteItem"]);
}

// ---- late attempts

/// A value that was found in place is not written again over a later value of another request.
#[tokio::test]
async fn value_in_place_is_not_written_again() {
    let bench = Bench::new().await;
    let mut ada = bench.guest(count).await;
    let (elsewhere, other) = (bench.elsewhere(), ada.clone());
    bench.proxy.answer(move |operation, before| {
        let (elsewhere, other) = (elsewhere.clone(), other.clone());
        let writes = move |key: &'static str, value: i64| {
            Answer::Forward.after(move || {
                let (elsewhere, mut other) = (elsewhere.clone(), other.clone());
                let write = move |_: Request, session: Session| async move {
                    session.insert(key, value)?;
                    Ok::<_, Error>("")
                };
                async move { assert_eq!(other.visit(&elsewhere, write).await.status, 200) }
            })
        };
        match (operation, before) {
            ("UpdateItem", 0) => Answer::lost(),
            ("UpdateItem", 1) => writes("other", 1),
            ("UpdateItem", 2) => writes("visits", 8),
            _ => Answer::Forward,
        }
    });
    let write = |_: Request, session: Session| async move {
        session.insert("visits", 7)?;
        Ok::<_, Error>("")
    };
    assert_eq!(ada.visit(&bench.sessions, write).await.status, 200);
    let items = bench.table.items().await;
    assert_eq!(stored(&items, "visits"), number(8));
    assert!(items[0].contains_key("fence"));
}

/// The values are there, so it may look as if it had happened; but the attempt is still on its way,
/// and would overwrite what others write from then on.
#[tokio::test]
async fn late_attempt_overwrites_nothing_after_success() {
    let set = |value: i64| {
        move |_: Request, session: Session| async move {
            session.insert("visits", value)?;
            session.save().await?;
            session.insert("other", value)?;
            Ok("")
        }
    };
    // Large enough to be one write of all data, or not.
    for large in [false, true] {
        let bench = Bench::new().await;
        let mut ada = bench.guest(count).await;
        let (elsewhere, other) = (bench.elsewhere(), ada.clone());
        bench.proxy.answer(move |operation, before| {
            let (elsewhere, other) = (elsewhere.clone(), other.clone());
            match (operation, before) {
                ("UpdateItem", 0) => Answer::Late(Duration::from_millis(400)),
                // Another request writes the same value, and then another key.
                ("UpdateItem", 1) => Answer::Forward.after(move || {
                    let (elsewhere, mut other) = (elsewhere.clone(), other.clone());
                    async move {
                        let reply = if large {
                            other.visit(&elsewhere, fill).await;
                            other.visit(&elsewhere, set(9)).await
                        } else {
                            other.visit(&elsewhere, set(7)).await
                        };
                        assert_eq!(reply.status, 200);
                    }
                }),
                _ => Answer::Forward,
            }
        });
        let write = move |_: Request, session: Session| async move {
            match large {
                true => fill_in(&session)?,
                false => session.insert("visits", 7)?,
            }
            Ok("")
        };
        assert_eq!(ada.visit(&bench.sessions, write).await.status, 200);
        let key = if large { "key-0" } else { "visits" };
        let last = |_: Request, session: Session| async move {
            session.insert(key, 8)?;
            Ok("")
        };
        assert_eq!(ada.visit(&bench.elsewhere(), last).await.status, 200);
        tokio::time::sleep(Duration::from_millis(800)).await;
        assert_eq!(stored(&bench.table.items().await, key), number(8));
        assert!(bench.kinds().is_empty());
    }
}

fn fill_in(session: &Session) -> Result<(), lambda_sessions::Error> {
    (0..300).try_for_each(|n| session.insert(format!("key-{n}"), n))
}

async fn fill(_: Request, session: Session) -> Result<String, Error> {
    fill_in(&session)?;
    Ok(String::new())
}

// ---- users

async fn login(_: Request, session: Session) -> Result<String, Error> {
    session.log_in("ada")?;
    session.set_label("a phone")?;
    session.insert("name", "ada")?;
    Ok(String::new())
}

async fn logged_in(bench: &Bench) -> Visitor {
    let mut visitor = Visitor::new();
    assert_eq!(visitor.visit(&bench.sessions, login).await.status, 200);
    visitor
}

/// So many copies of the one session of a user that there is, and of its row.
async fn copies(bench: &Bench, sessions: usize, rows: usize) {
    let (item, row) = (bench.table.item().await, bench.table.rows().await.remove(0));
    let copy = |original: &Item, key: &str, n: usize| {
        let mut copy = original.clone();
        copy.insert(key.to_owned(), text(&format!("copy-{n}")));
        copy.insert("handle".to_owned(), text(&format!("handle-{n}")));
        let put = PutRequest::builder().set_item(Some(copy)).build().unwrap();
        WriteRequest::builder().put_request(put).build()
    };
    let items = (0..sessions).map(|n| (bench.table.name.clone(), copy(&item, "id", n)));
    let rows = (0..rows).map(|n| (bench.table.users(), copy(&row, "session", n)));
    let writes: Vec<_> = items.chain(rows).collect();
    for some in writes.chunks(25) {
        let mut by_table: HashMap<String, Vec<WriteRequest>> = HashMap::new();
        for (table, write) in some {
            by_table
                .entry(table.clone())
                .or_default()
                .push(write.clone());
        }
        let batch = bench.table.client.batch_write_item();
        let written = batch.set_request_items(Some(by_table)).send().await;
        assert!(
            written
                .unwrap()
                .unprocessed_items
                .unwrap_or_default()
                .is_empty()
        );
    }
}

#[tokio::test]
async fn revocation_goes_on_where_it_was_stopped() {
    let bench = Bench::with_users().await;
    logged_in(&bench).await;
    copies(&bench, 249, 249).await;
    bench.proxy.seen();
    bench
        .proxy
        .answer(|operation, before| match (operation, before) {
            ("Query", 1..) => Answer::error(400, "AccessDeniedException"),
            _ => Answer::Forward,
        });
    let stopped = bench.sessions.revoke_user("ada").await.unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::Misconfigured);
    let calls = bench.proxy.calls();
    assert_eq!(calls.last().unwrap(), "Query", "deleted page by page");
    let (items, rows) = (
        bench.table.items().await.len(),
        bench.table.rows().await.len(),
    );
    assert_eq!((items, rows), (150, 150), "a page of 100 is done");
    let query = bench.proxy.seen().remove(0).body;
    assert_eq!(query["Limit"], json!(100));
    let projection = query["ProjectionExpression"].as_str();
    assert!(projection.is_some_and(|text| !text.contains("label")));

    bench.proxy.answer(|_, _| Answer::Forward);
    bench.sessions.revoke_user("ada").await.unwrap();
    assert!(bench.table.items().await.is_empty() && bench.table.rows().await.is_empty());
}

#[tokio::test]
async fn replaced_session_takes_its_row_with_it() {
    let bench = Bench::with_users().await;
    let mut ada = logged_in(&bench).await;
    let row = bench.table.rows().await.remove(0);
    assert!(!row.contains_key("label"), "the record has it");
    let anew = |_: Request, session: Session| async move {
        session.destroy()?;
        session.insert("flash", "bye")?;
        Ok("")
    };
    bench.proxy.calls();
    assert_eq!(ada.visit(&bench.sessions, anew).await.status, 200);
    assert_eq!(bench.proxy.calls(), ["GetItem", "TransactWriteItems"]);
    assert!(bench.table.rows().await.is_empty());
    // And so does one that begins anew as the same user's.
    let mut ada = logged_in(&bench).await;
    let again = |_: Request, session: Session| async move {
        session.destroy()?;
        session.log_in("ada")?;
        session.insert("name", "ada")?;
        Ok("")
    };
    assert_eq!(ada.visit(&bench.sessions, again).await.status, 200);
    assert_eq!(bench.table.rows().await.len(), 1);
    assert_eq!(bench.sessions.user_sessions("ada").await.unwrap().len(), 1);
}

#[tokio::test]
async fn list_clears_old_rows_without_a_record() {
    let mut bench = Bench::with_users().await;
    bench.sessions = bench.sessions.clone().idle_timeout(days(20));
    let mut ada = logged_in(&bench).await;
    copies(&bench, 0, 60).await;
    bench.clock.advance(days(1) - Duration::from_secs(1));
    // Renewed now: the row of the new id is young, however old the session is.
    assert_eq!(ada.visit(&bench.sessions, renew).await.status, 200);
    let young = bench.table.rows().await;
    let rows = async || bench.table.rows().await.len();
    let list = async || bench.sessions.user_sessions("ada").await.unwrap();
    assert_eq!((list().await.len(), rows().await), (1, 62), "not yet");
    bench.clock.advance(Duration::from_secs(1));
    // A record that has expired is there, and so its row stays.
    for left in [62 - 25, 62 - 50, 2, 2] {
        assert_eq!((list().await.len(), rows().await), (1, left));
    }
    let kept = bench.table.rows().await;
    assert!(kept.iter().all(|row| young.contains(row)));

    // The transaction of a renewal may show its row before its record.
    let live = bench.table.items().await;
    let live = live.iter().find(|item| item.contains_key("data")).unwrap();
    bench.table.delete(&live["id"]).await;
    assert_eq!((list().await.len(), rows().await), (0, 2));
    bench.clock.advance(days(1));
    assert_eq!(
        (list().await.len(), rows().await),
        (0, 1),
        "the stub is there"
    );
}

#[tokio::test]
async fn list_that_cannot_clear_is_a_list() {
    let bench = Bench::with_users().await;
    logged_in(&bench).await;
    copies(&bench, 0, 3).await;
    bench.clock.advance(days(1));
    bench.proxy.answer(|operation, _| match operation {
        "DeleteItem" => Answer::error(400, "AccessDeniedException"),
        _ => Answer::Forward,
    });
    assert_eq!(bench.sessions.user_sessions("ada").await.unwrap().len(), 1);
}

#[tokio::test]
async fn list_ends_at_a_thousand_rows_and_says_so() {
    for (sessions, has_more) in [(999, false), (1_000, true)] {
        let bench = Bench::with_users().await;
        logged_in(&bench).await;
        copies(&bench, sessions, sessions).await;
        let list = bench.sessions.user_sessions("ada").await.unwrap();
        assert_eq!((list.len(), list.has_more()), (1_000, has_more));
        assert_eq!((&list).into_iter().count(), 1_000);
        assert_eq!(list.into_vec().len(), 1_000);
        // All are revoked, also those that were not listed.
        if has_more {
            bench.sessions.revoke_user("ada").await.unwrap();
            assert!(bench.table.items().await.is_empty());
        }
    }
}

/// A table that is asked by its ARN may answer by its name.
#[tokio::test]
async fn list_takes_the_answer_of_whatever_name() {
    let bench = Bench::with_users().await;
    logged_in(&bench).await;
    bench.proxy.edit_replies(|operation, _, body| {
        if operation == "BatchGetItem" {
            let responses = body["Responses"].as_object_mut().unwrap();
            let name = responses.keys().next().unwrap().clone();
            let items: Value = responses.remove(&name).unwrap();
            responses.insert("another".to_owned(), items);
        }
    });
    assert_eq!(bench.sessions.user_sessions("ada").await.unwrap().len(), 1);
}
