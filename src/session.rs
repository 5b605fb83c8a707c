//! A synchronous handle to one session.
//!
//! 1. One request has one session. All clones of the handle are the same session.
//! 2. No method here does I/O except [`Session::save`] and the methods that list or revoke a user's
//!    sessions. They call the [`Backend`] behind the session.
//! 3. The lock is held within one method and never across an await. No code of the application runs
//!    under it: values are serialized and parsed, and functions of values run, while the lock is
//!    free.
//! 4. A method that fails changes nothing. If the handler returns that error, in whatever type it
//!    is wrapped, [`on_error`](crate::SessionLayer::on_error) makes the response.
//! 5. Once the request's outcome is decided, the session is sealed. A change that can no longer be
//!    stored is an error and is never dropped silently.

pub(crate) mod decision;
mod detached;
mod pending;
mod running;
mod state;
mod users;
mod value;

#[cfg(test)]
mod sequence_tests;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;
use crate::clock::system_clock;
use crate::error::{Error, ErrorKind, WeakError};
use crate::expiry::Expiry;
use crate::id::StorageKey;
use crate::key;
use crate::session::decision::Origin;
use crate::session::value::{parse, to_entry};
use crate::store::changes::{Apply, Changes};
use crate::store::data::{Data, Entry};
use crate::store::record::{Found, Record};
use crate::store::user::{Pseudonym, Revoked};
use crate::wire::received::{Ids, PreviousCookies, Received};

pub use crate::id::SessionId;
pub use crate::key::AsKey;
pub use crate::key::Takes;
pub(crate) use crate::session::pending::{Location, Pending};
pub use crate::store::user::{SessionInfo, UserSessions};

/// The session of one request.
///
/// It is cheap to clone, and every clone is the same session. It is the second argument of a
/// [wrapped](crate::SessionLayer::wrap) handler, and
/// [`request.session().await?`](crate::SessionExt::session) returns it. Only that load has to be
/// awaited. The changes are written once, after the handler has returned.
///
/// ```
/// use lambda_sessions::{Error, Session};
///
/// fn rename(session: &Session, name: &str) -> Result<Option<String>, Error> {
///     let before = session.get("name")?;
///     session.insert("name", name)?;
///     session.increment("renamed", 1)?;
///     Ok(before)
/// }
///
/// # fn main() -> Result<(), Error> {
/// let session = Session::detached([("name", "ada")]);
/// assert_eq!(rename(&session, "grace")?.as_deref(), Some("ada"));
/// assert_eq!(session.keys(), ["name", "renamed"]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// Every method that takes a key fails with [`InvalidKey`](ErrorKind::InvalidKey) if the key is
/// empty or longer than 65,535 bytes. Every method that changes something fails with
/// [`Misconfigured`](ErrorKind::Misconfigured) once the request's outcome is decided, for example
/// if a clone is used after the response.
#[derive(Clone)]
pub struct Session(Arc<Shared>);

struct Shared {
    /// The id that the client presented, if it presented one.
    presented: Option<SessionId>,
    /// True if the client presented anything where the id belongs.
    presented_anything: bool,
    /// True if the client must get the id that it presented again.
    reissue: bool,
    /// The ids of a request that presented several, of which none was accepted.
    others: Vec<SessionId>,
    /// The previous cookies to remove when the current one is set or removed.
    former: PreviousCookies,
    /// The lock that is held while the record is loaded, so that it is loaded once.
    loading: tokio::sync::Mutex<()>,
    /// The lock that is held while something is written. A save waits for the one before it,
    /// because it changes what that one leaves.
    writing: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    backend: Arc<dyn Backend>,
}

/// The I/O of a session. It hides the type of the store, and its futures are boxed for that reason.
pub(crate) trait Backend: Send + Sync {
    fn load<'a>(&'a self, session: &'a Session) -> Boxed<'a>;
    fn save<'a>(&'a self, session: &'a Session) -> Boxed<'a>;

    /// Returns the name by which the store knows a user.
    fn pseudonym(&self, user: &str) -> Result<Pseudonym, Error> {
        Pseudonym::of(user, None)
    }

    fn user_sessions<'a>(
        &'a self,
        session: &'a Session,
        user: &'a Pseudonym,
    ) -> Boxed<'a, UserSessions> {
        let _ = (session, user);
        Box::pin(async { Ok(UserSessions::default()) })
    }

    fn revoke<'a>(
        &'a self,
        session: &'a Session,
        user: &'a Pseudonym,
        which: Revoked<'a>,
    ) -> Boxed<'a> {
        let _ = (session, user, which);
        Box::pin(async { Ok(()) })
    }
}

pub(crate) type Boxed<'a, T = ()> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

struct State {
    origin: Origin,
    /// The id under which the session is stored, if `origin` says that it is stored.
    id: Option<SessionId>,
    /// The key under which the session is stored, if that is not the id's own.
    moved_to: Option<StorageKey>,
    /// The stored record, or an empty one that begins now if none is stored or none was read.
    record: Record,
    changes: Changes,
    ended: Ended,
    renew: bool,
    require_unchanged: bool,
    /// The user who has logged in, also before the session is bound to them.
    user: Option<Pseudonym>,
    /// The user whose login is being written.
    user_on_the_way: Option<Pseudonym>,
    label: Option<String>,
    /// The time at which the request began.
    began: Timestamp,
    /// The time after which the store is not called any more.
    deadline: Option<Instant>,
    /// True if this request began the session.
    is_new: bool,
    /// True if a handler asked for the stored record.
    was_read: bool,
    token: Token,
    /// The error of the last load, until a load succeeds. A session that could not be loaded is not
    /// written.
    not_loaded: Option<Error>,
    /// The errors that were returned to a handler, or the most recent of them.
    failures: Vec<WeakError>,
    seal: Option<Error>,
}

/// States if the stored session ends with this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ended {
    No,
    /// Another user has logged in. If the handler fails, the stored session does not end.
    ByLogin,
    /// The session was logged out. It ends even if the handler fails.
    ByLogout,
}

/// The maximum number of errors that one request remembers.
const MOST_FAILURES: usize = 16;
/// The maximum number of runs of a function while other clones of the session change the value
/// concurrently.
const MOST_RUNS: usize = 16;

/// The instruction to the client about its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// No instruction: the client's id is correct.
    Keep,
    /// The client gets the id under which the session is stored now, with its expiry.
    Issue,
    /// The client removes its id.
    Remove,
}

/// The part of the requested changes to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Everything that was requested, without automatic writes such as a touch: [`Session::save`].
    Save,
    /// Everything: the handler succeeded.
    Commit,
    /// A logout and nothing else: the handler failed.
    OnlyDestroy,
}

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
    /// # Panics
    ///
    /// Panics if `values` serialize to anything else.
    #[must_use]
    pub fn detached(values: impl Serialize) -> Self {
        let now = system_clock().into();
        let data = match detached::data(&values) {
            Some(data) => data,
            None => panic!("a detached session needs a JSON object, a list of pairs or `()`"),
        };
        let session = Self::new(Ids::Nothing.into(), Arc::new(detached::Detached));
        let found = match data.is_empty() {
            true => Found::Absent,
            false => Found::Live(data),
        };
        let rules = Expiry::default();
        session.loaded(
            found.map(|data| Record::new(data, now, rules.ttl(now, now))),
            None,
            now,
            &rules,
        );
        session
    }

    /// Returns the value stored under `key`, as a `T`.
    ///
    /// It returns `None` if the key is absent.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// let session = Session::detached([("visits", 3)]);
    /// let visits: Option<u32> = session.get("visits")?;
    /// assert_eq!(visits, Some(3));
    /// assert_eq!(session.get::<String>("name")?, None);
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Deserialize`](ErrorKind::Deserialize) if the value has another type, and leaves
    /// the value in place. Fails with [`InvalidKey`](ErrorKind::InvalidKey).
    pub fn get<T: DeserializeOwned>(&self, key: impl AsKey<T>) -> Result<Option<T>, Error> {
        let entry = self.try_with(|state| state.entry(key.as_key()))?;
        self.parsed(entry.as_ref())
    }

    /// Returns the value stored under `key`, as a `T`, and removes it if it has another type.
    ///
    /// It is for a type that changed from one deployment to the next. There, [`get`](Self::get)
    /// would fail in every request until the session expires.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// fn theme(session: &Session) -> Result<String, Error> {
    ///     Ok(session.get_or_reset("theme")?.unwrap_or_else(|| "light".to_owned()))
    /// }
    ///
    /// let session = Session::detached([("theme", 3)]); // as an older version stored it
    /// assert_eq!(theme(&session)?, "light");
    /// assert!(!session.contains("theme"));
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`InvalidKey`](ErrorKind::InvalidKey).
    pub fn get_or_reset<T: DeserializeOwned>(
        &self,
        key: impl AsKey<T>,
    ) -> Result<Option<T>, Error> {
        match self.get(key.as_key()) {
            Err(error) if error.kind() == ErrorKind::Deserialize => {
                self.remove(key.as_key()).map(|()| None)
            }
            other => other,
        }
    }

    /// Stores a value under `key`.
    ///
    /// A value equal to the stored one is not a change and costs no write. Values are stored as
    /// serde_json writes them. A float that JSON cannot express, a `NaN` or an infinity, becomes
    /// `null`.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// let session = Session::detached(());
    /// session.insert("theme", "dark")?;
    /// assert_eq!(session.get::<String>("theme")?.as_deref(), Some("dark"));
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Serialize`](ErrorKind::Serialize) if the value has no JSON form or is nested
    /// deeper than 127 levels. Fails with [`InvalidKey`](ErrorKind::InvalidKey).
    pub fn insert<V: Serialize>(&self, key: impl Takes<V>, value: V) -> Result<(), Error> {
        // Not under the lock: serializing a value runs the application's code.
        let entry = to_entry(&value);
        self.try_change(|state| {
            let key = key::checked(key.as_key())?;
            let (base, changes) = state.base_and_changes();
            changes.set(base, key, entry?);
            Ok(())
        })
    }

    /// Removes the value stored under `key`.
    ///
    /// If the key is absent, nothing changes.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// let session = Session::detached([("coupon", "X")]);
    /// session.remove("coupon")?;
    /// assert!(!session.contains("coupon"));
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`InvalidKey`](ErrorKind::InvalidKey).
    pub fn remove(&self, key: impl AsRef<str>) -> Result<(), Error> {
        self.try_change(|state| {
            let key = key::checked(key.as_ref())?;
            let (base, changes) = state.base_and_changes();
            changes.remove(base, key);
            Ok(())
        })
    }

    /// Removes the value stored under `key` and returns it, as a `T`.
    ///
    /// Two concurrent requests may both get it. Use [`take_once`](Self::take_once) for a value that
    /// only one of them may get.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// let session = Session::detached([("notice", "saved")]);
    /// assert_eq!(session.take::<String>("notice")?.as_deref(), Some("saved"));
    /// assert_eq!(session.take::<String>("notice")?, None);
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Deserialize`](ErrorKind::Deserialize) if the value has another type, and does
    /// not remove it. Fails with [`InvalidKey`](ErrorKind::InvalidKey).
    pub fn take<T: DeserializeOwned>(&self, key: impl AsKey<T>) -> Result<Option<T>, Error> {
        self.take_by(key.as_key(), Changes::remove)
    }

    /// Removes the value stored under `key` and returns it, as a `T`, to one request only.
    ///
    /// It is for a value that is valid for one use, such as the `state` of an OAuth login.
    ///
    /// The removal is written only if no other request has removed or changed the value since it
    /// was read. Otherwise [`save`](Self::save) or the end of the request fails with
    /// [`Conflict`](ErrorKind::Conflict), and nothing is written. The client then gets the response
    /// of [`on_error`](crate::SessionLayer::on_error). Call `save` before a side effect that must
    /// happen once. A [logout](Self::destroy) without later changes is written even if the value
    /// has changed.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// async fn callback(session: &Session, state: &str) -> Result<bool, Error> {
    ///     let expected: Option<String> = session.take_once("state")?;
    ///     session.save().await?; // only one request gets past this line
    ///     Ok(expected.as_deref() == Some(state))
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let session = Session::detached([("state", "x1")]);
    /// # assert!(callback(&session, "x1").await.unwrap());
    /// # assert!(!callback(&session, "x1").await.unwrap());
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`take`](Self::take).
    pub fn take_once<T: DeserializeOwned>(&self, key: impl AsKey<T>) -> Result<Option<T>, Error> {
        self.take_by(key.as_key(), Changes::take)
    }

    fn take_by<T: DeserializeOwned>(
        &self,
        key: &str,
        take: impl Fn(&mut Changes, Option<&Data>, &str),
    ) -> Result<Option<T>, Error> {
        loop {
            let Some(entry) = self.try_change(|state| state.entry(key))? else {
                return Ok(None);
            };
            let value = self.parsed(Some(&entry))?;
            let taken = self.try_change(|state| {
                let is_there = state.current(key)?.as_deref() == Some(&entry);
                if is_there {
                    let (base, changes) = state.base_and_changes();
                    take(changes, base, key);
                }
                Ok(is_there)
            })?;
            if taken {
                return Ok(value);
            }
        }
    }

    /// Returns whether a value of any type is stored under `key`.
    ///
    /// It returns `false` for an [invalid key](ErrorKind::InvalidKey), which never has a value.
    ///
    /// ```
    /// use lambda_sessions::Session;
    ///
    /// let session = Session::detached([("cart", 3)]);
    /// assert!(session.contains("cart"));
    /// assert!(!session.contains("name"));
    /// ```
    pub fn contains(&self, key: impl AsRef<str>) -> bool {
        // An increment of a value that is not a number is an error of `get`, but still a value.
        self.with_foreseen(|state| !matches!(state.current(key.as_ref()), Ok(None)))
    }

    /// Returns all keys, in order.
    ///
    /// ```
    /// use lambda_sessions::Session;
    ///
    /// let session = Session::detached([("visits", 1), ("cart", 3)]);
    /// assert_eq!(session.keys(), ["cart", "visits"]);
    /// ```
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.with(|state| state.changes.keys(state.base_or_empty()))
    }

    /// Returns the number of values in the session.
    ///
    /// ```
    /// use lambda_sessions::Session;
    ///
    /// let session = Session::detached([("cart", 3), ("visits", 1)]);
    /// assert_eq!(session.len(), 2);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys().len()
    }

    /// Returns whether the session holds no values.
    ///
    /// A session that is empty and was never stored is not stored at the end of the request.
    ///
    /// ```
    /// use lambda_sessions::Session;
    ///
    /// assert!(Session::detached(()).is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys().is_empty()
    }

    /// Removes all values.
    ///
    /// A stored session stays stored, without values. [`destroy`](Self::destroy) deletes it.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// let session = Session::detached([("cart", 3)]);
    /// session.clear()?;
    /// assert!(session.is_empty());
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails only with the [errors of every change](Self#errors).
    pub fn clear(&self) -> Result<(), Error> {
        self.try_change(|state| {
            let empty = Data::new();
            let base = match state.ended {
                Ended::No => state.record.data(),
                Ended::ByLogin | Ended::ByLogout => &empty,
            };
            state.changes.clear(base);
            Ok(())
        })
    }

    /// Adds `by` to the number stored under `key` and returns the sum.
    ///
    /// An absent key counts from 0, and `by` may be negative. The store computes the sum when the
    /// session is written, so concurrent increments all count. Until then, the returned sum and the
    /// value that [`get`](Self::get) returns are forecasts.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// let session = Session::detached([("visits", 1)]);
    /// assert_eq!(session.increment("visits", 1)?, 2);
    /// assert_eq!(session.increment("misses", -1)?, -1);
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Deserialize`](ErrorKind::Deserialize) if the value is not an integer that fits
    /// in an `i64`, and with [`Serialize`](ErrorKind::Serialize) if the sum does not fit. Fails
    /// with [`InvalidKey`](ErrorKind::InvalidKey).
    pub fn increment(&self, key: impl AsKey<i64>, by: i64) -> Result<i64, Error> {
        self.try_change(|state| {
            let sum = state.add(key.as_key(), by)?;
            // A session that was read always knows its sum.
            Ok(sum.unwrap_or(by))
        })
    }

    /// Changes the value stored under `key` with a function that is applied to the latest value.
    ///
    /// The function gets the value as it is when the session is written, which may be newer than
    /// the value that was read. It is for a value that several requests change concurrently, such
    /// as a list that grows. An absent key begins with `T::default()`.
    ///
    /// `f` runs immediately, so that [`get`](Self::get) returns a forecast. It runs again each time
    /// another request has changed the key first. It should change the value and do nothing else.
    /// Changes of other keys do not run it again. If it does not change the value that was read, it
    /// is dropped, as if it had been applied at that time.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// fn visit(session: &Session, page: &str) -> Result<(), Error> {
    ///     let page = page.to_owned();
    ///     session.update("pages", move |pages: &mut Vec<String>| pages.push(page.clone()))
    /// }
    ///
    /// # let session = Session::detached(());
    /// # visit(&session, "home").unwrap();
    /// # assert_eq!(session.get::<Vec<String>>("pages").unwrap(), Some(vec!["home".to_owned()]));
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Deserialize`](ErrorKind::Deserialize) if the value has another type. Fails with
    /// [`Serialize`](ErrorKind::Serialize) if the result of `f` has no JSON form. Fails with
    /// [`InvalidKey`](ErrorKind::InvalidKey). The write fails with
    /// [`Conflict`](ErrorKind::Conflict) if other requests kept changing the key until the time was
    /// up.
    pub fn update<T: DeserializeOwned + Serialize + Default>(
        &self,
        key: impl AsKey<T>,
        f: impl Fn(&mut T) + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let apply = Apply::new(move |there| {
            let mut value = match there {
                Some(entry) => parse(entry)?,
                None => T::default(),
            };
            f(&mut value);
            to_entry(&value)
        });
        let key = key.as_key();
        for _ in 0..MOST_RUNS {
            let there = self.try_change(|state| state.entry(key))?;
            // The function is the application's code, so it runs while the session is unlocked.
            let made = self.noted(apply.run(there.as_ref()))?;
            let changed = self.try_change(|state| {
                let is_there = state.current(key)?.as_deref() == there.as_ref();
                if is_there {
                    let apply = apply.clone().foreseeing(there, Ok(made));
                    let (base, changes) = state.base_and_changes();
                    changes.update(base, key, apply)?;
                }
                Ok(is_there)
            })?;
            if changed {
                return Ok(());
            }
        }
        let reason = "other clones of the session kept changing the value during its update";
        self.noted(Err(Error::new(ErrorKind::Conflict, reason)))
    }

    /// Writes this request's changes only if no other request has written the session since it was
    /// read.
    ///
    /// It is for rules that span several keys. If another request has written the session, the save
    /// fails with [`Conflict`](ErrorKind::Conflict), and nothing is written. A touch does not count
    /// as a write. A logout is written in any case.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// fn transfer(session: &Session, amount: i64) -> Result<(), Error> {
    ///     session.require_unchanged()?;
    ///     let open: i64 = session.get("open")?.unwrap_or_default();
    ///     let paid: i64 = session.get("paid")?.unwrap_or_default();
    ///     session.insert("open", open - amount)?;
    ///     session.insert("paid", paid + amount)
    /// }
    /// # transfer(&Session::detached([("open", 5)]), 2).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Fails only with the [errors of every change](Self#errors).
    pub fn require_unchanged(&self) -> Result<(), Error> {
        self.try_change(|state| {
            state.require_unchanged = true;
            Ok(())
        })
    }

    /// Gives the session a new id at the end of the request and invalidates the old id at once.
    ///
    /// The data stays. Call it at every change of privilege: it is the defence against [session
    /// fixation][owasp]. [`log_in`](Self::log_in) implies it.
    ///
    /// A concurrent request that had read the session before and changes it afterwards gets a 409.
    /// A later request with the old id reads an empty session and may begin a new one. Nothing that
    /// this request writes is ever visible under the old id, not even after a [`save`](Self::save).
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// fn become_admin(session: &Session) -> Result<(), Error> {
    ///     session.cycle_id()?;
    ///     session.insert("role", "admin")
    /// }
    /// # become_admin(&Session::detached(())).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Fails only with the [errors of every change](Self#errors).
    ///
    /// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#renew-the-session-id-after-any-privilege-level-change
    pub fn cycle_id(&self) -> Result<(), Error> {
        self.try_change(|state| {
            state.renew = true;
            Ok(())
        })
    }

    /// Logs out: deletes the record and the cookie at the end of the request.
    ///
    /// After the call, the session is empty. A value that is inserted later begins a new session
    /// with a new id.
    ///
    /// The logout is written even if the handler then returns `Err` or a 5xx response. After a
    /// panic, or if the request is dropped, nothing is written.
    ///
    /// If the client sent two different ids, neither was accepted, and the sessions of both are
    /// deleted.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// let session = Session::detached([("user", "ada")]);
    /// session.destroy()?;
    /// assert!(session.is_empty());
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails only with the [errors of every change](Self#errors).
    pub fn destroy(&self) -> Result<(), Error> {
        self.try_change(|state| Ok(state.end(Ended::ByLogout)))
            .map(drop)
    }

    /// Writes the changes now and not at the end of the request.
    ///
    /// It is for a side effect that must happen only if the session is stored. After it,
    /// [`get`](Self::get) returns the committed values.
    ///
    /// A pending [`cycle_id`](Self::cycle_id) or [`log_in`](Self::log_in) is performed: from here
    /// on, [`id`](Self::id) returns the new id, and the old one is invalid. The client gets the new
    /// id with the response. If the handler then returns `Err`, or the end of the request fails,
    /// the client has to begin a new session.
    ///
    /// A save waits for the one before it. Drop the future of a save that you no longer await. A
    /// future that is kept but not polled blocks later saves until the invocation's deadline.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// async fn order(session: &Session) -> Result<(), Error> {
    ///     let cart: Option<Vec<u32>> = session.take_once("cart")?;
    ///     session.save().await?; // only one request gets past this line
    ///     // charge for `cart` here
    ///     # let _ = cart;
    ///     Ok(())
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() { order(&Session::detached(())).await.unwrap(); }
    /// ```
    ///
    /// # Errors
    ///
    /// With these errors, nothing was written, and the changes stay pending:
    ///
    /// - [`Unavailable`](ErrorKind::Unavailable), [`Throttled`](ErrorKind::Throttled),
    ///   [`Misconfigured`](ErrorKind::Misconfigured), [`Conflict`](ErrorKind::Conflict),
    ///   [`TooLarge`](ErrorKind::TooLarge), [`Gone`](ErrorKind::Gone) and
    ///   [`Corrupt`](ErrorKind::Corrupt).
    /// - [`Timeout`](ErrorKind::Timeout): the invocation has no time left.
    /// - [`Deserialize`](ErrorKind::Deserialize): an increment met a value of another type.
    /// - [`Serialize`](ErrorKind::Serialize): the sum of an increment does not fit in an `i64`.
    ///
    /// With [`OutcomeUnknown`](ErrorKind::OutcomeUnknown), the changes may have been written, and
    /// the session is sealed.
    pub async fn save(&self) -> Result<(), Error> {
        self.try_change(|_| Ok(()))?;
        self.0.backend.save(self).await
    }

    /// Returns the id under which the session is stored.
    ///
    /// It returns `None` while the session is not stored.
    ///
    /// ```
    /// use lambda_sessions::Session;
    ///
    /// fn log(session: &Session) {
    ///     if let Some(id) = session.id() {
    ///         println!("session {}", id.fingerprint()); // never log the id itself
    ///     }
    /// }
    /// # log(&Session::detached(()));
    /// ```
    #[must_use]
    pub fn id(&self) -> Option<SessionId> {
        self.with(|state| state.id.clone().filter(|_| state.origin.is_live()))
    }

    /// Returns whether this request began the session.
    ///
    /// A session is new if no live record came with the request.
    ///
    /// ```
    /// use lambda_sessions::Session;
    ///
    /// assert!(Session::detached(()).is_new());
    /// ```
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.with(|state| state.is_new)
    }

    /// Returns the time at which the session began, in whole seconds.
    ///
    /// Its [lifetime](crate::SessionLayer::lifetime) counts from this time.
    ///
    /// ```
    /// use lambda_sessions::Session;
    ///
    /// let session = Session::detached([("cart", 3)]);
    /// assert!(session.created() < session.expires());
    /// ```
    #[must_use]
    pub fn created(&self) -> SystemTime {
        self.with(|state| state.record.created().into())
    }

    /// Returns the time at which the session expires if it is not used again, in whole seconds.
    ///
    /// ```
    /// use lambda_sessions::Session;
    /// use std::time::{Duration, SystemTime};
    ///
    /// fn ends_soon(session: &Session) -> bool {
    ///     session.expires() < SystemTime::now() + Duration::from_secs(60)
    /// }
    /// # assert!(!ends_soon(&Session::detached([("cart", 3)])));
    /// ```
    #[must_use]
    pub fn expires(&self) -> SystemTime {
        self.with(|state| state.record.ttl().into())
    }
}

/// Shows neither the id nor the values.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|state| {
            f.debug_struct("Session")
                .field("id", &state.id)
                .field("record", &state.record)
                .field("changes", &state.changes)
                .finish_non_exhaustive()
        })
    }
}

/// A write-only view of a request's session, which does not read the session.
///
/// Its changes cost one `UpdateItem` at the end of the request, and no read. If the session has
/// expired or was deleted, the changes begin a new one. If its id was cycled after this request had
/// begun, the write fails with [`Gone`](ErrorKind::Gone).
///
/// If the response to a write was lost, the result can be determined only if the changes are found
/// in the table. Such a write therefore fails with [`OutcomeUnknown`](ErrorKind::OutcomeUnknown)
/// more often than a write after a read. If DynamoDB has not responded for 10 seconds, the
/// connection may have died while the environment was frozen. In this case the session is read
/// before the write.
///
/// A write-only session does not extend the expiry. A client whose requests do nothing else counts
/// as idle.
///
/// ```
/// use lambda_http::{Error, Request};
/// use lambda_sessions::SessionExt as _;
///
/// async fn seen(request: Request) -> Result<&'static str, Error> {
///     let session = request.write_only_session()?;
///     session.increment("hits", 1)?;
///     session.insert("last", request.uri().path())?;
///     Ok("")
/// }
/// ```
#[derive(Clone, Debug)]
pub struct WriteOnlySession(pub(crate) Session);

impl WriteOnlySession {
    /// Stores a value under `key`.
    ///
    /// ```
    /// use lambda_sessions::{Error, WriteOnlySession};
    ///
    /// fn dark(session: &WriteOnlySession) -> Result<(), Error> {
    ///     session.insert("theme", "dark")
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`Session::insert`].
    pub fn insert<V: Serialize>(&self, key: impl Takes<V>, value: V) -> Result<(), Error> {
        self.0.insert(key, value)
    }

    /// Removes the value stored under `key`.
    ///
    /// ```
    /// use lambda_sessions::{Error, WriteOnlySession};
    ///
    /// fn no_coupon(session: &WriteOnlySession) -> Result<(), Error> {
    ///     session.remove("coupon")
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`Session::remove`].
    pub fn remove(&self, key: impl AsRef<str>) -> Result<(), Error> {
        self.0.remove(key)
    }

    /// Adds `by` to the number stored under `key`.
    ///
    /// The sum is not returned, because the stored number was not read. `by` may be negative.
    ///
    /// ```
    /// use lambda_sessions::{Error, WriteOnlySession};
    ///
    /// fn hit(session: &WriteOnlySession) -> Result<(), Error> {
    ///     session.increment("hits", 1)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`Session::increment`], if they can be determined without a read. A
    /// stored value of another type is found when the session is written.
    pub fn increment(&self, key: impl AsKey<i64>, by: i64) -> Result<(), Error> {
        self.0
            .try_change(|state| state.add(key.as_key(), by).map(drop))
    }

    /// Logs out, like [`Session::destroy`].
    ///
    /// ```
    /// use lambda_sessions::{Error, WriteOnlySession};
    ///
    /// fn log_out(session: &WriteOnlySession) -> Result<(), Error> {
    ///     session.destroy()
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`Session::destroy`].
    pub fn destroy(&self) -> Result<(), Error> {
        self.0.destroy()
    }
}

/// The part of a session that the service uses and a handler does not.
impl Session {
    pub(crate) fn new(received: Received, backend: Arc<dyn Backend>) -> Self {
        let Received {
            ids,
            previous_cookies: former,
        } = received;
        let presented_anything = ids != Ids::Nothing;
        let reissue = matches!(ids, Ids::Reissue(_));
        let (presented, others) = match ids {
            Ids::One(id) | Ids::Reissue(id) => (Some(id), Vec::new()),
            Ids::Nothing | Ids::Unusable => (None, Vec::new()),
            Ids::Several(ids) => (None, ids),
        };
        let epoch = Timestamp::from_epoch_seconds(0);
        Self(Arc::new(Shared {
            presented_anything,
            reissue,
            others,
            former,
            loading: tokio::sync::Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            backend,
            state: Mutex::new(State {
                // Without an id, no record can be found.
                origin: match presented {
                    Some(_) => Origin::Unread,
                    None => Origin::Absent,
                },
                id: presented.clone(),
                moved_to: None,
                record: Record::new(Data::new(), epoch, epoch),
                changes: Changes::default(),
                ended: Ended::No,
                renew: false,
                require_unchanged: false,
                user: None,
                user_on_the_way: None,
                label: None,
                began: epoch,
                deadline: None,
                is_new: true,
                was_read: false,
                token: Token::Keep,
                not_loaded: None,
                failures: Vec::new(),
                seal: None,
            }),
            presented,
        }))
    }

    pub(crate) fn presented(&self) -> Option<&SessionId> {
        self.0.presented.as_ref()
    }

    pub(crate) fn presented_anything(&self) -> bool {
        self.0.presented_anything
    }

    pub(crate) fn former(&self) -> PreviousCookies {
        self.0.former
    }

    /// Loads the session through the backend, for callers that do not know the store.
    pub(crate) async fn load(&self) -> Result<(), Error> {
        if !self.was_read() {
            // Changes made after the response has left would be lost.
            self.try_change(|_| Ok(()))?;
        }
        self.0.backend.load(self).await
    }

    /// Locks loading. Only the holder of the guard loads.
    pub(crate) async fn loading(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.loading.lock().await
    }

    /// Locks writing. Only the holder of the guard writes.
    pub(crate) async fn writing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.writing.lock().await
    }

    pub(crate) fn was_read(&self) -> bool {
        self.with(|state| state.was_read)
    }

    /// Returns whether the session was read, changed, or failed to load. If not, it is sealed.
    pub(crate) fn is_to_be_settled(&self) -> bool {
        self.with(|state| {
            let used = state.was_read
                || state.ended != Ended::No
                || !state.changes.is_empty()
                || !state.failures.is_empty();
            if !used {
                state.seal();
            }
            used
        })
    }

    /// Returns whether the last load failed.
    pub(crate) fn was_not_loaded(&self) -> bool {
        self.with(|state| state.not_loaded.is_some())
    }

    /// Returns whether a logout and later changes were requested, and neither has been written.
    pub(crate) fn begins_anew_after_a_logout(&self) -> bool {
        self.with(|state| {
            let begins = !state.changes.is_empty() || state.user.is_some();
            state.ended == Ended::ByLogout && begins
        })
    }

    /// Refuses every later change and drops the changes that were not written. A function among
    /// them may hold this session.
    pub(crate) fn close(&self) {
        let changes = self.with(|state| {
            state.seal();
            mem::take(&mut state.changes)
        });
        drop(changes);
    }

    /// Adopts the record that the store found.
    pub(crate) fn loaded(
        &self,
        found: Found,
        moved_to: Option<StorageKey>,
        now: Timestamp,
        rules: &Expiry,
    ) {
        self.with(|state| {
            state.was_read = true;
            state.not_loaded = None;
            state.take_in(found, moved_to, now, rules);
        });
    }

    /// Returns the time after which the store is not called any more.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.with(|state| state.deadline)
    }

    /// Begins the request now.
    pub(crate) fn begin(&self, now: Timestamp, deadline: Option<Instant>) {
        self.with(|state| (state.began, state.deadline) = (now, deadline));
    }

    /// Remembers an error that is returned to a handler.
    pub(crate) fn failed(&self, error: &Error) {
        self.with(|state| state.note(error));
    }

    /// Remembers that the session could not be loaded.
    pub(crate) fn not_loaded(&self, error: &Error) {
        self.with(|state| {
            state.note(error);
            state.not_loaded = Some(error.distinct());
        });
    }

    /// Returns the last error that was returned to a handler and is still held. After the handler
    /// has returned, only its result can hold it.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.with(|state| state.failures.iter().rev().find_map(WeakError::upgrade))
    }

    /// Returns the reason for the seal, if the outcome of a write is unknown.
    pub(crate) fn unknown_outcome(&self) -> Option<Error> {
        self.with(|state| state.seal.as_ref().map(Error::distinct))
            .filter(|seal| seal.kind() == ErrorKind::OutcomeUnknown)
    }

    /// Returns the instruction to the client, with the id and the expiry to issue, if there are
    /// any.
    pub(crate) fn token(&self) -> (Token, Option<SessionId>, Timestamp) {
        self.with(|state| (state.token, state.id.clone(), state.record.ttl()))
    }

    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        Self::run(self.lock(), f)
    }

    fn run<R>(mut state: MutexGuard<'_, State>, f: impl FnOnce(&mut State) -> R) -> R {
        let result = f(&mut state);
        // The application's functions, and what they hold, are dropped while the session is
        // unlocked.
        let replaced = state.changes.take_replaced();
        drop(state);
        drop(replaced);
        result
    }

    /// Locks the state. A poisoned lock means that a panic occurred while it was held. Every change
    /// of the state is made completely or not at all, so the state is still valid.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `f` after every function of a value has computed its forecast, so that none runs under
    /// the lock.
    fn with_foreseen<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        let this = Arc::as_ptr(&self.0).addr();
        if running::is_running(this) {
            return self.with(f);
        }
        loop {
            let state = self.lock();
            let unforeseen = state.changes.unforeseen(state.base_or_empty());
            // Under the same lock: another thread could add a function in between.
            let Some((key, apply, there)) = unforeseen else {
                return Self::run(state, f);
            };
            drop(state);
            let made = {
                let _running = running::run(this);
                apply.run(there.as_ref())
            };
            let apply = apply.foreseeing(there, made);
            self.with(|state| state.changes.foresee(&key, apply));
        }
    }

    fn try_with<R>(&self, f: impl FnOnce(&mut State) -> Result<R, Error>) -> Result<R, Error> {
        self.with_foreseen(|state| {
            let result = f(state);
            if let Err(error) = &result {
                state.note(error);
            }
            result
        })
    }

    fn try_change<R>(&self, f: impl FnOnce(&mut State) -> Result<R, Error>) -> Result<R, Error> {
        self.try_with(|state| match &state.seal {
            Some(sealed) => Err(sealed.distinct()),
            None => f(state),
        })
    }

    fn parsed<T: DeserializeOwned>(&self, entry: Option<&Entry>) -> Result<Option<T>, Error> {
        self.noted(entry.map(parse).transpose())
    }

    fn noted<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.inspect_err(|error| self.failed(error))
    }
}
