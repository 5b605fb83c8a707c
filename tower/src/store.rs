//! [`TowerStore`]: its settings, and what each operation does to the store below it.
//!
//! 1. A session that was created gets a new id. An id that is taken is never overwritten.
//! 2. A save requires a live record. A logout therefore wins against a slower request, which writes
//!    nothing. To tower-sessions, this is a success.
//! 3. The store below judges the expiry. Its retries, fence and time limits apply.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

#[cfg(feature = "dynamodb")]
use lambda_sessions::DynamoDbStore;
use lambda_sessions::store::{Changes, Found, Record, RequestTime, StorageKey, Timestamp, Update};
use lambda_sessions::{Error, ErrorKind, SessionStore};
use time::OffsetDateTime;

use crate::id::{Scope, new_id};
use crate::read_records::ReadRecords;
use crate::session::{Values, to_data, to_date, to_timestamp, to_values};

/// The number of ids that are tried for a new session. Even the second one is never needed, unless
/// the generator repeats itself.
const IDS: usize = 4;

/// A store for tower-sessions and axum-login that keeps its sessions in a store of
/// [`lambda_sessions`].
///
/// It implements the trait `SessionStore` of each version of `tower-sessions-core` whose feature is
/// enabled. `S` is [`DynamoDbStore`](lambda_sessions::DynamoDbStore),
/// [`MemoryStore`](lambda_sessions::MemoryStore) for tests, or a store of your own.
///
/// Create one per process, before `run`. Clones share the store.
///
/// ```no_run
/// use lambda_sessions_tower::TowerStore;
/// use tower_sessions::SessionManagerLayer;
///
/// # async fn f() -> Result<(), lambda_sessions_tower::lambda_sessions::Error> {
/// let sessions = SessionManagerLayer::new(TowerStore::from_env().await?);
/// # let _ = sessions;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TowerStore<S> {
    store: S,
    scope: Scope,
    clock: Clock,
    read: ReadRecords,
}

type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

#[cfg(feature = "dynamodb")]
impl TowerStore<DynamoDbStore> {
    /// Creates a store in DynamoDB that is configured by the environment.
    ///
    /// It reads the variables of
    /// [`DynamoDbStore::from_env`](lambda_sessions::DynamoDbStore::from_env), such as
    /// `SESSION_DYNAMODB_TABLE`, and connects during init.
    ///
    /// ```no_run
    /// use lambda_sessions_tower::TowerStore;
    ///
    /// # async fn f() -> Result<(), lambda_sessions_tower::lambda_sessions::Error> {
    /// let store = TowerStore::from_env().await?;
    /// # let _ = store;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Misconfigured`](ErrorKind::Misconfigured) if a variable does not parse, or if no
    /// Region is configured.
    pub async fn from_env() -> Result<Self, Error> {
        Ok(Self::new(DynamoDbStore::from_env().await?))
    }
}

impl<S: SessionStore> TowerStore<S> {
    /// Creates a store that keeps its sessions in `store`.
    ///
    /// ```
    /// use lambda_sessions_tower::TowerStore;
    /// use lambda_sessions_tower::lambda_sessions::MemoryStore;
    ///
    /// let store = TowerStore::new(MemoryStore::new());
    /// # let _ = store;
    /// ```
    pub fn new(store: S) -> Self {
        Self {
            store,
            scope: Scope::of_the_table(),
            clock: Arc::new(system_clock),
            read: ReadRecords::default(),
        }
    }

    /// Names the application, if several share a table. Each then has sessions of its own.
    ///
    /// By default, there is no name. After a change of the name, all sessions are gone.
    ///
    /// ```
    /// use lambda_sessions_tower::TowerStore;
    /// use lambda_sessions_tower::lambda_sessions::MemoryStore;
    ///
    /// let table = MemoryStore::new();
    /// let shop = TowerStore::new(table.clone()).audience("shop");
    /// let blog = TowerStore::new(table).audience("blog");
    /// # let _ = (shop, blog);
    /// ```
    #[must_use]
    pub fn audience(mut self, name: &str) -> Self {
        self.scope = Scope::of_application(name);
        self
    }

    /// Sets the clock that judges the expiry, for tests.
    ///
    /// The default is the system's clock. tower-sessions itself always uses the system's clock when
    /// it computes an expiry.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// use lambda_sessions_tower::TowerStore;
    /// use lambda_sessions_tower::lambda_sessions::MemoryStore;
    ///
    /// let tomorrow = || SystemTime::now() + Duration::from_secs(24 * 60 * 60);
    /// let store = TowerStore::new(MemoryStore::new()).clock(tomorrow);
    /// # let _ = store;
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Stores a new session and returns its id.
    pub(crate) async fn create_session(
        &self,
        values: &Values,
        expiry: OffsetDateTime,
    ) -> Result<i128, Error> {
        let at = self.now();
        let record = Record::new(to_data(values)?, at.now(), to_timestamp(expiry));
        for _ in 0..IDS {
            let id = new_id()?;
            if has_ended(record.ttl(), at) {
                return Ok(id); // no request could read it
            }
            let key = self.scope.key(id);
            match self.store.create(&key, &record, at).await {
                Ok(()) => {
                    self.read.put(key, record.at_version(1));
                    return Ok(id);
                }
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    tracing::warn!("a new session's id is taken: another one is generated");
                }
                Err(error) => return Err(error),
            }
        }
        let reason =
            "every new id is taken: the operating system's random generator repeats itself";
        Err(Error::new(ErrorKind::Conflict, reason))
    }

    /// Replaces the values and the expiry of a live session. Without one, nothing is written.
    pub(crate) async fn save_session(
        &self,
        id: i128,
        values: &Values,
        expiry: OffsetDateTime,
    ) -> Result<(), Error> {
        let (key, at, ttl) = (self.scope.key(id), self.now(), to_timestamp(expiry));
        let changes = Changes::replacing(to_data(values)?);
        if has_ended(ttl, at) {
            // DynamoDB's TTL never deletes an item that ended more than five years ago.
            return self.delete_session(id).await;
        }
        let read = match self.read.take(&key) {
            Some(read) => read,
            None => match self.store.load(&key, at).await? {
                Found::Live(record) => record.into(),
                Found::Redirect(_) | Found::Tombstone(_) | Found::Absent => {
                    log_ended(&key);
                    return Ok(());
                }
            },
        };
        let mut update = Update::new(changes, at);
        update.ttl = Some(ttl);
        update.read = Some(Arc::clone(&read));
        update.discards_values = true;
        match self.store.update(&key, update).await? {
            // The version may be lower than the stored one, if another request has written too. It
            // is never higher, which would make a retry of the next save look like a success.
            Found::Live(written) => {
                let read = Arc::unwrap_or_clone(read).at_version(written.version());
                self.read.put(key, read);
            }
            Found::Redirect(_) | Found::Tombstone(_) | Found::Absent => log_ended(&key),
        }
        Ok(())
    }

    /// Returns the values and the expiry of a live session.
    pub(crate) async fn load_session(
        &self,
        id: i128,
    ) -> Result<Option<(Values, OffsetDateTime)>, Error> {
        let key = self.scope.key(id);
        match self.store.load(&key, self.now()).await? {
            Found::Live(record) => {
                let session = (to_values(record.data())?, to_date(record.ttl()));
                self.read.put(key, record);
                Ok(Some(session))
            }
            Found::Redirect(_) | Found::Tombstone(_) | Found::Absent => Ok(None),
        }
    }

    /// Deletes a session, if there is one.
    pub(crate) async fn delete_session(&self, id: i128) -> Result<(), Error> {
        let key = self.scope.key(id);
        self.read.take(&key);
        self.store.delete(&key, self.now()).await.map(drop)
    }

    /// Returns the time of a call. It has no deadline, because tower-sessions does not pass the
    /// request to its store. The time limit of the store below applies.
    fn now(&self) -> RequestTime {
        RequestTime::at((self.clock)().into())
    }
}

/// Shows no session.
impl<S> fmt::Debug for TowerStore<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TowerStore").finish_non_exhaustive()
    }
}

fn has_ended(ttl: Timestamp, at: RequestTime) -> bool {
    ttl <= at.now()
}

fn log_ended(key: &StorageKey) {
    tracing::warn!(
        session = key.fingerprint(),
        "a session ended while a request changed it: the changes were not saved"
    );
}

#[allow(clippy::disallowed_methods)] // the only place where the clock is read
fn system_clock() -> SystemTime {
    SystemTime::now()
}
