//! Derives the input of the [decision](crate::session::decision) from the state of a session.

use crate::clock::Timestamp;
use crate::error::Error;
use crate::expiry::{Expiry, FOUND_ALIVE_SECONDS};
use crate::session::decision::{IdChange, Intent, Maintenance, Origin, Outcome, Scope, decide};
use crate::session::state::{End, State};
use crate::store::user::{Binding, Login};

impl State {
    pub(super) fn decide(
        &self,
        scope: Scope,
        now: Timestamp,
        rules: &Expiry,
        reissue: bool,
    ) -> Result<Outcome, Error> {
        let due = match scope {
            Scope::Commit if self.origin.is_live() => self.maintenance(now, rules, reissue),
            // A touch can wait for the end of the request. An id that a handler may have shown is
            // not cycled before the handler has returned.
            Scope::Commit | Scope::Save | Scope::OnlyDestroy => Maintenance::default(),
        };
        let intent = match scope {
            Scope::Save | Scope::Commit => self.intent(),
            Scope::OnlyDestroy if self.requested.end == End::ByLogout => Intent {
                end: true,
                id: IdChange::No,
                change: false,
            },
            Scope::OnlyDestroy => return Ok(Outcome::Keep),
        };
        decide(self.origin, intent, due)
    }

    /// Returns the automatic maintenance that is due.
    fn maintenance(&self, now: Timestamp, rules: &Expiry, reissue: bool) -> Maintenance {
        let (created, ttl) = (self.record.created(), self.record.ttl());
        // The session of a user ends with its binding, so that a later revocation need not find it.
        let end = self.record.binding().map(Binding::ends);
        // A client that used a cycled id does not get a new cookie.
        let is_live = self.origin == Origin::Live;
        let reissue = is_live && (reissue || self.hint_outdated.is_some());
        // The load may just have found the id alive. Otherwise a write must do so, because the client
        // must not get a dead id.
        let was_found = |at: Timestamp| now.seconds_since(at) < FOUND_ALIVE_SECONDS;
        let is_known = self.hint_outdated.is_some_and(was_found);
        let must_write = reissue && !is_known;
        let touch = rules.touch_due(created, ttl, now).or_else(|| {
            let fresh = rules.ttl(created, now);
            must_write.then_some(fresh.max(ttl))
        });
        let touch = touch.map(|new| end.map_or(new, |end| new.min(end)));
        Maintenance {
            touch: touch.filter(|new| must_write || *new > ttl),
            reissue,
            cycle: rules.cycle_due(self.record.issued().unwrap_or(created), now),
        }
    }

    fn intent(&self) -> Intent {
        let requested = &self.requested;
        let bound = self.bound().map(Binding::user);
        let binds = requested.user.is_some();
        // If the session is bound to no user, only a login has a reason to ask for a new id.
        let is_login = binds || (requested.cycles_id && bound.is_none());
        // Whatever happened since the read, another user's data is never handed on.
        let is_of_another = bound.is_some() && binds && bound != requested.user.as_ref();
        let changes = match requested.end {
            // A logout without later changes begins no session, whatever was taken before it.
            End::ByLogout => !self.changes.has_only_guards(),
            End::No | End::ByLogin => !self.changes.is_empty(),
        };
        // If the id is dead, there is no session of another user left to end.
        let is_dead = self.origin == Origin::Late && requested.end == End::ByLogin;
        Intent {
            end: (requested.end != End::No && !is_dead) || is_of_another,
            id: match (is_login, requested.cycles_id) {
                (true, _) => IdChange::LogIn,
                (false, true) => IdChange::Cycle,
                (false, false) => IdChange::No,
            },
            change: binds || changes || self.new_label().is_some(),
        }
    }

    /// Returns the login that the handler asked for.
    pub(super) fn login(&self) -> Option<Login> {
        let user = self.requested.user.clone()?;
        let label = self.requested.label.clone();
        Some(Login { user, label })
    }
}
