//! Loads the record of a session, once for each request.
//!
//! If the client's hint says that a touch is due, the load makes it. A request is activity whatever its
//! handler responds, so the expiry may be extended before the handler runs. The hint is not signed: the
//! store checks in the same step that the touch is due, and a wrong hint only makes the load more
//! expensive. In both cases, the client gets its id again with a new hint.

use crate::clock::Timestamp;
use crate::error::Error;
use crate::pipeline::core::Pipeline;
use crate::pipeline::deadline::{Call, wait_until, within};
use crate::pipeline::redirects::follow_redirects;
use crate::session::handle::Session;
use crate::session::state::Location;
use crate::store::arguments::{Load, Touch};
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
                let own = Load {
                    touch: self.hinted_touch(session, at.now()),
                    version: session.hints().version,
                    ..Load::new(at)
                };
                let load = follow_redirects(Location::of(id.clone()), |key| async move {
                    // The hints are about the client's own id.
                    let is_own = key == *id.storage_key();
                    let load = if is_own { own } else { Load::new(at) };
                    self.store.load_with(&key, load).await
                });
                match within(at.deadline(), Call::Read, load).await {
                    // A shorter lifetime than that of the instance that stored the record ends it.
                    Ok((Found::Live(record), _))
                        if rules.is_dead(record.created(), record.ttl(), at.now()) =>
                    {
                        (Found::Absent, None)
                    }
                    Ok((found, location)) => {
                        let is_at_own_id = location.moved_to.is_none();
                        if own.touch.is_some() && is_at_own_id && matches!(found, Found::Live(_)) {
                            session.hint_is_outdated(at.now());
                        }
                        (found, location.moved_to)
                    }
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

    /// Returns the touch to make with the load, if the client's hint says that one is due.
    fn hinted_touch(&self, session: &Session, now: Timestamp) -> Option<Touch> {
        let due = session.hints().touch?;
        let limits = self.settings.expiry.touch_limits(now)?;
        (due <= now).then_some(Touch::new(
            limits.ttl,
            limits.latest_ttl,
            limits.earliest_created,
        ))
    }
}
