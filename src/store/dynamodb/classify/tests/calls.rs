//! Faults of real calls, through both transports.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_dynamodb::operation::get_item::builders::GetItemInputBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_types::sdk_config::Builder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};

use crate::error::ErrorKind;
use crate::store::dynamodb::classify::Fault;
use crate::store::dynamodb::testing::{parts, transports};
use crate::store::dynamodb::transport::Transport;
use crate::store::dynamodb::transport::lean::Lean;
use crate::store::dynamodb::transport::sdk_client::SdkClient;
use crate::store::dynamodb::transport::send::{Ready, SendRequest as _};

fn config() -> Builder {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials()))
}

fn credentials() -> Credentials {
    Credentials::new("id", "key", None, None, "tests")
}

/// Returns the fault of a real call through one of the transports.
async fn called(transport: &Transport) -> Fault {
    let request = GetItemInputBuilder::default()
        .table_name("sessions")
        .key("id", AttributeValue::S("secret".to_owned()));
    let error = transport
        .send(request, &Ready::default())
        .await
        .unwrap_err();
    let fault = Fault::of(error);
    assert!(!format!("{fault:?}").contains("secret"), "{fault:?}");
    fault
}

#[tokio::test]
async fn request_without_a_response_is_ambiguous() {
    for response in [
        "",
        "HTTP/1.1 200",
        "no HTTP at all\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{",
        "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let read = socket.read(&mut [0; 16_384]).await.unwrap();
                assert!(read > 0);
                socket.write_all(response.as_bytes()).await.unwrap();
            }
        });
        for transport in transports(&config().endpoint_url(endpoint).build()) {
            let fault = called(&transport).await;
            let Fault::Ambiguous(error) = fault else {
                panic!("{transport:?} {response:?}: {fault:?}")
            };
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{response:?}");
        }
    }
}

#[tokio::test]
async fn refused_connection_is_retried() {
    // Nobody else gets the port, and nobody listens on it.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let refuses = format!("http://{}", closed.local_addr().unwrap());
    let speaks_no_tls = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hangs_up = format!("https://{}", speaks_no_tls.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            speaks_no_tls.accept().await.map(drop).unwrap();
        }
    });
    for endpoint in [refuses, hangs_up] {
        for transport in transports(&config().endpoint_url(&endpoint).build()) {
            let fault = called(&transport).await;
            let Fault::Again(error) = fault else {
                panic!("{transport:?} {endpoint}: {fault:?}")
            };
            assert_eq!(error.kind(), ErrorKind::Unavailable);
        }
    }
}

#[tokio::test]
async fn request_that_was_not_made_is_misconfigured() {
    let keyless = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-central-1"));
    let nowhere = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .credentials_provider(SharedCredentialsProvider::new(credentials()));
    for config in [keyless, nowhere, config().endpoint_url("not a URL")] {
        let config = config.build();
        let (clock, credentials) = parts(&config);
        assert!(Lean::new(&config, &clock, &credentials).is_err());
        let client = SdkClient::of_config(&config, &clock, &credentials);
        let fault = called(&Transport::SdkClient(client)).await;
        let Fault::Refused(error) = fault else {
            panic!("{fault:?}")
        };
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
    }
}

/// A provider that fails after the request was made.
#[tokio::test]
async fn credentials_that_fail_are_misconfigured() {
    let provider = provide_credentials_fn(|| async { Err(CredentialsError::not_loaded("none")) });
    let provider = SharedCredentialsProvider::new(provider);
    for transport in transports(&config().credentials_provider(provider).build()) {
        let fault = called(&transport).await;
        let Fault::Refused(error) = fault else {
            panic!("{transport:?}: {fault:?}")
        };
        assert_eq!(error.kind(), ErrorKind::Misconfigured);
    }
}
