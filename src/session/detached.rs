//! Sessions without a store, for the tests of applications.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::clock::{Timestamp, system_clock};
use crate::error::Error;
use crate::expiry::{DEFAULT_IDLE, DEFAULT_LIFETIME, Expiry};
use crate::id::SessionId;
use crate::session::decision::{Outcome, Scope};
use crate::session::handle::{Backend, Boxed, Session};
use crate::session::location::Location;
use crate::session::pending::Pending;
use crate::session::state::Token;
use crate::store::data::{Data, Entry};
use crate::store::record::{Found, Record};
use crate::store::session_info::UserSessions;
use crate::store::user::{Pseudonym, Revoked};
use crate::wire::received::Ids;

impl Session {
    /// Creates a session without a store, for tests of handlers.
    ///
    /// A save keeps the changes in memory. `values` are the session's values: any type that
    /// serializes to a JSON object, to a list of pairs of a key and a value, or to nothing (`()`).
    ///
    /// ```
    /// use lambda_sessions::Session;
    /// use serde_json::json;
    ///
    /// let session = Session::detached(json!({ "user": "ada", "visits": 3 }));
    /// assert_eq!(session.increment("visits", 1).unwrap(), 4);
    /// assert_eq!(session.keys(), ["user", "visits"]);
    /// ```
    ///
    /// A test can ask the session what a handler did: [`is_logged_in_as`](Self::is_logged_in_as),
    /// [`was_id_cycled`](Self::was_id_cycled) and [`was_destroyed`](Self::was_destroyed). The
    /// session knows no other sessions of the user, so
    /// [`user_sessions`](Self::user_sessions) lists none, and a revocation ends none.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// async fn log_in(session: &Session, account: &str, password: &str) -> Result<bool, Error> {
    ///     if password != "correct horse" {
    ///         session.increment("failed logins", 1)?;
    ///         return Ok(false);
    ///     }
    ///     session.log_in(account)?;
    ///     session.remove("failed logins")?;
    ///     session.insert("account", account)?;
    ///     Ok(true)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// let session = Session::detached([("cart", 3)]);
    /// assert!(!log_in(&session, "17", "guess").await?);
    /// assert!(!session.is_logged_in_as("17") && !session.was_id_cycled());
    ///
    /// assert!(log_in(&session, "17", "correct horse").await?);
    /// assert!(session.is_logged_in_as("17") && session.was_id_cycled());
    /// assert_eq!(session.keys(), ["account", "cart"]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if `values` serialize to anything else.
    #[must_use]
    pub fn detached(values: impl Serialize) -> Self {
        let now = system_clock().into();
        let data = match data(&values) {
            Some(data) => data,
            None => panic!("a detached session needs a JSON object, a list of pairs or `()`"),
        };
        let session = Self::new(Ids::Nothing.into(), Arc::new(Detached));
        let rules = ANY_LIFETIME;
        let found = match data.is_empty() {
            true => Found::Absent,
            false => Found::Live(Record::new(data, now, rules.ttl(now, now)).at_version(1)),
        };
        session.loaded(found, None, now, &rules);
        session
    }
}

/// The rules of a session that has no layer, and therefore no maxima.
const ANY_LIFETIME: Expiry = Expiry {
    idle: DEFAULT_IDLE,
    lifetime: DEFAULT_LIFETIME,
    max_idle: Some(Duration::MAX),
    max_lifetime: Some(Duration::MAX),
    touch: None,
    cycle_id_after: None,
};

/// The backend of a session that has no store.
struct Detached;

impl Backend for Detached {
    fn load<'a>(&'a self, _: &'a Session) -> Boxed<'a> {
        Box::pin(async { Ok(()) })
    }

    fn save<'a>(&'a self, session: &'a Session) -> Boxed<'a> {
        Box::pin(async {
            let now = system_clock().into();
            let rules = ANY_LIFETIME;
            let pending = session.take_pending(Scope::Save, now, &rules)?;
            match pending.outcome {
                Outcome::Keep | Outcome::Reissue | Outcome::Touch(_) => pending.kept(None),
                Outcome::Destroy => pending.destroyed(now, &rules, Token::Remove),
                Outcome::Create
                | Outcome::Update(_)
                | Outcome::AutoCycle(_)
                | Outcome::Cycle
                | Outcome::Replace => {
                    let shown = session.with(|state| state.record.data().clone());
                    match written(&pending, shown, now, &rules) {
                        Ok((location, record)) => pending.stored(location, record, Token::Keep),
                        Err(error) => return Err(pending.failed(error)),
                    }
                }
            }
            Ok(())
        })
    }

    fn expiry(&self) -> &Expiry {
        &ANY_LIFETIME
    }

    fn pseudonym(&self, user: &str) -> Result<Pseudonym, Error> {
        Pseudonym::of(user, None)
    }

    /// Lists nothing, because there is no store that could hold other sessions.
    fn user_sessions<'a>(&'a self, _: &'a Session, _: &'a Pseudonym) -> Boxed<'a, UserSessions> {
        Box::pin(async { Ok(UserSessions::default()) })
    }

    /// Ends nothing, because there is no store that could hold other sessions.
    fn revoke<'a>(&'a self, _: &'a Session, _: &'a Pseudonym, _: Revoked<'a>) -> Boxed<'a> {
        Box::pin(async { Ok(()) })
    }
}

/// Returns the record that a store would hold after a write of this data, and its place.
fn written(
    pending: &Pending<'_>,
    data: Data,
    now: Timestamp,
    rules: &Expiry,
) -> Result<(Location, Record), Error> {
    let (location, before) = match (pending.outcome, &pending.location) {
        (Outcome::Create | Outcome::Replace, _) => (None, None),
        (Outcome::Cycle, _) => (None, Some(&pending.record)),
        (_, location) => (location.clone(), Some(&pending.record)),
    };
    let created = before.map_or(now, |record| record.created());
    let own = match before {
        Some(record) => pending.lifetimes.or(record.lifetimes()),
        None => pending.lifetimes_since(now),
    };
    let rules = rules.of(created, own);
    let bound = before.and_then(|record| record.binding());
    let binding = match (&pending.login, &pending.new_label) {
        (Some(login), _) => Some(login.binding(bound, created.plus(rules.lifetime))?),
        (None, Some(label)) => bound.cloned().map(|bound| bound.labelled(label)),
        (None, None) => bound.cloned(),
    };
    let location = match location {
        Some(location) => location,
        None => Location::of(SessionId::generate()?),
    };
    let record = Record::new(data, created, rules.ttl(created, now)).bound_to(binding);
    let record = record.with_lifetimes(own);
    let version = before.map_or(1, |record| record.version().saturating_add(1));
    Ok((location, record.at_version(version)))
}

/// Returns the values of an object, of pairs, or of nothing.
fn data(values: &impl Serialize) -> Option<Data> {
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
