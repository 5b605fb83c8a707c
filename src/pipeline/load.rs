//! Loads the record of a session, once for each request.
//!
//! If the client's hint says that a touch is due, the load makes it. A request is activity whatever its
//! handler responds, so the expiry may be extended before the handler runs. The hint is not signed: the
//! store checks in the same step that the touch is due, and a wrong hint only makes the load more
//! expensive. In both cases, the client gets its id again with a new hint. A request that must not extend
//! the session makes a plain read, and its client keeps its hint.
//!
//! A layer that prefetches looks the session up when the request arrives. The session does not show
//! the result, and does not fail, before its handler asks for it. This lookup makes no touch, because
//! a client whose handler never asks gets no new hint, and its next requests would touch again.

use std::pin::pin;

use crate::clock::Timestamp;
use crate::error::Error;
use crate::expiry::Expiry;
use crate::pipeline::core::Pipeline;
use crate::pipeline::deadline::{Call, wait_until, within};
use crate::pipeline::redirects::follow_redirects;
use crate::session::handle::Session;
use crate::session::location::{Location, LookedUp};
use crate::store::arguments::{Load, RequestTime, Touch};
use crate::store::record::{Found, Record};
use crate::store::session_store::SessionStore;

impl<S: SessionStore> Pipeline<S> {
    /// Loads the session, unless it was loaded before. If it is being looked up, this waits for the
    /// result.
    pub(super) async fn read(&self, session: &Session) -> Result<(), Error> {
        let mut looked_up = wait_until(session.deadline(), session.loading()).await?;
        if session.was_read() {
            return Ok(());
        }
        let at = self.request_time(session);
        let (looked_up, touch) = match looked_up.take() {
            Some(looked_up) => (looked_up, None),
            None => {
                let touch = self.hinted_touch(session, at.now());
                (self.look_up(session, at, touch).await, touch)
            }
        };
        let (found, moved_to) = looked_up.inspect_err(|error| session.not_loaded(error))?;
        let found = self.still_alive(found, at);
        #[cfg(feature = "flask")]
        if matches!(found, Found::Absent) && self.imported(session, at).await? {
            return Ok(());
        }
        if let (Some(touch), None, Found::Live(record)) = (touch, &moved_to, &found) {
            session.hint_is_outdated(at.now());
            if record.ttl() == touch.ttl {
                session.was_touched_by_load();
            }
        }
        session.loaded(found, moved_to, at.now(), &self.settings.expiry);
        Ok(())
    }

    /// Returns what was found. A shorter lifetime than that of the instance that stored the record
    /// ends it.
    pub(super) fn still_alive(&self, found: Found, at: RequestTime) -> Found {
        let rules = &self.settings.expiry;
        match found {
            Found::Live(record) if is_dead(rules, &record, at.now()) => Found::Absent,
            found => found,
        }
    }

    /// Returns the touch to make with the load, if the client's hint says that one is due.
    fn hinted_touch(&self, session: &Session, now: Timestamp) -> Option<Touch> {
        let due = session.hints().touch.filter(|_| !session.skips_touch())?;
        let limits = self.settings.expiry.touch_limits(now)?;
        (due <= now).then_some(Touch::new(
            limits.ttl,
            limits.latest_ttl,
            limits.earliest_created,
        ))
    }

    /// Returns whether the session is looked up before its handler asks for it. Without an id there
    /// is nothing to look up.
    pub(crate) fn prefetches(&self, session: &Session) -> bool {
        self.settings.prefetch && session.received().is_some()
    }

    /// Looks the session up, for a handler that may ask for it. If this is dropped, that handler
    /// looks it up.
    pub(crate) async fn prefetch(&self, session: &Session) {
        let mut looked_up = session.loading().await;
        if looked_up.is_none() && !session.was_read() {
            let at = self.request_time(session);
            *looked_up = Some(self.look_up(session, at, None).await);
        }
    }

    /// Returns what the store holds for the id of the request, and the key at which it was found if
    /// that is not the id's own.
    async fn look_up(&self, session: &Session, at: RequestTime, touch: Option<Touch>) -> LookedUp {
        let Some(id) = session.received() else {
            return Ok((Found::Absent, None));
        };
        let own = Load {
            touch,
            version: session.hints().version,
            ..Load::new(at)
        };
        let load = pin!(follow_redirects(
            Location::of(id.clone()),
            |key| async move {
                // The hints are about the client's own id.
                let is_own = key == *id.storage_key();
                let load = if is_own { own } else { Load::new(at) };
                self.store.load_with(&key, load).await
            }
        ));
        let (found, location) = within(at.deadline(), Call::Read, load).await?;
        let (_, moved_to) = location.into_parts();
        Ok((found, moved_to))
    }
}

/// Returns whether a record is dead by the rules of this layer.
fn is_dead(rules: &Expiry, record: &Record, now: Timestamp) -> bool {
    let (created, own) = (record.created(), record.lifetimes());
    let ttl = rules.capped_ttl(own, record.ttl(), record.modified());
    rules.of(created, own).is_dead(created, ttl, now)
}
