//! An execution environment that is frozen and thawed. The next request succeeds in time, whatever
//! happened to the connections.

use std::time::Duration;

use lambda_http::{Body, Error, Request, RequestExt as _, Response, service_fn};
use lambda_sessions::store::RequestTime;
use lambda_sessions::{SessionExt as _, SessionLayer, SessionStore as _};
use tower::Layer as _;

use crate::support::{Browser, Fate, Function, Table, Wire};

/// Runs as the function, in the processes that are started for it.
#[tokio::test]
async fn function() {
    if crate::support::role().is_none() {
        return;
    }
    let sessions = SessionLayer::from_env().await.unwrap();
    let store = &sessions.store().clone();
    let handle = service_fn(async |request: Request| {
        let body = match request.raw_http_path() {
            "/read" => {
                let session = request.session().await?;
                format!("{:?}", session.get::<i64>("visits")?)
            }
            "/count" => {
                let session = request.session().await?;
                session.increment("visits", 1)?.to_string()
            }
            "/write-only" => {
                request.write_only_session()?.increment("visits", 1)?;
                String::new()
            }
            // An application may use the same client in this way.
            "/crowd" => {
                let session = request.session().await?;
                let key = session.id().expect("it is stored").storage_key().clone();
                let now = RequestTime::at(std::time::SystemTime::now().into());
                let loads = (0..8).map(|_| store.load(&key, now));
                futures_util::future::try_join_all(loads).await?;
                String::new()
            }
            other => return Err(Error::from(format!("there is no {other}"))),
        };
        Ok(Response::new(Body::from(body)))
    });
    lambda_http::run(sessions.layer(handle)).await.unwrap();
}

struct Frozen {
    table: Table,
    wire: Wire,
    function: Function,
    ada: Browser,
}

impl Frozen {
    /// Returns a function with a browser and this many connections, which meet this fate while it
    /// is frozen.
    async fn thawed(connections: usize, fate: Fate, pause: Duration) -> Self {
        let table = Table::new().await;
        let wire = Wire::start(&table.endpoint).await;
        let function = Function::start(module_path!(), "layer", &table, &wire.endpoint).await;
        let mut ada = Browser::new();
        assert_eq!(function.visit(&mut ada, "/count").await.body, "1");
        if connections > 1 {
            function.visit(&mut ada, "/crowd").await;
        }
        assert!(wire.connections() >= connections, "{}", wire.connections());
        function.freeze();
        wire.decide(fate);
        tokio::time::sleep(pause).await;
        function.thaw();
        Self {
            table,
            wire,
            function,
            ada,
        }
    }

    async fn visit(&mut self, path: &str) -> crate::support::Reply {
        self.function.visit(&mut self.ada, path).await
    }

    async fn visits(&self) -> String {
        let item = self.table.item().await;
        item["data"].as_m().unwrap()["visits"]
            .as_n()
            .unwrap()
            .clone()
    }
}

const FATES: [Fate; 3] = [Fate::Closed, Fate::Reset, Fate::Silent];

const A_MOMENT: Duration = Duration::from_millis(300);

/// A pause after which the store no longer trusts its connections.
const A_WHILE: Duration = Duration::from_secs(11);

#[tokio::test]
async fn thaw_reads_and_writes_by_a_new_connection() {
    for fate in FATES {
        for (path, body, visits) in [("/read", "Some(1)", "1"), ("/count", "2", "2")] {
            let mut thawed = Frozen::thawed(1, fate, A_MOMENT).await;
            let before = thawed.wire.connections();
            let reply = thawed.visit(path).await;
            assert_eq!((reply.status, reply.body.as_str()), (200, body), "{fate:?}");
            assert_eq!(thawed.visits().await, visits, "{fate:?}");
            assert!(thawed.wire.connections() > before, "{fate:?}");
        }
    }
}

/// One lost connection discards all, so they are not tried one after the other.
#[tokio::test]
async fn thaw_tries_one_dead_connection_of_many() {
    for fate in FATES {
        let mut thawed = Frozen::thawed(8, fate, A_MOMENT).await;
        let reply = thawed.visit("/count").await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "2"), "{fate:?}");
        assert_eq!(thawed.visits().await, "2", "{fate:?}");
    }
}

/// The outcome of a write without a read could not be determined, so the store reads first after a
/// pause.
#[tokio::test]
async fn thaw_counts_a_write_only_change_once() {
    let fates = FATES.map(|fate| async move {
        let mut thawed = Frozen::thawed(8, fate, A_WHILE).await;
        assert_eq!(thawed.visit("/write-only").await.status, 200, "{fate:?}");
        assert_eq!(thawed.visits().await, "2", "{fate:?}");
        // After that it costs one call again.
        assert_eq!(thawed.visit("/write-only").await.status, 200, "{fate:?}");
        assert_eq!(thawed.visits().await, "3", "{fate:?}");
    });
    futures_util::future::join_all(fates).await;
}

/// A new session begins with a write.
#[tokio::test]
async fn thaw_lets_a_session_begin() {
    for fate in FATES {
        let mut thawed = Frozen::thawed(1, fate, A_MOMENT).await;
        let mut grace = Browser::new();
        let reply = thawed.function.visit(&mut grace, "/count").await;
        assert_eq!((reply.status, reply.body.as_str()), (200, "1"), "{fate:?}");
        assert_eq!(
            thawed.table.items().await.len(),
            2,
            "{fate:?}: it began once"
        );
        assert_eq!(thawed.visit("/count").await.body, "2", "{fate:?}");
    }
}
