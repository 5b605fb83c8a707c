//! A DynamoDB emulator in memory that serves HTTP and has the tables of `template.yaml`.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, anyhow};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Credentials;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TimeToLiveSpecification,
};
use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector, http_client_fn};
use dynoxide::Database;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(crate) const TABLE: &str = "sessions";
const USERS_TABLE: &str = "sessions-users";

pub(crate) struct Emulator {
    endpoint: String,
    client: Client,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), String>>,
}

impl Emulator {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let database =
            Database::memory().map_err(|error| anyhow!("the emulator has no database: {error}"))?;
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(dynoxide::server::serve_with_shutdown(
            listener,
            database,
            async {
                // Dropping the sender stops it too.
                let _ = stopped.await;
            },
        ));
        let client = client(&endpoint).await;
        create_table(&client, TABLE, &["id"]).await?;
        create_table(&client, USERS_TABLE, &["user", "session"]).await?;
        Ok(Self {
            endpoint,
            client,
            stop,
            server,
        })
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) async fn stop(self) -> Result<()> {
        let Self {
            client,
            stop,
            server,
            ..
        } = self;
        drop((client, stop));
        // The server also ends while a client keeps a connection open.
        if let Ok(ended) = timeout(Duration::from_secs(1), server).await {
            ended?.map_err(|error| anyhow!(error))?;
        }
        Ok(())
    }
}

/// Creates a client for an emulator, which accepts any credentials.
pub(crate) async fn client(endpoint: &str) -> Client {
    Client::new(&config(endpoint).await)
}

/// Returns an HTTP client without TLS, which the emulator does not have.
pub(crate) fn plain_http() -> SharedHttpClient {
    http_client_fn(|_, _| SharedHttpConnector::new(Connector::builder().build_http()))
}

/// Returns the configuration for an emulator.
pub(crate) async fn config(endpoint: &str) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(plain_http())
        .endpoint_url(endpoint)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("dummy", "dummy", None, None, "dummy"))
        .load()
        .await
}

/// Sets the environment of a function that uses the emulator's tables, and removes all settings of
/// the caller's own AWS account.
pub(crate) fn point_at(endpoint: &str, command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("AWS_") || name_text.starts_with("SESSION_") {
            command.env_remove(&name);
        }
    }
    command
        .env("SESSION_DYNAMODB_ENDPOINT", endpoint)
        .env("SESSION_DYNAMODB_TABLE", TABLE)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "dummy")
        .env("AWS_SECRET_ACCESS_KEY", "dummy");
}

/// Creates a table with these keys, the partition key first.
pub(crate) async fn create_table(client: &Client, table: &str, keys: &[&str]) -> Result<()> {
    let mut creation = client.create_table().table_name(table);
    for (key, key_type) in keys.iter().zip([KeyType::Hash, KeyType::Range]) {
        let attribute = AttributeDefinition::builder()
            .attribute_name(*key)
            .attribute_type(ScalarAttributeType::S);
        let key = KeySchemaElement::builder()
            .attribute_name(*key)
            .key_type(key_type);
        creation = creation
            .attribute_definitions(attribute.build()?)
            .key_schema(key.build()?);
    }
    creation
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await?;
    let ttl = TimeToLiveSpecification::builder()
        .attribute_name("ttl")
        .enabled(true)
        .build()?;
    client
        .update_time_to_live()
        .table_name(table)
        .time_to_live_specification(ttl)
        .send()
        .await?;
    Ok(())
}
