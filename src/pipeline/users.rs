//! Lists and revokes the sessions of a user, within and outside of a request.

use std::pin::pin;

use crate::error::Error;
use crate::pipeline::deadline::{Call, within};
use crate::store::arguments::RequestTime;
use crate::store::session_info::UserSessions;
use crate::store::session_store::SessionStore;
use crate::store::user::{Pseudonym, Revoked};

/// Lists the live sessions that are bound to a user.
pub(crate) async fn user_sessions<S: SessionStore>(
    store: &S,
    user: &Pseudonym,
    at: RequestTime,
) -> Result<UserSessions, Error> {
    let listing = store.user_sessions(user, at);
    within(at.deadline(), Call::Read, pin!(listing)).await
}

/// Lists the live sessions that are bound to a user, however many there are.
pub(crate) async fn all_user_sessions<S: SessionStore>(
    store: &S,
    user: &Pseudonym,
    at: RequestTime,
) -> Result<UserSessions, Error> {
    let listing = store.all_user_sessions(user, at);
    within(at.deadline(), Call::Read, pin!(listing)).await
}

/// Ends these sessions of a user.
pub(crate) async fn revoke<S: SessionStore>(
    store: &S,
    user: &Pseudonym,
    which: Revoked<'_>,
    at: RequestTime,
) -> Result<(), Error> {
    let revoking = store.revoke(user, which, at);
    within(at.deadline(), Call::Write, pin!(revoking)).await
}
