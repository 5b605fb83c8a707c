//! Loads the record of a session, once for each request.
//!
//! A layer that prefetches looks the session up when the request arrives. The session does not show
//! the result, and does not fail, before its handler asks for it.

use std::pin::pin;

use crate::error::Error;
use crate::pipeline::core::Pipeline;
use crate::pipeline::deadline::{Call, wait_until, within};
use crate::pipeline::redirects::follow_redirects;
use crate::session::handle::{LookedUp, Session};
use crate::session::state::Location;
use crate::store::arguments::RequestTime;
use crate::store::record::Found;
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
        let looked_up = match looked_up.take() {
            Some(looked_up) => looked_up,
            None => self.look_up(session, at).await,
        };
        let (found, moved_to) = looked_up.inspect_err(|error| session.not_loaded(error))?;
        let rules = &self.settings.expiry;
        let found = match found {
            // A shorter lifetime than that of the instance that stored the record ends it.
            Found::Live(record) if rules.is_dead(record.created(), record.ttl(), at.now()) => {
                Found::Absent
            }
            found => found,
        };
        session.loaded(found, moved_to, at.now(), rules);
        Ok(())
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
            *looked_up = Some(self.look_up(session, at).await);
        }
    }

    /// Returns what the store holds for the id of the request, and the key at which it was found if
    /// that is not the id's own.
    async fn look_up(&self, session: &Session, at: RequestTime) -> LookedUp {
        let Some(id) = session.received() else {
            return Ok((Found::Absent, None));
        };
        let load = pin!(follow_redirects(
            Location::of(id.clone()),
            |key| async move { self.store.load(&key, at).await }
        ));
        let (found, location) = within(at.deadline(), Call::Read, load).await?;
        Ok((found, location.moved_to))
    }
}
