//! A front of DynamoDB that counts on the wire, and can respond as late as a real one.
//!
//! 1. Requests and responses are counted with all their bytes and passed on unchanged.
//! 2. With a latency, a response leaves that long after its request arrived. The emulator's own time
//!    is part of it.
//! 3. A recorded front responds to an operation with the last response of the emulator to it. The
//!    emulator then takes no CPU from the program.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// The calls that a front counted.
#[derive(Clone, Default)]
pub(crate) struct Counts {
    /// The operations in their order, such as `GetItem`.
    pub(crate) calls: Vec<Call>,
}

#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) operation: String,
    pub(crate) consistent: bool,
    pub(crate) request_body: usize,
    pub(crate) request: usize,
    pub(crate) response: usize,
}

pub(crate) struct Front {
    endpoint: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    upstream: String,
    latency: Duration,
    counts: Mutex<Counts>,
    recorded: AtomicBool,
    records: Mutex<HashMap<String, Vec<u8>>>,
}

impl Front {
    /// Starts a front of the DynamoDB at that endpoint.
    pub(crate) async fn start(
        upstream: &str,
        latency: Duration,
        tls: Option<TlsAcceptor>,
    ) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let endpoint = match tls {
            Some(_) => format!("https://localhost:{port}"),
            None => format!("http://127.0.0.1:{port}"),
        };
        let shared = Arc::new(Shared {
            upstream: upstream.trim_start_matches("http://").to_owned(),
            latency,
            counts: Mutex::default(),
            recorded: AtomicBool::new(false),
            records: Mutex::default(),
        });
        let served = Arc::clone(&shared);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let (shared, tls) = (Arc::clone(&served), tls.clone());
                tokio::spawn(async move {
                    let passed = match tls {
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => shared.pass(stream).await,
                            Err(error) => Err(error.into()),
                        },
                        None => shared.pass(stream).await,
                    };
                    if let Err(error) = passed {
                        eprintln!("the front of DynamoDB: {error:#}");
                    }
                });
            }
        });
        Ok(Self {
            endpoint,
            shared,
            server,
        })
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Returns what was counted since the last time.
    pub(crate) fn take_counts(&self) -> Counts {
        std::mem::take(&mut *lock(&self.shared.counts))
    }

    /// Responds from the records from now on.
    pub(crate) fn respond_from_records(&self) {
        self.shared.recorded.store(true, Ordering::Relaxed);
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Shared {
    /// Passes the requests of a connection on until it is closed.
    async fn pass(&self, mut near: impl AsyncRead + AsyncWrite + Unpin) -> Result<()> {
        let mut far = None;
        let mut rest = Vec::new();
        while let Some(request) = Message::read(&mut near, &mut rest).await? {
            let arrived = Instant::now();
            let response = self.respond(&request, &mut far).await?;
            self.count(&request, response.len());
            if let Some(left) = self.latency.checked_sub(arrived.elapsed()) {
                // The timer of tokio would be late by up to a millisecond.
                tokio::task::spawn_blocking(move || std::thread::sleep(left)).await?;
            }
            near.write_all(&response).await?;
            near.flush().await?;
        }
        Ok(())
    }

    async fn respond(&self, request: &Message, far: &mut Option<TcpStream>) -> Result<Vec<u8>> {
        let operation = request.operation();
        if self.recorded.load(Ordering::Relaxed)
            && let Some(response) = lock(&self.records).get(&operation)
        {
            return Ok(response.clone());
        }
        let far = match far {
            Some(far) => far,
            None => {
                let stream = TcpStream::connect(&self.upstream).await?;
                stream.set_nodelay(true)?;
                far.insert(stream)
            }
        };
        far.write_all(&request.bytes).await?;
        let response = Message::read(far, &mut Vec::new()).await?;
        let response = response
            .context("the emulator closed the connection")?
            .bytes;
        lock(&self.records).insert(operation, response.clone());
        Ok(response)
    }

    fn count(&self, request: &Message, response: usize) {
        let body = &request.bytes[request.head..];
        let call = Call {
            operation: request.operation(),
            consistent: contains(body, b"\"ConsistentRead\":true")
                || contains(body, b"\"ConsistentRead\": true"),
            request_body: body.len(),
            request: request.bytes.len(),
            response,
        };
        lock(&self.counts).calls.push(call);
    }
}

/// An HTTP/1.1 message with a length.
struct Message {
    bytes: Vec<u8>,
    /// The length of the head with its empty line.
    head: usize,
}

impl Message {
    /// Reads a message. `rest` keeps what arrived after it. Returns `None` at the end of the stream.
    async fn read(
        stream: &mut (impl AsyncRead + Unpin),
        rest: &mut Vec<u8>,
    ) -> Result<Option<Self>> {
        let mut bytes = std::mem::take(rest);
        let head = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            match stream.read_buf(&mut bytes).await {
                // A client may close a connection without an end of TLS.
                Ok(0) | Err(_) if bytes.is_empty() => return Ok(None),
                Ok(0) => anyhow::bail!("the connection ended within a message"),
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
        };
        let text = std::str::from_utf8(&bytes[..head])?;
        ensure!(
            header(text, "transfer-encoding").is_none(),
            "a message has no length"
        );
        let length: usize = header(text, "content-length").unwrap_or("0").parse()?;
        while bytes.len() < head + length {
            ensure!(
                stream.read_buf(&mut bytes).await? > 0,
                "the connection ended within a body"
            );
        }
        *rest = bytes.split_off(head + length);
        Ok(Some(Self { bytes, head }))
    }

    fn operation(&self) -> String {
        let head = std::str::from_utf8(&self.bytes[..self.head]).unwrap_or("");
        let target = header(head, "x-amz-target").unwrap_or("");
        target.rsplit('.').next().unwrap_or(target).to_owned()
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.split("\r\n").find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

fn contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn message_is_read_without_what_follows() {
        let mut stream: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 2\r\nX-Amz-Target: DynamoDB_20120810.GetItem\r\n\r\n{}POST";
        let mut rest = Vec::new();
        let message = Message::read(&mut stream, &mut rest)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(message.operation(), "GetItem");
        assert_eq!(&message.bytes[message.head..], b"{}");
        assert_eq!(rest, b"POST");
    }
}
