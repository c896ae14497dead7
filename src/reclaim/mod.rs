//! When is it safe to free? Once nobody can still be looking: epochs.
//!
//! A reader holds a [`Guard`] while it follows shared pointers. Whoever takes an object out of a shared structure
//! hands it to [`Guard::defer`]; the deferred function runs after every guard that was alive at that moment has
//! ended, on whichever thread happens to notice.
//!
//! **One collector per process, and our own.** A monitor may join actors of two runtimes; its entry then
//! belongs to both, and one domain has to cover both: with a collector per runtime, a reader pinned in one would not hold
//! back a free in the other. And it is not the default collector of the epoch crate, because a guard that some
//! other crate holds for long would then keep our garbage too.
//!
//! # Rules
//!
//! 1. No code of the user runs under a guard or inside a deferred function: no message, actor or waker is
//!    dropped there, no handler called. A guard that lives long holds back the garbage of everybody.
//! 2. Unlink first, then defer. A guard that begins after the retirement may still find what is not unlinked.
//! 3. What a deferred function frees must not be reached by any path that needs no guard.
//!
//! Epochs are not robust: while one thread stays pinned nothing is freed anywhere, and it is all freed after.
//!
//! Models run against an oracle instead (see `oracle.rs`), because loom cannot look into the real collector.
#![allow(dead_code, reason = "the oracle has nothing to flush")]

#[cfg(not(dw_loom))]
mod epoch;
#[cfg(dw_loom)]
mod oracle;

#[cfg(not(dw_loom))]
use epoch as imp;
#[cfg(dw_loom)]
use oracle as imp;
#[cfg(dw_loom)]
pub use oracle::begin;

/// Holds back the frees of everything retired from now until it is dropped.
///
/// Stays on its thread. Guards may be nested; an inner one costs a counter.
#[derive(Debug)]
#[must_use = "a guard protects until it is dropped"]
pub struct Guard(imp::Guard);

/// Begins a guard.
#[inline]
pub fn pin() -> Guard {
    Guard(imp::pin())
}

impl Guard {
    /// Retires: runs `f` once every guard alive now has ended, on any thread.
    ///
    /// # Safety
    ///
    /// - What `f` frees is unlinked already: no guard that begins after this call can reach it.
    /// - Nobody reaches it without a guard, now or later, and it is retired only once.
    /// - `f` runs no code of the user and does not panic.
    #[inline]
    pub unsafe fn defer(&self, f: impl FnOnce() + Send + 'static) {
        // SAFETY: the same promises.
        unsafe { self.0.defer(f) }
    }
}

/// Drives the collector a few steps, so that garbage is freed although nothing is going on.
///
/// For tests and for the end of a runtime. It frees what no guard holds back, from this thread and from threads that have
/// ended, several hundred items in one call; what other living threads keep in their own bags stays there until they flush
/// or end. Under a guard of the calling thread it frees nothing.
pub fn flush() {
    imp::flush();
}

#[cfg(all(test, not(dw_loom)))]
mod tests;
