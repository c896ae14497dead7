//! One worker: where it takes its next task from, and the loop around that.

use core::any::TypeId;
use core::cell::Cell;
use core::iter;
use core::ptr::{self, NonNull};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc as StdArc;

use crossbeam_deque::{Steal, Stealer, Worker};

use super::idle::{Found, Outlook, Seen, Woken};
use super::{Scheduler, Task};
use crate::clock::Clock;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use crate::sync::{hint, thread};

/// How many tasks in a row come out of the slot while others wait in the worker's queue.
const SLOT_RUNS: u32 = 16;

/// Every how many tasks the injector is asked first.
const INJECTOR_EVERY: u32 = 61;

/// The most tasks that are taken from the injector at once.
const INJECTOR_BATCH: usize = 32;

/// How often a searcher looks around before it goes to sleep; about 10 µs.
const ROUNDS: u32 = 16;

/// How many spin hints lie between two rounds; in every fourth pause the processor is offered to others, so
/// that a worker which shares it with the thread it waits for does not keep it.
const SPINS: u32 = 16;

thread_local! {
    /// The worker that the thread is; null elsewhere. No destructor: readable at any time.
    static CURRENT: Cell<*const Head> = const { Cell::new(ptr::null()) };
    /// Whose leftovers this thread is dropping; see `drop_in_turn`.
    static DROPPING: Cell<*const ()> = const { Cell::new(ptr::null()) };
}

/// Drops one after the other what `next` gives, and what that has queued with the same owner in turn.
///
/// A drop that queues comes back in here; the inner call leaves its task to the outer one, so that a long chain of drops does
/// not become a deep one.
#[cold]
pub(super) fn drop_in_turn<T>(owner: *const (), mut next: impl FnMut() -> Option<T>) {
    if DROPPING.get() == owner {
        return;
    }
    let outer = DROPPING.replace(owner);
    while let Some(task) = next() {
        shielded(|| drop(task));
    }
    DROPPING.set(outer);
}

/// The part of [`Local`] that can be read without knowing the type of its tasks.
struct Head {
    scheduler: *const (),
    task: TypeId,
}

/// The part of a worker that others touch.
pub(super) struct Remote<T: Task> {
    /// The task queued last, or null: put and taken by the owner, taken by the watchdog.
    slot: AtomicPtr<()>,
    /// Changes with every task the worker starts; written by the owner alone.
    moved: AtomicU32,
    stealer: Stealer<T>,
}

impl<T: Task> Remote<T> {
    pub(super) fn new(stealer: Stealer<T>) -> Self {
        Self { slot: AtomicPtr::new(ptr::null_mut()), moved: AtomicU32::new(0), stealer }
    }

    fn is_slot_empty(&self) -> bool {
        // ORDERING: Relaxed; to the owner its own writes are in order and it alone fills the slot; to the
        // watchdog it is a guess, made good by `take`.
        self.slot.load(Ordering::Relaxed).is_null()
    }

    fn take(&self) -> Option<T> {
        if self.is_slot_empty() {
            return None;
        }
        // ORDERING: Acquire pairs with the Release in `Local::put`: the watchdog must see the task as its
        // owner left it.
        let raw = self.slot.swap(ptr::null_mut(), Ordering::Acquire);
        // SAFETY: what is in the slot came from `into_raw` in `put`; the swap gave it to us alone.
        NonNull::new(raw).map(|raw| unsafe { T::from_raw(raw) })
    }

    fn moved(&self) -> u32 {
        // ORDERING: Relaxed; a sign of life, nothing is read by it.
        self.moved.load(Ordering::Relaxed)
    }
}

/// What the watchdog saw of one worker when it last looked.
#[derive(Clone, Copy, Default)]
struct Glance {
    moved: u32,
    stuck: bool,
}

/// The part of a worker that its thread alone touches; lives on that thread's stack.
#[repr(C)]
pub(super) struct Local<T: Task> {
    head: Head,
    scheduler: Arc<Scheduler<T>>,
    index: usize,
    queue: Worker<T>,
    clock: Option<StdArc<Clock>>,
    /// Counts the tasks started.
    tick: Cell<u32>,
    slot_runs: Cell<u32>,
    /// The queue holds one task, put back by us, that was not announced: it must be the next to run.
    unannounced: Cell<bool>,
    /// We count as searching in the idle word.
    searching: Cell<bool>,
    random: Cell<u32>,
    glances: Box<[Cell<Glance>]>,
}

impl<T: Task> Local<T> {
    pub(super) fn new(
        scheduler: Arc<Scheduler<T>>,
        index: usize,
        queue: Worker<T>,
        clock: Option<StdArc<Clock>>,
    ) -> Self {
        let workers = scheduler.remotes.len();
        let head = Head { scheduler: address(&scheduler), task: TypeId::of::<T>() };
        Self {
            head,
            scheduler,
            index,
            queue,
            clock,
            tick: Cell::new(0),
            slot_runs: Cell::new(0),
            unannounced: Cell::new(false),
            searching: Cell::new(false),
            random: Cell::new((index as u32).wrapping_add(1).wrapping_mul(0x9E37_79B9) | 1),
            glances: iter::repeat_with(Cell::default).take(workers).collect(),
        }
    }

    /// The life of a worker thread.
    pub(super) fn live(self) {
        self.scheduler.idle.register(self.index);
        CURRENT.set((&raw const self).cast());
        if let Some(clock) = &self.clock {
            clock.sit(self.index);
        }
        while !shielded(|| self.work()) {}
        self.drop_leftovers();
        if let Some(clock) = &self.clock {
            clock.leave();
        }
        CURRENT.set(ptr::null());
        self.scheduler.worker_ended();
    }

    /// Runs `act` with `task` if the calling thread is a worker of `scheduler`; gives `task` back otherwise.
    #[inline]
    pub(super) fn with(scheduler: &Scheduler<T>, task: T, act: impl FnOnce(&Self, T)) -> Result<(), T> {
        if !is_current(scheduler) {
            return Err(task);
        }
        // SAFETY: `CURRENT` points to a `Local` as a whole while that lives, on the thread that owns it (`live`); its
        // `head` comes first by `repr(C)`. Its scheduler is at the address of ours, and both live: so they are one
        // scheduler, with one type of tasks.
        let local = unsafe { &*CURRENT.get().cast::<Self>() };
        act(local, task);
        Ok(())
    }

    fn remote(&self) -> &Remote<T> {
        &self.scheduler.remotes[self.index]
    }

    /// Queues a task to run next here.
    #[inline]
    pub(super) fn put(&self, task: T) {
        let raw = task.into_raw();
        // ORDERING: Release shows the task to the watchdog, should it take it; Acquire is free in a
        // read-modify-write and not needed: what we displace we put there ourselves.
        let displaced = self.remote().slot.swap(raw.as_ptr(), Ordering::AcqRel);
        match NonNull::new(displaced) {
            None => self.scheduler.idle.announce_slot(),
            // SAFETY: as in `Remote::take`.
            Some(displaced) => self.put_back(unsafe { T::from_raw(displaced) }),
        }
    }

    /// Queues a task to run here or elsewhere behind what waits.
    #[inline]
    pub(super) fn put_back(&self, task: T) {
        self.queue.push(task);
        self.scheduler.idle.announce();
    }

    /// Until the scheduler stops.
    fn work(&self) {
        while !self.scheduler.idle.is_closed() {
            if let Some(task) = self.next().or_else(|| self.seek()) {
                self.run(task);
            }
        }
    }

    fn run(&self, task: T) {
        let Some(task) = task.run() else { return };
        if self.queue.is_empty() && self.remote().is_slot_empty() {
            // Alone: we are about to run it again, there is nothing to share.
            self.queue.push(task);
            self.unannounced.set(true);
        } else {
            self.put_back(task);
        }
    }

    /// The next task without a look at the other workers.
    fn next(&self) -> Option<T> {
        let tick = self.tick.get().wrapping_add(1);
        self.tick.set(tick);
        // ORDERING: Relaxed; see `Remote::moved`.
        self.remote().moved.store(tick, Ordering::Relaxed);
        if !self.unannounced.take() && tick % INJECTOR_EVERY == 0 {
            if let Some(task) = self.scheduler.injector.pop() {
                return Some(task);
            }
        }
        if let Some(task) = self.remote().take() {
            let runs = self.slot_runs.get();
            if runs < SLOT_RUNS || self.queue.is_empty() {
                self.slot_runs.set(runs.wrapping_add(1));
                return Some(task);
            }
            self.put_back(task);
        }
        self.slot_runs.set(0);
        self.queue.pop().or_else(|| self.injected())
    }

    /// Takes one task from the injector to run, and a fair share of the rest into the queue.
    fn injected(&self) -> Option<T> {
        let Scheduler { injector, idle, remotes, .. } = &*self.scheduler;
        let first = injector.pop()?;
        let share = (injector.len() / remotes.len()).min(INJECTOR_BATCH - 1);
        let mut rest = iter::from_fn(|| injector.pop()).take(share).peekable();
        if rest.peek().is_some() {
            rest.for_each(|task| self.queue.push(task));
            // On their way over they could not be seen. (A searcher looks again in `end_search`.)
            if !self.searching.get() {
                idle.announce();
            }
        }
        Some(first)
    }

    /// Searches and sleeps until there is a task, or none because the scheduler stops.
    #[cold]
    fn seek(&self) -> Option<T> {
        if let Some(clock) = &self.clock {
            clock.clear_desk();
        }
        let idle = &self.scheduler.idle;
        loop {
            if !self.searching.get() {
                self.searching.set(idle.try_search());
            }
            if self.searching.get() {
                if let Some(task) = self.search() {
                    return Some(self.end_search(task));
                }
            }
            match idle.sleep(self.index, self.searching.take(), &mut &*self) {
                Woken::Closed => return None,
                Woken::Searching => self.searching.set(true),
                Woken::Watchdog => {
                    self.searching.set(true);
                    if let Some(task) = self.rob() {
                        return Some(self.end_search(task));
                    }
                }
            }
        }
    }

    fn end_search(&self, task: T) -> T {
        self.searching.set(false);
        let idle = &self.scheduler.idle;
        if idle.found() == Found::Last && self.scheduler.has_work() {
            idle.announce();
        }
        task
    }

    /// Looks into the injector and the queues of all others, a bounded number of times.
    fn search(&self) -> Option<T> {
        for round in 0..ROUNDS {
            if let Some(task) = self.injected().or_else(|| self.steal()) {
                return Some(task);
            }
            if self.scheduler.idle.is_closed() {
                return None;
            }
            if round % 4 == 3 {
                thread::yield_now();
            } else {
                (0..SPINS).for_each(|_| hint::spin_loop());
            }
        }
        None
    }

    /// Steals half of somebody's queue, beginning with a random worker.
    fn steal(&self) -> Option<T> {
        let remotes = &self.scheduler.remotes;
        let start = self.random() as usize % remotes.len();
        let (before, from) = remotes.split_at(start);
        from.iter().chain(before).find_map(|remote| {
            if ptr::eq(&raw const **remote, self.remote()) || remote.stealer.is_empty() {
                return None;
            }
            match remote.stealer.steal_batch_and_pop(&self.queue) {
                Steal::Success(task) => Some(task),
                // Lost to another thief or the owner. What is left is seen in the next round, or by the look
                // before sleep.
                Steal::Retry | Steal::Empty => None,
            }
        })
    }

    /// Takes what is in the slots of the workers found stuck.
    fn rob(&self) -> Option<T> {
        let stuck = self.others().filter(|(_, glance)| glance.get().stuck);
        let mut tasks = stuck.filter_map(|(remote, _)| remote.take());
        let first = tasks.next()?;
        tasks.for_each(|task| self.queue.push(task));
        Some(first)
    }

    fn others(&self) -> impl Iterator<Item = (&Remote<T>, &Cell<Glance>)> {
        let all = self.scheduler.remotes.iter().zip(&self.glances).enumerate();
        all.filter(|(index, _)| *index != self.index).map(|(_, (remote, seen))| (&**remote, seen))
    }

    /// Xorshift.
    fn random(&self) -> u32 {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.random.set(x);
        x
    }

    /// Drops what waits here or anywhere, and what that queues in turn.
    fn drop_leftovers(&self) {
        loop {
            let task = self.remote().take().or_else(|| self.queue.pop());
            let Some(task) = task.or_else(|| self.scheduler.leftover()) else { return };
            shielded(|| drop(task));
        }
    }
}

impl<T: Task> Outlook for &Local<T> {
    fn has_work(&mut self) -> bool {
        self.scheduler.has_work()
    }

    fn watch(&mut self) -> Seen {
        let mut seen = Seen::Quiet;
        for (remote, glance) in self.others() {
            let moved = remote.moved();
            let still = moved == glance.get().moved;
            let stuck = still && !remote.is_slot_empty();
            glance.set(Glance { moved, stuck });
            if stuck {
                seen = Seen::Stuck;
            } else if !still && seen == Seen::Quiet {
                seen = Seen::Busy;
            }
        }
        seen
    }
}

impl<T: Task> Scheduler<T> {
    /// Tells whether a task is where all workers may take it.
    fn has_work(&self) -> bool {
        !self.injector.is_empty() || self.remotes.iter().any(|remote| !remote.stealer.is_empty())
    }

    /// Takes a task from wherever one is, for a scheduler that stops. (A slot is taken from as the watchdog does.)
    fn leftover(&self) -> Option<T> {
        self.injector.pop().or_else(|| {
            self.remotes.iter().find_map(|remote| {
                remote.take().or_else(|| {
                    iter::repeat_with(|| remote.stealer.steal()).find(|it| !it.is_retry())?.success()
                })
            })
        })
    }
}

fn address<T: Task>(scheduler: &Scheduler<T>) -> *const () {
    ptr::from_ref(scheduler).cast()
}

/// Tells whether the calling thread is a worker of `scheduler`.
#[inline]
pub(super) fn is_current<T: Task>(scheduler: &Scheduler<T>) -> bool {
    // SAFETY: `CURRENT` is null or points to the head of a `Local` that lives, on this thread.
    unsafe { CURRENT.get().as_ref() }.is_some_and(|head| head.scheduler == address(scheduler))
}

/// The scheduler of tasks `T` whose worker is the calling thread.
pub(super) fn current<T: Task>() -> Option<Arc<Scheduler<T>>> {
    // SAFETY: as in `is_current`.
    let head = unsafe { CURRENT.get().as_ref() }?;
    if head.task != TypeId::of::<T>() {
        return None;
    }
    // SAFETY: as in `Local::with`; the type of the tasks was compared.
    let local = unsafe { &*CURRENT.get().cast::<Local<T>>() };
    Some(Arc::clone(&local.scheduler))
}

/// Drops what waits anywhere in a scheduler whose workers take no more, and what that queues in turn.
pub(super) fn drop_all<T: Task>(scheduler: &Scheduler<T>) {
    drop_in_turn(address(scheduler), || scheduler.leftover());
}

/// Tells whether `act` came to its end; see rule 6 for one that does not.
pub(super) fn shielded(act: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(act)).map_err(core::mem::forget).is_ok()
}
