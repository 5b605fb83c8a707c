//! The endpoints and headers of both transports.

use aws_config::{AppName, Region};
use aws_sdk_dynamodb::operation::get_item::builders::GetItemInputBuilder;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_types::endpoint_config::AccountIdEndpointMode;
use aws_types::sdk_config::Builder;

use super::{both, config, essence};
use crate::store::dynamodb::testing::{parts, s};
use crate::store::dynamodb::transport::lean::Lean;

/// Region, FIPS, dual stack and the endpoint decide where a request goes and what is signed.
#[tokio::test]
async fn transports_agree_about_endpoints() {
    let get = GetItemInputBuilder::default()
        .table_name("sessions")
        .key("id", s("a"));
    // The Region and the service, between the slashes of the credential.
    let scope = |request: &HttpRequest| {
        let signed = request.headers().get("authorization").unwrap();
        signed
            .split('/')
            .skip(1)
            .take(3)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for (config, host) in [
        (config(), "https://dynamodb.eu-central-1.amazonaws.com"),
        (
            config().use_fips(true),
            "https://dynamodb-fips.eu-central-1.amazonaws.com",
        ),
        (
            config().use_dual_stack(true),
            "https://dynamodb.eu-central-1.api.aws",
        ),
        (
            config().region(Region::new("cn-north-1")),
            "https://dynamodb.cn-north-1.amazonaws.com.cn",
        ),
        (
            config().region(Region::new("local")),
            "http://localhost:8000",
        ),
        (
            config().endpoint_url("http://127.0.0.1:8000"),
            "http://127.0.0.1:8000",
        ),
        (
            config().endpoint_url("https://vpce.example.com/"),
            "https://vpce.example.com",
        ),
    ] {
        let [lean, client] = both(config, &get, (200, b"{}")).await;
        assert_eq!(essence(&lean.0), essence(&client.0), "{host}");
        assert_eq!(lean.0.uri().trim_end_matches('/'), host);
        assert_eq!(scope(&lean.0), scope(&client.0), "{host}");
    }
}

/// The SDK's client sends to an endpoint of the account if it knows the account from an ARN. Every
/// account can use the endpoint of the Region.
#[tokio::test]
async fn lean_sends_an_arn_to_the_region() {
    let arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/sessions";
    let get = GetItemInputBuilder::default()
        .table_name(arn)
        .key("id", s("a"));
    let [lean, client] = both(config(), &get, (200, b"{}")).await;
    assert_eq!(lean.0.uri(), "https://dynamodb.eu-central-1.amazonaws.com");
    assert_eq!(
        client.0.uri(),
        "https://123456789012.ddb.eu-central-1.amazonaws.com/"
    );
    assert_eq!(essence(&lean.0).3, essence(&client.0).3);
}

#[tokio::test]
async fn lean_request_has_these_headers() {
    let get = GetItemInputBuilder::default()
        .table_name("sessions")
        .key("id", s("a"));
    let config = config().app_name(AppName::new("shop").unwrap());
    let [(lean, _), _] = both(config, &get, (200, b"{}")).await;
    let mut names: Vec<_> = lean.headers().iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    let expected = [
        "authorization",
        "content-length",
        "content-type",
        "user-agent",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-target",
    ];
    assert_eq!(names, expected);
    let user_agent = format!(
        "lambda-sessions/{} lang/rust app/shop",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(lean.headers().get("user-agent"), Some(&*user_agent));
}

/// A configuration that only the SDK's client knows.
#[test]
fn lean_refuses_what_it_does_not_know() {
    let refusal = |config: Builder| {
        let config = config.build();
        let (clock, credentials) = parts(&config);
        Lean::new(&config, &clock, &credentials).err()
    };
    assert_eq!(refusal(config()), None);
    for (config, reason) in [
        (
            config().endpoint_url("http://localhost:4566/dynamodb"),
            "the endpoint has a path",
        ),
        (config().endpoint_url("no URL"), "the endpoint is no URL"),
        (
            config().account_id_endpoint_mode(AccountIdEndpointMode::Required),
            "the endpoint depends on the account",
        ),
    ] {
        assert_eq!(refusal(config), Some(reason));
    }
}
