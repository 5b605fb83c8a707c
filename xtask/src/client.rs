//! An HTTP client that keeps cookies, as a browser does for `http://localhost`. It keeps `Secure` and
//! `__Host-` cookies too.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

/// The time limit of a request, which can include a cold start.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Client {
    http: HttpClient<HttpConnector, Full<&'static [u8]>>,
    jar: BTreeMap<String, String>,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Client {
    pub(crate) fn new() -> Self {
        let mut http = HttpClient::builder(TokioExecutor::new());
        // No connection is kept, because another process can serve the next request.
        http.pool_max_idle_per_host(0);
        Self {
            http: http.build_http(),
            jar: BTreeMap::new(),
        }
    }

    /// Creates a client that has this cookie.
    pub(crate) fn with_cookie(name: &str, value: &str) -> Self {
        let mut client = Self::new();
        client.jar.insert(name.to_owned(), value.to_owned());
        client
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.jar.get(name).map(String::as_str)
    }

    pub(crate) async fn get(&mut self, url: &str) -> Result<Reply> {
        self.send(Method::GET, url, "text/plain", b"").await
    }

    pub(crate) async fn post(
        &mut self,
        url: &str,
        content_type: &str,
        body: &'static str,
    ) -> Result<Reply> {
        self.send(Method::POST, url, content_type, body.as_bytes())
            .await
    }

    async fn send(
        &mut self,
        method: Method,
        url: &str,
        content_type: &str,
        body: &'static [u8],
    ) -> Result<Reply> {
        let mut request = Request::builder().method(method).uri(url);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if !self.jar.is_empty() {
            let pairs: Vec<_> = self.jar.iter().map(|(n, v)| format!("{n}={v}")).collect();
            request = request.header(COOKIE, pairs.join("; "));
        }
        let exchange = async {
            let response = self.http.request(request.body(Full::new(body))?).await?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, anyhow::Error>((parts, body))
        };
        let (parts, body) = timeout(LIMIT, exchange)
            .await
            .context("the server did not respond")??;
        let reply = Reply {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.into())?,
        };
        for cookie in reply.cookies() {
            self.keep(cookie);
        }
        Ok(reply)
    }

    fn keep(&mut self, set_cookie: &str) {
        let (pair, attributes) = set_cookie.split_once(';').unwrap_or((set_cookie, ""));
        let Some((name, value)) = pair.split_once('=') else {
            return;
        };
        if attributes.split(';').any(|a| a.trim() == "Max-Age=0") {
            self.jar.remove(name);
        } else {
            self.jar.insert(name.to_owned(), value.to_owned());
        }
    }
}

impl Reply {
    /// Returns the `Set-Cookie` lines.
    pub(crate) fn cookies(&self) -> Vec<&str> {
        let lines = self.headers.get_all(SET_COOKIE).iter();
        lines.filter_map(|line| line.to_str().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_keeps_cookies_until_removed() {
        let mut client = Client::new();
        client.keep("__Host-sid=1; Path=/; Secure");
        client.keep("__Host-sid=2; Path=/; Secure; Max-Age=60");
        assert_eq!(client.cookie("__Host-sid"), Some("2"));
        client.keep("__Host-sid=; Path=/; Secure; Max-Age=0");
        assert_eq!(client.cookie("__Host-sid"), None);
    }
}
