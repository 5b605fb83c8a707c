//! Values on their way through a session, the SDK, HTTP and DynamoDB, and back.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use lambda_http::Request;
use lambda_sessions::Session;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::{Browser, Setup, count, cycle, direct_sessions, number, stored_value, text};

/// Any JSON value is returned unchanged under any key: when it is created, when it is changed and
/// when the id is cycled.
#[test]
fn value_of_any_kind_round_trips() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (sessions, _table) = runtime.block_on(async {
        let (sessions, table, _) = direct_sessions().await;
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
                let mut browser = Browser::new();
                for (values, cycles) in [(&first, false), (&second, false), (&first, true)] {
                    let write = |_: Request, session: Session| async move {
                        for (key, value) in values {
                            session.insert(key, value)?;
                        }
                        if cycles {
                            session.cycle_id()?;
                        }
                        Ok("")
                    };
                    assert_eq!(browser.visit(&sessions, write).await.status, 200);
                    let read = |_: Request, session: Session| async move {
                        for (key, value) in values {
                            let back: Value = session.get(key)?.expect("it is there");
                            assert_eq!(back.to_string(), value.to_string());
                        }
                        Ok("")
                    };
                    assert_eq!(browser.visit(&sessions, read).await.status, 200);
                }
            });
            Ok(())
        })
        .unwrap();
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

/// Values at the limits of Rust's types are returned unchanged.
#[tokio::test]
async fn value_at_the_edge_of_its_type_round_trips() {
    let (sessions, ..) = direct_sessions().await;
    let mut ada = Browser::new();
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

/// Returns a browser whose session has this value under `n`.
async fn with_value(setup: &Setup, value: AttributeValue) -> Browser {
    let ada = setup.guest(count).await;
    let mut item = setup.table.item().await;
    let AttributeValue::M(data) = item.get_mut("data").unwrap() else {
        panic!("data is a map");
    };
    data.insert("n".to_owned(), value);
    setup.table.put(item).await;
    ada
}

#[tokio::test]
async fn value_of_another_program_is_updated_once() {
    let digits = "12345678901234567890123456789012345678";
    for value in [
        number("1.5"),
        number("1.50"),
        number("1E+100"),
        number(digits),
        number(-3.25),
        // This is a text that looks like an integer.
        text("7"),
    ] {
        let setup = Setup::new().await;
        let mut ada = with_value(&setup, value.clone()).await;
        let before = stored_value(&setup.table.items().await, "n");
        let look = |_: Request, session: Session| async move {
            Ok(session.get::<f64>("n")?.unwrap().to_string())
        };
        let read: f64 = ada.visit(&setup.sessions, look).await.body.parse().unwrap();
        // An unchanged value keeps its form, also under another id.
        assert_eq!(ada.visit(&setup.sessions, cycle).await.status, 200);
        assert_eq!(stored_value(&setup.table.items().await, "n"), before);
        setup.proxy.calls();
        let halve = |_: Request, session: Session| async move {
            session.update("n", |n: &mut f64| *n /= 2.0)?;
            Ok("")
        };
        let reply = ada.visit(&setup.sessions, halve).await;
        assert_eq!((reply.status, setup.kinds().len()), (200, 0), "{value:?}");
        assert_eq!(setup.proxy.calls(), ["GetItem", "UpdateItem"], "{value:?}");
        let now: f64 = ada.visit(&setup.sessions, look).await.body.parse().unwrap();
        assert_eq!(now.to_bits(), (read / 2.0).to_bits(), "{value:?}");
    }
}
