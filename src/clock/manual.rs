//! Time that stands still until somebody moves it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::{Shared, real_now};

use crate::sync::atomic::{AtomicU64, Ordering};

/// A clock for tests: it stands still until it is [advanced](Self::advance).
///
/// Given to a runtime, it is the time for everything there that a program depends on: timers, intervals, and the time limits
/// of requests to its actors. (What concerns the threads themselves goes by the real time: the limit of
/// [`shutdown`](crate::Runtime::shutdown), the `_timeout` methods that block plain code, the report of slow handlers, and how
/// long an idle thread of the blocking pool stays.) Its unit is the nanosecond. Clones are the same clock; any number of runtimes may go by it.
///
/// ```
/// use std::time::Duration;
/// use deathwatch::{ManualClock, RequestError, Runtime, prelude::*};
///
/// struct Slow;
/// impl Actor for Slow {}
/// struct Ask; impl Message for Ask { type Reply = u32; }
/// impl Handler<Ask> for Slow {
///     async fn handle(&mut self, _: Ask, _: &Context<Self>) -> u32 { std::future::pending().await }
/// }
///
/// let clock = ManualClock::new();
/// let runtime = Runtime::builder().clock(&clock).build()?;
/// let slow = runtime.start(Slow)?;
///
/// let mut request = slow.request(Ask); // five seconds, from its first poll
/// # use futures::FutureExt;
/// assert!((&mut request).now_or_never().is_none());
/// clock.advance(Duration::from_millis(4_999));
/// assert!((&mut request).now_or_never().is_none());
/// clock.advance(Duration::from_millis(1));
/// assert_eq!(request.now_or_never(), Some(Err(RequestError::Timeout)));
/// # Ok::<(), deathwatch::StartError>(())
/// ```
#[derive(Clone)]
pub struct ManualClock {
    hands: Arc<Hands>,
}

pub(super) struct Hands {
    origin: Instant,
    /// Nanoseconds from the origin.
    now: AtomicU64,
    /// Whom it drives. Locked for as long as it advances.
    driven: Mutex<Vec<Weak<Shared>>>,
}

impl ManualClock {
    /// A clock that shows the present time, and stands.
    pub fn new() -> Self {
        // Not at zero, which is no time.
        let now = AtomicU64::new(super::board::FIRST);
        ManualClock { hands: Arc::new(Hands { origin: real_now(), now, driven: Mutex::default() }) }
    }

    /// What it shows.
    pub fn now(&self) -> Instant {
        self.hands.origin + Duration::from_nanos(self.nanos())
    }

    pub(super) fn nanos(&self) -> u64 {
        // ORDERING: Acquire pairs with the Release in `advance`: who sees a time sees what had rung before it.
        self.hands.now.load(Ordering::Acquire)
    }

    pub(super) fn origin(&self) -> Instant {
        self.hands.origin
    }

    /// Moves it on. What is due on the way rings in the order of its deadlines, each at its own time (of equal deadlines of
    /// one runtime, in the order in which they were set), and on the calling thread; when this returns, the messages of all
    /// these timers are in the mailboxes. That they are handled has to be waited for.
    ///
    /// What handlers set in answer to them counts from the time that they see, which is that of the end if they run after
    /// it. Not to be called by a waker.
    pub fn advance(&self, by: Duration) {
        let mut driven = self.driven();
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let end = self.nanos().saturating_add(by).min(super::board::NEVER - 1);
        driven.retain(|one| one.strong_count() > 0);
        let driven: Vec<Arc<Shared>> = driven.iter().filter_map(Weak::upgrade).collect();
        while let Some(next) =
            driven.iter().filter_map(|one| one.earliest()).min().filter(|next| *next <= end)
        {
            self.set(self.nanos().max(next));
            driven.iter().for_each(|one| one.ring_due());
        }
        self.set(end);
    }

    fn set(&self, now: u64) {
        // ORDERING: Release: see `nanos`.
        self.hands.now.store(now, Ordering::Release);
    }

    pub(super) fn drive(&self, one: &Arc<Shared>) {
        self.driven().push(Arc::downgrade(one));
    }

    fn driven(&self) -> MutexGuard<'_, Vec<Weak<Shared>>> {
        self.hands.driven.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl From<&ManualClock> for ManualClock {
    fn from(clock: &ManualClock) -> Self {
        clock.clone()
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = Duration::from_nanos(self.nanos() - super::board::FIRST);
        f.debug_struct("ManualClock").field("advanced", &shown).finish()
    }
}
