//! What becomes of a session at the end of its request: one `match` over where it stands and what
//! its handler asked for.

use crate::error::{Error, ErrorKind};
use crate::expiry::Timestamp;

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
    /// The same session, its changes included, goes on under a new id, because its old one had
    /// become too old.
    Rotate,
    /// The same, because the handler asked for it: the old id is dead at once.
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
            Self::Create
            | Self::Update(_)
            | Self::Rotate
            | Self::Renew
            | Self::Replace
            | Self::Destroy => true,
        }
    }
}

/// Where a session stands in the store, as far as its request knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An id was presented, and nobody looked.
    Unread,
    /// It is there.
    Live,
    /// It is there, and its id was renewed on schedule a moment ago: the request came by the one
    /// before.
    Moved,
    /// Its id was renewed, and the one that was presented is dead.
    Renewed,
    /// There is none, or there was no id to look for.
    Absent,
}

impl Origin {
    pub(crate) fn is_live(self) -> bool {
        matches!(self, Self::Live | Self::Moved)
    }
}

/// What the handler asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) destroy: bool,
    pub(crate) renew: bool,
    pub(crate) change: bool,
}

/// What is due by itself, as far as the session lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// The expiry has become stale; this is the new one.
    pub(crate) touch: Option<Timestamp>,
    /// The id has become too old.
    pub(crate) renewal: bool,
}

/// The one place where it is decided what is written.
///
/// # Errors
///
/// [`Gone`](ErrorKind::Gone) for changes to a session whose id was renewed: the login that renewed
/// it must not be hurt by a late request, so nothing is written and no cookie is sent. And for a
/// renewal by who came by the id before a scheduled one: whoever has that must not be given another.
pub(crate) fn decide(origin: Origin, wish: Wish, due: Due) -> Result<Outcome, Error> {
    use Origin::{Absent, Live, Moved, Renewed, Unread};

    let Wish {
        destroy,
        renew,
        change,
    } = wish;
    let touch = due.touch;
    Ok(match (origin, destroy, renew, change) {
        (Unread | Live | Moved, true, _, true) => Outcome::Replace,
        (Unread | Live | Moved, true, _, false) => Outcome::Destroy,
        (Live, false, true, _) => Outcome::Renew,
        (Live, false, false, _) if due.renewal => Outcome::Rotate,
        (Unread, false, _, true) | (Live | Moved, false, false, true) => Outcome::Update(touch),
        (Unread, false, _, false) | (Live | Moved, false, false, false) => {
            touch.map_or(Outcome::Keep, Outcome::Touch)
        }

        // Nothing is stored, so there is nothing to renew. An empty session is never stored. A
        // logout takes the stale cookie away, and makes sure of the record.
        (Absent, true, _, true) => Outcome::Replace,
        (Absent, false, _, true) => Outcome::Create,
        (Absent, true, _, false) => Outcome::Destroy,
        (Absent, false, _, false) => Outcome::Keep,

        // A second login with the same old id begins afresh; nothing else may write.
        (Renewed, false, true, true) => Outcome::Create,
        (Renewed, false, _, false) => Outcome::Keep,
        (Moved, false, true, _) | (Renewed, true, _, _) | (Renewed, false, false, true) => {
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
        use Origin::{Absent, Live, Moved, Renewed, Unread};
        use Outcome::{Create, Destroy, Keep, Renew, Replace, Touch, Update};

        const T: Timestamp = Timestamp::from_epoch_seconds(9);
        // Origin, destroy, renew, change: what is written when a touch is due; `None` is `Gone`.
        let rows = [
            (Live, false, false, false, Some(Touch(T))),
            (Live, false, false, true, Some(Update(Some(T)))),
            (Live, false, true, false, Some(Renew)),
            (Live, false, true, true, Some(Renew)),
            (Live, true, false, false, Some(Destroy)),
            (Live, true, false, true, Some(Replace)),
            (Live, true, true, false, Some(Destroy)),
            (Live, true, true, true, Some(Replace)),
            // The same, but who came by the old id is given no new one.
            (Moved, false, false, false, Some(Touch(T))),
            (Moved, false, false, true, Some(Update(Some(T)))),
            (Moved, false, true, false, None),
            (Moved, false, true, true, None),
            (Moved, true, false, false, Some(Destroy)),
            (Moved, true, false, true, Some(Replace)),
            (Moved, true, true, false, Some(Destroy)),
            (Moved, true, true, true, Some(Replace)),
            // A renewal copies what was read; who did not look has nothing to copy.
            (Unread, false, false, false, Some(Touch(T))),
            (Unread, false, false, true, Some(Update(Some(T)))),
            (Unread, false, true, false, Some(Touch(T))),
            (Unread, false, true, true, Some(Update(Some(T)))),
            (Unread, true, false, false, Some(Destroy)),
            (Unread, true, false, true, Some(Replace)),
            (Unread, true, true, false, Some(Destroy)),
            (Unread, true, true, true, Some(Replace)),
            (Absent, false, false, false, Some(Keep)),
            (Absent, false, false, true, Some(Create)),
            (Absent, false, true, false, Some(Keep)),
            (Absent, false, true, true, Some(Create)),
            (Absent, true, false, false, Some(Destroy)),
            (Absent, true, false, true, Some(Replace)),
            (Absent, true, true, false, Some(Destroy)),
            (Absent, true, true, true, Some(Replace)),
            (Renewed, false, false, false, Some(Keep)),
            (Renewed, false, false, true, None),
            (Renewed, false, true, false, Some(Keep)),
            (Renewed, false, true, true, Some(Create)),
            (Renewed, true, false, false, None),
            (Renewed, true, false, true, None),
            (Renewed, true, true, false, None),
            (Renewed, true, true, true, None),
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
            // An id that is too old is renewed where the session lives under it, and the handler
            // asks for nothing that gives it another one or ends it.
            let too_old = |expected| match origin == Live && !destroy && !renew {
                true => Some(Outcome::Rotate),
                false => expected,
            };
            for (touch, expected) in [(Some(T), due), (None, not_due)] {
                for (renewal, expected) in [(false, expected), (true, too_old(expected))] {
                    let due = Due { touch, renewal };
                    match (decide(origin, wish, due), expected) {
                        (Ok(outcome), Some(expected)) => {
                            assert_eq!(outcome, expected, "{origin:?} {wish:?} {due:?}");
                        }
                        (Err(error), None) => assert_eq!(error.kind(), ErrorKind::Gone),
                        (other, expected) => {
                            panic!("{origin:?} {wish:?} {due:?}: {other:?}, not {expected:?}")
                        }
                    }
                }
            }
        }
    }
}
