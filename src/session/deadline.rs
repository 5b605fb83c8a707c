//! The time until which a request may call its store.

use std::time::{Duration, Instant};

/// The time that each operation has at least, if the deadline came in a header. It is long enough for
/// a call to a healthy DynamoDB and for a retry.
const FLOOR: Duration = Duration::from_secs(1);

/// The time until which a request may call its store, by its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deadline {
    /// The end of the invocation, from Lambda's runtime.
    Invocation(Instant),
    /// The time in a header, which a client may have sent. It can shorten an operation, but neither
    /// prevent nor cut off one that succeeds in the usual time. Otherwise a forged header would
    /// make a request lose its write.
    Header(Instant),
}

impl Deadline {
    /// Returns the deadline of an operation that begins now.
    pub(crate) fn of_operation(self) -> Instant {
        match self {
            Self::Invocation(at) => at,
            Self::Header(at) => at.max(Instant::now() + FLOOR),
        }
    }
}
