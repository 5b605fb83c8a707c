//! Throttling: all requests of an instance share one quota of retries.

use std::sync::atomic::{AtomicUsize, Ordering};

use lambda_sessions::ErrorKind;
use serde_json::json;

use crate::support::{Action, Browser, Setup, logged_in, login, peek};

#[tokio::test]
async fn throttled_requests_share_one_quota() {
    let setup = Setup::new().await;
    setup
        .proxy
        .script(|_, _| Action::error(400, "ThrottlingException"));
    let visits = (0..200).map(|_| async {
        let mut browser = Browser::with_cookie("__Host-sid", &"A".repeat(43));
        browser.visit(&setup.sessions.clone(), peek).await.status
    });
    let statuses = futures_util::future::join_all(visits).await;
    assert!(statuses.iter().all(|status| *status == 503));
    // Each request has one attempt. The quota of 500 pays for 100 retries, at 5 each.
    assert_eq!(setup.count("GetItem"), 200 + 100);

    // A success gives back the cost of its retry.
    let first = AtomicUsize::new(0);
    setup.proxy.script(move |operation, _| {
        match (operation, first.fetch_add(1, Ordering::SeqCst) % 2) {
            ("GetItem", 0) => Action::error(400, "ThrottlingException"),
            _ => Action::Forward,
        }
    });
    let visit = async || {
        let mut browser = Browser::with_cookie("__Host-sid", &"A".repeat(43));
        browser.visit(&setup.sessions, peek).await.status
    };
    assert_eq!(visit().await, 503, "there is nothing left");
    setup.proxy.script(|_, _| Action::Forward);
    for _ in 0..5 {
        assert_eq!(visit().await, 200);
    }
    for _ in 0..3 {
        setup.proxy.script(|_, before| match before {
            0 => Action::error(400, "ThrottlingException"),
            _ => Action::Forward,
        });
        assert_eq!(visit().await, 200, "the same 5 pay for each");
    }
}

/// A throttled transaction is cancelled, which looks like a failed condition.
#[tokio::test]
async fn throttled_transactions_share_one_quota() {
    let setup = Setup::with_users().await;
    let cancelled = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "message": "Transaction cancelled",
        "CancellationReasons": [{ "Code": "ThrottlingError" }, { "Code": "None" }],
    });
    setup
        .proxy
        .script(move |_, _| Action::Reply(400, cancelled.to_string()));
    let visits = (0..200).map(|_| async {
        let mut browser = Browser::new();
        browser.visit(&setup.sessions.clone(), login).await.status
    });
    let statuses = futures_util::future::join_all(visits).await;
    assert!(statuses.iter().all(|status| *status == 503));
    assert_eq!(setup.count("TransactWriteItems"), 200 + 100);
    assert!(
        setup
            .kinds()
            .iter()
            .all(|kind| *kind == ErrorKind::Throttled)
    );
}

/// A batch that processed nothing has the status of a success.
#[tokio::test]
async fn throttled_lists_share_one_quota() {
    let setup = Setup::with_users().await;
    logged_in(&setup.sessions).await;
    let keys = json!({ "Keys": [{ "id": { "S": "a key" } }] });
    let nothing = json!({ "Responses": {}, "UnprocessedKeys": { &setup.table.name: keys } });
    setup.proxy.script(move |operation, _| match operation {
        "BatchGetItem" => Action::Reply(200, nothing.to_string()),
        _ => Action::Forward,
    });
    let lists = (0..40).map(|_| setup.sessions.user_sessions("ada"));
    let lists = futures_util::future::join_all(lists).await;
    for list in lists {
        assert_eq!(list.unwrap_err().kind(), ErrorKind::Throttled);
    }
    // Each list begins with a query that succeeds, which adds 1 to a quota that is not full.
    let batches = setup.count("BatchGetItem");
    assert!((140..=140 + 8).contains(&batches), "{batches}");
}
