//! The HTTP connections to DynamoDB, with the TLS that the features select.

use std::sync::OnceLock;
use std::time::Duration;

use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};

use crate::store::dynamodb::transport::roots::Roots;
use crate::store::dynamodb::transport::send::CONNECT_TIMEOUT;

/// Returns the settings of connections that open within this time.
pub(super) fn settings(connect_timeout: Duration) -> HttpConnectorSettings {
    HttpConnectorSettings::builder()
        .connect_timeout(connect_timeout)
        .build()
}

/// Returns a connector with connections of its own, which trusts `roots`. Like the SDK's own, it
/// goes through the proxy that the environment names.
pub(super) fn connector(roots: Roots, connect_timeout: Duration) -> SharedHttpConnector {
    let builder = Connector::builder()
        .connector_settings(settings(connect_timeout))
        .sleep_impl(TokioSleep::new())
        .proxy_config(ProxyConfig::from_env());
    SharedHttpConnector::new(tls::build(builder, roots.trust_store()))
}

/// Returns a client that opens its connections when they are first needed.
pub(super) fn client(roots: Roots) -> SharedHttpClient {
    let opened = OnceLock::new();
    http_client_fn(move |settings, _| {
        let timeout = settings.connect_timeout().unwrap_or(CONNECT_TIMEOUT);
        opened.get_or_init(|| connector(roots, timeout)).clone()
    })
}

#[cfg(any(
    feature = "rustls-ring",
    feature = "rustls-aws-lc",
    feature = "rustls-aws-lc-fips"
))]
mod tls {
    use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
    use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
    use aws_smithy_http_client::{Connector, ConnectorBuilder};

    /// Returns `true` if connections can be encrypted.
    pub(crate) const IS_THERE: bool = true;

    #[cfg(feature = "rustls-aws-lc-fips")]
    const CRYPTO: CryptoMode = CryptoMode::AwsLcFips;
    #[cfg(all(feature = "rustls-aws-lc", not(feature = "rustls-aws-lc-fips")))]
    const CRYPTO: CryptoMode = CryptoMode::AwsLc;
    #[cfg(not(any(feature = "rustls-aws-lc", feature = "rustls-aws-lc-fips")))]
    const CRYPTO: CryptoMode = CryptoMode::Ring;

    pub(super) fn build(builder: ConnectorBuilder, trust_store: TrustStore) -> Connector {
        let context = TlsContext::builder().with_trust_store(trust_store).build();
        let builder = builder.tls_provider(Provider::rustls(CRYPTO));
        match context {
            Ok(context) => builder.tls_context(context).build(),
            // The builder cannot fail today. Its default is the system's roots.
            Err(_) => builder.build(),
        }
    }
}

#[cfg(not(any(
    feature = "rustls-ring",
    feature = "rustls-aws-lc",
    feature = "rustls-aws-lc-fips"
)))]
mod tls {
    use aws_smithy_http_client::tls::TrustStore;
    use aws_smithy_http_client::{Connector, ConnectorBuilder};

    pub(crate) const IS_THERE: bool = false;

    pub(super) fn build(builder: ConnectorBuilder, _: TrustStore) -> Connector {
        builder.build_http()
    }
}

pub(super) use tls::IS_THERE as HAS_TLS;
