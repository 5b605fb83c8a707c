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
    /// become too old. A stale expiry is moved along.
    AutoCycle(Option<Timestamp>),
    /// The same, because the handler asked for it: the old id is dead at once.
    Cycle,
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
            | Self::AutoCycle(_)
            | Self::Cycle
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
    Redirected,
    /// Its id was given up for another one after this request had begun.
    Late,
    /// There is none, or there was no id to look for, or only one that was dead before.
    Absent,
}

impl Origin {
    pub(crate) fn is_live(self) -> bool {
        matches!(self, Self::Live | Self::Redirected)
    }
}

/// What the handler asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Intent {
    /// What is stored ends: a logout, or the login of another user.
    pub(crate) end: bool,
    pub(crate) id: IdChange,
    pub(crate) change: bool,
}

/// Whether the session is to go on under a new id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdChange {
    No,
    /// It was asked for.
    Cycle,
    /// A user has logged in, and is given a session whatever became of the one before.
    LogIn,
}

/// What is due by itself, as far as the session lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Maintenance {
    /// The expiry has become stale; this is the new one.
    pub(crate) touch: Option<Timestamp>,
    /// The id has become too old.
    pub(crate) renewal: bool,
}

/// The one place where it is decided what is written.
///
/// # Errors
///
/// [`Gone`](ErrorKind::Gone) for a renewal by a request that came by the id before a scheduled one:
/// whoever has that must not be given another. And for what a request does that was running when the
/// session was given another id: its cookie must not take the place of the other one's. A login is not
/// refused, since who logs in has proved who they are. [`Misconfigured`](ErrorKind::Misconfigured) for a renewal of what was not read: a
/// renewal copies it.
pub(crate) fn decide(origin: Origin, intent: Intent, due: Maintenance) -> Result<Outcome, Error> {
    use IdChange::{Cycle, LogIn, No};
    use Origin::{Absent, Late, Live, Redirected, Unread};

    let Intent { end, id, change } = intent;
    let touch = due.touch;
    Ok(match (origin, end, id, change) {
        (Late, false, No | Cycle, false) => Outcome::Keep,
        (Late, false, LogIn, _) => Outcome::Create,
        (Redirected, false, Cycle, _) | (Late, true, _, _) | (Late, false, No | Cycle, true) => {
            return Err(gone("the session's id was renewed by another request"));
        }

        // A logout of an id that was not found takes the stale cookie away, and makes sure of the
        // record.
        (_, true, _, true) => Outcome::Replace,
        (_, true, _, false) => Outcome::Destroy,

        (Live, false, Cycle | LogIn, _) | (Redirected, false, LogIn, _) => Outcome::Cycle,
        (Live, false, No, _) if due.renewal => Outcome::AutoCycle(touch),
        (Unread, false, No, true) | (Live | Redirected, false, No, true) => Outcome::Update(touch),
        (Unread, false, No, false) | (Live | Redirected, false, No, false) => {
            touch.map_or(Outcome::Keep, Outcome::Touch)
        }
        (Unread, false, Cycle | LogIn, _) => {
            let reason = "the id of a session that was not read cannot be renewed";
            return Err(Error::new(ErrorKind::Misconfigured, reason));
        }

        // Nothing is stored, so there is nothing to renew. An empty session is never stored, but
        // that of a user is.
        (Absent, false, _, true) | (Absent, false, LogIn, _) => Outcome::Create,
        (Absent, false, No | Cycle, false) => Outcome::Keep,
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
        use ErrorKind::{Gone, Misconfigured};
        use IdChange::{Cycle as Anew, LogIn, No};
        use Origin::{Absent, Late, Live, Redirected, Unread};
        use Outcome::{Create, Cycle, Destroy, Keep, Replace, Touch, Update};

        const T: Timestamp = Timestamp::from_epoch_seconds(9);
        const ORIGINS: [Origin; 5] = [Live, Redirected, Unread, Late, Absent];
        const IDS: [IdChange; 3] = [No, Anew, LogIn];
        // For each origin: whether what is stored ends, the id, whether anything changes; and what
        // is written when a touch is due.
        let rows = |origin| -> [Result<Outcome, ErrorKind>; 12] {
            let ended = match origin {
                Late => [Err(Gone); 6],
                _ => [
                    Ok(Destroy),
                    Ok(Replace),
                    Ok(Destroy),
                    Ok(Replace),
                    Ok(Destroy),
                    Ok(Replace),
                ],
            };
            let goes_on = match origin {
                Live => [
                    Ok(Touch(T)),
                    Ok(Update(Some(T))),
                    Ok(Cycle),
                    Ok(Cycle),
                    Ok(Cycle),
                    Ok(Cycle),
                ],
                // Who came by the old id is given no new one, but by a login.
                Redirected => [
                    Ok(Touch(T)),
                    Ok(Update(Some(T))),
                    Err(Gone),
                    Err(Gone),
                    Ok(Cycle),
                    Ok(Cycle),
                ],
                // A renewal copies what was read; who did not look has nothing to copy.
                Unread => [
                    Ok(Touch(T)),
                    Ok(Update(Some(T))),
                    Err(Misconfigured),
                    Err(Misconfigured),
                    Err(Misconfigured),
                    Err(Misconfigured),
                ],
                // It changes nothing, but for a login.
                Late => [
                    Ok(Keep),
                    Err(Gone),
                    Ok(Keep),
                    Err(Gone),
                    Ok(Create),
                    Ok(Create),
                ],
                Absent => [
                    Ok(Keep),
                    Ok(Create),
                    Ok(Keep),
                    Ok(Create),
                    Ok(Create),
                    Ok(Create),
                ],
            };
            let [a, b, c, d, e, f] = goes_on;
            let [g, h, i, j, k, l] = ended;
            [a, b, c, d, e, f, g, h, i, j, k, l]
        };
        for origin in ORIGINS {
            for (n, expected) in rows(origin).into_iter().enumerate() {
                let intent = Intent {
                    end: n >= 6,
                    id: IDS[n % 6 / 2],
                    change: n % 2 == 1,
                };
                let expected_of = |due: Maintenance| match (expected, due.touch) {
                    // An id that is too old is renewed where the session lives under it, and the
                    // handler asks for nothing that gives it another one or ends it.
                    _ if due.renewal && origin == Live && !intent.end && intent.id == No => {
                        Ok(Outcome::AutoCycle(due.touch))
                    }
                    (Ok(Touch(_)), None) => Ok(Keep),
                    (Ok(Update(_)), touch) => Ok(Update(touch)),
                    (expected, _) => expected,
                };
                for touch in [Some(T), None] {
                    for renewal in [false, true] {
                        let due = Maintenance { touch, renewal };
                        let got = decide(origin, intent, due).map_err(|error| error.kind());
                        assert_eq!(got, expected_of(due), "{origin:?} {intent:?} {due:?}");
                    }
                }
            }
        }
    }
}
