use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_types::body::SdkBody;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

/// A random request, and what it is signed with.
#[derive(Clone, Debug)]
struct Case {
    secret: String,
    token: Option<String>,
    seconds: u64,
    region: usize,
    endpoint: usize,
    body: Vec<u8>,
    headers: [bool; 5],
}

const REGIONS: [&str; 3] = ["eu-central-1", "us-gov-west-1", "local"];
const ENDPOINTS: [(&str, &str); 4] = [
    (
        "https://dynamodb.eu-central-1.amazonaws.com",
        "dynamodb.eu-central-1.amazonaws.com",
    ),
    ("http://127.0.0.1:8000", "127.0.0.1:8000"),
    ("https://localhost:443/", "localhost"),
    ("http://[::1]:8443/", "[::1]:8443"),
];
const HEADERS: [(&str, &str); 5] = [
    ("content-type", "application/x-amz-json-1.0"),
    ("x-amz-target", "DynamoDB_20120810.UpdateItem"),
    ("content-length", "17"),
    ("user-agent", "lambda-sessions/0.1.0"),
    (
        "x-amzn-trace-id",
        "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
    ),
];

fn any_case() -> impl Strategy<Value = Case> {
    // Few secrets, so that they come back. The times are those of the years 1970 to 2191.
    let secret = prop_oneof![
        Just("secret".to_owned()),
        "[ -~]{1,60}",
        Just("other".to_owned())
    ];
    let token = proptest::option::of("[A-Za-z0-9+/=]{1,200}");
    let seconds = prop_oneof![
        0..7_000_000_000_u64,
        (0..81_000_u64).prop_map(|day| day * 86_400),
        (1..81_000_u64).prop_map(|day| day * 86_400 - 1),
    ];
    let body = vec(any::<u8>(), 0..700);
    let place = (0..REGIONS.len(), 0..ENDPOINTS.len());
    (secret, token, seconds, place, body, any::<[bool; 5]>()).prop_map(
        |(secret, token, seconds, (region, endpoint), body, headers)| Case {
            secret,
            token,
            seconds,
            region,
            endpoint,
            body,
            headers,
        },
    )
}

fn request(case: &Case) -> HttpRequest {
    let mut request = HttpRequest::new(SdkBody::from(case.body.clone()));
    request.set_method("POST").unwrap();
    request.set_uri(ENDPOINTS[case.endpoint].0).unwrap();
    for ((name, value), is_there) in HEADERS.into_iter().zip(case.headers) {
        if is_there {
            request.headers_mut().insert(name, value);
        }
    }
    request
}

/// Signs a request as the SDK does.
fn signed_by_the_sdk(case: &Case, credentials: &Credentials, time: SystemTime) -> HttpRequest {
    let mut request = request(case);
    let identity = credentials.clone().into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(REGIONS[case.region])
        .name(SERVICE)
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .unwrap();
    let headers: Vec<_> = request.headers().iter().collect();
    let body = SignableBody::Bytes(&case.body);
    let signable = SignableRequest::new("POST", request.uri(), headers.into_iter(), body).unwrap();
    let (instructions, _) = sign(signable, &params.into()).unwrap().into_parts();
    for (name, value) in instructions.headers() {
        request
            .headers_mut()
            .insert(name.to_owned(), value.to_owned());
    }
    request
}

#[test]
fn signer_signs_as_the_sdk_does() {
    let signers = REGIONS.map(|region| ENDPOINTS.map(|(_, host)| Signer::new(region, host)));
    let mut runner = TestRunner::new(Config::with_cases(4_000));
    let outcome = runner.run(&any_case(), |case| {
        let time = UNIX_EPOCH + Duration::from_secs(case.seconds);
        let token = case.token.clone();
        let credentials = Credentials::new("AKID", &case.secret, token, None, "tests");
        let mut ours = request(&case);
        signers[case.region][case.endpoint].sign(&mut ours, &credentials, time);
        let theirs = signed_by_the_sdk(&case, &credentials, time);
        let sorted = |request: &HttpRequest| {
            let mut headers: Vec<_> = request
                .headers()
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            headers.sort();
            headers
        };
        prop_assert_eq!(sorted(&ours), sorted(&theirs));
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn signer_derives_a_key_once_a_day() {
    let signer = Signer::new("eu-central-1", "localhost");
    let kept = || signer.kept.lock().unwrap().clone().map(|kept| kept.day);
    let credentials = Credentials::new("AKID", "secret", None, None, "tests");
    let sign = |seconds| {
        let mut request = HttpRequest::new(SdkBody::from("body"));
        request.set_uri("http://localhost/").unwrap();
        signer.sign(
            &mut request,
            &credentials,
            UNIX_EPOCH + Duration::from_secs(seconds),
        );
    };
    sign(86_399);
    assert_eq!(kept().as_deref(), Some("19700101"));
    sign(86_400);
    assert_eq!(kept().as_deref(), Some("19700102"));
}

#[test]
fn signer_shows_no_secret() {
    let signer = Signer::new("eu-central-1", "localhost");
    let credentials = Credentials::new("AKID", "s3cr3t", None, None, "tests");
    let _ = signer.key("20260101", &credentials);
    let text = format!("{signer:?}");
    assert!(!text.contains("s3cr3t"), "{text}");
    assert_eq!(text, "Signer { region: \"eu-central-1\", .. }");
}

#[test]
fn time_without_a_date_has_one_of_zeros() {
    let far = UNIX_EPOCH + Duration::from_secs(300_000_000_000);
    assert_eq!(amz_date(far), "00000000");
}
