//! The interface of both transports.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;

use crate::store::dynamodb::transport::request::Request;

/// The time limit for opening a connection. Lambda and DynamoDB are in one Region, where it takes
/// milliseconds. It is shorter than an attempt, so that a timeout proves that nothing was sent.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_millis(900);

/// The result of sending a request.
pub(crate) type Sent<R> = Result<<R as Request>::Output, SdkError<<R as Request>::Error>>;

/// Sends requests.
pub(crate) trait SendRequest: Sized {
    /// Sends a request once, and sets `ready` when the credentials are loaded.
    fn send<R: Request>(&self, request: R, ready: &Ready) -> impl Future<Output = Sent<R>> + Send;

    /// Returns a copy with new connections.
    fn reconnected(&self) -> Self;

    /// Returns a copy with another limit for opening a connection, and with new connections.
    fn with_connect_timeout(&self, timeout: Duration) -> Self;

    /// Returns the limit for opening a connection.
    fn connect_timeout(&self) -> Duration;
}

/// Marks when the credentials of a request have loaded, so that the time of the attempt begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ready(Arc<AtomicBool>);

impl Ready {
    pub(crate) fn is_set(&self) -> bool {
        // The flag is set in the same task.
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
