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
            // A touch can wait for the end of the request, unless the handler has set the expiry. An
            // id that a handler may have shown is not cycled before the handler has returned.
            Scope::Save if self.origin.is_live() => Maintenance {
                touch: self.set_expiry(now, &self.own_rules(rules)),
                ..Maintenance::default()
            },
            Scope::Commit | Scope::Save | Scope::OnlyDestroy => Maintenance::default(),
        };
        let intent = match scope {
            Scope::Save => self.intent(now, rules, false),
            Scope::Commit => self.intent(now, rules, self.lowers_expiry()),
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
        let cycle_due = rules.cycle_due(self.record.issued().unwrap_or(created), now);
        let rules = &self.own_rules(rules);
        // The session of a user ends with its binding, so that a later revocation need not find it.
        let end = self.record.binding().map(Binding::ends);
        // A client that used a cycled id does not get a new cookie.
        let is_live = self.origin == Origin::Live;
        // The load may just have found the id alive. Otherwise a write must do so, because the client
        // must not get a dead id.
        let was_found = |at: Timestamp| now.seconds_since(at) < FOUND_ALIVE_SECONDS;
        let drops_hint = self.drops_hint && was_found(self.began);
        let is_known = self.hint_outdated.is_some_and(was_found) || drops_hint;
        let reissue = is_live && (reissue || self.hint_outdated.is_some() || drops_hint);
        let must_write = reissue && !is_known && !self.skips_touch;
        let touch = rules.touch_due(created, ttl, now).or_else(|| {
            let fresh = rules.ttl(created, now);
            must_write.then_some(fresh.max(ttl))
        });
        let touch = touch.filter(|_| !self.skips_touch);
        let touch = touch.map(|new| end.map_or(new, |end| new.min(end)));
        let touch = touch.filter(|new| must_write || *new > ttl);
        let lowered = self.lowers_expiry().then(|| self.fresh_expiry(now, rules));
        // The row by which a revocation finds the session ends with the binding. A longer lifetime
        // needs a longer row, which is written when the id is cycled.
        let has_own_end = self.own_lifetimes().ends.is_some();
        let outlives = |end: Timestamp| has_own_end && end < created.plus(rules.lifetime);
        Maintenance {
            touch: self.set_expiry(now, rules).or(lowered).or(touch),
            reissue: reissue && (is_known || !self.skips_touch),
            cycle: cycle_due || end.is_some_and(outlives),
        }
    }

    /// Returns the layer's rules for this session, with the lifetimes that it will have.
    fn own_rules(&self, rules: &Expiry) -> Expiry {
        rules.of(self.record.created(), self.own_lifetimes())
    }

    /// Returns the expiry that follows from the lifetimes that the handler has set, whether it is later
    /// or earlier than the stored one.
    fn set_expiry(&self, now: Timestamp, own_rules: &Expiry) -> Option<Timestamp> {
        let sets_it = self.new_lifetimes().limits_expiry();
        sets_it.then(|| self.fresh_expiry(now, own_rules))
    }

    /// Returns the expiry of the session if it is used now. It is at most the end of the binding.
    fn fresh_expiry(&self, now: Timestamp, own_rules: &Expiry) -> Timestamp {
        let fresh = own_rules.ttl(self.record.created(), now);
        let end = self.record.binding().map(Binding::ends);
        end.map_or(fresh, |end| fresh.min(end))
    }

    /// Returns whether the stored expiry is to be written because it is over the layer's maximum. A
    /// touch cannot do so, because it never moves the expiry back.
    fn lowers_expiry(&self) -> bool {
        self.exceeds_maximum && !self.skips_touch
    }

    fn intent(&self, now: Timestamp, rules: &Expiry, lowers_expiry: bool) -> Intent {
        let requested = &self.requested;
        let bound = self.bound().map(Binding::user);
        let binds = requested.user.is_some();
        // If the session is bound to no user, only a login has a reason to ask for a new id.
        let is_login = binds || (requested.cycles_id && bound.is_none());
        // Whatever happened since the read, another user's data is never handed on.
        let is_of_another = bound.is_some() && binds && bound != requested.user.as_ref();
        // A lifetime is a change of a stored session. It begins none.
        let lives = self.origin.is_live() && requested.end == End::No;
        let sets_lifetimes = lives && !self.new_lifetimes().is_empty();
        // The handler has set a lifetime that has passed, so the session ends.
        let created = self.record.created();
        let is_over = sets_lifetimes && self.own_rules(rules).is_over(created, now);
        let changes = match requested.end {
            // A logout without later changes begins no session, whatever was taken before it.
            End::ByLogout => !self.changes.has_only_guards(),
            End::No if is_over => !self.changes.has_only_guards(),
            End::No | End::ByLogin => !self.changes.is_empty(),
        };
        let rewrites = (sets_lifetimes || (lives && lowers_expiry)) && !is_over;
        // If the id is dead, there is no session of another user left to end.
        let is_dead = self.origin == Origin::Late && requested.end == End::ByLogin;
        Intent {
            end: (requested.end != End::No && !is_dead) || is_of_another || is_over,
            id: match (is_login, requested.cycles_id) {
                (true, _) => IdChange::LogIn,
                (false, true) => IdChange::Cycle,
                (false, false) => IdChange::No,
            },
            change: binds || changes || rewrites || (self.new_label().is_some() && !is_over),
        }
    }

    /// Returns the login that the handler asked for.
    pub(super) fn login(&self) -> Option<Login> {
        let user = self.requested.user.clone()?;
        let label = self.requested.label.clone();
        Some(Login { user, label })
    }
}
