//! The client: how it is made, warmed up, and made again after a SnapStart restore.

use std::sync::PoisonError;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Region;
use lambda_http::{BoxFuture, SnapStartResource};

use crate::config::TableSettings;
use crate::error::{Error, ErrorKind};
use crate::store::dynamodb::{
    ATTEMPT_TIMEOUT, CONNECT_TIMEOUT, DynamoDbStore, FIRST_BACKOFF, OPERATION_TIMEOUT,
};

impl DynamoDbStore {
    pub(super) async fn connect(settings: TableSettings) -> Result<Self, Error> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let retries = RetryConfig::standard().with_initial_backoff(FIRST_BACKOFF);
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .timeout_config(timeouts)
            .retry_config(retries);
        if let Some(region) = &settings.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let shared = loader.load().await;
        if shared.region().is_none() {
            let reason = "no AWS Region: set AWS_REGION or SESSION_DYNAMODB_REGION";
            return Err(Error::new(ErrorKind::Misconfigured, reason));
        }
        let mut config = aws_sdk_dynamodb::config::Builder::from(&shared);
        if let Some(endpoint) = &settings.endpoint {
            config = config.endpoint_url(endpoint);
        }
        let mut store = Self::new(Client::from_conf(config.build()), settings.table.clone())?;
        store.consistent_read = settings.consistent_read;
        store.settings = Some(settings);
        Ok(store)
    }

    /// Opens the connection by reading a key that no session has.
    pub(super) async fn warm_up(&self) {
        let read = self.get("warm-up").await;
        if let Err(error) = read {
            tracing::warn!(%error, "the connection to DynamoDB could not be warmed up");
        }
    }
}

/// Gives a copy of the process connections of its own.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use lambda_http::{Error, Request};
/// use lambda_sessions::{Session, SessionLayer};
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Error> {
///     let sessions = SessionLayer::from_env().await?;
///     lambda_http::runtime(sessions.wrap(hello))
///         .register_snapstart_resource(Arc::new(sessions.store().clone()))
///         .run()
///         .await
/// }
///
/// async fn hello(_request: Request, session: Session) -> Result<String, Error> {
///     Ok(format!("visit {}\n", session.increment("visits", 1)?))
/// }
/// ```
///
/// After a restore a store that was made by `from_env`, and all its clones, have a new client, with
/// credentials of the restored environment and a connection that is warm. A client of your own is
/// made again from its configuration; a connection that it had before, and that is dead now, costs
/// one attempt.
impl SnapStartResource for DynamoDbStore {
    fn after_restore(&self) -> BoxFuture<'_, Result<(), lambda_http::Error>> {
        Box::pin(async move {
            let before = self.client();
            let after = match &self.settings {
                Some(settings) => {
                    let timeouts = before.config().timeout_config().cloned();
                    let fresh = Self::connect(settings.clone()).await?.client();
                    timeouts.map_or(fresh.clone(), |timeouts| with_timeouts(&fresh, timeouts))
                }
                None => Client::from_conf(before.config().clone()),
            };
            *self.client.write().unwrap_or_else(PoisonError::into_inner) = after;
            self.warm_up().await;
            Ok(())
        })
    }
}

/// The same client with other timeouts.
pub(super) fn with_timeouts(client: &Client, timeouts: TimeoutConfig) -> Client {
    let config = client.config().to_builder().timeout_config(timeouts);
    Client::from_conf(config.build())
}
