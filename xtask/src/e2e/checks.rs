//! What was checked: a line for each, and the count at the end.

use std::fmt::Debug;
use std::process::ExitCode;

use anyhow::Result;

#[derive(Default)]
pub(super) struct Checks {
    passed: usize,
    failed: usize,
}

impl Checks {
    pub(super) fn equal<T: PartialEq<U> + Debug, U: Debug>(
        &mut self,
        what: &str,
        found: T,
        wanted: U,
    ) {
        if found == wanted {
            self.passed(what);
        } else {
            self.failed(what, &format!("found {found:?}, wanted {wanted:?}"));
        }
    }

    pub(super) fn holds(&mut self, what: &str, holds: bool) {
        if holds {
            self.passed(what);
        } else {
            self.failed(what, "it does not hold");
        }
    }

    /// A journey that could not go on is a failure too.
    pub(super) fn ended(&mut self, journey: &str, ended: Result<()>) {
        let what = format!("{journey}: went to its end, and nothing is left running");
        match ended {
            Ok(()) => self.passed(&what),
            Err(error) => self.failed(&what, &format!("{error:#}")),
        }
    }

    pub(super) fn summary(&self) -> ExitCode {
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn passed(&mut self, what: &str) {
        self.passed += 1;
        println!("ok      {what}");
    }

    fn failed(&mut self, what: &str, why: &str) {
        self.failed += 1;
        println!("FAILED  {what}: {why}");
    }
}
