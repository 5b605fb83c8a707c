//! The connection of a store: the means of sending requests, and how it is replaced when its
//! connections may be dead.
//!
//! 1. One transport serves all requests, and all clones of a store.
//! 2. While an execution environment is frozen, its connections die or go silent. Nothing in the
//!    process notices. So if one connection is lost, all of them are replaced, and the next calls
//!    use new ones.
//! 3. The system's clock measures the time since the last response. A clock that counts the time of
//!    the process may have stood still.
//! 4. A copy of a SnapStart snapshot gets its own connections and its own credentials.
//! 5. Some state outlives the connections: the credentials, the clock difference, the quota for
//!    retries, and the knowledge that failed conditions return their items.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;

use crate::clock::Timestamp;
use crate::clock::system_clock;
use crate::error::{Error, ErrorKind};
use crate::store::dynamodb::clock::Clock;
use crate::store::dynamodb::quota::Quota;
use crate::store::dynamodb::settings::TableSettings;
use crate::store::dynamodb::transport::Transport;
use crate::store::dynamodb::transport::credentials::Credentials;
use crate::store::dynamodb::transport::environment;
use crate::store::dynamodb::transport::lean::Lean;
use crate::store::dynamodb::transport::sdk_client::SdkClient;
use crate::store::dynamodb::transport::send::SendRequest as _;

/// The time without a response after which a connection is distrusted.
///
/// It is well under the minute or so after which an idle connection is closed on the way. New
/// connections are not made more often than that, because they do not fix an outage.
const PAUSE: Duration = Duration::from_secs(10);

/// The transport that all clones of a store share.
pub(super) struct Connection {
    transport: RwLock<Transport>,
    /// The time limits that were configured with the transport.
    timeouts: Option<TimeoutConfig>,
    /// The settings that `from_env` made the transport from.
    settings: Option<TableSettings>,
    /// The time of DynamoDB's last response, in epoch seconds.
    last_response: AtomicU64,
    /// The time when its connections were last replaced, in epoch seconds.
    replaced: AtomicU64,
    kept: Arc<Kept>,
}

/// The state that outlives the connections.
struct Kept {
    clock: Clock,
    quota: Arc<Quota>,
    credentials: Credentials,
    /// Flags about failed conditions: [`RETURNS_ITEMS`] and [`HAS_WARNED`].
    conditions: AtomicU8,
}

/// The flag for a failed condition that has returned its item.
const RETURNS_ITEMS: u8 = 1;
/// The flag for a failed condition that has returned no item though there was one. That was logged.
const HAS_WARNED: u8 = 2;

impl Kept {
    fn new(clock: Clock, credentials: Credentials) -> Arc<Self> {
        Arc::new(Self {
            clock,
            quota: Arc::default(),
            credentials,
            conditions: AtomicU8::new(0),
        })
    }

    /// Returns a transport for a configuration.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if there is no Region.
    fn transport(&self, config: &SdkConfig) -> Result<Transport, Error> {
        if config.region().is_none() {
            let reason = "no AWS Region: set AWS_REGION or SESSION_DYNAMODB_REGION";
            return Err(Error::new(ErrorKind::Misconfigured, reason));
        }
        let (clock, credentials) = (&self.clock, &self.credentials);
        Ok(match Lean::new(config, clock, credentials) {
            Ok(lean) => Transport::Lean(lean),
            Err(reason) => {
                tracing::warn!(
                    reason,
                    "requests go through the SDK's client, which costs more"
                );
                Transport::SdkClient(SdkClient::of_config(config, clock, credentials))
            }
        })
    }
}

impl Connection {
    /// Creates the connection of an application's client, with its own connections.
    pub(super) fn of_client(client: &Client) -> Self {
        let config = client.config();
        let kept = Kept::new(
            Clock::new(config.time_source()),
            Credentials::new(config.identity_cache()),
        );
        let transport = SdkClient::new(client, &kept.clock, &kept.credentials);
        let timeouts = config.timeout_config().cloned();
        Self::new(Transport::SdkClient(transport), timeouts, None, kept)
    }

    /// Creates a connection for a configuration, which was loaded from `settings` if there are any.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if there is no Region.
    pub(super) fn of_config(
        config: &SdkConfig,
        settings: Option<TableSettings>,
    ) -> Result<Self, Error> {
        let kept = Kept::new(
            Clock::new(config.time_source()),
            Credentials::new(config.identity_cache()),
        );
        let transport = kept.transport(config)?;
        let timeouts = config.timeout_config().cloned();
        Ok(Self::new(transport, timeouts, settings, kept))
    }

    /// Creates the connection that the settings and the AWS environment describe.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if no Region is configured.
    pub(super) async fn of_settings(settings: TableSettings) -> Result<Self, Error> {
        Self::of_config(&environment::load(&settings).await, Some(settings))
    }

    fn new(
        transport: Transport,
        timeouts: Option<TimeoutConfig>,
        settings: Option<TableSettings>,
        kept: Arc<Kept>,
    ) -> Self {
        Self {
            transport: RwLock::new(transport),
            timeouts,
            settings,
            last_response: AtomicU64::new(now()),
            replaced: AtomicU64::new(0),
            kept,
        }
    }

    /// Replaces the connections and the credentials after the process was restored from a snapshot.
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`of_settings`](Self::of_settings).
    pub(super) async fn restore(&self) -> Result<(), Error> {
        let before = self.transport();
        let after = match &self.settings {
            Some(settings) => {
                let fresh = self.kept.transport(&environment::load(settings).await)?;
                fresh.with_connect_timeout(before.connect_timeout())
            }
            None => before.reconnected(),
        };
        self.replace(after);
        self.reload(self.credentials());
        Ok(())
    }

    /// Returns the current transport. A poisoned lock is safe to use, because the transport is
    /// replaced whole.
    pub(super) fn transport(&self) -> Transport {
        let transport = self.transport.read();
        transport.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the time limits that were configured with the transport.
    pub(super) fn timeouts(&self) -> Option<&TimeoutConfig> {
        self.timeouts.as_ref()
    }

    /// Returns a copy with another connect timeout and its own connections.
    pub(super) fn with_connect_timeout(&self, timeout: Duration) -> Self {
        Self::new(
            self.transport().with_connect_timeout(timeout),
            self.timeouts.clone(),
            self.settings.clone(),
            Arc::clone(&self.kept),
        )
    }

    /// Returns the clock for the signatures of calls.
    pub(super) fn clock(&self) -> &Clock {
        &self.kept.clock
    }

    /// Returns the quota for retries.
    pub(super) fn quota(&self) -> Arc<Quota> {
        Arc::clone(&self.kept.quota)
    }

    /// Returns the generation of the credentials for the signatures of calls.
    pub(super) fn credentials(&self) -> u64 {
        self.kept.credentials.generation()
    }

    /// Discards the credentials of this generation, so that they are loaded again.
    pub(super) fn reload(&self, refused: u64) {
        self.kept.credentials.reload(refused);
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
            self.replace(self.transport().reconnected());
        }
    }

    fn replace(&self, transport: Transport) {
        let current = self.transport.write();
        *current.unwrap_or_else(PoisonError::into_inner) = transport;
    }
}

fn is_over(since: &AtomicU64) -> bool {
    now().saturating_sub(since.load(Ordering::Relaxed)) >= PAUSE.as_secs()
}

fn now() -> u64 {
    Timestamp::from(system_clock()).epoch_seconds()
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region};
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;

    use super::*;
    use crate::store::dynamodb::transport::send::CONNECT_TIMEOUT;

    fn config() -> aws_types::sdk_config::Builder {
        let credentials = Credentials::new("test", "test", None, None, "tests");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
    }

    fn connection() -> Connection {
        Connection::of_config(&config().build(), None).unwrap()
    }

    fn seconds_ago(seconds: u64) -> u64 {
        now() - seconds
    }

    #[test]
    fn connection_is_lean_if_the_config_allows_it() {
        assert!(matches!(connection().transport(), Transport::Lean(_)));
        let with_path = config().endpoint_url("http://localhost:4566/path").build();
        let connection = Connection::of_config(&with_path, None).unwrap();
        assert!(matches!(connection.transport(), Transport::SdkClient(_)));
        let nowhere = config().region(None).build();
        let error = Connection::of_config(&nowhere, None).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
    }

    #[test]
    fn connect_timeout_stays_with_new_connections() {
        let timeout = Duration::from_millis(123);
        for config in [
            config(),
            config().endpoint_url("http://localhost:4566/path"),
        ] {
            let connection = Connection::of_config(&config.build(), None).unwrap();
            assert_eq!(connection.transport().connect_timeout(), CONNECT_TIMEOUT);
            let connection = connection.with_connect_timeout(timeout);
            assert_eq!(connection.transport().connect_timeout(), timeout);
            connection.distrust();
            assert_eq!(connection.transport().connect_timeout(), timeout);
        }
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
