//! What is in the table: the item attribute by attribute, and every value as it was put.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambda_http::{Error, Request};
use lambda_sessions::{DynamoDbStore, ErrorKind, Session, SessionExt as _, SessionLayer};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::{Clock, Item, Table, Visitor, minutes};

fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn names(item: &Item) -> BTreeSet<&str> {
    item.keys().map(String::as_str).collect()
}

async fn sessions() -> (SessionLayer<DynamoDbStore>, Table, Clock) {
    let (table, clock) = (Table::new().await, Clock::new());
    let sessions = SessionLayer::new(table.store()).clock(clock.reader());
    (sessions, table, clock)
}

async fn start(_: Request, session: Session) -> Result<&'static str, Error> {
    session.insert("name", "ada")?;
    session.insert("visits", 3)?;
    session.insert("ratio", 1.5)?;
    session.insert("list", [1, 2])?;
    Ok("")
}

#[tokio::test]
async fn a_new_item_attribute_by_attribute() {
    let (sessions, table, clock) = sessions().await;
    let mut ada = Visitor::new();
    ada.visit(&sessions, start).await;
    let item = table.item().await;
    let expected = [
        "created", "data", "id", "modified", "ttl", "version", "write",
    ];
    assert_eq!(names(&item), BTreeSet::from(expected));

    let bytes = URL_SAFE_NO_PAD.decode(ada.cookie().unwrap()).unwrap();
    assert_eq!(bytes.len(), 32);
    assert_eq!(
        item["id"],
        s(URL_SAFE_NO_PAD.encode(Sha256::digest(&bytes)))
    );
    assert_eq!(item["created"], n(clock.seconds()));
    assert_eq!(item["ttl"], n(clock.seconds() + 14 * 24 * 60 * 60));
    assert_eq!(item["modified"], s("2033-05-18T03:33:20Z"));
    assert_eq!(item["version"], n(1));
    assert_eq!(item["write"].as_s().unwrap().len(), 36);
    let data = item["data"].as_m().unwrap();
    assert_eq!(data["name"], s("\"ada\""));
    assert_eq!(data["visits"], n(3));
    assert_eq!(data["ratio"], s("1.5"));
    assert_eq!(data["list"], s("[1,2]"));
    assert_eq!(data.len(), 4);

    assert!(
        !format!("{item:?}").contains(ada.cookie().unwrap()),
        "a stolen table opens nothing"
    );
}

#[tokio::test]
async fn what_each_write_leaves() {
    let (sessions, table, clock) = sessions().await;
    let mut ada = Visitor::new();
    ada.visit(&sessions, start).await;
    let created = table.item().await;

    clock.advance(minutes(1));
    ada.visit(&sessions, |_, session: Session| async move {
        session.increment("visits", 1)?;
        session.remove("ratio")?;
        Ok("")
    })
    .await;
    let updated = table.item().await;
    assert_eq!(names(&updated), names(&created));
    assert_eq!(updated["version"], n(2));
    assert_ne!(updated["write"], created["write"]);
    assert_eq!(updated["modified"], s("2033-05-18T03:34:20Z"));
    assert_eq!(
        (&updated["created"], &updated["ttl"]),
        (&created["created"], &created["ttl"])
    );
    let data = updated["data"].as_m().unwrap();
    assert_eq!(
        (data["visits"].clone(), data.contains_key("ratio")),
        (n(4), false)
    );

    clock.advance(minutes(60));
    ada.visit(&sessions, |_, _| async { Ok("") }).await;
    let touched = table.item().await;
    assert_eq!(touched["ttl"], n(clock.seconds() + 14 * 24 * 60 * 60));
    assert_eq!(touched["modified"], s("2033-05-18T04:34:20Z"));
    for same in ["version", "write", "created", "data", "id"] {
        assert_eq!(touched[same], updated[same], "a touch leaves {same}");
    }

    let old = touched["id"].clone();
    ada.visit(&sessions, |_, session: Session| async move {
        session.cycle_id()?;
        Ok("")
    })
    .await;
    let (stubs, records): (Vec<_>, Vec<_>) = table
        .items()
        .await
        .into_iter()
        .partition(|item| item["id"] == old);
    let stub = &stubs[0];
    assert_eq!(
        names(stub),
        BTreeSet::from(["id", "modified", "retired", "ttl"])
    );
    assert_eq!(stub["retired"], AttributeValue::Bool(true));
    assert_eq!(
        stub["modified"], touched["modified"],
        "the time of its death"
    );
    assert_eq!(stub["ttl"], n(clock.seconds() + 120));
    let renewed = &records[0];
    assert_eq!(names(renewed), names(&created));
    assert_eq!(
        (&renewed["version"], &renewed["created"]),
        (&n(3), &created["created"])
    );
    assert_eq!(renewed["data"], touched["data"]);
}

/// Puts an item of a foreign shape where the visitor's session is.
async fn corrupt(table: &Table, change: impl FnOnce(&mut Item)) -> Item {
    let mut item = table.item().await;
    change(&mut item);
    table.put(item.clone()).await;
    item
}

type Defacement = fn(&mut Item);

#[tokio::test]
async fn an_item_of_a_foreign_shape_is_absent_and_left_alone() {
    let shapes: [(&str, Defacement); 8] = [
        ("no data", |item| drop(item.remove("data"))),
        ("the predecessor's data", |item| {
            drop(item.insert("data".into(), s("gASVCgAAAAAAAAB9lA==")))
        }),
        ("data of another type", |item| {
            drop(item.insert("data".into(), AttributeValue::L(vec![])))
        }),
        ("no ttl", |item| drop(item.remove("ttl"))),
        ("ttl as text", |item| {
            drop(item.insert("ttl".into(), s("2999999999")))
        }),
        ("no created", |item| drop(item.remove("created"))),
        ("created as text", |item| {
            drop(item.insert("created".into(), s("2000000000")))
        }),
        ("another program's", |item| {
            item.retain(|name, _| name == "id")
        }),
    ];
    for (shape, deface) in shapes {
        let (sessions, table, _) = sessions().await;
        let mut ada = Visitor::new();
        ada.visit(&sessions, start).await;
        let foreign = corrupt(&table, deface).await;
        let old = ada.clone();

        let write = |_: Request, session: Session| async move {
            assert!(session.is_new() && session.is_empty());
            session.insert("a", 1)?;
            Ok("")
        };
        assert_eq!(ada.visit(&sessions, write).await.status, 200, "{shape}");
        assert_ne!(ada.cookie(), old.cookie(), "{shape}: its id is not adopted");
        let unread = |request: Request| async move {
            request.write_only_session()?.insert("a", 1)?;
            Ok("")
        };
        assert_eq!(
            old.clone().visit_layered(&sessions, unread).await.status,
            200,
            "{shape}"
        );
        for logout in ["read", "unread"] {
            let mut old = old.clone();
            let reply = match logout {
                "read" => {
                    let destroy = |_: Request, session: Session| async move {
                        session.destroy()?;
                        Ok("")
                    };
                    old.visit(&sessions, destroy).await
                }
                _ => {
                    let destroy = |request: Request| async move {
                        request.write_only_session()?.destroy()?;
                        Ok("")
                    };
                    old.visit_layered(&sessions, destroy).await
                }
            };
            assert_eq!(
                (reply.status, old.cookie()),
                (200, None),
                "{shape}, {logout}"
            );
        }
        let items = table.items().await;
        assert!(
            items.contains(&foreign),
            "{shape}: never written, never deleted"
        );
        assert_eq!(items.len(), 3, "{shape}: and two new ones");
    }
}

#[tokio::test]
async fn an_item_of_a_newer_format_is_corrupt_and_left_alone() {
    for format in [n(2), n(0), s("1"), AttributeValue::Bool(true)] {
        let (sessions, table, clock) = sessions().await;
        let mut ada = Visitor::new();
        ada.visit(&sessions, start).await;
        let newer = corrupt(&table, |item| {
            drop(item.insert("format".into(), format.clone()))
        })
        .await;
        let never = |_: Request, _: Session| async { Err::<&str, Error>("was called".into()) };
        let reply = ada.visit(&sessions, never).await;
        assert_eq!((reply.status, reply.cookies.len()), (503, 0), "{format:?}");
        let unread = |request: Request| async move {
            request.write_only_session()?.insert("a", 1)?;
            Ok("")
        };
        assert_eq!(ada.visit_layered(&sessions, unread).await.status, 503);
        let logout = |request: Request| async move {
            request.write_only_session()?.destroy()?;
            Ok("")
        };
        assert_eq!(ada.visit_layered(&sessions, logout).await.status, 503);
        assert_eq!(table.item().await, newer, "{format:?}");
        clock.advance(support::days(15));
        assert_eq!(
            ada.visit(&sessions, start).await.status,
            200,
            "dead is dead in every format"
        );
    }
    let (sessions, table, _) = sessions().await;
    let mut ada = Visitor::new();
    ada.visit(&sessions, start).await;
    corrupt(&table, |item| drop(item.insert("format".into(), n(1)))).await;
    let count = |_: Request, session: Session| async move {
        Ok(session.increment("visits", 1)?.to_string())
    };
    assert_eq!(
        ada.visit(&sessions, count).await.body,
        "4",
        "ours, said aloud"
    );
}

/// What cannot be read of an item is an error for whoever asks for it, and is kept.
#[tokio::test]
async fn unknown_attributes_and_unreadable_entries_are_kept() {
    let (sessions, table, _) = sessions().await;
    let mut ada = Visitor::new();
    ada.visit(&sessions, start).await;
    let odd: BTreeMap<&str, AttributeValue> = BTreeMap::from([
        ("bytes", AttributeValue::B(Blob::new([0, 255]))),
        ("null", AttributeValue::Null(true)),
        ("flag", AttributeValue::Bool(true)),
        ("items", AttributeValue::L(vec![n(1)])),
        ("set", AttributeValue::Ss(vec!["a".into()])),
        ("broken", s("{not json")),
    ]);
    corrupt(&table, |item| {
        item.insert("team".into(), s("blue"));
        let AttributeValue::M(data) = item.get_mut("data").unwrap() else {
            unreachable!()
        };
        data.extend(
            odd.iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone())),
        );
    })
    .await;

    let read = |_: Request, session: Session| async move {
        for key in ["bytes", "null", "flag", "items", "set", "broken"] {
            assert!(session.contains(key), "{key}");
            let error = session.get::<Value>(key).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Deserialize, "{key}");
            let error = session.increment(key, 1).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Deserialize, "{key}");
        }
        assert_eq!(session.get::<String>("name")?.as_deref(), Some("ada"));
        session.insert("a", 1)?;
        Ok("")
    };
    assert_eq!(ada.visit(&sessions, read).await.status, 200);
    let many = |_: Request, session: Session| async move {
        for n in 0..500 {
            session.insert(format!("k{n}"), n)?;
        }
        Ok("")
    };
    ada.visit(&sessions, many).await;
    let renew = |_: Request, session: Session| async move {
        session.cycle_id()?;
        Ok("")
    };
    ada.visit(&sessions, renew).await;
    let items = table.items().await;
    let record = items.iter().find(|item| item.contains_key("data")).unwrap();
    assert_eq!(record["team"], s("blue"));
    let data = record["data"].as_m().unwrap();
    for (key, value) in &odd {
        assert_eq!(&data[*key], value, "{key}: byte for byte");
    }
    assert_eq!(data.len(), 4 + 6 + 1 + 500);
}

/// Any JSON value under any key, through a session, the SDK, HTTP and DynamoDB, and back: first
/// created, then changed, then renewed.
#[test]
fn every_value_comes_back_through_dynamodb() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (sessions, _table) = runtime.block_on(async {
        let (sessions, table, _) = sessions().await;
        (sessions, table)
    });
    let mut runner = TestRunner::new(Config {
        cases: 48,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(&(any_data(), any_data()), |(first, second)| {
            runtime.block_on(async {
                let mut visitor = Visitor::new();
                for (values, renew) in [(&first, false), (&second, false), (&first, true)] {
                    let write = |_: Request, session: Session| async move {
                        for (key, value) in values {
                            session.insert(key, value)?;
                        }
                        if renew {
                            session.cycle_id()?;
                        }
                        Ok("")
                    };
                    assert_eq!(visitor.visit(&sessions, write).await.status, 200);
                    let read = |_: Request, session: Session| async move {
                        for (key, value) in values {
                            let back: Value = session.get(key)?.expect("it is there");
                            assert_eq!(back.to_string(), value.to_string());
                        }
                        Ok("")
                    };
                    assert_eq!(visitor.visit(&sessions, read).await.status, 200);
                }
            });
            Ok(())
        })
        .unwrap();
}

/// Values of Rust's own types at their edges.
#[tokio::test]
async fn the_edges_of_numbers_and_depth_come_back() {
    let (sessions, ..) = sessions().await;
    let mut ada = Visitor::new();
    let deep = (0..40).fold(json!(null), |inner, _| json!([inner]));
    let write = |_: Request, session: Session| {
        let deep = deep.clone();
        async move {
            session.insert("u64", u64::MAX)?;
            session.insert("i64", i64::MIN)?;
            session.insert("u128", u128::MAX)?;
            session.insert("f64", 1e308)?;
            session.insert("tiny", f64::MIN_POSITIVE)?;
            session.insert("-0", -0.0)?;
            session.insert("deep", deep)?;
            session.insert("text", "\u{0}\u{1f36a}\u{ffff}")?;
            session.insert("long", "x".repeat(60_000))?;
            Ok("")
        }
    };
    ada.visit(&sessions, write).await;
    let read = |_: Request, session: Session| {
        let deep = deep.clone();
        async move {
            assert_eq!(session.get("u64")?, Some(u64::MAX));
            assert_eq!(session.get("i64")?, Some(i64::MIN));
            assert_eq!(session.get("u128")?, Some(u128::MAX));
            assert_eq!(session.get("f64")?, Some(1e308));
            assert_eq!(session.get("tiny")?, Some(f64::MIN_POSITIVE));
            assert!(session.get::<f64>("-0")?.unwrap().is_sign_negative());
            assert_eq!(session.get("deep")?, Some(deep));
            assert_eq!(
                session.get::<String>("text")?.as_deref(),
                Some("\u{0}\u{1f36a}\u{ffff}")
            );
            assert_eq!(session.get::<String>("long")?.unwrap().len(), 60_000);
            Ok("")
        }
    };
    assert_eq!(ada.visit(&sessions, read).await.status, 200);
}

fn any_data() -> impl Strategy<Value = BTreeMap<String, Value>> {
    let odd_keys = prop::sample::select(vec![
        "a.b",
        "x[0]",
        "#k",
        ":v",
        "\u{1f36a}",
        "data",
        "ttl",
        "size",
        " ",
        "\\",
        "\"",
        "a b",
        "$",
        "{}",
    ]);
    let key = prop_oneof![
        odd_keys.prop_map(str::to_owned),
        ".{1,40}",
        Just("k".repeat(300)),
    ];
    prop::collection::btree_map(key, any_json(), 0..8)
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(".*", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
