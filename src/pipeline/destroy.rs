//! Deletes the session of a logout, and the other sessions whose ids the client sent.

use crate::error::Error;
use crate::pipeline::apply::began_with_a_dead_id;
use crate::pipeline::committed::{Committed, cycled};
use crate::pipeline::core::Pipeline;
use crate::pipeline::redirects::follow_redirects;
use crate::session::location::Location;
use crate::session::pending::Pending;
use crate::store::arguments::RequestTime;
use crate::store::record::Found;
use crate::store::session_store::SessionStore;

impl<S: SessionStore> Pipeline<S> {
    /// Deletes the record, even if a read has found none. That read may not have been consistent,
    /// or may have applied a shorter lifetime than other instances do. If the request carried
    /// several ids and none was accepted, the record of each is deleted: a client may end any
    /// session whose id it sends.
    pub(super) async fn destroy(
        &self,
        pending: &Pending<'_>,
        at: RequestTime,
    ) -> Result<Committed, Error> {
        #[cfg(feature = "flask")]
        self.end_foreign(pending, at).await?;
        if let Some(location) = pending.location.clone() {
            self.end(location, pending, at).await?;
        }
        self.end_others(pending, at).await?;
        Ok(Committed::Destroyed)
    }

    /// Ends the sessions of ids that the request carried and that were not accepted.
    pub(super) async fn end_others(
        &self,
        pending: &Pending<'_>,
        at: RequestTime,
    ) -> Result<(), Error> {
        let mut ended = Ok(());
        for id in pending.others() {
            let this = self.end(Location::of(id.clone()), pending, at).await;
            ended = ended.and(this);
        }
        ended
    }

    /// Ends the session at this location.
    async fn end(
        &self,
        location: Location,
        pending: &Pending<'_>,
        at: RequestTime,
    ) -> Result<(), Error> {
        let delete = follow_redirects(
            location,
            |key| async move { self.store.delete(&key, at).await },
        );
        match delete.await?.0 {
            Found::Live(()) | Found::Absent => Ok(()),
            Found::Tombstone(since) if began_with_a_dead_id(pending, since) => Ok(()),
            // The session continues under an id that this client may not know yet. A logout that
            // leaves it alive must not succeed.
            Found::Redirect(_) | Found::Tombstone(_) => Err(cycled()),
        }
    }
}
