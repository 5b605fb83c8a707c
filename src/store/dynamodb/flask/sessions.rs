//! The settings of a takeover: where the sessions of the Flask application are, and how they are read.

use crate::error::{Error, ErrorKind};
use crate::store::dynamodb::settings::checked_table;
use crate::wire::cookie::previous::PreviousCookie;
use crate::wire::foreign::ForeignForm;

/// The package of the Flask application, which decides the form of its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Package {
    /// flask-dynamodb-sessions.
    FlaskDynamoDbSessions,
    /// Flask-Session with its DynamoDB backend.
    FlaskSession,
}

/// The sessions of a Flask application in DynamoDB, for
/// [`import_from`](crate::SessionLayer::import_from).
///
/// The table must be in the account and the Region of the session table, or be named by its ARN. The
/// function needs the permissions `GetItem` and `DeleteItem` on it. It may be the session table itself.
///
/// ```no_run
/// use lambda_sessions::layer::{FlaskSessions, PreviousCookie};
/// use lambda_sessions::{Error, SessionLayer};
///
/// # async fn f() -> Result<(), Error> {
/// let flask = FlaskSessions::table("flask_sessions")
///     .cookie(PreviousCookie::new("session").domain("example.com"))
///     .keep(true); // Flask still serves a part of the site
/// let sessions = SessionLayer::from_env().await?.import_from(flask).build()?;
/// # let _ = sessions;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "the settings do nothing until a layer has them"]
pub struct FlaskSessions {
    pub(super) package: Package,
    pub(super) table: String,
    pub(super) key: String,
    pub(super) prefix: String,
    cookie: PreviousCookie,
    pub(super) keep: bool,
    pub(super) copied: bool,
    pub(super) skip_unreadable: bool,
    /// In minutes, because some zones are not whole hours off.
    pub(super) utc_offset: i16,
}

impl FlaskSessions {
    /// Creates the settings for the sessions of `flask-dynamodb-sessions`, of any version, in this
    /// table.
    ///
    /// The package's own default table is `sessions` up to 0.1.2, and `flask_sessions` in 0.1.8.
    ///
    /// ```
    /// use lambda_sessions::layer::FlaskSessions;
    ///
    /// let flask = FlaskSessions::table("sessions");
    /// # let _ = flask;
    /// ```
    pub fn table(name: impl Into<String>) -> Self {
        Self {
            package: Package::FlaskDynamoDbSessions,
            table: name.into(),
            key: "id".to_owned(),
            prefix: String::new(),
            cookie: PreviousCookie::new("session").secure(false),
            keep: false,
            copied: false,
            skip_unreadable: false,
            utc_offset: 0,
        }
    }

    /// Creates the settings for the sessions of `Flask-Session` with its DynamoDB backend in this
    /// table.
    ///
    /// The package's own default table is `Sessions`. Sessions are read whether they are stored as
    /// msgpack, as JSON or, by versions before 0.7, as a pickle. A signature in the cookie
    /// (`SESSION_USE_SIGNER`) is accepted and not checked: the id cannot be guessed.
    ///
    /// ```
    /// use lambda_sessions::layer::FlaskSessions;
    ///
    /// let flask = FlaskSessions::flask_session("Sessions");
    /// # let _ = flask;
    /// ```
    pub fn flask_session(table: impl Into<String>) -> Self {
        Self {
            package: Package::FlaskSession,
            prefix: "session:".to_owned(),
            ..Self::table(table)
        }
    }

    /// Sets the cookie of the Flask application: `SESSION_COOKIE_NAME`, `_DOMAIN` and `_PATH`.
    ///
    /// The default is `session`, without a domain, and with the path `/`. A browser removes the cookie
    /// only if the domain and the path are right.
    ///
    /// ```
    /// use lambda_sessions::layer::{FlaskSessions, PreviousCookie};
    ///
    /// let cookie = PreviousCookie::new("shop").path("/shop").secure(true);
    /// let flask = FlaskSessions::table("sessions").cookie(cookie);
    /// # let _ = flask;
    /// ```
    pub fn cookie(mut self, cookie: impl Into<PreviousCookie>) -> Self {
        self.cookie = cookie.into();
        self
    }

    /// Sets the name of the table's partition key.
    ///
    /// The default is `id`.
    ///
    /// ```
    /// use lambda_sessions::layer::FlaskSessions;
    ///
    /// let flask = FlaskSessions::table("app").key_attribute("PK");
    /// # let _ = flask;
    /// ```
    pub fn key_attribute(mut self, name: impl Into<String>) -> Self {
        self.key = name.into();
        self
    }

    /// Sets the text before the id in the partition key: `SESSION_KEY_PREFIX`.
    ///
    /// The default is `session:` for Flask-Session, and none for flask-dynamodb-sessions.
    ///
    /// ```
    /// use lambda_sessions::layer::FlaskSessions;
    ///
    /// let flask = FlaskSessions::flask_session("Sessions").key_prefix("shop:");
    /// # let _ = flask;
    /// ```
    pub fn key_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets whether the Flask application goes on serving a part of the site.
    ///
    /// The default is `false`: the item is deleted in the transaction that stores our session, and the
    /// cookie is removed from the client. With `true`, both stay. The two sessions are then
    /// independent copies. A logout here ends both, and a logout in Flask ends only Flask's.
    ///
    /// ```
    /// use lambda_sessions::layer::FlaskSessions;
    ///
    /// let flask = FlaskSessions::table("sessions").keep(true);
    /// # let _ = flask;
    /// ```
    pub fn keep(mut self, yes: bool) -> Self {
        self.keep = yes;
        self
    }

    /// Sets whether all sessions were copied by `cargo xtask import-flask`, so that the table is not
    /// needed any more.
    ///
    /// The default is `false`. With `true`, the table is neither read nor written.
    ///
    /// ```
    /// use lambda_sessions::layer::FlaskSessions;
    ///
    /// let flask = FlaskSessions::table("sessions").copied(true);
    /// # let _ = flask;
    /// ```
    pub fn copied(mut self, yes: bool) -> Self {
        self.copied = yes;
        self
    }

    /// Sets whether a session that cannot be converted is skipped.
    ///
    /// The default is `false`: the request fails with [`Corrupt`](ErrorKind::Corrupt), and the client
    /// gets a 503 until its item expires. With `true`, the failure is logged, and the client begins
    /// without a session. In both cases the item stays.
    ///
    /// ```
    /// use lambda_sessions::layer::FlaskSessions;
    ///
    /// let flask = FlaskSessions::table("sessions").skip_unreadable(true);
    /// # let _ = flask;
    /// ```
    pub fn skip_unreadable(mut self, yes: bool) -> Self {
        self.skip_unreadable = yes;
        self
    }

    /// Sets the offset of the Flask application's time zone from UTC, in minutes.
    ///
    /// The default is 0, which is right for AWS Lambda and for most containers. Both packages write an
    /// expiry that is off by it: they take the UTC time for a local one. In Berlin's winter, with an
    /// offset of 60, an item appears to expire an hour too early.
    ///
    /// ```
    /// use lambda_sessions::layer::FlaskSessions;
    ///
    /// let flask = FlaskSessions::table("sessions").utc_offset(60);
    /// # let _ = flask;
    /// ```
    pub fn utc_offset(mut self, minutes: i16) -> Self {
        self.utc_offset = minutes;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if the table or its key has no valid
    /// name.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        checked_table(self.table.clone())?;
        if (1..=255).contains(&self.key.len()) {
            return Ok(());
        }
        let reason = "invalid import_from: the name of the key attribute must have 1 to 255 bytes";
        Err(Error::new(ErrorKind::Misconfigured, reason))
    }

    pub(crate) fn form(&self) -> ForeignForm {
        match self.package {
            Package::FlaskDynamoDbSessions => ForeignForm::Uuid,
            Package::FlaskSession => ForeignForm::Token,
        }
    }

    pub(crate) fn cookie_settings(&self) -> &PreviousCookie {
        &self.cookie
    }

    /// Returns whether the client keeps Flask's cookie.
    pub(crate) fn keeps(&self) -> bool {
        self.keep
    }

    /// Returns whether an item stays as long as Flask's session lives.
    pub(crate) fn keeps_items(&self) -> bool {
        self.keep && !self.copied
    }
}
