//! An application that gives coins away: a `GET` shows how many were given, and a `POST` gives
//! some.

use std::future::Future;

use lambda_http::http::header::{ALLOW, CONTENT_TYPE, LOCATION};
use lambda_http::http::{Method, StatusCode};
use lambda_http::tower::ServiceBuilder;
use lambda_http::{
    Body, Error, Request, RequestExt as _, RequestPayloadExt as _, Response, Service,
};
use lambda_sessions::layer::SessionBody;
use lambda_sessions::{Key, SessionExt as _, SessionLayer, SessionStore};
use serde::Deserialize;
use tower_http::csrf::CsrfLayer;

const GIVEN: Key<i64> = Key::new("given");

/// Returns the application behind its layers. The first layer is the outermost: a request that it
/// refuses with 403 reaches neither the session nor DynamoDB.
pub(crate) fn service<S: SessionStore + Clone>(
    sessions: SessionLayer<S>,
) -> impl Service<Request, Response = Response<SessionBody<Body>>, Error = Error, Future: Future + Send>
{
    ServiceBuilder::new()
        .layer(CsrfLayer::new())
        .layer(sessions)
        .service_fn(route)
}

async fn route(request: Request) -> Result<Response<Body>, Error> {
    match (request.raw_http_path(), request.method()) {
        // A `GET` must change nothing, because the layer lets every `GET` pass, from any site.
        ("/", &Method::GET) => show(&request).await,
        ("/give", &Method::POST) => give(&request).await,
        ("/", _) => wrong_method("GET"),
        ("/give", _) => wrong_method("POST"),
        _ => page(StatusCode::NOT_FOUND, "no such page"),
    }
}

async fn show(request: &Request) -> Result<Response<Body>, Error> {
    let session = request.session().await?;
    let given = session.get(GIVEN)?.unwrap_or(0);
    let form = format!(
        r#"<p>coins given: {given}</p>
<form method="post" action="/give">
<input name="coins" type="number" min="1" max="10" value="1"> <button>Give</button>
</form>"#
    );
    page(StatusCode::OK, &form)
}

#[derive(Deserialize)]
struct Gift {
    coins: i64,
}

async fn give(request: &Request) -> Result<Response<Body>, Error> {
    let gift = match request.payload::<Gift>() {
        Ok(Some(gift)) if (1..=10).contains(&gift.coins) => gift,
        _ => return page(StatusCode::BAD_REQUEST, "give 1 to 10 coins"),
    };
    // DynamoDB adds the numbers, so that two concurrent clicks both count.
    request.session().await?.increment(GIVEN, gift.coins)?;
    // The redirect leads to a `GET`, so that a reload of the page gives nothing again.
    let mut response = page(StatusCode::SEE_OTHER, "thank you")?;
    response.headers_mut().insert(LOCATION, "/".parse()?);
    Ok(response)
}

fn wrong_method(allowed: &str) -> Result<Response<Body>, Error> {
    let mut response = page(StatusCode::METHOD_NOT_ALLOWED, "not like that")?;
    response.headers_mut().insert(ALLOW, allowed.parse()?);
    Ok(response)
}

fn page(status: StatusCode, body: &str) -> Result<Response<Body>, Error> {
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "text/html; charset=utf-8")
        .body(format!("<!doctype html>\n{body}\n").into())?;
    Ok(response)
}
