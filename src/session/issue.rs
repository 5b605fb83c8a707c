//! The id, the hints and the expiry that a response gives to the client.

use crate::clock::Timestamp;
use crate::expiry::Expiry;
use crate::id::SessionId;
use crate::session::handle::Session;
use crate::session::state::Token;
use crate::store::user::Binding;
use crate::wire::hints::Hints;

impl Session {
    /// Returns the instruction to the client, with the id and the hints to issue, if there are any,
    /// and the expiry and the persistence of the session.
    pub(crate) fn token(
        &self,
        rules: &Expiry,
        with_version: bool,
    ) -> (Token, Option<SessionId>, Hints, (Timestamp, Option<bool>)) {
        self.with(|state| {
            let record = &state.record;
            let end = record.binding().map(Binding::ends);
            let own = record.lifetimes();
            let hints = Hints {
                // A load extends no session with an expiry of its own.
                touch: match own.limits_expiry() || state.drops_hint {
                    true => None,
                    false => rules.next_touch(record.created(), record.ttl(), end),
                },
                version: with_version.then(|| record.version()),
            };
            let cookie = (record.ttl(), own.persistent);
            (state.token, state.id.clone(), hints, cookie)
        })
    }
}
