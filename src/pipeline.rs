//! The pipeline: read the id, load, run the handler, decide, apply, write the cookie.
//!
//! 1. Nothing is written before the handler has returned, except by [`Session::save`].
//! 2. If a handler fails or answers 5xx, only a logout is committed. If it panics or is dropped,
//!    nothing is committed.
//! 3. A failed load never looks like an empty session. A wrapped handler is not called, and nothing
//!    is written over the real data.
//! 4. The response leaves only after its write was acknowledged. If the write failed,
//!    [`on_error`](crate::SessionLayer::on_error) makes the response, and no cookie is sent or
//!    removed. If the handler fails for a reason of its own, its error stays the response.
//! 5. Only this module knows both a session and its store, and only this module reads the clock. It
//!    reads the clock when it loads, and again when it commits.
//!    the clock: when it loads, and again when it commits.

mod commit;
pub(crate) mod deadline;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use http::Response;
use lambda_http::{Body, IntoResponse, Request};

use crate::attached::{LayerId, adopt, handle};
use crate::clock::Timestamp;
use crate::config::Settings;
use crate::error::{Error, ErrorKind};
use crate::id::{SessionId, StorageKey};
use crate::pipeline::commit::Done;
use crate::pipeline::deadline::{CutOff, in_time, within};
use crate::session::decision::Scope;
use crate::session::handle::{Backend, Boxed, Session};
use crate::session::state::Token;
use crate::store::record::Found;
use crate::store::session_store::{RequestTime, SessionStore};
use crate::store::user::{Pseudonym, Revoked, UserSessions};
use crate::wire::carrier::Transport;
use crate::wire::response;
use crate::wire::token::Ids;

/// The maximum number of redirects that are followed, one after the other. Each was left within the
/// last minute by an id that was cycled automatically.
const MAX_REDIRECTS: usize = 8;

/// A store and the rules for the lifetime of its sessions.
#[derive(Debug)]
pub(crate) struct Pipeline<S> {
    layer: LayerId,
    store: S,
    settings: Settings,
    transport: Transport,
}

impl<S: SessionStore> Pipeline<S> {
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if the settings cannot work.
    pub(crate) fn new(layer: LayerId, store: S, settings: Settings) -> Result<Self, Error> {
        let transport = settings.validate()?;
        Ok(Self {
            layer,
            store,
            settings,
            transport,
        })
    }

    pub(crate) fn layer(&self) -> &LayerId {
        &self.layer
    }

    /// Serves a whole request of a wrapped handler.
    pub(crate) async fn serve<H, F, R, E>(
        self: Arc<Self>,
        mut request: Request,
        handler: H,
    ) -> Result<Response<Body>, E>
    where
        H: Fn(Request, Session) -> F,
        F: Future<Output = Result<R, E>>,
        R: IntoResponse,
    {
        // Inside the same layer, the outer service commits, and its session is this one.
        let outer = handle(&request, &self.layer);
        let session = outer.clone().unwrap_or_else(|| self.begin(&request));
        if let Err(error) = session.load().await {
            return Ok(self.refuse(&error));
        }
        let ours = match outer {
            Some(_) => None,
            None => {
                adopt(&mut request, &self.layer, &session);
                Some(SealedWhenDropped(session.clone()))
            }
        };
        // The result is converted at once, because a value that is not `Send` must not be held
        // across an await.
        let mut handling = pin!(handler(request, session.clone()));
        let deadline = session.deadline();
        let answer = poll_fn(|cx| {
            let _during = deadline::enter(deadline);
            let answer = handling.as_mut().poll(cx);
            answer.map_ok(R::into_response)
        });
        let answer = match answer.await {
            Ok(response) => Ok(response.await),
            Err(error) => Err(error),
        };
        if ours.is_none() {
            return answer;
        }
        let settled = self.conclude(&session, HandlerOutcome::of(&answer)).await;
        self.answer(&session, answer, settled, |body| body, Body::from)
    }

    /// Reads the id from the request and returns its session.
    pub(crate) fn begin<B>(self: &Arc<Self>, request: &http::Request<B>) -> Session {
        let presented = self.transport.read(request.headers());
        let presented = presented.in_audience(self.settings.audience.as_deref());
        let began = match presented.ids {
            // Only an id can have died before the request began.
            Ids::Nothing | Ids::Unusable => Timestamp::from_epoch_seconds(0),
            Ids::One(_) | Ids::Reissue(_) | Ids::Several(_) => self.settings.now(),
        };
        let session = Session::new(presented, Arc::<Self>::clone(self));
        session.begin(began, deadline::deadline(request));
        session
    }

    /// Commits the changes of the handler and returns the time of the commit. The remaining
    /// lifetime in a cookie counts from that time.
    ///
    /// # Errors
    ///
    /// Fails with the error that the client must get instead of the handler's response.
    pub(crate) async fn conclude(
        &self,
        session: &Session,
        handler_outcome: HandlerOutcome,
    ) -> Result<Timestamp, Error> {
        match handler_outcome {
            HandlerOutcome::Success => self.commit(session, Scope::Commit).await,
            HandlerOutcome::ServerError => self.commit(session, Scope::OnlyDestroy).await,
            HandlerOutcome::Failed(error) => {
                // If the session made the handler fail, the session's error decides the response.
                let ours = error.or_else(|| session.failure());
                match (ours, self.commit(session, Scope::OnlyDestroy).await) {
                    (Some(ours), Ok(_)) => Err(ours),
                    (ours, Err(lost)) => {
                        log(&lost);
                        ours.map_or_else(|| Ok(self.settings.now()), Err)
                    }
                    (None, Ok(now)) => Ok(now),
                }
            }
        }
    }

    async fn commit(&self, session: &Session, scope: Scope) -> Result<Timestamp, Error> {
        if let Some(unknown) = session.unknown_outcome() {
            return Err(unknown);
        }
        let written = self.write(session, scope).await;
        if let Err(error) = &written
            && scope == Scope::Commit
            && session.begins_anew_after_a_logout()
            && (session.was_not_loaded() || was_refused(error))
        {
            // The changes after a logout could not be stored. The logout itself still counts.
            if let Err(lost) = self.write(session, Scope::OnlyDestroy).await {
                log(&lost);
            }
        }
        written
    }

    /// Returns the response for the client: the handler's with the session's headers, or the
    /// session's own error response.
    pub(crate) fn answer<A, B, E>(
        &self,
        session: &Session,
        answer: Result<Response<A>, E>,
        settled: Result<Timestamp, Error>,
        theirs: impl FnOnce(A) -> B,
        ours: impl FnOnce(String) -> B,
    ) -> Result<Response<B>, E> {
        let now = match settled {
            Ok(now) => now,
            Err(error) => {
                log(&error);
                return Ok((self.settings.on_error)(&error).map(ours));
            }
        };
        let mut response = answer?.map(theirs);
        response::finish(response.headers_mut(), session, &self.transport, now);
        Ok(response)
    }

    /// Returns the response to a failed load.
    fn refuse<B: From<String>>(&self, error: &Error) -> Response<B> {
        log(error);
        (self.settings.on_error)(error).map(B::from)
    }

    /// Loads the session, once.
    async fn read(&self, session: &Session) -> Result<(), Error> {
        let _only_one = in_time(session.deadline(), session.loading()).await?;
        if session.was_read() {
            return Ok(());
        }
        let at = self.moment(session);
        let rules = &self.settings.expiry;
        let (found, moved_to) = match session.received() {
            None => (Found::Absent, None),
            Some(id) => {
                let find = self.find(id.storage_key(), at);
                match within(at.deadline(), CutOff::Read, find).await {
                    Ok((Found::Live(record), _))
                        if rules.is_dead(record.created(), record.ttl(), at.now()) =>
                    {
                        (Found::Absent, None)
                    }
                    Ok(found) => found,
                    Err(error) => {
                        session.not_loaded(&error);
                        return Err(error);
                    }
                }
            }
        };
        session.loaded(found, moved_to, at.now(), rules);
        Ok(())
    }

    /// Returns the record under a key, or the one to which its redirects lead, and the key of that
    /// record.
    async fn find(
        &self,
        key: &StorageKey,
        at: RequestTime,
    ) -> Result<(Found, Option<StorageKey>), Error> {
        let mut found = self.store.load(key, at).await?;
        let mut moved_to = None;
        for _ in 0..MAX_REDIRECTS {
            let Found::Redirect(next) = found else { break };
            found = self.store.load(&next, at).await?;
            moved_to = Some(next);
        }
        Ok((found, moved_to))
    }

    /// Decides what to write, and applies it.
    async fn write(&self, session: &Session, scope: Scope) -> Result<Timestamp, Error> {
        let _one_at_a_time = in_time(session.deadline(), session.writing()).await?;
        let at = self.moment(session);
        let pending = match session.take_pending(scope, at.now(), &self.settings.expiry) {
            Ok(pending) => pending,
            Err(error) => {
                session.failed(&error);
                return Err(error);
            }
        };
        // If no data is written, no write can be too late.
        let limit = at.deadline().filter(|_| pending.outcome.writes_data());
        match within(limit, CutOff::Write, self.apply(&pending, at)).await {
            Ok(Done::Stored(location, record, token)) => pending.stored(location, record, token),
            Ok(Done::Kept(ttl)) => pending.kept(ttl),
            Ok(Done::Nothing) => {
                pending.destroyed(at.now(), &self.settings.expiry, Token::Keep);
            }
            Ok(Done::Destroyed) => {
                pending.destroyed(at.now(), &self.settings.expiry, Token::Remove);
            }
            Err(error) => return Err(pending.failed(error)),
        }
        Ok(at.now())
    }

    /// Returns a new id.
    fn new_id(&self) -> Result<SessionId, Error> {
        let audience = self.settings.audience.as_deref();
        Ok(SessionId::generate()?.in_audience(audience))
    }

    /// Reads the clock. It is read anew each time, because a handler may take long.
    fn moment(&self, session: &Session) -> RequestTime {
        RequestTime::at(self.settings.now()).until(session.deadline())
    }
}

/// Returns whether nothing was written and another write may still succeed.
fn was_refused(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::TooLarge
        | ErrorKind::InvalidKey
        | ErrorKind::Serialize
        | ErrorKind::Deserialize
        | ErrorKind::Misconfigured => true,
        // The time for the store is used up, the store has reported its state, or it may have
        // written.
        ErrorKind::Unavailable
        | ErrorKind::Throttled
        | ErrorKind::Timeout
        | ErrorKind::OutcomeUnknown
        | ErrorKind::Conflict
        | ErrorKind::Gone
        | ErrorKind::Corrupt => false,
    }
}

fn log(error: &Error) {
    let cause = Chain(error);
    match error.kind() {
        // Concurrent requests collided. This is not a fault.
        ErrorKind::Gone | ErrorKind::Conflict => {
            tracing::warn!(error = %cause, "a session changed in the meantime");
        }
        _ => tracing::error!(error = %cause, "a session failed"),
    }
}

/// Closes the session at the end of its request, whatever the result. A clone that was kept is of
/// no use afterwards.
#[derive(Debug)]
pub(crate) struct SealedWhenDropped(pub(crate) Session);

impl Drop for SealedWhenDropped {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl<S: SessionStore> Backend for Pipeline<S> {
    fn load<'a>(&'a self, session: &'a Session) -> Boxed<'a> {
        Box::pin(self.read(session))
    }

    fn save<'a>(&'a self, session: &'a Session) -> Boxed<'a> {
        Box::pin(async { self.write(session, Scope::Save).await.map(drop) })
    }

    fn pseudonym(&self, user: &str) -> Result<Pseudonym, Error> {
        self.settings.pseudonym(user)
    }

    fn user_sessions<'a>(
        &'a self,
        session: &'a Session,
        user: &'a Pseudonym,
    ) -> Boxed<'a, UserSessions> {
        Box::pin(async {
            let at = self.moment(session);
            let listing = self.store.user_sessions(user, at);
            let listed = within(at.deadline(), CutOff::Read, listing).await;
            listed.inspect_err(|error| session.failed(error))
        })
    }

    fn revoke<'a>(
        &'a self,
        session: &'a Session,
        user: &'a Pseudonym,
        which: Revoked<'a>,
    ) -> Boxed<'a> {
        Box::pin(async move {
            let at = self.moment(session);
            let revoking = self.store.revoke(user, which, at);
            let revoked = within(at.deadline(), CutOff::Write, revoking).await;
            revoked.inspect_err(|error| session.failed(error))
        })
    }
}

/// The result of a handler.
#[derive(Debug)]
pub(crate) enum HandlerOutcome {
    /// The handler answered with a status below 500.
    Success,
    /// The handler answered 5xx.
    ServerError,
    /// The handler returned `Err`, or a response that was made from a session's error.
    Failed(Option<Error>),
}

impl HandlerOutcome {
    pub(crate) fn of<B, E>(answer: &Result<Response<B>, E>) -> Self {
        match answer {
            Err(_) => Self::Failed(None),
            Ok(response) => match response.extensions().get::<Error>() {
                Some(error) => Self::Failed(Some(error.clone())),
                None if response.status().is_server_error() => Self::ServerError,
                None => Self::Success,
            },
        }
    }
}

/// An error with its causes, for the log.
struct Chain<'a>(&'a Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)?;
        let mut cause = std::error::Error::source(self.0);
        while let Some(this) = cause {
            write!(f, ": {this}")?;
            cause = this.source();
        }
        Ok(())
    }
}
