//! Time: the one place that asks the system for it, and deadlines that ring.
//!
//! A [`Clock`] is the alarm service of one runtime, over the real time or over a [`ManualClock`]. The real one has at most one
//! thread, started by the first alarm, which holds the alarms in order ([`bell`]) and parks until the earliest deadline; with
//! no alarm left it parks for good, so an idle clock uses no processor time. Setting an alarm is one push on a lock-free stack of
//! the [`board`]; the thread is woken only if that changes when it should wake up.
//!
//! This room has no `unsafe`: nodes and references are in [`alarm`](crate::structs::alarm). Times are nanoseconds from an
//! origin of the clock's own, beginning with 1.
//!
//! # Time limits
//!
//! Most limits of requests end long before their time: with the reply. So a worker does not ask what time it is when it
//! begins one. It lays the alarm on a desk of its own, as long as it is to last instead of when it is to ring. When it has laid
//! [`MOST_LAID`], or finds nothing to do, it clears the desk: those that are done by then are let go without ever having come to
//! the clock, and the others are stamped, with one look at the time, and posted. A worker that is held up by a handler does not
//! come to that: the clock watches, and clears each desk every [`WATCH`] until it finds all of them empty. So a limit may ring
//! late, by the time that the worker is busy with other things, at most by a little more than [`WATCH`] twice, but never early:
//! the time is read after the alarm was taken from the desk, which is after it was laid there.
//!
//! Threads that are no workers of the clock's runtime stamp and post at once, and so does everybody whose clock is a manual one,
//! which would tell the difference.
//!
//! # Rules
//!
//! 1. An alarm that was set is released exactly once: after it rang for the last time, or when the clock, or the worker on
//!    whose desk it lies, finds it done.
//! 2. It rings at its deadline or soon after, never before. When the clock stops, all that is left is told so, and that is no
//!    ringing.
//! 3. The thread publishes when it will next look: `AWAKE` (it looks before it parks), `NEVER`, or a time; and whether it
//!    watches meanwhile: the desks, and what is taken back. Who posts an earlier deadline, or lays the first alarm on a desk
//!    that is not watched, or is the first to take one back, exchanges that for `AWAKE` and unparks, so of many one does.
//! 4. After every [`DRAIN`] alarms posted it is woken anyway, takes them over, and releases those that are done; and whenever
//!    it has twice as many as when it last looked, those of them that are done. So an alarm whose request has been answered
//!    does not stay until its deadline, and the thread holds at most twice the alarms that are not done, and `DRAIN`. An alarm
//!    that is cancelled much before its time (a timer) can be taken back ([`Clock::recall`]): it is released within a little
//!    more than [`WATCH`], and so is that which it keeps.
//! 5. The stack and the desks are closed by the thread as its last act, or by [`Clock::stop`] if there is no thread. Who meets
//!    them closed gets the alarm back: no alarm is lost between a setter and a stop.
//! 6. Alarms must not unwind; if one does while it rings, that is caught and the clock goes on.
//!
//! # Why no alarm is missed
//!
//! Posting is *push, fence, read the published time*; laying on an empty desk is *push, fence, read whether it is watched, and
//! the published time*; parking is *publish, fence, look at the stack, and at the desks unless they are watched*. If the setter's
//! fence is first, the thread's look finds the alarm and it does not park. If the thread's is first, the setter reads what was
//! published (or something later: `AWAKE` means that a look follows) and wakes the thread if it would come too late.
//! Who lays on a desk where others lie does nothing more: the one who laid there first has done it for all, since a desk
//! that is not empty stays watched. What is taken back goes the same way as what is laid on a desk.

use core::fmt;
use core::time::Duration;
use std::cell::Cell;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use crate::structs::alarm::{AlarmRef, Batch, Recall};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::per_thread;
use crate::sync::thread::{self, JoinHandle, Thread};

use self::bell::Bell;
use self::board::{Board, FIRST, NEVER, Owed};

mod bell;
pub mod board;
mod manual;

pub use manual::ManualClock;

/// How many alarms may be posted before the thread is woken to take them over.
pub const DRAIN: usize = 4096;

/// How many alarms a worker lays on its desk before it clears that.
pub const MOST_LAID: u32 = 64;

/// How often the thread looks at desks on which there is something.
pub const WATCH: Duration = Duration::from_millis(5);

per_thread! {
    /// The desk of this thread.
    static SEAT: Seat = const { Seat::nobody() };
}

/// Whose desk a thread sits at.
struct Seat {
    /// The address of the clock's shared part; none is at 0.
    clock: Cell<usize>,
    desk: Cell<usize>,
    /// How many alarms were laid on it since it was last cleared.
    laid: Cell<u32>,
}

impl Seat {
    const fn nobody() -> Self {
        Seat { clock: Cell::new(0), desk: Cell::new(0), laid: Cell::new(0) }
    }
}

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
    board: Board,
    time: Time,
    stopping: AtomicBool,
    /// Set when the thread has been started.
    thread: OnceLock<Thread>,
}

/// What time it is.
enum Time {
    Real {
        origin: Instant,
    },
    Manual {
        clock: ManualClock,
        /// What would be the thread's. Not locked while anything rings.
        bell: Mutex<Bell>,
    },
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

/// The real time, for plain code that belongs to no runtime. The crate asks the system nowhere else.
#[inline]
pub fn real_now() -> Instant {
    Instant::now()
}

/// A duration as alarms have it. One that is too long to be told is as good as endless.
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}

impl Clock {
    /// A real clock without a thread, which will be called `name`, with a desk for each of so many workers.
    pub fn new(name: impl Into<String>, workers: usize) -> Self {
        // A nanosecond ago, so that no time is 0.
        let now = real_now();
        let origin = now.checked_sub(Duration::from_nanos(FIRST)).unwrap_or(now);
        Self::over(name.into(), Board::new(workers, None), Time::Real { origin })
    }

    /// A clock that shows what `clock` does, and has no thread.
    pub fn manual(name: impl Into<String>, clock: ManualClock) -> Self {
        // It looks at nothing before it is told to, and nothing is earlier than what it says.
        let board = Board::new(0, Some(FIRST));
        let this =
            Self::over(name.into(), board, Time::Manual { clock: clock.clone(), bell: Mutex::default() });
        clock.drive(&this.shared);
        this
    }

    fn over(name: String, board: Board, time: Time) -> Self {
        let shared = Shared { board, time, stopping: AtomicBool::new(false), thread: OnceLock::new() };
        Self { shared: Arc::new(shared), name, life: Mutex::new(Life::Unused) }
    }

    /// What time it is.
    #[inline]
    pub fn now(&self) -> Instant {
        match &self.shared.time {
            Time::Real { .. } => real_now(),
            Time::Manual { clock, .. } => clock.now(),
        }
    }

    /// What time it is, in nanoseconds.
    pub fn nanos(&self) -> u64 {
        self.shared.nanos()
    }

    /// When that is, in nanoseconds; what lies before the clock's origin is its first moment.
    pub fn nanos_at(&self, when: Instant) -> u64 {
        self.shared.nanos_at(when)
    }

    /// Does it show the real time?
    pub fn is_real(&self) -> bool {
        matches!(self.shared.time, Time::Real { .. })
    }

    /// Sets an alarm that has its deadline; the first one starts the thread.
    ///
    /// # Errors
    ///
    /// Gives the alarm back if the thread cannot be started or the clock is stopped.
    pub fn set(&self, alarm: AlarmRef) -> Result<(), NotSet> {
        if let Err(error) = self.start() {
            return Err(NotSet { alarm, error });
        }
        let posted = self.shared.board.post(alarm);
        let owed = posted.map_err(|alarm| NotSet { alarm, error: stopped() })?;
        self.shared.settle(owed);
        Ok(())
    }

    /// Sets an alarm that says how long it is to last from now.
    ///
    /// # Errors
    ///
    /// As for [`set`](Self::set).
    #[inline]
    pub fn set_limit(&self, alarm: AlarmRef) -> Result<(), NotSet> {
        let Some((desk, laid)) = self.desk() else {
            alarm.set_when(self.nanos().saturating_add(alarm.when()));
            return self.set(alarm);
        };
        if let Err(error) = self.start() {
            return Err(NotSet { alarm, error });
        }
        let put = self.shared.board.lay(desk, alarm);
        let owed = put.map_err(|alarm| NotSet { alarm, error: stopped() })?;
        self.shared.settle(owed);
        if laid + 1 < MOST_LAID {
            let _ = SEAT.try_with(|seat| seat.laid.set(laid + 1));
        } else {
            self.clear_desk();
        }
        Ok(())
    }

    /// The desk of the calling thread, and how much was laid on it.
    #[inline]
    fn desk(&self) -> Option<(usize, u32)> {
        let here =
            |seat: &Seat| (seat.clock.get() == self.address()).then(|| (seat.desk.get(), seat.laid.get()));
        SEAT.try_with(here).ok().flatten()
    }

    /// The calling thread is a worker of this clock's runtime, with a desk of its own, until it [leaves](Self::leave).
    pub fn sit(&self, desk: usize) {
        if desk < self.shared.board.desks() {
            let _ = SEAT.try_with(|seat| {
                seat.clock.set(self.address());
                seat.desk.set(desk);
                seat.laid.set(0);
            });
        }
    }

    /// A worker has nothing to do: if it has laid down anything, that is looked at now.
    #[inline]
    pub fn clear_desk(&self) {
        let Some((desk, _)) = self.desk() else { return };
        if !self.shared.board.is_clear(desk) {
            let _ = SEAT.try_with(|seat| seat.laid.set(0));
            self.shared.clear(desk);
        }
    }

    /// The calling thread is a worker no more.
    pub fn leave(&self) {
        self.clear_desk();
        let _ = SEAT.try_with(|seat| seat.clock.set(0));
    }

    /// Takes an alarm back that was set, or is being set, and is done long before its time.
    pub fn recall(&self, recall: Recall) {
        self.shared.settle(self.shared.board.recall(recall));
    }

    fn address(&self) -> usize {
        (&raw const *self.shared).addr()
    }

    #[inline]
    fn start(&self) -> io::Result<()> {
        match self.shared.thread.get() {
            Some(_) => Ok(()),
            None => self.start_thread(),
        }
    }

    #[cold]
    fn start_thread(&self) -> io::Result<()> {
        if !self.is_real() {
            return Ok(());
        }
        let mut life = self.life();
        match *life {
            Life::Running(_) => return Ok(()),
            Life::Stopped => return Err(stopped()),
            Life::Unused => {}
        }
        let shared = Arc::clone(&self.shared);
        let handle = thread::spawn(self.name.clone(), None, move || shared.live())?;
        // Ours is the only one: the lock is held and the clock was unused.
        let _ = self.shared.thread.set(handle.thread().clone());
        *life = Life::Running(handle);
        Ok(())
    }

    /// Releases all that is left, and ends the thread; waits for that unless it is called on it.
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
                self.shared.end(self.shared.manual_bell());
                return None;
            }
            Life::Stopped => return None,
        };
        // ORDERING: Release pairs with the Acquire in `Shared::live`; the unpark wakes the thread for certain.
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
            .field("real", &self.is_real())
            .field("running", &self.shared.thread.get().is_some())
            .finish()
    }
}

fn stopped() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the clock is stopped")
}

impl Shared {
    fn nanos(&self) -> u64 {
        match &self.time {
            Time::Real { .. } => self.nanos_at(real_now()),
            Time::Manual { clock, .. } => clock.nanos(),
        }
    }

    fn nanos_at(&self, when: Instant) -> u64 {
        let origin = match &self.time {
            Time::Real { origin } => *origin,
            Time::Manual { clock, .. } => clock.origin(),
        };
        nanos(when.saturating_duration_since(origin)).clamp(FIRST, NEVER - 1)
    }

    fn settle(&self, owed: Owed) {
        if owed == Owed::Wake {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        } else if let Time::Manual { bell, .. } = &self.time {
            loop {
                let gone = self.look(&mut lock(bell));
                drop(gone);
                if self.board.rest(FIRST, false) {
                    return;
                }
                self.board.rise();
            }
        }
    }

    /// Clears a desk, on the thread of the worker whose it is.
    #[cold]
    fn clear(&self, desk: usize) {
        let mut late = Batch::new();
        let (mut now, mut earliest) = (None, NEVER);
        for alarm in self.board.clear(desk).filter(|alarm| !alarm.is_done()) {
            let when = now.get_or_insert_with(|| self.nanos()).saturating_add(alarm.when());
            alarm.set_when(when);
            earliest = earliest.min(when);
            late.put(alarm);
        }
        if now.is_some() {
            match self.board.post_all(late, earliest) {
                Ok(owed) => self.settle(owed),
                Err(left) => drop(left), // stopped: they are told nothing, as those that would come now
            }
        }
    }

    /// What the thread does.
    fn live(&self) {
        let mut bell = Bell::default();
        // When it looks at the desks again, if there was something.
        let mut watch = None;
        let period = nanos(WATCH);
        // ORDERING: Acquire pairs with the Release in `Clock::stop_soon`.
        while !self.stopping.load(Ordering::Acquire) {
            bell.admit(self.board.take());
            let now = self.nanos();
            watch = match watch {
                None => self.board.is_worth_watching().then(|| now.saturating_add(period)),
                Some(at) if at <= now => self.sweep(&mut bell).then(|| now.saturating_add(period)),
                later => later,
            };
            bell.tidy();
            drop(bell.gone());
            bell.ring_due(now);
            let next = bell.earliest().unwrap_or(NEVER).min(watch.unwrap_or(NEVER));
            if self.board.rest(next, watch.is_some()) {
                self.sleep(next);
            }
            self.board.rise();
        }
        self.end(bell);
    }

    /// Takes over what lies on the desks, and gives up what is taken back; false if there was nothing.
    fn sweep(&self, bell: &mut Bell) -> bool {
        let mut found = self.board.is_worth_watching();
        bell.give_back(self.board.recalled());
        for desk in 0..self.board.desks() {
            if !self.board.is_clear(desk) {
                found = true;
                let laid = self.board.clear(desk);
                bell.stamp(laid, self.nanos());
            }
        }
        found
    }

    fn sleep(&self, until: u64) {
        if until == NEVER {
            return thread::park();
        }
        let left = until.saturating_sub(self.nanos());
        if left > 0 {
            thread::park_timeout(Duration::from_nanos(left));
        }
    }

    /// Nothing rings from now on.
    fn end(&self, mut bell: Bell) {
        self.board.close(|left| bell.admit(left));
        drop(bell.gone());
        bell.stop();
    }

    fn manual_bell(&self) -> Bell {
        match &self.time {
            Time::Real { .. } => Bell::default(),
            Time::Manual { bell, .. } => core::mem::take(&mut *lock(bell)),
        }
    }

    /// Of a manual clock: when something rings next.
    fn earliest(&self) -> Option<u64> {
        let Time::Manual { bell, .. } = &self.time else { return None };
        let mut bell = lock(bell);
        let gone = self.look(&mut bell);
        let earliest = bell.earliest();
        drop(bell);
        drop(gone);
        earliest
    }

    /// Of a manual clock: takes over what was posted. What comes back is to be dropped when the bell is not locked.
    #[must_use]
    fn look(&self, bell: &mut Bell) -> Vec<AlarmRef> {
        bell.admit(self.board.take());
        bell.give_back(self.board.recalled());
        bell.tidy();
        bell.gone()
    }

    /// Of a manual clock: rings what is due.
    fn ring_due(&self) {
        let Time::Manual { clock, bell } = &self.time else { return };
        let now = clock.nanos();
        loop {
            let due = lock(bell).pop_due(now);
            let Some(due) = due else { return };
            if let Some(again) = bell::ring(due, now) {
                let gone = lock(bell).put_again(again);
                drop(gone);
            }
        }
    }
}

fn lock(bell: &Mutex<Bell>) -> MutexGuard<'_, Bell> {
    bell.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, not(dw_loom)))]
mod tests;
