//! The items in the table, attribute by attribute, and items that other programs have changed.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambda_http::{Error, Request};
use lambda_sessions::{ErrorKind, Session, SessionExt as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::support::{
    Browser, Item, Setup, Table, assert_refused, count, cycle, direct_sessions, logout,
    logout_write_only, minutes,
};

fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn names(item: &Item) -> BTreeSet<&str> {
    item.keys().map(String::as_str).collect()
}

async fn start(_: Request, session: Session) -> Result<&'static str, Error> {
    session.insert("name", "ada")?;
    session.insert("visits", 3)?;
    session.insert("ratio", 1.5)?;
    session.insert("list", [1, 2])?;
    Ok("")
}

#[tokio::test]
async fn item_of_a_new_session_has_these_attributes() {
    let (sessions, table, clock) = direct_sessions().await;
    let mut ada = Browser::new();
    ada.visit(&sessions, start).await;
    let item = table.item().await;
    let expected = [
        "created", "data", "id", "modified", "ttl", "version", "write",
    ];
    assert_eq!(names(&item), BTreeSet::from(expected));

    let bytes = URL_SAFE_NO_PAD.decode(ada.id().unwrap()).unwrap();
    assert_eq!(bytes.len(), 32);
    assert_eq!(
        item["id"],
        text(URL_SAFE_NO_PAD.encode(Sha256::digest(&bytes)))
    );
    assert_eq!(item["created"], number(clock.seconds()));
    assert_eq!(item["ttl"], number(clock.seconds() + 14 * 24 * 60 * 60));
    assert_eq!(item["modified"], text("2033-05-18T03:33:20Z"));
    assert_eq!(item["version"], number(1));
    assert_eq!(item["write"].as_s().unwrap().len(), 8);
    let data = item["data"].as_m().unwrap();
    assert_eq!(data["name"], text("\"ada\""));
    assert_eq!(data["visits"], number(3));
    assert_eq!(data["ratio"], text("1.5"));
    assert_eq!(data["list"], text("[1,2]"));
    assert_eq!(data.len(), 4);

    assert!(
        !format!("{item:?}").contains(ada.id().unwrap()),
        "a stolen table opens nothing"
    );
}

#[tokio::test]
async fn item_after_each_write_has_these_attributes() {
    let (sessions, table, clock) = direct_sessions().await;
    let mut ada = Browser::new();
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
    assert_eq!(updated["version"], number(2));
    assert_ne!(updated["write"], created["write"]);
    assert_eq!(updated["modified"], text("2033-05-18T03:34:20Z"));
    assert_eq!(
        (&updated["created"], &updated["ttl"]),
        (&created["created"], &created["ttl"])
    );
    let data = updated["data"].as_m().unwrap();
    assert_eq!(
        (data["visits"].clone(), data.contains_key("ratio")),
        (number(4), false)
    );

    clock.advance(minutes(60));
    ada.visit(&sessions, |_, _| async { Ok("") }).await;
    let touched = table.item().await;
    assert_eq!(touched["ttl"], number(clock.seconds() + 14 * 24 * 60 * 60));
    assert_eq!(touched["modified"], text("2033-05-18T04:34:20Z"));
    for same in ["version", "write", "created", "data", "id"] {
        assert_eq!(touched[same], updated[same], "a touch leaves {same}");
    }

    let old = touched["id"].clone();
    ada.visit(&sessions, |_, session: Session| async move {
        session.cycle_id()?;
        Ok("")
    })
    .await;
    let (tombstones, records): (Vec<_>, Vec<_>) = table
        .items()
        .await
        .into_iter()
        .partition(|item| item["id"] == old);
    let tombstone = &tombstones[0];
    assert_eq!(
        names(tombstone),
        BTreeSet::from(["id", "modified", "retired", "ttl"])
    );
    assert_eq!(tombstone["retired"], AttributeValue::Bool(true));
    assert_eq!(
        tombstone["modified"], touched["modified"],
        "the time of its death"
    );
    assert_eq!(tombstone["ttl"], number(clock.seconds() + 120));
    let cycled = &records[0];
    assert_eq!(names(cycled), names(&created));
    assert_eq!(
        (&cycled["version"], &cycled["created"]),
        (&number(3), &created["created"])
    );
    assert_eq!(cycled["data"], touched["data"]);
}

/// Replaces the browser's item with a changed one, and returns it.
async fn corrupt(table: &Table, change: impl FnOnce(&mut Item)) -> Item {
    let mut item = table.item().await;
    change(&mut item);
    table.put(item.clone()).await;
    item
}

type Defacement = fn(&mut Item);

#[tokio::test]
async fn item_of_a_foreign_shape_is_left_alone() {
    let shapes: [(&str, Defacement); 8] = [
        ("no data", |item| drop(item.remove("data"))),
        ("the predecessor's data", |item| {
            drop(item.insert("data".into(), text("gASVCgAAAAAAAAB9lA==")))
        }),
        ("data of another type", |item| {
            drop(item.insert("data".into(), AttributeValue::L(vec![])))
        }),
        ("no ttl", |item| drop(item.remove("ttl"))),
        ("ttl as text", |item| {
            drop(item.insert("ttl".into(), text("2999999999")))
        }),
        ("no created", |item| drop(item.remove("created"))),
        ("created as text", |item| {
            drop(item.insert("created".into(), text("2000000000")))
        }),
        ("another program's", |item| {
            item.retain(|name, _| name == "id")
        }),
    ];
    for (shape, deface) in shapes {
        let (sessions, table, _) = direct_sessions().await;
        let mut ada = Browser::new();
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
        let write_only = |request: Request| async move {
            request.write_only_session()?.insert("a", 1)?;
            Ok("")
        };
        assert_eq!(
            old.clone()
                .visit_layered(&sessions, write_only)
                .await
                .status,
            200,
            "{shape}"
        );
        for way in ["read", "write-only"] {
            let mut old = old.clone();
            let reply = match way {
                "read" => old.visit(&sessions, logout).await,
                _ => old.visit_layered(&sessions, logout_write_only).await,
            };
            assert_eq!((reply.status, old.cookie()), (200, None), "{shape}, {way}");
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
async fn item_of_a_newer_format_is_corrupt() {
    for format in [number(2), number(0), text("1"), AttributeValue::Bool(true)] {
        let (sessions, table, clock) = direct_sessions().await;
        let mut ada = Browser::new();
        ada.visit(&sessions, start).await;
        let newer = corrupt(&table, |item| {
            drop(item.insert("fmt".into(), format.clone()))
        })
        .await;
        let never = |_: Request, _: Session| async { Err::<&str, Error>("was called".into()) };
        let reply = ada.visit(&sessions, never).await;
        assert_eq!((reply.status, reply.cookies.len()), (503, 0), "{format:?}");
        let write_only = |request: Request| async move {
            request.write_only_session()?.insert("a", 1)?;
            Ok("")
        };
        assert_eq!(ada.visit_layered(&sessions, write_only).await.status, 503);
        assert_eq!(
            ada.visit_layered(&sessions, logout_write_only).await.status,
            503
        );
        assert_eq!(table.item().await, newer, "{format:?}");
        clock.advance(crate::support::days(15));
        assert_eq!(
            ada.visit(&sessions, start).await.status,
            200,
            "dead is dead in every format"
        );
    }
    let (sessions, table, _) = direct_sessions().await;
    let mut ada = Browser::new();
    ada.visit(&sessions, start).await;
    corrupt(&table, |item| drop(item.insert("fmt".into(), number(1)))).await;
    assert_eq!(
        ada.visit(&sessions, count).await.body,
        "4",
        "ours, said aloud"
    );
}

/// Unreadable values are kept. Only a request for one of them fails.
#[tokio::test]
async fn item_keeps_what_cannot_be_read() {
    let (sessions, table, _) = direct_sessions().await;
    let mut ada = Browser::new();
    ada.visit(&sessions, start).await;
    let odd: BTreeMap<&str, AttributeValue> = BTreeMap::from([
        ("bytes", AttributeValue::B(Blob::new([0, 255]))),
        ("null", AttributeValue::Null(true)),
        ("flag", AttributeValue::Bool(true)),
        ("items", AttributeValue::L(vec![number(1)])),
        ("set", AttributeValue::Ss(vec!["a".into()])),
        ("broken", text("{not json")),
    ]);
    corrupt(&table, |item| {
        item.insert("team".into(), text("blue"));
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
    ada.visit(&sessions, cycle).await;
    let items = table.items().await;
    let record = items.iter().find(|item| item.contains_key("data")).unwrap();
    assert_eq!(record["team"], text("blue"));
    let data = record["data"].as_m().unwrap();
    for (key, value) in &odd {
        assert_eq!(&data[*key], value, "{key}: byte for byte");
    }
    assert_eq!(data.len(), 4 + 6 + 1 + 500);
}

/// The version is read as 0, and no condition with that version ever holds.
#[tokio::test]
async fn item_with_a_malformed_version_is_corrupt() {
    let many = |_: Request, session: Session| async move {
        for n in 0..300 {
            session.insert(format!("key-{n}"), n)?;
        }
        Ok("")
    };
    for cycles in [false, true] {
        let setup = Setup::new().await;
        let mut ada = setup.guest(count).await;
        let mut item = setup.table.item().await;
        item.insert("version".to_owned(), text("1"));
        setup.table.put(item.clone()).await;
        let reply = match cycles {
            true => ada.visit(&setup.sessions, cycle).await,
            false => ada.visit(&setup.sessions, many).await,
        };
        assert_refused(&reply, 503, "it cannot be written");
        assert_eq!(setup.proxy.calls().len(), 2, "cycles: {cycles}");
        assert_eq!(setup.kinds(), [ErrorKind::Corrupt]);
        assert_eq!(setup.table.item().await, item);
    }
}
