//! The log of one thread.

use std::io;
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;

/// The log of this thread, captured until the value is dropped.
pub struct Log {
    text: Arc<Mutex<Vec<u8>>>,
    _subscribed: DefaultGuard,
}

impl Log {
    /// Begins to capture the log of this thread, at every level, of this library.
    pub fn capture() -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let writer = {
            let text = Arc::clone(&text);
            move || Writer(Arc::clone(&text))
        };
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter("lambda_sessions=trace")
            .with_writer(writer)
            .finish();
        Self {
            text,
            _subscribed: tracing::subscriber::set_default(subscriber),
        }
    }

    /// Returns the log since the last call, and clears it.
    pub fn take(&self) -> String {
        let text = std::mem::take(&mut *self.text.lock().unwrap());
        String::from_utf8(text).unwrap()
    }
}

struct Writer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
