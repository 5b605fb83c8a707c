//! Copies of one process, as SnapStart makes them of a snapshot: no two of them draw the same id.
//!
//! The feature `fast-rng` of `uuid` is on, as another crate of a build may require it. Its UUIDs
//! come from a generator in the process's memory, which is copied too. The test shows that as well.

#![cfg(unix)]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use fork::Fork;
use lambda_http::{Error, Request, SnapStartResource as _};
use lambda_sessions::{Session, SessionLayer};
use uuid::Uuid;

use crate::support::{Browser, FUNCTION, Proxy, Table, this_program};

const COPIES: usize = 4;

const VISITORS: usize = 3;

/// Starts, copies itself, and restores and visits each copy. It does so only in the process that is
/// started for it, which has one thread, so that the copies are complete.
#[test]
fn start_and_copy() {
    if crate::support::role().is_none() {
        return;
    }
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let starting = runtime();
    let sessions = starting.block_on(SessionLayer::from_env()).unwrap();
    // All random generators have been used before the copy.
    starting.block_on(visit(&sessions, &mut Browser::new()));
    let _ = Uuid::new_v4();

    for _ in 0..COPIES {
        match fork::fork().unwrap() {
            Fork::Parent(copy) => assert_eq!(fork::waitpid(copy).unwrap(), 0),
            Fork::Child => {
                // The copied runtime belongs to the original, so a copy needs its own.
                let restored = runtime();
                restored.block_on(async {
                    sessions.store().after_restore().await.unwrap();
                    println!("\nuuid {}", Uuid::new_v4());
                    for _ in 0..VISITORS {
                        let mut browser = Browser::new();
                        for _ in 0..2 {
                            let id = visit(&sessions, &mut browser).await;
                            println!("\nid {id}");
                        }
                    }
                });
                std::process::exit(0);
            }
        }
    }
}

/// Begins a session, or changes it and cycles its id.
async fn visit(sessions: &SessionLayer, browser: &mut Browser) -> String {
    let count = |_: Request, session: Session| async move {
        session.increment("visits", 1)?;
        session.save().await?;
        if !session.is_new() {
            session.cycle_id()?;
        }
        Ok::<_, Error>("")
    };
    assert_eq!(browser.visit(sessions, count).await.status, 200);
    browser.cookie().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshot_copies_share_no_id() {
    let table = Table::new().await;
    let proxy = Proxy::start(&table.endpoint).await;
    let (tokens, writes) = (Drawn::default(), Drawn::default());
    let (seen_tokens, seen_writes) = (Arc::clone(&tokens), Arc::clone(&writes));
    proxy.edit(move |_, body| {
        let note = |list: &Drawn, value: &serde_json::Value| {
            if let Some(text) = value.as_str() {
                list.lock().unwrap().push(text.to_owned());
            }
        };
        note(&seen_tokens, &body["ClientRequestToken"]);
        note(&seen_writes, &body["ExpressionAttributeValues"][":w"]["S"]);
        note(&seen_writes, &body["Item"]["write"]["S"]);
    });
    let mut copying = this_program(
        concat!(module_path!(), "::start_and_copy"),
        &[
            ("SESSION_DYNAMODB_ENDPOINT", &proxy.endpoint),
            ("SESSION_DYNAMODB_TABLE", &table.name),
            ("AWS_REGION", "us-east-1"),
            (FUNCTION, "original"),
        ],
    );
    let output = tokio::task::spawn_blocking(move || copying.output().unwrap());
    let output = output.await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");

    let all = |what: &str| -> Vec<String> {
        let lines = said.lines().filter_map(|line| line.strip_prefix(what));
        lines.map(str::to_owned).collect()
    };
    // Every copy begins three sessions and cycles the id of each. The original has begun one.
    let sessions = COPIES * VISITORS;
    assert_no_two(&all("id "), 2 * sessions);
    assert_no_two(&tokens.lock().unwrap(), sessions);
    assert_no_two(&writes.lock().unwrap(), 2 * sessions + 1);

    // The UUIDs of all copies are equal, so the danger is real.
    let uuids = all("uuid ");
    assert_eq!(uuids.len(), COPIES);
    assert_eq!(BTreeSet::from_iter(&uuids).len(), 1, "{uuids:?}");
}

type Drawn = Arc<Mutex<Vec<String>>>;

#[track_caller]
fn assert_no_two(drawn: &[String], count: usize) {
    assert_eq!(drawn.len(), count, "{drawn:?}");
    assert_eq!(BTreeSet::from_iter(drawn).len(), count, "{drawn:?}");
}
