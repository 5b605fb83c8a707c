//! The ids and the previous cookies that a request carried.

use crate::id::SessionId;
use crate::wire::hints::Hints;

/// The maximum number of ids that are kept of a request that carries several. Each id costs a call
/// when its session ends, and a client chooses how many it sends.
pub(super) const MAX_IDS: usize = 8;

/// The ids and the previous cookies that a request carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) ids: Ids,
    pub(crate) previous_cookies: PreviousCookies,
    /// The hints of the accepted id.
    pub(crate) hints: Hints,
}

/// The ids among the values that a request carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ids {
    /// The request carried no value.
    Nothing,
    /// No value is an id.
    Unusable,
    /// All values are this id.
    One(SessionId),
    /// An id that is accepted and that the client must get again. An older key signed it, or it
    /// came in a previous cookie.
    Reissue(SessionId),
    /// Several ids, or an id next to a value that is not one. None is accepted, and a logout ends
    /// each of them.
    Several(Vec<SessionId>),
}

impl Ids {
    /// Returns several ids: at most [`MAX_IDS`] of these, each once.
    pub(crate) fn several(ids: impl IntoIterator<Item = SessionId>) -> Self {
        let mut kept = Vec::new();
        for id in ids {
            if kept.len() < MAX_IDS && !kept.contains(&id) {
                kept.push(id);
            }
        }
        Self::Several(kept)
    }
}

/// A set of previous cookies, by their positions in the settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PreviousCookies(u8);

impl PreviousCookies {
    /// The maximum number of previous cookies.
    pub(crate) const MAX: usize = 8;
    /// The empty set.
    pub(crate) const NONE: Self = Self(0);
    /// All previous cookies, including those that the request did not carry.
    pub(crate) const ALL: Self = Self(u8::MAX);

    /// Adds the cookie at this position.
    pub(super) fn insert(&mut self, position: usize) {
        self.0 |= 1 << position;
    }

    /// Returns whether the cookie at this position is in the set.
    pub(super) fn contains(self, position: usize) -> bool {
        self.0 & (1 << position) != 0
    }
}

impl Received {
    /// Returns the same value with the ids of one of several applications on a table.
    pub(crate) fn in_audience(mut self, audience: Option<&str>) -> Self {
        if audience.is_some() {
            let convert = |id: SessionId| id.in_audience(audience);
            self.ids = match self.ids {
                Ids::One(id) => Ids::One(convert(id)),
                Ids::Reissue(id) => Ids::Reissue(convert(id)),
                Ids::Several(ids) => Ids::Several(ids.into_iter().map(convert).collect()),
                none @ (Ids::Nothing | Ids::Unusable) => none,
            };
        }
        self
    }
}

/// Converts ids that came without previous cookies and hints.
impl From<Ids> for Received {
    fn from(ids: Ids) -> Self {
        Self {
            ids,
            previous_cookies: PreviousCookies::NONE,
            hints: Hints::default(),
        }
    }
}
