//! A table behind a proxy, the store on it, and requests to an axum application as API Gateway sends
//! them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use axum::Router;
use lambda_http::lambda_runtime::{Context, LambdaEvent};
use lambda_http::request::LambdaRequest;
use lambda_http::tower::{Service as _, ServiceExt as _};
use lambda_http::{Adapter, Error, Request, service_fn};
use lambda_sessions_tower::TowerStore;
use lambda_sessions_tower::lambda_sessions::DynamoDbStore;
use serde_json::json;

use crate::support::{Browser, Proxy, Reply, Table};

/// The default name of tower-sessions' cookie.
pub(crate) const COOKIE: &str = "id";

pub(crate) struct Setup {
    pub(crate) table: Table,
    pub(crate) proxy: Proxy,
    pub(crate) store: TowerStore<DynamoDbStore>,
    ahead: Arc<AtomicU64>,
}

impl Setup {
    pub(crate) async fn new() -> Self {
        let table = Table::new().await;
        let proxy = Proxy::start(&table.endpoint).await;
        let ahead = Arc::new(AtomicU64::new(0));
        let seconds = Arc::clone(&ahead);
        let clock = move || SystemTime::now() + Duration::from_secs(seconds.load(Ordering::SeqCst));
        let store = TowerStore::new(table.store_at(&proxy.endpoint)).clock(clock);
        Self {
            table,
            proxy,
            store,
            ahead,
        }
    }

    /// Sets the store's clock forward. The clock of tower-sessions cannot be set.
    pub(crate) fn advance(&self, seconds: u64) {
        self.ahead.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Returns the store as another instance of the function has it. No proxy sees its calls.
    pub(crate) fn elsewhere(&self) -> TowerStore<DynamoDbStore> {
        TowerStore::new(self.table.store())
    }

    /// Returns the store with a shorter operation timeout, for faults that last.
    pub(crate) fn hasty(&self) -> TowerStore<DynamoDbStore> {
        let store = self.table.store_at(&self.proxy.endpoint);
        TowerStore::new(store.operation_timeout(Duration::from_millis(1_500)))
    }
}

/// Sends a request, such as `GET /`, and keeps the cookies of the response.
pub(crate) async fn visit(browser: &mut Browser, app: &Router, request: &str) -> Reply {
    send(browser, app, request, "").await
}

/// Sends a request with the fields of a form.
pub(crate) async fn send(browser: &mut Browser, app: &Router, request: &str, form: &str) -> Reply {
    let (method, path) = request.split_once(' ').unwrap();
    let mut event = browser.event(path);
    event["requestContext"]["http"]["method"] = json!(method);
    event["headers"]["content-type"] = json!("application/x-www-form-urlencoded");
    event["headers"]["content-length"] = json!(form.len().to_string());
    event["body"] = json!(form);
    let request: LambdaRequest = serde_json::from_value(event).unwrap();
    let service = service_fn(|request: Request| async {
        let Ok(response) = app.clone().oneshot(request).await;
        Ok::<_, Error>(response)
    });
    let mut adapter = Adapter::from(service);
    let event = LambdaEvent::new(request, Context::default());
    let response = adapter.call(event).await.unwrap();
    browser.take(&serde_json::to_value(response).unwrap())
}

/// Returns the value of the session's cookie.
pub(crate) fn cookie(browser: &Browser) -> Option<&str> {
    browser.jar.get(COOKIE).map(String::as_str)
}
