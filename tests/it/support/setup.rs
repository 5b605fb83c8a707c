//! The setup of most tests: a table behind a proxy, a clock that stands still, and sessions that
//! record their errors.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lambda_http::{Error, Request};
use lambda_sessions::{DynamoDbStore, ErrorKind, Session, SessionLayer, SessionStore};

use super::{Browser, Clock, Proxy, Reply, Table, count, minutes};

pub type Sessions = SessionLayer<DynamoDbStore>;

pub struct Setup {
    pub table: Table,
    pub proxy: Proxy,
    pub clock: Clock,
    pub sessions: Sessions,
    errors: Errors,
}

pub type Errors = Arc<Mutex<Vec<lambda_sessions::Error>>>;

impl Setup {
    pub async fn new() -> Self {
        Self::on(Table::new().await).await
    }

    /// Creates a setup in which sessions can be bound to users.
    pub async fn with_users() -> Self {
        Self::on(Table::with_users().await).await
    }

    /// Creates a setup, and a browser with a session whose touch is due.
    pub async fn with_due_touch() -> (Self, Browser) {
        let setup = Self::new().await;
        let browser = setup.guest(count).await;
        setup.clock.advance(minutes(61));
        (setup, browser)
    }

    pub async fn on(table: Table) -> Self {
        let proxy = Proxy::start(&table.endpoint).await;
        let clock = Clock::new();
        let (sessions, errors) = watched(table.store_at(&proxy.endpoint));
        Self {
            sessions: sessions.clock(clock.reader()),
            table,
            proxy,
            clock,
            errors,
        }
    }

    pub fn giving_up_after(mut self, milliseconds: u64) -> Self {
        let store = self.table.store_at(&self.proxy.endpoint);
        let store = store.operation_timeout(Duration::from_millis(milliseconds));
        self.use_store(store);
        self
    }

    /// Replaces the store.
    pub fn use_store(&mut self, store: DynamoDbStore) {
        let (sessions, errors) = watched(store);
        self.sessions = sessions.clock(self.clock.reader());
        self.errors = errors;
    }

    /// Returns the same sessions with a short operation timeout, for faults that last.
    pub fn hasty(&self) -> Sessions {
        let store = self.table.store_at(&self.proxy.endpoint);
        let store = store.operation_timeout(Duration::from_millis(300));
        watched_by(store, &self.errors).clock(self.clock.reader())
    }

    /// Returns another instance of the function, with its own connections that no proxy sees.
    pub fn elsewhere(&self) -> Sessions {
        SessionLayer::new(self.table.store()).clock(self.clock.reader())
    }

    /// Returns a browser that has sent a request to this handler.
    pub async fn guest<H, F>(&self, handler: H) -> Browser
    where
        H: Fn(Request, Session) -> F + Clone + Send,
        F: Future<Output = Result<String, Error>> + Send,
    {
        let mut browser = Browser::new();
        let reply = browser.visit(&self.sessions, handler).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert!(browser.cookie().is_some());
        self.proxy.calls();
        browser
    }

    /// Returns the errors since the last call, and clears them.
    pub fn errors(&self) -> Vec<lambda_sessions::Error> {
        self.errors.lock().unwrap().drain(..).collect()
    }

    /// Returns the kinds of the errors since the last call, and clears them.
    pub fn kinds(&self) -> Vec<ErrorKind> {
        self.errors()
            .iter()
            .map(lambda_sessions::Error::kind)
            .collect()
    }

    /// Returns how often an operation was called since the calls were last read.
    pub fn count(&self, operation: &str) -> usize {
        let calls = self.proxy.calls();
        calls.iter().filter(|call| *call == operation).count()
    }
}

/// Creates sessions whose errors are recorded.
pub fn watched<S: SessionStore>(store: S) -> (SessionLayer<S>, Errors) {
    let errors = Errors::default();
    (watched_by(store, &errors), errors)
}

fn watched_by<S: SessionStore>(store: S, errors: &Errors) -> SessionLayer<S> {
    let seen = Arc::clone(errors);
    SessionLayer::new(store).on_error(move |error| {
        seen.lock().unwrap().push(error.clone());
        let status = match error.kind() {
            ErrorKind::Gone | ErrorKind::Conflict => 409,
            _ => 503,
        };
        let response = http::Response::builder().status(status);
        response.body(String::new()).unwrap()
    })
}

/// Returns sessions directly on a table, with their clock.
pub async fn direct_sessions() -> (Sessions, Table, Clock) {
    let (table, clock) = (Table::new().await, Clock::new());
    let sessions = SessionLayer::new(table.store()).clock(clock.reader());
    (sessions, table, clock)
}

/// Asserts that a reply has this status and sets no cookie.
#[track_caller]
pub fn assert_refused(reply: &Reply, status: u64, what: &str) {
    assert_eq!((reply.status, reply.cookies.len()), (status, 0), "{what}");
}
