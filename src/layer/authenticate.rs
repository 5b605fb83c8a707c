//! Sessions outside a handler: a read-only session of headers or cookies.

use std::sync::Arc;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::layer::session_layer::SessionLayer;
use crate::pipeline::core::Pipeline;
use crate::pipeline::deadline;
use crate::session::read_only::ReadOnlySession;
use crate::store::session_store::SessionStore;

impl<S: SessionStore + Clone> SessionLayer<S> {
    /// Returns the session of a request's headers, read-only and outside a handler.
    ///
    /// It is for a Lambda authorizer, a WebSocket's `$connect`, or any code that has the headers of a
    /// client and no request. The id is found as in a request: in the cookie, in a [previous
    /// cookie](Self::previous_cookie), or in the [header](Self::id_header) of the layer. A session
    /// whose id was cycled automatically is found under its previous id during the grace period.
    ///
    /// The session is read once and never written: its expiry is not extended, its id is not cycled,
    /// and no cookie is sent. A client whose requests do nothing else counts as idle.
    ///
    /// It returns `Ok(None)` if there is no live session: the headers carry no id, several ids or a
    /// forged signature, or the session has expired or was ended. Without a usable id, nothing is
    /// read.
    ///
    /// ```
    /// use http::HeaderMap;
    /// use lambda_sessions::{Error, SessionLayer};
    ///
    /// async fn account(sessions: &SessionLayer, headers: &HeaderMap) -> Result<Option<String>, Error> {
    ///     match sessions.authenticate(headers).await? {
    ///         Some(session) => session.get("account"),
    ///         None => Ok(None),
    ///     }
    /// }
    /// # let _ = account;
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of a read, such as [`Unavailable`](ErrorKind::Unavailable) and
    /// [`Timeout`](ErrorKind::Timeout). Fails with [`Misconfigured`](ErrorKind::Misconfigured) if
    /// the settings are invalid. An error says nothing about the client, so do not treat it as a
    /// logout.
    pub async fn authenticate(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<ReadOnlySession>, Error> {
        let settings = self.settings.clone();
        let pipeline = Pipeline::new(self.id().clone(), self.store.clone(), settings)?;
        let pipeline = Arc::new(pipeline);
        let session = pipeline.authenticate(headers, deadline::current()).await?;
        Ok(session.map(ReadOnlySession))
    }

    /// Returns the session of a list of cookies, read-only and outside a handler.
    ///
    /// It is [`authenticate`](Self::authenticate) for events that have the cookies in a list, such as
    /// those of HTTP APIs. Each element is a pair such as `__Host-sid=value`. An element that cannot be
    /// part of a `Cookie` header is ignored.
    ///
    /// ```
    /// use lambda_sessions::{Error, SessionLayer};
    ///
    /// async fn is_known(sessions: &SessionLayer, cookies: &[String]) -> Result<bool, Error> {
    ///     Ok(sessions.authenticate_cookies(cookies).await?.is_some())
    /// }
    /// # let _ = is_known;
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`authenticate`](Self::authenticate).
    pub async fn authenticate_cookies<C: AsRef<str>>(
        &self,
        cookies: impl IntoIterator<Item = C>,
    ) -> Result<Option<ReadOnlySession>, Error> {
        let headers = cookie_headers(cookies);
        self.authenticate(&headers).await
    }
}

/// Returns headers with these cookies in one line.
fn cookie_headers<C: AsRef<str>>(cookies: impl IntoIterator<Item = C>) -> HeaderMap {
    let mut line = Vec::new();
    for cookie in cookies {
        let cookie = cookie.as_ref().as_bytes();
        // One odd cookie must not hide the others.
        if HeaderValue::from_bytes(cookie).is_ok() {
            line.extend_from_slice(if line.is_empty() { b"" } else { b"; " });
            line.extend_from_slice(cookie);
        }
    }
    HeaderValue::try_from(line)
        .map(|line| HeaderMap::from_iter([(COOKIE, line)]))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_joined_without_the_odd_ones() {
        let joined = |cookies: &[&str]| {
            let headers = cookie_headers(cookies);
            let line = headers.get(COOKIE);
            line.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned())
        };
        assert_eq!(joined(&["a=1", "b=2"]).as_deref(), Some("a=1; b=2"));
        assert_eq!(joined(&["a=1\r\n", "b=2"]).as_deref(), Some("b=2"));
        assert_eq!(joined(&["a=\u{e9}", "b"]).as_deref(), Some("a=\u{e9}; b"));
        assert_eq!(joined(&[]).as_deref(), Some(""));
    }
}
