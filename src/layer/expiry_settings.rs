//! The settings of expiry: the timeouts, their maxima for one session, and touches.

use std::sync::Arc;
use std::time::Duration;

use crate::config::settings::SkipTouch;
use crate::layer::session_layer::SessionLayer;
#[cfg(doc)]
use crate::session::handle::Session;
use crate::store::session_store::SessionStore;
use crate::wire::request_head::RequestHead;

impl<S: SessionStore> SessionLayer<S> {
    /// Sets the time after which an unused session expires.
    ///
    /// The default is 14 days. It is counted in whole seconds and is at least one second. A session
    /// may expire earlier by up to the [touch interval](Self::touch_interval), even if its client
    /// writes, because only a touch moves the expiry. One session can have another timeout, by
    /// [`Session::set_idle_timeout`].
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    /// use std::time::Duration;
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).idle_timeout(Duration::from_secs(30 * 60));
    /// # let _ = sessions;
    /// ```
    pub fn idle_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.expiry.idle = timeout)
    }

    /// Sets the longest idle timeout that [`Session::set_idle_timeout`] may set.
    ///
    /// The default is the layer's own [`idle_timeout`](Self::idle_timeout), and a maximum below it has no
    /// effect: a shorter timeout is always allowed. It is counted in whole seconds and is at least one
    /// second.
    ///
    /// If the maximum is lowered later, it also holds for sessions with a longer timeout. It then counts
    /// from the last write or touch.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    /// use std::time::Duration;
    ///
    /// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    /// // 30 minutes, or up to 30 days for those who ask to be remembered.
    /// let sessions = SessionLayer::new(MemoryStore::new())
    ///     .idle_timeout(Duration::from_secs(30 * 60))
    ///     .max_idle_timeout(30 * DAY);
    /// # let _ = sessions;
    /// ```
    pub fn max_idle_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.expiry.max_idle = Some(timeout))
    }

    /// Sets the maximum age of a session, counted from its beginning.
    ///
    /// The default is 90 days. It is counted in whole seconds and is at least one second. Neither a
    /// touch nor a new id extends it. It may be shorter than the idle timeout: the earlier end
    /// applies. One session can have another lifetime, by [`Session::set_lifetime`].
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    /// use std::time::Duration;
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).lifetime(Duration::from_secs(12 * 60 * 60));
    /// # let _ = sessions;
    /// ```
    pub fn lifetime(self, lifetime: Duration) -> Self {
        self.set(|settings| settings.expiry.lifetime = lifetime)
    }

    /// Sets the longest lifetime that [`Session::set_lifetime`] may set.
    ///
    /// The default is the layer's own [`lifetime`](Self::lifetime), and a maximum below it has no effect:
    /// a shorter lifetime is always allowed. It is counted in whole seconds and is at least one second.
    ///
    /// If the maximum is lowered later, it also holds for sessions with a longer lifetime.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    /// use std::time::Duration;
    ///
    /// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    /// let sessions = SessionLayer::new(MemoryStore::new()).lifetime(DAY).max_lifetime(90 * DAY);
    /// # let _ = sessions;
    /// ```
    pub fn max_lifetime(self, lifetime: Duration) -> Self {
        self.set(|settings| settings.expiry.max_lifetime = Some(lifetime))
    }

    /// Sets how old the stored expiry may get before a request writes it again.
    ///
    /// The default is a tenth of the idle timeout, and at most one hour. Until the interval has
    /// passed, a request that only reads costs no write. The touch also sends the cookie again.
    ///
    /// The cookie has a hint of the time from which a touch is due. From then on, one call loads the
    /// session and extends it, before the handler runs. Such a touch stays even if the handler fails.
    ///
    /// A session may expire before its idle timeout by up to this interval. If the interval is as
    /// long as the idle timeout, the session is never extended. For single routes, use
    /// [`skip_touch`](Self::skip_touch). The interval is counted in whole seconds.
    /// Zero is valid and writes in every second in which the session is used.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    /// use std::time::Duration;
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).touch_interval(Duration::from_secs(60));
    /// # let _ = sessions;
    /// ```
    pub fn touch_interval(self, interval: Duration) -> Self {
        self.set(|settings| settings.expiry.touch = Some(interval))
    }

    /// Sets whether requests leave the expiry of their sessions as it is.
    ///
    /// The default is `false`: each request is activity, and extends its session when a touch is due. Use
    /// `true` on a clone of the layer, for a route that a page polls. Otherwise an open tab keeps its user
    /// logged in ([ASVS 7.3.1][asvs]). Such a route still finds the session, may change values, and
    /// makes one read where others make a touch.
    ///
    /// A login on such a route still gives the session its full idle timeout.
    ///
    /// [`skip_touch_if`](Self::skip_touch_if) decides for each request. If both are called, the later
    /// call applies. [`Session::skip_touch`] is for a handler that decides itself.
    ///
    /// ```
    /// use lambda_http::{Error, Request};
    /// use lambda_sessions::{MemoryStore, Session, SessionLayer};
    ///
    /// async fn page(_: Request, session: Session) -> Result<String, Error> {
    ///     Ok(format!("{:?}", session.get::<String>("name")?))
    /// }
    ///
    /// async fn poll(_: Request, session: Session) -> Result<String, Error> {
    ///     Ok(format!("{:?}", session.get::<u32>("unread")?))
    /// }
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new());
    /// let page = sessions.wrap(page);
    /// let poll = sessions.clone().skip_touch(true).wrap(poll);
    /// # let _ = (page, poll);
    /// ```
    ///
    /// [asvs]: https://github.com/OWASP/ASVS/blob/v5.0.0/5.0/en/0x16-V7-Session-Management.md
    pub fn skip_touch(self, skip: bool) -> Self {
        self.set(|settings| {
            settings.skip_touch = match skip {
                true => SkipTouch::Always,
                false => SkipTouch::Never,
            }
        })
    }

    /// Sets which requests leave the expiry of their sessions as it is, by a function of the request.
    ///
    /// It is [`skip_touch`](Self::skip_touch) for one service with several routes. The function is called
    /// once for each request with an id, before its session is loaded. If both are called, the later call
    /// applies.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new())
    ///     .skip_touch_if(|request| request.uri.path() == "/notifications");
    /// # let _ = sessions;
    /// ```
    pub fn skip_touch_if(
        self,
        skips: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.skip_touch = SkipTouch::If(Arc::new(skips)))
    }
}
