//! Changes that hold against concurrent requests: increments, updates of the latest value, values
//! that only one request may take, and saves that require an unchanged session.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::key::AsKey;
use crate::session::handle::Session;
use crate::session::rebase::{MAX_RUNS, kept_changing};
use crate::session::value::{parse, to_entry};
use crate::store::changes::apply::Apply;
use crate::store::changes::change_set::Changes;

impl Session {
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
        for _ in 0..MAX_RUNS {
            let there = self.try_change(|state| state.entry(key))?;
            // The function is the application's code, so it runs while the session is unlocked.
            let result = self.noted(apply.run(there.as_ref()))?;
            let is_done = self.try_change(|state| {
                let is_there = state.current(key)?.as_deref() == there.as_ref();
                if is_there {
                    let apply = apply.clone().with_forecast(there, Ok(result));
                    let (base, changes) = state.base_and_changes();
                    changes.update(base, key, apply)?;
                }
                Ok(is_there)
            })?;
            if is_done {
                return Ok(());
            }
        }
        self.noted(Err(kept_changing()))
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
}
