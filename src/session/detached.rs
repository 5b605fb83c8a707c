//! Sessions without a store, for the tests of applications.

use serde::Serialize;

use crate::clock::system_clock;
use crate::expiry::Expiry;
use crate::id::SessionId;
use crate::session::decision::Outcome;
use crate::session::{Backend, Boxed, Location, Scope, Session, Token};
use crate::store::data::{Data, Entry};

/// The backend of a session that has no store.
pub(super) struct Detached;

impl Backend for Detached {
    fn load<'a>(&'a self, _: &'a Session) -> Boxed<'a> {
        Box::pin(async { Ok(()) })
    }

    fn save<'a>(&'a self, session: &'a Session) -> Boxed<'a> {
        Box::pin(async {
            let now = system_clock().into();
            let rules = Expiry::default();
            let pending = session.take_pending(Scope::Save, now, &rules)?;
            match pending.outcome {
                Outcome::Keep | Outcome::Touch(_) => pending.kept(None),
                Outcome::Destroy => pending.destroyed(now, &rules, Token::Remove),
                Outcome::Create
                | Outcome::Update(_)
                | Outcome::AutoCycle(_)
                | Outcome::Cycle
                | Outcome::Replace => {
                    let location = match &pending.location {
                        Some(location) => location.clone(),
                        None => Location::of(SessionId::generate()?),
                    };
                    let record = session.with(|state| state.record.clone());
                    pending.stored(location, record, Token::Keep);
                }
            }
            Ok(())
        })
    }
}

/// Returns the values of an object, of pairs, or of nothing.
pub(super) fn data(values: &impl Serialize) -> Option<Data> {
    let entry =
        |(key, value): (String, serde_json::Value)| (key, Entry::from_json(value.to_string()));
    match serde_json::to_value(values).ok()? {
        serde_json::Value::Null => Some(Data::new()),
        serde_json::Value::Object(members) => Some(members.into_iter().map(entry).collect()),
        pairs => {
            let pairs: Vec<(String, serde_json::Value)> = serde_json::from_value(pairs).ok()?;
            Some(pairs.into_iter().map(entry).collect())
        }
    }
}
