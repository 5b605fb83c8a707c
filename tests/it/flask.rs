//! Sessions of a Flask application are taken over.
//!
//! The items are those that the real packages have written (`flask/items.json`). `cargo xtask flask`
//! runs the packages themselves.

mod copies;
mod failures;
mod kept;
mod takeover;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ScalarAttributeType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_http::{Error, Request};
use lambda_sessions::layer::FlaskSessions;
use lambda_sessions::{DynamoDbStore, Session, SessionLayer};
use serde_json::{Map, Value};

use crate::support::{Browser, Item, Schema, Setup, Table, number, text};

const ITEMS: &str = include_str!("flask/items.json");
const UUID: &str = "d3ec920f-52dd-4e21-8ab9-01b592d31616";
const DATA: &str = r#"{"_permanent": true, "name": "ada", "visits": 7, "cart": [7, 9]}"#;

/// A table of Flask's beside the session table.
struct Flask {
    setup: Setup,
    old: Table,
}

impl Flask {
    async fn new() -> Self {
        let setup = Setup::new().await;
        let old = Table {
            endpoint: setup.table.endpoint.clone(),
            name: format!("{}-flask", setup.table.name),
            client: setup.table.client.clone(),
            schema: Schema::Default,
        };
        old.create("id", ScalarAttributeType::S).await;
        Self { setup, old }
    }

    fn settings(&self) -> FlaskSessions {
        FlaskSessions::table(&self.old.name)
    }

    fn sessions(&self) -> SessionLayer<DynamoDbStore> {
        self.with(self.settings())
    }

    fn with(&self, from: FlaskSessions) -> SessionLayer<DynamoDbStore> {
        self.setup.sessions.clone().import_from(from)
    }

    /// Stores a session as flask-dynamodb-sessions 0.1.2 does, and returns a browser that has it.
    async fn visitor(&self) -> Browser {
        self.put(DATA).await;
        Browser::with_cookie("session", UUID)
    }

    async fn put(&self, data: &str) {
        self.old.put(self.item(data)).await;
    }

    fn item(&self, data: &str) -> Item {
        let ttl = self.setup.clock.seconds() + 1_209_600;
        Item::from([
            ("id".to_owned(), text(UUID)),
            ("data".to_owned(), text(data)),
            ("modified".to_owned(), text("2026-11-25 13:55:53.252755")),
            ("ttl".to_owned(), number(ttl)),
        ])
    }

    /// Returns the number of sessions in the session table, and of all its items.
    async fn stored(&self) -> (usize, usize) {
        let items = self.setup.table.items().await;
        let records = items.iter().filter(|item| item.contains_key("data"));
        (records.count(), items.len())
    }
}

/// Returns all values of a session as JSON.
async fn dump(_: Request, session: Session) -> Result<String, Error> {
    let mut values = Map::new();
    for key in session.keys() {
        let value = session.get::<Value>(key.as_str())?;
        values.insert(key, value.unwrap_or_default());
    }
    Ok(Value::from(values).to_string())
}

/// Reads a recorded item.
fn attributes(item: &Value) -> Item {
    let members = item.as_object().unwrap().iter();
    members
        .map(|(name, value)| {
            let value = match (&value["S"], &value["N"], &value["B"]) {
                (Value::String(s), _, _) => text(s),
                (_, Value::String(n), _) => number(n),
                (_, _, Value::String(b)) => {
                    AttributeValue::B(Blob::new(STANDARD.decode(b).unwrap()))
                }
                _ => panic!("{name}"),
            };
            (name.clone(), value)
        })
        .collect()
}
