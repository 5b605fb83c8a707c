//! The restore of a process from a SnapStart snapshot.

use lambda_http::{BoxFuture, SnapStartResource};

use crate::store::dynamodb::store::DynamoDbStore;

/// Gives a copy of the process its own connections.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use lambda_http::{Error, Request};
/// use lambda_sessions::{Session, SessionLayer};
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Error> {
///     let sessions = SessionLayer::from_env().await?;
///     lambda_http::runtime(sessions.wrap(hello))
///         .register_snapstart_resource(Arc::new(sessions.store().clone()))
///         .run()
///         .await
/// }
///
/// async fn hello(_request: Request, session: Session) -> Result<String, Error> {
///     Ok(format!("visit {}\n", session.increment("visits", 1)?))
/// }
/// ```
///
/// After a restore, a store that was made by `from_env` has a new client, and so have all its clones.
/// The client has credentials of the restored environment and a warm connection. A client of your
/// own is made again from its configuration. A dead connection that it had before costs one attempt.
impl SnapStartResource for DynamoDbStore {
    fn after_restore(&self) -> BoxFuture<'_, Result<(), lambda_http::Error>> {
        Box::pin(async move {
            self.table.connection.restore().await?;
            self.warm_up().await;
            Ok(())
        })
    }
}
