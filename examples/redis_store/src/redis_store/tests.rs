//! A real server for each test. Faults are made by a proxy in front of it.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lambda_http::http::header::{COOKIE, SET_COOKIE};
use lambda_http::{Body, Request, Service as _};
use lambda_sessions::store::{Data, Entry, Record, Stored, Timestamp, conformance};
use lambda_sessions::{Session, SessionLayer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::*;

const AT: RequestTime = RequestTime::at(Timestamp::from_epoch_seconds(1));
const NAMES: [&str; 2] = ["redis-server", "valkey-server"];

/// A server without a file, which ends with the test.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    async fn start() -> Self {
        Self::start_at(free_port().await).await
    }

    async fn start_at(port: u16) -> Self {
        let start = |name: &str| {
            let mut server = Command::new(name);
            server.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
            server.args(["--save", "", "--appendonly", "no"]);
            server.stdout(Stdio::null()).spawn().ok()
        };
        let started = NAMES.iter().find_map(|name| start(name));
        let process = started.expect("redis-server is installed: see CONTRIBUTING.md");
        let server = Self { process, port };
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
        server
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    async fn store(&self) -> RedisStore {
        RedisStore::connect(&self.url()).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}

/// Starts a proxy that, while `loses` is set, passes each command on and closes the connection
/// instead of passing its reply back.
async fn losing(server: &Server, loses: Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let port = server.port;
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let loses = Arc::clone(&loses);
            tokio::spawn(async move {
                let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let (mut command, mut reply) = ([0; 65_536], [0; 65_536]);
                loop {
                    tokio::select! {
                        read = client.read(&mut command) => match read {
                            Ok(1..) => server.write_all(&command[..read.unwrap()]).await.unwrap(),
                            _ => return,
                        },
                        read = server.read(&mut reply) => match read {
                            Ok(1..) if !loses.load(Ordering::SeqCst) => {
                                client.write_all(&reply[..read.unwrap()]).await.unwrap();
                            }
                            _ => return,
                        },
                    }
                }
            });
        }
    });
    format!("redis://{address}")
}

fn key(name: &str) -> StorageKey {
    serde_json::from_value(name.into()).unwrap()
}

fn item(n: u32, ttl: u64) -> Item {
    let data: Data = [("n", Entry::from_json(n.to_string()))]
        .into_iter()
        .collect();
    let at = Timestamp::from_epoch_seconds;
    Item::new(Stored::Live(Record::new(data, at(1), at(ttl)))).unwrap()
}

/// A time in 2033.
const LATER: u64 = 2_000_000_000;

async fn count(_: Request, session: Session) -> Result<String, lambda_http::Error> {
    Ok(session.increment("n", 1)?.to_string())
}

/// Sends a request with this cookie, and returns the status, the body and the new cookie.
async fn visit(
    sessions: &SessionLayer<RedisStore>,
    cookie: Option<&str>,
) -> (u16, String, Option<String>) {
    let mut request = Request::new(Body::Empty);
    if let Some(cookie) = cookie {
        request
            .headers_mut()
            .insert(COOKIE, cookie.parse().unwrap());
    }
    let response = sessions.wrap(count).call(request).await.unwrap();
    let set = response.headers().get(SET_COOKIE);
    let pair = set.map(|line| line.to_str().unwrap().split(';').next().unwrap().to_owned());
    let body = String::from_utf8(response.body().to_vec()).unwrap();
    (response.status().as_u16(), body, pair)
}

#[tokio::test]
async fn redis_store_conforms() {
    let server = Server::start().await;
    conformance::run_versioned(&server.store().await).await;
    conformance::run(&server.store().await).await;
}

#[tokio::test]
async fn commit_is_whole_or_nothing() {
    let server = Server::start().await;
    let store = server.store().await;
    let put = |name: &str, n| Write::new(key(name), None, Some(item(n, LATER)));
    assert!(store.commit(vec![put("a", 1)], AT).await.unwrap());
    assert!(
        !store
            .commit(vec![put("b", 2), put("a", 3)], AT)
            .await
            .unwrap()
    );
    assert!(store.get(&key("b"), AT).await.unwrap().is_none());
    // A key of another program is no session, and stays.
    let mut connection = store.connection.clone();
    let set: RedisResult<()> = cmd("SET")
        .arg("session:c")
        .arg("x")
        .query_async(&mut connection)
        .await;
    set.unwrap();
    let refused = store.commit(vec![put("b", 2), put("c", 3)], AT).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(store.get(&key("b"), AT).await.unwrap().is_none());
    assert_eq!(
        store.get(&key("c"), AT).await.unwrap_err().kind(),
        ErrorKind::Unavailable
    );
}

#[tokio::test]
async fn key_expires_a_minute_after_its_item() {
    let server = Server::start().await;
    let store = server.store().await;
    for (name, ttl, expires) in [
        ("a", LATER, LATER + KEPT),
        ("b", u64::MAX, LATEST),
        ("c", LATEST, LATEST),
    ] {
        let write = Write::new(key(name), None, Some(item(1, ttl)));
        assert!(store.commit(vec![write], AT).await.unwrap());
        let mut connection = store.connection.clone();
        let mut ask = cmd("EXPIRETIME");
        ask.arg(format!("session:{name}"));
        let found: u64 = ask.query_async(&mut connection).await.unwrap();
        assert_eq!(found, expires, "{name}");
    }
}

#[tokio::test]
async fn lost_reply_is_an_unknown_outcome() {
    let server = Server::start().await;
    let loses = Arc::new(AtomicBool::new(false));
    let url = losing(&server, Arc::clone(&loses)).await;
    let store = RedisStore::connect(&url).await.unwrap();
    loses.store(true, Ordering::SeqCst);
    let write = Write::new(key("a"), None, Some(item(1, LATER)));
    let lost = store.commit(vec![write], AT).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::OutcomeUnknown);
    let unread = store.get(&key("a"), AT).await.unwrap_err();
    assert_eq!(unread.kind(), ErrorKind::Unavailable);
}

/// The server ends while the function is frozen, and another one takes its place.
#[tokio::test]
async fn broken_connection_is_replaced() {
    let server = Server::start().await;
    let port = server.port;
    let sessions = SessionLayer::new(server.store().await);
    let (status, body, cookie) = visit(&sessions, None).await;
    assert_eq!((status, body.as_str()), (200, "1"));
    drop(server);
    let (status, ..) = visit(&sessions, cookie.as_deref()).await;
    assert_eq!(status, 503, "an outage is not a logout");

    let _server = Server::start_at(port).await;
    // The sessions were only in memory, so the visitor is a new one.
    let (status, body, _) = visit(&sessions, cookie.as_deref()).await;
    assert_eq!((status, body.as_str()), (200, "1"));
}

#[tokio::test]
async fn concurrent_increments_all_count() {
    let server = Server::start().await;
    let sessions = SessionLayer::new(server.store().await);
    let (_, _, cookie) = visit(&sessions, None).await;
    let visits = (0..30).map(|_| {
        let (sessions, cookie) = (sessions.clone(), cookie.clone());
        tokio::spawn(async move { visit(&sessions, cookie.as_deref()).await.0 })
    });
    for visit in visits.collect::<Vec<_>>() {
        assert_eq!(visit.await.unwrap(), 200);
    }
    assert_eq!(visit(&sessions, cookie.as_deref()).await.1, "32");
}
