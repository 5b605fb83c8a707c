//! Keys: a plain string, or a [`Key<T>`] that carries the type of its value.

use std::fmt;
use std::marker::PhantomData;

use serde::{Serialize, Serializer};

use crate::error::{Error, ErrorKind};

/// The maximum length of a key in bytes, which is DynamoDB's limit for the name of an attribute
/// ([limits](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)).
const MAX_KEY_BYTES: usize = 65_535;

/// A key that carries the type of its value, so that a mistyped read does not compile.
///
/// ```
/// use lambda_sessions::{Key, Session};
///
/// const CART: Key<Vec<u32>> = Key::new("cart");
///
/// # fn main() -> Result<(), lambda_sessions::Error> {
/// let session = Session::detached([(CART, [17])]);
/// session.update(CART, |cart| cart.push(4))?;
/// assert_eq!(session.get(CART)?, Some(vec![17, 4]));
/// # Ok(())
/// # }
/// ```
///
/// A value of another type does not compile, with the error "`Key<Vec<u32>>` is not the key of a
/// `&str`":
///
/// ```compile_fail,E0277
/// # use lambda_sessions::{Key, Session};
/// const CART: Key<Vec<u32>> = Key::new("cart");
/// Session::detached(()).insert(CART, "17").unwrap();
/// ```
pub struct Key<T> {
    name: &'static str,
    value: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// Creates a key with this name.
    ///
    /// ```
    /// use lambda_sessions::Key;
    ///
    /// const CART: Key<Vec<u32>> = Key::new("cart");
    /// assert_eq!(CART.name(), "cart");
    /// ```
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            value: PhantomData,
        }
    }

    /// Returns the name of the key in the session.
    ///
    /// ```
    /// use lambda_sessions::Key;
    ///
    /// const THEME: Key<String> = Key::new("theme");
    /// assert_eq!(THEME.name(), "theme");
    /// ```
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

/// Hides the name, which may be a secret.
impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key<{}>", std::any::type_name::<T>())
    }
}

/// Serializes the name, so that [`Session::detached([(KEY, value)])`](crate::Session::detached)
/// gets pairs.
impl<T> Serialize for Key<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

impl<T> AsRef<str> for Key<T> {
    fn as_ref(&self) -> &str {
        self.name
    }
}

/// A key for a value of type `V`: any string for any type, or a [`Key<T>`] for its own type.
///
/// `Access` is [`Read`] or [`Insert`]. A [`Key<T>`] is read as a `T`. It accepts a `T` or a `&T` for
/// an insertion, and a `Key<String>` also accepts a `&str`.
///
/// ```
/// use lambda_sessions::session::{AsKey, Insert};
/// use lambda_sessions::{Error, Key, Session};
///
/// const NAME: Key<String> = Key::new("name");
///
/// fn read_name(session: &Session, key: impl AsKey<String>) -> Result<String, Error> {
///     Ok(session.get(key)?.unwrap_or_default())
/// }
///
/// fn set_name<'a>(
///     session: &Session,
///     key: impl AsKey<&'a str, Insert>,
///     name: &'a str,
/// ) -> Result<(), Error> {
///     session.insert(key, name)
/// }
///
/// let session = Session::detached(());
/// set_name(&session, NAME, "ada")?;
/// assert_eq!(read_name(&session, "name")?, "ada");
/// # Ok::<_, Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the key of a `{V}`",
    note = "a string is the key of any value; a `Key<T>` reads a `T`, and inserts a `T` or a `&T`"
)]
pub trait AsKey<V, Access = Read> {
    /// Returns the name of the key.
    fn as_key(&self) -> &str;
}

/// The access of a key that is read, in [`AsKey`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Read;

/// The access of a key under which a value is inserted, in [`AsKey`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Insert;

macro_rules! impl_for_strings {
    ($($string:ty),*) => {$(
        impl<V, Access> AsKey<V, Access> for $string {
            fn as_key(&self) -> &str {
                self
            }
        }
    )*};
}

macro_rules! impl_for_keys {
    ($($key:ty: $access:ty => $value:ty),* $(,)?) => {$(
        impl<T> AsKey<$value, $access> for $key {
            fn as_key(&self) -> &str {
                self.name
            }
        }
    )*};
}

impl_for_strings!(&str, String, &String);
// One implementation for reads, so that `get(KEY)` infers the type of its value.
impl_for_keys! {
    Key<T>: Read => T,
    &Key<T>: Read => T,
    Key<T>: Insert => T,
    &Key<T>: Insert => T,
    Key<T>: Insert => &T,
    &Key<T>: Insert => &T,
}

impl AsKey<&str, Insert> for Key<String> {
    fn as_key(&self) -> &str {
        self.name
    }
}

impl AsKey<&str, Insert> for &Key<String> {
    fn as_key(&self) -> &str {
        self.name
    }
}

/// Returns the key if it is valid.
///
/// # Errors
///
/// Fails with [`InvalidKey`](ErrorKind::InvalidKey) if the key is empty or longer than 65,535
/// bytes. DynamoDB rejects even a read of an empty one.
pub(crate) fn checked(key: &str) -> Result<&str, Error> {
    if is_valid(key) {
        Ok(key)
    } else {
        Err(Error::new(
            ErrorKind::InvalidKey,
            "a key must have 1 to 65,535 bytes",
        ))
    }
}

pub(crate) fn is_valid(key: &str) -> bool {
    (1..=MAX_KEY_BYTES).contains(&key.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inserts<V>(key: impl AsKey<V, Insert>, _: V) -> usize {
        key.as_key().len()
    }

    fn reads<T>(key: impl AsKey<T>) -> usize {
        key.as_key().len()
    }

    #[test]
    #[allow(clippy::needless_borrows_for_generic_args)] // the borrows are what is tested
    fn key_accepts_its_type_and_strings_any() {
        const NAME: Key<String> = Key::new("name");
        const AGE: Key<u8> = Key::new("age");
        let owned = "name".to_owned();
        assert_eq!(
            inserts("name", 1) + inserts(&owned, "x") + inserts(owned.clone(), [0]),
            12
        );
        assert_eq!(inserts(NAME, "borrowed") + inserts(&NAME, "borrowed"), 8);
        assert_eq!(inserts(NAME, "owned".to_owned()) + inserts(NAME, &owned), 8);
        assert_eq!(inserts(AGE, 7) + inserts(AGE, &7) + inserts(&AGE, 7), 9);
        assert_eq!(reads::<u8>("age") + reads::<u8>(AGE) + reads(&AGE), 9);
    }

    #[test]
    fn key_has_1_to_65535_bytes() {
        for (bytes, valid) in [(0, false), (1, true), (65_535, true), (65_536, false)] {
            let key = "k".repeat(bytes);
            assert_eq!(checked(&key).is_ok(), valid, "{bytes} bytes");
        }
        assert_eq!(checked("").unwrap_err().kind(), ErrorKind::InvalidKey);
    }

    #[test]
    fn key_debug_hides_the_name() {
        assert_eq!(format!("{:?}", Key::<u8>::new("secret")), "Key<u8>");
    }
}
