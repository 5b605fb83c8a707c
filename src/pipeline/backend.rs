//! Lets a session call the pipeline without knowing the type of the store.

use crate::error::Error;
use crate::expiry::Expiry;
use crate::pipeline::core::Pipeline;
use crate::pipeline::users::{revoke, user_sessions};
use crate::session::decision::Scope;
use crate::session::handle::{Backend, Boxed, Session};
use crate::store::session_info::UserSessions;
use crate::store::session_store::SessionStore;
use crate::store::user::{Pseudonym, Revoked};

impl<S: SessionStore> Backend for Pipeline<S> {
    fn load<'a>(&'a self, session: &'a Session) -> Boxed<'a> {
        Box::pin(self.read(session))
    }

    fn save<'a>(&'a self, session: &'a Session) -> Boxed<'a> {
        Box::pin(async { self.write(session, Scope::Save).await.map(drop) })
    }

    fn expiry(&self) -> &Expiry {
        &self.settings.expiry
    }

    fn pseudonym(&self, user: &str) -> Result<Pseudonym, Error> {
        self.settings.pseudonym(user)
    }

    fn user_sessions<'a>(
        &'a self,
        session: &'a Session,
        user: &'a Pseudonym,
    ) -> Boxed<'a, UserSessions> {
        Box::pin(async {
            let listed = user_sessions(&self.store, user, self.request_time(session)).await;
            listed.inspect_err(|error| session.failed(error))
        })
    }

    fn revoke<'a>(
        &'a self,
        session: &'a Session,
        user: &'a Pseudonym,
        which: Revoked<'a>,
    ) -> Boxed<'a> {
        Box::pin(async move {
            let revoked = revoke(&self.store, user, which, self.request_time(session)).await;
            revoked.inspect_err(|error| session.failed(error))
        })
    }
}
