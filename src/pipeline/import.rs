//! Takes over the session of a Flask application, for a client that has none of ours.
//!
//! 1. It is part of the load, so a request whose handler does not ask for its session costs nothing. A
//!    client with a session of ours costs nothing either.
//! 2. One request takes the session over. Concurrent requests find the mark that it has put, and use
//!    the same session. They set no cookie.
//! 3. If the client still has only the old cookie after the grace period, it did not get the response.
//!    The session then moves to another new id.
//! 4. The mark lives as long as the session does without further use. If Flask keeps its item, the mark
//!    lives for the lifetime of the session, so that a session that has ended is not taken over again.

use std::pin::pin;

use http::HeaderMap;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::expiry::GRACE_SECONDS;
use crate::id::SessionId;
use crate::pipeline::core::Pipeline;
use crate::pipeline::deadline::{Call, within};
use crate::pipeline::log::WithCauses;
use crate::pipeline::redirects::follow_redirects;
use crate::session::handle::Session;
use crate::session::location::Location;
use crate::session::pending::Pending;
use crate::store::arguments::{Cycle, RequestTime};
use crate::store::changes::change_set::Changes;
use crate::store::dynamodb::flask::import::{FlaskImport, Old, Taken};
use crate::store::record::{Found, Record};
use crate::store::session_store::SessionStore;
use crate::wire::foreign::ForeignId;

/// The maximum number of times that a takeover begins again because Flask, or another request, was
/// faster.
const MAX_TRIES: usize = 8;

/// A session that was taken over.
struct Imported {
    location: Location,
    record: Record,
}

impl<S: SessionStore> Pipeline<S> {
    /// Remembers the id of a predecessor that a request has carried.
    pub(super) fn remember(&self, session: &Session, headers: &HeaderMap) {
        let foreign = self.carrier.read_foreign(headers);
        if let (Some(foreign), Some(import)) = (foreign, &self.settings.import) {
            session.came_with(foreign, import.settings().keeps(), self.settings.now());
        }
    }

    /// Takes over the session of a predecessor. Returns `false` if the client has no such
    /// session.
    pub(super) async fn imported(&self, session: &Session, at: RequestTime) -> Result<bool, Error> {
        let (Some(import), Some(foreign)) = (&self.settings.import, session.foreign()) else {
            return Ok(false);
        };
        let taken = Box::pin(self.take_over(import, &foreign, at)).await;
        match taken.inspect_err(|error| session.not_loaded(error))? {
            None => Ok(false),
            Some(Imported { location, record }) => {
                if location.is_own() {
                    // The response gives the client its new id.
                    session.hint_is_outdated(at.now());
                }
                session.imported(location, record);
                Ok(true)
            }
        }
    }

    async fn take_over(
        &self,
        import: &FlaskImport,
        foreign: &ForeignId,
        at: RequestTime,
    ) -> Result<Option<Imported>, Error> {
        let (now, rules) = (at.now(), &self.settings.expiry);
        let mark = foreign.as_ours(self.settings.audience.as_deref());
        for _ in 0..MAX_TRIES {
            let found = pin!(import.find(foreign, at));
            let old = match within(at.deadline(), Call::Read, found).await? {
                Old::Live(old) => old,
                Old::Expired => return Ok(None),
                // The visitor is new there, or Flask has ended the session, whose item would stay
                // otherwise.
                Old::Empty | Old::Absent if import.settings().keeps_items() => return Ok(None),
                // Its session may have been taken over. If Flask still runs, it puts an empty item in
                // the place of the one that it misses.
                Old::Empty | Old::Absent => return self.follow_mark(import, &mark, at).await,
            };
            let id = self.new_id()?;
            let record = Record::new(old.data.clone(), now, rules.ttl(now, now));
            let until = self.mark_until(import, &record);
            let place = (mark.storage_key(), until);
            let taken = {
                let take = import.take(foreign, &old, &record, id.storage_key(), place, at);
                within(at.deadline(), Call::Write, pin!(take)).await?
            };
            match taken {
                Taken::Stored => {
                    let (location, record) = (Location::of(id), record.at_version(1));
                    return Ok(Some(Imported { location, record }));
                }
                Taken::Marked => return self.follow_mark(import, &mark, at).await,
                Taken::Changed => {}
            }
        }
        Err(busy())
    }

    /// Finds the session that was taken over before. It moves to a new id if its client did not get
    /// the first one.
    async fn follow_mark(
        &self,
        import: &FlaskImport,
        mark: &SessionId,
        at: RequestTime,
    ) -> Result<Option<Imported>, Error> {
        let now = at.now();
        for _ in 0..MAX_TRIES {
            let load = pin!(follow_redirects(
                Location::of(mark.clone()),
                |key| async move { self.store.load(&key, at).await }
            ));
            let (found, location) = within(at.deadline(), Call::Read, load).await?;
            let Found::Live(record) = self.still_alive(found, at) else {
                return Ok(None);
            };
            let rules = self
                .settings
                .expiry
                .of(record.created(), record.lifetimes());
            let created = record.created();
            // A copied session has no id of ours yet: its record is where the mark would be.
            let is_copy = location.is_own();
            let issued = record.issued().unwrap_or(created);
            if !is_copy && now.seconds_since(issued) < GRACE_SECONDS {
                return Ok(Some(Imported { location, record }));
            }
            let new = self.new_id()?;
            let cycle = Cycle {
                redirects: true,
                records_issue: true,
                ..Cycle::new(record, Changes::default(), rules.ttl(created, now), at)
            };
            let found = {
                let cycle = self.store.cycle(location.key(), new.storage_key(), cycle);
                within(at.deadline(), Call::Write, pin!(cycle)).await?
            };
            // Otherwise another request was first.
            if let Found::Live(record) = found {
                self.put_mark(import, mark, &new, &record, at).await;
                let location = Location::of(new);
                return Ok(Some(Imported { location, record }));
            }
        }
        Err(busy())
    }

    /// Puts a mark that leads to a new id. Without it, the old cookie leads there for the grace period
    /// only.
    async fn put_mark(
        &self,
        import: &FlaskImport,
        mark: &SessionId,
        to: &SessionId,
        record: &Record,
        at: RequestTime,
    ) {
        let place = (mark.storage_key(), self.mark_until(import, record));
        let put = pin!(import.mark(place, to.storage_key(), at));
        if let Err(error) = within(at.deadline(), Call::Write, put).await {
            tracing::warn!(
                error = %WithCauses(&error),
                "the old cookie of a session leads to it for a minute only"
            );
        }
    }

    fn mark_until(&self, import: &FlaskImport, record: &Record) -> Timestamp {
        match import.settings().keeps() {
            true => {
                let rules = self
                    .settings
                    .expiry
                    .of(record.created(), record.lifetimes());
                record.created().plus(rules.lifetime)
            }
            false => record.ttl(),
        }
    }

    /// Ends the session of the predecessor together with ours. It comes first: if it fails, the logout
    /// fails, and can be repeated.
    pub(super) async fn end_foreign(
        &self,
        pending: &Pending<'_>,
        at: RequestTime,
    ) -> Result<(), Error> {
        match (&self.settings.import, pending.foreign()) {
            (Some(import), Some(foreign)) => import.end(&foreign, at).await,
            _ => Ok(()),
        }
    }
}

/// Returns the error of a takeover that others were faster than each time.
fn busy() -> Error {
    let reason = "the session of Flask is being changed by other requests";
    Error::new(ErrorKind::Conflict, reason)
}
