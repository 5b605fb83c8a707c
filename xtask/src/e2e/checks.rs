//! The result of each check on a line of its own, and the count at the end.

use std::fmt::Debug;
use std::process::ExitCode;

use anyhow::Result;

#[derive(Default)]
pub(crate) struct Checks {
    passed: usize,
    failed: usize,
}

impl Checks {
    pub(crate) fn equal<T: PartialEq<U> + Debug, U: Debug>(
        &mut self,
        what: &str,
        found: T,
        expected: U,
    ) {
        if found == expected {
            self.passed(what);
        } else {
            self.failed(what, &format!("found {found:?}, expected {expected:?}"));
        }
    }

    pub(crate) fn holds(&mut self, what: &str, holds: bool) {
        if holds {
            self.passed(what);
        } else {
            self.failed(what, "it is false");
        }
    }

    /// Records how a journey ended. A journey that stopped early is a failure.
    pub(crate) fn ended(&mut self, journey: &str, ended: Result<()>) {
        let what = format!("{journey}: ran to its end, and no process is left");
        match ended {
            Ok(()) => self.passed(&what),
            Err(error) => self.failed(&what, &format!("{error:#}")),
        }
    }

    pub(crate) fn summary(&self) -> ExitCode {
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
