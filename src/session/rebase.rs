//! Rebases the pending changes on data that the store returned.
//!
//! A function among the changes carries its result for the data that the session shows: its
//! forecast. Under the lock, only forecasts are used. They become outdated when the store returns
//! other data than the session showed, after a load or after a save that met the write of another
//! request. This is the only place that computes them again.

use std::collections::BTreeMap;

use crate::error::{Error, ErrorKind};
use crate::session::handle::Session;
use crate::session::state::{End, State};
use crate::store::record::Record;

/// The maximum number of runs of a function while the value that it changes keeps changing.
pub(super) const MAX_RUNS: usize = 16;

impl Session {
    /// Rebases the changes on a record that the store returned, and then runs `adopt`.
    ///
    /// The functions run while the session is unlocked and still shows the previous data. Another
    /// thread may add a function in that time, so the loop ends under the lock at which no forecast
    /// is missing.
    pub(super) fn rebase(&self, record: Record, adopt: impl FnOnce(&mut State, Record)) {
        let mut forecasts = BTreeMap::new();
        let mut reruns = 0;
        loop {
            let state = self.lock();
            // Changes that begin a new session do not build on the stored data.
            let builds_on_it = state.requested.end == End::No;
            let next = match builds_on_it {
                true => state
                    .changes
                    .next_without_forecast(record.data(), &forecasts),
                false => None,
            };
            let Some((key, apply, there)) = next else {
                let unused = Self::run(state, |state| {
                    let unused = match builds_on_it {
                        true => state.changes.rebase(record.data(), forecasts),
                        false => forecasts,
                    };
                    adopt(state, record);
                    unused
                });
                // Not under the lock: this may drop functions of the application.
                drop(unused);
                return;
            };
            drop(state);
            let result = match reruns < MAX_RUNS {
                true => apply.run(there.as_ref()),
                false => Err(kept_changing()),
            };
            let apply = apply.with_forecast(there, result);
            reruns += usize::from(forecasts.insert(key, apply).is_some());
        }
    }
}

/// Returns the error of a function that ran [`MAX_RUNS`] times.
pub(super) fn kept_changing() -> Error {
    let reason = "other clones of the session kept changing the value during its update";
    Error::new(ErrorKind::Conflict, reason)
}
