//! Logins at an identity provider that keep the visitor's cart, although the provider answers from
//! another site.
//!
//! | File | Job |
//! |---|---|
//! | `shop` | the application: a cart, the layers, and the routes |
//! | `form_post` | a login whose answer is a `POST` of the provider's page, as with Apple and SAML |
//! | `redirect` | a login whose answer is a redirect, as with most OAuth providers |
//! | `provider` | what the application needs of a provider, and one for a try |
//!
//! To run it with a DynamoDB that is already running and has the tables `sessions` and
//! `sessions-users`:
//!
//! ```sh
//! SESSION_DYNAMODB_ENDPOINT=http://localhost:8000 AWS_REGION=us-east-1 \
//! AWS_ACCESS_KEY_ID=dummy AWS_SECRET_ACCESS_KEY=dummy cargo lambda watch -p callbacks
//! ```
//!
//! Then open `http://localhost:9000/` in a browser. `tests/it/callbacks.rs` sends what browsers send
//! across sites, and `docs/csrf.md` explains it.

mod form_post;
mod provider;
mod redirect;
mod shop;

use lambda_http::tracing::subscriber;
use lambda_http::{Error, IntoResponse as _, Request, RequestExt as _, Service as _, service_fn};
use lambda_sessions::{DynamoDbStore, SessionLayer, run};

use crate::provider::Demo;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // The level is fixed and not read from a variable. At TRACE, the runtime logs whole events with
    // their cookies, and the SDK logs DynamoDB's responses.
    subscriber::fmt()
        .with_env_filter("warn,callbacks=info")
        .without_time()
        .init();
    let store = DynamoDbStore::from_env().await?;
    let sessions = SessionLayer::new(store.clone()).audience("shop");
    let flows = form_post::layer(store).build()?;
    let service = shop::service(sessions.build()?, flows, Demo);
    run(service_fn(move |request: Request| {
        let mut service = service.clone();
        async move {
            match request.raw_http_path() {
                provider::DEMO_PAGE => provider::demo_page(&request),
                _ => Ok(service.call(request).await?.into_response().await),
            }
        }
    }))
    .await
}
