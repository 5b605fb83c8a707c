//! Signs requests with [Signature Version 4][guide].
//!
//! 1. A signature needs a key that is derived from the secret by four hashes, for one day, Region and
//!    service. The SDK derives it for each request. Here it is kept as long as its day and its
//!    credentials last.
//! 2. A request to DynamoDB is a `POST` of a body in memory to `/` without a query. So its canonical
//!    form needs no encoding and no sorting of parameters.
//! 3. A test signs thousands of random requests with this signer and with the SDK's. All headers are
//!    equal.
//!
//! [guide]: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::DateTime;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const SERVICE: &str = "dynamodb";

/// The headers that a proxy may change, and the signature itself. They are not signed.
const UNSIGNED: [&str; 4] = [
    "authorization",
    "transfer-encoding",
    "user-agent",
    "x-amzn-trace-id",
];

/// A signer for one Region and one host.
pub(super) struct Signer {
    region: String,
    host: String,
    kept: Mutex<Option<Kept>>,
}

/// A key with the day and the credentials that it was derived from.
#[derive(Clone)]
struct Kept {
    day: String,
    secret: Credentials,
    key: Hmac<Sha256>,
}

impl Signer {
    /// Creates a signer for requests to `host`, which includes a port that is not the default.
    pub(super) fn new(region: &str, host: &str) -> Self {
        Self {
            region: region.to_owned(),
            host: host.to_owned(),
            kept: Mutex::new(None),
        }
    }

    /// Adds the headers of a signature to a request whose body is in memory.
    pub(super) fn sign(
        &self,
        request: &mut HttpRequest,
        credentials: &Credentials,
        time: SystemTime,
    ) {
        let time = amz_date(time);
        let headers = request.headers_mut();
        headers.insert("x-amz-date", time.clone());
        if let Some(token) = credentials.session_token() {
            headers.insert("x-amz-security-token", token.to_owned());
        }
        let authorization = self.authorization(request, credentials, &time);
        request.headers_mut().insert("authorization", authorization);
    }

    fn authorization(
        &self,
        request: &HttpRequest,
        credentials: &Credentials,
        time: &str,
    ) -> String {
        let day = &time[..8];
        let body = request.body().bytes().unwrap_or_default();
        let scope = format!("{day}/{}/{SERVICE}/aws4_request", self.region);
        let (signed, canonical) = self.canonical(request, body);
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
            hex(&Sha256::digest(canonical))
        );
        let signature = self.key(day, credentials).chain_update(to_sign).finalize();
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={}",
            credentials.access_key_id(),
            hex(&signature.into_bytes())
        )
    }

    /// Returns the names of the signed headers, and the canonical form of the request.
    fn canonical(&self, request: &HttpRequest, body: &[u8]) -> (String, String) {
        let mut headers: Vec<(&str, &str)> = request
            .headers()
            .iter()
            .filter(|(name, _)| !UNSIGNED.contains(name))
            .collect();
        headers.push(("host", &self.host));
        headers.sort_unstable();
        let mut signed = String::new();
        let mut canonical = String::from("POST\n/\n\n");
        for (name, value) in headers {
            if !signed.is_empty() {
                signed.push(';');
            }
            signed.push_str(name);
            for part in [name, ":", value.trim(), "\n"] {
                canonical.push_str(part);
            }
        }
        for part in ["\n", &signed, "\n", &hex(&Sha256::digest(body))] {
            canonical.push_str(part);
        }
        (signed, canonical)
    }

    /// Returns the key for a day, derived or kept.
    fn key(&self, day: &str, credentials: &Credentials) -> Hmac<Sha256> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = &*kept
            && kept.day == day
            && kept.secret.secret_access_key() == credentials.secret_access_key()
        {
            return kept.key.clone();
        }
        let key = derive(credentials.secret_access_key(), day, &self.region);
        *kept = Some(Kept {
            day: day.to_owned(),
            secret: credentials.clone(),
            key: key.clone(),
        });
        key
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// Derives the key of a day.
fn derive(secret: &str, day: &str, region: &str) -> Hmac<Sha256> {
    let secret = format!("AWS4{secret}");
    [day, region, SERVICE, "aws4_request"]
        .iter()
        .fold(keyed(secret.as_bytes()), |key, part| {
            keyed(&key.chain_update(part).finalize().into_bytes())
        })
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC accepts keys of any length")
}

/// Returns a time as `YYYYMMDDTHHMMSSZ`.
fn amz_date(time: SystemTime) -> String {
    let seconds = DateTime::from(time).secs();
    let text = DateTime::from_secs(seconds).fmt(aws_smithy_types::date_time::Format::DateTime);
    // A time outside of the years 1 to 9999 has no such form, and no signature is accepted for it.
    let text = text.unwrap_or_default();
    let mut compact: String = text.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    if compact.len() < 8 {
        compact.insert_str(0, "00000000");
    }
    compact
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits =
        |byte: &u8| [byte >> 4, byte & 15].map(|half| char::from(DIGITS[usize::from(half)]));
    bytes.iter().flat_map(digits).collect()
}

#[cfg(test)]
mod tests;
