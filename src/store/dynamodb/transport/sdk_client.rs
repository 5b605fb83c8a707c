//! Sends requests through a client of the SDK.
//!
//! 1. The SDK's own retries are off. The SDK resends blindly, gives up after three attempts and
//!    reports only the last one. A lost response followed by a refusal would look as if nothing had
//!    happened.
//! 2. The client has no limit for an attempt, because that limit would include the time in which
//!    credentials are loaded. Each attempt has a limit of its own.
//! 3. The client is made once from the application's. A configuration for each call would cost more
//!    instructions than the call's own part of them.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;

use crate::env::Variables;
use crate::store::dynamodb::clock::Clock;
use crate::store::dynamodb::transport::connections;
use crate::store::dynamodb::transport::credentials::Credentials;
use crate::store::dynamodb::transport::environment::endpoint_url;
use crate::store::dynamodb::transport::request::Request;
use crate::store::dynamodb::transport::roots::Roots;
use crate::store::dynamodb::transport::send::{CONNECT_TIMEOUT, Ready, SendRequest, Sent};

/// A client of the SDK, without retries and with the clock and the credentials of the store. Clones
/// share their connections.
#[derive(Clone)]
pub(crate) struct SdkClient {
    client: Client,
    /// The roots of the connections, if they are not those of the application's HTTP client.
    roots: Option<Roots>,
}

tokio::task_local! {
    /// The flag of the request that the current task sends.
    static READY: Ready;
}

impl SdkClient {
    /// Makes a client from the application's. It shares the connections if the application has
    /// configured an HTTP client. Otherwise it has its own, which trust the system's roots.
    pub(crate) fn new(client: &Client, clock: &Clock, credentials: &Credentials) -> Self {
        let roots = client
            .config()
            .http_client()
            .is_none()
            .then_some(Roots::System);
        Self::with_roots(client.config().to_builder(), roots, clock, credentials)
    }

    /// Makes a client for a configuration.
    pub(crate) fn of_config(config: &SdkConfig, clock: &Clock, credentials: &Credentials) -> Self {
        let roots = config.http_client().is_none().then(|| {
            let endpoint = endpoint_url(config).and_then(|url| url.parse().ok());
            endpoint.map_or(Roots::System, |endpoint| {
                Roots::of(&endpoint, &Variables::of_process())
            })
        });
        Self::with_roots(Builder::from(config), roots, clock, credentials)
    }

    fn with_roots(
        builder: Builder,
        roots: Option<Roots>,
        clock: &Clock,
        credentials: &Credentials,
    ) -> Self {
        let builder = builder
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .disable_clock_skew_correction(true)
            .time_source(clock.clone())
            .identity_cache(credentials.clone())
            .interceptor(MarkReady);
        let config = builder.clone().build();
        let connect = config
            .timeout_config()
            .and_then(TimeoutConfig::connect_timeout);
        Self::connected(builder, roots, connect.unwrap_or(CONNECT_TIMEOUT))
    }

    /// Makes a client with new connections that open within this time.
    fn connected(builder: Builder, roots: Option<Roots>, connect_timeout: Duration) -> Self {
        let mut builder = builder.timeout_config(only_connect(connect_timeout));
        if let Some(roots) = roots {
            builder = builder.http_client(connections::client(roots));
        }
        Self {
            client: Client::from_conf(builder.build()),
            roots,
        }
    }
}

impl SendRequest for SdkClient {
    async fn send<R: Request>(&self, request: R, ready: &Ready) -> Sent<R> {
        let sending = request.send_with(self.client.clone());
        READY.scope(ready.clone(), sending).await
    }

    fn reconnected(&self) -> Self {
        self.with_connect_timeout(self.connect_timeout())
    }

    fn with_connect_timeout(&self, timeout: Duration) -> Self {
        Self::connected(self.client.config().to_builder(), self.roots, timeout)
    }

    fn connect_timeout(&self) -> Duration {
        let timeouts = self.client.config().timeout_config();
        let connect = timeouts.and_then(TimeoutConfig::connect_timeout);
        connect.unwrap_or(CONNECT_TIMEOUT)
    }
}

/// Returns time limits of which only that for opening a connection is set. A configuration without
/// any limit would get the defaults.
fn only_connect(timeout: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(timeout)
        .disable_read_timeout()
        .disable_operation_attempt_timeout()
        .disable_operation_timeout()
        .build()
}

/// Marks that the credentials of a request have loaded.
#[derive(Debug)]
struct MarkReady;

impl Intercept for MarkReady {
    fn name(&self) -> &'static str {
        "MarkReady"
    }

    fn read_before_signing(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Each request of this store has a flag.
        let _ = READY.try_with(Ready::set);
        Ok(())
    }
}
