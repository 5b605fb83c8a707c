//! Applies an outcome: calls the store, and handles what the calls find there.
//!
//! 1. If an id was cycled automatically, its redirect is followed during the grace period.
//! 2. A write that finds no session to write to fails with [`Gone`](ErrorKind::Gone). A touch or an
//!    automatic cycle that loses its race is not an error, because nobody asked for it.
//! 3. A login never fails because of the state of the previous session. It begins a new session,
//!    just as a login with a dead id does. The exception is a login that takes a value which only
//!    one request may have.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::id::{SessionId, StorageKey};
use crate::pipeline::deadline::{CutOff, within};
use crate::pipeline::{Chain, MAX_REDIRECTS, Pipeline};
use crate::session::decision::{Origin, Outcome, gone};
use crate::session::{Location, Pending, Token};
use crate::store::changes::Changes;
use crate::store::data::Data;
use crate::store::record::{Found, Record};
use crate::store::session_store::{Cycle, Replacement, RequestTime, SessionStore, Update};
use crate::store::user::Binding;

impl<S: SessionStore> Pipeline<S> {
    pub(super) async fn apply(
        &self,
        pending: &Pending<'_>,
        at: RequestTime,
    ) -> Result<Done, Error> {
        match pending.outcome {
            Outcome::Keep => Ok(Done::Kept(None)),
            Outcome::Touch(ttl) => Ok(self.touch(pending, ttl, at).await),
            Outcome::Create => self.create(pending, at).await,
            Outcome::Update(ttl) => self.update(pending, ttl, at).await,
            Outcome::AutoCycle(ttl) => self.rotate(pending, ttl, at).await,
            Outcome::Cycle => self.renew(pending, at).await,
            Outcome::Replace => self.replace(pending, at).await,
            Outcome::Destroy => self.destroy(pending, at).await,
        }
    }

    /// Extends the expiry. If the touch loses its race or fails, the response stays as it is. No
    /// requested change is lost, and the next request touches again.
    async fn touch(&self, pending: &Pending<'_>, ttl: Timestamp, at: RequestTime) -> Done {
        let Some(location) = &pending.location else {
            return Done::Kept(None);
        };
        let touch = self.store.touch(location.key(), ttl, at);
        match within(at.deadline(), CutOff::Write, touch).await {
            Ok(touched) => Done::Kept(touched.then_some(ttl)),
            Err(error) => {
                let session = location.key().fingerprint();
                tracing::warn!(error = %Chain(&error), session, "a session could not be touched");
                Done::Kept(None)
            }
        }
    }

    async fn create(&self, pending: &Pending<'_>, at: RequestTime) -> Result<Done, Error> {
        self.begin_with(&pending.changes, pending, at).await
    }

    async fn begin_with(
        &self,
        changes: &Changes,
        pending: &Pending<'_>,
        at: RequestTime,
    ) -> Result<Done, Error> {
        let (id, record) = self.fresh(changes, pending, at.now())?;
        // The session turned out to be dead. It was only asked to remove keys or to cycle its id.
        if record.data().is_empty() && record.binding().is_none() {
            return Ok(Done::Nothing);
        }
        self.store.create(id.storage_key(), &record, at).await?;
        if pending.asks_for_a_new_id() {
            // A login ends the client's previous sessions. The login has succeeded even if that
            // fails.
            if let Err(error) = self.end_others(pending, at).await {
                let error = Chain(&error);
                tracing::warn!(%error, "a session that a login was to end is left");
            }
        }
        Ok(Done::begun(id, record))
    }

    async fn update(
        &self,
        pending: &Pending<'_>,
        ttl: Option<Timestamp>,
        at: RequestTime,
    ) -> Result<Done, Error> {
        let Some(mut location) = pending.location.clone() else {
            return self.create(pending, at).await;
        };
        let was_read = pending.origin != Origin::Unread;
        self.check_size(&pending.changes, pending.record.data(), Growth::Limited)?;
        let update = Update {
            ttl,
            label: pending.new_label.clone(),
            read: was_read.then(|| Arc::clone(&pending.record)),
            require_unchanged: pending.require_unchanged,
            ..Update::new(Arc::clone(&pending.changes), at)
        };
        for _ in 0..MAX_REDIRECTS {
            match self.store.update(location.key(), update.clone()).await? {
                Found::Live(record) => {
                    if !was_read {
                        self.warn_of_size(&record, location.key());
                    }
                    // A client that used a cycled id does not get a new cookie.
                    let issue = ttl.is_some() && location.moved_to.is_none();
                    let token = if issue { Token::Issue } else { Token::Keep };
                    return Ok(Done::Stored(location, record, token));
                }
                Found::Redirect(next) => location.moved_to = Some(next),
                // The handler did not read the session, so a new one does not contradict anything
                // it saw.
                Found::Absent if !was_read => return self.create(pending, at).await,
                Found::Absent => return Err(destroyed()),
                Found::Tombstone(since) if began_with_a_dead_id(pending, since) => {
                    return self.create(pending, at).await;
                }
                Found::Tombstone(_) => break,
            }
        }
        Err(renewed())
    }

    /// Cycles an id that has become too old while the session is in use. Of several concurrent
    /// requests, one does so, and the others follow the redirect that it left.
    async fn rotate(
        &self,
        pending: &Pending<'_>,
        ttl: Option<Timestamp>,
        at: RequestTime,
    ) -> Result<Done, Error> {
        let is_asked_for = !pending.changes.is_empty() || pending.new_label.is_some();
        let new = self.new_id()?;
        match self.move_to(&new, pending, true, at).await {
            Ok(Found::Live(record)) => Ok(Done::begun(new, record)),
            Ok(Found::Redirect(_)) if is_asked_for => self.update(pending, None, at).await,
            Ok(Found::Absent) if is_asked_for => Err(destroyed()),
            Ok(Found::Tombstone(_)) if is_asked_for => Err(renewed()),
            Ok(_) => Ok(Done::Kept(None)),
            // If the id was cycled, a client that keeps the old one is logged out after a minute.
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {
                match self.store.load(new.storage_key(), at).await {
                    Ok(Found::Live(record)) => Ok(Done::begun(new, record)),
                    _ => Err(error),
                }
            }
            // Nothing was written. A store that cannot be reached is not called again.
            Err(error) if is_asked_for && is_outage(&error) => Err(error),
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "a session's id could not be renewed");
                match (is_asked_for, ttl) {
                    (true, _) => self.update(pending, ttl, at).await,
                    (false, Some(ttl)) if !is_outage(&error) => {
                        Ok(self.touch(pending, ttl, at).await)
                    }
                    (false, _) => Ok(Done::Kept(None)),
                }
            }
        }
    }

    async fn renew(&self, pending: &Pending<'_>, at: RequestTime) -> Result<Done, Error> {
        let Some(mut location) = pending.location.clone() else {
            return self.create(pending, at).await;
        };
        let new = self.new_id()?;
        for _ in 0..MAX_REDIRECTS {
            match self.move_from(&location, &new, pending, false, at).await? {
                Found::Live(record) => return Ok(Done::begun(new, record)),
                Found::Redirect(next) if pending.login.is_some() => location.moved_to = Some(next),
                Found::Redirect(_) | Found::Tombstone(_) if begins_afresh(pending) => {
                    return self.create(pending, at).await;
                }
                Found::Absent if begins_afresh(pending) && pending.login.is_some() => {
                    return self.create(pending, at).await;
                }
                Found::Absent => return Err(destroyed()),
                Found::Redirect(_) | Found::Tombstone(_) => break,
            }
        }
        Err(renewed())
    }

    /// Moves the record to a new id.
    async fn move_to(
        &self,
        new: &SessionId,
        pending: &Pending<'_>,
        on_schedule: bool,
        at: RequestTime,
    ) -> Result<Found, Error> {
        match &pending.location {
            Some(location) => {
                self.move_from(location, new, pending, on_schedule, at)
                    .await
            }
            None => Ok(Found::Absent),
        }
    }

    async fn move_from(
        &self,
        location: &Location,
        new: &SessionId,
        pending: &Pending<'_>,
        on_schedule: bool,
        at: RequestTime,
    ) -> Result<Found, Error> {
        let growth = match pending.login {
            Some(_) => Growth::OfALogin,
            None => Growth::Limited,
        };
        self.check_size(&pending.changes, pending.record.data(), growth)?;
        let rules = &self.settings.expiry;
        let created = pending.record.created();
        let ttl = rules.ttl(created, at.now());
        let binding = self.binding(pending, pending.record.binding(), created)?;
        let cycle = Cycle {
            binding,
            require_unchanged: pending.require_unchanged,
            redirects: on_schedule,
            records_issue: rules.renew.is_some(),
            ..Cycle::new(
                Arc::clone(&pending.record),
                Arc::clone(&pending.changes),
                ttl,
                at,
            )
        };
        let moving = self.store.cycle(location.key(), new.storage_key(), cycle);
        moving.await
    }

    async fn replace(&self, pending: &Pending<'_>, at: RequestTime) -> Result<Done, Error> {
        let Some(mut location) = pending.location.clone() else {
            return self.create(pending, at).await;
        };
        // A value that only one request may take is taken before the record is replaced. The value
        // goes with the old record, so a conflict must be found first.
        let changes = pending.changes.without_guards();
        let (new, record) = self.fresh(&changes, pending, at.now())?;
        self.claim(&location, pending, at).await?;
        let was_read = pending.origin != Origin::Unread;
        let replacement = Replacement {
            read: was_read.then(|| Arc::clone(&pending.record)),
            ..Replacement::new(record.clone(), at)
        };
        for _ in 0..MAX_REDIRECTS {
            let replaced =
                self.store
                    .replace(location.key(), new.storage_key(), replacement.clone());
            match replaced.await? {
                Found::Live(()) | Found::Absent => return Ok(Done::begun(new, record)),
                Found::Redirect(next) => location.moved_to = Some(next),
                // A login of another user ends the stored session and begins a new one in any case.
                Found::Tombstone(since)
                    if pending.ends_by_login() || began_with_a_dead_id(pending, since) =>
                {
                    return self.begin_with(&changes, pending, at).await;
                }
                Found::Tombstone(_) => break,
            }
        }
        Err(renewed())
    }

    /// Takes the values that only one request may take, and writes nothing else.
    async fn claim(
        &self,
        location: &Location,
        pending: &Pending<'_>,
        at: RequestTime,
    ) -> Result<(), Error> {
        let Some(claims) = pending.changes.claims() else {
            return Ok(());
        };
        let update = Update {
            read: Some(Arc::clone(&pending.record)),
            ..Update::new(claims, at)
        };
        let mut location = location.clone();
        for _ in 0..MAX_REDIRECTS {
            match self.store.update(location.key(), update.clone()).await? {
                Found::Live(_) => return Ok(()),
                Found::Redirect(next) => location.moved_to = Some(next),
                Found::Tombstone(_) | Found::Absent => break,
            }
        }
        // The value is gone with the session.
        pending.changes.check_guards(&Data::new())
    }

    /// Deletes the record, even if a read has found none. That read may not have been consistent,
    /// or may have applied a shorter lifetime than other instances do. If several ids were
    /// presented and none was accepted, the record of each is deleted: a client may end any session
    /// whose id it presents.
    async fn destroy(&self, pending: &Pending<'_>, at: RequestTime) -> Result<Done, Error> {
        if let Some(location) = pending.location.clone() {
            self.end(location, pending, at).await?;
        }
        self.end_others(pending, at).await?;
        Ok(Done::Destroyed)
    }

    /// Ends the sessions of ids that were presented and not accepted.
    async fn end_others(&self, pending: &Pending<'_>, at: RequestTime) -> Result<(), Error> {
        let mut ended = Ok(());
        for id in pending.others() {
            let this = self.end(Location::of(id.clone()), pending, at).await;
            ended = ended.and(this);
        }
        ended
    }

    async fn end(
        &self,
        mut location: Location,
        pending: &Pending<'_>,
        at: RequestTime,
    ) -> Result<(), Error> {
        for _ in 0..MAX_REDIRECTS {
            match self.store.delete(location.key(), at).await? {
                Found::Live(()) | Found::Absent => return Ok(()),
                Found::Redirect(next) => location.moved_to = Some(next),
                Found::Tombstone(since) if began_with_a_dead_id(pending, since) => return Ok(()),
                Found::Tombstone(_) => break,
            }
        }
        // The session continues under an id that this client may not know yet. A logout that leaves
        // it alive must not succeed.
        Err(renewed())
    }

    /// Returns a new record and its id.
    fn fresh(
        &self,
        changes: &Changes,
        pending: &Pending<'_>,
        now: Timestamp,
    ) -> Result<(SessionId, Record), Error> {
        let empty = Data::new();
        let changes = changes.afresh();
        self.check_size(&changes, &empty, Growth::Limited)?;
        let data = changes.apply(&empty)?;
        let ttl = self.settings.expiry.ttl(now, now);
        let binding = self.binding(pending, None, now)?;
        let record = Record::new(data, now, ttl).bound_to(binding);
        Ok((self.new_id()?, record))
    }

    /// Returns the user binding of a session that gets a new id: the user who has logged in, or the
    /// previous user. It ends with the lifetime as it is configured now.
    fn binding(
        &self,
        pending: &Pending<'_>,
        bound: Option<&Binding>,
        created: Timestamp,
    ) -> Result<Option<Binding>, Error> {
        let until = created.plus(self.settings.expiry.lifetime);
        match &pending.login {
            None => Ok(bound.map(|bound| {
                let bound = bound.clone().until(until);
                match &pending.new_label {
                    Some(label) => bound.labelled(label),
                    None => bound,
                }
            })),
            Some(login) => login.binding(bound, until).map(Some),
        }
    }

    /// Checks the size of the data. Concurrent requests may together take a session over the limit.
    /// Such a session may still shrink or keep its size, and its user may log in: an error there
    /// would end the session.
    fn check_size(&self, changes: &Changes, base: &Data, growth: Growth) -> Result<(), Error> {
        let (before, limit) = (base.size(), self.settings.max_size);
        let size = changes.size_after(base);
        let most = match growth {
            Growth::Limited => limit.max(before),
            Growth::OfALogin => before.max(limit.saturating_mul(2)),
        };
        if size <= most {
            return Ok(());
        }
        let reason = format!("the session would have {size} bytes; the limit is {limit}");
        Err(Error::new(ErrorKind::TooLarge, reason))
    }

    /// Logs a warning if the record is too large. A write without a read can only check its own
    /// size, so the size of the record is known after it.
    fn warn_of_size(&self, record: &Record, key: &StorageKey) {
        let (size, limit) = (record.data().size(), self.settings.max_size);
        if size > limit {
            let session = key.fingerprint();
            tracing::warn!(size, limit, session, "a session has grown past its limit");
        }
    }
}

/// The limit for the growth of a session.
#[derive(Clone, Copy)]
enum Growth {
    /// The session may grow to the limit.
    Limited,
    /// The session may grow to twice the limit. A user must be able to log in, whatever an earlier
    /// page has stored.
    OfALogin,
}

/// Returns whether a request begins a new session after another request cycled the id. Only a login
/// does: of a user, or of a session that is bound to no user.
fn begins_afresh(pending: &Pending<'_>) -> bool {
    let is_nobodys = pending.record.binding().is_none();
    !pending.require_unchanged && (pending.login.is_some() || is_nobodys)
}

/// Returns whether a request that did not read its session began after its id had died. Such a
/// request is not a late write of a page that already has a new id. An id that was read is known to
/// have been alive.
fn began_with_a_dead_id(pending: &Pending<'_>, since: Timestamp) -> bool {
    let was_read = pending.origin != Origin::Unread && pending.others().is_empty();
    !was_read && pending.began > since
}

/// Returns whether the store could not be reached, so that another call to it is pointless.
fn is_outage(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unavailable | ErrorKind::Throttled | ErrorKind::Timeout
    )
}

/// The result of the calls to the store.
#[allow(clippy::large_enum_variant)] // only one exists at a time, and it is consumed at once
pub(super) enum Done {
    /// The record is stored at this location.
    Stored(Location, Record, Token),
    /// Only the expiry was written, or nothing at all.
    Kept(Option<Timestamp>),
    /// There is no session, and none was begun.
    Nothing,
    /// The record was deleted, and nothing is stored any more.
    Destroyed,
}

impl Done {
    /// Returns the result for a record under an id that its client does not know yet.
    fn begun(id: SessionId, record: Record) -> Self {
        let version = record.version().max(1);
        Self::Stored(Location::of(id), record.at_version(version), Token::Issue)
    }
}

fn destroyed() -> Error {
    gone("the session was destroyed or expired in the meantime")
}

fn renewed() -> Error {
    gone("the session's id was renewed by another request")
}
