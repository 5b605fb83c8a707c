//! The sessions of a user, as the user may see them: a list such as "your devices".

use std::fmt;
use std::ops::Deref;
use std::time::SystemTime;

use crate::clock::Timestamp;
use crate::id::StorageKey;
use crate::store::user::Binding;

/// One of a user's sessions, for a list such as "your devices".
///
/// ```
/// use lambda_sessions::session::SessionInfo;
///
/// /// A row of the list, with the handle that its button sends.
/// fn row(info: &SessionInfo) -> (String, String) {
///     let device = info.label().unwrap_or("an unknown device");
///     let mark = if info.is_current() { " (this one)" } else { "" };
///     (format!("{device}{mark}"), info.handle().to_owned())
/// }
/// # let _ = row;
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct SessionInfo {
    binding: Binding,
    created: Timestamp,
    last_seen: Timestamp,
    expires: Timestamp,
    is_current: bool,
    /// The key under which the session was found, for a change from outside a request.
    key: Option<StorageKey>,
}

impl SessionInfo {
    pub(crate) fn new(
        binding: &Binding,
        created: Timestamp,
        last_seen: Timestamp,
        expires: Timestamp,
    ) -> Self {
        Self {
            binding: binding.clone(),
            created,
            last_seen,
            expires,
            is_current: false,
            key: None,
        }
    }

    /// Sets the key under which a store has found the session.
    ///
    /// A store sets it in each list, so that [`update_user`](crate::SessionLayer::update_user) can
    /// change the session.
    #[must_use]
    pub fn stored_at(mut self, key: StorageKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Returns the key under which the session was found, if its store has set it.
    pub(crate) fn storage_key(&self) -> Option<&StorageKey> {
        self.key.as_ref()
    }

    /// Returns the handle of this login, for [`Session::revoke`](crate::Session::revoke).
    ///
    /// It has 22 characters and stays the same when the id is cycled. It gives no access, so it can
    /// be sent in a form.
    ///
    /// ```
    /// use lambda_sessions::session::SessionInfo;
    ///
    /// fn button(info: &SessionInfo) -> String {
    ///     format!("<button name=\"handle\" value=\"{}\">Log out</button>", info.handle())
    /// }
    /// # let _ = button;
    /// ```
    #[must_use]
    pub fn handle(&self) -> &str {
        self.binding.handle()
    }

    /// Returns the [label](crate::Session::set_label) that the application gave to the login.
    ///
    /// ```
    /// use lambda_sessions::session::SessionInfo;
    ///
    /// fn device(info: &SessionInfo) -> &str {
    ///     info.label().unwrap_or("an unknown device")
    /// }
    /// # let _ = device;
    /// ```
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.binding.label()
    }

    /// Returns the time at which the session began, in whole seconds.
    ///
    /// ```
    /// use lambda_sessions::session::SessionInfo;
    ///
    /// fn oldest(sessions: &[SessionInfo]) -> Option<&SessionInfo> {
    ///     sessions.iter().min_by_key(|info| info.created())
    /// }
    /// # assert!(oldest(&[]).is_none());
    /// ```
    #[must_use]
    pub fn created(&self) -> SystemTime {
        self.created.into()
    }

    /// Returns the time at which the session was last written or touched, in whole seconds.
    ///
    /// A request that only reads counts once the [touch
    /// interval](crate::SessionLayer::touch_interval) has passed.
    ///
    /// ```
    /// use lambda_sessions::session::SessionInfo;
    /// use std::time::Duration;
    ///
    /// fn is_active(info: &SessionInfo) -> bool {
    ///     info.last_seen().elapsed().is_ok_and(|ago| ago < Duration::from_secs(3600))
    /// }
    /// # let _ = is_active;
    /// ```
    #[must_use]
    pub fn last_seen(&self) -> SystemTime {
        self.last_seen.into()
    }

    /// Returns the time at which the session expires if it is not used again, in whole seconds.
    ///
    /// ```
    /// use lambda_sessions::session::SessionInfo;
    ///
    /// fn first_to_end(sessions: &[SessionInfo]) -> Option<&SessionInfo> {
    ///     sessions.iter().min_by_key(|info| info.expires())
    /// }
    /// # assert!(first_to_end(&[]).is_none());
    /// ```
    #[must_use]
    pub fn expires(&self) -> SystemTime {
        self.expires.into()
    }

    /// Returns whether this is the session that requested the list.
    ///
    /// ```
    /// use lambda_sessions::session::SessionInfo;
    ///
    /// fn mark(info: &SessionInfo) -> &str {
    ///     if info.is_current() { " (this one)" } else { "" }
    /// }
    /// # let _ = mark;
    /// ```
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.is_current
    }
}

/// Shows neither the handle nor the label.
impl fmt::Debug for SessionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionInfo")
            .field("created", &self.created)
            .field("last_seen", &self.last_seen)
            .field("expires", &self.expires)
            .field("is_current", &self.is_current)
            .finish_non_exhaustive()
    }
}

/// The live sessions of a user, as a slice of [`SessionInfo`].
///
/// It is for a list such as "your devices".
///
/// ```
/// use lambda_sessions::session::UserSessions;
///
/// fn devices(sessions: &UserSessions) -> String {
///     let mut lines: Vec<_> = sessions
///         .iter()
///         .map(|info| info.label().unwrap_or("an unknown device"))
///         .collect();
///     if sessions.has_more() {
///         lines.push("and more");
///     }
///     lines.join("\n")
/// }
///
/// assert_eq!(devices(&UserSessions::default()), "");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserSessions {
    sessions: Vec<SessionInfo>,
    has_more: bool,
}

impl UserSessions {
    /// Creates a complete list of these sessions.
    #[must_use]
    pub const fn new(sessions: Vec<SessionInfo>) -> Self {
        Self {
            sessions,
            has_more: false,
        }
    }

    /// Marks the list as incomplete.
    #[must_use]
    pub fn and_more(mut self) -> Self {
        self.has_more = true;
        self
    }

    /// Returns whether the user may have sessions that are not in this list.
    ///
    /// The [`DynamoDbStore`](crate::DynamoDbStore) lists at most 1,000 sessions. A revocation ends
    /// all of them in any case.
    #[must_use]
    pub const fn has_more(&self) -> bool {
        self.has_more
    }

    /// Returns the sessions as a vector.
    #[must_use]
    pub fn into_vec(self) -> Vec<SessionInfo> {
        self.sessions
    }

    /// Sorts the sessions, the most recently seen first, and marks the one that requested the list.
    pub(crate) fn in_order(mut self, asking: Option<&str>) -> Self {
        for session in &mut self.sessions {
            session.is_current = asking == Some(session.handle());
        }
        self.sessions.sort_by(|a, b| {
            let newest_first = b.last_seen.cmp(&a.last_seen);
            newest_first.then_with(|| a.handle().cmp(b.handle()))
        });
        self
    }
}

impl From<Vec<SessionInfo>> for UserSessions {
    fn from(sessions: Vec<SessionInfo>) -> Self {
        Self::new(sessions)
    }
}

impl Deref for UserSessions {
    type Target = [SessionInfo];

    fn deref(&self) -> &Self::Target {
        &self.sessions
    }
}

impl IntoIterator for UserSessions {
    type Item = SessionInfo;
    type IntoIter = std::vec::IntoIter<SessionInfo>;

    fn into_iter(self) -> Self::IntoIter {
        self.sessions.into_iter()
    }
}

impl<'a> IntoIterator for &'a UserSessions {
    type Item = &'a SessionInfo;
    type IntoIter = std::slice::Iter<'a, SessionInfo>;

    fn into_iter(self) -> Self::IntoIter {
        self.sessions.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::user::Pseudonym;

    #[test]
    fn list_begins_with_the_last_seen() {
        let at = Timestamp::from_epoch_seconds;
        let info = |handle: &str, last_seen| {
            let user = Pseudonym::stored("user");
            let binding = Binding::new(user, handle.to_owned(), None, at(9));
            SessionInfo::new(&binding, at(1), at(last_seen), at(9))
        };
        let sessions = vec![info("c", 2), info("b", 1), info("a", 2), info("d", 3)];
        let shown = |asking| {
            UserSessions::new(sessions.clone())
                .in_order(asking)
                .into_iter()
                .map(|info| format!("{}{}", info.handle(), u8::from(info.is_current())))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(shown(Some("a")), "d0 a1 c0 b0");
        assert_eq!(shown(None), "d0 a0 c0 b0");
    }
}
