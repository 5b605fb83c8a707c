//! A table for one test, on the embedded emulator or on the DynamoDB Local at
//! `LAMBDA_SESSIONS_TEST_ENDPOINT`.

use std::collections::HashMap;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    ScalarAttributeType,
};
use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::{SharedHttpConnector, http_client_fn};
use aws_types::sdk_config::Builder;
use lambda_sessions::DynamoDbStore;

use super::schema::Schema;

pub type Item = HashMap<String, AttributeValue>;

/// A table, and a client that reads it without being counted by a proxy.
pub struct Table {
    pub endpoint: String,
    pub name: String,
    pub client: Client,
    pub schema: Schema,
}

impl Table {
    /// Creates an empty table with a partition key `id`, or the single table if the environment
    /// says so.
    pub async fn new() -> Self {
        match Schema::of_environment() {
            Schema::Single => Self::single().await,
            Schema::Default => {
                let table = Self::named_only().await;
                table.create("id", ScalarAttributeType::S).await;
                table
            }
        }
    }

    /// Creates a table for the sessions, the rows of users, and other items.
    pub async fn single() -> Self {
        let mut table = Self::named_only().await;
        table.schema = Schema::Single;
        table.create_with_sort_key(&table.name, ["PK", "SK"]).await;
        table
    }

    /// Creates an empty table and the table of users' sessions.
    pub async fn with_users() -> Self {
        let table = Self::new().await;
        table.create_users().await;
        table
    }

    /// Returns a DynamoDB in which the table does not exist.
    pub async fn named_only() -> Self {
        let endpoint = match std::env::var("LAMBDA_SESSIONS_TEST_ENDPOINT") {
            Ok(endpoint) => endpoint,
            Err(_) => start_emulator().await,
        };
        Self {
            client: client(&endpoint),
            name: format!("sessions-{}", unique()),
            endpoint,
            schema: Schema::of_environment(),
        }
    }

    pub async fn create(&self, key: &str, key_type: ScalarAttributeType) {
        let attribute = AttributeDefinition::builder()
            .attribute_name(key)
            .attribute_type(key_type);
        let schema = KeySchemaElement::builder()
            .attribute_name(key)
            .key_type(KeyType::Hash);
        self.client
            .create_table()
            .table_name(&self.name)
            .attribute_definitions(attribute.build().unwrap())
            .key_schema(schema.build().unwrap())
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await
            .unwrap();
    }

    pub async fn create_users(&self) {
        if self.schema == Schema::Default {
            let keys = ["user", "session"];
            self.create_with_sort_key(&self.users(), keys).await;
        }
    }

    pub async fn create_with_sort_key(&self, name: &str, [partition, sort]: [&str; 2]) {
        let keys = [(partition, KeyType::Hash), (sort, KeyType::Range)];
        let attribute = |name: &str| {
            let attribute = AttributeDefinition::builder().attribute_name(name);
            let attribute = attribute.attribute_type(ScalarAttributeType::S);
            attribute.build().unwrap()
        };
        let schema = |name: &str, kind| {
            let schema = KeySchemaElement::builder().attribute_name(name);
            schema.key_type(kind).build().unwrap()
        };
        self.client
            .create_table()
            .table_name(name)
            .set_attribute_definitions(Some(keys.iter().map(|(name, _)| attribute(name)).collect()))
            .set_key_schema(Some(
                keys.into_iter()
                    .map(|(name, kind)| schema(name, kind))
                    .collect(),
            ))
            .billing_mode(BillingMode::PayPerRequest)
            .send()
            .await
            .unwrap();
    }

    /// Returns the name of the table of users' sessions.
    pub fn users(&self) -> String {
        match self.schema {
            Schema::Default => format!("{}-users", self.name),
            Schema::Single => self.name.clone(),
        }
    }

    /// Returns a store that talks to the table directly.
    pub fn store(&self) -> DynamoDbStore {
        self.store_at(&self.endpoint)
    }

    /// Returns a store that talks to the table at another endpoint, such as a proxy.
    pub fn store_at(&self, endpoint: &str) -> DynamoDbStore {
        store_with(self.schema, &config(endpoint).build(), &self.name)
    }

    pub async fn items(&self) -> Vec<Item> {
        let all = self.all_of(&self.name).await.into_iter();
        all.filter_map(|item| self.schema.session(item)).collect()
    }

    /// Returns the rows of users' sessions.
    pub async fn rows(&self) -> Vec<Item> {
        let all = self.all_of(&self.users()).await.into_iter();
        all.filter_map(|item| self.schema.row(item)).collect()
    }

    pub async fn all_of(&self, table: &str) -> Vec<Item> {
        let scan = self.client.scan().table_name(table);
        scan.consistent_read(true)
            .send()
            .await
            .unwrap()
            .items
            .unwrap_or_default()
    }

    /// Returns the only item.
    pub async fn item(&self) -> Item {
        let mut items = self.items().await;
        assert_eq!(items.len(), 1, "one item is there");
        items.remove(0)
    }

    pub async fn put(&self, item: Item) {
        let put = self.client.put_item().table_name(&self.name);
        put.set_item(Some(self.schema.stored(item)))
            .send()
            .await
            .unwrap();
    }

    pub async fn delete(&self, id: &AttributeValue) {
        let delete = self.client.delete_item().table_name(&self.name);
        let key = self.key(id);
        delete.set_key(Some(key)).send().await.unwrap();
    }

    /// Returns the key of a session's item in the table.
    pub fn key(&self, id: &AttributeValue) -> Item {
        self.schema.stored([("id".to_owned(), id.clone())].into())
    }
}

/// Returns a store. With `client` in `LAMBDA_SESSIONS_TEST_TRANSPORT`, its requests go through the
/// SDK's client.
pub fn store(config: &SdkConfig, table: &str) -> DynamoDbStore {
    store_with(Schema::of_environment(), config, table)
}

fn store_with(schema: Schema, config: &SdkConfig, table: &str) -> DynamoDbStore {
    let store = match std::env::var("LAMBDA_SESSIONS_TEST_TRANSPORT").as_deref() {
        Ok("client") => DynamoDbStore::new(Client::new(config), table).unwrap(),
        Ok(other) => panic!("unknown transport: {other}"),
        Err(_) => DynamoDbStore::from_config(config, table).unwrap(),
    };
    schema.set(store, table)
}

/// Returns a client that reads and writes items directly.
pub fn client(endpoint: &str) -> Client {
    let http = http_client_fn(|_, _| SharedHttpConnector::new(Connector::builder().build_http()));
    Client::new(&config(endpoint).http_client(http).build())
}

/// Returns a configuration with credentials that no emulator checks. An attempt may take longer
/// than by default, because the machine may be busy.
pub fn config(endpoint: &str) -> Builder {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(5))
        .build();
    let credentials = Credentials::new("test", "test", None, None, "tests");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .timeout_config(timeouts)
        .endpoint_url(endpoint)
}

/// Starts an emulator that lives as long as the test's runtime.
async fn start_emulator() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let database = dynoxide::Database::memory().unwrap();
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    format!("http://{address}")
}

/// Returns the attribute of a number.
pub fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Returns the attribute of a text.
pub fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// Returns the value that the only record among these items stores under `key`.
pub fn stored_value(items: &[Item], key: &str) -> AttributeValue {
    let record = items.iter().find_map(|item| item.get("data"));
    record.unwrap().as_m().unwrap()[key].clone()
}

/// Returns a name that no other test has, in this process or another.
pub fn unique() -> String {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    format!("{:016x}", u64::from_le_bytes(bytes))
}
