//! Cells on somebody else's executor: each has a future there, its *seat* is what the two share.
//!
//! The executor may poll the future whenever it likes, and drop it whenever it likes. Dropped, its cell is killed: who would run it
//! from then on ends it on the spot.

use std::cell::Cell as PerThread;
use std::future::Future;
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::sync::{Arc as StdArc, Mutex, PoisonError};
use std::task::{Context, Poll};

use super::worker::shielded;
use crate::cell::{CellRef, Runnable};
use crate::structs::waker::AtomicWaker;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, AtomicPtr, Ordering, fence};

/// What an executor is given: to be polled until it is ready.
pub type ActorFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How an executor is given one.
pub type Spawn = dyn Fn(ActorFuture) + Send + Sync;

const LEFT: usize = 1;

fn left() -> *mut () {
    ptr::without_provenance_mut(LEFT)
}

/// Where the cell's one `Runnable` is laid for its future.
///
/// | `next` | means | left by |
/// |---|---|---|
/// | null | nothing to run | `lay`, `leave` |
/// | a `Runnable` | to be run by the future | `take`, `leave`, which gives it out |
/// | `LEFT` | there is no future any more | never |
///
/// Two cases: the laying is first, then the future finds it, or who drops the future; or the leaving is first, then who lays is
/// told. As for an executor that is not asked any more (`closing` of [`Guests`]): who lays looks after that whether it is so, and who says
/// so looks after that for what was laid.
pub struct Seat {
    next: AtomicPtr<()>,
    /// The cell is over.
    over: AtomicBool,
    waker: AtomicWaker,
}

impl Seat {
    /// An empty one.
    pub fn new() -> Arc<Self> {
        Arc::new(Seat {
            next: AtomicPtr::new(ptr::null_mut()),
            over: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        })
    }

    /// Has the future run it; there is none any more, and it comes back.
    pub fn lay(&self, runnable: Runnable) -> Result<(), Runnable> {
        let raw = runnable.into_raw();
        // ORDERING: Release pairs with the Acquire of who takes it out.
        match self.next.compare_exchange(ptr::null_mut(), raw.as_ptr(), Ordering::Release, Ordering::Relaxed)
        {
            Ok(_) => {
                self.wake();
                Ok(())
            }
            Err(word) => {
                debug_assert_eq!(word, left(), "a cell has one runnable");
                // SAFETY: made of it above, and laid nowhere.
                Err(unsafe { Runnable::from_raw(raw) })
            }
        }
    }

    /// What lies there, for the future, or for who ends its cell instead.
    pub fn take(&self) -> Option<Runnable> {
        // ORDERING: Relaxed: a look, ordered by the fence in `Guests::close` where it matters.
        let word = self.next.load(Ordering::Relaxed);
        if word == left() {
            return None;
        }
        let raw = NonNull::new(word)?;
        // ORDERING: Acquire pairs with the laying. It fails when somebody else has taken it; what is laid since is another's.
        self.next.compare_exchange(word, ptr::null_mut(), Ordering::Acquire, Ordering::Relaxed).ok()?;
        // SAFETY: laid by `lay`, taken out once. (The same one may have come and gone since the look: then it is that.)
        Some(unsafe { Runnable::from_raw(raw) })
    }

    /// The future goes; nothing is laid here any more.
    fn leave(&self) -> Option<Runnable> {
        // ORDERING: Acquire pairs with the laying of what comes out.
        let word = self.next.swap(left(), Ordering::Acquire);
        // SAFETY: as in `take`; the future leaves once.
        NonNull::new(word).map(|raw| unsafe { Runnable::from_raw(raw) })
    }

    /// The cell is over: its future is ready.
    pub fn end(&self) {
        // ORDERING: Release pairs with the Acquire in the poll; the waking brings that about.
        self.over.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            shielded(|| waker.wake()); // the executor's may panic; that is not the caller's fault
        }
    }

    fn is_over(&self) -> bool {
        // ORDERING: Acquire: see `end`.
        self.over.load(Ordering::Acquire)
    }
}

/// The cells of one executor.
pub struct Guests {
    /// Behind a lock, to be forgotten at the end: it may hold the executor, which holds our futures, which hold this.
    spawn: Mutex<Option<StdArc<Spawn>>>,
    /// The executor is not waited for any more.
    closing: AtomicBool,
}

impl Guests {
    /// Of an executor that takes futures by this function.
    pub fn new(spawn: StdArc<Spawn>) -> Self {
        Guests { spawn: Mutex::new(Some(spawn)), closing: AtomicBool::new(false) }
    }

    /// Gives the executor the future of a cell. `run` runs it, and submits what comes back.
    pub fn invite<R>(&self, seat: Arc<Seat>, cell: CellRef, run: R)
    where
        R: Fn(Runnable) + Send + Unpin + 'static,
    {
        let spawn = self.spawn.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let life = Box::pin(Drive { seat, cell, run });
        if let Some(spawn) = spawn {
            spawn(life);
        }
    }

    /// Forgets the executor. Who is invited after that is killed.
    pub fn forget(&self) {
        let spawn = self.spawn.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(spawn); // when the lock is given back: it runs code that is not ours
    }

    /// Has the executor run it. What comes back will not be run: it is to be dropped.
    #[must_use]
    pub fn lay(&self, seat: &Seat, runnable: Runnable) -> Option<Runnable> {
        if let Err(runnable) = seat.lay(runnable) {
            return Some(runnable);
        }
        // ORDERING: the fence pairs with that in `close`. If ours is first, the look of who closes, which follows, finds what we have
        // laid; if theirs is first, we see `closing`.
        fence(Ordering::SeqCst);
        // ORDERING: Relaxed, ordered by the fence.
        if self.closing.load(Ordering::Relaxed) { seat.take() } else { None }
    }

    /// What is laid from now on comes back. What lies there is to be [taken](Seat::take).
    pub fn close(&self) {
        // ORDERING: Relaxed, ordered by the fence, which pairs with that in `lay`.
        self.closing.store(true, Ordering::Relaxed);
        // ORDERING: see `lay`.
        fence(Ordering::SeqCst);
    }
}

thread_local! {
    static RUNNING: PerThread<bool> = const { PerThread::new(false) };
}

/// Runs, or ends, a cell for somebody else's executor.
pub fn run<T>(f: impl FnOnce() -> T) -> T {
    let outer = RUNNING.try_with(|running| running.replace(true));
    let result = f();
    if let Ok(outer) = outer {
        let _ = RUNNING.try_with(|running| running.set(outer));
    }
    result
}

/// Is the calling thread running a cell for somebody else's executor?
pub fn is_running() -> bool {
    RUNNING.try_with(PerThread::get).unwrap_or(false)
}

/// The future of a cell.
struct Drive<R> {
    seat: Arc<Seat>,
    cell: CellRef,
    run: R,
}

impl<R> Future for Drive<R>
where
    R: Fn(Runnable) + Unpin,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.seat.waker.register(cx.waker()); // before the look: see `AtomicWaker`, rule 3
        if let Some(runnable) = self.seat.take() {
            (self.run)(runnable); // does not unwind
        }
        if self.seat.is_over() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl<R> Drop for Drive<R> {
    fn drop(&mut self) {
        match self.seat.leave() {
            Some(runnable) => runnable.submit(), // comes back to its host, who ends it
            None if self.seat.is_over() => {}
            None => self.cell.kill(), // idle: it is laid, refused, and ended
        }
    }
}
