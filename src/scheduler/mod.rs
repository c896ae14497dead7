//! The work-stealing scheduler: a fixed set of worker threads over any kind of [`Task`].
//!
//! Each worker has a slot for the task it queued last, a queue of its own that others may steal from,
//! and all share one injector for what comes from outside. [`idle`] decides who sleeps and who is woken.
//!
//! # Rules
//!
//! 1. A task queued by a worker goes into that worker's slot and runs next there: a chain of messages
//!    stays on one core and wakes nobody. The task it displaces goes to the back of the worker's queue,
//!    which is a backlog: if a worker sleeps and none searches, one is woken.
//! 2. After `SLOT_RUNS` runs out of the slot in a row the worker's queue gets its turn. Every
//!    `INJECTOR_EVERY`th task comes from the injector, if it has one.
//! 3. Nobody steals from a slot but the watchdog, and it does so only if the slot's worker has been in one
//!    and the same task for a whole `WATCH_PERIOD`. So a handler that never yields keeps its own
//!    worker and nothing else.
//! 4. What [`Task::run`] gives back goes to the back of the worker's queue.
//! 5. [`Scheduler::stop`] lets every worker finish the task it is in. What is queued then, anywhere, is dropped by the
//!    workers as they end, and what is queued later by whoever queues it: nothing is kept by a stopped
//!    scheduler. Dropping a task may queue others. If all workers are in tasks that do not end,
//!    [`Scheduler::abandon`] drops what is queued, on the calling thread; but for their own, what is queued later goes
//!    as after the end.
//! 6. `run` and the drop of a task must not panic. If one does, the task is lost, the panic payload is leaked
//!    (its drop is not to be trusted either), and the worker goes on.
//! 7. The workers keep the scheduler alive until it is stopped.
//!
//! Nothing is global but one thread-local, which names the worker that the thread is.

pub mod elastic;
pub mod guest;
pub mod idle;
pub mod own_thread;
mod worker;

#[cfg(all(test, not(dw_loom)))]
mod tests;

use core::fmt;
use core::ptr::NonNull;
use core::time::Duration;
use std::any::Any;
use std::io;
use std::sync::{Arc as StdArc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use crossbeam_utils::CachePadded;

use crate::cell::Runnable;
use crate::clock::Clock;
use crate::structs::queue::Queue;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use crate::sync::thread::{self, JoinHandle};

use self::idle::{Idle, MOST_WORKERS};
use self::worker::{Local, Remote};

/// How often the watchdog looks; see rule 3.
const WATCH_PERIOD: Duration = Duration::from_millis(5);

/// What a scheduler queues and runs: one pointer wide.
///
/// # Safety
///
/// - [`from_raw`](Self::from_raw) of what [`into_raw`](Self::into_raw) gave is the same task again, on
///   whatever thread;
/// - the pointer identifies nothing else and may be held for any time in between.
pub unsafe trait Task: Send + 'static {
    /// Runs one turn. `Some`: there is more to do, queue it at the back.
    fn run(self) -> Option<Self>
    where
        Self: Sized;

    /// Turns the task into a pointer that owns it.
    fn into_raw(self) -> NonNull<()>;

    /// Makes the task again.
    ///
    /// # Safety
    ///
    /// `raw` came from [`into_raw`](Self::into_raw) of this type and is used up by this call.
    unsafe fn from_raw(raw: NonNull<()>) -> Self;
}

// SAFETY: `Runnable` is one owned pointer to an actor cell and makes just this promise.
unsafe impl Task for Runnable {
    #[inline]
    fn run(self) -> Option<Self> {
        Runnable::run(self)
    }

    #[inline]
    fn into_raw(self) -> NonNull<()> {
        Runnable::into_raw(self)
    }

    #[inline]
    unsafe fn from_raw(raw: NonNull<()>) -> Self {
        // SAFETY: the caller's promise, handed on unchanged.
        unsafe { Runnable::from_raw(raw) }
    }
}

/// What is done around the life of each thread on which actors run.
#[derive(Clone, Default)]
pub struct Around(Option<StdArc<Surround>>);

/// Calls what it is given, once.
type Surround = dyn Fn(&mut dyn FnMut()) + Send + Sync;

impl Around {
    /// This, which calls what it is given, once.
    #[cfg(feature = "tokio")]
    pub fn new(surround: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static) -> Self {
        Around(Some(StdArc::new(surround)))
    }

    /// The life of a thread.
    pub fn live(&self, live: impl FnOnce()) {
        let mut live = Some(live);
        let mut once = || live.take().into_iter().for_each(|live| live());
        match &self.0 {
            Some(surround) => surround(&mut once),
            None => once(),
        }
    }
}

impl fmt::Debug for Around {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Around").field(&self.0.is_some()).finish()
    }
}

/// What a scheduler is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many worker threads; at least 1, at most [`MOST_WORKERS`].
    pub workers: usize,
    /// Worker `i` is named `{name}-{i}`.
    pub name: String,
    /// The stack of each worker, in bytes; `None`: the default of the platform.
    pub stack_size: Option<usize>,
    /// The clock, at one of whose desks each worker sits; cleared by a worker that has nothing to do.
    pub clock: Option<StdArc<Clock>>,
    /// Around the life of each worker.
    pub around: Around,
}

/// A work-stealing scheduler; see the module documentation.
pub struct Scheduler<T: Task = Runnable> {
    idle: Idle,
    remotes: Box<[CachePadded<Remote<T>>]>,
    injector: CachePadded<Queue<T>>,
    /// Workers that may still take tasks. The one that ends last sets `ended`.
    working: AtomicUsize,
    /// No worker will take a task any more, but those of its own that are stuck in one.
    ended: AtomicBool,
    threads: Mutex<Threads>,
    all_ended: Condvar,
    /// Whoever the scheduler works for; see [`set_owner`](Self::set_owner).
    owner: OnceLock<Weak<dyn Any + Send + Sync>>,
}

/// Cold: touched at start, at the end of a worker, and in `join`.
struct Threads {
    handles: Vec<JoinHandle<()>>,
    running: usize,
}

impl Scheduler<Runnable> {
    /// The scheduler whose worker is the calling thread.
    pub fn current() -> Option<Arc<Self>> {
        Self::current_of()
    }
}

impl<T: Task> Scheduler<T> {
    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// If a thread cannot be started (those that were are stopped and joined first), or with
    /// `InvalidInput` if there would be more than [`MOST_WORKERS`].
    pub fn start(config: Config) -> io::Result<Arc<Self>> {
        if config.workers > MOST_WORKERS {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("a scheduler has at most {MOST_WORKERS} workers"),
            ));
        }
        let queues: Vec<_> = (0..config.workers).map(|_| crossbeam_deque::Worker::new_fifo()).collect();
        let scheduler = Arc::new(Self {
            idle: Idle::new(config.workers, WATCH_PERIOD),
            remotes: queues.iter().map(|q| CachePadded::new(Remote::new(q.stealer()))).collect(),
            injector: CachePadded::new(Queue::new()),
            working: AtomicUsize::new(config.workers),
            ended: AtomicBool::new(false),
            threads: Mutex::new(Threads { handles: Vec::new(), running: 0 }),
            all_ended: Condvar::new(),
            owner: OnceLock::new(),
        });
        for (index, queue) in queues.into_iter().enumerate() {
            if let Err(error) = Self::start_worker(&scheduler, &config, index, queue) {
                // ORDERING: Relaxed; only a count here, the joins below order all else.
                scheduler.working.fetch_sub(config.workers - index, Ordering::Relaxed);
                scheduler.stop();
                scheduler.join(None);
                return Err(error);
            }
        }
        Ok(scheduler)
    }

    fn start_worker(
        scheduler: &Arc<Self>,
        config: &Config,
        index: usize,
        queue: crossbeam_deque::Worker<T>,
    ) -> io::Result<()> {
        let name = format!("{}-{index}", config.name);
        let (owner, clock, around) = (Arc::clone(scheduler), config.clock.clone(), config.around.clone());
        // Held across the start, so that a worker cannot count itself out before it was counted in.
        let mut threads = scheduler.threads();
        let handle = thread::spawn(name, config.stack_size, move || {
            around.live(|| Local::new(owner, index, queue, clock).live());
        })?;
        threads.handles.push(handle);
        threads.running += 1;
        Ok(())
    }

    /// Says whom the scheduler works for, so that code on a worker can find out; to be said once.
    pub fn set_owner(&self, owner: Weak<dyn Any + Send + Sync>) {
        let _ = self.owner.set(owner);
    }

    /// Whom the scheduler works for, if that still exists.
    pub fn owner(&self) -> Option<StdArc<dyn Any + Send + Sync>> {
        self.owner.get()?.upgrade()
    }

    /// Queues a task: into the slot of the calling worker, or from elsewhere at the back of the injector.
    #[inline]
    pub fn schedule(&self, task: T) {
        if let Err(task) = Local::with(self, task, Local::put) {
            self.inject(task);
        }
    }

    /// Queues a task behind those that wait: in the queue of the calling worker, or from elsewhere in
    /// the injector.
    #[cfg(test)]
    pub fn schedule_back(&self, task: T) {
        if let Err(task) = Local::with(self, task, Local::put_back) {
            self.inject(task);
        }
    }

    fn inject(&self, task: T) {
        self.injector.push(task);
        self.idle.announce();
        // ORDERING: Relaxed after the `SeqCst` fence in `announce`; partner is the one in `abandon`. If
        // ours is first, the last worker's drain sees the task; if theirs is first, we see `ended`.
        if self.ended.load(Ordering::Relaxed) {
            worker::drop_all(self);
        }
    }

    /// Tells whether the calling thread is a worker of this scheduler.
    #[inline]
    pub fn is_current(&self) -> bool {
        worker::is_current(self)
    }

    pub(crate) fn current_of() -> Option<Arc<Self>> {
        worker::current()
    }

    /// Tells every worker to end after its present task; the second time does nothing.
    pub fn stop(&self) {
        self.idle.close();
    }

    /// After [`stop`](Self::stop), when the workers do not end: drops what is queued, which they would have dropped.
    pub fn abandon(&self) {
        // ORDERING: Relaxed before the fence, which is the other half of the pair told in `inject`.
        self.ended.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        worker::drop_all(self);
    }

    /// Waits until every worker has ended, at most for `limit`; tells whether they have.
    ///
    /// A worker of this scheduler gets `false` at once, since it would wait for itself.
    pub fn join(&self, limit: Option<Duration>) -> bool {
        if self.is_current() {
            return false;
        }
        let threads = self.threads();
        let mut threads = match limit {
            None => self
                .all_ended
                .wait_while(threads, |threads| threads.running != 0)
                .unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                self.all_ended
                    .wait_timeout_while(threads, limit, |threads| threads.running != 0)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        };
        if threads.running != 0 {
            return false;
        }
        let handles = core::mem::take(&mut threads.handles);
        drop(threads);
        for handle in handles {
            // A worker catches what its tasks do; only a bug of ours would be told here.
            let _ = handle.join();
        }
        true
    }

    fn threads(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last two acts of a worker; its own slot and queue are empty by now.
    fn worker_ended(&self) {
        // ORDERING: AcqRel: the last one's drain comes after everything the others did.
        if self.working.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.abandon();
        }
        self.threads().running -= 1;
        self.all_ended.notify_all();
    }
}

impl<T: Task> fmt::Debug for Scheduler<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler")
            .field("workers", &self.remotes.len())
            .field("idle", &self.idle)
            .field("injected", &self.injector.len())
            .finish()
    }
}
