use std::ffi::OsString;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::clock::Timestamp;
use crate::clock::system_clock;

/// The SHA-256 fingerprints that <https://www.amazontrust.com/repository/> lists, and the ends of
/// validity in epoch seconds.
const FINGERPRINTS: [(&str, u64); 5] = [
    (
        "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
        2_147_299_200,
    ),
    (
        "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
        2_221_689_600,
    ),
    (
        "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
        2_221_689_600,
    ),
    (
        "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
        2_221_689_600,
    ),
    (
        "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
        2_145_916_799,
    ),
];

/// Returns the certificates in DER.
fn certificates() -> Vec<Vec<u8>> {
    let blocks = AMAZON_PEM.split("-----BEGIN CERTIFICATE-----").skip(1);
    let bodies = blocks.map(|block| block.split("-----END CERTIFICATE-----").next().unwrap());
    bodies
        .map(|body| STANDARD.decode(body.replace('\n', "")).unwrap())
        .collect()
}

/// Returns the last time in a certificate, which is the end of its validity: `UTCTime` (0x17, two
/// digits of the year) in the only place where it follows another time.
fn end_of(certificate: &[u8]) -> String {
    let mut times = certificate.windows(15).filter_map(|bytes| {
        let is_time = bytes[0] == 0x17 && bytes[1] == 13 && bytes[14] == b'Z';
        is_time.then(|| String::from_utf8(bytes[2..14].to_vec()).unwrap())
    });
    times.nth(1).unwrap()
}

#[test]
fn roots_are_those_of_amazon() {
    let found: Vec<String> = certificates()
        .iter()
        .map(|der| {
            Sha256::digest(der)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        })
        .collect();
    assert_eq!(found, FINGERPRINTS.map(|(fingerprint, _)| fingerprint));
}

#[test]
fn roots_are_valid_for_years() {
    let ends = [
        "380117000000",
        "400526000000",
        "400526000000",
        "400526000000",
        "371231235959",
    ];
    let found: Vec<_> = certificates().iter().map(|der| end_of(der)).collect();
    assert_eq!(found, ends);
    let two_years = Duration::from_secs(2 * 365 * 86_400);
    let then = Timestamp::from(system_clock())
        .plus(two_years)
        .epoch_seconds();
    for (fingerprint, end) in FINGERPRINTS {
        assert!(
            then < end,
            "{fingerprint} expires: release a version with new roots"
        );
    }
}

fn roots(endpoint: &str, variable: Option<&str>) -> Roots {
    let get = |name: &str| (variable == Some(name)).then(|| OsString::from("/a/file"));
    Roots::of(&endpoint.parse().unwrap(), &Variables(&get))
}

#[test]
fn amazons_roots_serve_amazons_endpoints() {
    for (endpoint, expected) in [
        ("https://dynamodb.eu-central-1.amazonaws.com", Roots::Amazon),
        (
            "https://dynamodb-fips.us-east-1.amazonaws.com",
            Roots::Amazon,
        ),
        ("https://dynamodb.eu-central-1.api.aws", Roots::Amazon),
        (
            "https://vpce-1-2.dynamodb.eu-central-1.vpce.amazonaws.com",
            Roots::Amazon,
        ),
        (
            "https://dynamodb.cn-north-1.amazonaws.com.cn",
            Roots::System,
        ),
        ("https://dynamodb.us-iso-east-1.c2s.ic.gov", Roots::System),
        ("https://amazonaws.com.example.com", Roots::System),
        ("https://notamazonaws.com", Roots::System),
        ("https://localhost.localstack.cloud:4566", Roots::System),
        // Nothing is encrypted, so nothing is loaded.
        ("http://localhost:8000", Roots::Amazon),
    ] {
        assert_eq!(roots(endpoint, None), expected, "{endpoint}");
    }
}

#[test]
fn system_roots_serve_named_certificates() {
    let endpoint = "https://dynamodb.eu-central-1.amazonaws.com";
    for variable in VARIABLES {
        assert_eq!(roots(endpoint, Some(variable)), Roots::System, "{variable}");
    }
    assert_eq!(roots(endpoint, Some("HTTP_PROXY")), Roots::Amazon);
    let empty = Variables(&|_| Some(OsString::new()));
    assert_eq!(Roots::of(&endpoint.parse().unwrap(), &empty), Roots::Amazon);
    assert_eq!(Roots::of_credentials(&empty), Roots::Amazon);
}
