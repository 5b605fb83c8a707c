//! The ids that a request carried, and what its response must use to carry one.

use crate::id::SessionId;
use crate::wire::hints::Hints;

/// The maximum number of ids that are kept of a request that carries several. Each id costs a call
/// when its session ends, and a client chooses how many it sends.
pub(super) const MAX_IDS: usize = 8;

/// The ids that a request carried, and how its response carries one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) ids: Ids,
    /// The hints of the accepted id.
    pub(crate) hints: Hints,
    pub(crate) reply: Reply,
}

/// The places of a response that carry the id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) by: ReplyBy,
    /// The scope of the cookie.
    pub(crate) scope: Scope,
    /// The previous cookies to remove if the id is set or removed.
    pub(crate) previous_cookies: PreviousCookies,
    /// The front door, if it delivers one `Set-Cookie` line.
    pub(crate) one_cookie: Option<OneCookie>,
}

/// A front door that delivers one `Set-Cookie` line of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(all(feature = "alb", feature = "vpc_lattice")), allow(dead_code))]
pub(crate) enum OneCookie {
    /// A load balancer without multi-value headers.
    LoadBalancer,
    VpcLattice,
}

/// The carriers that a response uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum ReplyBy {
    #[default]
    Cookie,
    Header,
    Both,
}

/// The scope of a request's cookie: the layer's own, or one of those that it chooses of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scope(Option<usize>);

impl Scope {
    /// Returns the scope at this position of the settings.
    pub(crate) fn at(position: usize) -> Self {
        Self(Some(position))
    }

    /// Returns the position in the settings, if this is not the layer's own scope.
    pub(crate) fn position(self) -> Option<usize> {
        self.0
    }
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
    /// Returns the accepted id, if there is one.
    pub(crate) fn accepted(&self) -> Option<&SessionId> {
        match self {
            Self::One(id) | Self::Reissue(id) => Some(id),
            Self::Nothing | Self::Unusable | Self::Several(_) => None,
        }
    }

    /// Returns all ids, accepted or not.
    pub(crate) fn all(&self) -> &[SessionId] {
        match self {
            Self::One(id) | Self::Reissue(id) => std::slice::from_ref(id),
            Self::Nothing | Self::Unusable => &[],
            Self::Several(ids) => ids,
        }
    }

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
pub(crate) struct PreviousCookies(u16);

impl PreviousCookies {
    /// The maximum number of previous cookies.
    pub(crate) const MAX: usize = 8;
    /// The empty set.
    pub(crate) const NONE: Self = Self(0);
    /// All previous cookies, including those that the request did not carry.
    pub(crate) const ALL: Self = Self(0xff);

    /// The position of a predecessor's cookie, behind all others.
    #[cfg(feature = "flask")]
    pub(super) const FOREIGN: usize = Self::MAX;

    /// Adds the cookie of a predecessor.
    #[cfg(feature = "flask")]
    pub(crate) fn with_foreign(mut self) -> Self {
        self.insert(Self::FOREIGN);
        self
    }

    /// Adds the cookie at this position.
    pub(super) fn insert(&mut self, position: usize) {
        self.0 |= 1 << position;
    }

    /// Returns whether the cookie at this position is in the set.
    pub(super) fn contains(self, position: usize) -> bool {
        self.0 & (1 << position) != 0
    }
}

/// Converts the previous cookies of a reply in the layer's own cookie.
impl From<PreviousCookies> for Reply {
    fn from(previous_cookies: PreviousCookies) -> Self {
        Self {
            previous_cookies,
            ..Self::default()
        }
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
            hints: Hints::default(),
            reply: Reply::default(),
        }
    }
}
