//! Functions of a key's value, and the sum of an increment.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::store::data::Entry;

/// Functions of a key's value, applied in order to the value as it is when it is written.
#[derive(Clone)]
pub struct Apply {
    steps: Vec<Arc<Function>>,
    forecast: Option<Forecast>,
}

/// The result of the functions for one value. The functions run while the session is unlocked, and
/// under its lock only their forecasts are used.
#[derive(Clone)]
struct Forecast {
    of: Option<Entry>,
    result: Result<Entry, Error>,
}

/// One function. It runs again for each value that another request stores first.
type Function = dyn Fn(Option<&Entry>) -> Result<Entry, Error> + Send + Sync;

impl Apply {
    pub(crate) fn new(
        step: impl Fn(Option<&Entry>) -> Result<Entry, Error> + Send + Sync + 'static,
    ) -> Self {
        Self::from_steps(vec![Arc::new(step)])
    }

    fn from_steps(steps: Vec<Arc<Function>>) -> Self {
        Self {
            steps,
            forecast: None,
        }
    }

    /// Returns the result of the functions for a stored value, or for an absent key if `there` is
    /// `None`.
    ///
    /// # Errors
    ///
    /// Fails with [`Deserialize`](ErrorKind::Deserialize) if the value does not have the type of
    /// the functions' argument. Fails with [`Serialize`](ErrorKind::Serialize) if their result has
    /// no JSON form.
    pub fn run(&self, there: Option<&Entry>) -> Result<Entry, Error> {
        if let Some(result) = self.forecast(there) {
            return result.cloned();
        }
        let mut value: Option<Entry> = there.cloned();
        for step in &self.steps {
            value = Some(step(value.as_ref())?);
        }
        let reason = "there is no function to apply to the value";
        value.ok_or_else(|| Error::new(ErrorKind::Serialize, reason))
    }

    /// Returns the same functions with this forecast: their result for the value `of`.
    pub(crate) fn with_forecast(mut self, of: Option<Entry>, result: Result<Entry, Error>) -> Self {
        self.forecast = Some(Forecast { of, result });
        self
    }

    /// Returns the result for this value, if it is known without running the functions.
    ///
    /// An error is a new one each time. A handler that no longer holds its error has dealt with it,
    /// and the forecast must not hold that one.
    pub(super) fn forecast(&self, there: Option<&Entry>) -> Option<Result<&Entry, Error>> {
        let forecast = self.forecast.as_ref()?;
        let result = forecast.result.as_ref().map_err(Error::distinct);
        (forecast.of.as_ref() == there).then_some(result)
    }

    /// Returns whether the other has the same functions.
    pub(super) fn has_steps_of(&self, other: &Self) -> bool {
        let mut pairs = self.steps.iter().zip(&other.steps);
        self.steps.len() == other.steps.len() && pairs.all(|(a, b)| Arc::ptr_eq(a, b))
    }

    pub(super) fn add(by: i64) -> Self {
        Self::new(move |there| sum(there, by).map(integer))
    }

    /// Returns the later functions with this value as the input of the first, whatever is stored.
    pub(super) fn constant(entry: Option<Entry>, later: &Self) -> Self {
        let first = later.steps.first().map(|first| {
            let first = Arc::clone(first);
            let begin: Arc<Function> = Arc::new(move |_| first(entry.as_ref()));
            begin
        });
        let rest = later.steps.iter().skip(1).cloned();
        Self::from_steps(first.into_iter().chain(rest).collect())
    }

    pub(super) fn followed_by(&self, later: &Self) -> Self {
        Self::from_steps(self.steps.iter().chain(&later.steps).cloned().collect())
    }

    #[cfg(test)]
    pub(super) fn number_of_steps(&self) -> usize {
        self.steps.len()
    }
}

impl fmt::Debug for Apply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Apply({} functions)", self.steps.len())
    }
}

/// Returns the entry of an integer.
pub(super) fn integer(n: i64) -> Entry {
    Entry::from_json(n.to_string())
}

/// Returns the sum of a stored number and `by`. An absent key counts from 0.
pub(super) fn sum(there: Option<&Entry>, by: i64) -> Result<i64, Error> {
    let Some(entry) = there else {
        return Ok(by);
    };
    let n = as_i64(entry).ok_or_else(|| {
        let reason = "only an integer that fits in an i64 can be incremented";
        Error::new(ErrorKind::Deserialize, reason)
    })?;
    n.checked_add(by).ok_or_else(overflow)
}

pub(super) fn as_i64(entry: &Entry) -> Option<i64> {
    let text = entry.json().filter(|_| entry.is_integer())?;
    text.parse().ok()
}

pub(super) fn overflow() -> Error {
    Error::new(ErrorKind::Serialize, "the sum does not fit in an i64")
}
