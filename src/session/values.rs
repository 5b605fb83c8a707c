//! The values of a session: reading, inserting and removing them.
//!
//! Values are serialized and parsed, and functions of the application run, while the session is
//! unlocked.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind};
use crate::key::{AsKey, Insert};
use crate::session::handle::Session;
use crate::session::value::to_entry;
use crate::store::changes::change_set::Changes;
use crate::store::data::Data;

impl Session {
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

    /// Returns the value stored under `key`, or stores the result of `f` and returns it.
    ///
    /// `f` runs only if the key is absent, and while the session is unlocked. If a clone of this
    /// session inserts a value while `f` runs, that value is returned and the result of `f` is
    /// dropped. Two concurrent requests may each insert their own value: the later write wins.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// fn theme(session: &Session) -> Result<String, Error> {
    ///     session.get_or_insert_with("theme", || "light".to_owned())
    /// }
    ///
    /// let session = Session::detached(());
    /// assert_eq!(theme(&session)?, "light");
    /// session.insert("theme", "dark")?;
    /// assert_eq!(theme(&session)?, "dark");
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Deserialize`](ErrorKind::Deserialize) if the stored value has another type, and
    /// leaves it in place. Fails with [`Serialize`](ErrorKind::Serialize) if the result of `f` has
    /// no JSON form or is nested deeper than 127 levels. Fails with
    /// [`InvalidKey`](ErrorKind::InvalidKey).
    pub fn get_or_insert_with<T: DeserializeOwned + Serialize>(
        &self,
        key: impl AsKey<T>,
        f: impl FnOnce() -> T,
    ) -> Result<T, Error> {
        let key = key.as_key();
        if let Some(value) = self.get(key)? {
            return Ok(value);
        }
        self.check_open()?;
        let value = f();
        let entry = self.noted(to_entry(&value))?;
        let stored = self.try_change(|state| {
            let stored = state.entry(key)?;
            if stored.is_none() {
                state.set(key, entry)?;
            }
            Ok(stored)
        })?;
        Ok(self.parsed(stored.as_ref())?.unwrap_or(value))
    }

    /// Stores a value under `key`.
    ///
    /// Values are stored as serde_json writes them. A float that JSON cannot express, a `NaN` or an
    /// infinity, becomes `null`.
    ///
    /// A value whose JSON text is equal to the stored one is not a change and costs no write. A
    /// `HashMap` or a `HashSet` may be written although it is equal, because its order differs each
    /// time. Use a `BTreeMap` or a `BTreeSet` instead.
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
    pub fn insert<V: Serialize>(&self, key: impl AsKey<V, Insert>, value: V) -> Result<(), Error> {
        // Not under the lock: serializing a value runs the application's code.
        let entry = to_entry(&value);
        self.try_change(|state| state.set(key.as_key(), entry?))
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
        self.try_change(|state| state.remove(key.as_ref()))
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
        self.with(|state| !matches!(state.current(key.as_ref()), Ok(None)))
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
        self.with(|state| state.changes.keys(state.base()))
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
            state.clear();
            Ok(())
        })
    }

    /// Removes a value with `take` and returns it. It is parsed while the session is unlocked, so
    /// another clone may change it in that time. The new value is then taken.
    pub(super) fn take_by<T: DeserializeOwned>(
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
}
