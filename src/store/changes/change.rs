//! The change of one key.

use std::borrow::Cow;
use std::fmt;

use crate::error::Error;
use crate::store::changes::apply::{Apply, integer, overflow, sum};
use crate::store::data::Entry;

/// The change of one key.
#[non_exhaustive]
#[derive(Clone)]
pub enum Change {
    /// Stores this value.
    Set(Entry),
    /// Removes the key.
    Remove,
    /// Adds this number to the stored one. An absent key counts from 0.
    Add(i64),
    /// Replaces the value with the result of functions of it.
    Apply(Apply),
}

/// The value of a key after a change, or `None` if the key is absent.
pub(super) type After<'a> = Result<Option<Cow<'a, Entry>>, Error>;

impl Change {
    /// Returns the entry after the change.
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`Changes::apply`](crate::store::Changes::apply).
    pub(super) fn of<'a>(&'a self, there: Option<&Entry>) -> After<'a> {
        Ok(match self {
            Self::Set(entry) => Some(Cow::Borrowed(entry)),
            Self::Remove => None,
            Self::Add(by) => Some(Cow::Owned(integer(sum(there, *by)?))),
            Self::Apply(apply) => Some(Cow::Owned(apply.run(there)?)),
        })
    }

    /// Returns the entry after the change, if it is known without running a function.
    pub(super) fn known<'a>(&'a self, there: Option<&Entry>) -> Option<After<'a>> {
        match self {
            Self::Apply(apply) => {
                let result = apply.forecast(there)?;
                Some(result.map(|entry| Some(Cow::Borrowed(entry))))
            }
            Self::Set(_) | Self::Remove | Self::Add(_) => Some(self.of(there)),
        }
    }

    /// Returns the entry after an earlier change and this one, if it is known without running a
    /// function.
    pub(super) fn known_after<'a>(
        &'a self,
        earlier: Option<&Self>,
        there: Option<&Entry>,
    ) -> Option<After<'a>> {
        match earlier {
            None => self.known(there),
            Some(earlier) => match earlier.known(there)? {
                Ok(between) => self.known(between.as_deref()),
                Err(error) => Some(Err(error)),
            },
        }
    }

    /// Returns the same change. If it is a function, the given result for `there` becomes its
    /// forecast.
    pub(super) fn with_forecast(self, there: Option<&Entry>, after: Option<After<'_>>) -> Self {
        let result = match after {
            Some(Ok(Some(entry))) => Ok(entry.into_owned()),
            Some(Err(error)) => Err(error),
            Some(Ok(None)) | None => return self,
        };
        match self {
            Self::Apply(apply) => Self::Apply(apply.with_forecast(there.cloned(), result)),
            other @ (Self::Set(_) | Self::Remove | Self::Add(_)) => other,
        }
    }

    /// Returns this change, followed by a later one, as one change.
    ///
    /// # Errors
    ///
    /// Fails with the errors of [`Changes::apply`](crate::store::Changes::apply).
    pub(super) fn then(&self, later: Self) -> Result<Self, Error> {
        let value = match self {
            Self::Set(entry) => Some(entry),
            Self::Remove | Self::Add(_) | Self::Apply(_) => None,
        };
        Ok(match (self, later) {
            (_, later @ (Self::Set(_) | Self::Remove)) => later,
            (Self::Set(_) | Self::Remove, later) => match (later.known(value).transpose()?, &later)
            {
                (Some(Some(entry)), _) => Self::Set(entry.into_owned()),
                (Some(None), _) => Self::Remove,
                (None, Self::Apply(apply)) => Self::Apply(Apply::constant(value.cloned(), apply)),
                (None, _) => later,
            },
            (Self::Add(by), Self::Add(more)) => {
                Self::Add(by.checked_add(more).ok_or_else(overflow)?)
            }
            (Self::Add(by), Self::Apply(later)) => Self::Apply(Apply::add(*by).followed_by(&later)),
            (Self::Apply(apply), Self::Add(by)) => Self::Apply(apply.followed_by(&Apply::add(by))),
            (Self::Apply(apply), Self::Apply(later)) => Self::Apply(apply.followed_by(&later)),
        })
    }

    /// Returns this change, followed by a later one that was accepted on the result of this one. If
    /// the two have no common sum, the store decides on the stored value.
    ///
    /// `there` is the value before both. The result has a forecast for it, if that is known.
    pub(super) fn then_accepted(&self, later: Self, there: Option<&Entry>) -> Self {
        let folded = match (self, &later) {
            (Self::Add(by), Self::Add(more)) if by.checked_add(*more).is_none() => {
                Ok(Self::Apply(Apply::add(*by).followed_by(&Apply::add(*more))))
            }
            _ => self.then(later.clone()),
        };
        match folded {
            Ok(folded) => folded.with_forecast(there, later.known_after(Some(self), there)),
            Err(_) => later,
        }
    }

    /// Returns whether the change has no effect on a value, as far as is known.
    ///
    /// Values are compared as texts. Equal objects with their members in another order count as
    /// different, which costs a write.
    pub(super) fn has_no_effect(&self, there: Option<&Entry>) -> bool {
        match (self.known(there), there) {
            (Some(Ok(Some(entry))), Some(there)) => match (entry.json(), there.json()) {
                (Some(text), Some(stored)) => text == stored,
                _ => *entry == *there,
            },
            (Some(Ok(None)), None) => true,
            _ => false,
        }
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set(_) => "Set",
            Self::Remove => "Remove",
            Self::Add(_) => "Add",
            Self::Apply(_) => "Apply",
        })
    }
}
