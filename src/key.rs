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

/// A key whose value is read as a `T`: any string for any type, or a [`Key<T>`] for its own type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the key of a `{T}`",
    note = "a `Key<T>` reads and writes its own `T` only"
)]
pub trait AsKey<T> {
    /// Returns the name of the key.
    fn as_key(&self) -> &str;
}

/// A key under which a `V` is stored: any string for any type, or a [`Key<T>`] for a `T` or a `&T`.
/// A `Key<String>` also accepts a `&str`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the key of a `{V}`",
    note = "a `Key<T>` takes a `T` or a `&T`"
)]
pub trait Takes<V> {
    /// Returns the name of the key.
    fn as_key(&self) -> &str;
}

macro_rules! any_string_is_a_key {
    ($($string:ty),*) => {$(
        impl<T> AsKey<T> for $string {
            fn as_key(&self) -> &str {
                self
            }
        }
        impl<V> Takes<V> for $string {
            fn as_key(&self) -> &str {
                self
            }
        }
    )*};
}

macro_rules! a_key_is_one_of_its_type {
    ($($key:ty),*) => {$(
        impl<T> AsKey<T> for $key {
            fn as_key(&self) -> &str {
                self.name
            }
        }
        impl<T> Takes<T> for $key {
            fn as_key(&self) -> &str {
                self.name
            }
        }
        impl<T> Takes<&T> for $key {
            fn as_key(&self) -> &str {
                self.name
            }
        }
    )*};
}

any_string_is_a_key!(&str, String, &String);
a_key_is_one_of_its_type!(Key<T>, &Key<T>);

impl Takes<&str> for Key<String> {
    fn as_key(&self) -> &str {
        self.name
    }
}

impl Takes<&str> for &Key<String> {
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

    fn takes<V>(key: impl Takes<V>, _: V) -> usize {
        key.as_key().len()
    }

    fn reads<T>(key: impl AsKey<T>) -> usize {
        key.as_key().len()
    }

    #[test]
    #[allow(clippy::needless_borrows_for_generic_args)] // the borrows are what is tested
    fn strings_stand_for_any_type_and_keys_for_theirs() {
        const NAME: Key<String> = Key::new("name");
        const AGE: Key<u8> = Key::new("age");
        let owned = "name".to_owned();
        assert_eq!(
            takes("name", 1) + takes(&owned, "x") + takes(owned.clone(), [0]),
            12
        );
        assert_eq!(takes(NAME, "borrowed") + takes(&NAME, "borrowed"), 8);
        assert_eq!(takes(NAME, "owned".to_owned()) + takes(NAME, &owned), 8);
        assert_eq!(takes(AGE, 7) + takes(AGE, &7) + takes(&AGE, 7), 9);
        assert_eq!(reads::<u8>("age") + reads::<u8>(AGE) + reads(&AGE), 9);
    }

    #[test]
    fn the_bounds_of_a_key() {
        for (bytes, valid) in [(0, false), (1, true), (65_535, true), (65_536, false)] {
            let key = "k".repeat(bytes);
            assert_eq!(checked(&key).is_ok(), valid, "{bytes} bytes");
        }
        assert_eq!(checked("").unwrap_err().kind(), ErrorKind::InvalidKey);
    }

    #[test]
    fn debug_does_not_tell_the_name() {
        assert_eq!(format!("{:?}", Key::<u8>::new("secret")), "Key<u8>");
    }
}
