//! The sessions of a Flask application.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::layer::session_layer::SessionLayer;
use crate::store::dynamodb::flask::import::{FlaskImport, Old};
use crate::store::dynamodb::flask::sessions::FlaskSessions;
use crate::store::dynamodb::store::DynamoDbStore;
use crate::store::record::{Found, Record};
use crate::store::session_store::SessionStore as _;

/// The result of [`copy_flask_session`](SessionLayer::copy_flask_session).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FlaskCopy {
    /// The session was copied, or can be.
    Copied,
    /// It was copied before, or its visitor was taken over.
    AlreadyThere,
    /// The session has expired.
    Expired,
    /// The session is empty, or the settings skip it.
    Empty,
    /// The session does not exist, or the package makes no such ids.
    Absent,
}

impl SessionLayer<DynamoDbStore> {
    /// Takes over the sessions of visitors who come from a Flask application.
    ///
    /// A visitor who has no session of ours, but the cookie of a live session there, gets a session with
    /// its data under a new id. [Coming from Flask][page] has the steps of a move, and what each value
    /// becomes. `_permanent` is dropped, and the [lifetime](Self::lifetime) begins at the takeover. By
    /// default, the old item is deleted, and the old cookie is removed.
    ///
    /// The takeover is part of the load. It costs a `GetItem` and a `TransactWriteItems`, once. A request
    /// with a session of ours costs no further call, and neither does one without the cookie.
    ///
    /// If the call is repeated, the last one applies. With [`id_header`](Self::id_header), the old id is
    /// also read from that header. [`authenticate`](Self::authenticate) takes nothing over.
    ///
    /// ```no_run
    /// use lambda_http::{Error, Request, run};
    /// use lambda_sessions::layer::FlaskSessions;
    /// use lambda_sessions::{Session, SessionLayer};
    ///
    /// #[tokio::main(flavor = "current_thread")]
    /// async fn main() -> Result<(), Error> {
    ///     let flask = FlaskSessions::table("flask_sessions");
    ///     let sessions = SessionLayer::from_env().await?.import_from(flask).build()?;
    ///     run(sessions.wrap(cart)).await
    /// }
    ///
    /// async fn cart(_request: Request, session: Session) -> Result<String, Error> {
    ///     let cart: Vec<String> = session.get("cart")?.unwrap_or_default(); // as Flask stored it
    ///     Ok(cart.join(", "))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// A request fails with [`Corrupt`](ErrorKind::Corrupt) if the old session cannot be converted, and
    /// with [`TooLarge`](ErrorKind::TooLarge) if DynamoDB could not store it. Nothing is changed then.
    /// [`build`](Self::build) fails if a name is invalid, or if Flask keeps a cookie that is also ours.
    ///
    /// [page]: https://docs.rs/crate/lambda-sessions/latest/source/docs/from-flask.md
    pub fn import_from(self, flask: FlaskSessions) -> Self {
        let import = Arc::new(FlaskImport::new(self.store.clone(), flask));
        self.set(|settings| settings.import = Some(import))
    }

    /// Copies one session of a Flask application, so that its table is not needed any more.
    ///
    /// It is for a program that copies all of them, like `cargo xtask import-flask`. The copy is in the
    /// session table, under a key that is made of the old id. With
    /// [`copied`](FlaskSessions::copied), [`import_from`](Self::import_from) finds it there. The
    /// copy expires when the old session does. The old item stays.
    ///
    /// If `write` is false, nothing is written, and the result is the one that a write would have.
    ///
    /// ```no_run
    /// use lambda_sessions::layer::FlaskSessions;
    /// use lambda_sessions::{Error, SessionLayer};
    ///
    /// # async fn f(ids: Vec<String>) -> Result<(), Error> {
    /// let flask = FlaskSessions::table("flask_sessions");
    /// let sessions = SessionLayer::from_env().await?.import_from(flask);
    /// for id in ids {
    ///     println!("{:?}", sessions.copy_flask_session(&id, false).await?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`import_from`](Self::import_from), with those of any call to the store,
    /// and with [`Misconfigured`](ErrorKind::Misconfigured) if the layer has no
    /// [`import_from`](Self::import_from).
    pub async fn copy_flask_session(&self, id: &str, write: bool) -> Result<FlaskCopy, Error> {
        let Some(import) = &self.settings.import else {
            let reason = "copy_flask_session needs a layer with import_from";
            return Err(Error::new(ErrorKind::Misconfigured, reason));
        };
        let Some(foreign) = import.settings().form().parse(id.as_bytes()) else {
            return Ok(FlaskCopy::Absent);
        };
        let at = self.request_time();
        let old = match import.find(&foreign, at).await? {
            Old::Live(old) => old,
            Old::Expired => return Ok(FlaskCopy::Expired),
            Old::Empty => return Ok(FlaskCopy::Empty),
            Old::Absent => return Ok(FlaskCopy::Absent),
        };
        let now = at.now();
        let longest = self.settings.expiry.ttl(now, now);
        let ttl = old.ttl.map_or(longest, |ttl: Timestamp| ttl.min(longest));
        let record = Record::new(old.data, now, ttl);
        let ours = foreign.as_ours(self.settings.audience.as_deref());
        if !write {
            return Ok(match self.store.load(ours.storage_key(), at).await? {
                Found::Absent => FlaskCopy::Copied,
                Found::Live(_) | Found::Redirect(_) | Found::Tombstone(_) => {
                    FlaskCopy::AlreadyThere
                }
            });
        }
        match self.store.create(ours.storage_key(), &record, at).await {
            Ok(()) => Ok(FlaskCopy::Copied),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(FlaskCopy::AlreadyThere),
            Err(error) => Err(error),
        }
    }
}
