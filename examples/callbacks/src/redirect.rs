//! A login whose answer is a redirect: a top-level `GET`, with which the browser sends the `Lax` cookie.
//! The visitor's own session keeps the `state`, and no other is needed.

use lambda_http::http::StatusCode;
use lambda_http::{Body, Error, Request, RequestExt as _, Response};
use lambda_sessions::{Key, Session};

use super::provider::Provider;
use super::shop::{ACCOUNT, page, random, see_other};

/// The callback.
pub(crate) const CALLBACK: &str = "/callback/oauth";

const STATE: Key<String> = Key::new("oauth state");

/// Sends the browser to the provider.
pub(crate) fn begin(visitor: &Session, provider: &impl Provider) -> Result<Response<Body>, Error> {
    let state = random()?;
    visitor.insert(STATE, &state)?;
    see_other(&provider.page(CALLBACK, &state))
}

/// Takes the answer of the provider, and logs in. It is a `GET` that changes something, so it must have
/// a `state` that only this visitor's browser can have got.
pub(crate) async fn callback(
    request: &Request,
    visitor: &Session,
    provider: &impl Provider,
) -> Result<Response<Body>, Error> {
    let query = request.query_string_parameters();
    // A forged answer does not use the state up.
    let expected = visitor.get(STATE)?;
    if expected.is_none() || expected.as_deref() != query.first("state") {
        return page(StatusCode::BAD_REQUEST, "unknown state: log in again");
    }
    visitor.take_once(STATE)?;
    visitor.save().await?; // only one request gets past this line
    let account = match query.first("code") {
        Some(code) => provider.account(code).await?,
        None => None,
    };
    let Some(account) = account else {
        return page(StatusCode::FORBIDDEN, "not logged in");
    };
    visitor.log_in(&account)?; // a new id, and the cart stays
    visitor.insert(ACCOUNT, account)?;
    see_other("/")
}
