//! A client behind API Gateway: it makes events of requests, and keeps the cookies of responses.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

#[derive(Clone, Default)]
pub(crate) struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// Returns the event of an HTTP API, payload version 2.0, for a request of this path.
    pub(crate) fn event(&self, path: &str) -> String {
        let mut event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {
                "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                "accept-encoding": "gzip, deflate, br, zstd",
                "accept-language": "en-US,en;q=0.5",
                "content-length": "0",
                "host": "r3pmxmplak.execute-api.us-east-1.amazonaws.com",
                "sec-fetch-dest": "document",
                "sec-fetch-mode": "navigate",
                "sec-fetch-site": "same-origin",
                "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
                "x-amzn-trace-id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700",
                "x-forwarded-for": "205.255.255.176",
                "x-forwarded-port": "443",
                "x-forwarded-proto": "https"
            },
            "requestContext": {
                "accountId": "123456789012",
                "apiId": "r3pmxmplak",
                "domainName": "r3pmxmplak.execute-api.us-east-1.amazonaws.com",
                "domainPrefix": "r3pmxmplak",
                "http": {
                    "method": "GET",
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "205.255.255.176",
                    "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
                },
                "requestId": "JKJaXmPLvHcESHA=",
                "routeKey": "$default",
                "stage": "$default",
                "time": "10/Mar/2026:05:16:23 +0000",
                "timeEpoch": 1_773_119_783_220_u64
            },
            "isBase64Encoded": false
        });
        if !self.cookies.is_empty() {
            let pairs = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"));
            event["cookies"] = pairs.collect();
        }
        event.to_string()
    }

    /// Checks that the response is a success, and keeps its cookies.
    pub(crate) fn keep(&mut self, response: &[u8]) -> Result<()> {
        let response: Value = serde_json::from_slice(response)?;
        let status = response["statusCode"].as_u64();
        ensure!(status == Some(200), "the program responded {response}");
        let lines = response["cookies"].as_array().into_iter().flatten();
        for line in lines.filter_map(Value::as_str) {
            let pair = line.split(';').next().unwrap_or(line);
            let (name, value) = pair.split_once('=').context("a cookie has no name")?;
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browser_sends_the_cookies_of_responses() {
        let mut browser = Browser::default();
        assert!(!browser.event("/").contains("cookies"));
        let response = br#"{"statusCode":200,"cookies":["sid=1; Path=/","other=2"]}"#;
        browser.keep(response).unwrap();
        let event: Value = serde_json::from_str(&browser.event("/read")).unwrap();
        assert_eq!(event["cookies"], json!(["other=2", "sid=1"]));
        assert_eq!(event["rawPath"], "/read");
    }

    #[test]
    fn browser_rejects_an_error_response() {
        assert!(Browser::default().keep(br#"{"statusCode":503}"#).is_err());
    }
}
