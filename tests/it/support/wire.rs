//! A proxy of bytes in front of DynamoDB. Its connections can die in the same ways as while an
//! execution environment is frozen.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The fate of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Lives,
    /// The connection is closed in order.
    Closed,
    /// The connection is reset.
    Reset,
    /// The connection stays open, and the bytes that are sent on it vanish.
    Silent,
}

#[derive(Clone)]
pub struct Wire {
    pub endpoint: String,
    fates: Arc<Mutex<Vec<watch::Sender<Fate>>>>,
}

impl Wire {
    /// Starts a proxy in front of DynamoDB at that endpoint.
    pub async fn start(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Self {
            endpoint: format!("http://{}", listener.local_addr().unwrap()),
            fates: Arc::default(),
        };
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let fates = Arc::clone(&wire.fates);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (fate, told) = watch::channel(Fate::Lives);
                fates.lock().unwrap().push(fate);
                tokio::spawn(pass(stream, upstream.clone(), told));
            }
        });
        wire
    }

    /// Returns the number of connections so far.
    pub fn connections(&self) -> usize {
        self.fates.lock().unwrap().len()
    }

    /// Decides the fate of all current connections. Later ones live.
    pub fn decide(&self, fate: Fate) {
        for connection in self.fates.lock().unwrap().iter() {
            connection.send_replace(fate);
        }
    }
}

async fn pass(mut near: TcpStream, upstream: String, mut told: watch::Receiver<Fate>) {
    let mut far = TcpStream::connect(upstream).await.unwrap();
    let fate = tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => return,
        fate = told.wait_for(|fate| *fate != Fate::Lives) => fate.map_or(Fate::Closed, |fate| *fate),
    };
    match fate {
        Fate::Lives | Fate::Closed => {}
        Fate::Reset => near.set_zero_linger().unwrap(),
        Fate::Silent => {
            let mut swallowed = [0; 4096];
            while near.read(&mut swallowed).await.is_ok_and(|bytes| bytes > 0) {}
        }
    }
}
