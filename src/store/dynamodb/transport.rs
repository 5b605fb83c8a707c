//! Sends one request, through the SDK's parts or through the SDK's client.
//!
//! 1. [`Lean`] takes the SDK's types, serializers and deserializers, and does the rest itself. A
//!    full client spends most of a call's instructions on features that this store switches off or
//!    replaces: retries, endpoints for each call, measurements, interceptors.
//! 2. [`SdkClient`] sends through an [`aws_sdk_dynamodb::Client`]. It serves applications that bring
//!    a client, and configurations that [`Lean`] does not know.
//! 3. Both send the same bytes and decode responses to the same values. A test compares them for
//!    each operation.

pub(super) mod connections;
pub(super) mod credentials;
pub(super) mod environment;
pub(super) mod lean;
pub(super) mod request;
pub(super) mod roots;
pub(super) mod sdk_client;
pub(super) mod send;
pub(super) mod signer;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

use crate::store::dynamodb::transport::lean::Lean;
use crate::store::dynamodb::transport::request::Request;
use crate::store::dynamodb::transport::sdk_client::SdkClient;
use crate::store::dynamodb::transport::send::{Ready, SendRequest, Sent};

/// The means by which a store sends its requests. Clones share connections.
#[derive(Clone)]
pub(super) enum Transport {
    Lean(Lean),
    SdkClient(SdkClient),
}

impl SendRequest for Transport {
    async fn send<R: Request>(&self, request: R, ready: &Ready) -> Sent<R> {
        match self {
            Self::Lean(lean) => lean.send(request, ready).await,
            Self::SdkClient(client) => client.send(request, ready).await,
        }
    }

    fn reconnected(&self) -> Self {
        match self {
            Self::Lean(lean) => Self::Lean(lean.reconnected()),
            Self::SdkClient(client) => Self::SdkClient(client.reconnected()),
        }
    }

    fn with_connect_timeout(&self, timeout: Duration) -> Self {
        match self {
            Self::Lean(lean) => Self::Lean(lean.with_connect_timeout(timeout)),
            Self::SdkClient(client) => Self::SdkClient(client.with_connect_timeout(timeout)),
        }
    }

    fn connect_timeout(&self) -> Duration {
        match self {
            Self::Lean(lean) => lean.connect_timeout(),
            Self::SdkClient(client) => client.connect_timeout(),
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lean(_) => "Lean",
            Self::SdkClient(_) => "SdkClient",
        })
    }
}
