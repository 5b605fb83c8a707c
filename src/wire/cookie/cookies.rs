//! The session's cookie together with its previous cookies.
//!
//! 1. The current cookie is read first. A previous one counts only if the current one holds no id.
//!    Among the previous ones, the first in the configuration counts.
//! 2. A session that came in a previous cookie moves: its client gets the current cookie, and the
//!    previous one is removed.
//! 3. If a previous cookie has the current one's name, values carry a hint of the scope that they
//!    were set for. Without it, every request of a client that has both would move the session.
//! 4. If a response sets or removes a cookie here, a handler's own header for the same cookie is
//!    dropped. Browsers go by the last one, load balancers reorder them, and some keep only one.

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};

use crate::error::{Error, ErrorKind};
use crate::wire::cookie::{CookieSettings, PreviousCookie, SessionCookie};
use crate::wire::signing::Signer;
use crate::wire::token::{Former, Found, Ids, Presented, has_hint};

#[derive(Clone, Debug)]
pub(crate) struct Cookies {
    current: SessionCookie,
    previous: Vec<SessionCookie>,
    /// The hint of the current scope, if a previous cookie has the same name.
    tag: Option<String>,
}

impl Cookies {
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if browsers would refuse a cookie. It
    /// also fails if a previous cookie is the current one or occurs twice, and for more than
    /// [`Former::MOST`] previous ones.
    pub(crate) fn new(
        settings: &CookieSettings,
        previous: &[PreviousCookie],
    ) -> Result<Self, Error> {
        let misconfigured = |reason| Err(Error::new(ErrorKind::Misconfigured, reason));
        let current = SessionCookie::new(settings)?;
        if previous.len() > Former::MOST {
            let reason = format!("there are more than {} previous cookies", Former::MOST);
            return misconfigured(reason);
        }
        let previous: Vec<_> = previous
            .iter()
            .map(|previous| previous.resolve(settings))
            .collect::<Result<_, _>>()?;
        // The removal of such a cookie would remove the cookie that the same response sets.
        if let Some(same) = previous.iter().find(|cookie| cookie.has_scope_of(&current)) {
            let name = same.name();
            return misconfigured(format!(
                "the previous cookie `{name}` has the current one's name, domain, path and partition"
            ));
        }
        let twice = previous.iter().enumerate().find(|(n, cookie)| {
            let mut before = previous[..*n].iter();
            before.any(|other| other.has_scope_of(cookie))
        });
        if let Some((_, cookie)) = twice {
            let name = cookie.name();
            return misconfigured(format!("the previous cookie `{name}` is named twice"));
        }
        let tag = previous
            .iter()
            .any(|cookie| cookie.has_name_of(&current))
            .then(|| current.scope_tag());
        Ok(Self {
            current,
            previous,
            tag,
        })
    }

    /// Returns the ids that the client presented.
    pub(crate) fn read(&self, headers: &HeaderMap, signer: Option<&Signer>) -> Presented {
        let is_current = |value: &&[u8]| self.tag.as_ref().is_none_or(|tag| has_hint(value, tag));
        let current = Found::among(self.current.read(headers).filter(is_current), signer);
        if self.previous.is_empty() {
            return current.ids.into();
        }

        let mut former = Former::NONE;
        let mut moved = None;
        let mut ambiguous = current.ambiguous;
        let mut presented_any = current.ids != Ids::Nothing;
        let mut several: Vec<_> = Vec::new();
        for (place, cookie) in self.previous.iter().enumerate() {
            let has_name = cookie.has_name_of(&self.current);
            let values = cookie.read(headers);
            let found = Found::among(
                values.filter(|value| !(has_name && is_current(value))),
                signer,
            );
            if found.ids == Ids::Nothing {
                continue;
            }
            former.insert(place);
            presented_any = true;
            ambiguous |= found.ambiguous;
            match found.ids {
                Ids::One(id) | Ids::Reissue(id) => {
                    several.push(id.clone());
                    moved.get_or_insert(id);
                }
                Ids::Several(ids) => several.extend(ids),
                Ids::Nothing | Ids::Unusable => {}
            }
        }
        let ids = match current.ids {
            ids @ (Ids::One(_) | Ids::Reissue(_)) => return Presented { ids, former },
            // An attacker who set the second value could set a previous cookie as well. A logout
            // ends the session of each of them.
            Ids::Several(ids) if current.ambiguous => Ids::several(ids.into_iter().chain(several)),
            _ if current.ambiguous && !several.is_empty() => Ids::several(several),
            ids if current.ambiguous => ids,
            _ => match moved {
                Some(id) => {
                    let ids = Ids::Reissue(id);
                    return Presented { ids, former };
                }
                None if !several.is_empty() => Ids::several(several),
                None if presented_any => Ids::Unusable,
                None => Ids::Nothing,
            },
        };
        if ambiguous {
            // One of the values may be of any scope, whatever its name, so all are removed.
            former = Former::ALL;
        }
        Presented { ids, former }
    }

    /// Sets this value in the client and removes the previous cookies.
    pub(crate) fn issue(&self, headers: &mut HeaderMap, value: &str, seconds: u64, former: Former) {
        let ours = match &self.tag {
            Some(tag) => self.current.issue(&format!("{value}~{tag}"), seconds),
            None => self.current.issue(value, seconds),
        };
        self.send(headers, ours, former);
    }

    /// Removes the current cookie and the previous ones from the client.
    pub(crate) fn remove(&self, headers: &mut HeaderMap, former: Former) {
        self.send(headers, self.current.removal(), former);
    }

    fn send(&self, headers: &mut HeaderMap, ours: HeaderValue, former: Former) {
        let previous = self.previous.iter().enumerate();
        let gone: Vec<&SessionCookie> = previous
            .filter(|(place, _)| former.contains(*place))
            .map(|(_, cookie)| cookie)
            .collect();
        let is_ours = |header: &HeaderValue| {
            self.current.is_set_by(header) || gone.iter().any(|cookie| cookie.is_set_by(header))
        };
        let (same, theirs): (Vec<_>, Vec<_>) = headers
            .get_all(SET_COOKIE)
            .iter()
            .cloned()
            .partition(is_ours);
        if !same.is_empty() {
            tracing::warn!(
                count = same.len(),
                "the handler set the session's own cookie: its Set-Cookie was dropped"
            );
        }
        // Ours comes first, because an ALB without multi-value headers keeps no other. (A browser
        // without partitions may then lose it once, to the removal of a cookie that differs only in
        // its partition. The other order would never give the clients of such an ALB a cookie.)
        let sent = [ours]
            .into_iter()
            .chain(gone.iter().map(|cookie| cookie.removal()))
            .chain(theirs);
        headers.remove(SET_COOKIE);
        for cookie in sent {
            headers.append(SET_COOKIE, cookie);
        }
    }
}

#[cfg(test)]
mod tests;
