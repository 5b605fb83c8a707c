//! The client: how it is made, warmed up, and replaced when its connections may be dead.
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
use lambda_http::{BoxFuture, SnapStartResource};

use crate::clock::Timestamp;
use crate::clock::system_clock;
use crate::error::{Error, ErrorKind};
use crate::store::dynamodb::clock::Clock;
use crate::store::dynamodb::quota::Quota;
use crate::store::dynamodb::retry::RetryBudget;
use crate::store::dynamodb::settings::TableSettings;
use crate::store::dynamodb::{CONNECT_TIMEOUT, DynamoDbStore};

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
    heard: AtomicU64,
    /// The time when its connections were last replaced, in epoch seconds.
    replaced: AtomicU64,
    learned: Arc<Learned>,
}

/// The state that outlives a client.
struct Learned {
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
    /// The number of times that they were given up.
    generation: u64,
}

/// The flag for a failed condition that has returned its item.
const RETURNS_ITEMS: u8 = 1;
/// The flag for a failed condition that has returned no item though there was one. That was logged.
const HAS_WARNED: u8 = 2;

impl Connection {
    pub(super) fn new(client: Client, settings: Option<TableSettings>) -> Self {
        // A default cache would be lost with its client, and slow credentials would be loaded
        // again.
        let cache = match client.config().identity_cache() {
            Some(_) => None,
            None => Some(IdentityCache::lazy().build()),
        };
        let learned = Learned {
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
            heard: AtomicU64::new(now()),
            replaced: AtomicU64::new(0),
            learned: Arc::new(learned),
        }
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
            learned: Arc::clone(&self.learned),
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
            .time_source(self.learned.clock.clone());
        match &credentials.cache {
            Some(cache) => once.identity_cache(cache.clone()),
            None => once,
        }
    }

    /// Returns the clock for the signatures of calls.
    pub(super) fn clock(&self) -> &Clock {
        &self.learned.clock
    }

    /// Returns the quota for retries.
    pub(super) fn quota(&self) -> Arc<Quota> {
        Arc::clone(&self.learned.quota)
    }

    /// Returns the credentials for the signatures of calls.
    pub(super) fn credentials(&self) -> Credentials {
        let credentials = self.learned.credentials.read();
        credentials.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives up these credentials, so that they are loaded again. If several calls were refused
    /// with them, only the first has an effect.
    pub(super) fn give_up(&self, refused: &Credentials) {
        let credentials = self.learned.credentials.write();
        let mut credentials = credentials.unwrap_or_else(PoisonError::into_inner);
        if credentials.generation == refused.generation {
            credentials.generation += 1;
            credentials.cache = Some(IdentityCache::lazy().build());
        }
    }

    /// Returns `true` once a failed condition has returned the item that it failed on.
    pub(super) fn returns_items(&self) -> bool {
        self.learned.conditions.load(Ordering::Relaxed) & RETURNS_ITEMS != 0
    }

    /// Remembers that a failed condition has returned its item.
    pub(super) fn has_returned_an_item(&self) {
        let seen = &self.learned.conditions;
        if seen.load(Ordering::Relaxed) & RETURNS_ITEMS == 0 {
            seen.fetch_or(RETURNS_ITEMS, Ordering::Relaxed);
        }
    }

    /// Warns, once, that a failed condition has returned no item though there is one.
    pub(super) fn has_withheld_an_item(&self) {
        let before = self
            .learned
            .conditions
            .fetch_or(HAS_WARNED, Ordering::Relaxed);
        if before & HAS_WARNED == 0 {
            tracing::warn!(
                "this DynamoDB does not return the item of a failed condition \
                 (DynamoDB Local does from 2.2 on): a lost race costs a read"
            );
        }
    }

    /// Records that a response came.
    pub(super) fn answered(&self) {
        self.heard.store(now(), Ordering::Relaxed);
    }

    /// Returns `true` if the environment may have been frozen since the last response.
    pub(super) fn was_quiet(&self) -> bool {
        is_over(&self.heard)
    }

    /// Records that a call was sent and no response came. The other connections may be dead too, so
    /// they are replaced.
    pub(super) fn lost(&self) {
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

impl DynamoDbStore {
    pub(super) async fn connect(settings: TableSettings) -> Result<Self, Error> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .build();
        let mut loader =
            aws_config::defaults(BehaviorVersion::v2026_01_12()).timeout_config(timeouts);
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
        let client = Client::from_conf(config.build());
        let (table, users) = (settings.table.clone(), settings.users_table.clone());
        let consistent_read = settings.consistent_read;
        let store = Self::over(Connection::new(client, Some(settings)), table);
        let store = store.consistent_read(consistent_read);
        match users {
            Some(users) => store.users_table(users),
            None => Ok(store),
        }
    }

    /// Loads the credentials and opens the connection, by reading a key that no session has.
    ///
    /// It takes no longer than one attempt may take. An error is only logged: the first request
    /// reports it.
    pub(super) async fn warm_up(&self) {
        let mut budget = RetryBudget::new(self.attempt_timeout, None, self.connection.quota());
        if let Err(error) = self.get("warm-up", false, &mut budget).await {
            tracing::warn!(%error, "the connection to DynamoDB could not be warmed up");
        }
    }
}

/// Gives a copy of the process its own connections.
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
/// After a restore, a store that was made by `from_env` has a new client, and so have all its clones.
/// The client has credentials of the restored environment and a warm connection. A client of your
/// own is made again from its configuration. A dead connection that it had before costs one attempt.
impl SnapStartResource for DynamoDbStore {
    fn after_restore(&self) -> BoxFuture<'_, Result<(), lambda_http::Error>> {
        Box::pin(async move {
            let before = self.client();
            let after = match &self.connection.settings {
                Some(settings) => {
                    let timeouts = before.config().timeout_config();
                    let timeout = timeouts.and_then(TimeoutConfig::connect_timeout);
                    let fresh = Self::connect(settings.clone()).await?.client();
                    with_connect_timeout(&fresh, timeout.unwrap_or(CONNECT_TIMEOUT))
                }
                None => Client::from_conf(before.config().clone()),
            };
            self.connection.replace(after);
            self.connection.give_up(&self.connection.credentials());
            self.warm_up().await;
            Ok(())
        })
    }
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
    fn it_was_quiet_if_nothing_was_heard_for_ten_seconds() {
        let connection = connection();
        assert!(!connection.was_quiet(), "it begins now");
        for (seconds, quiet) in [(0, false), (8, false), (10, true), (3_600, true)] {
            connection
                .heard
                .store(seconds_ago(seconds), Ordering::Relaxed);
            assert_eq!(connection.was_quiet(), quiet, "{seconds}");
        }
        connection.answered();
        assert!(!connection.was_quiet());
    }

    #[test]
    fn its_connections_are_given_up_once_in_ten_seconds() {
        let connection = connection();
        let replaced = || connection.replaced.load(Ordering::Relaxed);
        connection.lost();
        let first = replaced();
        assert!(first >= seconds_ago(1), "at the first loss");
        connection.replaced.store(first - 8, Ordering::Relaxed);
        connection.lost();
        assert_eq!(replaced(), first - 8, "not so soon again");
        connection.replaced.store(first - 10, Ordering::Relaxed);
        connection.lost();
        assert!(replaced() >= first);
    }
}
