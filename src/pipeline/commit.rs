//! Decides which part of a session is written, and writes it.

use std::pin::pin;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::pipeline::committed::Committed;
use crate::pipeline::core::Pipeline;
use crate::pipeline::deadline::{Call, wait_until, within};
use crate::pipeline::handler_outcome::HandlerOutcome;
use crate::pipeline::log::log_failure;
use crate::session::decision::Scope;
use crate::session::handle::Session;
use crate::session::state::Token;
use crate::store::session_store::SessionStore;

impl<S: SessionStore> Pipeline<S> {
    /// Settles the session and returns the time, if there is nothing to write. It is what
    /// [`commit`](Self::commit) would do, without a future.
    pub(crate) fn commit_nothing(
        &self,
        session: &Session,
        outcome: &HandlerOutcome,
    ) -> Option<Timestamp> {
        let scope = match outcome {
            HandlerOutcome::Success => Scope::Commit,
            HandlerOutcome::ServerError => Scope::OnlyDestroy,
            HandlerOutcome::Failed(_) => return None,
        };
        let now = self.settings.now();
        let rules = &self.settings.expiry;
        session.settle_if_kept(scope, now, rules).then_some(now)
    }

    /// Commits the changes of the handler and returns the time of the commit. The remaining
    /// lifetime in a cookie counts from that time.
    ///
    /// # Errors
    ///
    /// Fails with the error that the client must get instead of the handler's response.
    pub(crate) async fn commit(
        &self,
        session: &Session,
        outcome: HandlerOutcome,
    ) -> Result<Timestamp, Error> {
        match outcome {
            HandlerOutcome::Success => self.write_or_log_out(session, Scope::Commit).await,
            HandlerOutcome::ServerError => self.write_or_log_out(session, Scope::OnlyDestroy).await,
            HandlerOutcome::Failed(error) => {
                // If the session made the handler fail, the session's error decides the response.
                let of_session = error.or_else(|| session.failure());
                let logged_out = self.write_or_log_out(session, Scope::OnlyDestroy).await;
                match (of_session, logged_out) {
                    (Some(error), Ok(_)) => Err(error),
                    (of_session, Err(unwritten)) => {
                        log_failure(&unwritten);
                        of_session.map_or_else(|| Ok(self.settings.now()), Err)
                    }
                    (None, Ok(now)) => Ok(now),
                }
            }
        }
    }

    /// Writes this part of the session. If changes after a logout cannot be stored, the logout
    /// itself is still written.
    async fn write_or_log_out(&self, session: &Session, scope: Scope) -> Result<Timestamp, Error> {
        if let Some(unknown) = session.unknown_outcome() {
            return Err(unknown);
        }
        let written = self.write(session, scope).await;
        if let Err(error) = &written
            && scope == Scope::Commit
            && session.begins_anew_after_a_logout()
            && (session.was_not_loaded() || allows_another_write(error))
            && let Err(unwritten) = self.write(session, Scope::OnlyDestroy).await
        {
            log_failure(&unwritten);
        }
        written
    }

    /// Decides what to write, and applies it.
    pub(super) async fn write(&self, session: &Session, scope: Scope) -> Result<Timestamp, Error> {
        let _one_at_a_time = wait_until(session.deadline(), session.writing()).await?;
        // Changes without a read would begin a session, and the predecessor's would not be taken over.
        // If that fails, so does the write, unless it is a logout.
        #[cfg(feature = "flask")]
        if session.awaits_import() {
            let _ = Box::pin(self.read(session)).await;
        }
        let at = self.request_time(session);
        let pending = match session.take_pending(scope, at.now(), &self.settings.expiry) {
            Ok(pending) => pending,
            Err(error) => {
                session.failed(&error);
                return Err(error);
            }
        };
        // If no data is written, no write can be too late.
        let limit = at.deadline().filter(|_| pending.outcome.writes_data());
        let applied = {
            let apply = pin!(self.apply(&pending, at));
            within(limit, Call::Write, apply).await
        };
        match applied {
            Ok(Committed::Stored(location, record, token)) => {
                pending.stored(location, record, token);
            }
            Ok(Committed::Changed(location, record, token)) => {
                pending.changed(location, record, token);
            }
            Ok(Committed::Kept(ttl)) => pending.kept(ttl),
            Ok(Committed::Nothing) => {
                pending.destroyed(at.now(), &self.settings.expiry, Token::Keep);
            }
            Ok(Committed::Destroyed) => {
                pending.destroyed(at.now(), &self.settings.expiry, Token::Remove);
            }
            Err(error) => return Err(pending.failed(error)),
        }
        Ok(at.now())
    }
}

/// Returns whether nothing was written and another write may still succeed.
fn allows_another_write(error: &Error) -> bool {
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
