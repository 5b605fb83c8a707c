//! Tracks the sessions whose functions run on this thread. A function that uses its own session
//! must not be run again for that.

use std::cell::RefCell;
use std::marker::PhantomData;

thread_local! {
    /// The addresses of the sessions, the innermost last.
    static RUNNING: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// Returns whether this is called by a function of that session.
pub(super) fn is_running(session: usize) -> bool {
    RUNNING.with_borrow(|running| running.contains(&session))
}

/// Records that a function of that session runs until the result is dropped.
pub(super) fn run(session: usize) -> Running {
    RUNNING.with_borrow_mut(|running| running.push(session));
    Running {
        _stays_on_its_thread: PhantomData,
    }
}

pub(super) struct Running {
    _stays_on_its_thread: PhantomData<*const ()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.with_borrow_mut(|running| running.pop());
    }
}
