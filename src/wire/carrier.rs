//! Carries the id in a cookie, in a header, or in both. Only the configured ones are read or
//! written.
//!
//! With a cookie and a header, one function serves browsers and apps:
//!
//! 1. The response uses the carrier that the request has used, so that a browser's script never
//!    sees the id of its `HttpOnly` cookie. If the request used both with one id, it knows the id,
//!    and both are used.
//! 2. If both carry a value and these are not one id, neither is accepted, as with two cookies.
//!    Signatures tell the real value from others, so with keys a value without one is ignored.
//! 3. A client that is new gets the id in both, because it cannot be known which one it keeps. It
//!    gets the cookie alone if it sends `Sec-Fetch-Site`: browsers do, and no script can omit it.

use http::header::COOKIE;
use http::{HeaderMap, HeaderName};

use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::id::SessionId;
use crate::wire::cookie::previous::PreviousCookie;
use crate::wire::cookie::scope::ScopeSettings;
use crate::wire::cookie::scoped::ScopedCookies;
use crate::wire::cookie::session_cookie::Kept;
use crate::wire::cookie::settings::CookieSettings;
#[cfg(feature = "flask")]
use crate::wire::foreign::{ForeignForm, ForeignId};
use crate::wire::header_carrier::HeaderCarrier;
use crate::wire::hints::Hints;
use crate::wire::received::{Ids, PreviousCookies, Received, Reply, ReplyBy, Scope};
use crate::wire::request_head::RequestHead;
use crate::wire::signing::Signer;
use crate::wire::token::{ParsedValues, value_of};

/// The header that only browsers send, and that a script cannot set or omit.
const OF_BROWSERS: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The choice of carriers, before it is validated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Carriers {
    #[default]
    Cookie,
    /// The header of this name.
    Header(String),
    /// The cookie, and the header of this name.
    Both(String),
}

/// The places in requests and responses that carry the id, and the keys that sign it.
#[derive(Clone, Debug)]
pub(crate) struct Carrier {
    place: Place,
    /// The signer of ids. If there is one, ids must be signed.
    signer: Option<Signer>,
    /// The form of a predecessor's ids, if they are accepted.
    #[cfg(feature = "flask")]
    foreign: Option<ForeignForm>,
}

#[derive(Clone, Debug)]
enum Place {
    Cookies(ScopedCookies),
    Header(HeaderCarrier),
    Both(ScopedCookies, HeaderCarrier),
}

impl Carrier {
    /// Creates a carrier.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if a header cannot carry an id, or if
    /// browsers would reject the cookie. Without a cookie, its settings are not checked.
    pub(crate) fn new(
        carriers: &Carriers,
        cookie: &CookieSettings,
        scopes: Option<&ScopeSettings>,
        previous: &[PreviousCookie],
        signer: Option<Signer>,
    ) -> Result<Self, Error> {
        let cookies = || ScopedCookies::new(cookie, scopes, previous);
        let place = match carriers {
            Carriers::Cookie => Place::Cookies(cookies()?),
            Carriers::Header(name) => Place::Header(HeaderCarrier::new(name)?),
            Carriers::Both(name) => Place::Both(cookies()?, HeaderCarrier::new(name)?),
        };
        Ok(Self {
            place,
            signer,
            #[cfg(feature = "flask")]
            foreign: None,
        })
    }

    /// Also reads a predecessor's ids: from its cookie, or from the header that carries ours.
    ///
    /// # Errors
    ///
    /// Fails like [`ScopedCookies::with_foreign`].
    #[cfg(feature = "flask")]
    pub(crate) fn with_foreign(
        mut self,
        settings: &CookieSettings,
        form: ForeignForm,
        cookie: &PreviousCookie,
        keeps: bool,
    ) -> Result<Self, Error> {
        let with = |cookies: ScopedCookies| cookies.with_foreign(settings, cookie, keeps);
        self.place = match self.place {
            Place::Cookies(cookies) => Place::Cookies(with(cookies)?),
            Place::Both(cookies, header) => Place::Both(with(cookies)?, header),
            header @ Place::Header(_) => header,
        };
        self.foreign = Some(form);
        Ok(self)
    }

    /// Returns the id of a predecessor that a request carries, if it carries exactly one.
    #[cfg(feature = "flask")]
    pub(crate) fn read_foreign(&self, headers: &HeaderMap) -> Option<ForeignId> {
        let form = self.foreign?;
        match &self.place {
            Place::Cookies(cookies) => form.only_one(cookies.foreign_values(headers)),
            Place::Header(header) => form.only_one(header.values(headers)),
            Place::Both(cookies, header) => {
                let in_header = header.values(headers);
                form.only_one(cookies.foreign_values(headers).chain(in_header))
            }
        }
    }

    /// Returns the scope of the cookie that a request uses. It calls the application's function.
    pub(crate) fn scope(&self, request: &RequestHead<'_>) -> Scope {
        match &self.place {
            Place::Cookies(cookies) | Place::Both(cookies, _) => cookies.choose(request),
            Place::Header(_) => Scope::default(),
        }
    }

    /// Returns the ids that a request carries, with the cookies of this scope.
    pub(crate) fn read(&self, headers: &HeaderMap, scope: Scope) -> Received {
        let signer = self.signer.as_ref();
        let mut received = match &self.place {
            Place::Cookies(cookies) => cookies.of(scope).read(headers, signer),
            Place::Header(header) => by_header(header.read(headers, signer)),
            Place::Both(cookies, header) => {
                let by_cookie = cookies.of(scope).read(headers, signer);
                let in_header = header.read(headers, signer);
                match (&by_cookie.ids, &in_header.ids) {
                    (Ids::Nothing, Ids::Nothing) => new_client(headers),
                    (_, Ids::Nothing) => by_cookie,
                    (Ids::Nothing, _) => by_header(in_header),
                    _ => both(by_cookie, in_header, signer.is_some()),
                }
            }
        };
        received.reply.scope = scope;
        received
    }

    /// Gives the client this id, to be kept as long as `kept` says, and removes the previous cookies. A
    /// cookie also carries the hints.
    pub(crate) fn issue(
        &self,
        headers: &mut HeaderMap,
        reply: Reply,
        id: &SessionId,
        hints: Hints,
        kept: Kept,
    ) {
        let value = value_of(id, self.signer.as_ref());
        // Clients that are not browsers may rely on a header that holds the id alone.
        if let Some(header) = self.header_of(reply) {
            header.issue(headers, value.clone());
        }
        if let Some(cookies) = self.cookies_of(reply) {
            let mut value = value;
            hints.append_to(&mut value);
            let cookies = cookies.of(reply.scope);
            cookies.issue(headers, &value, kept, reply.previous_cookies);
        }
    }

    /// Removes the id and the previous cookies from the client.
    pub(crate) fn remove(&self, headers: &mut HeaderMap, reply: Reply) {
        if let Some(header) = self.header_of(reply) {
            header.remove(headers);
        }
        if let Some(cookies) = self.cookies_of(reply) {
            let cookies = cookies.of(reply.scope);
            cookies.remove(headers, reply.previous_cookies);
        }
    }

    /// Returns the request headers on which a response depends once its session was read.
    pub(crate) fn varies_on(&self) -> impl Iterator<Item = HeaderName> {
        let (cookie, header) = match &self.place {
            Place::Cookies(_) => (Some(COOKIE), None),
            Place::Header(header) => (None, Some(header)),
            Place::Both(_, header) => (Some(COOKIE), Some(header)),
        };
        cookie
            .into_iter()
            .chain(header.map(HeaderCarrier::in_requests))
    }

    /// Returns the cookies, if the reply uses them.
    fn cookies_of(&self, reply: Reply) -> Option<&ScopedCookies> {
        match (&self.place, reply.by) {
            (Place::Cookies(cookies), _)
            | (Place::Both(cookies, _), ReplyBy::Cookie | ReplyBy::Both) => Some(cookies),
            (Place::Header(_), _) | (Place::Both(..), ReplyBy::Header) => None,
        }
    }

    /// Returns the header, if the reply uses it.
    fn header_of(&self, reply: Reply) -> Option<&HeaderCarrier> {
        match (&self.place, reply.by) {
            (Place::Header(header), _)
            | (Place::Both(_, header), ReplyBy::Header | ReplyBy::Both) => Some(header),
            (Place::Cookies(_), _) | (Place::Both(..), ReplyBy::Cookie) => None,
        }
    }
}

/// Returns what a request carried in the header alone.
fn by_header(values: ParsedValues) -> Received {
    let mut received = Received::from(values);
    received.reply.by = ReplyBy::Header;
    received
}

/// Returns what a request without a cookie and a header carried.
fn new_client(headers: &HeaderMap) -> Received {
    let mut received = Received::from(Ids::Nothing);
    received.reply.by = match headers.contains_key(OF_BROWSERS) {
        true => ReplyBy::Cookie,
        false => ReplyBy::Both,
    };
    received
}

/// Returns what a request carried that has values in the cookie and in the header.
fn both(by_cookie: Received, in_header: ParsedValues, signed: bool) -> Received {
    match (by_cookie.ids.accepted(), in_header.ids.accepted()) {
        (Some(id), Some(other)) if id == other => {
            let reissue = [&by_cookie.ids, &in_header.ids]
                .iter()
                .any(|ids| matches!(ids, Ids::Reissue(_)));
            let id = id.clone();
            return Received {
                ids: match reissue {
                    true => Ids::Reissue(id),
                    false => Ids::One(id),
                },
                hints: by_cookie.hints.and(in_header.hints),
                reply: Reply {
                    by: ReplyBy::Both,
                    ..by_cookie.reply
                },
            };
        }
        // The reply must not show the id of a cookie in a header: a script may have sent that
        // header, and it must not learn the id.
        (Some(_), None) if signed && in_header.ids == Ids::Unusable => return by_cookie,
        (None, Some(_)) if signed && by_cookie.ids == Ids::Unusable => return by_header(in_header),
        _ => {}
    }
    tracing::warn!(
        "a request carried different values in the session cookie and in the id header: \
         neither was accepted"
    );
    let all = [by_cookie.ids.all(), in_header.ids.all()].concat();
    let ids = match all.is_empty() {
        true => Ids::Unusable,
        false => Ids::several(all),
    };
    Received {
        ids,
        hints: Hints::default(),
        reply: Reply {
            by: ReplyBy::Both,
            // One of the values may be of any scope.
            ..PreviousCookies::ALL.into()
        },
    }
}

#[cfg(test)]
mod tests;
