//! A place for one waker, filled by whoever waits and emptied by whoever wakes.
//!
//! As `futures::task::AtomicWaker`, but the user's code in it may panic: when a waker's `clone` or `drop` panics, the place
//! stays usable, and no waker stays behind in it.
//!
//! # Rules
//!
//! 1. The waker is touched by whoever turned `WAITING` into something else, until it says `WAITING` again.
//! 2. One side registers, any number wake. Who comes to wake during a registration sets `WAKING` and leaves it at that:
//!    the registration ends with a wake then.
//! 3. Who waits registers first and looks for the event after that; who wakes brings the event about first.
//!
//! | state | set by | left by |
//! |---|---|---|
//! | `WAITING` | whoever is done with the waker | a registration, a wake |
//! | `REGISTERING` | a registration | the same |
//! | `WAKING` | a wake that found `WAITING` | the same |
//! | both | a wake that found `REGISTERING` | the registration |
//!
//! Three cases for rule 3. The wake is first: the registration begins after it, and so sees the event. It comes in between: the
//! registration finds `WAKING`, and wakes. It comes after: it finds the waker.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

use crate::guard::{self, WakeOnDrop};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{UnsafeCell, hint};

const WAITING: usize = 0;
const REGISTERING: usize = 1;
const WAKING: usize = 2;

/// The place. See the [module documentation](self).
pub struct AtomicWaker {
    state: AtomicUsize,
    waker: UnsafeCell<Option<Waker>>,
}

// SAFETY: the waker, which may be sent and shared itself, is touched by one thread at a time (rule 1).
unsafe impl Send for AtomicWaker {}
// SAFETY: as above.
unsafe impl Sync for AtomicWaker {}

impl Default for AtomicWaker {
    fn default() -> Self {
        Self::new()
    }
}

impl AtomicWaker {
    /// No waker yet.
    pub fn new() -> Self {
        AtomicWaker { state: AtomicUsize::new(WAITING), waker: UnsafeCell::new(None) }
    }

    /// Remembers whom to wake, in place of whoever was there. By one side only.
    ///
    /// # Panics
    ///
    /// When the waker's `clone` does; nobody is remembered anew then.
    pub fn register(&self, waker: &Waker) {
        // ORDERING: Acquire pairs with the Releases in `take`, whose caller's event is to be seen after this. The same on
        // failure, for the one in `take_for_good`, after which there is no other time.
        if self.state.compare_exchange(WAITING, REGISTERING, Ordering::Acquire, Ordering::Acquire).is_err() {
            // Somebody wakes this very moment, and is done in a few steps.
            waker.wake_by_ref();
            return hint::spin_loop();
        }
        let known = self.waker.with(|place| {
            // SAFETY: ours by rule 1.
            unsafe { (*place).as_ref() }.is_some_and(|known| known.will_wake(waker))
        });
        let fresh = if known { Ok(None) } else { catch_unwind(AssertUnwindSafe(|| Some(waker.clone()))) };
        let (fresh, panic) = match fresh {
            Ok(fresh) => (fresh, None),
            Err(panic) => (None, Some(panic)),
        };
        let old = fresh.and_then(|fresh| {
            // SAFETY: ours by rule 1.
            self.waker.with_mut(|place| unsafe { (*place).replace(fresh) })
        });
        // ORDERING: Release hands the waker to the one who takes it. Relaxed on failure: as above.
        let left = self.state.compare_exchange(REGISTERING, WAITING, Ordering::Release, Ordering::Relaxed);
        if left.is_err() {
            // SAFETY: ours still: who set WAKING left it to us (rule 2).
            let now = self.waker.with_mut(|place| unsafe { (*place).take() });
            // ORDERING: Release hands the empty place on. A read-modify-write, so that it stands in the release sequence of a
            // second one who came to wake: the next registration sees both events.
            self.state.swap(WAITING, Ordering::Release);
            guard::drop_quietly(WakeOnDrop(now));
        }
        guard::drop_quietly(old);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Forgets whoever registered last and gives the waker to the caller.
    pub fn take(&self) -> Option<Waker> {
        // ORDERING: AcqRel: Release shows what the caller did before to a registration that finds this; Acquire takes the
        // waker over from the registration.
        if self.state.fetch_or(WAKING, Ordering::AcqRel) != WAITING {
            return None; // the registration wakes (rule 2), or somebody else is at it
        }
        // SAFETY: ours by rule 1.
        let waker = self.waker.with_mut(|place| unsafe { (*place).take() });
        // ORDERING: Release hands the place on, and shows the event to the registration that finds it empty.
        self.state.fetch_and(!WAKING, Ordering::Release);
        waker
    }

    /// Forgets whoever registered last and gives the waker to the caller, for the last time: who registers after this is woken
    /// at once.
    pub fn take_for_good(&self) -> Option<Waker> {
        // ORDERING: AcqRel: as in `take`. WAKING stays.
        if self.state.fetch_or(WAKING, Ordering::AcqRel) != WAITING {
            return None; // as in `take`
        }
        // SAFETY: ours by rule 1.
        self.waker.with_mut(|place| unsafe { (*place).take() })
    }

    /// Wakes and forgets whoever registered last. A waker that panics is not heard of.
    pub fn wake(&self) {
        guard::drop_quietly(WakeOnDrop(self.take()));
    }
}
