//! Every value comes back exactly as it was put.

use crate::store::arguments::Update;
use crate::store::conformance::support::{
    AT, NOW, TTL, created, expect_live, live, ok, record, set,
};
use crate::store::data::{Data, Entry};
use crate::store::record::Record;
use crate::store::session_store::SessionStore;

const KEYS: [&str; 11] = [
    "a.b",
    "x[0]",
    "#k",
    ":v",
    "\u{1f36a}",
    " ",
    "\\",
    "\"",
    "data",
    "ttl",
    "a b",
];

const VALUES: [&str; 18] = [
    "null",
    "true",
    "0",
    "-1",
    "-0.0",
    "1.0",
    "1e308",
    "0.1",
    "\"\"",
    "[]",
    "{}",
    "\"3\"",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "\"\\u0000\u{1f36a}\"",
    "{\"a\":[{\"b\":null}]}",
];

pub(super) async fn run(store: &impl SessionStore) {
    let long = "k".repeat(300);
    let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
    let numbered = (0..).map(|n| format!("v{n}")).zip(VALUES);
    let mut all: Vec<(String, &str)> = numbered.collect();
    all.extend(KEYS.map(|key| (key.to_owned(), "\"odd\"")));
    all.push((long, &deep));
    let put: Data = all
        .iter()
        .map(|(k, v)| (k.as_str(), Entry::from_json(*v)))
        .collect();

    let key = created(store, &Record::new(put.clone(), NOW, TTL)).await;
    assert_eq!(live(store, &key).await.data(), &put, "created");

    let key = created(store, &record(&[])).await;
    assert!(live(store, &key).await.data().is_empty());
    let pairs: Vec<(&str, &str)> = all.iter().map(|(k, v)| (k.as_str(), *v)).collect();
    let updated = ok(store.update(&key, Update::new(set(&pairs), AT)).await);
    assert_eq!(expect_live(updated).data(), &put, "returned by the update");
    assert_eq!(live(store, &key).await.data(), &put, "updated");
}
