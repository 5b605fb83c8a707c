//! [`SessionLayer`], and how it is applied to handlers and services.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use http::Response;
use lambda_http::{Body, IntoResponse, Service, service_fn};
use tower_layer::Layer;

use crate::attached::LayerId;
use crate::config::settings::Settings;
#[cfg(feature = "dynamodb")]
use crate::env::Variables;
use crate::error::Error;
use crate::pipeline::core::Pipeline;
use crate::service::session_service::SessionService;
use crate::session::handle::Session;
#[cfg(feature = "dynamodb")]
use crate::store::dynamodb::store::DynamoDbStore;
use crate::store::session_store::SessionStore;

/// A `tower` layer that gives every request its session.
///
/// ```no_run
/// use lambda_http::{Error, Request, run};
/// use lambda_sessions::{Session, SessionLayer};
/// use std::time::Duration;
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Error> {
///     let sessions = SessionLayer::from_env()
///         .await?
///         .idle_timeout(Duration::from_secs(30 * 60))
///         .lifetime(Duration::from_secs(12 * 60 * 60));
///     run(sessions.wrap(hello)).await
/// }
///
/// async fn hello(_request: Request, session: Session) -> Result<String, Error> {
///     let visits = session.increment("visits", 1)?;
///     Ok(format!("visit {visits}\n"))
/// }
/// ```
#[derive(Clone)]
#[must_use = "a layer does nothing until it is applied"]
pub struct SessionLayer<
    #[cfg(feature = "dynamodb")] S = DynamoDbStore,
    #[cfg(not(feature = "dynamodb"))] S,
> {
    id: LayerId,
    pub(super) store: S,
    pub(super) settings: Settings,
}

#[cfg(feature = "dynamodb")]
impl SessionLayer {
    /// Creates a layer with sessions in DynamoDB, configured by the environment.
    ///
    /// The settings come from the `SESSION_*` variables, and the client from the AWS environment.
    /// Call it once, before `run`: one client serves all requests.
    ///
    /// ```no_run
    /// use lambda_sessions::{Error, SessionLayer};
    /// use std::time::Duration;
    ///
    /// # async fn f() -> Result<(), Error> {
    /// let sessions = SessionLayer::from_env().await?.idle_timeout(Duration::from_secs(30 * 60));
    /// # let _ = sessions;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](crate::ErrorKind::Misconfigured) if a variable does not parse,
    /// or if browsers would reject the cookie. The message names the variable. An unreachable
    /// DynamoDB is not an error here: the first request that needs it fails.
    pub async fn from_env() -> Result<Self, Error> {
        let settings = Settings::from_variables(&Variables::of_process())?;
        let store = DynamoDbStore::from_env().await?;
        Ok(Self {
            id: LayerId::default(),
            store,
            settings,
        })
    }
}

impl<S: SessionStore> SessionLayer<S> {
    /// Creates a layer with sessions in this store and every setting at its default.
    ///
    /// It reads no environment variables.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new());
    /// # let _ = sessions;
    /// ```
    pub fn new(store: S) -> Self {
        Self {
            id: LayerId::default(),
            store,
            settings: Settings::default(),
        }
    }

    /// Changes a setting. The result is a different layer, because its requests may have other
    /// sessions.
    pub(super) fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(&mut self.settings);
        self.id = LayerId::default();
        self
    }

    /// Returns the store.
    ///
    /// ```
    /// use lambda_sessions::{MemoryStore, SessionLayer};
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new());
    /// let store: &MemoryStore = sessions.store();
    /// # let _ = store;
    /// ```
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Makes a service of a handler that takes the session as its second argument.
    ///
    /// The service is for [`run`](crate::run), [`lambda_http::run`] and their siblings.
    ///
    /// The session is loaded first. If that fails, the handler is not called, and
    /// [`on_error`](Self::on_error) makes the response. The handler's changes are written if it
    /// returns `Ok` with a status below 500. Otherwise nothing is written, except a logout.
    ///
    /// The handler may borrow from `main`:
    ///
    /// ```
    /// use lambda_http::{Error, Request};
    /// use lambda_sessions::{MemoryStore, Session, SessionLayer};
    ///
    /// struct Greetings(&'static str);
    ///
    /// let greetings = Greetings("hello");
    /// let sessions = SessionLayer::new(MemoryStore::new());
    /// let service = sessions.wrap(|_request: Request, _session: Session| async {
    ///     Ok::<_, Error>(greetings.0)
    /// });
    /// # let _ = service;
    /// ```
    ///
    /// # Panics
    ///
    /// Panics with the reason if the settings are invalid: for example, if browsers would reject
    /// the cookie or a timeout is under one second. [`build`](Self::build) returns an error
    /// instead.
    pub fn wrap<H, F, R, E>(
        &self,
        handler: H,
    ) -> impl Service<lambda_http::Request, Response = Response<Body>, Error = E, Future: Send>
    + Clone
    + use<S, H, F, R, E>
    where
        S: Clone,
        H: Fn(lambda_http::Request, Session) -> F + Clone + Send,
        F: Future<Output = Result<R, E>> + Send,
        R: IntoResponse,
        E: Send,
    {
        let pipeline = self.pipeline();
        service_fn(move |request| {
            let (pipeline, handler) = (Arc::clone(&pipeline), handler.clone());
            pipeline.serve(request, handler)
        })
    }

    /// Validates the settings and returns the layer.
    ///
    /// Call it after the last setting. [`wrap`](Self::wrap) and [`layer`](Layer::layer) panic if the
    /// settings are invalid, and do not panic for a layer that this method has returned.
    ///
    /// ```
    /// use lambda_sessions::{ErrorKind, MemoryStore, SameSite, SessionLayer};
    ///
    /// let sessions = SessionLayer::new(MemoryStore::new()).same_site(SameSite::Strict).build()?;
    /// # let _ = sessions;
    /// let embedded = SessionLayer::new(MemoryStore::new()).same_site(SameSite::None).secure(false);
    /// assert_eq!(embedded.build().unwrap_err().kind(), ErrorKind::Misconfigured);
    /// # Ok::<_, lambda_sessions::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](crate::ErrorKind::Misconfigured), and gives the reason, if the
    /// settings are invalid. Examples are a cookie that browsers would reject, a header that cannot
    /// carry an id, and a timeout under one second.
    pub fn build(self) -> Result<Self, Error> {
        self.settings.validate()?;
        Ok(self)
    }

    /// Returns the pipeline for the requests of one service.
    fn pipeline(&self) -> Arc<Pipeline<S>>
    where
        S: Clone,
    {
        match Pipeline::new(self.id.clone(), self.store.clone(), self.settings.clone()) {
            Ok(pipeline) => Arc::new(pipeline),
            // The public methods that call this document the panic, and `build` avoids it.
            Err(error) => panic!("{error}"),
        }
    }
}

impl<S> SessionLayer<S> {
    /// Returns the identity of the layer.
    pub(crate) fn id(&self) -> &LayerId {
        &self.id
    }
}

impl<S: fmt::Debug> fmt::Debug for SessionLayer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer")
            .field("store", &self.store)
            .field("settings", &self.settings)
            .finish()
    }
}

/// Applies the layer to a service. It panics with the reason if the settings are invalid; see
/// [`SessionLayer::wrap`].
impl<S: SessionStore + Clone, Inner> Layer<Inner> for SessionLayer<S> {
    type Service = SessionService<S, Inner>;

    fn layer(&self, inner: Inner) -> Self::Service {
        SessionService::new(self.pipeline(), inner)
    }
}
