//! The real thing: a collector of crossbeam-epoch that belongs to this crate.

use std::sync::OnceLock;

use crossbeam_epoch::{Collector, LocalHandle};

/// A garbage bag becomes free when the epoch has moved on twice, and a step moves it at most once. The rest is
/// for bags that queue up: a step frees at most eight.
const FLUSH_STEPS: usize = 16;

static COLLECTOR: OnceLock<Collector> = OnceLock::new();

thread_local! {
    static PARTICIPANT: LocalHandle = register();
}

#[cold]
fn register() -> LocalHandle {
    COLLECTOR.get_or_init(Collector::new).register()
}

#[derive(Debug)]
pub(super) struct Guard(crossbeam_epoch::Guard);

#[inline]
pub(super) fn pin() -> Guard {
    // Late in the life of a thread its participant is gone (a destructor of other thread-local data pins). The
    // temporary one lives exactly as long as the guard.
    Guard(PARTICIPANT.try_with(LocalHandle::pin).unwrap_or_else(|_| register().pin()))
}

impl Guard {
    /// # Safety
    ///
    /// As for the public one.
    #[inline]
    pub(super) unsafe fn defer(&self, f: impl FnOnce() + Send + 'static) {
        // SAFETY: `f` may run on any thread and at any later time (`Send`, `'static`); that nothing it frees is still
        // reached is the caller's promise.
        unsafe { self.0.defer_unchecked(f) }
    }
}

pub(super) fn flush() {
    for _ in 0..FLUSH_STEPS {
        pin().0.flush();
    }
}
