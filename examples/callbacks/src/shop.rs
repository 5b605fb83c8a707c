//! The application: a cart for every visitor, and two ways to log in.

use std::future::Future;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lambda_http::http::header::{CONTENT_TYPE, LOCATION};
use lambda_http::http::{Method, StatusCode, Uri};
use lambda_http::tower::ServiceBuilder;
use lambda_http::{Body, Error, Request, RequestExt as _, Response, Service};
use lambda_sessions::layer::SessionBody;
use lambda_sessions::{Key, SessionExt as _, SessionLayer, SessionStore};
use tower_http::csrf::CsrfLayer;

use super::provider::Provider;
use super::{form_post, redirect};

pub(crate) const ACCOUNT: Key<String> = Key::new("account");
const CART: Key<u32> = Key::new("cart");

/// Returns the application behind its layers. The first layer is the outermost, and the visitors'
/// sessions are the innermost ones, which `request.session()` returns.
pub(crate) fn service<S: SessionStore + Clone, P: Provider>(
    sessions: SessionLayer<S>,
    flows: SessionLayer<S>,
    provider: P,
) -> impl Service<
    Request,
    Response = Response<SessionBody<SessionBody<Body>>>,
    Error = Error,
    Future: Future + Send,
> + Clone
+ use<S, P> {
    let inside = flows.clone();
    ServiceBuilder::new()
        .layer(CsrfLayer::new().with_insecure_bypass(is_callback))
        .layer(flows)
        .layer(sessions)
        .service_fn(move |request| {
            let (flows, provider) = (inside.clone(), provider.clone());
            async move { route(request, &flows, &provider).await }
        })
}

/// Returns whether other sites may send this request. The `state` decides if it is genuine.
fn is_callback(method: &Method, uri: &Uri) -> bool {
    method == Method::POST && uri.path() == form_post::CALLBACK
}

async fn route<S: SessionStore>(
    request: Request,
    flows: &SessionLayer<S>,
    provider: &impl Provider,
) -> Result<Response<Body>, Error> {
    // Each route asks for the sessions that it needs. The callback must not use the visitor's.
    match (request.raw_http_path(), request.method()) {
        ("/", &Method::GET) => show(&request).await,
        ("/cart", &Method::POST) => {
            let visitor = request.session().await?;
            visitor.update(CART, |articles| *articles += 1)?;
            see_other("/")
        }
        ("/login/apple", &Method::POST) => {
            form_post::begin(&request.session_from(flows).await?, provider)
        }
        (form_post::CALLBACK, &Method::POST) => {
            let flow = request.session_from(flows).await?;
            form_post::callback(&request, &flow, provider).await
        }
        (form_post::FINISH, &Method::GET) => {
            let flow = request.session_from(flows).await?;
            form_post::finish(&flow, &request.session().await?).await
        }
        ("/login/oauth", &Method::POST) => redirect::begin(&request.session().await?, provider),
        (redirect::CALLBACK, &Method::GET) => {
            redirect::callback(&request, &request.session().await?, provider).await
        }
        _ => page(StatusCode::NOT_FOUND, "no such page"),
    }
}

async fn show(request: &Request) -> Result<Response<Body>, Error> {
    let visitor = request.session().await?;
    let articles = visitor.get(CART)?.unwrap_or(0);
    let account = visitor.get(ACCOUNT)?;
    let account = account.as_deref().unwrap_or("nobody");
    let text = format!(
        r#"<p>articles: {articles}, account: {account}</p>
<form method="post" action="/cart"><button>Add an article</button></form>
<form method="post" action="/login/apple"><button>Log in (form post)</button></form>
<form method="post" action="/login/oauth"><button>Log in (redirect)</button></form>"#
    );
    page(StatusCode::OK, &text)
}

/// Returns 32 random bytes as text.
pub(crate) fn random() -> Result<String, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

pub(crate) fn see_other(location: &str) -> Result<Response<Body>, Error> {
    let mut response = page(StatusCode::SEE_OTHER, "")?;
    response.headers_mut().insert(LOCATION, location.parse()?);
    Ok(response)
}

pub(crate) fn page(status: StatusCode, body: &str) -> Result<Response<Body>, Error> {
    let response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "text/html; charset=utf-8")
        .body(format!("<!doctype html>\n{body}\n").into())?;
    Ok(response)
}
