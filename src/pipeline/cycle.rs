//! Moves a session to a new id: because the handler asked for it, or because the id is too old.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::SessionId;
use crate::pipeline::committed::{Committed, cycled, destroyed, is_outage};
use crate::pipeline::core::Pipeline;
use crate::pipeline::log::WithCauses;
use crate::pipeline::new_record::Growth;
use crate::pipeline::redirects::follow_redirects;
use crate::session::pending::Pending;
use crate::store::arguments::{Cycle, RequestTime};
use crate::store::record::Found;
use crate::store::session_store::SessionStore;

impl<S: SessionStore> Pipeline<S> {
    /// Moves the session to a new id because the handler asked for it.
    pub(super) async fn cycle(
        &self,
        pending: &Pending<'_>,
        at: RequestTime,
    ) -> Result<Committed, Error> {
        let Some(location) = pending.location.clone() else {
            return self.create(pending, at).await;
        };
        let new = self.new_id()?;
        let cycle = Cycle {
            redirects: false,
            ..self.cycle_arguments(pending, at)?
        };
        let is_login = pending.login.is_some();
        let found = if is_login {
            let (found, _) = follow_redirects(location, |key| {
                let (new, cycle) = (new.storage_key(), cycle.clone());
                async move { self.store.cycle(&key, new, cycle).await }
            })
            .await?;
            found
        } else {
            // If the id was cycled concurrently, this client must not get an id besides the one
            // that the other request has given it.
            let cycle = self.store.cycle(location.key(), new.storage_key(), cycle);
            cycle.await?
        };
        match found {
            Found::Live(record) => Ok(Committed::under_new_id(new, record)),
            Found::Redirect(_) | Found::Tombstone(_) if may_begin_anew(pending) => {
                self.create(pending, at).await
            }
            Found::Absent if may_begin_anew(pending) && is_login => self.create(pending, at).await,
            Found::Absent => Err(destroyed()),
            Found::Redirect(_) | Found::Tombstone(_) => Err(cycled()),
        }
    }

    /// Moves the session to a new id because the old one is too old. Of several concurrent
    /// requests, one does so, and the others follow the redirect that it leaves.
    pub(super) async fn auto_cycle(
        &self,
        pending: &Pending<'_>,
        ttl: Option<Timestamp>,
        at: RequestTime,
    ) -> Result<Committed, Error> {
        let has_changes = !pending.changes.is_empty()
            || pending.new_label.is_some()
            || !pending.lifetimes.is_empty();
        let new = self.new_id()?;
        match self.cycle_with_redirect(&new, pending, at).await {
            Ok(Found::Live(record)) => Ok(Committed::under_new_id(new, record)),
            // The other request has extended the expiry. One that the handler has set must be written.
            Ok(Found::Redirect(_)) if has_changes => {
                let set = ttl.filter(|_| pending.lifetimes.limits_expiry());
                self.update(pending, set, at).await
            }
            Ok(Found::Absent) if has_changes => Err(destroyed()),
            Ok(Found::Tombstone(_)) if has_changes => Err(cycled()),
            Ok(_) => Ok(Committed::Kept(None)),
            // If the id was cycled, a client that keeps the old one is logged out after a minute.
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {
                match self.store.load(new.storage_key(), at).await {
                    Ok(Found::Live(record)) => Ok(Committed::under_new_id(new, record)),
                    _ => Err(error),
                }
            }
            // Nothing was written. A store that cannot be reached is not called again.
            Err(error) if has_changes && is_outage(&error) => Err(error),
            Err(error) => {
                tracing::warn!(
                    error = %WithCauses(&error),
                    "the id of a session could not be cycled: the next request tries again"
                );
                let outdated = pending.hint_outdated.then(|| pending.record.ttl());
                match (has_changes, ttl.or(outdated)) {
                    (true, _) => self.update(pending, ttl, at).await,
                    (false, Some(ttl)) if !is_outage(&error) => {
                        Ok(self.touch(pending, ttl, at).await)
                    }
                    (false, _) => Ok(Committed::Kept(None)),
                }
            }
        }
    }

    /// Moves the record to a new id and leaves a redirect for the grace period.
    async fn cycle_with_redirect(
        &self,
        new: &SessionId,
        pending: &Pending<'_>,
        at: RequestTime,
    ) -> Result<Found, Error> {
        let Some(location) = &pending.location else {
            return Ok(Found::Absent);
        };
        let cycle = Cycle {
            redirects: true,
            ..self.cycle_arguments(pending, at)?
        };
        let cycle = self.store.cycle(location.key(), new.storage_key(), cycle);
        cycle.await
    }

    /// Returns the arguments of [`SessionStore::cycle`] with the changes of the request.
    fn cycle_arguments(&self, pending: &Pending<'_>, at: RequestTime) -> Result<Cycle, Error> {
        let growth = match pending.login {
            Some(_) => Growth::Login,
            None => Growth::Limited,
        };
        self.check_size(&pending.changes, pending.record.data(), growth)?;
        let created = pending.record.created();
        let own = pending.lifetimes.or(pending.record.lifetimes());
        let rules = &self.settings.expiry.of(created, own);
        let fresh = rules.ttl(created, at.now());
        // A new id does not extend the session of a request that must not. A login does.
        let keeps_expiry =
            pending.skips_touch && pending.login.is_none() && !pending.lifetimes.limits_expiry();
        Ok(Cycle {
            binding: self.binding(pending, pending.record.binding(), created, rules)?,
            lifetimes: pending.lifetimes,
            require_unchanged: pending.require_unchanged,
            records_issue: rules.cycle_id_after.is_some(),
            ..Cycle::new(
                Arc::clone(&pending.record),
                Arc::clone(&pending.changes),
                match keeps_expiry {
                    true => pending.record.ttl().min(fresh),
                    false => fresh,
                },
                at,
            )
        })
    }
}

/// Returns whether the request may begin a new session after another request has cycled the id.
/// Only a login may: of a user, or of a session that is bound to no user.
fn may_begin_anew(pending: &Pending<'_>) -> bool {
    let has_no_user = pending.record.binding().is_none();
    !pending.require_unchanged && (pending.login.is_some() || has_no_user)
}
