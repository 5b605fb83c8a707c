//! The session's cookie together with its previous cookies.
//!
//! 1. The current cookie has precedence. A previous one is used only if the current one holds no id
//!    and its values are not ambiguous. Among the previous ones, the first in the configuration that
//!    holds exactly one id is used.
//! 2. A session that came in a previous cookie moves: its client gets the current cookie, and the
//!    previous one is removed.
//! 3. If a previous cookie has the current one's name, values carry a hint of the scope that they
//!    were set for. Without it, every request of a client that has both would move the session.
//! 4. If a response sets or removes a cookie here, a handler's own header for the same cookie is
//!    dropped. Browsers use the last one, load balancers reorder them, and some keep only one.

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::error::{Error, ErrorKind};
use crate::wire::cookie::previous::PreviousCookie;
use crate::wire::cookie::session_cookie::{Kept, SessionCookie};
use crate::wire::cookie::settings::CookieSettings;
use crate::wire::received::{Ids, PreviousCookies, Received};
use crate::wire::signing::Signer;
use crate::wire::token::{ParsedValues, has_hint};

/// The current cookie and the previous ones.
#[derive(Clone, Debug)]
pub(crate) struct Cookies {
    current: SessionCookie,
    previous: Vec<SessionCookie>,
    /// The hint of the current scope, if a previous cookie has the same name.
    scope_hint: Option<String>,
    /// The cookie of a predecessor, whose ids are not ours.
    #[cfg(feature = "flask")]
    foreign: Option<Box<ForeignCookie>>,
}

/// The cookie of a predecessor.
#[cfg(feature = "flask")]
#[derive(Clone, Debug)]
struct ForeignCookie {
    cookie: SessionCookie,
    /// True if it is also the current cookie, so that setting the current one replaces it.
    is_current: bool,
}

impl Cookies {
    /// Creates the cookies from their settings.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if browsers would reject a cookie. It
    /// also fails if a previous cookie is the current one or occurs twice, and for more than
    /// [`PreviousCookies::MAX`] previous ones.
    pub(crate) fn new(
        settings: &CookieSettings,
        previous: &[PreviousCookie],
    ) -> Result<Self, Error> {
        check_count(previous)?;
        let previous = previous.iter().map(|previous| previous.resolve(settings));
        Self::of(
            SessionCookie::new(settings)?,
            previous.collect::<Result<_, _>>()?,
        )
    }

    /// Creates the cookies of one scope of several. `layer` has the settings of the layer's own
    /// cookie. A previous cookie that is the current one of this scope is left out: it may be that
    /// of another scope.
    ///
    /// # Errors
    ///
    /// Fails like [`new`](Self::new).
    pub(super) fn of_scope(
        settings: &CookieSettings,
        layer: &CookieSettings,
        previous: &[PreviousCookie],
    ) -> Result<Self, Error> {
        check_count(previous)?;
        let current = SessionCookie::new(settings)?;
        let previous = previous.iter().map(|previous| previous.resolve(layer));
        let mut previous = previous.collect::<Result<Vec<_>, _>>()?;
        previous.retain(|cookie| !cookie.has_scope_of(&current));
        Self::of(current, previous)
    }

    /// Creates the cookies of these.
    fn of(current: SessionCookie, previous: Vec<SessionCookie>) -> Result<Self, Error> {
        let misconfigured = |reason| Err(Error::new(ErrorKind::Misconfigured, reason));
        // The removal of such a cookie would remove the cookie that the same response sets.
        if let Some(same) = previous.iter().find(|cookie| cookie.has_scope_of(&current)) {
            let name = same.name();
            return misconfigured(format!(
                "invalid previous_cookie `{name}`: it has the current cookie's name, domain, path \
                 and partition"
            ));
        }
        let twice = previous.iter().enumerate().find(|(n, cookie)| {
            let mut before = previous[..*n].iter();
            before.any(|other| other.has_scope_of(cookie))
        });
        if let Some((_, cookie)) = twice {
            let name = cookie.name();
            return misconfigured(format!(
                "invalid previous_cookie `{name}`: it is configured twice"
            ));
        }
        let scope_hint = previous
            .iter()
            .any(|cookie| cookie.has_name_of(&current))
            .then(|| current.scope_hint());
        Ok(Self {
            current,
            previous,
            scope_hint,
            #[cfg(feature = "flask")]
            foreign: None,
        })
    }

    /// Adds the cookie of a predecessor. If `keeps` is true, the predecessor goes on using it.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if browsers would reject the cookie, or
    /// if the predecessor and the current cookie would overwrite each other.
    #[cfg(feature = "flask")]
    pub(crate) fn with_foreign(
        mut self,
        settings: &CookieSettings,
        cookie: &PreviousCookie,
        keeps: bool,
    ) -> Result<Self, Error> {
        let cookie = cookie.resolve(settings)?;
        let is_current = cookie.has_scope_of(&self.current);
        if is_current && keeps {
            let name = cookie.name();
            let reason = format!(
                "invalid import_from: the predecessor keeps its cookie `{name}`, which is also the \
                 current cookie: set another cookie_name"
            );
            return Err(Error::new(ErrorKind::Misconfigured, reason));
        }
        self.foreign = Some(Box::new(ForeignCookie { cookie, is_current }));
        Ok(self)
    }

    /// Returns the values of the predecessor's cookie.
    #[cfg(feature = "flask")]
    pub(crate) fn foreign_values<'a>(
        &'a self,
        headers: &'a HeaderMap,
    ) -> impl Iterator<Item = &'a [u8]> {
        let foreign = self.foreign.iter();
        foreign.flat_map(|foreign| foreign.cookie.read(headers))
    }

    /// Returns the predecessor's cookie, if it is to be removed.
    #[cfg(feature = "flask")]
    fn removed_foreign(&self, previous: PreviousCookies) -> Option<&SessionCookie> {
        let foreign = self.foreign.as_ref()?;
        let is_removed = previous.contains(PreviousCookies::FOREIGN) && !foreign.is_current;
        is_removed.then_some(&foreign.cookie)
    }

    /// Returns the ids that a request carries.
    pub(crate) fn read(&self, headers: &HeaderMap, signer: Option<&Signer>) -> Received {
        let is_current = |value: &&[u8]| {
            let hint = self.scope_hint.as_ref();
            hint.is_none_or(|hint| has_hint(value, hint))
        };
        let current = ParsedValues::read(self.current.read(headers).filter(is_current), signer);
        if self.previous.is_empty() {
            return current.into();
        }

        let mut carried = PreviousCookies::NONE;
        let mut accepted = None;
        let mut ambiguous = current.ambiguous;
        let mut has_values = current.ids != Ids::Nothing;
        let mut all_ids: Vec<_> = Vec::new();
        for (position, cookie) in self.previous.iter().enumerate() {
            let has_name = cookie.has_name_of(&self.current);
            let values = cookie.read(headers);
            let parsed = ParsedValues::read(
                values.filter(|value| !(has_name && is_current(value))),
                signer,
            );
            if parsed.ids == Ids::Nothing {
                continue;
            }
            carried.insert(position);
            has_values = true;
            ambiguous |= parsed.ambiguous;
            match parsed.ids {
                Ids::One(id) | Ids::Reissue(id) => {
                    all_ids.push(id.clone());
                    accepted.get_or_insert((id, parsed.hints));
                }
                Ids::Several(ids) => all_ids.extend(ids),
                Ids::Nothing | Ids::Unusable => {}
            }
        }
        let mut hints = current.hints;
        let ids = match current.ids {
            ids @ (Ids::One(_) | Ids::Reissue(_)) => ids,
            // An attacker who set the second value could set a previous cookie as well. A logout
            // ends the session of each of them.
            Ids::Several(ids) if current.ambiguous => Ids::several(ids.into_iter().chain(all_ids)),
            _ if current.ambiguous && !all_ids.is_empty() => Ids::several(all_ids),
            ids if current.ambiguous => ids,
            _ => match accepted {
                Some((id, of_id)) => {
                    hints = of_id;
                    Ids::Reissue(id)
                }
                None if !all_ids.is_empty() => Ids::several(all_ids),
                None if has_values => Ids::Unusable,
                None => Ids::Nothing,
            },
        };
        let previous_cookies = match &ids {
            Ids::One(_) | Ids::Reissue(_) => carried,
            // One of the values may be of any scope, whatever its name, so all are removed.
            _ if ambiguous => PreviousCookies::ALL,
            _ => carried,
        };
        Received {
            ids,
            hints,
            reply: previous_cookies.into(),
        }
    }

    /// Sets this value in the client and removes the previous cookies.
    pub(crate) fn issue(
        &self,
        headers: &mut HeaderMap,
        value: &str,
        kept: Kept,
        previous: PreviousCookies,
    ) {
        let current = match &self.scope_hint {
            Some(hint) => self.current.issue(&format!("{value}~{hint}"), kept),
            None => self.current.issue(value, kept),
        };
        self.send(headers, current, previous);
    }

    /// Removes the current cookie and the previous ones from the client.
    pub(crate) fn remove(&self, headers: &mut HeaderMap, previous: PreviousCookies) {
        self.send(headers, self.current.removal(), previous);
    }

    /// Adds the current cookie's header and the removals of the previous cookies, and drops the
    /// handler's headers for the same cookies.
    fn send(&self, headers: &mut HeaderMap, current: HeaderValue, previous: PreviousCookies) {
        let cookies = self.previous.iter().enumerate();
        let removed: Vec<&SessionCookie> = cookies
            .filter(|(position, _)| previous.contains(*position))
            .map(|(_, cookie)| cookie)
            .collect();
        #[cfg(feature = "flask")]
        let removed: Vec<_> = removed
            .into_iter()
            .chain(self.removed_foreign(previous))
            .collect();
        let is_same = |header: &HeaderValue| {
            self.current.is_set_by(header) || removed.iter().any(|cookie| cookie.is_set_by(header))
        };
        let (dropped, kept): (Vec<_>, Vec<_>) = headers
            .get_all(SET_COOKIE)
            .iter()
            .cloned()
            .partition(is_same);
        if !dropped.is_empty() {
            tracing::warn!(
                count = dropped.len(),
                "dropped a Set-Cookie header of the handler: it set the session's own cookie, \
                 give the handler's cookie another name"
            );
        }
        // The session's cookie comes first, because an ALB without multi-value headers keeps no
        // other. A browser without partitions may then lose it once, to the removal of a cookie
        // that differs only in its partition. The other order would never give the clients of such
        // an ALB a cookie.
        let sent = [current]
            .into_iter()
            .chain(removed.iter().map(|cookie| cookie.removal()))
            .chain(kept);
        headers.remove(SET_COOKIE);
        for cookie in sent {
            headers.append(SET_COOKIE, cookie);
        }
    }
}

/// Fails if there are more previous cookies than [`PreviousCookies`] can hold.
fn check_count(previous: &[PreviousCookie]) -> Result<(), Error> {
    let (count, max) = (previous.len(), PreviousCookies::MAX);
    if count <= max {
        return Ok(());
    }
    let reason = format!("too many calls of previous_cookie: {count}, the limit is {max}");
    Err(Error::new(ErrorKind::Misconfigured, reason))
}

#[cfg(test)]
mod tests;
