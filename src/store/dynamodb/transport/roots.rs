//! The root certificates that a connection to DynamoDB trusts.
//!
//! 1. AWS's own endpoints have certificates of Amazon Trust Services. Its five roots are in this
//!    crate, so that a cold start need not parse the 140 or so of the system.
//! 2. Any other endpoint, a proxy, or a variable that names certificates means that the system's
//!    roots count, as they do in the SDK.
//!
//! The certificates are from the [repository of Amazon Trust
//! Services](https://www.amazontrust.com/repository/). A test compares their fingerprints with those
//! that the repository lists, and fails two years before the first one expires.

use aws_smithy_http_client::tls::TrustStore;
use http::Uri;

use crate::env::Variables;

/// The five root certificates of Amazon Trust Services.
const AMAZON_PEM: &str = include_str!("amazon_roots.pem");

/// The variables that name certificates of one's own, or a proxy that may have one.
const VARIABLES: [&str; 7] = [
    "AWS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// The root certificates that a connection trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Roots {
    Amazon,
    System,
}

impl Roots {
    /// Returns the roots for an endpoint. An endpoint without TLS needs none, and gets those that
    /// need no file.
    pub(super) fn of(endpoint: &Uri, variables: &Variables<'_>) -> Self {
        let is_amazons = endpoint.host().is_some_and(is_amazons);
        match endpoint.scheme_str() {
            Some("https") if !is_amazons || names_certificates(variables) => Self::System,
            _ => Self::Amazon,
        }
    }

    /// Returns the roots for the calls by which the SDK loads credentials.
    pub(super) fn of_credentials(variables: &Variables<'_>) -> Self {
        match names_certificates(variables) {
            true => Self::System,
            false => Self::Amazon,
        }
    }

    pub(super) fn trust_store(self) -> TrustStore {
        match self {
            Self::Amazon => TrustStore::empty().with_pem_certificate(AMAZON_PEM),
            Self::System => TrustStore::default(),
        }
    }
}

/// Returns `true` for a host in the domains whose certificates are Amazon's. Endpoints in China and
/// in isolated partitions have other domains, and get the system's roots.
fn is_amazons(host: &str) -> bool {
    [".amazonaws.com", ".api.aws"]
        .iter()
        .any(|domain| host.ends_with(domain))
}

fn names_certificates(variables: &Variables<'_>) -> bool {
    let is_set = |name: &&str| (variables.0)(name).is_some_and(|value| !value.is_empty());
    VARIABLES.iter().any(is_set)
}

#[cfg(test)]
mod tests;
