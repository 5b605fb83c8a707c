//! `from_env`, called in separate processes: each test runs this program again with variables set.

use lambda_http::SnapStartResource as _;
use lambda_sessions::SessionLayer;

use crate::support::{Browser, Proxy, Table, count, this_program};

/// The variable that marks the process that calls `from_env`.
const CHILD: &str = "LAMBDA_SESSIONS_TEST_CHILD";

/// The variable that makes it restore its store between its requests.
const RESTORE: &str = "LAMBDA_SESSIONS_TEST_RESTORE";

/// Calls `from_env` and sends two requests, only in the process that is started for it.
#[tokio::test]
async fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let sessions = match SessionLayer::from_env().await {
        Ok(sessions) => sessions,
        Err(error) => return println!("error: {error}"),
    };
    let mut browser = Browser::new();
    let first = browser.visit(&sessions, count).await;
    if let Some(id) = first.header("x-sessionid") {
        browser.set_header("x-sessionid", id);
    }
    if std::env::var_os(RESTORE).is_some() {
        sessions.store().after_restore().await.unwrap();
    }
    let second = browser.visit(&sessions, count).await;
    let carrier = first.cookies.first().cloned().unwrap_or_default();
    println!("replies: {} {} {}", second.status, second.body, carrier);
}

/// Returns the output of the child with these variables, and no others of the library or the SDK.
async fn run(variables: &[(&str, &str)]) -> String {
    let mut command = this_program(concat!(module_path!(), "::child"), variables);
    command.env(CHILD, "1");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let said = |line: &&str| line.contains("replies: ") || line.contains("error: ");
    let line = text
        .lines()
        .find(said)
        .unwrap_or_else(|| panic!("it said nothing: {text}"));
    line[line.find("replies: ").or(line.find("error: ")).unwrap()..].to_owned()
}

#[tokio::test]
async fn from_env_reads_all_settings() {
    let table = Table::new().await;
    let said = run(&[
        ("SESSION_DYNAMODB_ENDPOINT", &table.endpoint),
        ("SESSION_DYNAMODB_TABLE", &table.name),
        ("SESSION_DYNAMODB_REGION", "eu-central-1"),
        ("SESSION_DYNAMODB_TTL_SECONDS", "600"),
        ("SESSION_COOKIE_SAMESITE", "Strict"),
    ])
    .await;
    assert!(said.starts_with("replies: 200 2 __Host-sid="), "{said}");
    assert!(
        said.contains("Max-Age=600") && said.contains("SameSite=Strict"),
        "{said}"
    );
    let item = table.item().await;
    let number = |name: &str| item[name].as_n().unwrap().parse::<u64>().unwrap();
    assert_eq!(number("ttl") - number("created"), 600);
}

#[tokio::test]
async fn from_env_honours_the_endpoint_of_the_sdk() {
    let table = Table::new().await;
    let said = run(&[
        ("AWS_ENDPOINT_URL_DYNAMODB", &table.endpoint),
        ("AWS_REGION", "us-east-1"),
        ("SESSION_DYNAMODB_TABLE", &table.name),
        ("SESSION_DYNAMODB_USE_HEADER", "true"),
    ])
    .await;
    assert_eq!(said, "replies: 200 2 ");
}

/// The failure of the warm-up is logged, and the first request fails.
#[tokio::test]
async fn from_env_starts_without_dynamodb() {
    let said = run(&[
        ("SESSION_DYNAMODB_ENDPOINT", "http://127.0.0.1:9"),
        ("AWS_REGION", "us-east-1"),
    ])
    .await;
    assert_eq!(
        said,
        "replies: 503 The session is not available at the moment. Please try again."
    );
}

#[tokio::test]
async fn from_env_names_the_wrong_variable() {
    let said = run(&[("AWS_EC2_METADATA_DISABLED", "true")]).await;
    assert!(
        said.starts_with("error: ") && said.contains("AWS_REGION"),
        "{said}"
    );
    for (name, value) in [
        ("SESSION_DYNAMODB_TTL_SECONDS", "a fortnight"),
        ("SESSION_DYNAMODB_ENDPOINT", "localhost"),
        ("SESSION_COOKIE_SECURE", "perhaps"),
        ("SESSION_COOKIE_SAMESITE", "sometimes"),
        ("SESSION_DYNAMODB_TABLE", "no table"),
    ] {
        let said = run(&[("AWS_REGION", "us-east-1"), (name, value)]).await;
        assert!(said.starts_with("error: misconfigured: "), "{said}");
        assert!(said.contains(name), "{said}");
    }
    let said = run(&[
        ("AWS_REGION", "us-east-1"),
        ("SESSION_COOKIE_SECURE", "false"),
        ("SESSION_COOKIE_NAME", "__Host-sid"),
    ])
    .await;
    assert!(said.contains("`__Host-` requires `Secure`"), "{said}");
}

/// A copy of a SnapStart snapshot opens its own connections before its first request.
#[tokio::test]
async fn from_env_connects_again_after_a_restore() {
    let table = Table::new().await;
    let proxy = Proxy::start(&table.endpoint).await;
    let said = run(&[
        ("SESSION_DYNAMODB_ENDPOINT", &proxy.endpoint),
        ("SESSION_DYNAMODB_TABLE", &table.name),
        ("AWS_REGION", "us-east-1"),
        (RESTORE, "1"),
    ])
    .await;
    assert!(said.starts_with("replies: 200 2 "), "{said}");
    let (before, after) = (["GetItem", "PutItem"], ["GetItem", "GetItem", "UpdateItem"]);
    assert_eq!(proxy.calls(), [&before[..], &after[..]].concat());
    assert_eq!(proxy.connections(), 2);
}
