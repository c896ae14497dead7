//! Time: the one place that asks the system for it, and deadlines that ring.
//!
//! A [`Clock`] is the alarm service of one runtime. It has at most one thread, started by the first alarm, which
//! holds the alarms in a heap and parks until the earliest deadline; with no alarm left it parks for good, so an idle
//! clock uses no processor time. Setting an alarm is one push on a lock-free stack; the thread is woken only if that
//! changes when it should wake up.
//!
//! This room has no `unsafe`: nodes and references are in [`alarm`](crate::structs::alarm).
//!
//! # Rules
//!
//! 1. An alarm that was set is released exactly once: after it rang, or when the thread finds it done.
//! 2. It rings at its deadline or soon after, never before, except when the clock stops: then all that is left rings.
//! 3. The thread publishes when it will next look: `AWAKE` (it looks at the stack before it parks), `NEVER`, or the
//!    nanoseconds from its origin. A setter whose deadline is earlier exchanges that for `AWAKE` and unparks, so of many
//!    setters one does.
//! 4. After every [`DRAIN`] alarms set it is woken anyway, takes them over, and releases those that are done; and whenever
//!    its heap has doubled since it last looked, those in the heap that are done. So an alarm whose request has been answered
//!    does not stay until its deadline, and the thread holds at most twice the alarms that are not done, and `DRAIN`.
//! 5. The stack is closed by the thread as its last act, or by [`Clock::stop`] if there is no thread. Who meets it closed
//!    gets the alarm back: no alarm is lost between a setter and a stop.
//! 6. Alarms must not unwind; if one does while it rings, that is caught and the clock goes on.
//!
//! # Why no deadline is missed
//!
//! Setting is *push, fence, read the published time*; parking is *publish the time, fence, look at the stack*. If the setter's
//! fence is first, the thread's look finds the alarm and it does not park. If the thread's is first, the setter reads the
//! time that was published (or `AWAKE`, which means that a look follows) and wakes the thread if its deadline is earlier.

use core::cmp::Ordering as Order;
use core::fmt;
use core::time::Duration;
use std::collections::BinaryHeap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use crossbeam_utils::CachePadded;

use crate::structs::alarm::{AlarmRef, AlarmStack, Alarms};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use crate::sync::thread::{self, JoinHandle, Thread};

/// How many alarms may be set before the thread is woken to take them over.
pub const DRAIN: usize = 4096;

const AWAKE: u64 = 0;
const NEVER: u64 = u64::MAX;

/// The alarm service of one runtime.
pub struct Clock {
    shared: Arc<Shared>,
    name: String,
    /// Cold: touched at the start and at the stop.
    life: Mutex<Life>,
}

enum Life {
    Unused,
    Running(JoinHandle<()>),
    Stopped,
}

struct Shared {
    stack: CachePadded<AlarmStack>,
    /// When the thread looks next (rule 3).
    next_look: CachePadded<AtomicU64>,
    stopping: AtomicBool,
    /// What `next_look` counts from.
    origin: Instant,
    /// Set when the thread has been started.
    thread: OnceLock<Thread>,
}

/// An alarm was not set; here it is again, with the reason.
#[derive(Debug)]
pub struct NotSet {
    /// The alarm, which has not rung and will not.
    pub alarm: AlarmRef,
    /// Why: the thread could not be started, or the clock is stopped (`NotConnected`).
    pub error: io::Error,
}

impl fmt::Display for NotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "alarm not set: {}", self.error)
    }
}

impl std::error::Error for NotSet {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl Clock {
    /// A clock without a thread, which will be called `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            shared: Arc::new(Shared {
                stack: CachePadded::new(AlarmStack::new()),
                next_look: CachePadded::new(AtomicU64::new(AWAKE)),
                stopping: AtomicBool::new(false),
                origin: Self::now(),
                thread: OnceLock::new(),
            }),
            name: name.into(),
            life: Mutex::new(Life::Unused),
        }
    }

    /// What time it is. The crate asks nowhere else.
    #[inline]
    pub fn now() -> Instant {
        Instant::now()
    }

    /// Sets an alarm; the first one starts the thread.
    ///
    /// # Errors
    ///
    /// Gives the alarm back if the thread cannot be started or the clock is stopped.
    pub fn set(&self, alarm: AlarmRef) -> Result<(), NotSet> {
        let shared = &*self.shared;
        if shared.thread.get().is_none() {
            if let Err(error) = self.start() {
                return Err(NotSet { alarm, error });
            }
        }
        let when = shared.stamp(alarm.when());
        let pushed = shared.stack.push(alarm).map_err(|alarm| NotSet { alarm, error: stopped() })?;
        // ORDERING: the setter's half of the Dekker pair told in the module documentation; partner is the fence in
        // `wait`.
        fence(Ordering::SeqCst);
        // ORDERING: Relaxed after the fence; a stale time would have to be older than a look that saw our push.
        let next_look = shared.next_look.load(Ordering::Relaxed);
        if next_look != AWAKE && (when < next_look || pushed % DRAIN == 0) {
            shared.wake(next_look);
        }
        Ok(())
    }

    #[cold]
    fn start(&self) -> io::Result<()> {
        let mut life = self.life();
        match *life {
            Life::Running(_) => return Ok(()),
            Life::Stopped => return Err(stopped()),
            Life::Unused => {}
        }
        let shared = Arc::clone(&self.shared);
        let handle = thread::spawn(self.name.clone(), None, move || Bell::new(shared).live())?;
        // Ours is the only one: the lock is held and the clock was unused.
        let _ = self.shared.thread.set(handle.thread().clone());
        *life = Life::Running(handle);
        Ok(())
    }

    /// Rings and releases all that is left, and ends the thread; waits for that unless it is called on it.
    /// The second call does nothing and waits for nothing.
    ///
    /// Alarms set from now on, or not yet seen by the thread's end, come back as errors.
    pub fn stop(&self) {
        if let Some(handle) = self.stop_soon() {
            if handle.thread().id() != thread::current().id() {
                // It catches what alarms do; only a bug of ours would be told here.
                let _ = handle.join();
            }
        }
    }

    /// The same without waiting: gives back the thread that is about to end.
    pub fn stop_soon(&self) -> Option<JoinHandle<()>> {
        let life = core::mem::replace(&mut *self.life(), Life::Stopped);
        let handle = match life {
            Life::Running(handle) => handle,
            Life::Unused => {
                drop(self.shared.stack.close());
                return None;
            }
            Life::Stopped => return None,
        };
        // ORDERING: Release pairs with the Acquire in `Bell::live`; the unpark wakes the thread for certain.
        self.shared.stopping.store(true, Ordering::Release);
        handle.thread().unpark();
        Some(handle)
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock")
            .field("name", &self.name)
            .field("running", &self.shared.thread.get().is_some())
            .finish()
    }
}

fn stopped() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the clock is stopped")
}

impl Shared {
    /// Nanoseconds from the origin, neither `AWAKE` nor `NEVER`.
    fn stamp(&self, when: Instant) -> u64 {
        let nanos = when.saturating_duration_since(self.origin).as_nanos();
        u64::try_from(nanos).unwrap_or(NEVER).clamp(AWAKE + 1, NEVER - 1)
    }

    #[cold]
    fn wake(&self, next_look: u64) {
        // ORDERING: Relaxed; only one setter is to unpark, and the unpark is what orders. Should the thread have published
        // another time meanwhile, it has looked at the stack after our push (its fence came after ours).
        let won = self.next_look.compare_exchange(next_look, AWAKE, Ordering::Relaxed, Ordering::Relaxed);
        if let (Ok(_), Some(thread)) = (won, self.thread.get()) {
            thread.unpark();
        }
    }
}

/// What the thread owns.
struct Bell {
    shared: Arc<Shared>,
    heap: BinaryHeap<Earliest>,
    /// How many were in the heap after the last sweep.
    swept: usize,
}

impl Bell {
    fn new(shared: Arc<Shared>) -> Self {
        Self { shared, heap: BinaryHeap::new(), swept: 0 }
    }

    fn live(mut self) {
        // ORDERING: Acquire pairs with the Release in `Clock::stop`.
        while !self.shared.stopping.load(Ordering::Acquire) {
            self.take(self.shared.stack.take());
            self.ring_due(Clock::now());
            self.wait();
        }
        let left = self.shared.stack.close();
        self.take(left);
        self.heap.drain().for_each(|Earliest(alarm)| ring(alarm));
    }

    /// Moves alarms into the heap but those that are done; sweeps the heap when that has doubled.
    fn take(&mut self, alarms: Alarms) {
        self.heap.extend(alarms.filter(|alarm| !alarm.is_done()).map(Earliest));
        if self.heap.len() > 2 * self.swept + DRAIN {
            self.heap.retain(|Earliest(alarm)| !alarm.is_done());
            self.swept = self.heap.len();
        }
    }

    fn ring_due(&mut self, now: Instant) {
        while self.heap.peek().is_some_and(|Earliest(alarm)| alarm.when() <= now) {
            if let Some(Earliest(alarm)) = self.heap.pop() {
                ring(alarm);
            }
        }
        self.swept = self.swept.min(self.heap.len());
    }

    /// Parks until the earliest deadline, or until woken.
    fn wait(&self) {
        let Shared { next_look, stack, .. } = &*self.shared;
        let earliest = self.heap.peek().map(|Earliest(alarm)| alarm.when());
        let time = earliest.map_or(NEVER, |when| self.shared.stamp(when));
        // ORDERING: Relaxed before the fence, which is the thread's half of the Dekker pair told in the module
        // documentation; partner is the fence in `Clock::set`.
        next_look.store(time, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if stack.is_empty() {
            match earliest {
                None => thread::park(),
                Some(when) => match when.saturating_duration_since(Clock::now()) {
                    Duration::ZERO => {}
                    left => thread::park_timeout(left),
                },
            }
        }
        // ORDERING: Relaxed; says only that a look follows, and the next publishing is fenced again.
        next_look.store(AWAKE, Ordering::Relaxed);
    }
}

/// Rule 6.
fn ring(alarm: AlarmRef) {
    let rung = catch_unwind(AssertUnwindSafe(|| alarm.ring()));
    // The payload's own drop is not to be trusted either.
    let _ = rung.map_err(core::mem::forget);
}

/// Orders a heap so that the earliest deadline is its greatest element.
#[derive(Debug)]
struct Earliest(AlarmRef);

impl Ord for Earliest {
    fn cmp(&self, other: &Self) -> Order {
        other.0.when().cmp(&self.0.when())
    }
}

impl PartialOrd for Earliest {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Earliest {
    fn eq(&self, other: &Self) -> bool {
        self.0.when() == other.0.when()
    }
}

impl Eq for Earliest {}

#[cfg(all(test, not(dw_loom)))]
mod tests;
