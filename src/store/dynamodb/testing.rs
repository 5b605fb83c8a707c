//! Values, items and checks for the unit tests of this folder.

use std::collections::BTreeSet;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;
use serde_json::Value;

use crate::clock::Timestamp;
use crate::id::{SessionId, StorageKey};
use crate::store::dynamodb::clock::Clock;
use crate::store::dynamodb::expression::Expression;
use crate::store::dynamodb::transport::Transport;
use crate::store::dynamodb::transport::credentials::Credentials;
use crate::store::dynamodb::transport::lean::Lean;
use crate::store::dynamodb::transport::sdk_client::SdkClient;

/// The time of a test.
pub(super) const NOW: Timestamp = Timestamp::from_epoch_seconds(1_700_000_000);

/// The clauses that require a session of ours.
pub(super) const OURS: &str = "attribute_type(#d,:p) AND attribute_type(created,:c) \
                               AND (attribute_not_exists(fmt) OR fmt=:i)";
/// Its first clause.
pub(super) const MAP: &str = "attribute_type(#d,:p)";
/// Its other clauses.
pub(super) const FORM: &str =
    "attribute_type(created,:c) AND (attribute_not_exists(fmt) OR fmt=:i)";

/// The attributes that expressions name without a placeholder. None is among the [reserved
/// words](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html),
/// which DynamoDB and its emulators refuse.
const BARE: [&str; 10] = [
    "created",
    "ends",
    "fence",
    "fmt",
    "id",
    "idle",
    "label",
    "modified",
    "persistent",
    "version",
];
/// The words of an expression that name no attribute.
const KEYWORDS: [&str; 11] = [
    "ADD",
    "AND",
    "BETWEEN",
    "NOT",
    "OR",
    "REMOVE",
    "SET",
    "attribute_exists",
    "attribute_not_exists",
    "attribute_type",
    "if_not_exists",
];

/// Returns a text.
pub(super) fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

/// Returns a number.
pub(super) fn n(n: impl ToString) -> AttributeValue {
    AttributeValue::N(n.to_string())
}

/// Returns a map.
pub(super) fn m<const N: usize>(entries: [(&str, AttributeValue); N]) -> AttributeValue {
    AttributeValue::M(entries.map(|(key, value)| (key.to_owned(), value)).into())
}

/// Returns one value of each type.
pub(super) fn of_each_type() -> Vec<AttributeValue> {
    vec![
        s("1700000001"),
        n("1700000001"),
        AttributeValue::B(Blob::new(b"\0\xff")),
        AttributeValue::Bool(true),
        AttributeValue::Null(true),
        AttributeValue::L(vec![n("1"), s("a")]),
        m([("a", n("1"))]),
        AttributeValue::Ss(vec!["a".to_owned()]),
        AttributeValue::Ns(vec!["1".to_owned()]),
        AttributeValue::Bs(vec![Blob::new(b"a")]),
    ]
}

/// Returns the storage key of the id of 43 times `A`.
pub(super) fn key() -> StorageKey {
    let id = SessionId::parse("A".repeat(43).as_bytes()).unwrap();
    id.storage_key().clone()
}

/// Generates the JSON text of a value.
pub(super) fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
    .prop_map(|value| value.to_string())
}

/// Checks that each placeholder is defined and used, that no name is a reserved word, and that no
/// two paths overlap. DynamoDB refuses the expression otherwise.
pub(super) fn check_placeholders(expression: &Expression) {
    let text = format!("{} {}", expression.update, expression.condition);
    let names = expression.names.keys().cloned().collect();
    let values = expression.values.keys().cloned().collect();
    assert_eq!(placeholders(&text, '#'), names, "{text}");
    assert_eq!(placeholders(&text, ':'), values, "{text}");
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_#:".contains(c);
    for word in text.split(|c| !is_name(c)) {
        let is_placeholder = word.is_empty() || word.starts_with(['#', ':']);
        let is_known = BARE.contains(&word) || KEYWORDS.contains(&word);
        assert!(is_placeholder || is_known, "{word} in {text}");
    }
    let mut update = expression.update.clone();
    for action in ["ADD ", "SET ", "REMOVE "] {
        update = update.replace(action, ",");
    }
    let targets = update
        .split(',')
        .filter_map(|target| target.split([' ', '=']).next())
        .filter(|target| !target.is_empty() && !target.starts_with(':'));
    let mut seen = BTreeSet::new();
    for target in targets {
        assert!(seen.insert(target), "{target} twice in {text}");
    }
    assert!(
        !seen.contains("#d") || !seen.iter().any(|path| path.starts_with("#d.")),
        "{text}"
    );
}

/// Returns the placeholders that begin with the mark.
fn placeholders(text: &str, mark: char) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric();
    text.match_indices(mark)
        .map(|(at, _)| {
            let name = text[at + 1..].split(|c| !is_name(c)).next();
            format!("{mark}{}", name.unwrap_or_default())
        })
        .collect()
}

/// Returns the clock and the credentials of a store with this configuration.
pub(super) fn parts(config: &SdkConfig) -> (Clock, Credentials) {
    (
        Clock::new(config.time_source()),
        Credentials::new(config.identity_cache()),
    )
}

/// Returns both transports for a configuration.
pub(super) fn transports(config: &SdkConfig) -> [Transport; 2] {
    let (clock, credentials) = parts(config);
    [
        Transport::Lean(Lean::new(config, &clock, &credentials).unwrap()),
        Transport::SdkClient(SdkClient::of_config(config, &clock, &credentials)),
    ]
}
