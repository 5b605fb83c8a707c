//! The record of a new session or of a new id, and the limits of its size.

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::expiry::Expiry;
use crate::id::{SessionId, StorageKey};
use crate::pipeline::core::Pipeline;
use crate::session::pending::Pending;
use crate::store::changes::change_set::Changes;
use crate::store::data::Data;
use crate::store::record::Record;
use crate::store::session_store::SessionStore;
use crate::store::user::Binding;

impl<S: SessionStore> Pipeline<S> {
    /// Returns the record of a new session, and its id.
    pub(super) fn new_record(
        &self,
        changes: &Changes,
        pending: &Pending<'_>,
        now: Timestamp,
    ) -> Result<(SessionId, Record), Error> {
        let empty = Data::new();
        let changes = changes.afresh();
        self.check_size(&changes, &empty, Growth::Limited)?;
        let data = changes.apply(&empty)?;
        let own = pending.lifetimes_since(now);
        let rules = &self.settings.expiry.of(now, own);
        let binding = self.binding(pending, None, now, rules)?;
        let record = Record::new(data, now, rules.ttl(now, now)).bound_to(binding);
        let record = record.with_lifetimes(own);
        Ok((self.new_id()?, record))
    }

    /// Returns the user binding of a session that gets a new id: the user who has logged in, or the
    /// previous user. It ends with the lifetime of the session, by these rules for it.
    pub(super) fn binding(
        &self,
        pending: &Pending<'_>,
        bound: Option<&Binding>,
        created: Timestamp,
        rules: &Expiry,
    ) -> Result<Option<Binding>, Error> {
        let until = created.plus(rules.lifetime);
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
    pub(super) fn check_size(
        &self,
        changes: &Changes,
        base: &Data,
        growth: Growth,
    ) -> Result<(), Error> {
        let (before, limit) = (base.size(), self.settings.max_size);
        let size = changes.size_after(base);
        let most = match growth {
            Growth::Limited => limit.max(before),
            Growth::Login => before.max(limit.saturating_mul(2)),
        };
        if size <= most {
            return Ok(());
        }
        let reason = format!(
            "the session would have {size} bytes, and max_size is {limit}: store less in it"
        );
        Err(Error::new(ErrorKind::TooLarge, reason))
    }

    /// Logs a warning if the record is too large. A write without a read can only check its own
    /// size, so the size of the record is known after it.
    pub(super) fn warn_of_size(&self, record: &Record, key: &StorageKey) {
        let (size, limit) = (record.data().size(), self.settings.max_size);
        if size > limit {
            let session = key.fingerprint();
            tracing::warn!(
                size,
                limit,
                session,
                "a session has grown past max_size: store less in it"
            );
        }
    }
}

/// The limit that applies to the size of a session.
#[derive(Clone, Copy)]
pub(super) enum Growth {
    /// The session may grow to the limit.
    Limited,
    /// The session may grow to twice the limit. A user must be able to log in, whatever an earlier
    /// page has stored.
    Login,
}
