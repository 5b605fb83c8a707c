use std::sync::Arc;

use super::*;
use crate::id::SessionId;
use crate::session::decision::Scope;
use crate::session::handle::{Backend, Boxed};
use crate::session::location::Location;
use crate::store::data::{Data, Entry};
use crate::store::record::{Found, Record};
use crate::store::session_info::UserSessions;
use crate::store::user::{Pseudonym, Revoked};
use crate::wire::received::Ids;

const NOW: Timestamp = Timestamp::from_epoch_seconds(1_000);

/// A backend that is never called.
struct NoBackend;

impl Backend for NoBackend {
    fn load<'a>(&'a self, _: &'a Session) -> Boxed<'a> {
        unreachable!()
    }

    fn save<'a>(&'a self, _: &'a Session) -> Boxed<'a> {
        unreachable!()
    }

    fn expiry(&self) -> &Expiry {
        unreachable!()
    }

    fn pseudonym(&self, _: &str) -> Result<Pseudonym, Error> {
        unreachable!()
    }

    fn user_sessions<'a>(&'a self, _: &'a Session, _: &'a Pseudonym) -> Boxed<'a, UserSessions> {
        unreachable!()
    }

    fn revoke<'a>(&'a self, _: &'a Session, _: &'a Pseudonym, _: Revoked<'a>) -> Boxed<'a> {
        unreachable!()
    }
}

fn id() -> SessionId {
    SessionId::parse("A".repeat(43).as_bytes()).unwrap()
}

fn record() -> Record {
    let data: Data = [("k", Entry::from_json("1"))].into_iter().collect();
    Record::new(data, NOW, Timestamp::from_epoch_seconds(1_060))
}

/// A session of a request with these ids that was then committed with this result.
fn committed(ids: Ids, token: Token, read: bool) -> Session {
    let session = Session::new(ids.into(), Arc::new(NoBackend));
    let rules = Expiry::default();
    if read {
        session.loaded(Found::Live(record()), None, NOW, &rules);
    }
    match token {
        Token::Keep => {}
        Token::Issue => {
            session.insert("k", 2).unwrap();
            let pending = session.take_pending(Scope::Commit, NOW, &rules).unwrap();
            pending.stored(Location::of(id()), record(), Token::Issue);
        }
        Token::Remove => {
            session.destroy().unwrap();
            let pending = session.take_pending(Scope::Commit, NOW, &rules).unwrap();
            pending.destroyed(NOW, &rules, Token::Remove);
        }
    }
    session
}

#[test]
fn headers_set_the_id_until_the_session_expires() {
    for read in [true, false] {
        let session = committed(Ids::One(id()), Token::Issue, read);
        let headers = session_headers(&session, NOW, &Expiry::default(), false);
        let IdHeader::Set { id, seconds, .. } = headers.id else {
            panic!("{headers:?}");
        };
        assert_eq!((id, seconds), (self::id(), 60));
        assert_eq!(headers.was_read, read);
    }
}

#[test]
fn headers_of_logout_remove_only_what_was_sent() {
    let rows = [
        (Ids::One(id()), true),
        // An unusable value is removed too.
        (Ids::Unusable, true),
        (Ids::Nothing, false),
    ];
    for (ids, removes) in rows {
        let session = committed(ids.clone(), Token::Remove, false);
        let headers = session_headers(&session, NOW, &Expiry::default(), false);
        assert_eq!(matches!(headers.id, IdHeader::Remove), removes, "{ids:?}");
        assert_eq!(matches!(headers.id, IdHeader::Unchanged), !removes);
    }
}

#[test]
fn headers_of_a_kept_session_carry_no_id() {
    for read in [true, false] {
        let session = committed(Ids::One(id()), Token::Keep, read);
        let headers = session_headers(&session, NOW, &Expiry::default(), false);
        assert!(matches!(headers.id, IdHeader::Unchanged));
        assert_eq!(headers.was_read, read);
    }
}
