//! Decides how a session ends its request: one `match` over its state in the store and the requests
//! of its handler.

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};

/// The write at the end of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Writes nothing.
    Keep,
    /// Writes nothing, and sends the client its id again. The load has just found the record alive,
    /// and has extended a stale expiry.
    Reissue,
    /// Writes only the expiry of an unchanged session, because it has become stale.
    Touch(Timestamp),
    /// Stores a new session under a new id.
    Create,
    /// Changes keys under the same id. A stale expiry is extended too.
    Update(Option<Timestamp>),
    /// Moves the session and its changes to a new id, because the old id has become too old. A
    /// stale expiry is extended too.
    AutoCycle(Option<Timestamp>),
    /// Moves the session and its changes to a new id, because the handler asked for it. The old id
    /// is dead at once.
    Cycle,
    /// Destroys the old session and begins a new one.
    Replace,
    /// Deletes the record and removes the cookie.
    Destroy,
}

impl Outcome {
    /// Returns whether the data that the session shows is sent to the store.
    pub(crate) fn writes_data(self) -> bool {
        match self {
            Self::Keep | Self::Reissue | Self::Touch(_) => false,
            Self::Create
            | Self::Update(_)
            | Self::AutoCycle(_)
            | Self::Cycle
            | Self::Replace
            | Self::Destroy => true,
        }
    }
}

/// The part of the requested changes to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Everything that was requested, without automatic writes such as a touch:
    /// [`Session::save`](crate::Session::save).
    Save,
    /// Everything: the handler succeeded.
    Commit,
    /// A logout and nothing else: the handler failed.
    OnlyDestroy,
}

/// The state of a session in the store, as far as its request knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The client sent an id, and the session was not read.
    Unread,
    /// The session is stored.
    Live,
    /// The session is stored, and its id was recently cycled automatically. The request used the
    /// previous id.
    Redirected,
    /// The id was cycled after this request had begun.
    Late,
    /// There is no session: the client sent no id, nothing was found, or the id was dead before the
    /// request began.
    Absent,
}

impl Origin {
    pub(crate) fn is_live(self) -> bool {
        matches!(self, Self::Live | Self::Redirected)
    }
}

/// The requests of the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Intent {
    /// The stored session ends, by a logout or by the login of another user.
    pub(crate) end: bool,
    pub(crate) id: IdChange,
    pub(crate) change: bool,
}

/// The request for a new id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdChange {
    No,
    /// The handler asked for a new id.
    Cycle,
    /// A user has logged in, and gets a session whatever the state of the previous one.
    LogIn,
}

/// Automatic maintenance that is due if the session lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Maintenance {
    /// The new expiry, if the stored one has become stale.
    pub(crate) touch: Option<Timestamp>,
    /// True if the client is to get its id again, and no write is needed for that.
    pub(crate) reissue: bool,
    /// True if the id has become too old.
    pub(crate) cycle: bool,
}

/// Decides what is written. No other place does.
///
/// # Errors
///
/// Fails with [`Gone`](ErrorKind::Gone) in two cases. In the first, the handler cycles the id, but
/// the request used an id that was cycled automatically: such a client must not get another id. In
/// the second, the id was cycled while the request was running: its cookie must not replace the
/// newer one. A login does not fail, because the user has proved who they are.
///
/// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if the handler cycles the id of a session
/// that was not read, because that copies the data.
pub(crate) fn decide(origin: Origin, intent: Intent, due: Maintenance) -> Result<Outcome, Error> {
    use IdChange::{Cycle, LogIn, No};
    use Origin::{Absent, Late, Live, Redirected, Unread};

    let Intent { end, id, change } = intent;
    let touch = due.touch;
    Ok(match (origin, end, id, change) {
        (Late, false, No | Cycle, false) => Outcome::Keep,
        (Late, false, LogIn, _) => Outcome::Create,
        (Redirected, false, Cycle, _) | (Late, true, _, _) | (Late, false, No | Cycle, true) => {
            return Err(gone(CYCLED));
        }

        // If the id was not found, a logout removes the stale cookie and still deletes the record,
        // if there is one.
        (_, true, _, true) => Outcome::Replace,
        (_, true, _, false) => Outcome::Destroy,

        (Live, false, Cycle | LogIn, _) | (Redirected, false, LogIn, _) => Outcome::Cycle,
        (Live, false, No, _) if due.cycle => Outcome::AutoCycle(touch),
        (Unread, false, No, true) | (Live | Redirected, false, No, true) => Outcome::Update(touch),
        (Unread, false, No, false) | (Live | Redirected, false, No, false) => match touch {
            Some(ttl) => Outcome::Touch(ttl),
            None if due.reissue => Outcome::Reissue,
            None => Outcome::Keep,
        },
        (Unread, false, Cycle | LogIn, _) => {
            let reason =
                "the id of a session that was not read cannot be cycled: read the session first";
            return Err(Error::new(ErrorKind::Misconfigured, reason));
        }

        // Nothing is stored, so no id can be cycled. An empty session is never stored, except for
        // one that is bound to a user.
        (Absent, false, _, true) | (Absent, false, LogIn, _) => Outcome::Create,
        (Absent, false, No | Cycle, false) => Outcome::Keep,
    })
}

/// The message of an error of a request whose session got a new id from another request.
pub(crate) const CYCLED: &str =
    "another request cycled the session's id: send the request again with the new id";

/// Returns the error of a write that found no session to write to.
pub(crate) fn gone(reason: &'static str) -> Error {
    Error::new(ErrorKind::Gone, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decision_covers_every_state_and_request() {
        use ErrorKind::{Gone, Misconfigured};
        use IdChange::{Cycle as Cycles, LogIn, No};
        use Origin::{Absent, Late, Live, Redirected, Unread};
        use Outcome::{Create, Cycle, Destroy, Keep, Reissue, Replace, Touch, Update};

        const T: Timestamp = Timestamp::from_epoch_seconds(9);
        const ORIGINS: [Origin; 5] = [Live, Redirected, Unread, Late, Absent];
        const IDS: [IdChange; 3] = [No, Cycles, LogIn];
        // The rows of each origin vary whether the stored session ends, the id, whether anything
        // changes, and what is written when a touch is due.
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
            let lives = match origin {
                Live => [
                    Ok(Touch(T)),
                    Ok(Update(Some(T))),
                    Ok(Cycle),
                    Ok(Cycle),
                    Ok(Cycle),
                    Ok(Cycle),
                ],
                // A client that used the cycled id gets no new one, except by a login.
                Redirected => [
                    Ok(Touch(T)),
                    Ok(Update(Some(T))),
                    Err(Gone),
                    Err(Gone),
                    Ok(Cycle),
                    Ok(Cycle),
                ],
                // Cycling the id copies the data, and a session that was not read has no data to
                // copy.
                Unread => [
                    Ok(Touch(T)),
                    Ok(Update(Some(T))),
                    Err(Misconfigured),
                    Err(Misconfigured),
                    Err(Misconfigured),
                    Err(Misconfigured),
                ],
                // It changes nothing, except by a login.
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
            let [a, b, c, d, e, f] = lives;
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
                    // An id that is too old is cycled if the session lives under it. The handler
                    // must neither ask for a new id nor end the session.
                    _ if due.cycle && origin == Live && !intent.end && intent.id == No => {
                        Ok(Outcome::AutoCycle(due.touch))
                    }
                    (Ok(Touch(_)), None) if due.reissue => Ok(Reissue),
                    (Ok(Touch(_)), None) => Ok(Keep),
                    (Ok(Update(_)), touch) => Ok(Update(touch)),
                    (expected, _) => expected,
                };
                for due in 0..8 {
                    let due = Maintenance {
                        touch: (due & 1 != 0).then_some(T),
                        reissue: due & 2 != 0,
                        cycle: due & 4 != 0,
                    };
                    let got = decide(origin, intent, due).map_err(|error| error.kind());
                    assert_eq!(got, expected_of(due), "{origin:?} {intent:?} {due:?}");
                }
            }
        }
    }
}
