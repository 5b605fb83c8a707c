//! The pipeline: read the id, load, run the handler, decide, apply, write the cookie.
//!
//! 1. Nothing is written before the handler has returned, [`Session::save`] aside.
//! 2. A handler that fails or answers 5xx commits nothing but a logout; one that panics or is
//!    dropped commits nothing at all.
//! 3. A load that failed never looks like an empty session: a wrapped handler is not called, and
//!    nothing is written over the real data.
//! 4. The response leaves only after its write was acknowledged. If the write failed, the answer
//!    is [`on_error`](crate::SessionLayer::on_error)'s, and no cookie is sent or taken. An error of the
//!    handler's own that has nothing to do with the session stays the handler's answer.
//! 5. This is the only place that knows both a session and its store, and the only one that reads
//!    the clock: when it loads, and again when it commits.

mod apply;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use http::Response;
use lambda_http::{Body, IntoResponse, Request};

use crate::config::Settings;
use crate::deadline::{self, CutOff, deadline, in_time, within};
use crate::error::{Error, ErrorKind};
use crate::expiry::Timestamp;
use crate::id::{SessionId, StorageKey};
use crate::record::Found;
use crate::request::{LayerId, adopt, handle};
use crate::response;
use crate::service::apply::Done;
use crate::session::{Backend, Boxed, Scope, Session, Token};
use crate::store::{RequestTime, SessionStore};
use crate::transport::Transport;
use crate::user::{Pseudonym, Revoked, UserSessions};

/// How many stubs are followed, one after the other: each was left by a renewal on schedule within
/// the last minute.
const MAX_REDIRECTS: usize = 8;

/// One store and the rules by which its sessions live.
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
    /// [`Misconfigured`](ErrorKind::Misconfigured) for settings that cannot work.
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

    /// A whole request of a wrapped handler.
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
        // Inside the same layer that one commits, and its session is this one.
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
        // Converted at once: what is not `Send` may not wait for anything.
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

    /// Reads the id.
    pub(crate) fn begin<B>(self: &Arc<Self>, request: &http::Request<B>) -> Session {
        let presented = self.transport.read(request.headers());
        let presented = presented.in_audience(self.settings.audience.as_deref());
        let session = Session::new(presented, Arc::<Self>::clone(self));
        session.begin(self.settings.now(), deadline(request));
        session
    }

    /// Commits what the handler wants, and gives the moment of that: what a cookie says of the time
    /// that is left counts from there.
    ///
    /// # Errors
    ///
    /// What the client must be told instead of the handler's answer.
    pub(crate) async fn conclude(
        &self,
        session: &Session,
        handler_outcome: HandlerOutcome,
    ) -> Result<Timestamp, Error> {
        match handler_outcome {
            HandlerOutcome::Success => self.commit(session, Scope::Commit).await,
            HandlerOutcome::ServerError => self.commit(session, Scope::OnlyDestroy).await,
            HandlerOutcome::Failed(error) => {
                // If it was the session that failed the handler, it is the session that answers.
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
            // What was to begin after a logout could not be stored. The logout is one all the same.
            if let Err(lost) = self.write(session, Scope::OnlyDestroy).await {
                log(&lost);
            }
        }
        written
    }

    /// What the client gets: the handler's answer with the session's headers, or the session's
    /// own.
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

    /// The answer to a failed load.
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
        let (found, moved_to) = match session.presented() {
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

    /// What is stored under a key, or under the one to which it leads, and that one.
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

    /// Decides, and applies.
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
        // Where nothing is written, nothing can come too late.
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

    /// A fresh id.
    fn new_id(&self) -> Result<SessionId, Error> {
        let audience = self.settings.audience.as_deref();
        Ok(SessionId::generate()?.in_audience(audience))
    }

    /// The clock is read anew each time: a handler may have taken long.
    fn moment(&self, session: &Session) -> RequestTime {
        RequestTime::at(self.settings.now()).until(session.deadline())
    }
}

/// Whether nothing was written, and something else may be.
fn was_refused(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::TooLarge
        | ErrorKind::InvalidKey
        | ErrorKind::Serialize
        | ErrorKind::Deserialize
        | ErrorKind::Misconfigured => true,
        // The store has had its time, or has said what stands there, or may have written.
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
        // Requests that raced each other: nothing is wrong.
        ErrorKind::Gone | ErrorKind::Conflict => {
            tracing::warn!(error = %cause, "a session changed in the meantime");
        }
        _ => tracing::error!(error = %cause, "a session failed"),
    }
}

/// Whatever becomes of a request, a clone of its session that was kept is of no use after it.
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

/// How a handler ended.
#[derive(Debug)]
pub(crate) enum HandlerOutcome {
    /// It answered below 500.
    Success,
    /// It answered 5xx.
    ServerError,
    /// It returned `Err`, or the response that a session's error turned into.
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
