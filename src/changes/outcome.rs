//! What becomes of a session at the end of its request: one `match` over where it stands and what
//! its handler asked for.

use crate::error::{Error, ErrorKind};
use crate::expiry::Timestamp;
use crate::record::Found;

/// What becomes of a session at the end of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing is written.
    Keep,
    /// Unchanged, but its expiry had become stale: that alone is written.
    Touch(Timestamp),
    /// There was none; one is stored under a new id.
    Create,
    /// Some keys are changed, under the same id. A stale expiry is moved along.
    Update(Option<Timestamp>),
    /// The same session, its changes included, goes on under a new id.
    Renew,
    /// The old one was destroyed, and then a new one was begun.
    Replace,
    /// It goes, and so does the cookie.
    Destroy,
}

impl Outcome {
    /// Whether the data that the session shows are what is sent.
    pub(crate) fn writes_data(self) -> bool {
        match self {
            Self::Keep | Self::Touch(_) => false,
            Self::Create | Self::Update(_) | Self::Renew | Self::Replace | Self::Destroy => true,
        }
    }
}

/// Where a session stands in the store, as far as its request knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An id was presented, and nobody looked.
    Unread,
    /// Somebody looked, or there was no id to look for.
    Read(Found<()>),
}

/// What the handler asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) destroy: bool,
    pub(crate) renew: bool,
    pub(crate) change: bool,
}

/// The one place where it is decided what is written.
///
/// # Errors
///
/// [`Gone`](ErrorKind::Gone) for changes to a session whose id was renewed: the login that renewed
/// it must not be hurt by a late request, so nothing is written and no cookie is sent.
pub(crate) fn decide(
    origin: Origin,
    wish: Wish,
    touch: Option<Timestamp>,
) -> Result<Outcome, Error> {
    use Found::{Absent, Live, Renewed};
    use Origin::{Read, Unread};

    let Wish {
        destroy,
        renew,
        change,
    } = wish;
    Ok(match (origin, destroy, renew, change) {
        (Unread | Read(Live(())), true, _, true) => Outcome::Replace,
        (Unread | Read(Live(())), true, _, false) => Outcome::Destroy,
        (Read(Live(())), false, true, _) => Outcome::Renew,
        (Unread | Read(Live(())), false, _, true) => Outcome::Update(touch),
        (Unread | Read(Live(())), false, _, false) => touch.map_or(Outcome::Keep, Outcome::Touch),

        // Nothing is stored, so there is nothing to renew. An empty session is never stored. A
        // logout takes the stale cookie away, and makes sure of the record.
        (Read(Absent), true, _, true) => Outcome::Replace,
        (Read(Absent), false, _, true) => Outcome::Create,
        (Read(Absent), true, _, false) => Outcome::Destroy,
        (Read(Absent), false, _, false) => Outcome::Keep,

        // A second login with the same old id begins afresh; nothing else may write.
        (Read(Renewed), false, true, true) => Outcome::Create,
        (Read(Renewed), false, _, false) => Outcome::Keep,
        (Read(Renewed), true, _, _) | (Read(Renewed), false, false, true) => {
            return Err(gone("the session's id was renewed by another request"));
        }
    })
}

/// The error of a write that found no session to write to.
pub(crate) fn gone(reason: &'static str) -> Error {
    Error::new(ErrorKind::Gone, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table_of_outcomes() {
        use Origin::{Read, Unread};
        use Outcome::{Create, Destroy, Keep, Renew, Replace, Touch, Update};

        const T: Timestamp = Timestamp::from_epoch_seconds(9);
        const LIVE: Origin = Read(Found::Live(()));
        const NONE: Origin = Read(Found::Absent);
        const STUB: Origin = Read(Found::Renewed);
        // Origin, destroy, renew, change: what is written when a touch is due; `None` is `Gone`.
        let rows = [
            (LIVE, false, false, false, Some(Touch(T))),
            (LIVE, false, false, true, Some(Update(Some(T)))),
            (LIVE, false, true, false, Some(Renew)),
            (LIVE, false, true, true, Some(Renew)),
            (LIVE, true, false, false, Some(Destroy)),
            (LIVE, true, false, true, Some(Replace)),
            (LIVE, true, true, false, Some(Destroy)),
            (LIVE, true, true, true, Some(Replace)),
            // A renewal copies what was read; who did not look has nothing to copy.
            (Unread, false, false, false, Some(Touch(T))),
            (Unread, false, false, true, Some(Update(Some(T)))),
            (Unread, false, true, false, Some(Touch(T))),
            (Unread, false, true, true, Some(Update(Some(T)))),
            (Unread, true, false, false, Some(Destroy)),
            (Unread, true, false, true, Some(Replace)),
            (Unread, true, true, false, Some(Destroy)),
            (Unread, true, true, true, Some(Replace)),
            (NONE, false, false, false, Some(Keep)),
            (NONE, false, false, true, Some(Create)),
            (NONE, false, true, false, Some(Keep)),
            (NONE, false, true, true, Some(Create)),
            (NONE, true, false, false, Some(Destroy)),
            (NONE, true, false, true, Some(Replace)),
            (NONE, true, true, false, Some(Destroy)),
            (NONE, true, true, true, Some(Replace)),
            (STUB, false, false, false, Some(Keep)),
            (STUB, false, false, true, None),
            (STUB, false, true, false, Some(Keep)),
            (STUB, false, true, true, Some(Create)),
            (STUB, true, false, false, None),
            (STUB, true, false, true, None),
            (STUB, true, true, false, None),
            (STUB, true, true, true, None),
        ];
        for (n, (origin, destroy, renew, change, due)) in rows.into_iter().enumerate() {
            // Every combination has its row.
            let bits = [destroy, renew, change].map(usize::from);
            assert_eq!(n % 8, bits[0] * 4 + bits[1] * 2 + bits[2]);

            let wish = Wish {
                destroy,
                renew,
                change,
            };
            let not_due = due.map(|outcome| match outcome {
                Touch(_) => Keep,
                Update(_) => Update(None),
                other => other,
            });
            for (touch, expected) in [(Some(T), due), (None, not_due)] {
                match (decide(origin, wish, touch), expected) {
                    (Ok(outcome), Some(expected)) => {
                        assert_eq!(outcome, expected, "{origin:?} {wish:?} {touch:?}");
                    }
                    (Err(error), None) => assert_eq!(error.kind(), ErrorKind::Gone),
                    (other, expected) => panic!("{origin:?} {wish:?}: {other:?}, not {expected:?}"),
                }
            }
        }
    }
}
