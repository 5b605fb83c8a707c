//! The tables: their names, the connection that reaches them, and the time limits of calls.
//!
//! An operation takes a [`Table`]. It makes its calls with [`Table::read`], with
//! [`Table::until_response`] if each repetition of a write is the same request, and otherwise with
//! [`Table::attempt`].

use std::sync::Arc;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;

use crate::error::Error;
use crate::store::arguments::RequestTime;
use crate::store::dynamodb::attempt::{Attempt, attempt};
use crate::store::dynamodb::classify::{Fault, no_table, wrong_keys};
use crate::store::dynamodb::connection::Connection;
use crate::store::dynamodb::errors::unforeseen;
use crate::store::dynamodb::retry::{Ambiguity, RetryBudget};
use crate::store::dynamodb::session_schema::SessionSchema;
use crate::store::dynamodb::transport::request::Request;
use crate::store::dynamodb::users_schema::UsersSchema;

/// The time limit for one attempt, which is also the cost of a socket that died while the
/// environment was frozen.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
/// The time limit for an operation, including retries.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(3);

/// The session table, the users table, and how they are called. Clones share the connection.
#[derive(Clone)]
pub(super) struct Table {
    pub(super) connection: Arc<Connection>,
    /// The name or ARN of the session table.
    pub(super) name: Arc<str>,
    /// The name or ARN of the users table.
    pub(super) users: Arc<str>,
    /// The names of the session table.
    pub(super) sessions: SessionSchema,
    /// The names of the users table.
    pub(super) rows: UsersSchema,
    pub(super) eventually_consistent: bool,
    pub(super) attempt_timeout: Duration,
    pub(super) operation_timeout: Duration,
}

impl Table {
    /// Creates a table with the timeouts of its connection, or the defaults where it has none.
    pub(super) fn new(connection: Connection, name: String) -> Self {
        let timeouts = connection.timeouts();
        let attempt = timeouts.and_then(TimeoutConfig::operation_attempt_timeout);
        let operation = timeouts.and_then(TimeoutConfig::operation_timeout);
        Self {
            attempt_timeout: attempt.unwrap_or(ATTEMPT_TIMEOUT),
            operation_timeout: operation.unwrap_or(OPERATION_TIMEOUT),
            connection: connection.into(),
            users: format!("{name}-users").into(),
            name: name.into(),
            sessions: SessionSchema::default(),
            rows: UsersSchema::default(),
            eventually_consistent: false,
        }
    }

    /// Returns the retry budget of an operation that starts now.
    pub(super) fn budget(&self, at: RequestTime) -> RetryBudget {
        let quota = self.connection.quota();
        RetryBudget::new(self.operation_timeout, at.deadline(), quota)
    }

    /// Returns the retry budget of a call that takes no longer than an attempt.
    pub(super) fn short_budget(&self, at: Option<RequestTime>) -> RetryBudget {
        let deadline = at.and_then(RequestTime::deadline);
        RetryBudget::new(self.attempt_timeout, deadline, self.connection.quota())
    }

    /// Makes one attempt, limited by the attempt timeout and by the time that is left.
    pub(super) async fn attempt<R: Request>(
        &self,
        budget: &mut RetryBudget,
        request: R,
    ) -> Attempt<R::Output, R::Error> {
        // Boxed, because the futures of all callers contain it, and are moved.
        let attempt = attempt(&self.connection, self.attempt_timeout, budget, request);
        match Box::pin(attempt).await {
            Attempt::Failed(Fault::Refused(error)) => {
                Attempt::Failed(Fault::Refused(self.of_session_table(error)))
            }
            other => other,
        }
    }

    /// Returns the error of a call that uses the session table only. It names the expected keys if
    /// the table has others.
    pub(super) fn of_session_table(&self, error: Error) -> Error {
        let keys = || format!("the session table must have {}, strings", self.sessions);
        wrong_keys(error, keys)
    }

    /// Returns the error of a call that uses the users table, alone or with the session table.
    pub(super) fn of_users_table(&self, error: Error) -> Error {
        wrong_keys(no_table(error), || {
            format!(
                "the session table must have {}, and the users table {}, strings",
                self.sessions, self.rows
            )
        })
    }

    /// Sends a read until there is a response.
    pub(super) async fn read<R: Request>(
        &self,
        budget: &mut RetryBudget,
        request: impl Fn() -> R,
    ) -> Result<R::Output, Error> {
        loop {
            match self.attempt(budget, request()).await {
                Attempt::Done(done) => {
                    budget.responded();
                    return Ok(done);
                }
                Attempt::Refused(_) => return Err(unforeseen()),
                Attempt::Failed(fault) => budget.after_a_read(fault).await?,
            }
        }
    }

    /// Sends the same request until there is a response. The returned [`Ambiguity`] says whether an
    /// earlier attempt may have happened.
    pub(super) async fn until_response<R: Request>(
        &self,
        budget: &mut RetryBudget,
        request: impl Fn(&Ambiguity) -> R,
    ) -> Result<(Result<R::Output, R::Error>, Ambiguity), Error> {
        let mut ambiguity = Ambiguity::default();
        loop {
            match self.attempt(budget, request(&ambiguity)).await {
                Attempt::Done(done) => {
                    budget.responded();
                    return Ok((Ok(done), ambiguity));
                }
                Attempt::Refused(refused) => return Ok((Err(refused), ambiguity)),
                Attempt::Failed(fault) => ambiguity.after(fault, budget).await?,
            }
        }
    }
}
