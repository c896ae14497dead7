//! Running the user's code where a panic of it must not escape.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

use crate::reason::ExitReason;

/// Runs `f`; a panic becomes the reason it stands for.
///
/// What `f` touched is the value of a dying actor: nobody looks at it again but its own `Drop`, so unwind safety is
/// not in question.
pub fn catch<R>(f: impl FnOnce() -> R) -> Result<R, ExitReason> {
    catch_unwind(AssertUnwindSafe(f)).map_err(ExitReason::from_panic)
}

/// Drops a value of the user's; a panic of its `Drop` is swallowed (the panic hook has reported it), and a payload
/// that panics in turn is leaked rather than let loose.
pub fn drop_quietly<T>(value: T) {
    quietly(|| drop(value));
}

/// Drops something of the user's in a way of its own; otherwise as [`drop_quietly`].
pub fn quietly(dropping: impl FnOnce()) {
    if let Err(mut payload) = catch_unwind(AssertUnwindSafe(dropping)) {
        // A payload's Drop may panic with a payload whose Drop may panic ...: two rounds, then it is leaked.
        for _ in 0..2 {
            match catch_unwind(AssertUnwindSafe(move || drop(payload))) {
                Ok(()) => return,
                Err(next) => payload = next,
            }
        }
        std::mem::forget(payload);
    }
}

/// Runs `f`. If it panics, `clean` runs before that panic goes on, and not in the course of it, where a second one would end the
/// process; one of its own is swallowed.
pub fn or_clean<R>(f: impl FnOnce() -> R, clean: impl FnOnce()) -> R {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| {
        quietly(clean);
        resume_unwind(panic)
    })
}

/// Wakes when it is dropped: for [`drop_quietly`], since a waker is the user's code.
pub struct WakeOnDrop(pub Option<Waker>);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }
}
