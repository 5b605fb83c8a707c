//! What the log shows: warnings about lost changes, and no secret.

use std::io;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tower_sessions::{Session, SessionManagerLayer, SessionStore as _};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::harness::{Setup, cookie, visit};
use crate::support::{Action, Browser};

/// Everything but the emulator, which DynamoDB is not, and the targets that log whole messages.
const FILTER: &str =
    "trace,dynoxide=off,lambda_runtime=debug,aws_smithy_runtime=debug,aws_sigv4=debug";

const KEY: &str = "secret-key";
const VALUE: &str = "secret-value";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Returns what was logged since the last call.
    fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8(bytes).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

async fn insert(session: Session) -> Result<(), StatusCode> {
    let inserted = session.insert(KEY, VALUE).await;
    inserted.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn cycle(session: Session) {
    session.cycle_id().await.unwrap();
}

fn app(setup: &Setup) -> Router {
    Router::new()
        .route("/insert", get(insert))
        .route("/cycle", get(cycle))
        .layer(SessionManagerLayer::new(setup.hasty()))
}

/// The whole test runs in this thread, whose log is collected.
#[tokio::test]
async fn log_shows_no_secret_and_the_lost_save() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(FILTER))
        .with_ansi(false)
        .with_writer(log.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());

    let setup = Setup::new().await;
    let app = app(&setup);
    let mut browser = Browser::new();
    visit(&mut browser, &app, "GET /insert").await;
    let mut ids = vec![cookie(&browser).unwrap().to_owned()];
    visit(&mut browser, &app, "GET /cycle").await;
    ids.push(cookie(&browser).unwrap().to_owned());
    let id = ids[1].parse().unwrap();
    let record = setup.store.load(&id).await.unwrap().unwrap();
    setup.elsewhere().delete(&id).await.unwrap();
    setup.store.save(&record).await.unwrap();
    setup
        .proxy
        .script(|_, _| Action::error(500, "InternalServerError"));
    assert_eq!(visit(&mut browser, &app, "GET /insert").await.status, 500);

    let log = log.take();
    let lost = "a session ended while a request changed it: the changes were not saved";
    assert!(log.contains(lost), "{log}");
    assert!(log.contains("tower_sessions"), "{log}");
    ids.extend([KEY.to_owned(), VALUE.to_owned(), id.0.to_string()]);
    for secret in ids {
        let line = log.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None);
    }
}
