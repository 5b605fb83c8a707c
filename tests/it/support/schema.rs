//! The names of a test's tables: the default ones, or those of a single table with `PK` and `SK`
//! that holds the sessions, the rows of users, and an item of another program.
//!
//! Tests see items with the default names in both cases. The names are converted here again,
//! without the library.

use aws_sdk_dynamodb::types::AttributeValue;
use lambda_sessions::DynamoDbStore;
use lambda_sessions::store::TableSchema;

use super::dynamodb::{Item, text};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    Default,
    Single,
}

impl Schema {
    /// Returns the single table with `single` in `LAMBDA_SESSIONS_TEST_SCHEMA`.
    pub fn of_environment() -> Self {
        match std::env::var("LAMBDA_SESSIONS_TEST_SCHEMA").as_deref() {
            Ok("single") => Self::Single,
            Ok(other) => panic!("unknown schema: {other}"),
            Err(_) => Self::Default,
        }
    }

    /// Sets the schema of a store in the table with that name.
    pub fn set(self, store: DynamoDbStore, table: &str) -> DynamoDbStore {
        if self == Self::Default {
            return store;
        }
        let single = TableSchema::new().ttl("expires_at");
        let sessions = single.clone().partition_key("PK", "SESSION#");
        let users = single.partition_key("PK", "USER#");
        store
            .schema(sessions.sort_key("SK", "SESSION"))
            .and_then(|store| store.users_table(table))
            .and_then(|store| store.users_schema(users.sort_key("SK", "SESSION#")))
            .unwrap()
    }

    /// Returns an item of a session as it is in the table.
    pub fn stored(self, mut item: Item) -> Item {
        if self == Self::Single {
            let theirs = item.remove("expires_at");
            rename(&mut item, "ttl", "expires_at");
            item.extend(theirs.map(|value| ("ttl".to_owned(), value)));
            rename(&mut item, "id", "PK");
            change(&mut item, "PK", |id| format!("SESSION#{id}"));
            item.insert("SK".to_owned(), text("SESSION"));
        }
        item
    }

    /// Returns an item of the table with the default names, if it is one of a session.
    pub fn session(self, mut item: Item) -> Option<Item> {
        if self == Self::Single {
            if item["SK"] != text("SESSION") {
                return None;
            }
            item.remove("SK");
            rename(&mut item, "PK", "id");
            change(&mut item, "id", |id| id.replacen("SESSION#", "", 1));
            let theirs = item.remove("ttl");
            rename(&mut item, "expires_at", "ttl");
            item.extend(theirs.map(|value| ("expires_at".to_owned(), value)));
        }
        Some(item)
    }

    /// Returns a row of a user as it is in the table.
    pub fn stored_row(self, mut row: Item) -> Item {
        if self == Self::Single {
            rename(&mut row, "user", "PK");
            change(&mut row, "PK", |user| format!("USER#{user}"));
            rename(&mut row, "session", "SK");
            change(&mut row, "SK", |session| format!("SESSION#{session}"));
            rename(&mut row, "ttl", "expires_at");
        }
        row
    }

    /// Returns an item of the table with the default names, if it is a row of a user.
    pub fn row(self, mut item: Item) -> Option<Item> {
        if self == Self::Single {
            if !item["SK"].as_s().unwrap().starts_with("SESSION#") {
                return None;
            }
            rename(&mut item, "PK", "user");
            change(&mut item, "user", |user| user.replacen("USER#", "", 1));
            rename(&mut item, "SK", "session");
            change(&mut item, "session", |it| it.replacen("SESSION#", "", 1));
            rename(&mut item, "expires_at", "ttl");
        }
        Some(item)
    }
}

fn rename(item: &mut Item, from: &str, to: &str) {
    if let Some(value) = item.remove(from) {
        item.insert(to.to_owned(), value);
    }
}

fn change(item: &mut Item, name: &str, change: impl Fn(&str) -> String) {
    if let Some(AttributeValue::S(value)) = item.get_mut(name) {
        *value = change(value);
    }
}
