//! The store, the settings and the carrier that all requests of a layer use.

use http::Request;

use crate::attached::LayerId;
use crate::config::settings::Settings;
use crate::error::Error;
#[cfg(doc)]
use crate::error::ErrorKind;
use crate::id::SessionId;
use crate::on_error::ErrorResponder;
use crate::session::handle::Session;
use crate::store::arguments::RequestTime;
use crate::wire::carrier::Carrier;

/// The store, the settings and the carrier that all requests of a layer use.
#[derive(Debug)]
pub(crate) struct Pipeline<S> {
    pub(super) layer: LayerId,
    pub(super) store: S,
    pub(super) settings: Settings,
    pub(super) carrier: Carrier,
}

impl<S> Pipeline<S> {
    /// Creates the pipeline of a layer.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if the settings are invalid.
    pub(crate) fn new(layer: LayerId, store: S, settings: Settings) -> Result<Self, Error> {
        let carrier = settings.validate()?;
        Ok(Self {
            layer,
            store,
            settings,
            carrier,
        })
    }

    /// Returns the identity of the layer.
    pub(crate) fn layer(&self) -> &LayerId {
        &self.layer
    }

    /// Returns the function that makes the response if the session of this request fails.
    pub(crate) fn on_error<B>(&self, request: &Request<B>) -> ErrorResponder {
        self.settings.on_error.for_request(request)
    }

    /// Returns a new id.
    pub(super) fn new_id(&self) -> Result<SessionId, Error> {
        let audience = self.settings.audience.as_deref();
        Ok(SessionId::generate()?.in_audience(audience))
    }

    /// Reads the clock, and returns the time together with the deadline of the request.
    pub(super) fn request_time(&self, session: &Session) -> RequestTime {
        RequestTime::at(self.settings.now()).until(session.deadline())
    }
}
