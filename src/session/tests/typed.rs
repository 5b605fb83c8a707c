//! A session as one struct.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Error, ErrorKind};
use crate::session::decision::{Outcome, Scope};
use crate::session::handle::Session;
use crate::session::tests::fake::{
    CREATED, FAILS, Fake, NOW, Reply, TTL, at_the_end, contents, data, id, rules, unread_session,
};
use crate::session::typed::Typed;
use crate::store::data::Entry;
use crate::store::native::NativeValue;
use crate::store::record::{Found, Record};

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
struct Shop {
    cart: Vec<u32>,
    #[serde(rename = "shopTheme")]
    theme: String,
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coupon: Option<String>,
    total: f32,
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct Account {
    name: String,
    age: u8,
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct Page {
    title: String,
    #[serde(flatten)]
    account: Account,
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
struct Rest {
    name: String,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct Renamed {
    #[serde(default, alias = "old")]
    new: u32,
    #[serde(default)]
    other: u32,
}

fn kind<T>(result: Result<T, Error>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[test]
fn typed_get_reads_one_key_for_each_field() {
    let session = Session::detached(json!({
        "cart": [1], "shopTheme": "dark", "note": null, "total": 0.1, "unknown": { "a": 1 },
    }));
    let expected = Shop {
        cart: vec![1],
        theme: "dark".to_owned(),
        total: 0.1,
        ..Shop::default()
    };
    assert_eq!(session.typed::<Shop>().get().unwrap(), expected);
    session.insert("coupon", "X").unwrap();
    let coupon = session.typed::<Shop>().get().unwrap().coupon;
    assert_eq!(coupon.as_deref(), Some("X"));
}

#[test]
fn typed_get_of_an_empty_session_uses_defaults() {
    let session = Session::detached(());
    assert_eq!(session.typed::<Shop>().get().unwrap(), Shop::default());
    assert_eq!(
        kind(session.typed::<Account>().get()),
        Some(ErrorKind::Deserialize)
    );
    let failure = session.typed::<Account>().get().unwrap_err();
    assert_eq!(session.failure().unwrap().kind(), ErrorKind::Deserialize);
    assert!(!format!("{failure} {failure:?}").contains("name"));
}

#[test]
fn typed_set_writes_only_fields_that_differ() {
    let session = Session::detached(json!({ "name": "ada", "age": 1, "other": 1 }));
    let account = |age| Account {
        name: "ada".to_owned(),
        age,
    };
    session.typed().set(&account(1)).unwrap();
    assert_eq!(at_the_end(&session), (Outcome::Keep, String::new()));

    let session = Session::detached(json!({ "name": "ada", "age": 1, "other": 1 }));
    session.typed().set(&account(2)).unwrap();
    assert_eq!(session.typed::<Account>().get().unwrap(), account(2));
    let written = (Outcome::Update(None), "age=2".to_owned());
    assert_eq!(at_the_end(&session), written);
}

#[test]
fn typed_set_removes_skipped_fields() {
    let session = Session::detached(json!({ "coupon": "X", "other": 1 }));
    session.typed().set(&Shop::default()).unwrap();
    let expected = json!({ "cart": [], "note": null, "other": 1, "shopTheme": "", "total": 0.0 });
    assert_eq!(contents(&session), expected);
    // Also if the stored values are of other types.
    session.insert("coupon", [1]).unwrap();
    session.insert("cart", "text").unwrap();
    session.typed().set(&Shop::default()).unwrap();
    assert_eq!(contents(&session), expected);
}

#[test]
fn typed_set_stores_the_texts_of_insert() {
    #[derive(Deserialize, Serialize)]
    struct Numbers {
        small: f32,
        large: u128,
        map: BTreeMap<String, Vec<f64>>,
    }
    let numbers = Numbers {
        small: 0.1,
        large: u128::MAX,
        map: BTreeMap::from([("a\"".to_owned(), vec![1e300, -0.0])]),
    };
    let session = Session::detached(());
    session.insert("small", numbers.small).unwrap();
    session.insert("large", numbers.large).unwrap();
    session.insert("map", &numbers.map).unwrap();
    let by_key = session.with(|state| state.shown()).unwrap();
    session.clear().unwrap();
    session.typed().set(&numbers).unwrap();
    assert_eq!(session.with(|state| state.shown()).unwrap(), by_key);
    let back: Numbers = session.typed().get().unwrap();
    assert_eq!((back.small, back.large), (0.1, u128::MAX));
    assert_eq!(back.map, numbers.map);
}

#[test]
fn typed_update_writes_only_changed_fields() {
    let session = Session::detached(json!({ "shopTheme": "dark", "coupon": "X", "other": 1 }));
    let shop: Typed<Shop> = session.typed();
    let coupon = shop.update(|shop| {
        shop.cart.push(7);
        shop.coupon.take()
    });
    assert_eq!(coupon.unwrap().as_deref(), Some("X"));
    let expected = json!({ "cart": [7], "other": 1, "shopTheme": "dark" });
    assert_eq!(contents(&session), expected);
    let written = (Outcome::Update(None), "cart=[7] coupon-".to_owned());
    assert_eq!(at_the_end(&session), written);
}

#[test]
fn typed_update_without_a_change_writes_nothing() {
    let session = Session::detached(json!({ "cart": [1] }));
    let length = session.typed().update(|shop: &mut Shop| shop.cart.len());
    assert_eq!(length.unwrap(), 1);
    assert_eq!(at_the_end(&session), (Outcome::Keep, String::new()));
}

#[test]
fn typed_update_does_not_run_after_a_failed_read() {
    let session = Session::detached(json!({ "cart": "no list" }));
    let updated = session.typed().update(|_: &mut Shop| unreachable!());
    assert_eq!(kind::<()>(updated), Some(ErrorKind::Deserialize));
    session.close();
    let updated = session.typed().update(|_: &mut Shop| unreachable!());
    assert_eq!(kind::<()>(updated), Some(ErrorKind::Misconfigured));
    let set = session.typed().set(&Shop::default());
    assert_eq!(kind(set), Some(ErrorKind::Misconfigured));
}

#[test]
fn typed_update_runs_without_the_lock() {
    let session = Session::detached(json!({ "shopTheme": "dark" }));
    session
        .typed()
        .update(|shop: &mut Shop| {
            // A clone changes a field that the function leaves as it is.
            session.insert("shopTheme", "light").unwrap();
            session.insert("other", 2).unwrap();
            shop.total = 1.5;
        })
        .unwrap();
    let expected = json!({ "other": 2, "shopTheme": "light", "total": 1.5 });
    assert_eq!(contents(&session), expected);
}

#[test]
fn typed_fields_may_be_flattened() {
    let session = Session::detached(json!({ "title": "a", "name": "b", "age": 1, "other": 2 }));
    let page = session.typed::<Page>();
    page.update(|page| page.account.age = 9).unwrap();
    assert_eq!(session.get("age").unwrap(), Some(9));
    page.set(&Page {
        title: "c".to_owned(),
        account: Account {
            name: "d".to_owned(),
            age: 3,
        },
    })
    .unwrap();
    let expected = json!({ "title": "c", "name": "d", "age": 3, "other": 2 });
    assert_eq!(contents(&session), expected);
}

#[test]
fn typed_flattened_map_holds_the_other_keys() {
    let session = Session::detached(json!({ "name": "a", "one": 1, "two": [2] }));
    let rest = session.typed::<Rest>();
    let removed = rest.update(|rest| rest.others.remove("one"));
    assert_eq!(removed.unwrap(), Some(json!(1)));
    assert_eq!(contents(&session), json!({ "name": "a", "two": [2] }));
    rest.update(|rest| rest.others.insert("three".to_owned(), json!(3)))
        .unwrap();
    let expected = json!({ "name": "a", "three": 3, "two": [2] });
    assert_eq!(contents(&session), expected);
}

#[test]
fn typed_alias_moves_to_the_field_when_written() {
    let session = Session::detached(json!({ "old": 1 }));
    let renamed = session.typed::<Renamed>();
    assert_eq!(renamed.get().unwrap().new, 1);
    renamed.update(|_| ()).unwrap();
    assert_eq!(contents(&session), json!({ "old": 1 }), "nothing changed");
    renamed.update(|renamed| renamed.other = 5).unwrap();
    assert_eq!(contents(&session), json!({ "new": 1, "other": 5 }));

    let session = Session::detached(json!({ "old": 1 }));
    session.typed().set(&Renamed { new: 2, other: 0 }).unwrap();
    assert_eq!(contents(&session), json!({ "new": 2, "other": 0 }));
}

/// Values that other programs stored are not JSON.
#[test]
fn typed_ignores_other_values_without_json() {
    let mut stored = data(&[("name", "\"ada\""), ("age", "1"), ("bad", "not json")]);
    stored.insert("native", Entry::native(NativeValue::Bool(true), None));
    stored.insert("title", Entry::from_json("\"t\""));
    let session = unread_session(id("A"));
    let found = Found::Live(Record::new(stored, CREATED, TTL));
    session.loaded(found, None, NOW, &rules());
    session
        .typed()
        .update(|account: &mut Account| account.age += 1)
        .unwrap();
    session
        .typed()
        .update(|page: &mut Page| page.account.age += 1)
        .unwrap();
    let rest = session.typed::<Rest>().get().unwrap();
    assert!(rest.others.keys().eq(["age", "title"]));
    session.typed().set(&rest).unwrap();
    assert_eq!(session.keys(), ["age", "bad", "name", "native", "title"]);
    let written = (Outcome::Update(None), "age=3".to_owned());
    assert_eq!(at_the_end(&session), written);
}

#[test]
fn typed_field_without_json_is_an_error() {
    #[derive(Deserialize, Serialize)]
    struct Native {
        native: Option<u8>,
    }
    for entry in [
        Entry::native(NativeValue::Bool(true), None),
        Entry::from_json("not json"),
    ] {
        let stored = [("native", entry)].into_iter().collect();
        let session = unread_session(id("A"));
        let found = Found::Live(Record::new(stored, CREATED, TTL));
        session.loaded(found, None, NOW, &rules());
        let error = session.typed::<Native>().get().err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Deserialize);
        assert!(!format!("{error:?}").contains("not json"));
    }
}

#[test]
fn typed_of_no_object_fails() {
    let session = Session::detached(json!({ "a": 1 }));
    for set in [
        session.typed().set(&7),
        session.typed().set(&()),
        session.typed().set(&vec![("a".to_owned(), 1)]),
        session.typed().set(&"text".to_owned()),
        session.typed().set(&BTreeMap::from([(vec![1_u8], 1)])),
    ] {
        assert_eq!(kind(set), Some(ErrorKind::Serialize));
    }
    let got = session.typed::<u8>().get();
    assert_eq!(kind(got), Some(ErrorKind::Deserialize));
    assert_eq!(contents(&session), json!({ "a": 1 }));
}

#[test]
fn typed_with_an_invalid_key_changes_nothing() {
    let session = Session::detached(json!({ "b": 1 }));
    for key in [String::new(), "k".repeat(65_536)] {
        let values = BTreeMap::from([("a".to_owned(), 1), (key, 2), ("z".to_owned(), 3)]);
        let set = session.typed().set(&values);
        assert_eq!(kind(set), Some(ErrorKind::InvalidKey));
        assert_eq!(contents(&session), json!({ "b": 1 }));
    }
    let deep = (0..200).fold(json!([]), |inner, _| json!([inner]));
    let set = session
        .typed()
        .set(&BTreeMap::from([("a".to_owned(), deep)]));
    assert_eq!(kind(set), Some(ErrorKind::Serialize));
}

#[tokio::test]
async fn typed_changes_merge_with_other_requests() {
    let fake = Fake::holding(&[("cart", "[1]"), ("total", "1.0")]);
    let fake = fake.replying([FAILS, Reply::After("total", "2.0")]);
    let (session, fake) = fake.session().await;
    let shop = session.typed::<Shop>();
    shop.update(|shop| shop.cart.push(2)).unwrap();
    session.save().await.unwrap_err();
    assert_eq!(shop.get().unwrap().cart, [1, 2]);
    session.save().await.unwrap();
    let merged = shop.get().unwrap();
    assert_eq!((merged.cart, merged.total), (vec![1, 2], 2.0));
    assert_eq!(fake.sent(), ["Update(None) cart=[1,2]"; 2]);
}

#[tokio::test]
async fn typed_sees_updates_and_increments() {
    let (session, _) = Fake::holding(&[("age", "1")]).session().await;
    session.increment("age", 1).unwrap();
    session
        .update("name", |name: &mut String| name.push('a'))
        .unwrap();
    session
        .typed()
        .update(|account: &mut Account| {
            assert_eq!((account.name.as_str(), account.age), ("a", 2));
            account.age += 1;
        })
        .unwrap();
    let pending = session.take_pending(Scope::Commit, NOW, &rules()).unwrap();
    let after = pending.changes.apply(pending.record.data()).unwrap();
    assert_eq!(after.get("age").and_then(Entry::json), Some("3"));
    pending.failed(Error::new(ErrorKind::Unavailable, "only asked"));
}

#[test]
fn typed_debug_shows_no_secret() {
    let session = Session::detached(json!({ "secret-key": "secret-value" }));
    let shown = format!("{:?}", session.typed::<Shop>().clone());
    assert!(
        shown.starts_with("Typed(") && !shown.contains("secret"),
        "{shown}"
    );
}
