//! The page of the application that issues a ticket for a connection.
//!
//! It is a `POST`, with which other sites cannot send the session's cookie. The response is not cached.

use std::time::{SystemTime, UNIX_EPOCH};

use lambda_http::http::header::CACHE_CONTROL;
use lambda_http::http::{Method, StatusCode};
use lambda_http::{Body, Error, Request, Response};
use lambda_sessions::{Key, Session};

use super::connections::{Connections, Login};

const ACCOUNT: Key<String> = Key::new("account");

/// Issues a ticket for the login of this session. The page opens `wss://…?ticket=…` with it.
pub(crate) async fn issue(
    connections: &Connections,
    request: &Request,
    session: Session,
    now: u64,
) -> Result<Response<Body>, Error> {
    if request.method() != Method::POST {
        return page(StatusCode::METHOD_NOT_ALLOWED, "send a POST\n");
    }
    let login = session.get(ACCOUNT)?.zip(session.handle());
    let Some((account, handle)) = login else {
        return page(StatusCode::UNAUTHORIZED, "log in first\n");
    };
    let login = Login { account, handle };
    page(
        StatusCode::OK,
        &connections.issue_ticket(&login, now).await?,
    )
}

/// Returns the time, in seconds.
#[allow(clippy::disallowed_methods)] // the rule is for the library only
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

fn page(status: StatusCode, text: &str) -> Result<Response<Body>, Error> {
    let response = Response::builder()
        .status(status)
        .header(CACHE_CONTROL, "no-store");
    Ok(response.body(text.into())?)
}
