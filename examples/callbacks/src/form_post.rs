//! A login whose answer is a `POST` of the provider's page: Sign in with Apple (`response_mode` is
//! `form_post`), and SAML's POST binding.
//!
//! 1. The browser sends no `Lax` cookie with that `POST`, so the visitor's session is not there. If the
//!    callback began a session, its cookie would replace the visitor's, and the cart would be lost.
//! 2. The flow therefore has a session of its own, with a cookie that is `SameSite=None` and lasts ten
//!    minutes. It knows the `state`, and nothing of the visitor.
//! 3. The callback only finds out who has logged in. It then redirects to a page of the application.
//!    That is a top-level `GET`, with which the browser sends both cookies.
//! 4. That page logs the visitor's session in, and ends the flow.

use std::time::Duration;

use lambda_http::http::StatusCode;
use lambda_http::{Body, Error, Request, RequestPayloadExt as _, Response};
use lambda_sessions::{Key, SameSite, Session, SessionLayer, SessionStore};
use serde::Deserialize;

use super::provider::Provider;
use super::shop::{ACCOUNT, page, random, see_other};

/// The callback, the only page that other sites may send a `POST` to.
pub(crate) const CALLBACK: &str = "/callback/apple";
/// The page that ends the flow.
pub(crate) const FINISH: &str = "/login/finish";

const FLOW: Duration = Duration::from_secs(10 * 60);
const STATE: Key<String> = Key::new("state");

/// Returns the layer of the flows. Its sessions are other ones than the visitors', also in one table.
pub(crate) fn layer<S: SessionStore>(store: S) -> SessionLayer<S> {
    SessionLayer::new(store)
        .audience("flow")
        .cookie_name("__Host-flow")
        .same_site(SameSite::None)
        .idle_timeout(FLOW)
        .lifetime(FLOW)
}

/// Sends the browser to the provider.
pub(crate) fn begin(flow: &Session, provider: &impl Provider) -> Result<Response<Body>, Error> {
    let state = random()?;
    flow.insert(STATE, &state)?;
    see_other(&provider.page(CALLBACK, &state))
}

/// The fields of the provider's form, by their names in OAuth and in SAML.
#[derive(Deserialize)]
struct Answer {
    #[serde(alias = "RelayState")]
    state: String,
    /// Absent if the user has refused.
    #[serde(alias = "SAMLResponse")]
    code: Option<String>,
}

/// Takes the answer of the provider. The visitor's session is not touched here.
pub(crate) async fn callback(
    request: &Request,
    flow: &Session,
    provider: &impl Provider,
) -> Result<Response<Body>, Error> {
    let Ok(Some(answer)) = request.payload::<Answer>() else {
        return page(StatusCode::BAD_REQUEST, "no answer");
    };
    // A forged answer does not use the state up.
    if flow.get(STATE)?.as_deref() != Some(&*answer.state) {
        return page(StatusCode::BAD_REQUEST, "unknown state: log in again");
    }
    flow.take_once(STATE)?;
    flow.save().await?; // only one request gets past this line
    let account = match &answer.code {
        Some(code) => provider.account(code).await?,
        None => None,
    };
    let Some(account) = account else {
        return page(StatusCode::FORBIDDEN, "not logged in");
    };
    flow.insert(ACCOUNT, account)?;
    // 303 makes it a `GET`. With 307 the browser would repeat the `POST`, without the `Lax` cookie.
    see_other(FINISH)
}

/// Logs the visitor's session in, and ends the flow.
pub(crate) async fn finish(flow: &Session, visitor: &Session) -> Result<Response<Body>, Error> {
    let account = flow.take_once(ACCOUNT)?;
    flow.save().await?; // only one request gets past this line
    let Some(account) = account else {
        return page(StatusCode::BAD_REQUEST, "no login is under way");
    };
    visitor.log_in(&account)?; // a new id, and the cart stays
    visitor.insert(ACCOUNT, account)?;
    flow.destroy()?;
    see_other("/")
}
