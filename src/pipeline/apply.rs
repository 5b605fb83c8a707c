//! Applies the decision about a session: calls the store, and handles what the calls find there.
//!
//! 1. If an id was cycled automatically, its redirect is followed during the grace period.
//! 2. A write that finds no session to write to fails with [`Gone`](crate::ErrorKind::Gone). A touch
//!    or an automatic cycle that loses its race is not an error, because no handler asked for it.
//! 3. A login never fails because of the state of the previous session. It begins a new session,
//!    just as a login with a dead id does. The exception is a login that takes a value which only
//!    one request may have.

use std::pin::pin;
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::pipeline::committed::{Committed, cycled, destroyed};
use crate::pipeline::core::Pipeline;
use crate::pipeline::deadline::{Call, within};
use crate::pipeline::log::WithCauses;
use crate::pipeline::new_record::Growth;
use crate::pipeline::redirects::follow_redirects;
use crate::session::decision::{Origin, Outcome};
use crate::session::pending::Pending;
use crate::session::state::Token;
use crate::store::arguments::{Replacement, RequestTime, Update};
use crate::store::changes::change_set::Changes;
use crate::store::data::Data;
use crate::store::record::Found;
use crate::store::session_store::SessionStore;

impl<S: SessionStore> Pipeline<S> {
    /// Makes the calls that the outcome requires.
    pub(super) async fn apply(
        &self,
        pending: &Pending<'_>,
        at: RequestTime,
    ) -> Result<Committed, Error> {
        // Each is boxed, so that this future is not as large as the largest of them. It is moved.
        match pending.outcome {
            Outcome::Keep | Outcome::Reissue => Ok(Committed::Kept(None)),
            Outcome::Touch(ttl) => Ok(Box::pin(self.touch(pending, ttl, at)).await),
            Outcome::Create => Box::pin(self.create(pending, at)).await,
            Outcome::Update(ttl) => Box::pin(self.update(pending, ttl, at)).await,
            Outcome::AutoCycle(ttl) => Box::pin(self.auto_cycle(pending, ttl, at)).await,
            Outcome::Cycle => Box::pin(self.cycle(pending, at)).await,
            Outcome::Replace => Box::pin(self.replace(pending, at)).await,
            Outcome::Destroy => Box::pin(self.destroy(pending, at)).await,
        }
    }

    /// Extends the expiry. If the touch loses its race or fails, the response stays as it is. No
    /// requested change is lost, and the next request touches again.
    pub(super) async fn touch(
        &self,
        pending: &Pending<'_>,
        ttl: Timestamp,
        at: RequestTime,
    ) -> Committed {
        let Some(location) = &pending.location else {
            return Committed::Kept(None);
        };
        let touch = pin!(self.store.touch(location.key(), ttl, at));
        match within(at.deadline(), Call::Write, touch).await {
            Ok(touched) => Committed::Kept(touched.then_some(ttl)),
            Err(error) => {
                let session = location.key().fingerprint();
                tracing::warn!(
                    error = %WithCauses(&error),
                    session,
                    "the expiry of a session could not be extended: the next request tries again"
                );
                Committed::Kept(None)
            }
        }
    }

    /// Stores a new session with the changes of the request.
    pub(super) async fn create(
        &self,
        pending: &Pending<'_>,
        at: RequestTime,
    ) -> Result<Committed, Error> {
        self.create_with(&pending.changes, pending, at).await
    }

    /// Stores a new session with these changes.
    async fn create_with(
        &self,
        changes: &Changes,
        pending: &Pending<'_>,
        at: RequestTime,
    ) -> Result<Committed, Error> {
        let (id, record) = self.new_record(changes, pending, at.now())?;
        // The session is dead. The handler only asked to remove keys or to cycle its id.
        if record.data().is_empty() && record.binding().is_none() {
            return Ok(Committed::Nothing);
        }
        self.store.create(id.storage_key(), &record, at).await?;
        if pending.asks_for_a_new_id() {
            // A login ends the client's previous sessions. The login has succeeded even if that
            // fails.
            if let Err(error) = self.end_others(pending, at).await {
                tracing::warn!(
                    error = %WithCauses(&error),
                    "a login could not end a previous session of its client: it stays until it \
                     expires"
                );
            }
        }
        Ok(Committed::under_new_id(id, record))
    }

    /// Changes keys of the stored session.
    pub(super) async fn update(
        &self,
        pending: &Pending<'_>,
        ttl: Option<Timestamp>,
        at: RequestTime,
    ) -> Result<Committed, Error> {
        // A create is boxed, because it is rare here.
        let Some(location) = pending.location.clone() else {
            return Box::pin(self.create(pending, at)).await;
        };
        let was_read = pending.origin != Origin::Unread;
        self.check_size(&pending.changes, pending.record.data(), Growth::Limited)?;
        // Nobody asks for the values that other requests have written, unless the handler goes on.
        let discards_values = was_read && pending.is_last;
        let update = Update {
            ttl,
            label: pending.new_label.clone(),
            lifetimes: pending.lifetimes,
            read: was_read.then(|| Arc::clone(&pending.record)),
            require_unchanged: pending.require_unchanged,
            discards_values,
            ..Update::new(Arc::clone(&pending.changes), at)
        };
        let (found, location) = follow_redirects(location, |key| {
            let update = update.clone();
            async move { self.store.update(&key, update).await }
        })
        .await?;
        match found {
            Found::Live(record) => {
                if !was_read {
                    self.warn_of_size(&record, location.key());
                }
                // A client that used a cycled id does not get a new cookie.
                let outdates_the_hint =
                    self.store.reads_may_be_stale() && pending.outdates_the_hint(at.now());
                let is_due = ttl.is_some()
                    || !pending.lifetimes.is_empty()
                    || pending.hint_outdated
                    || outdates_the_hint;
                let issue = is_due && location.is_own();
                let token = if issue { Token::Issue } else { Token::Keep };
                Ok(match discards_values {
                    true => Committed::Changed(location, record, token),
                    false => Committed::Stored(location, record, token),
                })
            }
            // The handler did not read the session, so a new one does not contradict anything it
            // saw.
            Found::Absent if !was_read => Box::pin(self.create(pending, at)).await,
            Found::Absent => Err(destroyed()),
            Found::Tombstone(since) if began_with_a_dead_id(pending, since) => {
                Box::pin(self.create(pending, at)).await
            }
            Found::Redirect(_) | Found::Tombstone(_) => Err(cycled()),
        }
    }

    /// Deletes the stored session and stores a new one.
    pub(super) async fn replace(
        &self,
        pending: &Pending<'_>,
        at: RequestTime,
    ) -> Result<Committed, Error> {
        #[cfg(feature = "flask")]
        self.end_foreign(pending, at).await?;
        let Some(location) = pending.location.clone() else {
            return self.create(pending, at).await;
        };
        // A value that only one request may take is taken before the record is replaced. The value
        // is deleted with the old record, so a conflict must be found first.
        let changes = pending.changes.without_guards();
        let (new, record) = self.new_record(&changes, pending, at.now())?;
        self.take_guarded_values(pending, at).await?;
        let was_read = pending.origin != Origin::Unread;
        let replacement = Replacement {
            read: was_read.then(|| Arc::clone(&pending.record)),
            ..Replacement::new(record.clone(), at)
        };
        let (found, _) = follow_redirects(location, |key| {
            let (new, replacement) = (new.storage_key(), replacement.clone());
            async move { self.store.replace(&key, new, replacement).await }
        })
        .await?;
        match found {
            Found::Live(()) | Found::Absent => Ok(Committed::under_new_id(new, record)),
            // A login of another user ends the stored session and begins a new one in any case.
            Found::Tombstone(since)
                if pending.ends_by_login() || began_with_a_dead_id(pending, since) =>
            {
                self.create_with(&changes, pending, at).await
            }
            Found::Redirect(_) | Found::Tombstone(_) => Err(cycled()),
        }
    }

    /// Takes the values that only one request may take, and writes nothing else.
    async fn take_guarded_values(
        &self,
        pending: &Pending<'_>,
        at: RequestTime,
    ) -> Result<(), Error> {
        let (Some(claims), Some(location)) = (pending.changes.claims(), pending.location.clone())
        else {
            return Ok(());
        };
        let update = Update {
            read: Some(Arc::clone(&pending.record)),
            ..Update::new(claims, at)
        };
        let (found, _) = follow_redirects(location, |key| {
            let update = update.clone();
            async move { self.store.update(&key, update).await }
        })
        .await?;
        match found {
            Found::Live(_) => Ok(()),
            // The values were deleted with the session.
            Found::Redirect(_) | Found::Tombstone(_) | Found::Absent => {
                pending.changes.check_guards(&Data::new())
            }
        }
    }
}

/// Returns whether a request that did not read its session began after its id had died. Such a
/// request is not a late write of a page that already has a new id. An id that was read is known to
/// have been alive.
pub(super) fn began_with_a_dead_id(pending: &Pending<'_>, since: Timestamp) -> bool {
    let was_read = pending.origin != Origin::Unread && pending.others().is_empty();
    !was_read && pending.began > since
}
