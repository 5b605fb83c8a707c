//! What the application needs of an identity provider, and one that anybody can be anyone at, for a
//! try.

use std::future::Future;

use lambda_http::http::StatusCode;
use lambda_http::{Body, Error, Request, RequestExt as _, Response};

use super::shop::page;
use super::{form_post, redirect};

/// An identity provider.
pub(crate) trait Provider: Clone + Send + Sync + 'static {
    /// Returns the address of the provider's page. The provider sends `state` back to `callback`.
    fn page(&self, callback: &str, state: &str) -> String;

    /// Verifies a code or an assertion, and returns the account that it is for.
    ///
    /// For OAuth, exchange the code, check the signature, the audience, the expiry and the nonce of the
    /// token, and use PKCE. For SAML, check the signature, the audience and `InResponseTo`.
    fn account(&self, code: &str) -> impl Future<Output = Result<Option<String>, Error>> + Send;
}

/// The page of the provider for a try.
pub(crate) const DEMO_PAGE: &str = "/provider";

/// A provider without passwords, on the site of the application itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demo;

impl Provider for Demo {
    fn page(&self, callback: &str, state: &str) -> String {
        format!("{DEMO_PAGE}?callback={callback}&state={state}")
    }

    async fn account(&self, code: &str) -> Result<Option<String>, Error> {
        Ok(["alice", "bob"].contains(&code).then(|| code.to_owned()))
    }
}

/// Returns the page of the provider for a try.
pub(crate) fn demo_page(request: &Request) -> Result<Response<Body>, Error> {
    let query = request.query_string_parameters();
    let (callback, method) = match query.first("callback") {
        Some(form_post::CALLBACK) => (form_post::CALLBACK, "post"),
        Some(redirect::CALLBACK) => (redirect::CALLBACK, "get"),
        _ => return page(StatusCode::BAD_REQUEST, "unknown callback"),
    };
    // Nothing but a state of this application is written into the page.
    let state = query.first("state").unwrap_or_default().chars();
    let state: String = state
        .filter(|c| c.is_ascii_alphanumeric() || "_-".contains(*c))
        .collect();
    let form = format!(
        r#"<form method="{method}" action="{callback}"><input type="hidden" name="state" value="{state}">
<button name="code" value="alice">I am Alice</button> <button name="code" value="bob">I am Bob</button></form>"#
    );
    page(StatusCode::OK, &form)
}
