//! Loads the record of a session, once for each request.

use std::pin::pin;

use crate::error::Error;
use crate::pipeline::core::Pipeline;
use crate::pipeline::deadline::{Call, wait_until, within};
use crate::pipeline::redirects::follow_redirects;
use crate::session::handle::Session;
use crate::session::state::Location;
use crate::store::record::Found;
use crate::store::session_store::SessionStore;

impl<S: SessionStore> Pipeline<S> {
    /// Loads the session, unless it was loaded before.
    pub(super) async fn read(&self, session: &Session) -> Result<(), Error> {
        let _only_one = wait_until(session.deadline(), session.loading()).await?;
        if session.was_read() {
            return Ok(());
        }
        let at = self.request_time(session);
        let rules = &self.settings.expiry;
        let (found, moved_to) = match session.received() {
            None => (Found::Absent, None),
            Some(id) => {
                let load = pin!(follow_redirects(
                    Location::of(id.clone()),
                    |key| async move { self.store.load(&key, at).await }
                ));
                match within(at.deadline(), Call::Read, load).await {
                    // A shorter lifetime than that of the instance that stored the record ends it.
                    Ok((Found::Live(record), _))
                        if rules.is_dead(record.created(), record.ttl(), at.now()) =>
                    {
                        (Found::Absent, None)
                    }
                    Ok((found, location)) => (found, location.moved_to),
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
}
