//! What an outcome comes to: the calls to the store, and what they find there.
//!
//! 1. A record that was renewed on schedule is followed to where it went, for a while.
//! 2. A write that finds no session to write to is [`Gone`](ErrorKind::Gone). A touch, and a renewal
//!    on schedule, that lose their race are no errors: nobody asked for them.

use crate::budget::{Lost, within};
use crate::changes::{Origin, Outcome, gone};
use crate::error::{Error, ErrorKind};
use crate::expiry::Timestamp;
use crate::id::SessionId;
use crate::record::{Data, Found, Record};
use crate::service::{Chain, MOST_STEPS, Pipeline};
use crate::session::{Home, Pending, Token};
use crate::store::{Moment, Renewal, Replacement, SessionStore, Update, no_users};
use crate::user::Binding;

impl<S: SessionStore> Pipeline<S> {
    pub(super) async fn apply(&self, pending: &Pending<'_>, at: Moment) -> Result<Done, Error> {
        match pending.outcome {
            Outcome::Keep => Ok(Done::Kept(None)),
            Outcome::Touch(ttl) => Ok(self.touch(pending, ttl, at).await),
            Outcome::Create => self.create(pending, at).await,
            Outcome::Update(ttl) => self.update(pending, ttl, at).await,
            Outcome::Rotate => self.rotate(pending, at).await,
            Outcome::Renew => self.renew(pending, at).await,
            Outcome::Replace => self.replace(pending, at).await,
            Outcome::Destroy => self.destroy(pending, at).await,
        }
    }

    /// A touch that loses its race, or fails, leaves the response as it is: nothing that anybody
    /// asked for is lost, and the next request touches again.
    async fn touch(&self, pending: &Pending<'_>, ttl: Timestamp, at: Moment) -> Done {
        let Some(home) = &pending.home else {
            return Done::Kept(None);
        };
        let touch = self.store.touch(home.key(), ttl, at);
        match within(at.deadline(), Lost::Write, touch).await {
            Ok(touched) => Done::Kept(touched.then_some(ttl)),
            Err(error) => {
                let session = home.key().fingerprint();
                tracing::warn!(error = %Chain(&error), session, "a session could not be touched");
                Done::Kept(None)
            }
        }
    }

    async fn create(&self, pending: &Pending<'_>, at: Moment) -> Result<Done, Error> {
        let (id, record) = self.fresh(pending, at.now())?;
        // All that was asked of a session that turned out to be dead was to take keys out.
        if record.data().is_empty() && record.binding().is_none() {
            return Ok(Done::Kept(None));
        }
        self.store.create(id.storage_key(), &record, at).await?;
        Ok(Done::begun(id, record))
    }

    async fn update(
        &self,
        pending: &Pending<'_>,
        ttl: Option<Timestamp>,
        at: Moment,
    ) -> Result<Done, Error> {
        let Some(mut home) = pending.home.clone() else {
            return self.create(pending, at).await;
        };
        let was_read = pending.origin != Origin::Unread;
        self.check_size(pending, pending.record.data())?;
        let update = Update {
            ttl,
            read: was_read.then_some(&pending.record),
            if_unchanged: pending.if_unchanged,
            ..Update::new(&pending.changes, at)
        };
        for _ in 0..MOST_STEPS {
            match self.store.update(home.key(), update).await? {
                Found::Live(record) => {
                    // Who came by an id that was renewed is not given it again.
                    let issue = ttl.is_some() && home.moved_to.is_none();
                    let token = if issue { Token::Issue } else { Token::Keep };
                    return Ok(Done::Stored(home, record, token));
                }
                Found::Moved(next) => home.moved_to = Some(next),
                // Nobody asked what was there, so nobody is deceived by a new beginning.
                Found::Absent if !was_read => return self.create(pending, at).await,
                Found::Absent => return Err(destroyed()),
                Found::Renewed => break,
            }
        }
        Err(renewed())
    }

    /// An id that has become too old is renewed while somebody uses it. Of several requests at once
    /// one does so, and the others go on with what it has left.
    async fn rotate(&self, pending: &Pending<'_>, at: Moment) -> Result<Done, Error> {
        let changed = !pending.changes.is_empty();
        let new = SessionId::generate()?;
        match self.move_to(&new, pending, true, at).await {
            Ok(Found::Live(record)) => Ok(Done::begun(new, record)),
            Ok(Found::Moved(_)) if changed => self.update(pending, None, at).await,
            Ok(Found::Absent) if changed => Err(destroyed()),
            Ok(Found::Renewed) if changed => Err(renewed()),
            Ok(_) => Ok(Done::Kept(None)),
            // Whoever is left with the old id is logged out in a minute if it was renewed.
            Err(error) if error.kind() == ErrorKind::OutcomeUnknown => {
                match self.store.load(new.storage_key(), at).await {
                    Ok(Found::Live(record)) => Ok(Done::begun(new, record)),
                    _ => Err(error),
                }
            }
            Err(error) if changed => Err(error),
            // Nothing that anybody asked for is lost, and the next request tries again.
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "a session's id could not be renewed");
                Ok(Done::Kept(None))
            }
        }
    }

    async fn renew(&self, pending: &Pending<'_>, at: Moment) -> Result<Done, Error> {
        if pending.home.is_none() {
            return self.create(pending, at).await;
        }
        let new = SessionId::generate()?;
        match self.move_to(&new, pending, false, at).await? {
            Found::Live(record) => Ok(Done::begun(new, record)),
            Found::Absent => Err(destroyed()),
            Found::Moved(_) | Found::Renewed => Err(renewed()),
        }
    }

    /// Moves the record to a new id.
    async fn move_to(
        &self,
        new: &SessionId,
        pending: &Pending<'_>,
        on_schedule: bool,
        at: Moment,
    ) -> Result<Found, Error> {
        let Some(home) = &pending.home else {
            return Ok(Found::Absent);
        };
        self.check_size(pending, pending.record.data())?;
        let rules = &self.settings.expiry;
        let created = pending.record.created();
        let ttl = rules.ttl(created, at.now());
        let binding = self.binding(pending, pending.record.binding(), created)?;
        let renewal = Renewal {
            binding: binding.as_ref(),
            if_unchanged: pending.if_unchanged,
            leads_on: on_schedule,
            dated: rules.renew.is_some(),
            ..Renewal::new(&pending.record, &pending.changes, ttl, at)
        };
        let renewing = self.store.renew(home.key(), new.storage_key(), renewal);
        renewing.await
    }

    async fn replace(&self, pending: &Pending<'_>, at: Moment) -> Result<Done, Error> {
        let Some(mut home) = pending.home.clone() else {
            return self.create(pending, at).await;
        };
        let (new, record) = self.fresh(pending, at.now())?;
        let was_read = pending.origin != Origin::Unread;
        let replacement = Replacement {
            read: was_read.then_some(&pending.record),
            ..Replacement::new(&record, at)
        };
        for _ in 0..MOST_STEPS {
            let replaced = self
                .store
                .replace(home.key(), new.storage_key(), replacement);
            match replaced.await? {
                Found::Live(()) | Found::Absent => return Ok(Done::begun(new, record)),
                Found::Moved(next) => home.moved_to = Some(next),
                Found::Renewed => break,
            }
        }
        Err(renewed())
    }

    /// The record goes also where a read has found none: it may not have been consistent, or have
    /// been read by a shorter lifetime than others go by.
    async fn destroy(&self, pending: &Pending<'_>, at: Moment) -> Result<Done, Error> {
        let Some(mut home) = pending.home.clone() else {
            return Ok(Done::Destroyed);
        };
        for _ in 0..MOST_STEPS {
            match self.store.delete(home.key(), at).await? {
                Found::Live(()) | Found::Absent => return Ok(Done::Destroyed),
                Found::Moved(next) => home.moved_to = Some(next),
                Found::Renewed => break,
            }
        }
        // The session goes on under an id that this client may not even know yet: a logout that did
        // not log out is no success.
        Err(renewed())
    }

    /// A record that begins now, and its id.
    fn fresh(&self, pending: &Pending<'_>, now: Timestamp) -> Result<(SessionId, Record), Error> {
        let empty = Data::new();
        self.check_size(pending, &empty)?;
        let data = pending.changes.apply(&empty)?;
        let ttl = self.settings.expiry.ttl(now, now);
        let binding = self.binding(pending, None, now)?;
        let record = Record::new(data, now, ttl).bound_to(binding);
        Ok((SessionId::generate()?, record))
    }

    /// Whom a session that gets a new id is bound to under that: whoever is wanted, or who it was.
    /// It ends with the lifetime as it is now.
    fn binding(
        &self,
        pending: &Pending<'_>,
        bound: Option<&Binding>,
        created: Timestamp,
    ) -> Result<Option<Binding>, Error> {
        let until = created.plus(self.settings.expiry.lifetime);
        match &pending.wanted {
            None => Ok(bound.map(|bound| bound.clone().until(until))),
            Some(_) if !self.store.keeps_users() => Err(no_users()),
            Some(wanted) => wanted.clone().until(until).map(Some),
        }
    }

    /// A session that is too large already may shrink: refusing that would keep it too large.
    fn check_size(&self, pending: &Pending<'_>, base: &Data) -> Result<(), Error> {
        let (size, limit) = (pending.changes.size_after(base), self.settings.max_size);
        if size <= limit || size < base.size() {
            return Ok(());
        }
        let reason = format!("the session would have {size} bytes; the limit is {limit}");
        Err(Error::new(ErrorKind::TooLarge, reason))
    }
}

/// What was done to the store.
#[allow(clippy::large_enum_variant)] // one at a time, and taken apart at once
pub(super) enum Done {
    /// This is stored now, there.
    Stored(Home, Record, Token),
    /// Nothing but the expiry was written, or nothing at all.
    Kept(Option<Timestamp>),
    /// Nothing is stored any more.
    Destroyed,
}

impl Done {
    /// A record is stored under an id that its client has not been told yet.
    fn begun(id: SessionId, record: Record) -> Self {
        let version = record.version().max(1);
        Self::Stored(Home::of(id), record.at_version(version), Token::Issue)
    }
}

fn destroyed() -> Error {
    gone("the session was destroyed or expired in the meantime")
}

fn renewed() -> Error {
    gone("the session's id was renewed by another request")
}
