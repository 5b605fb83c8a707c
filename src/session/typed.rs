//! A session as one struct.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::key;
use crate::session::fields;
use crate::session::handle::Session;
use crate::store::data::Data;

impl Session {
    /// Returns a view of the session as a struct, with one key for each field.
    ///
    /// The view reads and writes nothing by itself. It can be combined with the other methods: its
    /// fields are ordinary values of the session.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Default, Deserialize, Serialize)]
    /// #[serde(default)]
    /// struct Shop {
    ///     cart: Vec<u32>,
    ///     #[serde(skip_serializing_if = "Option::is_none")]
    ///     coupon: Option<String>,
    /// }
    ///
    /// fn redeem(session: &Session) -> Result<Option<String>, Error> {
    ///     session.typed::<Shop>().update(|shop| {
    ///         shop.cart.push(4);
    ///         shop.coupon.take()
    ///     })
    /// }
    ///
    /// # fn main() -> Result<(), Error> {
    /// let session = Session::detached([("coupon", "SPRING")]);
    /// assert_eq!(redeem(&session)?.as_deref(), Some("SPRING"));
    /// assert_eq!(session.get("cart")?, Some(vec![4]));
    /// assert!(!session.contains("coupon"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn typed<T: Serialize + DeserializeOwned>(&self) -> Typed<T> {
        Typed {
            session: self.clone(),
            value: PhantomData,
        }
    }
}

/// A view of a session as a struct, from [`Session::typed`].
///
/// Each field of `T` is one key of the session, with the name that serde gives it. The session is
/// still merged key by key: concurrent requests that change different fields do not overwrite each
/// other. If two change the same field, the later write wins. For such fields, use
/// [`Session::update`] or [`Session::increment`] on the key.
///
/// | Serde attribute | Effect |
/// |---|---|
/// | `default` on the struct or a field | a field may be absent from the session |
/// | `rename`, `rename_all` | the field has another key |
/// | `skip_serializing_if` | a field that is skipped is removed from the session |
/// | `skip_serializing` | the field is only read, and is removed when the view is written |
/// | `alias` | a value is also read under this key; when the view is written, it moves to the field's own key |
/// | `flatten` | the fields of the inner struct are keys too; a map gets every other value that is JSON |
/// | `deny_unknown_fields` | none, because the session may have other keys |
///
/// An `Option` field that is `None` is stored as `null`, unless it is skipped. Keys that `T` does
/// not have are not changed.
pub struct Typed<T> {
    session: Session,
    value: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Typed<T> {
    /// Returns the session as a `T`.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Deserialize, Serialize)]
    /// struct Account {
    ///     name: String,
    ///     #[serde(default)]
    ///     visits: u32,
    /// }
    ///
    /// let session = Session::detached([("name", "ada")]);
    /// let account = session.typed::<Account>().get()?;
    /// assert_eq!((account.name.as_str(), account.visits), ("ada", 0));
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Deserialize`](ErrorKind::Deserialize) if a field is absent and has no default,
    /// or if its value has another type. An empty session is therefore an error unless every field
    /// has a default.
    pub fn get(&self) -> Result<T, Error> {
        let shown = self.shown()?;
        let (value, _) = fields::read(&shown);
        self.session.noted(value)
    }

    /// Stores every field of a value.
    ///
    /// A field equal to the stored value is not a change and costs no write. A field that `value`
    /// does not serialize is removed.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Deserialize, Serialize)]
    /// struct Account {
    ///     name: String,
    /// }
    ///
    /// let session = Session::detached([("theme", "dark")]);
    /// session.typed().set(&Account { name: "ada".to_owned() })?;
    /// assert_eq!(session.keys(), ["name", "theme"]);
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Serialize`](ErrorKind::Serialize) if the value does not serialize to a JSON
    /// object, or if a field is nested deeper than 127 levels. Fails with
    /// [`InvalidKey`](ErrorKind::InvalidKey) if the name of a field is empty or too long. Nothing
    /// is changed then.
    pub fn set(&self, value: &T) -> Result<(), Error> {
        let after = self.session.noted(fields::write(value))?;
        let shown = self.shown()?;
        let (stored, names) = fields::read::<T>(&shown);
        let before = stored.and_then(|stored| fields::write(&stored));
        let before = before.unwrap_or_default();
        let known = names.iter().copied();
        let known = known.chain(before.iter().map(|(key, _)| key));
        let is_removed = |key: &&str| shown.get(key).is_some() && after.get(key).is_none();
        let removed: Vec<&str> = known.filter(is_removed).collect();
        self.change(&after, &removed)
    }

    /// Changes the fields of the session with a function, and returns its result.
    ///
    /// `f` gets the session as a `T` and runs once, while the session is unlocked. The fields that
    /// it changed are then stored, all or none. If it changes nothing, nothing is stored.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Default, Deserialize, Serialize)]
    /// #[serde(default)]
    /// struct Game {
    ///     level: u32,
    ///     lives: u32,
    /// }
    ///
    /// let session = Session::detached(());
    /// let level = session.typed().update(|game: &mut Game| {
    ///     game.level += 1;
    ///     game.level
    /// })?;
    /// assert_eq!(level, 1);
    /// assert_eq!(session.keys(), ["level"]); // `lives` did not change
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`get`](Self::get), and then does not run `f`. Fails with the
    /// errors of [`set`](Self::set).
    pub fn update<R>(&self, f: impl FnOnce(&mut T) -> R) -> Result<R, Error> {
        self.session.check_open()?;
        let shown = self.shown()?;
        let (value, names) = fields::read::<T>(&shown);
        let mut value = self.session.noted(value)?;
        let before = self.session.noted(fields::write(&value))?;
        let result = f(&mut value);
        let after = self.session.noted(fields::write(&value))?;
        if after == before {
            return Ok(result);
        }
        // A value that was read under an alias moves to the field's own key.
        let is_moved = |key: &&str| shown.get(key).is_some() && before.get(key).is_none();
        let moved: Vec<&str> = names.iter().copied().filter(is_moved).collect();
        let is_changed = |(key, entry): &(&str, _)| before.get(key) != Some(*entry);
        let changed = after
            .iter()
            .filter(|it| !moved.is_empty() || is_changed(it));
        let changed: Data = changed.map(|(key, entry)| (key, entry.clone())).collect();
        let removed = before
            .iter()
            .map(|(key, _)| key)
            .chain(moved.iter().copied());
        let is_removed = |key: &&str| shown.get(key).is_some() && after.get(key).is_none();
        let removed: Vec<&str> = removed.filter(is_removed).collect();
        self.change(&changed, &removed)?;
        Ok(result)
    }

    fn shown(&self) -> Result<Data, Error> {
        self.session.try_with(|state| state.shown())
    }

    /// Stores and removes these keys, all or none.
    fn change(&self, stored: &Data, removed: &[&str]) -> Result<(), Error> {
        self.session.try_change(|state| {
            for (key, _) in stored.iter() {
                key::checked(key)?;
            }
            for (key, entry) in stored.iter() {
                state.set(key, entry.clone())?;
            }
            removed.iter().try_for_each(|key| state.remove(key))
        })
    }
}

impl<T> Clone for Typed<T> {
    fn clone(&self) -> Self {
        Self {
            session: self.session.clone(),
            value: PhantomData,
        }
    }
}

/// Shows neither the id nor the values.
impl<T> fmt::Debug for Typed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Typed").field(&self.session).finish()
    }
}
