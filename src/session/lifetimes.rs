//! The lifetimes of one session, and requests that do not extend it.

use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::expiry::lifetimes::Lifetimes;
use crate::session::handle::Session;
use crate::session::state::{End, Load, State};

impl Session {
    /// Sets whether the cookie outlives the browser.
    ///
    /// With `true`, the cookie has a `Max-Age`, and with `false` it has none, so that browsers remove
    /// it when they are closed. By default, the layer decides, by its
    /// [`browser_session`](crate::SessionLayer::browser_session).
    ///
    /// The choice is stored with the session, for later requests and every instance. A new value sends
    /// the cookie anew. A value that the session already has costs nothing, so a handler may set it in
    /// each request.
    ///
    /// [`cycle_id`](Self::cycle_id) and [`log_in`](Self::log_in) keep the choice, and may be called
    /// before or after it. [`destroy`](Self::destroy) and the login of another user end it with the
    /// session. After a `destroy`, it can be set for the session that begins then. A session without
    /// values and without a user is not stored, whatever is set.
    ///
    /// A browser may keep a cookie without `Max-Age` if it restores its tabs. The server ends the
    /// session after its idle timeout in any case.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    /// use std::time::Duration;
    ///
    /// fn logged_in(session: &Session, account: &str, remember_me: bool) -> Result<(), Error> {
    ///     session.log_in(account)?;
    ///     session.set_persistent(remember_me)?;
    ///     if !remember_me {
    ///         session.set_idle_timeout(Duration::from_secs(30 * 60))?;
    ///     }
    ///     session.insert("account", account)
    /// }
    /// # logged_in(&Session::detached(()), "17", false).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Fails only with the [errors of every change](Self#errors).
    pub fn set_persistent(&self, persistent: bool) -> Result<(), Error> {
        self.try_change(|state| {
            state.requested.lifetimes.persistent = Some(persistent);
            Ok(())
        })
    }

    /// Sets the idle timeout of this session, in whole seconds.
    ///
    /// It is for a session that must end earlier than others, or may be left unused for longer, as
    /// "remember me" does. The expiry counts from this request, and [`expires`](Self::expires) returns it
    /// when it is written. The value is stored with the session, as that of
    /// [`set_persistent`](Self::set_persistent) is.
    ///
    /// A shorter timeout than the [layer's](crate::SessionLayer::idle_timeout) is always allowed. A
    /// longer one needs a [`max_idle_timeout`](crate::SessionLayer::max_idle_timeout). If that is
    /// lowered later, a longer stored value counts as the maximum, from the last write or touch.
    ///
    /// The [touch interval](crate::SessionLayer::touch_interval) is at most a tenth of a shorter
    /// timeout. A touch of such a session is a second call after the handler.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    /// use std::time::Duration;
    ///
    /// fn on_a_shared_computer(session: &Session) -> Result<(), Error> {
    ///     session.set_idle_timeout(Duration::from_secs(5 * 60))
    /// }
    /// # on_a_shared_computer(&Session::detached(())).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if the timeout is under one second or
    /// over the maximum, and changes nothing.
    pub fn set_idle_timeout(&self, timeout: Duration) -> Result<(), Error> {
        let idle = self.backend().expiry().own_idle(timeout);
        self.try_change(|state| {
            state.requested.lifetimes.idle = Some(idle?);
            Ok(())
        })
    }

    /// Sets the maximum age of this session, in whole seconds.
    ///
    /// As with the [layer's](crate::SessionLayer::lifetime), it counts from the
    /// [start](Self::created) of the session. Neither a touch nor a new id extends it. The value is
    /// stored with the session, as that of [`set_persistent`](Self::set_persistent) is.
    ///
    /// A shorter lifetime than the layer's is always allowed. A longer one needs a
    /// [`max_lifetime`](crate::SessionLayer::max_lifetime). If that is lowered later, a longer stored
    /// value counts as the maximum.
    ///
    /// If the session is already older, it ends with this request. A login, or the values that this
    /// request inserts, then begin a new session with this lifetime. So a login can set a short
    /// lifetime, whatever the age of the visitor's session.
    ///
    /// If a session that is bound to a user gets a longer lifetime without a login, its id is cycled
    /// as [`cycle_id_after`](crate::SessionLayer::cycle_id_after) does, because the user's list is
    /// written too.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    /// use std::time::Duration;
    ///
    /// fn begin_shift(session: &Session, employee: &str) -> Result<(), Error> {
    ///     session.log_in(employee)?;
    ///     session.set_lifetime(Duration::from_secs(8 * 60 * 60))
    /// }
    /// # begin_shift(&Session::detached(()), "17").unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if the lifetime is under one second or
    /// over the maximum, and changes nothing.
    pub fn set_lifetime(&self, lifetime: Duration) -> Result<(), Error> {
        let lifetime = self.backend().expiry().own_lifetime(lifetime);
        self.try_change(|state| {
            state.requested.lifetimes.lifetime = Some(lifetime?);
            Ok(())
        })
    }

    /// Returns whether the cookie of this session outlives the browser, or `None` if the layer decides.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// let session = Session::detached([("cart", 3)]);
    /// assert_eq!(session.persistent(), None);
    /// session.set_persistent(true)?;
    /// assert_eq!(session.persistent(), Some(true));
    /// # Ok::<_, Error>(())
    /// ```
    #[must_use]
    pub fn persistent(&self) -> Option<bool> {
        self.with(|state| state.own_lifetimes().persistent)
    }

    /// Returns the idle timeout that was [set](Self::set_idle_timeout) for this session, or `None` if
    /// the layer's applies.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    /// use std::time::Duration;
    ///
    /// let session = Session::detached([("cart", 3)]);
    /// session.set_idle_timeout(Duration::from_secs(60))?;
    /// assert_eq!(session.idle_timeout(), Some(Duration::from_secs(60)));
    /// # Ok::<_, Error>(())
    /// ```
    #[must_use]
    pub fn idle_timeout(&self) -> Option<Duration> {
        self.with(|state| state.own_lifetimes().idle.map(Duration::from_secs))
    }

    /// Returns the lifetime that was [set](Self::set_lifetime) for this session, or `None` if the
    /// layer's applies.
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    /// use std::time::Duration;
    ///
    /// let session = Session::detached([("cart", 3)]);
    /// session.set_lifetime(Duration::from_secs(3_600))?;
    /// assert_eq!(session.lifetime(), Some(Duration::from_secs(3_600)));
    /// # Ok::<_, Error>(())
    /// ```
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        self.with(|state| {
            let end = state.own_lifetimes().ends?;
            let seconds = end.seconds_since(state.record.created());
            Some(Duration::from_secs(seconds))
        })
    }

    /// Keeps this request from extending the session.
    ///
    /// It is for requests that the user did not make, such as those of a page that polls. Without it,
    /// an open tab keeps its user logged in. Values that the request changes are written. Their write
    /// does not extend the session either.
    ///
    /// If a touch is due, the load of a session may make it, before a [wrapped](crate::SessionLayer::wrap)
    /// handler runs. This method then comes too late and fails. To make that rare, its first response
    /// sets the cookie without the hint of a touch, so that the next loads are plain reads. To exclude
    /// it, use the layer's [`skip_touch`](crate::SessionLayer::skip_touch) or
    /// [`skip_touch_if`](crate::SessionLayer::skip_touch_if), which decide before the load and cost less.
    /// A handler of the tower layer can also call [`WriteOnlySession::skip_touch`] before it loads the
    /// session.
    ///
    /// A login still gives the session its full idle timeout, and so do
    /// [`set_idle_timeout`](Self::set_idle_timeout) and [`set_lifetime`](Self::set_lifetime).
    ///
    /// ```
    /// use lambda_sessions::{Error, Session};
    ///
    /// fn news(session: &Session) -> Result<u32, Error> {
    ///     session.skip_touch()?;
    ///     Ok(session.get("unread")?.unwrap_or_default())
    /// }
    /// # assert_eq!(news(&Session::detached([("unread", 3)])).unwrap(), 3);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if the load has already extended the
    /// session.
    ///
    /// [`WriteOnlySession::skip_touch`]: crate::WriteOnlySession::skip_touch
    pub fn skip_touch(&self) -> Result<(), Error> {
        let has_hint = self.hints().touch.is_some();
        self.try_change(|state| {
            if state.touched_by_load {
                let reason = "the session was extended when it was loaded: set skip_touch or \
                              skip_touch_if on the layer of this request";
                return Err(Error::new(ErrorKind::Misconfigured, reason));
            }
            state.skips_touch = true;
            // Without its hint, the client's later requests are loaded without a touch, so that this
            // call is not too late for them.
            let was_loaded = matches!(state.load, Load::Done);
            state.drops_hint = was_loaded && has_hint;
            Ok(())
        })
    }

    /// Keeps this request from extending the session, before it is loaded.
    pub(crate) fn never_touch(&self) {
        self.with(|state| state.skips_touch = true);
    }

    /// Returns whether this request must not extend the session.
    pub(crate) fn skips_touch(&self) -> bool {
        self.with(|state| state.skips_touch)
    }

    /// Remembers that the load has extended the session.
    pub(crate) fn was_touched_by_load(&self) {
        self.with(|state| state.touched_by_load = true);
    }
}

impl State {
    /// Returns the lifetimes that the session has, or will have when it is written.
    pub(super) fn own_lifetimes(&self) -> Lifetimes {
        let new = self.new_lifetimes();
        match self.requested.end {
            End::No => new.or(self.record.lifetimes()),
            End::ByLogin | End::ByLogout => new,
        }
    }

    /// Returns the lifetimes that the handler has set and that differ from the stored ones. A session
    /// that begins anew has none stored.
    pub(super) fn new_lifetimes(&self) -> Lifetimes {
        let set = self.requested.lifetimes.since(self.record.created());
        match self.requested.end {
            End::No => set.changes_to(self.record.lifetimes()),
            End::ByLogin | End::ByLogout => set,
        }
    }
}
