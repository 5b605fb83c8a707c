//! A backend without I/O for the tests of sessions, and what they assert with.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};
use crate::expiry::Expiry;
use crate::id::SessionId;
use crate::session::decision::{Outcome, Scope};
use crate::session::handle::{Backend, Boxed, Session};
use crate::session::location::Location;
use crate::session::state::Token;
use crate::store::changes::change::Change;
use crate::store::changes::change_set::Changes;
use crate::store::data::{Data, Entry};
use crate::store::record::{Found, Record};
use crate::store::session_info::UserSessions;
use crate::store::user::{Binding, Pseudonym, Revoked};
use crate::wire::received::Ids;

pub(super) const NOW: Timestamp = Timestamp::from_epoch_seconds(1_000);
pub(super) const CREATED: Timestamp = Timestamp::from_epoch_seconds(900);
pub(super) const TTL: Timestamp = Timestamp::from_epoch_seconds(1_500);

/// The rules of the fake's layer.
const RULES: Expiry = Expiry {
    idle: Duration::from_secs(500),
    lifetime: Duration::from_secs(10_000),
    max_idle: None,
    max_lifetime: None,
    touch: Some(Duration::from_secs(1_000)),
    cycle_id_after: None,
};

pub(super) fn rules() -> Expiry {
    RULES
}

pub(super) fn id(first: &str) -> SessionId {
    SessionId::parse(format!("{first}{}", "A".repeat(42)).as_bytes()).unwrap()
}

pub(super) fn data(entries: &[(&str, &str)]) -> Data {
    entries
        .iter()
        .map(|(key, text)| (*key, Entry::from_json(*text)))
        .collect()
}

pub(super) fn record(entries: &[(&str, &str)]) -> Record {
    Record::new(data(entries), CREATED, TTL).at_version(3)
}

/// Returns the changes as text, such as `clear a=1 b- c+2`.
pub(super) fn shown(changes: &Changes) -> String {
    let clear = changes.is_cleared().then(|| "clear".to_owned());
    let by_key = changes.iter().map(|(key, change)| match change {
        Change::Set(entry) => format!("{key}={}", entry.json().unwrap()),
        Change::Remove => format!("{key}-"),
        Change::Add(by) => format!("{key}+{by}"),
        Change::Apply(_) => format!("{key}*"),
    });
    clear
        .into_iter()
        .chain(by_key)
        .collect::<Vec<_>>()
        .join(" ")
}

pub(super) type During = Box<dyn FnOnce(&Session) + Send>;

/// A backend with one record and scripted replies.
#[derive(Default)]
pub(super) struct Fake {
    pub(super) found: Option<Record>,
    pub(super) replies: Mutex<VecDeque<Reply>>,
    pub(super) during: Mutex<Option<During>>,
    /// The outcome and the changes of each write.
    sent: Mutex<Vec<String>>,
}

pub(super) enum Reply {
    Fail(ErrorKind),
    /// Another request has set this key before the write.
    After(&'static str, &'static str),
    Never,
}

impl Backend for Fake {
    fn load<'a>(&'a self, session: &'a Session) -> Boxed<'a> {
        Box::pin(async {
            let found = self.found.clone().map_or(Found::Absent, Found::Live);
            session.loaded(found, None, NOW, &rules());
            Ok(())
        })
    }

    fn expiry(&self) -> &Expiry {
        &RULES
    }

    fn pseudonym(&self, user: &str) -> Result<Pseudonym, Error> {
        Pseudonym::of(user, None)
    }

    fn user_sessions<'a>(&'a self, _: &'a Session, _: &'a Pseudonym) -> Boxed<'a, UserSessions> {
        unreachable!("no test lists sessions")
    }

    fn revoke<'a>(&'a self, _: &'a Session, _: &'a Pseudonym, _: Revoked<'a>) -> Boxed<'a> {
        unreachable!("no test revokes sessions")
    }

    fn save<'a>(&'a self, session: &'a Session) -> Boxed<'a> {
        Box::pin(async {
            let pending = session.take_pending(Scope::Save, NOW, &rules())?;
            let sent = format!("{:?} {}", pending.outcome, shown(&pending.changes));
            self.sent.lock().unwrap().push(sent);
            if let Some(during) = self.during.lock().unwrap().take() {
                during(session);
            }
            let reply = self.replies.lock().unwrap().pop_front();
            let other = match reply {
                Some(Reply::Fail(kind)) => {
                    return Err(pending.failed(Error::new(kind, "scripted to fail")));
                }
                Some(Reply::Never) => std::future::pending().await,
                Some(Reply::After(key, text)) => Some((key, text)),
                None => None,
            };
            match pending.outcome {
                Outcome::Keep | Outcome::Reissue | Outcome::Touch(_) => pending.kept(None),
                Outcome::Destroy => pending.destroyed(NOW, &rules(), Token::Remove),
                Outcome::Create | Outcome::Replace => {
                    let data = pending.changes.apply(&Data::new()).unwrap();
                    let record = Record::new(data, NOW, TTL);
                    pending.stored(Location::of(id("B")), record, Token::Issue);
                }
                Outcome::Update(_) | Outcome::AutoCycle(_) | Outcome::Cycle => {
                    let mut data = pending.record.data().clone();
                    if let Some((key, text)) = other {
                        data.insert(key, Entry::from_json(text));
                    }
                    let data = pending.changes.apply(&data).unwrap();
                    let record = Record::clone(&pending.record).with_data(data);
                    let location = pending.location.clone().unwrap();
                    pending.stored(location, record, Token::Keep);
                }
            }
            Ok(())
        })
    }
}

impl Fake {
    pub(super) fn holding(entries: &[(&str, &str)]) -> Self {
        Self {
            found: Some(record(entries)),
            ..Self::default()
        }
    }

    pub(super) fn replying(self, replies: impl IntoIterator<Item = Reply>) -> Self {
        self.replies.lock().unwrap().extend(replies);
        self
    }

    pub(super) fn during_save(self, f: impl FnOnce(&Session) + Send + 'static) -> Self {
        *self.during.lock().unwrap() = Some(Box::new(f));
        self
    }

    /// Returns a session that was not read.
    pub(super) fn unread(self) -> (Session, Arc<Self>) {
        let fake = Arc::new(self);
        let received = match fake.found {
            Some(_) => Ids::One(id("A")).into(),
            None => Ids::Nothing.into(),
        };
        let session = Session::new(received, fake.clone());
        (session, fake)
    }

    pub(super) async fn session(self) -> (Session, Arc<Self>) {
        let (session, fake) = self.unread();
        session.load().await.unwrap();
        (session, fake)
    }

    pub(super) fn sent(&self) -> Vec<String> {
        self.sent.lock().unwrap().clone()
    }
}

/// Returns what the end of the request would write.
pub(super) fn at_the_end(session: &Session) -> (Outcome, String) {
    let pending = session.take_pending(Scope::Commit, NOW, &rules()).unwrap();
    let what = (pending.outcome, shown(&pending.changes));
    pending.failed(Error::new(ErrorKind::Unavailable, "only asked"));
    what
}

pub(super) fn contents(session: &Session) -> Value {
    let entry = |key: String| {
        let value: Value = session.get(&key).unwrap().unwrap();
        (key, value)
    };
    session.keys().into_iter().map(entry).collect()
}

/// Returns a record that is bound to this user.
pub(super) fn record_of(user: &str, entries: &[(&str, &str)]) -> Record {
    let user = Pseudonym::of(user, None).unwrap();
    let end = Timestamp::from_epoch_seconds(9_000);
    let label = Some("phone".to_owned());
    let binding = Binding::new(user, "handle".to_owned(), label, end);
    record(entries).bound_to(Some(binding))
}

pub(super) async fn session_of(user: &str, entries: &[(&str, &str)]) -> (Session, Arc<Fake>) {
    let found = Some(record_of(user, entries));
    let fake = Fake {
        found,
        ..Fake::default()
    };
    fake.session().await
}

/// Returns the session of a client that sent this id. It was not read.
pub(super) fn unread_session(id: SessionId) -> Session {
    Session::new(Ids::One(id).into(), Arc::new(Fake::default()))
}

/// The reply of a write that certainly wrote nothing.
pub(super) const FAILS: Reply = Reply::Fail(ErrorKind::Unavailable);
