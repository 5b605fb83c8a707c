//! The client: how it is made, and how it is replaced when its connections may be dead.
//!
//! 1. One client serves all requests, and all clones of a store.
//! 2. While an execution environment is frozen, its connections die or go silent. Nothing in the
//!    process notices. So if one connection is lost, all of them are replaced, and the next calls
//!    use new ones.
//! 3. The system's clock measures the time since the last response. A clock that counts the time of
//!    the process may have stood still.
//! 4. A copy of a SnapStart snapshot gets its own client and its own credentials.
//! 5. Some state outlives a client: the credentials, the clock difference, the quota for retries,
//!    and the knowledge that failed conditions return their items.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Builder, IdentityCache, Region, SharedIdentityCache};

use crate::clock::Timestamp;
use crate::clock::system_clock;
use crate::error::{Error, ErrorKind};
use crate::store::dynamodb::clock::Clock;
use crate::store::dynamodb::quota::Quota;
use crate::store::dynamodb::settings::TableSettings;

/// The time limit for opening a connection. Lambda and DynamoDB are in one Region, where it takes
/// milliseconds. It is shorter than an attempt, so that a timeout proves that nothing was sent.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(900);
/// The time without a response after which a connection is distrusted.
///
/// It is well under the minute or so after which an idle connection is closed on the way. New
/// connections are not made more often than that, because they do not fix an outage.
const PAUSE: Duration = Duration::from_secs(10);

/// The client that all clones of a store share.
pub(super) struct Connection {
    client: RwLock<Client>,
    /// The settings that `from_env` made the client from.
    settings: Option<TableSettings>,
    /// The time of DynamoDB's last response, in epoch seconds.
    last_response: AtomicU64,
    /// The time when its connections were last replaced, in epoch seconds.
    replaced: AtomicU64,
    kept: Arc<Kept>,
}

/// The state that outlives a client.
struct Kept {
    clock: Clock,
    quota: Arc<Quota>,
    credentials: RwLock<Credentials>,
    /// Flags about failed conditions: [`RETURNS_ITEMS`] and [`HAS_WARNED`].
    conditions: AtomicU8,
}

/// The credentials as they were loaded.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    /// The cache, or `None` for the client's own.
    cache: Option<SharedIdentityCache>,
    /// The number of times that they were replaced.
    generation: u64,
}

/// The flag for a failed condition that has returned its item.
const RETURNS_ITEMS: u8 = 1;
/// The flag for a failed condition that has returned no item though there was one. That was logged.
const HAS_WARNED: u8 = 2;

impl Connection {
    /// Shares the connections of a client, which was made from `settings` if there are any.
    pub(super) fn new(client: Client, settings: Option<TableSettings>) -> Self {
        // A default cache would be lost with its client, and slow credentials would be loaded
        // again.
        let cache = match client.config().identity_cache() {
            Some(_) => None,
            None => Some(IdentityCache::lazy().build()),
        };
        let kept = Kept {
            clock: Clock::new(client.config().time_source()),
            quota: Arc::default(),
            credentials: RwLock::new(Credentials {
                cache,
                generation: 0,
            }),
            conditions: AtomicU8::new(0),
        };
        Self {
            client: RwLock::new(client),
            settings,
            last_response: AtomicU64::new(now()),
            replaced: AtomicU64::new(0),
            kept: Arc::new(kept),
        }
    }

    /// Creates the client that the settings and the AWS environment describe.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if no Region is configured.
    pub(super) async fn from_settings(settings: TableSettings) -> Result<Self, Error> {
        let client = client_from(&settings).await?;
        Ok(Self::new(client, Some(settings)))
    }

    /// Replaces the client and the credentials after the process was restored from a snapshot.
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`from_settings`](Self::from_settings).
    pub(super) async fn restore(&self) -> Result<(), Error> {
        let before = self.client();
        let after = match &self.settings {
            Some(settings) => {
                let timeouts = before.config().timeout_config();
                let timeout = timeouts.and_then(TimeoutConfig::connect_timeout);
                let fresh = client_from(settings).await?;
                with_connect_timeout(&fresh, timeout.unwrap_or(CONNECT_TIMEOUT))
            }
            None => Client::from_conf(before.config().clone()),
        };
        self.replace(after);
        self.reload(&self.credentials());
        Ok(())
    }

    /// Returns the current client. A poisoned lock is safe to use, because the client is replaced
    /// whole.
    pub(super) fn client(&self) -> Client {
        let client = self.client.read().unwrap_or_else(PoisonError::into_inner);
        client.clone()
    }

    /// Returns a copy with another connect timeout and its own connections.
    pub(super) fn with_connect_timeout(&self, timeout: Duration) -> Self {
        let client = with_connect_timeout(&self.client(), timeout);
        Self {
            kept: Arc::clone(&self.kept),
            ..Self::new(client, self.settings.clone())
        }
    }

    /// Returns the configuration that one call adds to the client's. It is an override, so that
    /// calls share the client and its connections.
    ///
    /// It turns off the SDK's own retries and its limit for an attempt. That limit would include
    /// the time in which credentials are loaded.
    pub(super) fn once(&self, credentials: &Credentials) -> Builder {
        let client = self.client();
        let timeouts = client.config().timeout_config();
        let connect = timeouts.and_then(TimeoutConfig::connect_timeout);
        // A configuration without any limit would switch off the client's read timeout as well.
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(connect.unwrap_or(CONNECT_TIMEOUT))
            .disable_operation_attempt_timeout()
            .disable_operation_timeout()
            .build();
        let once = Builder::new()
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .disable_clock_skew_correction(true)
            .time_source(self.kept.clock.clone());
        match &credentials.cache {
            Some(cache) => once.identity_cache(cache.clone()),
            None => once,
        }
    }

    /// Returns the clock for the signatures of calls.
    pub(super) fn clock(&self) -> &Clock {
        &self.kept.clock
    }

    /// Returns the quota for retries.
    pub(super) fn quota(&self) -> Arc<Quota> {
        Arc::clone(&self.kept.quota)
    }

    /// Returns the credentials for the signatures of calls.
    pub(super) fn credentials(&self) -> Credentials {
        let credentials = self.kept.credentials.read();
        credentials.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Discards these credentials, so that they are loaded again. If several calls were refused
    /// with them, only the first has an effect.
    pub(super) fn reload(&self, refused: &Credentials) {
        let credentials = self.kept.credentials.write();
        let mut credentials = credentials.unwrap_or_else(PoisonError::into_inner);
        if credentials.generation == refused.generation {
            credentials.generation += 1;
            credentials.cache = Some(IdentityCache::lazy().build());
        }
    }

    /// Returns `true` once a failed condition has returned the item that it failed on.
    pub(super) fn returns_items(&self) -> bool {
        self.kept.conditions.load(Ordering::Relaxed) & RETURNS_ITEMS != 0
    }

    /// Remembers that a failed condition has returned its item.
    pub(super) fn has_returned_an_item(&self) {
        let seen = &self.kept.conditions;
        if seen.load(Ordering::Relaxed) & RETURNS_ITEMS == 0 {
            seen.fetch_or(RETURNS_ITEMS, Ordering::Relaxed);
        }
    }

    /// Warns, once, that a failed condition has returned no item though there is one.
    pub(super) fn has_withheld_an_item(&self) {
        let before = self.kept.conditions.fetch_or(HAS_WARNED, Ordering::Relaxed);
        if before & HAS_WARNED == 0 {
            tracing::warn!(
                "this DynamoDB does not return the item of a failed condition \
                 (DynamoDB Local does from 2.2 on): a lost race costs a read"
            );
        }
    }

    /// Records that a response came.
    pub(super) fn responded(&self) {
        self.last_response.store(now(), Ordering::Relaxed);
    }

    /// Returns `true` if the environment may have been frozen since the last response.
    pub(super) fn was_quiet(&self) -> bool {
        is_over(&self.last_response)
    }

    /// Records that a call was sent and no response came. The other connections may be dead too, so
    /// they are replaced.
    pub(super) fn distrust(&self) {
        if is_over(&self.replaced) {
            self.replaced.store(now(), Ordering::Relaxed);
            self.replace(Client::from_conf(self.client().config().clone()));
        }
    }

    fn replace(&self, client: Client) {
        *self.client.write().unwrap_or_else(PoisonError::into_inner) = client;
    }
}

fn is_over(since: &AtomicU64) -> bool {
    now().saturating_sub(since.load(Ordering::Relaxed)) >= PAUSE.as_secs()
}

fn now() -> u64 {
    Timestamp::from(system_clock()).epoch_seconds()
}

async fn client_from(settings: &TableSettings) -> Result<Client, Error> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).timeout_config(timeouts);
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    let shared = loader.load().await;
    if shared.region().is_none() {
        let reason = "no AWS Region: set AWS_REGION or SESSION_DYNAMODB_REGION";
        return Err(Error::new(ErrorKind::Misconfigured, reason));
    }
    let mut config = Builder::from(&shared);
    if let Some(endpoint) = &settings.endpoint {
        config = config.endpoint_url(endpoint);
    }
    Ok(Client::from_conf(config.build()))
}

fn with_connect_timeout(client: &Client, timeout: Duration) -> Client {
    let config = client.config();
    let timeouts = config
        .timeout_config()
        .map_or_else(TimeoutConfig::builder, TimeoutConfig::to_builder)
        .connect_timeout(timeout)
        .build();
    Client::from_conf(config.to_builder().timeout_config(timeouts).build())
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::config::Config;

    use super::*;

    fn connection() -> Connection {
        let config = Config::builder().behavior_version(BehaviorVersion::v2026_01_12());
        Connection::new(Client::from_conf(config.build()), None)
    }

    fn seconds_ago(seconds: u64) -> u64 {
        now() - seconds
    }

    #[test]
    fn connection_is_quiet_after_ten_seconds() {
        let connection = connection();
        assert!(!connection.was_quiet(), "it starts now");
        for (seconds, quiet) in [(0, false), (8, false), (10, true), (3_600, true)] {
            connection
                .last_response
                .store(seconds_ago(seconds), Ordering::Relaxed);
            assert_eq!(connection.was_quiet(), quiet, "{seconds}");
        }
        connection.responded();
        assert!(!connection.was_quiet());
    }

    #[test]
    fn connection_is_replaced_once_in_ten_seconds() {
        let connection = connection();
        let replaced = || connection.replaced.load(Ordering::Relaxed);
        connection.distrust();
        let first = replaced();
        assert!(first >= seconds_ago(1), "at the first time");
        connection.replaced.store(first - 8, Ordering::Relaxed);
        connection.distrust();
        assert_eq!(replaced(), first - 8, "not so soon again");
        connection.replaced.store(first - 10, Ordering::Relaxed);
        connection.distrust();
        assert!(replaced() >= first);
    }
}
