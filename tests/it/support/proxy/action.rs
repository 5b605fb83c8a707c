//! The ways in which the proxy handles a call.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

/// The way in which the proxy handles a call.
#[derive(Clone)]
pub enum Action {
    /// Forwards the call.
    Forward,
    /// Replies with this and forwards nothing.
    Reply(u16, String),
    /// Forwards the call, and replies with this whatever the upstream response was.
    ForwardThenReply(u16, String),
    /// Forwards the call after this time.
    Delay(Duration),
    /// Accepts the call and never responds.
    Hang,
    /// Accepts the call and closes the connection.
    Reset,
    /// Reports a failure, but forwards the call after this time.
    Late(Duration),
    /// Reports a failure, and forwards the call right after this many later calls.
    Overtaken(usize),
    /// Forwards the call and never responds.
    ForwardThenHang,
    /// Forwards the call and closes the connection.
    ForwardThenReset,
    /// Responds to a read that is not strongly consistent with the item before its last write. This
    /// requires [`Proxy::keep_copies`]. Other calls are forwarded.
    Stale,
    /// Lets the test decide while the call waits.
    Ask(Question),
}

/// A function that runs while a call waits in the proxy. It decides how the call is handled.
pub type Question = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Action> + Send>> + Send + Sync>;

impl Action {
    /// Returns DynamoDB's error of that name.
    pub fn error(status: u16, name: &str) -> Self {
        Self::Reply(status, error_body(name))
    }

    /// Makes the call succeed, but its response is lost.
    pub fn lost() -> Self {
        Self::ForwardThenReply(500, error_body("InternalServerError"))
    }

    /// Returns DynamoDB's error of that name and with that message.
    pub fn error_saying(status: u16, name: &str, message: &str) -> Self {
        Self::Reply(status, error_with(name, message))
    }

    /// Runs `question` while the call waits, and handles the call as its result says.
    pub fn ask<F>(question: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Self> + Send + 'static,
    {
        Self::Ask(Arc::new(move || Box::pin(question())))
    }

    /// Handles the call in this way, once `happening` is complete.
    pub fn after<F>(self, happening: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::ask(move || {
            let (happens, then) = (happening(), self.clone());
            async move {
                happens.await;
                then
            }
        })
    }
}

pub(super) fn error_body(name: &str) -> String {
    error_with(name, &format!("said {name}"))
}

pub(super) fn error_with(name: &str, message: &str) -> String {
    let name = format!("com.amazonaws.dynamodb.v20120810#{name}");
    json!({ "__type": name, "message": message }).to_string()
}
