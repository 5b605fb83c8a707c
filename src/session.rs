//! A synchronous handle over one session.
//!
//! 1. One request has one session; every clone is the same one.
//! 2. Nothing here does I/O but [`Session::save`] and what lists and revokes a user's sessions; they
//!    ask the [`Backend`] behind it.
//! 3. The lock is held for the length of one method and never across an await. No code of the
//!    application runs under it: values are serialized and parsed, and functions of values run,
//!    while it is free.
//! 4. A method that fails changes nothing. If the handler returns that very error, in whatever type,
//!    [`on_error`](crate::SessionLayer::on_error) answers.
//! 5. Once the request's outcome is decided the session is sealed: what cannot be stored any more
//!    is refused, not forgotten.

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

use crate::changes::{Apply, Changes, Origin};
use crate::config;
use crate::error::{Error, ErrorKind, WeakError};
use crate::expiry::{Expiry, Timestamp};
use crate::id::{SessionId, StorageKey};
use crate::key::{self, AsKey, Takes};
use crate::presented::{Former, Ids, Presented};
use crate::record::{Data, Entry, Found, Record};
use crate::session::value::{parse, to_entry};
use crate::user::{Pseudonym, Revoked, UserSessions};

pub(crate) use crate::session::pending::{Home, Pending};

/// The session of one request. Cheap to clone; every clone is the same session.
///
/// It is had as the second argument of a [wrapped](crate::SessionLayer::wrap) handler, or by
/// [`request.session().await?`](crate::SessionExt::session). That load is the only thing to wait
/// for; what is changed here is written once, after the handler has returned.
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
/// Any method that takes a key fails with [`InvalidKey`](ErrorKind::InvalidKey) for an empty one or
/// one of over 65,535 bytes. Any that changes something fails with
/// [`Misconfigured`](ErrorKind::Misconfigured) once the request's outcome is decided, as when a
/// clone was kept past the response.
#[derive(Clone)]
pub struct Session(Arc<Shared>);

struct Shared {
    /// The id that the client presented, if it was one.
    presented: Option<SessionId>,
    /// Whether it presented anything at all where the id belongs.
    presented_anything: bool,
    /// Whether the client must get the id that it presented again.
    reissue: bool,
    /// The ids of an ambiguous request, of which none was accepted.
    others: Vec<SessionId>,
    /// The previous cookies that go when the current one is set or removed.
    former: Former,
    /// Held while the record is loaded, so that it is loaded once.
    loading: tokio::sync::Mutex<()>,
    /// Held while something is written, so that a save waits for the one before it: what that one
    /// leaves is what the next one changes.
    writing: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    backend: Arc<dyn Backend>,
}

/// What does a session's I/O, its store's type forgotten: the future is boxed for that.
pub(crate) trait Backend: Send + Sync {
    fn load<'a>(&'a self, session: &'a Session) -> Boxed<'a>;
    fn save<'a>(&'a self, session: &'a Session) -> Boxed<'a>;

    /// What the store knows a user by.
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
    /// The id under which it is stored, as far as `origin` says that it is.
    id: Option<SessionId>,
    /// The key under which it is stored, where that is not the id's.
    moved_to: Option<StorageKey>,
    /// What is stored; an empty one that begins now if nothing is, or nobody looked.
    record: Record,
    changes: Changes,
    ended: Ended,
    renew: bool,
    require_unchanged: bool,
    /// The user who has logged in, whether it is bound to that one already or not.
    user: Option<Pseudonym>,
    /// The user whose login is being written.
    user_on_the_way: Option<Pseudonym>,
    label: Option<String>,
    /// When the request began.
    began: Timestamp,
    /// When the invocation has no time left for the store.
    deadline: Option<Instant>,
    /// Whether this request began it.
    is_new: bool,
    /// Whether a handler asked for what is stored.
    was_read: bool,
    token: Token,
    /// Why the last load failed, until one succeeds: a session that could not be loaded is not
    /// written.
    not_loaded: Option<Error>,
    /// The errors that a handler was given, the last ones at least.
    failures: Vec<WeakError>,
    seal: Option<Error>,
}

/// Whether what was stored is to end with this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ended {
    No,
    /// Another user has logged in. If the handler fails, nothing ends.
    ByLogin,
    /// It was logged out. It ends whatever becomes of the handler.
    ByLogout,
}

/// How many errors of one request are remembered.
const MOST_FAILURES: usize = 16;
/// How often a function is run where another clone of the session changes the value meanwhile.
const MOST_RUNS: usize = 16;

/// What the client is to be told of the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// Nothing: what it has is right.
    Keep,
    /// The id under which the session is stored now, and how long it lives.
    Issue,
    /// To forget it.
    Remove,
}

/// How much of what was asked for is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All but what is due by itself: [`Session::save`].
    Save,
    /// All: the handler succeeded.
    Commit,
    /// A logout and nothing else: the handler failed.
    OnlyDestroy,
}

impl Session {
    /// A session without a store, for testing handlers. What is saved stays in memory.
    ///
    /// `values` is what it holds: anything that serializes to a JSON object, to a list of pairs of
    /// a key and a value, or to nothing (`()`).
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
    /// If `values` are none of that.
    #[must_use]
    pub fn detached(values: impl Serialize) -> Self {
        let now = config::system_clock().into();
        let data = match detached::data(&values) {
            Some(data) => data,
            None => panic!("a detached session is made of an object or of pairs"),
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

    /// Returns the value stored under `key`, as a `T`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`Deserialize`](ErrorKind::Deserialize) if it is of another type; the value stays.
    /// [`InvalidKey`](ErrorKind::InvalidKey).
    pub fn get<T: DeserializeOwned>(&self, key: impl AsKey<T>) -> Result<Option<T>, Error> {
        let entry = self.try_with(|state| state.entry(key.as_key()))?;
        self.parsed(entry.as_ref())
    }

    /// Returns the value stored under `key`, as a `T`, and removes it if it is of another type: for a
    /// type that changed from one deployment to the next, where [`get`](Self::get) would fail in
    /// every request until the session expires.
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
    /// [`InvalidKey`](ErrorKind::InvalidKey).
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

    /// Puts a value under a key. A value equal to what is there changes nothing, and so costs no
    /// write.
    ///
    /// Values are stored as serde_json writes them: what JSON does not know, a `NaN` or an
    /// infinity, becomes `null`.
    ///
    /// # Errors
    ///
    /// [`Serialize`](ErrorKind::Serialize) if it has no JSON form, or is nested deeper than 127
    /// levels. [`InvalidKey`](ErrorKind::InvalidKey).
    pub fn insert<V: Serialize>(&self, key: impl Takes<V>, value: V) -> Result<(), Error> {
        // Not under the lock: how a value is serialized is somebody else's code.
        let entry = to_entry(&value);
        self.try_change(|state| {
            let key = key::checked(key.as_key())?;
            let (base, changes) = state.base_and_changes();
            changes.set(base, key, entry?);
            Ok(())
        })
    }

    /// Removes the value stored under `key`. If there is none, nothing changes.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`](ErrorKind::InvalidKey).
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
    /// Two concurrent requests may both get it. A value that only one of them may have is taken by
    /// [`take_once`](Self::take_once).
    ///
    /// # Errors
    ///
    /// [`Deserialize`](ErrorKind::Deserialize) if it is of another type; it is not removed then.
    /// [`InvalidKey`](ErrorKind::InvalidKey).
    pub fn take<T: DeserializeOwned>(&self, key: impl AsKey<T>) -> Result<Option<T>, Error> {
        self.take_by(key.as_key(), Changes::remove)
    }

    /// Removes the value stored under `key` and returns it, as a `T`, to one request alone: a value
    /// that is good for one use, such as the `state` of an OAuth login.
    ///
    /// The removal is written only if no other request has removed or changed the value since it was
    /// read. Otherwise [`save`](Self::save), or the end of the request, fails with
    /// [`Conflict`](ErrorKind::Conflict), and nothing is written; the answer to the client is
    /// [`on_error`](crate::SessionLayer::on_error)'s. Call `save` before a side effect that must happen
    /// once. Only a [logout](Self::destroy) that nothing follows is not held back by it.
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
    /// As [`take`](Self::take).
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

    /// Returns whether there is a value under `key`, of whatever type. No value has an
    /// [invalid key](ErrorKind::InvalidKey).
    pub fn contains(&self, key: impl AsRef<str>) -> bool {
        // An increment of what is no number is an error of `get`, and still a value.
        self.with_foreseen(|state| !matches!(state.current(key.as_ref()), Ok(None)))
    }

    /// All keys, in order.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.with(|state| state.changes.keys(state.base_or_empty()))
    }

    /// Returns how many values the session holds.
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

    /// Returns whether the session holds nothing. An empty session that was never stored is never
    /// stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys().is_empty()
    }

    /// Removes every value. A stored session stays stored, empty; [`destroy`](Self::destroy)
    /// removes it.
    ///
    /// # Errors
    ///
    /// Only those of every change, [above](Self#errors).
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

    /// Counts a key up, or down, and gives the sum. An absent key counts from 0.
    ///
    /// The sum is added by the store when the session is written, so concurrent requests all
    /// count. What is returned here, and what [`get`](Self::get) gives until then, is a forecast.
    ///
    /// # Errors
    ///
    /// [`Deserialize`](ErrorKind::Deserialize) if the key holds anything but an integer that fits
    /// in an `i64`, [`Serialize`](ErrorKind::Serialize) if the sum does not.
    /// [`InvalidKey`](ErrorKind::InvalidKey).
    pub fn increment(&self, key: impl AsKey<i64>, by: i64) -> Result<i64, Error> {
        self.try_change(|state| {
            let sum = state.add(key.as_key(), by)?;
            // A session that was read always knows its sum.
            Ok(sum.unwrap_or(by))
        })
    }

    /// Changes a value as it will be when the session is written, and not as it was read: for what
    /// several requests change at once, such as a list that grows. An absent key begins with
    /// `T::default()`.
    ///
    /// `f` is run now, so that [`get`](Self::get) gives a forecast, and again whenever another
    /// request has changed the key in between. It should not do anything else than change the value.
    /// What other requests do to other keys does not run it again. If it changes nothing of the value
    /// that was read, it is dropped, as if it had been applied right then.
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
    /// [`Deserialize`](ErrorKind::Deserialize) if the key holds another type,
    /// [`Serialize`](ErrorKind::Serialize) if what `f` makes of it has no JSON form,
    /// [`InvalidKey`](ErrorKind::InvalidKey). When it is written,
    /// [`Conflict`](ErrorKind::Conflict) if other requests went on changing the key until the time
    /// was up.
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
            // The function is the application's, and so it runs while the session is not locked.
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
        let reason = "the value of an update was changed each time that the update ran";
        self.noted(Err(Error::new(ErrorKind::Conflict, reason)))
    }

    /// Lets this request's changes be written only if no other request has written the session
    /// since it was read: for rules that span keys. Otherwise the save fails with
    /// [`Conflict`](ErrorKind::Conflict), and nothing is written.
    ///
    /// A touch is no write, and a logout is not held back by it.
    ///
    /// # Errors
    ///
    /// Only those of every change, [above](Self#errors).
    pub fn require_unchanged(&self) -> Result<(), Error> {
        self.try_change(|state| {
            state.require_unchanged = true;
            Ok(())
        })
    }

    /// Gives the session a new id at the end of the request, with the same data. The old one is dead
    /// at once. Call it at every change of privilege: it is the defence against
    /// [session fixation][owasp]. [`log_in`](Self::log_in) implies it.
    ///
    /// A request that read the session before, and changes it after, is answered with 409. One that
    /// comes with the old id later reads an empty session, and may begin a new one. Nothing that is
    /// written in this request is ever visible under the old id, not by [`save`](Self::save) either.
    ///
    /// # Errors
    ///
    /// Only those of every change, [above](Self#errors).
    ///
    /// [owasp]: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#renew-the-session-id-after-any-privilege-level-change
    pub fn cycle_id(&self) -> Result<(), Error> {
        self.try_change(|state| {
            state.renew = true;
            Ok(())
        })
    }

    /// Logs out: the record goes at the end of the request, and so does the cookie. From here on the
    /// session is empty, and what is inserted begins a new one with a new id.
    ///
    /// It holds even if the handler then returns `Err` or answers 5xx. After a panic, or if the
    /// request is dropped, nothing is written at all.
    ///
    /// If the client sent two different ids, so that neither was accepted, the sessions of both end.
    ///
    /// # Errors
    ///
    /// Only those of every change, [above](Self#errors).
    pub fn destroy(&self) -> Result<(), Error> {
        self.try_change(|state| Ok(state.end(Ended::ByLogout)))
            .map(drop)
    }

    /// Writes now what would be written at the end, for a side effect that must not happen unless
    /// the session is stored. After it, [`get`](Self::get) gives what was committed.
    ///
    /// A pending [`cycle_id`](Self::cycle_id) or [`log_in`](Self::log_in) is performed: from here on
    /// [`id`](Self::id) is the new one, and the old one is dead. The client learns of it by the
    /// response. If the handler then returns `Err`, or the end of the request fails, the client has to
    /// begin anew.
    ///
    /// One save waits for the one before it. Drop the future of a save that you no longer wait for: one
    /// that is kept and not polled keeps later ones waiting until the invocation's deadline.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable), [`Throttled`](ErrorKind::Throttled),
    /// [`Timeout`](ErrorKind::Timeout) (the invocation has no time left),
    /// [`Misconfigured`](ErrorKind::Misconfigured), [`Conflict`](ErrorKind::Conflict),
    /// [`TooLarge`](ErrorKind::TooLarge), [`Gone`](ErrorKind::Gone),
    /// [`Corrupt`](ErrorKind::Corrupt), [`Deserialize`](ErrorKind::Deserialize) (an increment met
    /// another type), [`Serialize`](ErrorKind::Serialize) (its sum is no `i64`): nothing was
    /// written, and the changes stay pending.
    /// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown): it may have been written, and the session is
    /// sealed.
    pub async fn save(&self) -> Result<(), Error> {
        self.try_change(|_| Ok(()))?;
        self.0.backend.save(self).await
    }

    /// The id under which the session is stored. `None` while nothing is.
    #[must_use]
    pub fn id(&self) -> Option<SessionId> {
        self.with(|state| state.id.clone().filter(|_| state.origin.is_live()))
    }

    /// Whether this request began it: no live record came with the request.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.with(|state| state.is_new)
    }

    /// When it began, in whole seconds. Its [lifetime](crate::SessionLayer::lifetime) counts from
    /// here.
    #[must_use]
    pub fn created(&self) -> SystemTime {
        self.with(|state| state.record.created().into())
    }

    /// When it dies unless it is used again, in whole seconds.
    #[must_use]
    pub fn expires(&self) -> SystemTime {
        self.with(|state| state.record.ttl().into())
    }
}

/// Tells neither the id nor what it holds.
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

/// A write-only view of a request's session, had without reading it.
///
/// What is changed here is one `UpdateItem` at the end of the request, and no read. If the session
/// turns out to have died, the changes begin a new one; if it was given a new id after this request had
/// begun, they are refused with [`Gone`](ErrorKind::Gone).
///
/// Of a write whose answer was lost, and that nothing was read for, nobody can tell whether it
/// happened, unless it is found in the table: it fails with
/// [`OutcomeUnknown`](ErrorKind::OutcomeUnknown) more often than one after a read. When nothing was
/// heard of DynamoDB for 10 seconds, so that the connection may have died while the environment was
/// frozen, it is read first.
///
/// It leaves the expiry as it is: a client that does nothing else is idle.
#[derive(Clone, Debug)]
pub struct WriteOnlySession(pub(crate) Session);

impl WriteOnlySession {
    /// Puts a value under a key.
    ///
    /// # Errors
    ///
    /// As of [`Session::insert`].
    pub fn insert<V: Serialize>(&self, key: impl Takes<V>, value: V) -> Result<(), Error> {
        self.0.insert(key, value)
    }

    /// Removes the value stored under `key`.
    ///
    /// # Errors
    ///
    /// As [`Session::remove`].
    pub fn remove(&self, key: impl AsRef<str>) -> Result<(), Error> {
        self.0.remove(key)
    }

    /// Counts a key up, or down. The sum is not known here.
    ///
    /// # Errors
    ///
    /// As of [`Session::increment`], as far as is known here. That the key holds another type is
    /// found out when the session is written.
    pub fn increment(&self, key: impl AsKey<i64>, by: i64) -> Result<(), Error> {
        self.0
            .try_change(|state| state.add(key.as_key(), by).map(drop))
    }

    /// Logs out, as [`Session::destroy`].
    ///
    /// # Errors
    ///
    /// As [`Session::destroy`].
    pub fn destroy(&self) -> Result<(), Error> {
        self.0.destroy()
    }
}

/// What the service knows of a session and a handler does not.
impl Session {
    pub(crate) fn new(presented: Presented, backend: Arc<dyn Backend>) -> Self {
        let Presented { ids, former } = presented;
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
                // Without an id there is nothing to look for.
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

    pub(crate) fn former(&self) -> Former {
        self.0.former
    }

    /// Loads it through the backend, for whoever does not know the store.
    pub(crate) async fn load(&self) -> Result<(), Error> {
        if !self.was_read() {
            // Whoever asks for it after the response has left could lose what they change.
            self.try_change(|_| Ok(()))?;
        }
        self.0.backend.load(self).await
    }

    /// Whoever holds this is the only one to load.
    pub(crate) async fn loading(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.loading.lock().await
    }

    /// Whoever holds this is the only one to write.
    pub(crate) async fn writing(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.writing.lock().await
    }

    pub(crate) fn was_read(&self) -> bool {
        self.with(|state| state.was_read)
    }

    /// Whether there is anything to settle: it was asked for, changed, or failed to load. If there is
    /// not, it is sealed.
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

    /// Whether its last load failed.
    pub(crate) fn was_not_loaded(&self) -> bool {
        self.with(|state| state.not_loaded.is_some())
    }

    /// Whether a logout was asked for, and something after it, and neither has been written.
    pub(crate) fn begins_anew_after_a_logout(&self) -> bool {
        self.with(|state| {
            let begins = !state.changes.is_empty() || state.user.is_some();
            state.ended == Ended::ByLogout && begins
        })
    }

    /// Refuses every change from here on, and lets go of those that were not written: a function
    /// among them may hold this very session.
    pub(crate) fn close(&self) {
        let changes = self.with(|state| {
            state.seal();
            mem::take(&mut state.changes)
        });
        drop(changes);
    }

    /// Takes in what the store had.
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

    /// From when on the store is not asked any more.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.with(|state| state.deadline)
    }

    /// The request begins now.
    pub(crate) fn begin(&self, now: Timestamp, deadline: Option<Instant>) {
        self.with(|state| (state.began, state.deadline) = (now, deadline));
    }

    /// Remembers an error that a handler is given.
    pub(crate) fn failed(&self, error: &Error) {
        self.with(|state| state.note(error));
    }

    /// Remembers that it could not be loaded.
    pub(crate) fn not_loaded(&self, error: &Error) {
        self.with(|state| {
            state.note(error);
            state.not_loaded = Some(error.distinct());
        });
    }

    /// The last error that a handler was given and that is still held: by what it has returned, since
    /// it has returned.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.with(|state| state.failures.iter().rev().find_map(WeakError::upgrade))
    }

    /// Why the session is sealed, if a write's outcome is unknown.
    pub(crate) fn unknown_outcome(&self) -> Option<Error> {
        self.with(|state| state.seal.as_ref().map(Error::distinct))
            .filter(|seal| seal.kind() == ErrorKind::OutcomeUnknown)
    }

    /// What the client is to be told, with the id and expiry where it is one to be issued.
    pub(crate) fn token(&self) -> (Token, Option<SessionId>, Timestamp) {
        self.with(|state| (state.token, state.id.clone(), state.record.ttl()))
    }

    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = f(&mut state);
        // What an application put into its functions is dropped while the session is not locked.
        let replaced = state.changes.take_replaced();
        drop(state);
        drop(replaced);
        result
    }

    /// Poisoning says that a panic came while the lock was held: every change of the state is
    /// made whole or not at all, so there is nothing to distrust.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `f` where all functions of values have foreseen what they make of what was read, so that
    /// none of them runs under the lock.
    fn with_foreseen<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        let this = Arc::as_ptr(&self.0).addr();
        if running::is_running(this) {
            return self.with(f);
        }
        loop {
            let state = self.lock();
            let unforeseen = state.changes.unforeseen(state.base_or_empty());
            drop(state);
            let Some((key, apply, there)) = unforeseen else {
                return self.with(f);
            };
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
