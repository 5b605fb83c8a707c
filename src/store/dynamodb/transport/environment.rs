//! The SDK's configuration, from the environment.
//!
//! 1. Lambda puts the credentials of a function in its environment. The SDK's chain of providers
//!    would find them there too, but only after it has made a client for each of the others. So
//!    the chain is for every other place.
//! 2. The chain's own calls trust Amazon's roots, unless the environment names other certificates.

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_types::service_config::ServiceConfigKey;

use crate::env::Variables;
use crate::store::dynamodb::settings::TableSettings;
use crate::store::dynamodb::transport::connections;
use crate::store::dynamodb::transport::roots::Roots;
use crate::store::dynamodb::transport::send::CONNECT_TIMEOUT;

/// Loads the configuration that the settings and the AWS environment describe.
pub(crate) async fn load(settings: &TableSettings) -> SdkConfig {
    let (roots, has_credentials) = {
        let variables = Variables::of_process();
        (
            Roots::of_credentials(&variables),
            has_credentials(&variables),
        )
    };
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .timeout_config(timeouts)
        .http_client(connections::client(roots));
    if let Some(region) = &settings.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &settings.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if has_credentials {
        loader = loader.credentials_provider(EnvironmentVariableCredentialsProvider::new());
    }
    // The connections to DynamoDB are not those of the chain.
    let mut config = loader.load().await.into_builder();
    config.set_http_client(None);
    config.build()
}

/// Returns `true` in a Lambda function that has its credentials in the environment. A function with
/// SnapStart gets them from an endpoint instead.
fn has_credentials(variables: &Variables<'_>) -> bool {
    [
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
    ]
    .iter()
    .all(|name| (variables.0)(name).is_some_and(|value| !value.is_empty()))
}

/// Returns the URL that is configured for DynamoDB, if there is one. The rules are those by which
/// the SDK makes a client of a configuration.
pub(super) fn endpoint_url(config: &SdkConfig) -> Option<String> {
    let general = || config.endpoint_url().map(str::to_owned);
    if config.get_origin("endpoint_url").is_client_config() {
        return general();
    }
    let key = ServiceConfigKey::builder()
        .service_id("DynamoDB")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let of_service = key
        .ok()
        .and_then(|key| config.service_config()?.load_config(key));
    of_service.or_else(general)
}
